// Nodes: the recorded side of an operator call, and how tensors are tied to them.
#include "autograd.h"

#include <structmember.h>

#include <atomic>
#include <cstring>

namespace rl {

PyTypeObject *NodeType, *AccumulateGradType, *CopySlicesType, *AsStridedType;
bool g_anomaly, g_anomaly_check_nan = true;

uint64_t next_sequence() {
  static std::atomic<uint64_t> count{0};
  return count.fetch_add(1, std::memory_order_relaxed);
}

namespace {

constexpr int kFreeMax = 128;
Node* g_free[kFreeMax];
int g_free_count = 0;

}  // namespace

size_t block_bytes(int nedges, int nsaved, int noutputs) {
  return static_cast<size_t>(nedges) * sizeof(Edge) + static_cast<size_t>(nsaved) * sizeof(Saved) +
         static_cast<size_t>(noutputs) * sizeof(Meta);
}

void allocate_parts(Node* n, int nedges, int nsaved, int noutputs) {
  n->nedges = static_cast<uint32_t>(nedges);
  n->nsaved = static_cast<uint32_t>(nsaved);
  n->noutputs = static_cast<uint32_t>(noutputs);
  char* block = static_cast<char*>(cpu_alloc(block_bytes(nedges, nsaved, noutputs) + 1));
  n->saved = reinterpret_cast<Saved*>(block);
  n->outputs = reinterpret_cast<Meta*>(n->saved + nsaved);
  n->edges = reinterpret_cast<Edge*>(n->outputs + noutputs);
  for (int i = 0; i < nsaved; ++i) new (n->saved + i) Saved();
  for (int i = 0; i < noutputs; ++i) new (n->outputs + i) Meta();
  for (int i = 0; i < nedges; ++i) n->edges[i] = {nullptr, 0};
}

void free_parts(Node* n) {
  if (!n->saved) return;
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    Py_CLEAR(n->saved[i].object);
    n->saved[i].~Saved();
  }
  for (uint32_t i = 0; i < n->noutputs; ++i) n->outputs[i].~Meta();
  for (uint32_t i = 0; i < n->nedges; ++i) Py_CLEAR(n->edges[i].node);
  cpu_free(n->saved, block_bytes(static_cast<int>(n->nedges), static_cast<int>(n->nsaved),
                                 static_cast<int>(n->noutputs)) +
                         1);
  n->saved = nullptr;
  n->outputs = nullptr;
  n->edges = nullptr;
  n->nedges = n->nsaved = n->noutputs = 0;
}

namespace {

int node_traverse(Node* n, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(n));
  for (uint32_t i = 0; i < n->nedges; ++i) Py_VISIT(n->edges[i].node);
  for (uint32_t i = 0; i < n->nsaved; ++i) Py_VISIT(n->saved[i].object);
  Py_VISIT(n->extra);
  Py_VISIT(n->variable);
  return 0;
}

int node_clear(Node* n) {
  Py_CLEAR(n->extra);
  if (n->variable) {
    if (n->variable->extra) n->variable->extra->accumulator = nullptr;
    Py_CLEAR(n->variable);
  }
  free_parts(n);
  return 0;
}

void node_dealloc(Node* n) {
  PyTypeObject* type = Py_TYPE(n);
  PyObject_GC_UnTrack(n);
  if (n->weakrefs) PyObject_ClearWeakRefs(as_object(n));
  Py_TRASHCAN_BEGIN(n, node_dealloc)  // graphs are long chains
      node_clear(n);
  // A subclass with a __dict__ (Python-defined nodes) keeps it in front of the object.
  if (type->tp_basicsize == sizeof(Node) && !type->tp_dictoffset && g_free_count < kFreeMax) {
    g_free[g_free_count++] = n;
  } else {
    type->tp_free(n);
  }
  Py_DECREF(type);
  Py_TRASHCAN_END
}

void init_fields(Node* n, const OpSpec* spec) {
  n->spec = spec;
  n->edges = nullptr;
  n->saved = nullptr;
  n->outputs = nullptr;
  n->extra = nullptr;
  n->weakrefs = nullptr;
  n->variable = nullptr;
  n->sequence = next_sequence();
  n->nedges = n->nsaved = n->noutputs = 0;
  n->computes = 0;
  n->released = false;
}

PyObject* node_tp_new(PyTypeObject* type, PyObject*, PyObject*) {  // Python-defined nodes
  Node* n = reinterpret_cast<Node*>(PyType_GenericAlloc(type, 0));
  if (n) init_fields(n, nullptr);
  return as_object(n);
}

