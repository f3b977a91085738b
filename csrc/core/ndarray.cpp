// The short way between tensors and NumPy's arrays, by the buffer protocol. What is unusual (a
// gradient, a dtype that NumPy lacks, odd strides, a read-only array) is left to Python, which says
// what is wrong: both functions then return None.
#include <string_view>

#include "kernel.h"
#include "tensor.h"

namespace rl {

PyObject* make_buffer(Array a);  // memory.cpp

namespace {

PyObject* g_ndarray = nullptr;     // numpy.ndarray
PyObject* g_dtypes[kDTypes] = {};  // numpy.dtype by ours; null: not asked for yet
const char* const kNames[kDTypes] = {"bool",    "uint8",   "int8",      "int16",
                                     "int32",   "int64",   "float16",   nullptr,
                                     "float32", "float64", "complex64", "complex128"};

PyObject* numpy_attribute(const char* name) {
  Ref numpy(checked(PyImport_ImportModule("numpy")));
  return checked(PyObject_GetAttrString(numpy, name));
}

PyObject* dtype_of(DType t) {  // borrowed
  PyObject*& slot = g_dtypes[static_cast<int>(t)];
  if (!slot) {
    Ref make(numpy_attribute("dtype"));
    slot = checked(PyObject_CallFunction(make, "s", kNames[static_cast<int>(t)]));
  }
  return slot;
}

PyObject* int_tuple(const int64_t* values, int n, int64_t times) {
  PyObject* made = checked(PyTuple_New(n));
  for (int i = 0; i < n; ++i) PyTuple_SET_ITEM(made, i, PyLong_FromLongLong(values[i] * times));
  return made;
}

// An array over the tensor's memory.
PyObject* as_ndarray(PyObject*, PyObject* object) {
  return guarded([&]() -> PyObject* {
    if (!tensor_check(object)) Py_RETURN_NONE;
    Tensor* t = as_tensor(object);
    const Array& a = t->array;
    if (t->requires_grad || t->grad_fn || (t->flags & (kSparse | kWrapped | kMeta)) ||
        a.numel() == 0 || is_extended(a.dtype()) || !kNames[static_cast<int>(a.dtype())])
      Py_RETURN_NONE;
    if (!g_ndarray) g_ndarray = numpy_attribute("ndarray");
    PyObject* dtype = dtype_of(a.dtype());
    Ref shape(int_tuple(a.sizes(), a.ndim(), 1)), buffer(make_buffer(a));
    if (a.contiguous()) {
      PyObject* args[] = {shape, dtype, buffer};
      return PyObject_Vectorcall(g_ndarray, args, 3, nullptr);
    }
    Ref zero(PyLong_FromLong(0)), strides(int_tuple(a.strides(), a.ndim(), a.item()));
    // The buffer is not contiguous, as the constructor wants it: its whole storage is.
    const int64_t bytes[1] = {static_cast<int64_t>(a.storage()->nbytes()) - a.offset() * a.item()};
    const int64_t step[1] = {1};
    Ref whole(make_buffer(Array::over(a.storage_ref(), DType::U8, a.offset() * a.item(),
                                      Shape(bytes, 1), Shape(step, 1))));
    PyObject* args[] = {shape, dtype, whole, zero, strides};
    return PyObject_Vectorcall(g_ndarray, args, 5, nullptr);
  });
}

// The dtype of a buffer's format; false for what is not a plain native number.
bool read_format(const char* format, Py_ssize_t item, DType* out) {
  static constexpr struct {
    std::string_view code;
    DType type;
  } table[] = {{"f", DType::F32}, {"d", DType::F64},  {"l", DType::I64},  {"q", DType::I64},
               {"i", DType::I32}, {"?", DType::Bool}, {"B", DType::U8},   {"b", DType::I8},
               {"h", DType::I16}, {"e", DType::F16},  {"Zf", DType::C64}, {"Zd", DType::C128}};
  if (!format) return false;
  for (const auto& row : table)
    if (row.code == format && itemsize(row.type) == item) {
      *out = row.type;
      return true;
    }
  return false;
}

// A tensor over the memory of a numpy.ndarray, which it keeps; null for what needs more care.
PyObject* over_plain(PyObject* object) {
  if (std::string_view(Py_TYPE(object)->tp_name) != "numpy.ndarray" || making.meta) return nullptr;
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_RECORDS) < 0) {
    PyErr_Clear();
    return nullptr;
  }
  DType t;
  int64_t sizes[kMaxDims], strides[kMaxDims], reach = view.itemsize;
  bool plain = view.ndim <= kMaxDims && read_format(view.format, view.itemsize, &t);
  for (int d = 0; plain && d < view.ndim; ++d) {
    sizes[d] = view.shape[d];
    strides[d] = view.strides[d] / view.itemsize;
    plain = sizes[d] > 0 && view.strides[d] >= 0 && view.strides[d] % view.itemsize == 0;
    reach += (sizes[d] - 1) * view.strides[d];
  }
  void* data = view.buf;
  const int n = view.ndim;
  PyBuffer_Release(&view);  // the array itself is kept, and with it its memory
  if (!plain) return nullptr;
  return wrap(Array::over(StorageRef(storage_foreign(data, static_cast<size_t>(reach), object)), t,
                          0, Shape(sizes, n), Shape(strides, n)));
}

PyObject* over_ndarray(PyObject*, PyObject* object) {
  return guarded([&]() -> PyObject* {
    PyObject* made = over_plain(object);
    return made ? made : Py_NewRef(Py_None);
  });
}

// A list of tensors over the memory of arrays, or None when one needs more care.
PyObject* over_ndarrays(PyObject*, PyObject* objects) {
  return guarded([&]() -> PyObject* {
    Ref all(checked(PySequence_Fast(objects, "over_ndarrays: expected a sequence of arrays")));
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(all.p);
    Ref made(checked(PyList_New(n)));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* one = over_plain(PySequence_Fast_GET_ITEM(all.p, i));
      if (!one) return Py_NewRef(Py_None);
      PyList_SET_ITEM(made.p, i, one);
    }
    return made.release();
  });
}

PyMethodDef functions[] = {{"as_ndarray", as_ndarray, METH_O, nullptr},
                           {"over_ndarray", over_ndarray, METH_O, nullptr},
                           {"over_ndarrays", over_ndarrays, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_ndarray(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
