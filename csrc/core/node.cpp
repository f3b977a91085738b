// Nodes: the recorded side of an operator call, and how tensors are tied to them.
#include "autograd.h"

#include <structmember.h>

#include <atomic>
#include <cstring>

namespace rl {

PyTypeObject *NodeType, *AccumulateGradType, *CopySlicesType, *AsStridedType;
bool g_anomaly, g_anomaly_check_nan = true;

namespace {

constexpr int kFreeMax = 128;
Node* g_free[kFreeMax];
int g_free_count = 0;
std::atomic<uint64_t> g_sequence{0};

size_t block_bytes(int nedges, int nsaved, int noutputs) {
  return static_cast<size_t>(nedges) * sizeof(Edge) + static_cast<size_t>(nsaved) * sizeof(Saved) + static_cast<size_t>(noutputs) * sizeof(Meta);
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
  cpu_free(n->saved, block_bytes(static_cast<int>(n->nedges), static_cast<int>(n->nsaved), static_cast<int>(n->noutputs)) + 1);
  n->saved = nullptr;
  n->outputs = nullptr;
  n->edges = nullptr;
  n->nedges = n->nsaved = n->noutputs = 0;
}

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
  n->sequence = g_sequence.fetch_add(1, std::memory_order_relaxed);
  n->nedges = n->nsaved = n->noutputs = 0;
  n->computes = 0;
  n->released = false;
}

PyObject* node_tp_new(PyTypeObject* type, PyObject*, PyObject*) {  // Python-defined nodes
  Node* n = reinterpret_cast<Node*>(PyType_GenericAlloc(type, 0));
  if (n) init_fields(n, nullptr);
  return as_object(n);
}

PyObject* node_name(Node* n, PyObject*) { return PyUnicode_FromString(strrchr(Py_TYPE(n)->tp_name, '.') ? strrchr(Py_TYPE(n)->tp_name, '.') + 1 : Py_TYPE(n)->tp_name); }
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
PyObject* metadata(Node* n, void*) {
  PyObject* key = PyUnicode_FromString("metadata");
  PyObject* d = sub_dict(n, key);
  Py_DECREF(key);
  return d;
}
PyObject* node_sub_dict(Node* n, PyObject* key) { return sub_dict(n, key); }
PyObject* node_variable(Node* n, void*) {
  if (!n->variable) {
    PyErr_SetString(PyExc_AttributeError, "variable: only AccumulateGrad nodes have one");
    return nullptr;
  }
  return Py_NewRef(as_object(n->variable));
}
PyObject* node_released(Node* n, void*) { return PyBool_FromLong(n->released); }

PyGetSetDef node_getset[] = {{"next_functions", (getter)next_functions, nullptr, "((node, input number), ...) one per input.", nullptr},
                             {"metadata", (getter)metadata, nullptr, "A dict for users' notes.", nullptr},
                             {"variable", (getter)node_variable, nullptr, "The leaf whose gradient this node accumulates.", nullptr},
                             {"_released", (getter)node_released, nullptr, nullptr, nullptr},
                             {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef node_methods[] = {{"name", (PyCFunction)node_name, METH_NOARGS, "The node's class name."},
                              {"_sequence_nr", (PyCFunction)node_sequence, METH_NOARGS, nullptr},
                              {"_sub_dict", (PyCFunction)node_sub_dict, METH_O, nullptr},
                              {nullptr, nullptr, 0, nullptr}};
PyMemberDef node_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, nullptr},
                              {nullptr, 0, 0, 0, nullptr}};

PyTypeObject* subtype(const std::string& name) {
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

}  // namespace

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

static bool stale(const Tensor* t) { return t->base && !(t->flags & kQuietView) && t->history != t->base->history; }

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
  Ref sizes(size_object(v->base->array.shape())), strides(size_object(v->base->array.stride_span()));
  Ref view_sizes(size_object(v->array.shape())), view_strides(size_object(v->array.stride_span()));
  n->saved[0].kind = Saved::Value;
  n->saved[0].object = checked(Py_BuildValue("OOLOOL", sizes.p, strides.p, static_cast<long long>(v->base->array.offset()), view_sizes.p, view_strides.p,
                                             static_cast<long long>(v->array.offset())));
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
    fail(ErrorType::Runtime, "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal tensor before doing inplace update.");
  }
  if (!modes.grad) return;
  if (t->base && (t->flags & (kQuietView | kMultiView)) && needs_grad(t->base)) {
    if (t->flags & kQuietView) {
      fail(ErrorType::Runtime, "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).");
    }
    fail(ErrorType::Runtime, "Output %u of %s is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
         t->output_nr, t->grad_fn ? strrchr(Py_TYPE(t->grad_fn)->tp_name, '.') + 1 : "a function");
  }
  if (t->requires_grad && !grad_fn_of(t)) {
    fail(ErrorType::Runtime, "a leaf Variable that requires grad is being used in an in-place operation.");
  }
  if (t->base && t->base->requires_grad && !t->base->grad_fn && !(t->flags & kQuietView)) {
    fail(ErrorType::Runtime, "a view of a leaf Variable that requires grad is being used in an in-place operation.");
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
  copy->saved[0].object = checked(Py_BuildValue("OOLOOL", sizes.p, strides.p, static_cast<long long>(base->array.offset()), view_sizes.p, view_strides.p,
                                                static_cast<long long>(t->array.offset())));
  attach(copy, base, 0);
  ++base->history;
  regenerate_view(t);
}

