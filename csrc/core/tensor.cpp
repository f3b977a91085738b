// The Tensor type, and its methods that must be quick.
#include "tensor.h"

#include <structmember.h>

#include <unordered_map>

#include "autograd.h"
#include "levels.h"

namespace rl {

PyTypeObject* TensorType;
PyTypeObject* ParameterType;

namespace {

std::unordered_map<std::string, PyObject*> g_helpers;

PyObject* tensor_tp_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  try {
    const int64_t zero[1] = {0};
    if (PyTuple_GET_SIZE(args) == 0 && (!kwargs || PyDict_GET_SIZE(kwargs) == 0)) {
      return as_object(tensor_new(Array::empty(default_dtype(), Shape(zero, 1)), type));
    }
    PyObject* first = PyTuple_GET_SIZE(args) >= 1 && !kwargs ? PyTuple_GET_ITEM(args, 0) : nullptr;
    if (first && tensor_check(first)) {
      if (as_tensor(first)->requires_grad && modes.grad)  // a view, with its history
        return PyObject_CallFunctionObjArgs(helper("seen_as"), first, type, nullptr);
      if (type != TensorType) return as_object(tensor_new(elements(as_tensor(first)), type));
    }
    Ref made(PyObject_Call(helper("legacy_tensor"), args, kwargs));
    checked(made);
    return as_object(tensor_new(elements(as_tensor(made)), type));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyMemberDef tensor_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Tensor, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Tensor, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

// -- methods ----------------------------------------------------------------------------------

PyObject* one_dim(const char* name, const Array& a, Shape values, PyObject* const* args,
                  Py_ssize_t n, PyObject* kwnames) {
  PyObject* dim = n == 1 ? args[0] : kwnames && PyTuple_GET_SIZE(kwnames) == 1 ? args[n] : Py_None;
  if (dim == Py_None) return nullptr;
  if (a.ndim() == 0)
    fail(ErrorType::Index, "%s: Dimension specified as %lld but tensor has no dimensions", name,
         static_cast<long long>(integer(dim)));
  return PyLong_FromLongLong(values[static_cast<size_t>(wrap_dim(name, integer(dim), a.ndim()))]);
}

PyObject* m_size(Tensor* t, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* one = one_dim("size", t->array, t->array.shape(), args, n, kwnames);
    return one || PyErr_Occurred() ? one : size_object(t->array.shape());
  });
}
PyObject* m_stride(Tensor* t, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* one = one_dim("stride", t->array, t->array.stride_span(), args, n, kwnames);
    if (one || PyErr_Occurred()) return one;
    PyObject* out = checked(PyTuple_New(t->array.ndim()));
    for (int d = 0; d < t->array.ndim(); ++d)
      PyTuple_SET_ITEM(out, d, PyLong_FromLongLong(t->array.stride(d)));
    return out;
  });
}
PyObject* m_dim(Tensor* t, PyObject*) { return PyLong_FromLong(t->array.ndim()); }
PyObject* m_numel(Tensor* t, PyObject*) { return PyLong_FromLongLong(t->array.numel()); }
PyObject* m_data_ptr(Tensor* t, PyObject*) {
  return guarded([&] {
    const Array& a = elements(t);
    const bool none = a.numel() == 0 || a.is_meta();
    return PyLong_FromUnsignedLongLong(none ? 0 : reinterpret_cast<uintptr_t>(a.bytes()));
  });
}
PyObject* m_storage_offset(Tensor* t, PyObject*) { return PyLong_FromLongLong(t->array.offset()); }
PyObject* m_element_size(Tensor* t, PyObject*) { return PyLong_FromLong(t->array.item()); }
PyObject* m_item(Tensor* t, PyObject*) {
  return guarded([&] { return read_item(t); });
}
PyObject* m_tolist(Tensor* t, PyObject*) {
  return guarded([&] { return tolist_object(elements(t)); });
}
PyObject* m_is_floating_point(Tensor* t, PyObject*) {
  return PyBool_FromLong(is_real(t->array.dtype()));
}
PyObject* m_is_complex(Tensor* t, PyObject*) {
  return PyBool_FromLong(is_complex(t->array.dtype()));
}
PyObject* m_is_inference(Tensor* t, PyObject*) { return PyBool_FromLong(t->flags & kInference); }
PyObject* m_is_view(Tensor* t, PyObject*) { return PyBool_FromLong(t->base != nullptr); }
PyObject* m_storage_id(Tensor* t, PyObject*) { return PyLong_FromVoidPtr(t->array.storage()); }
PyObject* m_channels_last(Tensor* t, PyObject*) {
  return PyBool_FromLong(t->array.channels_last());
}
PyObject* m_dense(Tensor* t, PyObject*) { return PyBool_FromLong(t->array.dense()); }
PyObject* m_is_row_major(Tensor* t, PyObject*) { return PyBool_FromLong(t->array.contiguous()); }

