// Recording a call: which values its node keeps, and what they are when the gradient runs.
#include "autograd.h"
#include "levels.h"

namespace rl {

// -- recording ----------------------------------------------------------------------------------

Recording::~Recording() { Py_XDECREF(node); }

bool list_needs_grad(PyObject* o) {
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    if (tensor_check(item) && needs_grad(as_tensor(item)) && on_tape(as_tensor(item))) return true;
  }
  return false;
}

bool wants_recording(const OpSpec& s, PyObject* const* args, uint32_t* computes) {
  uint32_t mask = 0;
  for (size_t k = 0; k < s.differentiable.size(); ++k) {
    PyObject* o = args[s.differentiable[k]];
    if (tensor_check(o) ? needs_grad(as_tensor(o)) && on_tape(as_tensor(o))
                        : (PyList_Check(o) || PyTuple_Check(o)) && list_needs_grad(o))
      mask |= 1u << k;
  }
  *computes = mask;
  return mask != 0;
}

static PyObject* shape_of(PyObject* o) {
  if (tensor_check(o)) return size_object(as_tensor(o)->array.shape());
  if (!PyList_Check(o) && !PyTuple_Check(o)) return Py_NewRef(Py_None);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  Ref list(checked(PyList_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i)
    PyList_SET_ITEM(list.p, i, shape_of(PySequence_Fast_GET_ITEM(o, i)));
  return list.release();
}

thread_local PyObject* t_saved_hooks =
    nullptr;  // (pack, unpack) of the innermost saved_tensors_hooks

// The user's hook keeps the value; `history` is its node, or True for an output of the saving node
// itself.
void pack_saved(Saved& s, Tensor* t, PyObject* history, uint32_t nr) {
  const GradMode off(false);  // what the hook computes is no part of the graph
  // An output would keep its own node alive.
  Ref shown(t->flags & kSparse   ? call_helper("detach", {as_object(t)})
            : history == Py_True ? as_object(shallow_copy(t))
                                 : Py_NewRef(as_object(t)));
  const uint32_t version = t->array.storage()->version;
  Ref packed(checked(PyObject_CallOneArg(PyTuple_GET_ITEM(t_saved_hooks, 0), shown)));
  if (t->array.storage()->version != version)
    fail(ErrorType::Runtime,
         "A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
         "pack hook cannot be modified by in-place operations as this can lead to unexpected "
         "side-effects. Please open an issue if you need to perform in-place operations on the "
         "input to a pack hook.");
  s.object = checked(PyTuple_Pack(3, packed.p, PyTuple_GET_ITEM(t_saved_hooks, 1), history));
  s.kind = Saved::Packed;
  s.output_nr = nr;
}

// A clone in every lane, with its tangents, and no history on the tape in force.
static Tensor* clone_quietly(Tensor* t) {
  static Op* const clone = find_op("clone");
  if (is_dispatching(t)) {
    const GradMode off(false);
    return as_tensor(checked(call_op(clone, {as_object(t)})));
  }
  Ref plain(as_object(shallow_copy(t)));
  PyObject* made = checked(call_op(clone, {plain}));
  Tensor* copy = as_tensor(made);
  // Tangents of levels further in were not seen by that call.
  if ((t->flags & kDual) && t->extra->duals) {
    Ref guard(made);
    TensorExtra* e = tensor_extra(copy);
    if (!e->duals) e->duals = checked(PyDict_New());
    if (PyDict_Merge(e->duals, t->extra->duals, 0) < 0) throw PythonError();
    copy->flags |= kDual;
    guard.release();
  }
  return copy;
}

void save_input(Saved& s, PyObject* o, bool clone) {
  if (!tensor_check(o)) {
    s.kind = Saved::Value;
    s.object = Py_NewRef(o);
    return;
  }
  Tensor* t = as_tensor(o);
  if ((t->flags & kInference) && !modes.transforms) {
    fail(ErrorType::Runtime,
         "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
         "inference mode in computation tracked by autograd. To work around this, you can make a "
         "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
         "`torch.inference_mode()`.");
  }
  s.kind = Saved::Input;
  if (clone) {  // the value before an in-place write, with the history it had
    const bool plain = !(t->flags & (kWrapped | kDual)) && !is_dispatching(t);
    Tensor* copy = plain ? tensor_new(t->array.clone()) : clone_quietly(t);
    s.object = as_object(copy);
    if (Node* n = grad_fn_of(t)) attach(n, copy, static_cast<int>(output_nr_of(t)));
    s.array = copy->array;
    s.version = 0;
    return;
  }
  if (t_saved_hooks) {
    Edge e = needs_grad(t) ? edge_of(t) : Edge{nullptr, 0};
    Ref history(e.node ? as_object(e.node) : Py_NewRef(Py_None));
    pack_saved(s, t, history, e.nr);
    return;
  }
  s.object = Py_NewRef(o);
  s.array = t->array;
  s.version = t->array.storage()->version;
}

void record_inputs(Recording& r, const OpSpec& s, PyObject* const* args, uint32_t computes,
                   Tensor* inplace_target) {
  OpSpec& spec = const_cast<OpSpec&>(s);
  int form = 0;
  if (!s.node_names[1].empty()) {
    if (!s.pointwise)
      form = args[1] != Py_None;
    else
      form = !tensor_check(args[1])                               ? 1
             : !tensor_check(args[0]) && !s.node_names[2].empty() ? 2
                                                                  : 0;
  }
  PyTypeObject*& type = spec.node_types[form];
  if (!type) type = node_subtype(s.node_names[form]);
  int nedges = 0;
  for (int p : s.differentiable) {
    PyObject* o = args[p];
    nedges +=
        PyList_Check(o) || PyTuple_Check(o) ? static_cast<int>(PySequence_Fast_GET_SIZE(o)) : 1;
  }
  Node* n = node_new(type, &s, nedges, static_cast<int>(s.slots.size()),
                     s.outputs == Outputs::One ? 1 : 0);
  r.node = n;
  n->computes = computes;
  int e = 0;
  for (int p : s.differentiable) {
    PyObject* o = args[p];
    if (PyList_Check(o) || PyTuple_Check(o)) {
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, i);
        if (tensor_check(item) && on_tape(as_tensor(item))) n->edges[e] = edge_of(as_tensor(item));
        ++e;
      }
    } else {
      if (tensor_check(o) && on_tape(as_tensor(o))) n->edges[e] = edge_of(as_tensor(o));
      ++e;
    }
  }
  for (size_t i = 0; i < s.slots.size(); ++i) {
    const SavedSlot& slot = s.slots[i];
    if (!s.joint && !(slot.users & computes)) continue;
    Saved& saved = n->saved[i];
    switch (slot.kind) {
      case SavedKind::Param:
        save_input(saved, args[slot.index],
                   inplace_target && args[slot.index] == as_object(inplace_target));
        break;
      case SavedKind::ParamShape:
        saved.object = shape_of(args[slot.index]);
        saved.kind = Saved::Value;
        break;
      case SavedKind::ParamDtype:
        saved.object = Py_NewRef(tensor_check(args[slot.index])
                                     ? dtype_object(as_tensor(args[slot.index])->array.dtype())
                                     : Py_None);
        saved.kind = Saved::Value;
        break;
      case SavedKind::Output: break;
    }
  }
  if (g_anomaly) note_anomaly(n);
}