// -- recording ----------------------------------------------------------------------------------

Recording::~Recording() { Py_XDECREF(node); }

static bool list_needs_grad(PyObject* o) {
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    if (tensor_check(item) && needs_grad(as_tensor(item))) return true;
  }
  return false;
}

bool wants_recording(const OpSpec& s, PyObject* const* args, uint32_t* computes) {
  uint32_t mask = 0;
  for (size_t k = 0; k < s.differentiable.size(); ++k) {
    PyObject* o = args[s.differentiable[k]];
    if (tensor_check(o) ? needs_grad(as_tensor(o)) : (PyList_Check(o) || PyTuple_Check(o)) && list_needs_grad(o)) mask |= 1u << k;
  }
  *computes = mask;
  return mask != 0;
}

static PyObject* shape_of(PyObject* o) {
  if (tensor_check(o)) return size_object(as_tensor(o)->array.shape());
  if (!PyList_Check(o) && !PyTuple_Check(o)) return Py_NewRef(Py_None);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  PyObject* list = checked(PyList_New(n));
  for (Py_ssize_t i = 0; i < n; ++i) PyList_SET_ITEM(list, i, shape_of(PySequence_Fast_GET_ITEM(o, i)));
  return list;
}

static thread_local PyObject* t_saved_hooks = nullptr;  // (pack, unpack) of the innermost saved_tensors_hooks

// The user's hook keeps the value; `history` is its node, or True for an output of the saving node itself.
static void pack(Saved& s, Tensor* t, PyObject* history, uint32_t nr) {
  const bool grad = modes.grad;
  modes.grad = false;  // what the hook computes is no part of the graph
  Ref plain(as_object(tensor_new(t->array)));
  PyObject* packed = PyObject_CallOneArg(PyTuple_GET_ITEM(t_saved_hooks, 0), plain);
  modes.grad = grad;
  Ref owned(checked(packed));
  s.object = checked(PyTuple_Pack(3, packed, PyTuple_GET_ITEM(t_saved_hooks, 1), history));
  s.kind = Saved::Packed;
  s.output_nr = nr;
}

