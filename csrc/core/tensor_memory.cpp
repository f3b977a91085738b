// How tensors come and go: their memory, free lists, the garbage collector.
#include "op.h"
#include "tensor.h"

namespace rl {

namespace {

constexpr int kFreeMax = 256;
struct FreeList {
  Tensor* tensors[kFreeMax];
  int count = 0;
} g_free[2];                 // of those without and with room for several dims
PyTypeObject* g_short_type;  // only says how many bytes the short ones take

bool is_long(const Array& a) { return a.room() > 1; }

void init_fields(Tensor* t, Array a, uint8_t room) {
  new (&t->array) Array(std::move(a), room);
  t->grad_fn = nullptr;
  t->base = nullptr;
  t->dict = nullptr;
  t->weakrefs = nullptr;
  t->extra = nullptr;
  t->requires_grad = false;
  t->flags = 0;
}

}  // namespace

int tensor_clear(Tensor* t) {
  Py_CLEAR(t->grad_fn);
  Py_CLEAR(t->base);
  Py_CLEAR(t->dict);
  if (t->extra) {
    Py_CLEAR(t->extra->grad);
    Py_CLEAR(t->extra->hooks);
    Py_CLEAR(t->extra->post_hooks);
    Py_CLEAR(t->extra->physical);
    Py_CLEAR(t->extra->duals);
    Py_CLEAR(t->extra->device);
  }
  return 0;
}

int tensor_traverse(Tensor* t, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(t));
  Py_VISIT(t->grad_fn);
  Py_VISIT(t->base);
  Py_VISIT(t->dict);
  if (t->extra) {
    Py_VISIT(t->extra->grad);
    Py_VISIT(t->extra->hooks);
    Py_VISIT(t->extra->post_hooks);
    Py_VISIT(t->extra->physical);
    Py_VISIT(t->extra->duals);
    Py_VISIT(t->extra->device);
  }
  return 0;
}

void tensor_dealloc(Tensor* t) {
  PyTypeObject* type = Py_TYPE(t);
  PyObject_GC_UnTrack(t);
  if (t->weakrefs) PyObject_ClearWeakRefs(as_object(t));
  // A long chain of views or histories must not overflow the C stack.
  Py_TRASHCAN_BEGIN(t, tensor_dealloc) tensor_clear(t);
  if (t->extra) Py_XDECREF(t->extra->level);
  delete t->extra;
  FreeList& list = g_free[is_long(t->array)];
  t->array.~Array();
  if (type == TensorType && list.count < kFreeMax) {
    list.tensors[list.count++] = t;
  } else {
    type->tp_free(t);
  }
  Py_DECREF(type);
  Py_TRASHCAN_END
}

Tensor* tensor_new(Array a) {
  Tensor* t;
  const uint8_t room = a.ndim() > 1 ? kInlineDims : 1;
  FreeList& list = g_free[room > 1];
  if (list.count) {
    t = list.tensors[--list.count];
    Py_INCREF(TensorType);
    _Py_NewReference(as_object(t));
  } else {
    PyTypeObject* type = room > 1 ? TensorType : g_short_type;
    t = PyObject_GC_New(Tensor, type);
    if (!t) throw PythonError();
    if (type != TensorType) {
      Py_SET_TYPE(t, reinterpret_cast<PyTypeObject*>(Py_NewRef(as_object(TensorType))));
      Py_DECREF(type);
    }
  }
  init_fields(t, std::move(a), room);
  t->flags = static_cast<uint16_t>((modes.inference ? kInference : 0) | device_flag(t));
  return t;
}

Tensor* tensor_new(Array a, PyTypeObject* type) {
  if (type == TensorType) return tensor_new(std::move(a));
  Tensor* t = reinterpret_cast<Tensor*>(checked(PyType_GenericAlloc(type, 0)));
  init_fields(t, std::move(a), kInlineDims);
  t->flags = static_cast<uint16_t>(kTracked | (modes.inference ? kInference : 0) | device_flag(t));
  return t;
}

void tensor_track(Tensor* t) {
  if (!(t->flags & kTracked)) {
    t->flags |= kTracked;
    PyObject_GC_Track(t);
  }
}

TensorExtra* tensor_extra(Tensor* t) {
  if (!t->extra) {
    tensor_track(t);
    t->extra = new TensorExtra();
  }
  return t->extra;
}

static PyObject* tensor_sizeof(Tensor* t, PyObject*) {
  return PyLong_FromSize_t(offsetof(Tensor, array) + Array::size_with(t->array.room()));
}

bool init_short_type() {
  PyType_Slot short_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
                               {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
                               {0, nullptr}};
  constexpr size_t size = offsetof(Tensor, array) + Array::size_with(1);
  static_assert(size == 96);
  PyType_Spec short_spec = {"rushlight._short", size, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                            short_slots};
  g_short_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&short_spec));
  static PyMethodDef method = {"__sizeof__", reinterpret_cast<PyCFunction>(tensor_sizeof),
                               METH_NOARGS, nullptr};
  Ref descr(PyDescr_NewMethod(TensorType, &method));
  return g_short_type && descr &&
         PyObject_SetAttrString(as_object(TensorType), method.ml_name, descr) == 0;
}

}  // namespace rl