PyObject* m_detach(Tensor* t, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (!exact_tensor(as_object(t)) || handled_mode()) return call_helper("detach", {as_object(t)});
    if (t->flags & (kWrapped | kDual)) return as_object(cut(t, false));
    Tensor* d = tensor_new(t->array);
    d->flags |= t->flags & (kInference | kNoVersion);
    return as_object(d);
  });
}
PyObject* m_raw_detach(Tensor* t, PyObject*) {
  return guarded([&] {
    if (t->flags & kWrapped) return as_object(shallow_copy(t));
    Tensor* d = tensor_new(elements(t));
    d->flags |= t->flags & (kInference | kNoVersion);
    return as_object(d);
  });
}
PyObject* m_detach_(Tensor* t, PyObject*) {
  if (t->base && !(t->flags & kQuietView)) {
    PyErr_SetString(PyExc_RuntimeError, "Can't detach views in-place. Use detach() instead.");
    return nullptr;
  }
  Py_CLEAR(t->grad_fn);
  t->requires_grad = false;
  set_output_nr(t, 0);
  return Py_NewRef(as_object(t));
}
PyObject* m_requires_grad_(Tensor* t, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  PyObject* value = n >= 1 || (kwnames && PyTuple_GET_SIZE(kwnames) == 1) ? args[0] : Py_True;
  if (modes.transforms && value == Py_True) {
    PyErr_SetString(PyExc_RuntimeError,
                    "You are attempting to call Tensor.requires_grad_() (or perhaps using "
                    "torch.autograd.functional.* APIs) inside of a function being transformed "
                    "by a functorch transform: its gradients would be lost there. Use the "
                    "transforms of torch.func (grad, "
                    "vjp, jacrev, jacfwd, hessian), or call requires_grad_() outside of it");
    return nullptr;
  }
  return set_requires_grad(t, value, nullptr) < 0 ? nullptr : Py_NewRef(as_object(t));
}
PyObject* m_retain_grad(Tensor* t, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (!needs_grad(t))
      fail(ErrorType::Runtime, "can't retain_grad on Tensor that has requires_grad=False");
    if (grad_fn_of(t)) {
      t->flags |= kRetainsGrad;
      tensor_track(t);
      return call_helper("retain_grad", {as_object(t)});
    }
    Py_RETURN_NONE;
  });
}
PyObject* m_make_subclass(PyObject*, PyObject* args) {
  PyObject *cls, *data;
  int requires_grad = 0;
  if (!PyArg_ParseTuple(args, "OO|p", &cls, &data, &requires_grad)) return nullptr;
  return guarded([&]() -> PyObject* {
    if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), TensorType))
      fail(ErrorType::Type, "cls must be a subclass of Tensor");
    if (!tensor_check(data))
      fail(ErrorType::Type, "_make_subclass(): argument 'data' must be Tensor, not %s",
           Py_TYPE(data)->tp_name);
    if (requires_grad && !is_differentiable(as_tensor(data)->array.dtype())) {
      fail(ErrorType::Runtime,
           "Only Tensors of floating point and complex dtype can require gradients");
    }
    PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
    Tensor* t = as_tensor(data)->flags & kWrapped ? shallow_copy(as_tensor(data), type)
                                                  : tensor_new(elements(as_tensor(data)), type);
    t->requires_grad = requires_grad;
    return as_object(t);
  });
}

// Hooks live in dicts owned by the tensor; Python's handle classes add and remove entries.
PyObject* hook_dict(Tensor* t, PyObject* TensorExtra::* field) {
  return guarded([&] {
    TensorExtra* e = tensor_extra(t);
    if (!(e->*field)) e->*field = checked(PyDict_New());
    return Py_NewRef(e->*field);
  });
}
PyObject* m_hook_dict(Tensor* t, PyObject*) { return hook_dict(t, &TensorExtra::hooks); }
PyObject* m_post_hook_dict(Tensor* t, PyObject*) { return hook_dict(t, &TensorExtra::post_hooks); }
#define FAST(f) \
  reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL | METH_KEYWORDS