static void save_input(Saved& s, PyObject* o, bool clone) {
  if (!tensor_check(o)) {
    s.kind = Saved::Value;
    s.object = Py_NewRef(o);
    return;
  }
  Tensor* t = as_tensor(o);
  if (t->flags & kInference) {
    fail(ErrorType::Runtime, "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.");
  }
  s.kind = Saved::Input;
  if (clone) {  // the value before an in-place write, with the history it had
    Tensor* copy = tensor_new(t->array.clone());
    s.object = as_object(copy);
    if (Node* n = grad_fn_of(t)) attach(n, copy, static_cast<int>(t->output_nr));
    s.array = copy->array;
    s.version = 0;
    return;
  }
  if (t_saved_hooks) {
    Edge e = needs_grad(t) ? edge_of(t) : Edge{nullptr, 0};
    Ref history(e.node ? as_object(e.node) : Py_NewRef(Py_None));
    pack(s, t, history, e.nr);
    return;
  }
  s.object = Py_NewRef(o);
  s.array = t->array;
  s.version = t->array.storage()->version;
}

void record_inputs(Recording& r, const OpSpec& s, PyObject* const* args, uint32_t computes, Tensor* inplace_target) {
  OpSpec& spec = const_cast<OpSpec&>(s);
  int form = 0;
  if (!s.node_names[1].empty()) {
    if (!s.pointwise) form = args[1] != Py_None;
    else form = !tensor_check(args[1]) ? 1 : !tensor_check(args[0]) && !s.node_names[2].empty() ? 2 : 0;
  }
  PyTypeObject*& type = spec.node_types[form];
  if (!type) type = subtype(s.node_names[form]);
  int nedges = 0;
  for (int p : s.differentiable) {
    PyObject* o = args[p];
    nedges += PyList_Check(o) || PyTuple_Check(o) ? static_cast<int>(PySequence_Fast_GET_SIZE(o)) : 1;
  }
  Node* n = node_new(type, &s, nedges, static_cast<int>(s.slots.size()), s.outputs == Outputs::One ? 1 : 0);
  r.node = n;
  n->computes = computes;
  int e = 0;
  for (int p : s.differentiable) {
    PyObject* o = args[p];
    if (PyList_Check(o) || PyTuple_Check(o)) {
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, i);
        if (tensor_check(item)) n->edges[e] = edge_of(as_tensor(item));
        ++e;
      }
    } else {
      if (tensor_check(o)) n->edges[e] = edge_of(as_tensor(o));
      ++e;
    }
  }
  for (size_t i = 0; i < s.slots.size(); ++i) {
    const SavedSlot& slot = s.slots[i];
    if (!s.joint && !(slot.users & computes)) continue;
    Saved& saved = n->saved[i];
    switch (slot.kind) {
      case SavedKind::Param:
        save_input(saved, args[slot.index], inplace_target && args[slot.index] == as_object(inplace_target));
        break;
      case SavedKind::ParamShape:
        saved.object = shape_of(args[slot.index]);
        saved.kind = Saved::Value;
        break;
      case SavedKind::ParamDtype:
        saved.object = Py_NewRef(tensor_check(args[slot.index]) ? dtype_object(as_tensor(args[slot.index])->array.dtype()) : Py_None);
        saved.kind = Saved::Value;
        break;
      case SavedKind::Output: break;
    }
  }
  if (g_anomaly) {
    Ref trace(call_helper("forward_trace", {}));
    Ref key(PyUnicode_FromString("traceback_"));
    Ref d(checked(metadata(n, nullptr)));
    PyDict_SetItem(d, key, trace);
  }
}