PyObject* node_name(Node* n, PyObject*) {
  return PyUnicode_FromString(strrchr(Py_TYPE(n)->tp_name, '.')
                                  ? strrchr(Py_TYPE(n)->tp_name, '.') + 1
                                  : Py_TYPE(n)->tp_name);
}
PyObject* node_sequence(Node* n, PyObject*) { return PyLong_FromUnsignedLongLong(n->sequence); }
PyObject* node_repr(Node* n) {
  PyObject* name = node_name(n, nullptr);
  PyObject* text = name ? PyUnicode_FromFormat("<%U object at %p>", name, n) : nullptr;
  Py_XDECREF(name);
  return text;
}
PyObject* next_functions(Node* n, void*) {
  PyObject* tuple = PyTuple_New(n->nedges);
  if (!tuple) return nullptr;
  for (uint32_t i = 0; i < n->nedges; ++i) {
    PyObject* node = n->edges[i].node ? as_object(n->edges[i].node) : Py_None;
    PyTuple_SET_ITEM(tuple, i, Py_BuildValue("OI", node, n->edges[i].nr));
  }
  return tuple;
}
PyObject* extra_dict(Node* n) {
  if (!n->extra) n->extra = PyDict_New();
  return n->extra;
}
// A dict of its own inside extra, made on demand: metadata, hooks, prehooks, tensor hooks.
PyObject* sub_dict(Node* n, PyObject* key) {
  PyObject* extra = extra_dict(n);
  if (!extra) return nullptr;
  PyObject* d = PyDict_GetItemWithError(extra, key);
  if (d) return Py_NewRef(d);
  if (PyErr_Occurred()) return nullptr;
  d = PyDict_New();
  if (!d || PyDict_SetItem(extra, key, d) < 0) return nullptr;
  return d;
}
}  // namespace

PyObject* node_metadata(Node* n, void*) {
  PyObject* key = PyUnicode_FromString("metadata");
  PyObject* d = sub_dict(n, key);
  Py_DECREF(key);
  return d;
}

