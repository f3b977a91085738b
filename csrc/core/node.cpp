// Nodes: the recorded side of an operator call, and how tensors are tied to them.
#include "autograd.h"

#include <atomic>
#include <cstring>

namespace rl {

static std::atomic<uint64_t> g_sequence{0};
uint64_t next_sequence() { return g_sequence.fetch_add(1, std::memory_order_relaxed); }
uint64_t peek_sequence() { return g_sequence.load(std::memory_order_relaxed); }

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

void node_init(Node* n, const OpSpec* spec) {
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

void Meta::set(const Array& a) {
  const int n = a.ndim();
  dtype = a.dtype();
  on_meta = a.is_meta();
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
  node_init(n, spec);
  allocate_parts(n, nedges, nsaved, noutputs);
  PyObject_GC_Track(n);
  return n;
}

void node_output(Node* n, int i, const Array& a) { n->outputs[i].set(a); }

// -- tensors and their nodes --------------------------------------------------------------------

static bool stale(const Tensor* t) {
  return t->base && !(t->flags & kQuietView) && history_of(t) != history_of(t->base);
}

// A view of what needs a gradient needs one too, even one made under no_grad: its gradient then
// leads nowhere.
bool needs_grad(Tensor* t) { return t->requires_grad || (t->base && t->base->requires_grad); }

void make_view(Tensor* t, Tensor* source) {
  t->flags &= static_cast<uint16_t>(~kInference);  // a view is what its source is
  t->flags |= source->flags & (kNoVersion | kInference);
  if (source->flags & kInference) return;  // nothing of it is ever recorded
  tensor_track(t);
  t->base = source->base ? source->base : source;
  Py_INCREF(t->base);
  set_history(t, history_of(t->base));
  if (!modes.grad || (source->flags & kQuietView)) t->flags |= kQuietView;
  if (modes.inference) t->flags |= kInferenceView;
}

// Where a view lies in its base, for the gradients of reading and of writing it: sizes, strides
// and offset of the base, then of the view.
static PyObject* region_of(const Tensor* view) {
  const Array &base = view->base->array, &own = view->array;
  Ref sizes(size_object(base.shape())), strides(size_object(base.stride_span()));
  Ref own_sizes(size_object(own.shape())), own_strides(size_object(own.stride_span()));
  return checked(Py_BuildValue("OOLOOL", sizes.p, strides.p, static_cast<long long>(base.offset()),
                               own_sizes.p, own_strides.p, static_cast<long long>(own.offset())));
}

// The base's history was replaced by an in-place write: the view is now a strided read of it.
void regenerate_view(Tensor* v) {
  set_history(v, history_of(v->base));
  if (!needs_grad(v->base)) return;
  Node* n = node_new(AsStridedType, nullptr, 1, 1, 1);
  Ref guard(as_object(n));
  n->edges[0] = edge_of(v->base);
  node_output(n, 0, v->array);
  n->saved[0].object = region_of(v);
  n->saved[0].kind = Saved::Value;
  attach(n, v, 0);
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
  if (n) return {reinterpret_cast<Node*>(Py_NewRef(as_object(n))), output_nr_of(t)};
  if (t->requires_grad) return {accumulator_of(t), 0};
  return {nullptr, 0};
}

// What retain_grad keeps is the gradient of the tensor as it is now: it moves to the new node.
static void move_retained(Node* from, uint32_t from_nr, Node* to, uint32_t to_nr) {
  PyObject* kept = from->extra ? PyDict_GetItemString(from->extra, "retains") : nullptr;
  Ref key(PyLong_FromUnsignedLong(from_nr)), to_key(PyLong_FromUnsignedLong(to_nr));
  Ref keeper(kept ? Py_XNewRef(PyDict_GetItemWithError(kept, key)) : nullptr);
  if (!keeper) return;
  Ref target(checked(node_dict(to, "retains")));
  if (PyDict_SetItem(target, to_key, keeper) < 0 || PyDict_DelItem(kept, key) < 0)
    throw PythonError();
}

void attach(Node* n, Tensor* t, int nr) {
  tensor_track(t);
  Node* old = t->grad_fn;
  if (old && (t->flags & kRetainsGrad))
    move_retained(old, output_nr_of(t), n, static_cast<uint32_t>(nr));
  t->grad_fn = reinterpret_cast<Node*>(Py_NewRef(as_object(n)));
  set_output_nr(t, static_cast<uint32_t>(nr));
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
    if ((t->flags & (kOwnView | kMultiView)) == kOwnView) {
      fail(ErrorType::Runtime,
           "Output %u of %s is a view and is being modified inplace. This view was created inside "
           "a custom Function (or because an input was returned as-is) and the autograd logic to "
           "handle view+inplace would override the custom backward associated with the custom "
           "Function, leading to incorrect gradients. This behavior is forbidden. You can fix this "
           "by cloning the output of the custom Function.",
           output_nr_of(t), t->grad_fn ? maker_name(t->grad_fn).c_str() : "a function");
    }
    if ((t->flags & (kQuietView | kOwnView)) == kQuietView) {
      fail(ErrorType::Runtime,
           t->flags & kInferenceView
               ? "A view was created in inference mode and is being modified inplace in normal "
                 "mode. Given that this use case is ambiguous and error-prone, it is forbidden. "
                 "You can clarify your code by moving both the view and the inplace either both "
                 "inside the inference_mode block (if you don't want the inplace to be tracked) or "
                 "both outside (if you want the inplace to be tracked)."
               : "A view was created in no_grad mode and is being modified inplace with grad mode "
                 "enabled. Given that this use case is ambiguous and error-prone, it is forbidden. "
                 "You can clarify your code by moving both the view and the inplace either both "
                 "inside the no_grad block (if you don't want the inplace to be tracked) or both "
                 "outside (if you want the inplace to be tracked).");
    }
    fail(ErrorType::Runtime,
         "Output %u of %s is a view and is being modified inplace. This view is the output of a "
         "function that returns multiple views. Such functions do not allow the output views to be "
         "modified inplace. You should replace the inplace operation by an out-of-place one.",
         output_nr_of(t), t->grad_fn ? maker_name(t->grad_fn).c_str() : "a function");
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
    ++tensor_extra(t)->history;  // its views must look again
    return;
  }
  Node* copy = node_new(CopySlicesType, nullptr, 2, 1, 1);
  Ref guard(as_object(copy));
  if (needs_grad(base)) copy->edges[0] = edge_of(base);
  copy->edges[1] = {reinterpret_cast<Node*>(Py_NewRef(as_object(n))), static_cast<uint32_t>(nr)};
  node_output(copy, 0, base->array);
  copy->saved[0].object = region_of(t);
  copy->saved[0].kind = Saved::Value;
  attach(copy, base, 0);
  ++tensor_extra(base)->history;
  regenerate_view(t);
}

}  // namespace rl
