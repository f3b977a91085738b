// out=: results written into tensors that the caller gave.
#include "autograd.h"
#include "layout.h"
#include "op.h"

namespace rl {

namespace {

// A dtype in the words of PyTorch's message about outputs.
const char* c_name(DType t) {
  switch (t) {
    case DType::F32: return "float";
    case DType::F64: return "double";
    case DType::I32: return "int";
    case DType::I64: return "long int";
    default: return dtype_scalar_name(t);
  }
}

}  // namespace

void fail_out_gradient(const char* name) {
  fail(ErrorType::Runtime,
       "%s(): functions with out=... arguments don't support automatic differentiation, but one "
       "of the arguments requires grad.",
       name);
}

// An in-place write through a broadcast view would write one element many times.
void check_no_overlap(const Array& a) {
  for (int d = 0; a.numel() && d < a.ndim(); ++d) {
    if (a.sizes()[d] > 1 && a.strides()[d] == 0) {
      fail(ErrorType::Runtime,
           "unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. Please clone() the tensor before performing the operation.");
    }
  }
}

// Results into tensors the caller gave: resized when they are empty or of the wrong shape.
void store_out(const char* name, bool exact, PyObject* given, const Array& a) {
  if (!tensor_check(given))
    fail(ErrorType::Type, "%s(): argument 'out' must be Tensor, not %s", name,
         Py_TYPE(given)->tp_name);
  Tensor* out = as_tensor(given);
  if (exact && a.dtype() != out->array.dtype())
    fail(ErrorType::Runtime, "%s: Expected out tensor to have dtype %s, but got %s instead", name,
         c_name(a.dtype()), c_name(out->array.dtype()));
  if (!can_cast(a.dtype(), out->array.dtype())) {
    fail(ErrorType::Runtime, "result type %s can't be cast to the desired output type %s",
         dtype_scalar_name(a.dtype()), dtype_scalar_name(out->array.dtype()));
  }
  check_no_overlap(out->array);
  if (!out->array.same_shape(a)) {
    if (out->array.numel()) {
      if (PyErr_WarnFormat(PyExc_UserWarning, 1,
                           "An output with one or more elements was resized since it had shape %s, "
                           "which does not match the required "
                           "output shape %s. This behavior is deprecated, and in a future PyTorch "
                           "release outputs will not be resized "
                           "unless they have zero elements. You can explicitly reuse an out tensor "
                           "t by resizing it, inplace, to zero "
                           "elements with t.resize_(0).",
                           shape_text(out->array.shape()).c_str(),
                           shape_text(a.shape()).c_str()) < 0) {
        throw PythonError();
      }
    }
    Ref size(size_object(a.shape()));
    Ref done(call_helper("resize_", {given, size}));
  }
  const bool shared = a.storage() == out->array.storage();
  copy_into(out->array, shared ? a.clone() : a);
  note_write(out);
}

// An output may be an operand itself but not overlap one.
void check_operands(PyObject* out, PyObject* given) {
  if (tensor_check(given)) check_partial_overlap(as_tensor(out)->array, as_tensor(given)->array);
  if (!PyList_Check(given) && !PyTuple_Check(given)) return;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(given); ++k)
    check_operands(out, PySequence_Fast_GET_ITEM(given, k));
}

namespace {

// store_out(name, result, out, castable) -> out: for functions that end in several operators.
PyObject* py_store_out(PyObject*, PyObject* const* args, Py_ssize_t n) {
  try {
    const char* name = n == 4 ? PyUnicode_AsUTF8(args[0]) : nullptr;
    if (!name || !tensor_check(args[1]))
      fail(ErrorType::Type, "store_out(name, result, out, castable): expected a str and a tensor");
    const bool given = tensor_check(args[2]);
    if (modes.grad && (needs_grad(as_tensor(args[1])) || (given && needs_grad(as_tensor(args[2])))))
      fail_out_gradient(name);
    store_out(name, args[3] == Py_False, args[2], as_tensor(args[1])->array);
    return Py_NewRef(args[2]);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

}  // namespace

bool init_output(PyObject* module) {
  static PyMethodDef functions[] = {
      {"store_out", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(py_store_out)),
       METH_FASTCALL, nullptr},
      {nullptr, nullptr, 0, nullptr}};
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
