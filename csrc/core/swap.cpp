// swap_tensors(a, b): two tensors change what they are, and keep who they are.
#include <cstring>

#include "autograd.h"
#include "levels.h"

namespace rl {
namespace {

constexpr size_t kHead = sizeof(PyObject);

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
    char parts[sizeof(Tensor)];
    char *p1 = reinterpret_cast<char*>(t1) + kHead, *p2 = reinterpret_cast<char*>(t2) + kHead;
    const size_t size = sizeof(Tensor) - kHead;
    std::memcpy(parts, p1, size);
    std::memcpy(p1, p2, size);
    std::memcpy(p2, parts, size);
    std::swap(a->ob_type, b->ob_type);
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {{"swap_tensors", swap_tensors, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_swap(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