#define PLAIN(f) reinterpret_cast<PyCFunction>(f), METH_NOARGS
PyMethodDef tensor_methods[] = {
    {"size", FAST(m_size), "Size of every dimension, or of one."},
    {"stride", FAST(m_stride), "Elements between neighbours along every dimension, or along one."},
    {"dim", PLAIN(m_dim), "Number of dimensions."},
    {"ndimension", PLAIN(m_dim), "Number of dimensions."},
    {"numel", PLAIN(m_numel), "Number of elements."},
    {"nelement", PLAIN(m_numel), "Number of elements."},
    {"data_ptr", PLAIN(m_data_ptr), "Address of the first element."},
    {"storage_offset", PLAIN(m_storage_offset), "Index of the first element in the storage."},
    {"element_size", PLAIN(m_element_size), "Bytes of one element."},
    {"item", PLAIN(m_item), "The Python number in a one-element tensor."},
    {"tolist", PLAIN(m_tolist), "Nested lists of Python numbers."},
    {"is_floating_point", PLAIN(m_is_floating_point), nullptr},
    {"is_complex", PLAIN(m_is_complex), nullptr},
    {"is_inference", PLAIN(m_is_inference), nullptr},
    {"_is_view", PLAIN(m_is_view), nullptr},
    {"_storage_id", PLAIN(m_storage_id), nullptr},
    {"_is_channels_last", PLAIN(m_channels_last), nullptr},
    {"_is_dense", PLAIN(m_dense), nullptr},
    {"_is_row_major", PLAIN(m_is_row_major), nullptr},
    {"detach", PLAIN(m_detach), "The same elements, cut from the graph."},
    {"_raw_detach", PLAIN(m_raw_detach), nullptr},
    {"detach_", PLAIN(m_detach_), "Cut this tensor from its history."},
    {"requires_grad_", FAST(m_requires_grad_), "Say whether gradients are wanted for this tensor."},
    {"retain_grad", PLAIN(m_retain_grad), "Keep the gradient of this non-leaf tensor in `.grad`."},
    {"_make_subclass", m_make_subclass, METH_VARARGS | METH_STATIC, nullptr},
    {"_hook_dict", PLAIN(m_hook_dict), nullptr},
    {"_post_hook_dict", PLAIN(m_post_hook_dict), nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyObject* wrap(Array a) { return as_object(tensor_new(std::move(a))); }
bool is_tensor(PyObject* o) { return tensor_check(o); }
bool plain_tensor(PyObject* o) {
  return tensor_check(o) && !(as_tensor(o)->flags & (kSparse | kWrapped | kMeta));
}
const Array& array_of(PyObject* o) {
  if (!tensor_check(o)) fail(ErrorType::Type, "expected a Tensor, got %s", Py_TYPE(o)->tp_name);
  return elements(as_tensor(o));
}
void bump_version(const Array& a) { ++a.storage()->version; }
void note_write(const Tensor* t) {
  const Storage* s = t->array.storage();
  if (!(t->flags & kNoVersion))
    bump_version(t->array);
  else if (s->watched && g_storage_gone)
    g_storage_gone(s);
}

PyObject* helper(const char* name) {
  auto it = g_helpers.find(name);
  if (it == g_helpers.end())
    fail(ErrorType::Runtime, "rushlight: internal helper %s is not registered", name);
  return it->second;
}
PyObject* call_helper(const char* name, std::initializer_list<PyObject*> args) {
  return checked(PyObject_Vectorcall(helper(name), args.begin(), args.size(), nullptr));
}

static PyObject* py_set_helper(PyObject*, PyObject* args) {
  const char* name;
  PyObject* fn;
  if (!PyArg_ParseTuple(args, "sO", &name, &fn)) return nullptr;
  PyObject*& slot = g_helpers[name];
  Py_XSETREF(slot, Py_NewRef(fn));
  Py_RETURN_NONE;
}
static PyObject* py_set_parameter_type(PyObject*, PyObject* type) {
  ParameterType = reinterpret_cast<PyTypeObject*>(Py_NewRef(type));
  Py_RETURN_NONE;
}
static PyObject* py_set_devices(PyObject*, PyObject* args) {
  if (!PyArg_ParseTuple(args, "OO", &g_cpu_device, &g_meta_device)) return nullptr;
  Py_INCREF(g_cpu_device);
  Py_INCREF(g_meta_device);
  Py_RETURN_NONE;
}
static PyMethodDef module_functions[] = {
    {"set_helper", py_set_helper, METH_VARARGS, nullptr},
    {"set_parameter_type", py_set_parameter_type, METH_O, nullptr},
    {"set_devices", py_set_devices, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

bool init_tensor(PyObject* module) {
#define SLOT(id, f)                \
  {                                \
    id, reinterpret_cast<void*>(f) \
  }
  const PyType_Slot own[] = {
      SLOT(Py_tp_new, tensor_tp_new),        SLOT(Py_tp_dealloc, tensor_dealloc),
      SLOT(Py_tp_traverse, tensor_traverse), SLOT(Py_tp_clear, tensor_clear),
      SLOT(Py_tp_getset, tensor_getset),     SLOT(Py_tp_members, tensor_members),
      SLOT(Py_tp_methods, tensor_methods),
  };
#undef SLOT
  std::vector<PyType_Slot> slots(std::begin(own), std::end(own));
  add_number_slots(slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"rushlight.Tensor", sizeof(Tensor), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  TensorType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!TensorType || !init_short_type()) return false;
  return PyModule_AddObjectRef(module, "Tensor", as_object(TensorType)) == 0 &&
         PyModule_AddFunctions(module, module_functions) == 0;
}

}  // namespace rl
