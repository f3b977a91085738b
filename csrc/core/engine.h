// What running one node takes, between engine.cpp (the walk) and gradient.cpp (one node).
#pragma once
#include "autograd.h"

namespace rl {

// Results per edge, owned; null where there is no gradient.
using Results = std::vector<PyObject*>;
struct ResultsGuard {
  Results& r;
  ~ResultsGuard() {
    for (PyObject* o : r) Py_XDECREF(o);
  }
};

std::string node_label(Node* n);  // class name without the module
Ref fit(Ref g, Node* target, uint32_t nr, const Node* from, uint32_t edge);
PyObject* add_gradients(PyObject* a, PyObject* b, bool create);  // takes over a
void accumulate_into(Tensor* t, Ref g, bool create);
PyObject* gradient_tuple(const std::vector<PyObject*>& gradients);
PyObject* none_to_null(PyObject* o);  // takes over o
void run_node(Node* n, const std::vector<PyObject*>& gradients, Results& out);
[[noreturn]] void fail_freed();  // a second backward through what was freed after the first

// hooks.cpp, in the order in which they run
PyObject* extra_item(Node* n, const char* key);  // borrowed or null
void run_tensor_hooks(Node* n, std::vector<PyObject*>& gradients);
void run_prehooks(Node* n, std::vector<PyObject*>& gradients);
void run_accumulated_hooks(Tensor* leaf);
void run_posthooks(Node* n, const std::vector<PyObject*>& arrived, Results& out);

}  // namespace rl
