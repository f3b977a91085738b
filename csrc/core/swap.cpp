// swap_tensors(a, b): two tensors change what they are, and keep who they are.
#include "autograd.h"
#include "levels.h"

namespace rl {
namespace {

void check_swap(const char* name, const Tensor* t) {
  if (t->weakrefs)
    fail(ErrorType::Runtime, "Cannot swap %s because it has weakref associated with it", name);
  if (t->extra && t->extra->accumulator)
    fail(ErrorType::Runtime,
         "Expected no history that leads to %s: a graph that is still alive would give its "
         "gradient to the other tensor",
         name);
}

PyObject* swap_tensors(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  return guarded([&]() -> PyObject* {
    Tensor *t1 = tensor_argument("swap_tensors", a), *t2 = tensor_argument("swap_tensors", b);
    if (t1 == t2) Py_RETURN_NONE;
    check_swap("t1", t1);
    check_swap("t2", t2);
    tensor_track(t1);  // what they hold moves: the collector must know both
    tensor_track(t2);
    std::swap(t1->grad_fn, t2->grad_fn);
    std::swap(t1->base, t2->base);
    std::swap(t1->dict, t2->dict);
    std::swap(t1->extra, t2->extra);
    std::swap(t1->flags, t2->flags);
    std::swap(t1->requires_grad, t2->requires_grad);
    std::swap(t1->array, t2->array);  // each keeps its own room for dims
    std::swap(a->ob_type, b->ob_type);
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {{"swap_tensors", swap_tensors, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_swap(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
