// A call while interpreters are pushed: who sees it, and on which tape it is recorded.
#include "autograd.h"
#include "layout.h"
#include "levels.h"

namespace rl {

PyObject* innermost_interpreter() {
  return PyList_GET_ITEM(modes.interpreters, PyList_GET_SIZE(modes.interpreters) - 1);
}

PyObject* interpret(PyObject* interpreter, PyObject* op, PyObject* args, PyObject* kwargs) {
  static PyObject* const name = PyUnicode_InternFromString("process");
  PyObject* all[4] = {interpreter, op, args, kwargs};
  Outwards outwards;
  return checked(PyObject_VectorcallMethod(name, all, 4, nullptr));
}

// What an interpreter is shown: every operator, or those functions that its attribute `functions`
// contains (True: all), composites among them.
bool sees(PyObject* interpreter, PyObject* function, bool composite) {
  static PyObject* const name = PyUnicode_InternFromString("functions");
  Ref chosen(PyObject_GetAttr(interpreter, name));
  if (!chosen) {
    PyErr_Clear();
    return !composite;
  }
  if (chosen.p == Py_True) return true;
  const int found = PySequence_Contains(chosen, function);
  if (found < 0) throw PythonError();
  return found;
}

namespace {

// A tensor whose vmap is over, or further in. What is the same in all lanes is what it stands for
// (a constant that a function keeps); of others lane 0 alone would stand for all.
PyObject* settled(PyObject* o, int depth = kDepth) {  // new reference
  if (tensor_check(o)) {
    while (as_tensor(o)->flags & kWrapped) {
      if (differs(as_tensor(o))) escaped();
      o = as_object(as_tensor(o)->extra->physical);
    }
    return Py_NewRef(o);
  }
  if (!depth || !(PyList_CheckExact(o) || PyTuple_CheckExact(o)) || !any_wrapped(&o, 1))
    return Py_NewRef(o);
  Ref list(checked(PyList_New(0)));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    Ref item(settled(PySequence_Fast_GET_ITEM(o, i), depth - 1));
    if (PyList_Append(list, item) < 0) throw PythonError();
  }
  return PyList_Check(o) ? list.release() : checked(PyList_AsTuple(list));
}

// A bound call as Python sees it: every parameter that is not keyword-only by position.
struct Spelt {
  Ref args, kwargs;
  Spelt(Op* op, PyObject* const* values, PyObject* out)
      : args(arguments(values, op->spec->npositional)), kwargs(checked(PyDict_New())) {
    const OpSpec& s = *op->spec;
    for (int i = s.npositional; i < s.nparams; ++i)
      if (PyDict_SetItem(kwargs, s.params[i], values[i]) < 0) throw PythonError();
    static PyObject* const name = PyUnicode_InternFromString("out");
    if (out && PyDict_SetItem(kwargs, name, out) < 0) throw PythonError();
  }
};

PyObject* process(PyObject* interpreter, Op* op, PyObject* const* values, PyObject* out) {
  Spelt call(op, values, out);
  return interpret(interpreter, as_object(op), call.args, call.kwargs);
}

// The results of a level's own run become part of its tape, as views where the operator makes
// views.
void adopt(Op* op, PyObject* const* values, Tensor* t, bool multi) {
  if (!op->spec->view || t->base || !tensor_check(values[0])) return;
  Tensor* source = as_tensor(values[0]);
  if (t == source || t->array.storage() != source->array.storage()) return;
  make_view(t, source);
  if (multi) t->flags |= kMultiView;
}

bool is_argument(PyObject* o, PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i)
    if (values[i] == o) return true;
  return false;
}

