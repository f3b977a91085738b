// What running one node takes, between engine.cpp (the walk) and gradient.cpp (one node).
#pragma once
#include "autograd.h"

namespace rl {

// Gradients in order, null where there is none. A few need no memory of their own.
class Gradients {
  static constexpr size_t kFew = 4;
  PyObject* few_[kFew];
  std::vector<PyObject*> many_;
  size_t size_ = 0;

 public:
  Gradients() = default;
  explicit Gradients(size_t n) { resize(n); }
  void resize(size_t n) {  // those added are null
    if (n > kFew) {
      if (size_ <= kFew) many_.assign(few_, few_ + size_);
      many_.resize(n, nullptr);
    } else if (n > size_) {
      std::fill(few_ + size_, few_ + n, nullptr);
    }
    size_ = n;
  }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  PyObject** begin() { return size_ > kFew ? many_.data() : few_; }
  PyObject** end() { return begin() + size_; }
  PyObject* const* begin() const { return size_ > kFew ? many_.data() : few_; }
  PyObject* const* end() const { return begin() + size_; }
  PyObject*& operator[](size_t i) { return begin()[i]; }
  PyObject* operator[](size_t i) const { return begin()[i]; }
};

// Those of a node's edges, owned.
using Results = Gradients;
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
PyObject* gradient_tuple(const Gradients& gradients);
PyObject* none_to_null(PyObject* o);  // takes over o
void run_node(Node* n, const Gradients& gradients, Results& out);

// hooks.cpp, in the order in which they run
PyObject* extra_item(Node* n, const char* key);  // borrowed or null
void run_tensor_hooks(Node* n, Gradients& gradients);
void run_prehooks(Node* n, Gradients& gradients);
void run_accumulated_hooks(Tensor* leaf);
void run_posthooks(Node* n, const Gradients& arrived, Results& out);

}  // namespace rl
