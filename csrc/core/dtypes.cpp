// The Python faces of dtypes and shapes: torch.float32 and torch.Size.
#include "tensor.h"

namespace rl {

struct DTypeObject {
  PyObject_HEAD DType value;
};

static PyTypeObject* DTypeType;
static PyObject* g_dtypes[kDTypes];
PyTypeObject* SizeType;

static DType value_of(PyObject* self) { return reinterpret_cast<DTypeObject*>(self)->value; }

static PyObject* dtype_repr(PyObject* self) {
  return PyUnicode_FromFormat("torch.%s", dtype_name(value_of(self)));
}
static PyObject* dtype_reduce(PyObject* self, PyObject*) {
  PyObject* module = PyImport_ImportModule("rushlight._C");
  if (!module) return nullptr;
  PyObject* fn = PyObject_GetAttrString(module, "dtype_by_name");
  Py_DECREF(module);
  return fn ? Py_BuildValue("N(s)", fn, dtype_name(value_of(self))) : nullptr;
}
static PyObject* dtype_to_real(PyObject* self, PyObject*) {
  return Py_NewRef(dtype_object(to_real(value_of(self))));
}
static PyObject* dtype_to_complex(PyObject* self, PyObject*) {
  try {
    return Py_NewRef(dtype_object(checked_complex(value_of(self))));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
static PyObject* dtype_itemsize(PyObject* self, void*) {
  return PyLong_FromLong(itemsize(value_of(self)));
}
static PyObject* dtype_is_float(PyObject* self, void*) {
  return PyBool_FromLong(is_real(value_of(self)));
}
static PyObject* dtype_is_complex(PyObject* self, void*) {
  return PyBool_FromLong(is_complex(value_of(self)));
}
static PyObject* dtype_is_signed(PyObject* self, void*) {
  const DType t = value_of(self);
  if (is_bits(t)) {
    PyErr_SetString(PyExc_RuntimeError, "Bits types are undefined");
    return nullptr;
  }
  if (is_quantized(t)) {
    PyErr_SetString(PyExc_RuntimeError, "isSignedType not supported for quantized types");
    return nullptr;
  }
  return PyBool_FromLong(t != DType::Bool && t != DType::U8 && !is_wide_unsigned(t) &&
                         t != DType::F8E8M0FNU && t < DType::UInt1);
}
static PyObject* dtype_name_get(PyObject* self, void*) {
  return PyUnicode_FromString(dtype_name(value_of(self)));
}
static PyObject* dtype_index_get(PyObject* self, void*) {
  return PyLong_FromLong(static_cast<int>(value_of(self)));
}
static PyObject* dtype_scalar_name_get(PyObject* self, void*) {
  return PyUnicode_FromString(dtype_scalar_name(value_of(self)));
}
static PyObject* dtype_is_number_get(PyObject* self, void*) {
  return PyBool_FromLong(is_number(value_of(self)));
}
static PyObject* dtype_copy(PyObject* self, PyObject*) { return Py_NewRef(self); }

static PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
    {"__copy__", dtype_copy, METH_NOARGS, nullptr},
    {"__deepcopy__", dtype_copy, METH_O, nullptr},
    {"to_real", dtype_to_real, METH_NOARGS, "The real type of the same precision."},
    {"to_complex", dtype_to_complex, METH_NOARGS, "The complex type of the same precision."},
    {nullptr, nullptr, 0, nullptr}};
static PyGetSetDef dtype_getset[] = {
    {"itemsize", dtype_itemsize, nullptr, "Bytes of one element.", nullptr},
    {"is_floating_point", dtype_is_float, nullptr, nullptr, nullptr},
    {"is_complex", dtype_is_complex, nullptr, nullptr, nullptr},
    {"is_signed", dtype_is_signed, nullptr, nullptr, nullptr},
    {"_name", dtype_name_get, nullptr, nullptr, nullptr},
    {"_index", dtype_index_get, nullptr, nullptr, nullptr},
    {"_scalar_name", dtype_scalar_name_get, nullptr, nullptr, nullptr},
    {"_is_number", dtype_is_number_get, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

bool dtype_check(PyObject* o) { return Py_TYPE(o) == DTypeType; }
PyObject* dtype_object(DType t) { return g_dtypes[static_cast<int>(t)]; }

DType dtype_of_object(PyObject* o) {
  if (dtype_check(o)) return value_of(o);
  // The Python types stand for the types a literal of theirs would get.
  if (o == as_object(&PyFloat_Type)) return DType::F64;
  if (o == as_object(&PyLong_Type)) return DType::I64;
  if (o == as_object(&PyBool_Type)) return DType::Bool;
  if (o == as_object(&PyComplex_Type)) return DType::C128;
  fail(ErrorType::Type, "dtype must be a torch.dtype, got %s", Py_TYPE(o)->tp_name);
}

static PyObject* dtype_by_name(PyObject*, PyObject* name) {
  const char* text = PyUnicode_AsUTF8(name);
  if (!text) return nullptr;
  for (int i = 0; i < kDTypes; ++i) {
    if (!strcmp(text, dtype_name(static_cast<DType>(i)))) return Py_NewRef(g_dtypes[i]);
  }
  PyErr_Format(PyExc_ValueError, "dtype: no type is named %R", name);
  return nullptr;
}

// -- torch.Size: a tuple that prints its name and counts elements --------------------------------

static PyObject* size_repr(PyObject* self) {
  PyObject* list = PySequence_List(self);
  if (!list) return nullptr;
  PyObject* text = PyUnicode_FromFormat("torch.Size(%R)", list);
  Py_DECREF(list);
  return text;
}

static PyObject* size_numel(PyObject* self, PyObject*) {
  int64_t n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) {
    const int64_t s = PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
    if (s == -1 && PyErr_Occurred()) return nullptr;
    n *= s;
  }
  return PyLong_FromLongLong(n);
}

static PyObject* size_from_tuple(PyObject* tuple) {  // steals
  if (!tuple) return nullptr;
  const Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  PyObject* out = SizeType->tp_alloc(SizeType, n);
  if (out) {
    for (Py_ssize_t i = 0; i < n; ++i)
      PyTuple_SET_ITEM(out, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  }
  Py_DECREF(tuple);
  return out;
}

static PyObject* size_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  PyObject* items = PyTuple_Type.tp_new(&PyTuple_Type, args, kwargs);
  if (!items) return nullptr;
  PyObject* plain = PyTuple_New(PyTuple_GET_SIZE(items));
  for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(items); ++i) {
    PyObject* index = PyNumber_Index(PyTuple_GET_ITEM(items, i));
    if (!index) {
      PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i,
                   Py_TYPE(PyTuple_GET_ITEM(items, i))->tp_name);
      Py_CLEAR(plain);
      break;
    }
    PyTuple_SET_ITEM(plain, i, index);
  }
  Py_DECREF(items);
  return size_from_tuple(plain);
}

static PyObject* size_concat(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) {
    PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not \"%s\") to torch.Size",
                 Py_TYPE(b)->tp_name);
    return nullptr;
  }
  return size_from_tuple(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
static PyObject* size_add(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  return size_concat(a, b);
}
static PyObject* size_repeat(PyObject* a, Py_ssize_t n) {
  return size_from_tuple(PyTuple_Type.tp_as_sequence->sq_repeat(a, n));
}
static PyObject* size_subscript(PyObject* self, PyObject* index) {
  PyObject* got = PyTuple_Type.tp_as_mapping->mp_subscript(self, index);
  return got && PyTuple_Check(got) ? size_from_tuple(got) : got;
}
static PyObject* size_reduce(PyObject* self, PyObject*) {
  PyObject* items = PySequence_List(self);
  if (!items) return nullptr;
  PyObject* tuple = PyList_AsTuple(items);
  Py_DECREF(items);
  return tuple ? Py_BuildValue("O(N)", Py_TYPE(self), tuple) : nullptr;
}

static PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "The number of elements of a tensor of this shape."},
    {"__reduce__", size_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyObject* size_object(Shape s) {
  Ref out(checked(SizeType->tp_alloc(SizeType, static_cast<Py_ssize_t>(s.size()))));
  for (size_t i = 0; i < s.size(); ++i) {
    PyTuple_SET_ITEM(out.p, static_cast<Py_ssize_t>(i), checked(PyLong_FromLongLong(s[i])));
  }
  return out.release();
}

bool init_dtypes(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(dtype_repr)},
                         {Py_tp_methods, dtype_methods},
                         {Py_tp_getset, dtype_getset},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.dtype", sizeof(DTypeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  DTypeType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!DTypeType) return false;
  for (int i = 0; i < kDTypes; ++i) {
    DTypeObject* d = PyObject_New(DTypeObject, DTypeType);
    if (!d) return false;
    d->value = static_cast<DType>(i);
    g_dtypes[i] = as_object(d);
    if (PyModule_AddObjectRef(module, dtype_name(d->value), g_dtypes[i]) < 0) return false;
  }
  PyObject* all = PyTuple_New(kDTypes);
  for (int i = 0; all && i < kDTypes; ++i) PyTuple_SET_ITEM(all, i, Py_NewRef(g_dtypes[i]));
  if (!all || PyModule_AddObject(module, "dtypes", all) < 0) return false;
  PyType_Slot size_slots[] = {{Py_tp_repr, reinterpret_cast<void*>(size_repr)},
                              {Py_tp_new, reinterpret_cast<void*>(size_new)},
                              {Py_tp_methods, size_methods},
                              {Py_nb_add, reinterpret_cast<void*>(size_add)},
                              {Py_sq_concat, reinterpret_cast<void*>(size_concat)},
                              {Py_sq_repeat, reinterpret_cast<void*>(size_repeat)},
                              {Py_mp_subscript, reinterpret_cast<void*>(size_subscript)},
                              {0, nullptr}};
  PyType_Spec size_spec = {"rushlight.Size", 0, 0, Py_TPFLAGS_DEFAULT, size_slots};
  PyObject* bases = PyTuple_Pack(1, &PyTuple_Type);
  SizeType = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&size_spec, bases));
  Py_XDECREF(bases);
  static PyMethodDef by_name = {"dtype_by_name", dtype_by_name, METH_O, nullptr};
  return SizeType && PyModule_AddObjectRef(module, "dtype", as_object(DTypeType)) == 0 &&
         PyModule_AddObjectRef(module, "Size", as_object(SizeType)) == 0 &&
         PyModule_AddObject(module, "dtype_by_name", PyCFunction_New(&by_name, nullptr)) == 0;
}

}  // namespace rl
