// Between tensors and Python's own objects: numbers, nested lists, buffers, raw storage.
#include <cstring>

#include "autograd.h"
#include "convert.h"

namespace rl {
namespace {

PyObject* element(const char* p, DType t) {
  return visit_all(t, [&](auto tag) -> PyObject* {
    using T = decltype(tag);
    T v;
    std::memcpy(&v, p, sizeof v);
    if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(*reinterpret_cast<const uint8_t*>(p) != 0);
    else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(static_cast<long long>(v));
    else if constexpr (std::is_same_v<T, double>) return PyFloat_FromDouble(v);
    else if constexpr (std::is_same_v<T, c64> || std::is_same_v<T, c128>) return PyComplex_FromDoubles(v.real(), v.imag());
    else return PyFloat_FromDouble(static_cast<float>(v));
  });
}

PyObject* nested(const Array& a, int dim, const char* p) {
  if (dim == a.ndim()) return element(p, a.dtype());
  const int64_t n = a.sizes()[dim], step = a.strides()[dim] * a.item();
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(n));
  for (int64_t i = 0; list && i < n; ++i) {
    PyObject* item = nested(a, dim + 1, p + i * step);
    if (!item) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), item);
  }
  return list;
}

}  // namespace

PyObject* item_object(const Array& a) {
  if (a.numel() != 1) fail(ErrorType::Runtime, "a Tensor with %lld elements cannot be converted to Scalar", static_cast<long long>(a.numel()));
  return element(a.bytes(), a.dtype());
}

PyObject* tolist_object(const Array& a) { return checked(nested(a, 0, a.bytes())); }

namespace {

// -- nested sequences to tensors ------------------------------------------------------------------

struct Builder {
  std::vector<int64_t> shape;
  DType dtype = DType::Bool;
  bool any = false, fixed = false;
  char* out = nullptr;

  static bool is_sequence(PyObject* o) {
    if (PyList_Check(o) || PyTuple_Check(o)) return true;
    if (PyUnicode_Check(o) || PyBytes_Check(o)) return false;
    if (tensor_check(o)) return as_tensor(o)->array.ndim() > 0;
    ScalarValue s;
    if (scalar_value(o, &s)) return false;
    return PySequence_Check(o) && PySequence_Size(o) >= 0;
  }

  void measure(PyObject* o) {
    Ref held(Py_NewRef(o));
    while (is_sequence(held)) {
      if (shape.size() >= kMaxDims) fail(ErrorType::Value, "too many dimensions '%s'", Py_TYPE(held.p)->tp_name);
      const Py_ssize_t n = PySequence_Size(held);
      if (n < 0) throw PythonError();
      shape.push_back(n);
      if (n == 0) return;
      held = Ref(checked(PySequence_GetItem(held, 0)));
    }
    PyErr_Clear();
  }

  void note(DType t) {
    dtype = any ? promote(dtype, t) : t;
    any = true;
  }

  static ScalarValue value_of(PyObject* o) {
    ScalarValue s;
    if (tensor_check(o)) {
      Ref item(checked(item_object(as_tensor(o)->array)));
      scalar_value(item, &s);
      return s;
    }
    if (!scalar_value(o, &s)) {
      if (PyUnicode_Check(o)) fail(ErrorType::Type, "new(): invalid data type 'str'");
      fail(ErrorType::Type, "tensor: could not infer dtype of %s", Py_TYPE(o)->tp_name);
    }
    return s;
  }