// n = 0: an in-place call, outputs[0] is the target, attached by rebase_history.
void record_outputs(Recording& r, const OpSpec& s, Tensor* const* outputs, int count) {
  Node* n = r.node;
  const int total = count ? count : 1;
  // The outputs' metas join the block: allocate it anew with the right count.
  if (n->noutputs != static_cast<uint32_t>(total)) {
    Saved* saved = n->saved;
    Edge* edges = n->edges;
    const int nedges = static_cast<int>(n->nedges), nsaved = static_cast<int>(n->nsaved),
              old = static_cast<int>(n->noutputs);
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
      pack_saved(saved, t, Py_True, static_cast<uint32_t>(slot.index));
      continue;
    }
    saved.kind = Saved::Output;
    saved.array = t->array;
    saved.version = t->array.storage()->version;
    saved.output_nr = static_cast<uint32_t>(slot.index);
    if (t->flags & (kWrapped | kDual))
      saved.object = as_object(shallow_copy(t));
    else if (is_dispatching(t))
      saved.object = call_helper("detach", {as_object(t)});
  }
  for (int i = 0; i < std::min(count, s.grad_outputs); ++i) {
    if (is_differentiable(outputs[i]->array.dtype())) attach(n, outputs[i], i);
  }
}

// -- unpacking ----------------------------------------------------------------------------------

