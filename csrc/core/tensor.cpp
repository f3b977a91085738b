// The Tensor type: memory, attributes and the methods that must be quick.
#include "tensor.h"

#include <structmember.h>

#include <unordered_map>

#include "autograd.h"
#include "levels.h"

namespace rl {

PyTypeObject* TensorType;
PyTypeObject* ParameterType;
PyObject *g_cpu_device, *g_meta_device;

namespace {

std::unordered_map<std::string, PyObject*> g_helpers;

PyObject* tensor_tp_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  try {
    const int64_t zero[1] = {0};
    if (PyTuple_GET_SIZE(args) == 0 && (!kwargs || PyDict_GET_SIZE(kwargs) == 0)) {
      return as_object(tensor_new(Array::empty(default_dtype(), Shape(zero, 1)), type));
    }
    if (!exact_tensor(as_object(type)) && type != TensorType && PyTuple_GET_SIZE(args) >= 1 &&
        tensor_check(PyTuple_GET_ITEM(args, 0)) && !kwargs) {
      return as_object(tensor_new(elements(as_tensor(PyTuple_GET_ITEM(args, 0))), type));
    }
    Ref made(PyObject_Call(helper("legacy_tensor"), args, kwargs));
    checked(made);
    return as_object(tensor_new(elements(as_tensor(made)), type));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// -- attributes -------------------------------------------------------------------------------

PyObject* get_shape(Tensor* t, void*) {
  return guarded([&] { return size_object(t->array.shape()); });
}
PyObject* get_dtype(Tensor* t, void*) { return Py_NewRef(dtype_object(t->array.dtype())); }
PyObject* device_of(const Tensor* t) {  // borrowed
  if (t->extra && t->extra->device) return t->extra->device;
  return t->flags & kMeta ? g_meta_device : g_cpu_device;
}
PyObject* get_device(Tensor* t, void*) { return Py_NewRef(device_of(t)); }
PyObject* get_is_meta(Tensor* t, void*) { return PyBool_FromLong(device_of(t) == g_meta_device); }
PyObject* get_ndim(Tensor* t, void*) { return PyLong_FromLong(t->array.ndim()); }
PyObject* get_requires_grad(Tensor* t, void*) {
  return guarded([&] { return PyBool_FromLong(needs_grad(t)); });
}
PyObject* get_grad(Tensor* t, void*) {
  if (PyObject* g = grad_of(t)) return Py_NewRef(g);
  if (t->grad_fn && !(t->flags & kRetainsGrad)) {
    if (PyErr_WarnEx(PyExc_UserWarning,
                     "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. "
                     "Its .grad attribute won't be populated during autograd.backward(). If you "
                     "indeed want the .grad field to be populated for a non-leaf Tensor, use "
                     ".retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
                     "mistake, make sure you access the leaf Tensor instead.",
                     1) < 0) {
      return nullptr;
    }
  }
  Py_RETURN_NONE;
}
PyObject* get_grad_fn(Tensor* t, void*) {
  return guarded([&] {
    Node* n = grad_fn_of(t);
    return n ? Py_NewRef(as_object(n)) : Py_NewRef(Py_None);
  });
}
PyObject* get_is_leaf(Tensor* t, void*) {
  return guarded([&] { return PyBool_FromLong(!grad_fn_of(t)); });
}
PyObject* get_output_nr(Tensor* t, void*) { return PyLong_FromLong(output_nr_of(t)); }
PyObject* get_base(Tensor* t, void*) { return Py_NewRef(t->base ? as_object(t->base) : Py_None); }
PyObject* get_dual(Tensor* t, void*) {
  return Py_NewRef(t->extra && t->extra->duals && PyDict_GET_SIZE(t->extra->duals) ? t->extra->duals
                                                                                   : Py_None);
}
PyObject* get_version(Tensor* t, void*) {
  if (t->flags & kInference) {
    PyErr_SetString(PyExc_RuntimeError, "Inference tensors do not track version counter.");
    return nullptr;
  }
  return PyLong_FromLong(t->flags & kNoVersion ? 0 : t->array.storage()->version);
}
PyObject* get_data(Tensor* t, void*) {
  return guarded([&] {
    if ((t->flags & kWrapped) && differs(t))
      fail(ErrorType::Runtime, "accessing `data` under vmap transform is not allowed");
    if (is_dispatching(t)) return call_helper("detach", {as_object(t)});
    Tensor* d = Py_TYPE(t) == TensorType || Py_TYPE(t) == ParameterType
                    ? tensor_new(t->array)
                    : tensor_new(elements(t), Py_TYPE(t));
    d->flags |= kNoVersion;
    return as_object(d);
  });
}

int set_requires_grad(Tensor* t, PyObject* value, void*) {
  try {
    if (!value || !PyBool_Check(value)) fail(ErrorType::Runtime, "requires_grad must be a bool");
    const bool wanted = value == Py_True;
    if (grad_fn_of(t)) {
      if (wanted) return 0;
      fail(ErrorType::Runtime,
           "you can only change requires_grad flags of leaf variables. If you want to use a "
           "computed variable in a subgraph that "
           "doesn't require differentiation use var_no_grad = var.detach().");
    }
    if (wanted && !is_differentiable(t->array.dtype())) {
      fail(ErrorType::Runtime,
           "only Tensors of floating point and complex dtype can require gradients, got %s",
           dtype_name(t->array.dtype()));
    }
    if (wanted && (t->flags & kInference) && !modes.inference) {
      fail(ErrorType::Runtime,
           "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
    }
    t->requires_grad = wanted;
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

int set_grad(Tensor* t, PyObject* value, void*) {
  try {
    if (!value || value == Py_None) {
      if (t->extra) Py_CLEAR(t->extra->grad);
      return 0;
    }
    if (!tensor_check(value))
      fail(ErrorType::Type, "assigned grad expected to be a Tensor or None but got grad of type %s",
           Py_TYPE(value)->tp_name);
    if (value == as_object(t)) fail(ErrorType::Runtime, "can't assign Variable as its own grad");
    const Array &own = t->array, &given = as_tensor(value)->array;
    const int chosen = t->extra ? t->extra->grad_dtype : TensorExtra::kOwnType;
    const DType dtype = chosen >= 0 ? static_cast<DType>(chosen) : own.dtype();
    if (chosen != TensorExtra::kAnyType && dtype != given.dtype()) {
      fail(ErrorType::Runtime,
           "attempting to assign a gradient with dtype '%s' to a tensor with grad_dtype '%s'. The "
           "gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can "
           "set the tensor's grad_dtype attribute with a specific dtype, or None to allow any "
           "dtype.",
           dtype_name(given.dtype()), dtype_name(dtype));
    }
    if (!own.same_shape(given)) {
      fail(ErrorType::Runtime,
           "attempting to assign a gradient of size '%s' to a tensor of size '%s'. Please ensure "
           "that the gradient and the tensor are the same size",
           shape_text(given.shape()).c_str(), shape_text(own.shape()).c_str());
    }
    Py_XSETREF(tensor_extra(t)->grad, Py_NewRef(value));
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

int set_data(Tensor* t, PyObject* value, void*) {
  if (!value || !tensor_check(value)) {
    PyErr_Format(PyExc_TypeError, "Variable data has to be a tensor, but got %s",
                 value ? Py_TYPE(value)->tp_name : "nothing");
    return -1;
  }
  try {
    if (t->requires_grad && !is_differentiable(as_tensor(value)->array.dtype())) {
      fail(ErrorType::Runtime,
           "data set to a tensor that requires gradients must be floating point or complex dtype");
    }
    elements(t);
    if (t->flags & kWrapped)
      fail(ErrorType::Runtime, "setting `data` under vmap transform is not allowed");
    set_array(t, elements(as_tensor(value)));
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

int set_grad_fn(Tensor* t, PyObject* value, void*) {
  if (value && value != Py_None) {
    PyErr_SetString(PyExc_RuntimeError, "_grad_fn can be only set to None");
    return -1;
  }
  Py_CLEAR(t->grad_fn);
  return 0;
}

PyGetSetDef tensor_getset[] = {
    {"grad_dtype", (getter)get_grad_dtype, (setter)set_grad_dtype,
     "The dtype that this leaf's gradient has; None: that of what arrives.", nullptr},
    {"shape", (getter)get_shape, nullptr, "Size of each dimension (torch.Size).", nullptr},
    {"dtype", (getter)get_dtype, nullptr, "Element type.", nullptr},
    {"device", (getter)get_device, nullptr, "Device that holds the elements.", nullptr},
    {"is_meta", (getter)get_is_meta, nullptr, "Whether it has a shape but no elements.", nullptr},
    {"ndim", (getter)get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"requires_grad", (getter)get_requires_grad, (setter)set_requires_grad,
     "Whether gradients are wanted for this tensor.", nullptr},
    {"grad", (getter)get_grad, (setter)set_grad, "Accumulated gradient, or None.", nullptr},
    {"_grad", (getter)get_grad, (setter)set_grad, nullptr, nullptr},
    {"grad_fn", (getter)get_grad_fn, nullptr, "Node that made this tensor, or None for a leaf.",
     nullptr},
    {"_grad_fn", (getter)get_grad_fn, (setter)set_grad_fn, nullptr, nullptr},
    {"is_leaf", (getter)get_is_leaf, nullptr, "Whether no recorded operation made this tensor.",
     nullptr},
    {"_dual", (getter)get_dual, nullptr, "Tangents by level, or None.", nullptr},
    {"output_nr", (getter)get_output_nr, nullptr, nullptr, nullptr},
    {"_base", (getter)get_base, nullptr, "Tensor this one is a view of, or None.", nullptr},
    {"_version", (getter)get_version, nullptr, "How many in-place writes the storage has seen.",
     nullptr},
    {"data", (getter)get_data, (setter)set_data, "The same elements without history.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

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
PyObject* get_retains_grad(Tensor* t, void*) { return PyBool_FromLong(t->flags & kRetainsGrad); }

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
PyObject* get_hooks(Tensor* t, void*) {
  return Py_NewRef(t->extra && t->extra->hooks ? t->extra->hooks : Py_None);
}

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
// Marks `view` as a view of `base`, for operators written in Python.
static PyMethodDef module_functions[] = {
    {"set_helper", py_set_helper, METH_VARARGS, nullptr},
    {"set_parameter_type", py_set_parameter_type, METH_O, nullptr},
    {"set_devices", py_set_devices, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

bool init_tensor(PyObject* module) {
  static PyGetSetDef more[] = {
      {"retains_grad", (getter)get_retains_grad, nullptr, nullptr, nullptr},
      {"_backward_hooks", (getter)get_hooks, nullptr, nullptr, nullptr}};
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
  for (PyGetSetDef& d : more) {
    PyObject* descr = PyDescr_NewGetSet(TensorType, &d);
    if (!descr || PyObject_SetAttrString(as_object(TensorType), d.name, descr) < 0) return false;
    Py_DECREF(descr);
  }
  return PyModule_AddObjectRef(module, "Tensor", as_object(TensorType)) == 0 &&
         PyModule_AddFunctions(module, module_functions) == 0;
}

}  // namespace rl