  void note_element(PyObject* o) {
    if (PyFloat_CheckExact(o)) return note(default_dtype());
    if (PyBool_Check(o)) return note(DType::Bool);
    if (PyLong_Check(o)) return note(DType::I64);
    if (tensor_check(o)) return note(as_tensor(o)->array.dtype());
    if (PyObject_HasAttrString(o, "dtype")) {  // NumPy's scalars keep their type
      Ref dtype(checked(PyObject_GetAttrString(o, "dtype"))), name(checked(PyObject_GetAttrString(dtype, "name")));
      const char* text = PyUnicode_AsUTF8(name);
      for (int i = 0; text && i < kDTypes; ++i) {
        if (!strcmp(text, dtype_name(static_cast<DType>(i)))) return note(static_cast<DType>(i));
      }
    }
    PyErr_Clear();
    const ScalarValue s = value_of(o);
    note(s.category == Category::Complex ? to_complex(default_dtype()) : s.category == Category::Real ? default_dtype() : s.category == Category::Integer ? DType::I64 : DType::Bool);
  }

  template <class F> void walk(PyObject* o, size_t depth, F& f) {
    if (depth == shape.size()) {
      if (is_sequence(o)) fail(ErrorType::Value, "expected a number at dim %zu, got a sequence (ragged nesting)", depth);
      f(o);
      return;
    }
    const bool fast = PyList_Check(o) || PyTuple_Check(o);
    if (!fast && !is_sequence(o)) fail(ErrorType::Type, "not a sequence: expected sequence of length %lld at dim %zu", static_cast<long long>(shape[depth]), depth);
    const Py_ssize_t n = fast ? PySequence_Fast_GET_SIZE(o) : PySequence_Size(o);
    if (n != shape[depth]) {
      fail(ErrorType::Value, "expected sequence of length %lld at dim %zu (got %zd)", static_cast<long long>(shape[depth]), depth, n);
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
      Ref item(fast ? Py_NewRef(PySequence_Fast_GET_ITEM(o, i)) : checked(PySequence_GetItem(o, i)));
      walk(item, depth + 1, f);
    }
  }
};

// from_data(object, dtype or None): a new tensor from numbers and nested sequences.
PyObject* from_data(PyObject*, PyObject* const* args, Py_ssize_t n) {
  try {
    if (n != 2) fail(ErrorType::Type, "from_data: expected 2 arguments, got %zd", n);
    Builder b;
    b.measure(args[0]);
    if (args[1] != Py_None) {
      b.dtype = dtype_of_object(args[1]);
    } else {
      auto infer = [&](PyObject* o) { b.note_element(o); };
      b.walk(args[0], 0, infer);
      if (!b.any) b.dtype = default_dtype();
    }
    Array a = Array::empty(b.dtype, b.shape);
    char* out = a.bytes();
    const int item = a.item();
    auto store = [&](PyObject* o) {
      if (PyFloat_CheckExact(o) && b.dtype == DType::F32) {
        const float v = static_cast<float>(PyFloat_AS_DOUBLE(o));
        std::memcpy(out, &v, 4);
      } else {
        store_scalar(Builder::value_of(o), b.dtype, out);
      }
      out += item;
    };
    b.walk(args[0], 0, store);
    return wrap(std::move(a));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// -- buffers ----------------------------------------------------------------------------------------

// A Python object with the buffer protocol over a tensor's memory. Keeps the storage alive.
struct BufferObject {
  PyObject_HEAD
  Array array;
  Py_ssize_t dims[2 * kMaxDims];
};
PyTypeObject* BufferType;

const char* format_of(DType t) {
  static const char* formats[kDTypes] = {"?", "B", "b", "h", "i", "q", "e", "H", "f", "d", "Zf", "Zd"};
  return formats[static_cast<int>(t)];
}

int buffer_get(PyObject* self, Py_buffer* view, int flags) {
  BufferObject* b = reinterpret_cast<BufferObject*>(self);
  const Array& a = b->array;
  if (!(flags & PyBUF_STRIDES) && !a.contiguous()) {
    PyErr_SetString(PyExc_BufferError, "the tensor is not contiguous");
    view->obj = nullptr;
    return -1;
  }
  for (int d = 0; d < a.ndim(); ++d) {
    b->dims[d] = a.sizes()[d];
    b->dims[kMaxDims + d] = a.strides()[d] * a.item();
  }
  view->buf = a.bytes();
  view->obj = Py_NewRef(self);
  view->len = a.nbytes();
  view->readonly = 0;
  view->itemsize = a.item();
  view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format_of(a.dtype())) : nullptr;
  view->ndim = a.ndim();
  view->shape = flags & PyBUF_ND ? b->dims : nullptr;
  view->strides = flags & PyBUF_STRIDES ? b->dims + kMaxDims : nullptr;
  view->suboffsets = nullptr;
  view->internal = nullptr;
  return 0;
}

void buffer_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<BufferObject*>(self)->array.~Array();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* make_buffer(Array a) {
  BufferObject* b = reinterpret_cast<BufferObject*>(checked(BufferType->tp_alloc(BufferType, 0)));
  new (&b->array) Array(std::move(a));
  return as_object(b);
}

PyObject* py_buffer(PyObject*, PyObject* t) {
  try {
    return make_buffer(array_of(t));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* storage_bytes(PyObject*, PyObject* t) {
  try {
    const Array& a = array_of(t);
    const int64_t n[1] = {static_cast<int64_t>(a.storage()->nbytes)}, step[1] = {1};
    return make_buffer(Array::over(a.storage_ref(), DType::U8, 0, Shape(n, 1), Shape(step, 1)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* storage_nbytes(PyObject*, PyObject* t) {
  try {
    return PyLong_FromSize_t(array_of(t).storage()->nbytes);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

std::vector<int64_t> int_list(PyObject* o) {
  Ref seq(checked(PySequence_Fast(o, "expected a sequence of ints")));
  std::vector<int64_t> out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq.p); ++i) out.push_back(integer(PySequence_Fast_GET_ITEM(seq.p, i)));
  return out;
}

// A memoryview-like owner: holds the Py_buffer of a foreign object until the storage goes.
struct ForeignBuffer { Py_buffer view; };
void release_foreign(PyObject* capsule) {
  ForeignBuffer* f = static_cast<ForeignBuffer*>(PyCapsule_GetPointer(capsule, "rushlight.buffer"));
  PyBuffer_Release(&f->view);
  delete f;
}

// from_buffer(object, dtype, shape, strides in elements or None, offset in bytes): shares memory.
PyObject* from_buffer(PyObject*, PyObject* args) {
  PyObject *object, *dtype, *shape, *strides;
  long long offset = 0;
  if (!PyArg_ParseTuple(args, "OOOO|L", &object, &dtype, &shape, &strides, &offset)) return nullptr;
  try {
    const DType t = dtype_of_object(dtype);
    std::vector<int64_t> sizes = int_list(shape), steps = strides == Py_None ? contiguous_strides(sizes) : int_list(strides);
    auto* f = new ForeignBuffer();
    if (PyObject_GetBuffer(object, &f->view, PyBUF_STRIDES | PyBUF_WRITABLE) < 0) {
      PyErr_Clear();
      if (PyObject_GetBuffer(object, &f->view, PyBUF_STRIDES) < 0) {
        delete f;
        throw PythonError();
      }
    }
    Ref owner(PyCapsule_New(f, "rushlight.buffer", release_foreign));
    if (!owner) throw PythonError();
    // The reachable bytes: from buf to the last element of the buffer's own strides.
    int64_t reach = f->view.itemsize;
    bool empty = false;
    for (int d = 0; d < f->view.ndim; ++d) {
      if (f->view.shape[d] == 0) empty = true;
      else if (f->view.strides[d] < 0) fail(ErrorType::Value, "At least one stride in the given buffer is negative, and tensors with negative strides are not currently supported. (You can probably work around this by making a copy of your array with array.copy().)");
      else reach += (f->view.shape[d] - 1) * f->view.strides[d];
    }
    if (empty) reach = 0;
    if (offset < 0 || offset > reach) fail(ErrorType::Value, "from_buffer: offset %lld is outside a buffer of %lld bytes", offset, static_cast<long long>(reach));
    StorageRef storage(storage_foreign(static_cast<char*>(f->view.buf) + offset, static_cast<size_t>(reach - offset), owner));
    const int64_t none[1] = {0}, one[1] = {1};
    return wrap(Array::over(std::move(storage), t, 0, Shape(none, 1), Shape(one, 1)).as_strided(sizes, steps, 0));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// from_pointer(address, nbytes, owner, dtype, shape, strides): over foreign memory (DLPack).
PyObject* from_pointer(PyObject*, PyObject* args) {
  unsigned long long address;
  Py_ssize_t nbytes;
  PyObject *owner, *dtype, *shape, *strides;
  if (!PyArg_ParseTuple(args, "KnOOOO", &address, &nbytes, &owner, &dtype, &shape, &strides)) return nullptr;
  try {
    std::vector<int64_t> sizes = int_list(shape), steps = strides == Py_None ? contiguous_strides(sizes) : int_list(strides);
    StorageRef storage(storage_foreign(reinterpret_cast<void*>(address), static_cast<size_t>(nbytes), owner));
    const int64_t none[1] = {0}, one[1] = {1};
    return wrap(Array::over(std::move(storage), dtype_of_object(dtype), 0, Shape(none, 1), Shape(one, 1)).as_strided(sizes, steps, 0));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// tensor_from_storage(like, dtype, offset, sizes, strides): another tensor over the same storage.
PyObject* tensor_from_storage(PyObject*, PyObject* args) {
  PyObject *like, *dtype, *sizes, *strides;
  long long offset;
  if (!PyArg_ParseTuple(args, "OOLOO", &like, &dtype, &offset, &sizes, &strides)) return nullptr;
  try {
    const int64_t none[1] = {0}, one[1] = {1};
    Array whole = Array::over(array_of(like).storage_ref(), dtype_of_object(dtype), 0, Shape(none, 1), Shape(one, 1));
    return wrap(whole.as_strided(int_list(sizes), int_list(strides), offset));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// set_storage(tensor, source, offset, sizes, strides): Tensor.set_ and resize_.
PyObject* set_storage(PyObject*, PyObject* args) {
  PyObject *target, *source, *sizes, *strides;
  long long offset;
  if (!PyArg_ParseTuple(args, "OOLOO", &target, &source, &offset, &sizes, &strides)) return nullptr;
  try {
    array_of(target);
    const int64_t none[1] = {0}, one[1] = {1};
    Array whole = Array::over(array_of(source).storage_ref(), array_of(target).dtype(), 0, Shape(none, 1), Shape(one, 1));
    as_tensor(target)->array = whole.as_strided(int_list(sizes), int_list(strides), offset);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* resize_storage(PyObject*, PyObject* args) {
  PyObject* t;
  Py_ssize_t nbytes;
  if (!PyArg_ParseTuple(args, "On", &t, &nbytes)) return nullptr;
  try {
    if (nbytes < 0) fail(ErrorType::Runtime, "resize_: a storage cannot have %zd bytes", nbytes);
    storage_resize(array_of(t).storage(), static_cast<size_t>(nbytes));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* is_shared(PyObject*, PyObject* t) {
  try {
    return PyBool_FromLong(array_of(t).storage()->shared);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* set_shared(PyObject*, PyObject* t) {
  try {
    array_of(t).storage()->shared = true;
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_bump_version(PyObject*, PyObject* t) {
  try {
    bump_version(array_of(t));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
// set_version(tensor, value): for `torch.autograd._unsafe_preserve_version_counter` and loaders.
PyObject* set_version(PyObject*, PyObject* args) {
  PyObject* t;
  unsigned version;
  if (!PyArg_ParseTuple(args, "OI", &t, &version)) return nullptr;
  try {
    array_of(t).storage()->version = version;
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// -- the machine --------------------------------------------------------------------------------------

PyObject* memory_stats(PyObject*, PyObject*) {
  const MemoryStats s = cpu_memory_stats();
  return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L}", "allocated_bytes", static_cast<long long>(s.allocated), "peak_bytes", static_cast<long long>(s.peak), "cached_bytes",
                       static_cast<long long>(s.cached), "allocations", static_cast<long long>(s.allocations), "system_allocations", static_cast<long long>(s.system_allocations));
}
PyObject* empty_cache(PyObject*, PyObject*) {
  cpu_empty_cache();
  Py_RETURN_NONE;
}
PyObject* reset_peak(PyObject*, PyObject*) {
  cpu_reset_peak();
  Py_RETURN_NONE;
}
PyObject* get_num_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* py_set_num_threads(PyObject*, PyObject* n) {
  try {
    const int64_t v = PyFloat_Check(n) || PyBool_Check(n) ? -1 : integer(n);
    if (v < 1 || v > 4096) fail(v == -1 ? ErrorType::Type : ErrorType::Runtime, "set_num_threads expects a positive integer");
    set_num_threads(static_cast<int>(v));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_cpu_level(PyObject*, PyObject*) { return PyLong_FromLong(cpu_level()); }
PyObject* get_default_dtype(PyObject*, PyObject*) { return Py_NewRef(dtype_object(default_dtype())); }
PyObject* py_set_default_dtype(PyObject*, PyObject* d) {
  try {
    if (!dtype_check(d)) fail(ErrorType::Type, "invalid dtype object: only floating-point types are supported as the default type");
    const DType t = dtype_of_object(d);
    if (!is_real(t)) fail(ErrorType::Type, "only floating-point types are supported as the default type");
    set_default_dtype(t);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_promote(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  try {
    return Py_NewRef(dtype_object(promote(dtype_of_object(a), dtype_of_object(b))));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_can_cast(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  try {
    const DType from = dtype_of_object(a), to = dtype_of_object(b);
    return PyBool_FromLong(can_cast(from, to));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyMethodDef functions[] = {
    {"from_data", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(from_data)), METH_FASTCALL, nullptr},
    {"buffer", py_buffer, METH_O, "An object with the buffer protocol over the tensor's elements."},
    {"storage_bytes", storage_bytes, METH_O, "The same over its whole storage, as bytes."},
    {"storage_nbytes", storage_nbytes, METH_O, nullptr},
    {"from_buffer", from_buffer, METH_VARARGS, nullptr},
    {"from_pointer", from_pointer, METH_VARARGS, nullptr},
    {"tensor_from_storage", tensor_from_storage, METH_VARARGS, nullptr},
    {"set_storage", set_storage, METH_VARARGS, nullptr},
    {"resize_storage", resize_storage, METH_VARARGS, nullptr},
    {"is_shared", is_shared, METH_O, nullptr},
    {"set_shared", set_shared, METH_O, nullptr},
    {"bump_version", py_bump_version, METH_O, nullptr},
    {"set_version", set_version, METH_VARARGS, nullptr},
    {"memory_stats", memory_stats, METH_NOARGS, nullptr},
    {"empty_cache", empty_cache, METH_NOARGS, nullptr},
    {"reset_peak", reset_peak, METH_NOARGS, nullptr},
    {"get_num_threads", get_num_threads, METH_NOARGS, nullptr},
    {"set_num_threads", py_set_num_threads, METH_O, nullptr},
    {"cpu_level", py_cpu_level, METH_NOARGS, nullptr},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, nullptr},
    {"set_default_dtype", py_set_default_dtype, METH_O, nullptr},
    {"promote_types", py_promote, METH_VARARGS, nullptr},
    {"can_cast", py_can_cast, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_python(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(buffer_dealloc)}, {Py_bf_getbuffer, reinterpret_cast<void*>(buffer_get)}, {0, nullptr}};
  PyType_Spec spec = {"rushlight.Buffer", sizeof(BufferObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  BufferType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return BufferType && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
