// What the core knows of sparse tensors (docs/design/007-sparse.md).
//
// A sparse tensor is an instance of an internal subclass (rushlight/sparse/tensor.py) that holds
// its indices and values as plain tensors. Its own Array only says shape and dtype: all strides are
// 0 over one zero element, so that nothing that reads or writes through it leaves its memory. The
// flag kSparse makes every door to that memory refuse.
#include "kernel.h"
#include "tensor.h"

namespace rl {

void no_storage() {
  fail(
      ErrorType::NotImplemented,
      "Cannot access data pointer of Tensor that doesn't have storage: a sparse tensor has indices "
      "and values instead; use Tensor.to_dense() first");
}

namespace {

Array placeholder(StorageRef storage, DType t, PyObject* shape) {
  const IntList sizes = int_list(shape);
  if (sizes.size() > kMaxDims)
    fail(ErrorType::Runtime, "sparse tensor: too many dimensions: got %zu", sizes.size());
  checked_product(sizes);
  const std::vector<int64_t> strides(sizes.size(), 0);
  return Array::over(std::move(storage), t, 0, sizes, strides);
}

// make_sparse(class, shape, dtype): a tensor of that shape without elements of its own.
PyObject* make_sparse(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) fail(ErrorType::Type, "make_sparse: expected 3 arguments, got %zd", n);
    if (!PyType_Check(args[0]) ||
        !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(args[0]), TensorType) ||
        exact_tensor(args[0]))
      fail(ErrorType::Type, "make_sparse: expected a subclass of Tensor");
    StorageRef storage(storage_new(sizeof(c128)));
    std::fill(storage->data, storage->data + sizeof(c128), 0);
    Tensor* t = tensor_new(placeholder(std::move(storage), dtype_of_object(args[2]), args[1]),
                           reinterpret_cast<PyTypeObject*>(args[0]));
    t->flags |= kSparse;
    return as_object(t);
  });
}

Tensor* sparse_argument(const char* name, PyObject* o) {
  if (!tensor_check(o) || !(as_tensor(o)->flags & kSparse))
    fail(ErrorType::Type, "%s: expected a sparse tensor, got %s", name, Py_TYPE(o)->tp_name);
  return as_tensor(o);
}

// touch_sparse(tensor, shape, dtype): counts an in-place write, and changes shape and dtype.
PyObject* touch_sparse(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) fail(ErrorType::Type, "touch_sparse: expected 3 arguments, got %zd", n);
    Tensor* t = sparse_argument("touch_sparse", args[0]);
    t->array = placeholder(t->array.storage_ref(), dtype_of_object(args[2]), args[1]);
    bump_version(t->array);
    Py_RETURN_NONE;
  });
}

PyObject* is_sparse(PyObject*, PyObject* o) {
  return PyBool_FromLong(tensor_check(o) && (as_tensor(o)->flags & kSparse));
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL
PyMethodDef functions[] = {{"make_sparse", FAST(make_sparse), nullptr},
                           {"touch_sparse", FAST(touch_sparse), nullptr},
                           {"is_sparse", is_sparse, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};
#undef FAST

}  // namespace

bool init_sparse(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
