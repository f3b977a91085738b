// Memory of tensors as Python sees it: buffers, storages, foreign memory.
#include "kernel.h"
#include "tensor.h"

namespace rl {

bool init_crc32(PyObject* module);
bool init_ndarray(PyObject* module);
PyObject* make_buffer(Array a);

namespace {

// -- buffers
// ----------------------------------------------------------------------------------------

// A Python object with the buffer protocol over a tensor's memory. Keeps the storage alive.
struct BufferObject {
  PyObject_HEAD Array array;
  Py_ssize_t dims[2 * kMaxDims];
};
PyTypeObject* BufferType;

const char* format_of(DType t) {
  static const char* formats[] = {
      "?",  "B",  "b", "h", "i",
      "q",  "e",  "H", "f", "d",
      "Zf", "Zd", "H", "I", sizeof(long) == 8 ? "L" : "Q"};  // as NumPy's uint64
  if (t <= DType::U64) return formats[static_cast<int>(t)];
  return itemsize(t) == 1 ? "B" : itemsize(t) == 2 ? "H" : "I";  // the code, as a whole number
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
  Array& a = reinterpret_cast<BufferObject*>(self)->array;
  storage_unexport(a.storage());
  a.~Array();
  type->tp_free(self);
  Py_DECREF(type);
}

}  // namespace

PyObject* make_buffer(Array a) {
  BufferObject* b = reinterpret_cast<BufferObject*>(checked(BufferType->tp_alloc(BufferType, 0)));
  storage_export(a.storage());
  new (&b->array) Array(std::move(a));
  return as_object(b);
}

namespace {

PyObject* py_buffer(PyObject*, PyObject* t) {
  try {
    if (array_of(t).is_meta()) no_elements();
    return make_buffer(array_of(t));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* storage_bytes(PyObject*, PyObject* t) {
  try {
    const Array& a = array_of(t);
    if (a.is_meta()) no_elements();
    const int64_t n[1] = {static_cast<int64_t>(a.storage()->nbytes())}, step[1] = {1};
    return make_buffer(Array::over(a.storage_ref(), DType::U8, 0, Shape(n, 1), Shape(step, 1)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* storage_nbytes(PyObject*, PyObject* t) {
  try {
    return PyLong_FromSize_t(array_of(t).storage()->nbytes());
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// A memoryview-like owner: holds the Py_buffer of a foreign object until the storage goes.
struct ForeignBuffer {
  Py_buffer view;
};
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
    std::vector<int64_t> sizes = int_list(shape),
                         steps = strides == Py_None ? contiguous_strides(sizes) : int_list(strides);
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
      if (f->view.shape[d] == 0)
        empty = true;
      else if (f->view.strides[d] < 0)
        fail(ErrorType::Value,
             "At least one stride in the given buffer is negative, and tensors with negative "
             "strides are not currently supported. (You can probably work around this by making a "
             "copy of your array with array.copy().)");
      else
        reach += (f->view.shape[d] - 1) * f->view.strides[d];
    }
    if (empty) reach = 0;
    if (offset < 0 || offset > reach)
      fail(ErrorType::Value, "from_buffer: offset %lld is outside a buffer of %lld bytes", offset,
           static_cast<long long>(reach));
    StorageRef storage(storage_foreign(static_cast<char*>(f->view.buf) + offset,
                                       static_cast<size_t>(reach - offset), owner));
    const int64_t none[1] = {0}, one[1] = {1};
    return wrap(Array::over(std::move(storage), t, 0, Shape(none, 1), Shape(one, 1))
                    .as_strided(sizes, steps, 0));
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
  if (!PyArg_ParseTuple(args, "KnOOOO", &address, &nbytes, &owner, &dtype, &shape, &strides))
    return nullptr;
  try {
    std::vector<int64_t> sizes = int_list(shape),
                         steps = strides == Py_None ? contiguous_strides(sizes) : int_list(strides);
    StorageRef storage(
        storage_foreign(reinterpret_cast<void*>(address), static_cast<size_t>(nbytes), owner));
    const int64_t none[1] = {0}, one[1] = {1};
    return wrap(
        Array::over(std::move(storage), dtype_of_object(dtype), 0, Shape(none, 1), Shape(one, 1))
            .as_strided(sizes, steps, 0));
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
    Array whole = Array::over(array_of(like).storage_ref(), dtype_of_object(dtype), 0,
                              Shape(none, 1), Shape(one, 1));
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
    Array whole = Array::over(array_of(source).storage_ref(), array_of(target).dtype(), 0,
                              Shape(none, 1), Shape(one, 1));
    set_array(as_tensor(target), whole.as_strided(int_list(sizes), int_list(strides), offset));
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

PyMethodDef functions[] = {
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
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_memory(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(buffer_dealloc)},
                         {Py_bf_getbuffer, reinterpret_cast<void*>(buffer_get)},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.Buffer", sizeof(BufferObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  BufferType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return BufferType && PyModule_AddFunctions(module, functions) == 0 && init_crc32(module) &&
         init_ndarray(module);
}

}  // namespace rl
