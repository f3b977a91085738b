// The attributes of tensors.
#include "autograd.h"
#include "levels.h"

namespace rl {

PyObject *g_cpu_device, *g_meta_device;

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

namespace {

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

PyObject* get_retains_grad(Tensor* t, void*) { return PyBool_FromLong(t->flags & kRetainsGrad); }
PyObject* get_hooks(Tensor* t, void*) {
  return Py_NewRef(t->extra && t->extra->hooks ? t->extra->hooks : Py_None);
}

}  // namespace

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
    {"retains_grad", (getter)get_retains_grad, nullptr, nullptr, nullptr},
    {"_backward_hooks", (getter)get_hooks, nullptr, nullptr, nullptr},
    {"data", (getter)get_data, (setter)set_data, "The same elements without history.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace rl