// n = 0: an in-place call, outputs[0] is the target, attached by rebase_history.
void record_outputs(Recording& r, const OpSpec& s, Tensor* const* outputs, int count) {
  Node* n = r.node;
  const int total = count ? count : 1;
  // The outputs' metas join the block: allocate it anew with the right count.
  if (n->noutputs != static_cast<uint32_t>(total)) {
    Saved* saved = n->saved;
    Edge* edges = n->edges;
    const int nedges = static_cast<int>(n->nedges), nsaved = static_cast<int>(n->nsaved), old = static_cast<int>(n->noutputs);
    allocate_parts(n, nedges, nsaved, total);
    for (int i = 0; i < nsaved; ++i) {
      n->saved[i] = std::move(saved[i]);
      saved[i].~Saved();
    }
    std::copy(edges, edges + nedges, n->edges);
    cpu_free(saved, block_bytes(nedges, nsaved, old) + 1);
  }
  for (int i = 0; i < total; ++i) node_output(n, i, outputs[i]->array);
  for (size_t i = 0; i < s.slots.size(); ++i) {
    const SavedSlot& slot = s.slots[i];
    if (slot.kind != SavedKind::Output || (!s.joint && !(slot.users & n->computes))) continue;
    Saved& saved = n->saved[i];
    if (slot.index >= total) continue;
    Tensor* t = outputs[slot.index];
    if (t_saved_hooks) {
      pack(saved, t, Py_True, static_cast<uint32_t>(slot.index));
      continue;
    }
    saved.kind = Saved::Output;
    saved.array = t->array;
    saved.version = t->array.storage()->version;
    saved.output_nr = static_cast<uint32_t>(slot.index);
  }
  for (int i = 0; i < std::min(count, s.grad_outputs); ++i) {
    if (is_differentiable(outputs[i]->array.dtype())) attach(n, outputs[i], i);
  }
}

// -- unpacking ----------------------------------------------------------------------------------

PyObject* unpack_saved(Node* n, Saved& s) {
  switch (s.kind) {
    case Saved::Empty: return Py_NewRef(Py_None);
    case Saved::Value: return Py_NewRef(s.object);
    case Saved::Packed: {
      PyObject* got = checked(PyObject_CallOneArg(PyTuple_GET_ITEM(s.object, 1), PyTuple_GET_ITEM(s.object, 0)));
      PyObject* history = PyTuple_GET_ITEM(s.object, 2);
      if (history != Py_None && modes.grad && tensor_check(got)) {
        Tensor* t = tensor_new(as_tensor(got)->array);
        Py_DECREF(got);
        attach(history == Py_True ? n : reinterpret_cast<Node*>(history), t, static_cast<int>(s.output_nr));
        return as_object(t);
      }
      return got;
    }
    default: break;
  }
  if (s.array.storage()->version != s.version) {
    const char* name = strrchr(Py_TYPE(n)->tp_name, '.');
    const Array& a = s.array;
    std::string origin;
    Node* maker = s.kind == Saved::Output ? n : s.object ? as_tensor(s.object)->grad_fn : nullptr;
    const uint32_t nr = s.kind == Saved::Output ? s.output_nr : s.object ? as_tensor(s.object)->output_nr : 0;
    if (maker) origin = ", which is output " + std::to_string(nr) + " of " + (strrchr(Py_TYPE(maker)->tp_name, '.') ? strrchr(Py_TYPE(maker)->tp_name, '.') + 1 : Py_TYPE(maker)->tp_name) + ",";
    fail(ErrorType::Runtime,
         "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.%sTensor %s]%s is at "
         "version %u; expected version %u instead. Hint: %s (while computing %s)",
         dtype_scalar_name(a.dtype()), shape_text(a.shape()).c_str(), origin.c_str(), a.storage()->version, s.version,
         g_anomaly ? "the backtrace further above shows the operation that failed to compute its gradient. The variable in question was changed in there or anywhere later. Good luck!"
                   : "enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True).",
         name ? name + 1 : "");
  }
  if (s.kind == Saved::Output) {
    Tensor* t = tensor_new(s.array);
    attach(n, t, static_cast<int>(s.output_nr));
    return as_object(t);
  }
  Tensor* t = as_tensor(s.object);
  // `p.data = ...` between forward and backward: the value as it was then.
  if (t->array.storage() != s.array.storage() || t->array.offset() != s.array.offset() || !t->array.same_shape(s.array)) {
    Tensor* old = tensor_new(s.array);
    if (t->grad_fn) attach(t->grad_fn, old, static_cast<int>(t->output_nr));
    return as_object(old);
  }
  return Py_NewRef(s.object);
}

