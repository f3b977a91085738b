// Whether a value has a history that somebody further out may differentiate.
#include <unordered_set>

#include "autograd.h"
#include "levels.h"

namespace rl {
namespace {

bool live(Tensor* t) {
  if (needs_grad(t)) return true;
  if ((t->flags & kWrapped) && t->extra->physical && live(t->extra->physical)) return true;
  if (!(t->flags & kDual) || !t->extra->duals) return false;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(t->extra->duals, &at, &key, &value)) {
    if (tensor_check(value) && reinterpret_cast<Level*>(key)->open && live(as_tensor(value)))
      return true;
  }
  return false;
}

}  // namespace

bool is_live(PyObject* o) { return any_tensor(o, live); }

namespace {

PyObject* py_is_live(PyObject*, PyObject* o) {
  return guarded([&] { return PyBool_FromLong(is_live(o)); });
}

// Whether t has history on a tape further out. Tangents on this tape are held, to be looked into.
bool lives_elsewhere(Tensor* t, std::vector<Tensor*>& held) {
  if (!on_tape(t)) return live(t);
  if ((t->flags & kWrapped) && live(t->extra->physical)) return true;
  if (!(t->flags & kDual) || !t->extra->duals) return false;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(t->extra->duals, &at, &key, &value)) {
    if (!tensor_check(value) || !reinterpret_cast<Level*>(key)->open) continue;
    if (lives_elsewhere(as_tensor(value), held)) return true;
    if (on_tape(as_tensor(value))) held.push_back(as_tensor(value));
  }
  return false;
}
bool saved_live(const Node* n, std::vector<Tensor*>& held) {
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    const Saved& s = n->saved[i];
    if (s.kind == Saved::Packed) return true;
    if (!s.object) continue;
    if (any_tensor(s.object, [&](Tensor* t) { return lives_elsewhere(t, held); })) return true;
  }
  return false;
}

// The tensors that a node written in Python has saved or has as attributes.
void hold_attributes(PyObject* node, std::vector<Tensor*>& held) {
  PyObject** dict = _PyObject_GetDictPtr(node);
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (dict && *dict && PyDict_Next(*dict, &at, &key, &value)) {
    any_tensor(value, [&](Tensor* t) {
      held.push_back(t);
      return false;
    });
    for (Py_ssize_t i = 0; PyTuple_Check(value) && i < PyTuple_GET_SIZE(value); ++i) {
      PyObject* saved = saved_tensor(PyTuple_GET_ITEM(value, i));
      if (saved) held.push_back(as_tensor(saved));
    }
  }
}

// graph_is_live(outputs, inputs): whether a gradient of the outputs by the inputs can depend on
// something else with a history, so that the backward run must be recorded.
PyObject* graph_is_live(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2 || !PyTuple_Check(args[0]) || !PyTuple_Check(args[1]))
      fail(ErrorType::Type, "graph_is_live(outputs, inputs): expected two tuples");
    std::vector<Node*> stack;
    std::unordered_set<Node*> seen;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[1]); ++i) {
      Tensor* t = tensor_argument("graph_is_live", PyTuple_GET_ITEM(args[1], i));
      if (grad_fn_of(t)) Py_RETURN_TRUE;
      if (t->extra && t->extra->accumulator) seen.insert(t->extra->accumulator);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]); ++i) {
      Node* node = grad_fn_of(tensor_argument("graph_is_live", PyTuple_GET_ITEM(args[0], i)));
      if (node && seen.insert(node).second) stack.push_back(node);
    }
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      if (node->variable) {  // a leaf that is none of the inputs
        if (node->variable->flags & kStandIn) continue;
        Py_RETURN_TRUE;
      }
      std::vector<Tensor*> held;
      if (saved_live(node, held)) Py_RETURN_TRUE;
      if (!node->spec) hold_attributes(as_object(node), held);
      for (size_t k = 0; k < held.size(); ++k) {
        Tensor* t = held[k];
        if (lives_elsewhere(t, held)) Py_RETURN_TRUE;
        if (!needs_grad(t)) continue;
        Edge edge = edge_of(t);
        Ref owned(as_object(edge.node));
        if (seen.insert(edge.node).second) stack.push_back(edge.node);
      }
      for (uint32_t i = 0; i < node->nedges; ++i) {
        Node* next = node->edges[i].node;
        if (next && seen.insert(next).second) stack.push_back(next);
      }
    }
    Py_RETURN_FALSE;
  });
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL
PyMethodDef functions[] = {{"is_live", py_is_live, METH_O, nullptr},
                           {"graph_is_live", FAST(graph_is_live), nullptr},
                           {nullptr, nullptr, 0, nullptr}};
#undef FAST

}  // namespace

bool init_liveness(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