// An element-wise call on lanes of one rank needs no rule: the lanes are one more dim, in front of
// the others. Null where that does not hold, or where the operator complains: then Python does it.
PyObject* run_lanes(Level* level, Op* op, PyObject* const* values) {
  const OpSpec& s = *op->spec;
  if (!s.pointwise || s.random || s.outputs != Outputs::One) return nullptr;
  PyObject* lowered[kMaxParams];
  std::copy(values, values + s.nparams, lowered);
  int rank = 0;
  for (int i = 0; i < s.pointwise; ++i) {
    if (!tensor_check(values[i]) || level_of(as_tensor(values[i])) != level) continue;
    const TensorExtra* e = as_tensor(values[i])->extra;
    if (!e->physical || !exact_tensor(as_object(e->physical))) return nullptr;
    lowered[i] = as_object(e->physical);
    if (!e->batched) continue;
    const int n = e->physical->array.ndim();
    if (n < 2 || (rank && n != rank)) return nullptr;  // a lane without dims promotes otherwise
    rank = n;
  }
  for (int i = 0; i < s.nparams; ++i) {
    PyObject* o = values[i];
    ScalarValue number;
    if (!tensor_check(o)) {
      if (i < s.pointwise && !scalar_value(o, &number)) return nullptr;
      continue;
    }
    const bool lanes = level_of(as_tensor(o)) == level && as_tensor(o)->extra->batched;
    if (i >= s.pointwise || (!lanes && as_tensor(o)->array.ndim() >= rank)) return nullptr;
    if (i == 0 && op->inplace && !lanes) return nullptr;
  }
  if (!rank) return nullptr;
  PyObject* got = nullptr;
  try {
    Outwards outwards;
    got = dispatch(op, lowered, nullptr, true);
  } catch (...) {
    translate_exception();
  }
  if (!got) PyErr_Clear();
  if (!got || op->inplace) return got;
  Ref result(got);
  if (!tensor_check(got) || is_argument(got, lowered, s.nparams)) return nullptr;
  return as_object(wrap_lanes(level, as_tensor(got), true));
}

// Who carries out a call that is recorded here, over what the user holds: `run` gives its result.
template <class Run>
PyObject* run_recorded(Op* op, PyObject* const* values, PyObject* out, Run run) {
  const OpSpec& s = *op->spec;
  uint32_t computes = 0;
  bool record = modes.grad && !s.differentiable.empty() && wants_recording(s, values, &computes);
  if (op->inplace) {
    if (!tensor_check(values[0]))
      fail(ErrorType::Type, "%s_(): argument 'input' (position 1) must be Tensor, not %s",
           s.name.c_str(), Py_TYPE(values[0])->tp_name);
    Tensor* target = as_tensor(values[0]);
    record = record && !is_integral(target->array.dtype());
    if (on_tape(target))
      check_inplace(target);
    else if (record)
      fail(ErrorType::Runtime,
           "%s_(): a function under a transform wrote into a captured Tensor, one that is not its "
           "own: the gradient of that would be lost. Pass the mutated tensor to the function as "
           "an argument",
           s.name.c_str());
    Recording recording;
    if (record) record_inputs(recording, s, values, computes, target);
    Ref done(run());
    if (recording.node) {
      record_outputs(recording, s, &target, 0);
      rebase_history(target, recording.node, 0);
    }
    return Py_NewRef(values[0]);
  }
  if (out && record) fail_out_gradient(s.name.c_str());
  Ref got(run());
  if (out || is_argument(got, values, s.nparams)) return got.release();
  std::vector<Tensor*> outputs;
  if (tensor_check(got)) {
    outputs.push_back(as_tensor(got));
  } else if (PyTuple_Check(got.p) || PyList_Check(got.p)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(got.p); ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(got.p, i);
      if (!tensor_check(item)) return got.release();
      outputs.push_back(as_tensor(item));
    }
  }
  const bool multi = s.outputs != Outputs::One;
  for (Tensor* t : outputs) adopt(op, values, t, multi);
  if (record && !outputs.empty()) {
    Recording recording;
    record_inputs(recording, s, values, computes, nullptr);
    record_outputs(recording, s, outputs.data(), static_cast<int>(outputs.size()));
  }
  return got.release();
}

// vmap runs the call further out. (A dual level needs no such thing: a tensor and its tangents are
// on one tape.)
PyObject* run_mapped(Level* level, Op* op, PyObject* const* values, PyObject* out) {
  return run_recorded(op, values, out, [&] {
    PyObject* got = out ? nullptr : run_lanes(level, op, values);
    return got ? got : process(as_object(level), op, values, out);
  });
}

// -- below the tape -----------------------------------------------------------------------------

// A view that a handler made without recording is to be one on the tape; of a tensor that wraps
// others, one that wraps others too.
void forget_view(Op* op, PyObject* const* values, PyObject* got) {
  if (!op->spec->view || !tensor_check(got) || !tensor_check(values[0])) return;
  Tensor *t = as_tensor(got), *source = as_tensor(values[0]);
  if (t == source || t->grad_fn) return;
  Py_CLEAR(t->base);
  t->flags &= static_cast<uint16_t>(~kQuietView);
  if (!is_dispatching(t) || !is_dispatching(source) || !(t->flags & source->flags & kMeta)) return;
  const Array a = t->array;
  t->array =
      Array::over(source->array.storage_ref(), a.dtype(), a.offset(), a.shape(), a.stride_span());
}