// What a hook gave back, as the value that was saved: with the history that it had.
static PyObject* with_history(Node* n, Tensor* got, PyObject* history, uint32_t nr) {
  Node* maker = history == Py_True ? n : reinterpret_cast<Node*>(history);
  if (history == Py_None || (got->flags & kSparse) || got->grad_fn == maker ||
      (got->extra && got->extra->accumulator == maker))
    return Py_NewRef(as_object(got));
  Tensor* t = shallow_copy(got);
  if (history != Py_True && maker->variable && !modes.grad)
    t->requires_grad = true;
  else
    attach(maker, t, static_cast<int>(nr));
  return as_object(t);
}

PyObject* unpack_saved(Node* n, Saved& s) {
  switch (s.kind) {
    case Saved::Empty: return Py_NewRef(Py_None);
    case Saved::Value: return Py_NewRef(s.object);
    case Saved::Packed: {
      PyObject* got = checked(
          PyObject_CallOneArg(PyTuple_GET_ITEM(s.object, 1), PyTuple_GET_ITEM(s.object, 0)));
      Ref held(got);
      if (!tensor_check(got))
        fail(ErrorType::Type,
             "Output of saved tensor unpack_hook expected to be a Tensor but got result of type %s",
             Py_TYPE(got)->tp_name);
      return with_history(n, as_tensor(got), PyTuple_GET_ITEM(s.object, 2), s.output_nr);
    }
    default: break;
  }
  if (s.array.storage()->version != s.version) {
    const Array& a = s.array;
    std::string origin;
    Node* maker = s.kind == Saved::Output ? n : s.object ? as_tensor(s.object)->grad_fn : nullptr;
    const uint32_t nr = s.kind == Saved::Output ? s.output_nr
                        : s.object              ? output_nr_of(as_tensor(s.object))
                                                : 0;
    if (maker)
      origin = ", which is output " + std::to_string(nr) + " of " + maker_name(maker) + ",";
    fail(ErrorType::Runtime,
         "one of the variables needed for gradient computation has been modified by an inplace "
         "operation: [torch.%sTensor %s]%s is at version %u; expected version %u instead. Hint: %s",
         dtype_scalar_name(a.dtype()), shape_text(a.shape()).c_str(), origin.c_str(),
         a.storage()->version, s.version,
         g_anomaly ? "the backtrace further above shows the operation that failed to compute its "
                     "gradient. The variable in question was changed in there or anywhere later. "
                     "Good luck!"
                   : "enable anomaly detection to find the operation that failed to compute its "
                     "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).");
  }
  if (s.kind == Saved::Output) {
    Tensor* t = !s.object                             ? tensor_new(s.array)
                : is_dispatching(as_tensor(s.object)) ? as_tensor(call_helper("detach", {s.object}))
                                                      : shallow_copy(as_tensor(s.object));
    attach(n, t, static_cast<int>(s.output_nr));
    return as_object(t);
  }
  return Py_NewRef(s.object);  // as it is now: `p.data = ...` since then counts, as in PyTorch
}

static bool holds_tensor(PyObject* o) {
  if (!PyList_Check(o) && !PyTuple_Check(o)) return tensor_check(o);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
    if (tensor_check(PySequence_Fast_GET_ITEM(o, i))) return true;
  return false;
}

void release_saved(Node* n) {
  bool any = false;
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    Saved& s = n->saved[i];
    // Numbers and shapes stay: a node that kept no tensor can run again, as in PyTorch. There a
    // number in place of a tensor operand (`x * 2`) counts as a tensor.
    if (s.kind == Saved::Value && n->spec) {
      const SavedSlot& slot = n->spec->slots[i];
      if (slot.kind == SavedKind::Param && slot.index < n->spec->pointwise) any = true;
    }
    if (s.kind == Saved::Empty || (s.kind == Saved::Value && !holds_tensor(s.object))) continue;
    any = true;
    PyObject* object = s.object;
    s.object = nullptr;
    s.array = Array();
    s.kind = Saved::Empty;
    Py_XDECREF(object);
  }
  if (any) n->released = true;
}

}  // namespace rl