namespace {

PyObject* node_sub_dict(Node* n, PyObject* key) { return sub_dict(n, key); }
PyObject* node_variable(Node* n, void*) {
  if (!n->variable) {
    PyErr_SetString(PyExc_AttributeError, "variable: only AccumulateGrad nodes have one");
    return nullptr;
  }
  return Py_NewRef(as_object(n->variable));
}
PyObject* node_released(Node* n, void*) { return PyBool_FromLong(n->released); }

PyGetSetDef node_getset[] = {
    {"next_functions", (getter)next_functions, nullptr,
     "((node, input number), ...) one per input.", nullptr},
    {"metadata", (getter)node_metadata, nullptr, "A dict for users' notes.", nullptr},
    {"variable", (getter)node_variable, nullptr, "The leaf whose gradient this node accumulates.",
     nullptr},
    {"_released", (getter)node_released, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef node_methods[] = {
    {"name", (PyCFunction)node_name, METH_NOARGS, "The node's class name."},
    {"_sequence_nr", (PyCFunction)node_sequence, METH_NOARGS, nullptr},
    {"_sub_dict", (PyCFunction)node_sub_dict, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyMemberDef node_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

PyTypeObject* node_subtype(const std::string& name) {
  // The type keeps a pointer to its name: it lives for ever.
  char* full = strdup(("rushlight." + name).c_str());
  // Named here, or heap types would get the generic (slower) deallocator.
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {0, nullptr}};
  PyType_Spec spec = {full, sizeof(Node), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  Ref bases(checked(PyTuple_Pack(1, NodeType)));
  return reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpecWithBases(&spec, bases)));
}

void Meta::set(const Array& a) {
  const int n = a.ndim();
  dtype = a.dtype();
  int64_t* out = n > 4 ? (heap = new int64_t[n]) : inline_sizes;
  std::copy(a.sizes(), a.sizes() + n, out);
  ndim = static_cast<uint8_t>(n);
}

Node* node_new(PyTypeObject* type, const OpSpec* spec, int nedges, int nsaved, int noutputs) {
  Node* n;
  if (g_free_count) {
    n = g_free[--g_free_count];
    Py_SET_TYPE(n, type);
    Py_INCREF(type);
    _Py_NewReference(as_object(n));
  } else {
    n = PyObject_GC_New(Node, type);
    if (!n) throw PythonError();
  }
  init_fields(n, spec);
  allocate_parts(n, nedges, nsaved, noutputs);
  PyObject_GC_Track(n);
  return n;
}

void node_output(Node* n, int i, const Array& a) { n->outputs[i].set(a); }

// -- tensors and their nodes --------------------------------------------------------------------

static bool stale(const Tensor* t) {
  return t->base && !(t->flags & kQuietView) && t->history != t->base->history;
}

bool needs_grad(Tensor* t) {
  if (t->requires_grad) return true;
  return stale(t) && t->base->requires_grad;
}

// The base's history was replaced by an in-place write: the view is now a strided read of it.
void regenerate_view(Tensor* v) {
  v->history = v->base->history;
  if (!needs_grad(v->base)) return;
  Node* n = node_new(AsStridedType, nullptr, 1, 1, 1);
  n->edges[0] = edge_of(v->base);
  node_output(n, 0, v->array);
  Ref sizes(size_object(v->base->array.shape())),
      strides(size_object(v->base->array.stride_span()));
  Ref view_sizes(size_object(v->array.shape())), view_strides(size_object(v->array.stride_span()));
  n->saved[0].kind = Saved::Value;
  n->saved[0].object = checked(
      Py_BuildValue("OOLOOL", sizes.p, strides.p, static_cast<long long>(v->base->array.offset()),
                    view_sizes.p, view_strides.p, static_cast<long long>(v->array.offset())));
  attach(n, v, 0);
  Py_DECREF(n);
}

Node* grad_fn_of(Tensor* t) {
  if (stale(t)) regenerate_view(t);
  return t->grad_fn;
}

Node* accumulator_of(Tensor* t) {
  TensorExtra* e = tensor_extra(t);
  if (e->accumulator) return reinterpret_cast<Node*>(Py_NewRef(as_object(e->accumulator)));
  Node* n = node_new(AccumulateGradType, nullptr, 0, 0, 0);
  n->variable = t;
  Py_INCREF(t);
  n->sequence = UINT64_MAX;  // runs as soon as it is ready
  e->accumulator = n;
  return n;
}

Edge edge_of(Tensor* t) {
  Node* n = grad_fn_of(t);
  if (n) return {reinterpret_cast<Node*>(Py_NewRef(as_object(n))), t->output_nr};
  if (t->requires_grad) return {accumulator_of(t), 0};
  return {nullptr, 0};
}

void attach(Node* n, Tensor* t, int nr) {
  tensor_track(t);
  Node* old = t->grad_fn;
  t->grad_fn = reinterpret_cast<Node*>(Py_NewRef(as_object(n)));
  t->output_nr = static_cast<uint32_t>(nr);
  t->requires_grad = true;
  Py_XDECREF(old);
}

// -- in-place writes ----------------------------------------------------------------------------

void check_inplace(Tensor* t) {
  if ((t->flags & kInference) && !modes.inference) {
    fail(ErrorType::Runtime,
         "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a "
         "clone to get a normal tensor before doing inplace update.");
  }
  if (!modes.grad) return;
  if (t->base && (t->flags & (kQuietView | kMultiView)) && needs_grad(t->base)) {
    if (t->flags & kQuietView) {
      fail(ErrorType::Runtime,
           "A view was created in no_grad mode and is being modified inplace with grad mode "
           "enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You "
           "can clarify your code by moving both the view and the inplace either both inside the "
           "no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
           "want the inplace to be tracked).");
    }
    fail(ErrorType::Runtime,
         "Output %u of %s is a view and is being modified inplace. This view is the output of a "
         "function that returns multiple views. Such functions do not allow the output views to be "
         "modified inplace. You should replace the inplace operation by an out-of-place one.",
         t->output_nr, t->grad_fn ? strrchr(Py_TYPE(t->grad_fn)->tp_name, '.') + 1 : "a function");
  }
  if (t->requires_grad && !grad_fn_of(t)) {
    fail(ErrorType::Runtime,
         "a leaf Variable that requires grad is being used in an in-place operation.");
  }
  if (t->base && t->base->requires_grad && !t->base->grad_fn && !(t->flags & kQuietView)) {
    fail(ErrorType::Runtime,
         "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
}

// The tensor's new value comes from node n. A view writes into its base's history too: the base
// becomes "old base with this region replaced", and every view of it reads from there from now on.
void rebase_history(Tensor* t, Node* n, int nr) {
  Tensor* base = t->base;
  if (!base || (t->flags & kQuietView)) {
    attach(n, t, nr);
    ++t->history;  // its views must look again
    return;
  }
  Node* copy = node_new(CopySlicesType, nullptr, 2, 1, 1);
  Ref guard(as_object(copy));
  if (needs_grad(base)) copy->edges[0] = edge_of(base);
  copy->edges[1] = {reinterpret_cast<Node*>(Py_NewRef(as_object(n))), static_cast<uint32_t>(nr)};
  node_output(copy, 0, base->array);
  Ref sizes(size_object(base->array.shape())), strides(size_object(base->array.stride_span()));
  Ref view_sizes(size_object(t->array.shape())), view_strides(size_object(t->array.stride_span()));
  copy->saved[0].kind = Saved::Value;
  copy->saved[0].object = checked(
      Py_BuildValue("OOLOOL", sizes.p, strides.p, static_cast<long long>(base->array.offset()),
                    view_sizes.p, view_strides.p, static_cast<long long>(t->array.offset())));
  attach(copy, base, 0);
  ++base->history;
  regenerate_view(t);
}

bool init_nodes(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(node_tp_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                         {Py_tp_getset, node_getset},
                         {Py_tp_methods, node_methods},
                         {Py_tp_members, node_members},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.Node", sizeof(Node), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  NodeType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!NodeType) return false;
  try {
    AccumulateGradType = node_subtype("AccumulateGrad");
    CopySlicesType = node_subtype("CopySlices");
    AsStridedType = node_subtype("AsStridedBackward0");
  } catch (...) {
    translate_exception();
    return false;
  }
  return PyModule_AddObjectRef(module, "Node", as_object(NodeType)) == 0 &&
         PyModule_AddObjectRef(module, "AccumulateGrad", as_object(AccumulateGradType)) == 0;
}

}  // namespace rl