// A mode's `__torch_dispatch__`, or (null) those of the arguments' classes, run the call; it is
// recorded here. An operator that PyTorch composes of others comes apart first.
PyObject* run_handled(PyObject* mode, Op* op, PyObject* const* values, PyObject* out) {
  Spelt call(op, values, out);
  Ref parts(call_helper("decomposition", {as_object(op), call.args, call.kwargs}));
  if (parts != Py_None) {
    const bool asks = std::exchange(modes.torch_function, false);
    PyObject* got = PyObject_Call(parts, call.args, call.kwargs);
    modes.torch_function = asks;
    return checked(got);
  }
  Tensor* target = op->inplace && tensor_check(values[0]) ? as_tensor(values[0]) : nullptr;
  const uint32_t version = target ? target->array.storage()->version : 0;
  return run_recorded(op, values, out, [&] {
    const GradMode below(false);
    Ref got(mode ? interpret(mode, as_object(op), call.args, call.kwargs)
                 : call_helper("torch_dispatch", {as_object(op), call.args, call.kwargs}));
    if (target && target->array.storage()->version == version) note_write(target);
    if (PyTuple_Check(got.p) || PyList_Check(got.p)) {
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(got.p); ++i)
        forget_view(op, values, PySequence_Fast_GET_ITEM(got.p, i));
    } else {
      forget_view(op, values, got);
    }
    return got.release();
  });
}

}  // namespace

// From the innermost interpreter outwards, past the levels that have no argument in this call.
PyObject* dispatch(Op* op, PyObject* const* values, PyObject* out, bool asked) {
  const OpSpec& s = *op->spec;
  const bool sparse = any_sparse(values, s.nparams) || (out && any_sparse(&out, 1));
  if (modes.interpreters) {
    Ref top(Py_NewRef(innermost_interpreter()));
    if (!PyObject_TypeCheck(top.p, LevelType)) {
      const bool below = is_below(top);
      if ((!below || modes.torch_dispatch) && sees(top, as_object(op), false)) {
        if (!below) return process(top, op, values, out);
        if (!asked && !sparse && modes.torch_function && any_subclass(values, s.nparams)) {
          Spelt call(op, values, out);
          return call_helper("torch_function", {as_object(op), call.args, call.kwargs});
        }
        return run_handled(top, op, values, out);
      }
      Outwards outwards;
      return dispatch(op, values, out, asked);
    }
    if (!asked && !sparse && modes.torch_function && any_subclass(values, s.nparams)) {
      Spelt call(op, values, out);
      return call_helper("torch_function", {as_object(op), call.args, call.kwargs});
    }
    Level* level = reinterpret_cast<Level*>(top.p);
    if ((level->maps && s.random) || at_level(level, values, s.nparams) ||
        (out && at_level(level, &out, 1)))
      return level->maps ? run_mapped(level, op, values, out) : process(top, op, values, out);
    Outwards outwards;
    return dispatch(op, values, out, true);
  }
  if (any_wrapped(values, s.nparams) || (out && any_wrapped(&out, 1))) {
    PyObject* plain[kMaxParams];
    Ref owned[kMaxParams];
    for (int i = 0; i < s.nparams; ++i) {
      owned[i] = Ref(settled(values[i]));
      plain[i] = owned[i];
    }
    Ref target(out ? settled(out) : nullptr);
    Ref got(checked(dispatch(op, plain, target, true)));
    return got.p == plain[0] ? Py_NewRef(values[0]) : got.release();
  }
  if (modes.torch_dispatch && (any_dispatching(values, s.nparams) || any_dispatching(&out, 1)))
    return run_handled(nullptr, op, values, out);
  if (sparse) {
    Spelt call(op, values, out);
    return call_helper("call_sparse", {as_object(op), call.args, call.kwargs});
  }
  return run_anywhere(op, values, out);
}

PyObject* interpret_composite(PyObject* function, PyObject* const* args, Py_ssize_t n,
                              PyObject* kwnames) {
  Ref top(Py_NewRef(innermost_interpreter()));
  if (PyObject_TypeCheck(top.p, LevelType) || (is_below(top) && !modes.torch_dispatch) ||
      !sees(top, function, true))
    return nullptr;
  Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
  return interpret(top, function, tuple, kwargs);
}

}  // namespace rl
