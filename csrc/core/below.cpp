// Below the tape: modes and classes of tensors whose `__torch_dispatch__` carries out calls that
// the gate has recorded (dispatch.cpp), and the tensors that wrap others.
#include "levels.h"

namespace rl {

bool is_below(PyObject* interpreter) {
  static PyObject* const name = PyUnicode_InternFromString("below_the_tape");
  return _PyType_Lookup(Py_TYPE(interpreter), name);
}

PyObject* handled_mode() {
  if (!modes.interpreters || !modes.torch_dispatch) return nullptr;
  PyObject* top = innermost_interpreter();
  return is_below(top) ? top : nullptr;
}

bool is_dispatching(PyTypeObject* type) {
  static PyObject* const name = PyUnicode_InternFromString("__torch_dispatch__");
  if (type == TensorType || type == ParameterType || !PyType_IsSubtype(type, TensorType))
    return false;
  return _PyType_Lookup(type, name) != _PyType_Lookup(TensorType, name);
}

bool any_dispatching(PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    if (values[i] && any_tensor(values[i], [](Tensor* t) { return is_dispatching(t); }))
      return true;
  }
  return false;
}

PyObject* read_item(Tensor* t) {
  if (is_dispatching(t) || handled_mode()) return call_helper("item", {as_object(t)});
  return item_object(one_element(t));
}

namespace {

// handled_mode() -> the mode that the next call goes to, or None.
PyObject* py_handled_mode(PyObject*, PyObject*) {
  PyObject* mode = handled_mode();
  return Py_NewRef(mode ? mode : Py_None);
}

// any_dispatching(values): whether one, in lists too, is of a class with a `__torch_dispatch__`.
PyObject* py_any_dispatching(PyObject*, PyObject* values) {
  return guarded([&] { return PyBool_FromLong(any_dispatching(&values, 1)); });
}

// interpreters() -> the stack, outermost first; set_interpreters(list) puts another in its place.
PyObject* py_interpreters(PyObject*, PyObject*) {
  if (!modes.interpreters) return PyList_New(0);
  return PyList_GetSlice(modes.interpreters, 0, PyList_GET_SIZE(modes.interpreters));
}
PyObject* py_set_interpreters(PyObject*, PyObject* stack) {
  return guarded([&]() -> PyObject* {
    if (!PyList_Check(stack)) fail(ErrorType::Type, "set_interpreters: expected a list");
    set_interpreters(PyList_GET_SIZE(stack) ? stack : nullptr);
    Py_RETURN_NONE;
  });
}

// set_torch_dispatch(enabled) -> what it was, of this thread.
PyObject* set_torch_dispatch(PyObject*, PyObject* enabled) {
  const int now = PyObject_IsTrue(enabled);
  if (now < 0) return nullptr;
  return PyBool_FromLong(std::exchange(modes.torch_dispatch, now != 0));
}

// pretend_device(tensor, device or None): what `.device` says of a tensor without elements.
PyObject* pretend_device(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "pretend_device(tensor, device)");
    Tensor* t = tensor_argument("pretend_device", args[0]);
    Py_XSETREF(tensor_extra(t)->device, args[1] == Py_None ? nullptr : Py_NewRef(args[1]));
    Py_RETURN_NONE;
  });
}

// view_storage_of(tensor, other): a tensor without elements becomes a view of the other's memory.
PyObject* view_storage_of(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "view_storage_of(tensor, other)");
    Tensor* t = tensor_argument("view_storage_of", args[0]);
    Tensor* other = tensor_argument("view_storage_of", args[1]);
    if (!(t->flags & other->flags & kMeta))
      fail(ErrorType::Runtime, "view_storage_of: expected two tensors without elements");
    const Array a = t->array;
    t->array =
        Array::over(other->array.storage_ref(), a.dtype(), a.offset(), a.shape(), a.stride_span());
    Py_RETURN_NONE;
  });
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL
PyMethodDef functions[] = {{"handled_mode", py_handled_mode, METH_NOARGS, nullptr},
                           {"any_dispatching", py_any_dispatching, METH_O, nullptr},
                           {"interpreters", py_interpreters, METH_NOARGS, nullptr},
                           {"set_interpreters", py_set_interpreters, METH_O, nullptr},
                           {"set_torch_dispatch", set_torch_dispatch, METH_O, nullptr},
                           {"pretend_device", FAST(pretend_device), nullptr},
                           {"view_storage_of", FAST(view_storage_of), nullptr},
                           {nullptr, nullptr, 0, nullptr}};
#undef FAST

}  // namespace

bool init_below(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