void release_saved(Node* n) {
  bool any = false;
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    Saved& s = n->saved[i];
    // Numbers and shapes stay: a node that kept no tensor can run again, as in PyTorch.
    if (s.kind == Saved::Empty || (s.kind == Saved::Value && !PyList_Check(s.object))) continue;
    any = true;
    PyObject* object = s.object;
    s.object = nullptr;
    s.array = Array();
    s.kind = Saved::Empty;
    Py_XDECREF(object);
  }
  if (any) n->released = true;
}

// -- Python's own nodes ---------------------------------------------------------------------------

// connect(node, inputs, outputs): edges to the inputs' histories; node becomes the outputs' grad_fn.
static PyObject* connect(PyObject*, PyObject* args) {
  PyObject *node, *inputs, *outputs;
  if (!PyArg_ParseTuple(args, "O!O!O!", NodeType, &node, &PyTuple_Type, &inputs, &PyTuple_Type, &outputs)) return nullptr;
  try {
    Node* n = reinterpret_cast<Node*>(node);
    free_parts(n);
    allocate_parts(n, static_cast<int>(PyTuple_GET_SIZE(inputs)), 0, static_cast<int>(PyTuple_GET_SIZE(outputs)));
    for (uint32_t i = 0; i < n->nedges; ++i) {
      PyObject* o = PyTuple_GET_ITEM(inputs, i);
      if (tensor_check(o) && needs_grad(as_tensor(o))) n->edges[i] = edge_of(as_tensor(o));
    }
    n->sequence = g_sequence.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t i = 0; i < n->noutputs; ++i) {
      PyObject* o = PyTuple_GET_ITEM(outputs, i);
      if (!tensor_check(o)) continue;
      node_output(n, static_cast<int>(i), as_tensor(o)->array);
      if (is_differentiable(as_tensor(o)->array.dtype())) attach(n, as_tensor(o), static_cast<int>(i));
    }
    if (g_anomaly) {
      Ref trace(call_helper("forward_trace", {}));
      Ref d(checked(metadata(n, nullptr)));
      PyDict_SetItemString(d, "traceback_", trace);
    }
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// connect_inplace(node, tensor, output_nr): the node's output was written into `tensor`.
static PyObject* connect_inplace(PyObject*, PyObject* args) {
  PyObject *node, *tensor;
  int nr;
  if (!PyArg_ParseTuple(args, "O!O!i", NodeType, &node, TensorType, &tensor, &nr)) return nullptr;
  try {
    rebase_history(as_tensor(tensor), reinterpret_cast<Node*>(node), nr);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* py_check_inplace(PyObject*, PyObject* t) {
  try {
    array_of(t);
    check_inplace(as_tensor(t));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* any_requires_grad(PyObject*, PyObject* o) {
  if (!modes.grad) Py_RETURN_FALSE;
  try {
    if (tensor_check(o)) return PyBool_FromLong(needs_grad(as_tensor(o)));
    return PyBool_FromLong((PyList_Check(o) || PyTuple_Check(o)) && list_needs_grad(o));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* gradient_edge(PyObject*, PyObject* o) {
  try {
    array_of(o);
    Edge e = edge_of(as_tensor(o));
    if (!e.node) fail(ErrorType::Runtime, "It is not possible to get the gradient edge for a Tensor that does not require gradients");
    return Py_BuildValue("NI", as_object(e.node), e.nr);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* set_saved_hooks(PyObject*, PyObject* pair) {
  PyObject* old = t_saved_hooks ? t_saved_hooks : Py_NewRef(Py_None);
  t_saved_hooks = pair == Py_None ? nullptr : Py_NewRef(pair);
  return old;
}

// -- SavedTensor ----------------------------------------------------------------------------------

struct SavedObject {
  PyObject_HEAD
  Saved saved;
  bool released;
};
static PyTypeObject* SavedType;

static PyObject* saved_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"tensor", "is_output", nullptr};
  PyObject* tensor;
  int is_output = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", const_cast<char**>(names), &tensor, &is_output)) return nullptr;
  SavedObject* s = reinterpret_cast<SavedObject*>(type->tp_alloc(type, 0));
  if (!s) return nullptr;
  new (&s->saved) Saved();
  s->released = false;
  try {
    if (is_output && tensor_check(tensor) && !t_saved_hooks) {
      s->saved.kind = Saved::Output;
      s->saved.array = as_tensor(tensor)->array;
      s->saved.version = s->saved.array.storage()->version;
      s->saved.output_nr = as_tensor(tensor)->output_nr;
    } else if (is_output && tensor_check(tensor)) {
      pack(s->saved, as_tensor(tensor), Py_True, as_tensor(tensor)->output_nr);
    } else {
      save_input(s->saved, tensor, false);
    }
    return as_object(s);
  } catch (...) {
    translate_exception();
    Py_DECREF(s);
    return nullptr;
  }
}
static int saved_traverse(SavedObject* s, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(s));
  Py_VISIT(s->saved.object);
  return 0;
}
static int saved_clear(SavedObject* s) {
  Py_CLEAR(s->saved.object);
  return 0;
}
static void saved_dealloc(SavedObject* s) {
  PyTypeObject* type = Py_TYPE(s);
  PyObject_GC_UnTrack(s);
  saved_clear(s);
  s->saved.~Saved();
  type->tp_free(s);
  Py_DECREF(type);
}
static PyObject* saved_unpack(SavedObject* s, PyObject* args) {
  PyObject* node = nullptr;
  int nr = -1;
  if (!PyArg_ParseTuple(args, "O|i", &node, &nr)) return nullptr;
  try {
    if (s->released) fail(ErrorType::Runtime, "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward.");
    if (s->saved.kind == Saved::Output && nr >= 0) s->saved.output_nr = static_cast<uint32_t>(nr);
    return unpack_saved(reinterpret_cast<Node*>(node), s->saved);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
static PyObject* saved_release(SavedObject* s, PyObject*) {
  saved_clear(s);
  s->saved.array = Array();
  s->saved.kind = Saved::Empty;
  s->released = true;
  Py_RETURN_NONE;
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
  PyType_Spec spec = {"rushlight.Node", sizeof(Node), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  NodeType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!NodeType) return false;
  try {
    AccumulateGradType = subtype("AccumulateGrad");
    CopySlicesType = subtype("CopySlices");
    AsStridedType = subtype("AsStridedBackward0");
  } catch (...) {
    translate_exception();
    return false;
  }
  static PyMethodDef saved_methods[] = {{"unpack", (PyCFunction)saved_unpack, METH_VARARGS, "The tensor as it was saved."},
                                        {"release", (PyCFunction)saved_release, METH_NOARGS, "Drop what was saved."},
                                        {nullptr, nullptr, 0, nullptr}};
  PyType_Slot saved_slots[] = {{Py_tp_new, reinterpret_cast<void*>(saved_new)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(saved_dealloc)},
                               {Py_tp_traverse, reinterpret_cast<void*>(saved_traverse)},
                               {Py_tp_clear, reinterpret_cast<void*>(saved_clear)},
                               {Py_tp_methods, saved_methods},
                               {0, nullptr}};
  PyType_Spec saved_spec = {"rushlight.SavedTensor", sizeof(SavedObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, saved_slots};
  SavedType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&saved_spec));
  static PyMethodDef functions[] = {{"connect", connect, METH_VARARGS, nullptr},
                                    {"connect_inplace", connect_inplace, METH_VARARGS, nullptr},
                                    {"check_inplace", py_check_inplace, METH_O, nullptr},
                                    {"any_requires_grad", any_requires_grad, METH_O, nullptr},
                                    {"gradient_edge", gradient_edge, METH_O, nullptr},
                                    {"set_saved_hooks", set_saved_hooks, METH_O, nullptr},
                                    {nullptr, nullptr, 0, nullptr}};
  return SavedType && PyModule_AddObjectRef(module, "Node", as_object(NodeType)) == 0 &&
         PyModule_AddObjectRef(module, "SavedTensor", as_object(SavedType)) == 0 &&
         PyModule_AddObjectRef(module, "AccumulateGrad", as_object(AccumulateGradType)) == 0 && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
