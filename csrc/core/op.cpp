// The gate: every operator call binds, runs and (if some input requires grad) records here.
#include "op.h"

#include "autograd.h"
#include "levels.h"
#include "layout.h"
#include "profile.h"

namespace rl {

thread_local Modes modes __attribute__((tls_model("initial-exec")));

namespace {

PyObject *g_out_name, *g_torch_function_name;

// -- binding ----------------------------------------------------------------------------------

struct Bound {
  PyObject* values[kMaxParams];
  PyObject* out = nullptr;  // borrowed
  Ref packed;               // the tuple made of spread-out ints
};

void bind(const OpSpec& s, PyObject* const* args, Py_ssize_t n, PyObject* kwnames, Bound& b) {
  std::fill(b.values, b.values + s.nparams, nullptr);
  if (s.varargs >= 0 && n > s.varargs + 1 && PyIndex_Check(args[s.varargs])) {
    b.packed = Ref(checked(PyTuple_New(n - s.varargs)));
    for (Py_ssize_t i = s.varargs; i < n; ++i)
      PyTuple_SET_ITEM(b.packed.p, i - s.varargs, Py_NewRef(args[i]));
    b.values[s.varargs] = b.packed;
    for (int i = 0; i < s.varargs; ++i) b.values[i] = args[i];
  } else {
    if (n > s.npositional) {
      fail(ErrorType::Type, "%s() takes from %d to %d positional arguments but %zd were given",
           s.name.c_str(), 0, s.npositional, n);
    }
    for (Py_ssize_t i = 0; i < n; ++i) b.values[i] = args[i];
  }
  if (kwnames) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
      PyObject* name = PyTuple_GET_ITEM(kwnames, k);
      const int i = find_param(s.params, s.nparams, name);
      if (i < 0) {
        if (!PyUnicode_Compare(name, g_out_name)) {
          if (args[n + k] != Py_None) b.out = args[n + k];
          continue;
        }
        fail(ErrorType::Type, "%s() got an unexpected keyword argument '%s'", s.name.c_str(),
             PyUnicode_AsUTF8(name));
      }
      if (b.values[i])
        fail(ErrorType::Type, "%s() got multiple values for argument '%s'", s.name.c_str(),
             PyUnicode_AsUTF8(name));
      b.values[i] = args[n + k];
    }
  }
  for (int i = 0; i < s.nparams; ++i) {
    if (b.values[i]) continue;
    if (!s.defaults[i])
      fail(ErrorType::Type, "%s() missing 1 required positional arguments: \"%s\"", s.name.c_str(),
           PyUnicode_AsUTF8(s.params[i]));
    b.values[i] = s.defaults[i];
  }
}

// -- interpreters and subclasses ----------------------------------------------------------------

// A subclass of Tensor, or any object whose class has a __torch_function__ of its own.
bool foreign(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (exact_tensor(o) || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return false;
  return PyType_IsSubtype(type, TensorType) || _PyType_Lookup(type, g_torch_function_name);
}

// Something that run_op must not see: such a subclass, a tensor of a vmap that is over, or one
// without elements.
inline bool unusual(PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    PyObject* o = values[i];
    if (exact_tensor(o)) {
      if (as_tensor(o)->flags & (kWrapped | kMeta)) return true;
    } else if (foreign(o)) {
      return true;
    } else if (PyList_Check(o) || PyTuple_CheckExact(o)) {
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, k);
        if (exact_tensor(item) ? as_tensor(item)->flags & kMeta : foreign(item)) return true;
      }
    }
  }
  return false;
}

}  // namespace

// Their elements are not in the array: rules in Python carry the operator out.
bool sparse_tensor(PyObject* o) { return tensor_check(o) && (as_tensor(o)->flags & kSparse); }

bool any_sparse(PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    PyObject* o = values[i];
    if (sparse_tensor(o)) return true;
    if (PyList_Check(o) || PyTuple_Check(o)) {
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k) {
        if (sparse_tensor(PySequence_Fast_GET_ITEM(o, k))) return true;
      }
    }
  }
  return false;
}

namespace {

// -- running ------------------------------------------------------------------------------------

// A forward over NumPy arrays: the helper converts both ways and returns tensors.
void run_reference(Op* op, PyObject* const* values, Call& call) {
  Ref args(arguments(values, op->spec->nparams));
  const bool meta = meta_call;
  MetaCall outside(false);
  struct Here {
    const Making before = std::exchange(making, Making{});
    ~Here() { making = before; }
  } here;
  Ref got(call_helper(meta ? "infer_reference" : "run_reference",
                      {as_object(op), op->spec->forward, args}));
  if (tensor_check(got)) {
    call.result(as_tensor(got)->array);
    return;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(got.p); ++i)
    call.result(array_of(PyTuple_GET_ITEM(got.p, i)));
}

Tensor* wrap_output(Op* op, Array a, PyObject* const* values, bool multi) {
  const OpSpec& s = *op->spec;
  Tensor* t;
  if (s.view && tensor_check(values[0]) && a.storage() == as_tensor(values[0])->array.storage()) {
    Tensor* source = as_tensor(values[0]);
    t = tensor_new(std::move(a));
    make_view(t, source);
    if (multi) t->flags |= kMultiView;
  } else {
    t = tensor_new(std::move(a));
  }
  return t;
}

// Takes over the outputs.
PyObject* pack_outputs(const OpSpec& s, std::vector<Ref>& outputs) {
  const Py_ssize_t n = static_cast<Py_ssize_t>(outputs.size());
  PyObject* tuple;
  if (s.outputs == Outputs::Named && s.return_type) {
    tuple = reinterpret_cast<PyTypeObject*>(s.return_type)
                ->tp_alloc(reinterpret_cast<PyTypeObject*>(s.return_type), n);
  } else {
    tuple = PyTuple_New(n);
  }
  checked(tuple);
  for (Py_ssize_t i = 0; i < n; ++i)
    PyTuple_SET_ITEM(tuple, i, outputs[static_cast<size_t>(i)].release());
  return tuple;
}

// Whether an operator may write through a broadcast view, as PyTorch lets those do that write the
// same value everywhere (and, for old times' sake, those that write at given places).
bool may_repeat(const std::string& name) {
  return name == "fill" || name == "zero" || name == "masked_fill" || name == "index_put" ||
         name == "index_fill";
}

PyObject* call_with_out(Op* op, Call& call, PyObject* out) {
  const OpSpec& s = *op->spec;
  const int n = call.result_count();
  if (s.outputs == Outputs::One) {
    store_out(s.name.c_str(), s.exact_out, out, call.output(0));
    return Py_NewRef(out);
  }
  if (!PyTuple_Check(out) && !PyList_Check(out))
    fail(ErrorType::Type, "%s(): argument 'out' must be tuple of Tensors, not %s", s.name.c_str(),
         Py_TYPE(out)->tp_name);
  if (PySequence_Fast_GET_SIZE(out) != n)
    fail(ErrorType::Type, "%s(): expected a tuple of %d elements in argument 'out', got %zd",
         s.name.c_str(), n, PySequence_Fast_GET_SIZE(out));
  std::vector<Ref> outputs;
  for (int i = 0; i < n; ++i)
    store_out(s.name.c_str(), s.exact_out, PySequence_Fast_GET_ITEM(out, i), call.output(i));
  for (int i = 0; i < n; ++i) outputs.emplace_back(Py_NewRef(PySequence_Fast_GET_ITEM(out, i)));
  return pack_outputs(s, outputs);
}

PyObject* call_inplace(Op* op, PyObject* const* values, uint32_t computes) {
  const OpSpec& s = *op->spec;
  if (!tensor_check(values[0]))
    fail(ErrorType::Type, "%s_(): argument 'input' (position 1) must be Tensor, not %s",
         s.name.c_str(), Py_TYPE(values[0])->tp_name);
  Tensor* target = as_tensor(values[0]);
  check_inplace(target);
  Recording recording;
  if (computes) record_inputs(recording, s, values, computes, target);
  Call call(op, values, s.nparams);
  call.destination = &target->array;
  if (s.pointwise && s.loops) {
    run_pointwise(s, values, &target->array);
  } else {
    if (!may_repeat(s.name)) check_no_overlap(target->array);
    if (s.kernel)
      run_kernel(s, call);
    else
      run_reference(op, values, call);
    if (call.result_count()) {
      const Array& a = call.output(0);
      if (!can_cast(a.dtype(), target->array.dtype())) {
        fail(ErrorType::Runtime, "result type %s can't be cast to the desired output type %s",
             dtype_scalar_name(a.dtype()), dtype_scalar_name(target->array.dtype()));
      }
      if (!a.same_shape(target->array)) {
        fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
             shape_text(target->array.shape()).c_str(), shape_text(a.shape()).c_str());
      }
      if (a.storage() != target->array.storage() || a.offset() != target->array.offset())
        copy_into(target->array, a);
    }
  }
  note_write(target);
  if (recording.node) {
    record_outputs(recording, s, &target, 0);
    rebase_history(target, recording.node, 0);
  }
  return Py_NewRef(values[0]);
}

}  // namespace

static PyObject* run_quietly(Op* op, PyObject* const* values, PyObject* out) {
  const OpSpec& s = *op->spec;
  uint32_t computes = 0;
  const bool record =
      modes.grad && !s.differentiable.empty() && wants_recording(s, values, &computes);
  if (op->inplace) {  // whole numbers take no gradient
    const bool takes =
        record && tensor_check(values[0]) && !is_integral(as_tensor(values[0])->array.dtype());
    return call_inplace(op, values, takes ? computes : 0);
  }
  const bool wanted = out && modes.grad && !s.differentiable.empty() && tensor_check(out) &&
                      needs_grad(as_tensor(out));
  if (out && (record || wanted)) fail_out_gradient(s.name.c_str());
  Call call(op, values, s.nparams);
  if (s.pointwise && s.loops) {
    const bool offered = out && plain_tensor(out);
    Array fresh = run_pointwise(s, values, offered ? &as_tensor(out)->array : nullptr, offered);
    if (offered && !fresh.defined()) {
      note_write(as_tensor(out));
      return Py_NewRef(out);
    }
    call.result(std::move(fresh));
  } else if (s.kernel) {
    run_kernel(s, call);
    if (call.is_same()) return Py_NewRef(values[0]);
  } else {
    run_reference(op, values, call);
  }
  if (out) {
    if (tensor_check(out) && (s.pointwise || s.name == "where" || s.name == "cat")) {
      for (int i = 0; i < s.nparams; ++i) check_operands(out, values[i]);
    }
    return call_with_out(op, call, out);
  }
  const int n = call.result_count();
  if (n == 1 && s.outputs == Outputs::One) {
    Tensor* t = wrap_output(op, std::move(call.output(0)), values, false);
    if (record) {
      Ref guard(as_object(t));
      Recording recording;
      record_inputs(recording, s, values, computes, nullptr);
      record_outputs(recording, s, &t, 1);
      guard.release();
    }
    return as_object(t);
  }
  std::vector<Ref> outputs;
  outputs.reserve(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i)
    outputs.emplace_back(as_object(wrap_output(op, std::move(call.output(i)), values, true)));
  if (record && n) {
    std::vector<Tensor*> tensors;
    for (const Ref& o : outputs) tensors.push_back(as_tensor(o));
    Recording recording;
    record_inputs(recording, s, values, computes, nullptr);
    record_outputs(recording, s, tensors.data(), n);
  }
  return pack_outputs(s, outputs);
}

static PyObject* run_profiled(Op* op, PyObject* const* values, PyObject* out) {
  ProfileScope scope(as_object(op), false, values, op->spec->nparams);
  return run_quietly(op, values, out);
}

PyObject* run_op(Op* op, PyObject* const* values, PyObject* out) {
  if (modes.recorder) [[unlikely]]
    return run_profiled(op, values, out);
  return run_quietly(op, values, out);
}

PyObject* arguments(PyObject* const* args, Py_ssize_t n) {
  PyObject* tuple = checked(PyTuple_New(n));
  for (Py_ssize_t i = 0; i < n; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
  return tuple;
}

PyObject* kwargs_dict(PyObject* const* values, PyObject* kwnames) {
  PyObject* d = checked(PyDict_New());
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
    if (PyDict_SetItem(d, PyTuple_GET_ITEM(kwnames, k), values[k]) < 0) {
      Py_DECREF(d);
      throw PythonError();
    }
  }
  return d;
}

bool any_subclass(PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    PyObject* o = values[i];
    if (foreign(o)) return true;
    if (PyList_Check(o) || PyTuple_CheckExact(o)) {
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k) {
        if (foreign(PySequence_Fast_GET_ITEM(o, k))) return true;
      }
    }
  }
  return false;
}

// `self` may be the method; only `__torch_function__` is shown which of the two was called.
PyObject* op_vectorcall(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  Op* op = function_of(reinterpret_cast<Op*>(self));
  const OpSpec& s = *op->spec;
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  try {
    if (!modes.interpreters && !kwnames && n == s.nparams &&
        n == s.npositional) {  // nothing to bind
      if (unusual(args, s.nparams)) {
        if (any_subclass(args, s.nparams) || any_wrapped(args, s.nparams)) goto subclass;
        return run_anywhere(op, args, nullptr);
      }
      return run_op(op, args, nullptr);
    }
    if (modes.interpreters && !PyObject_TypeCheck(innermost_interpreter(), LevelType)) {
      Ref top(Py_NewRef(innermost_interpreter()));
      if (!sees(top, as_object(op), false)) {
        Outwards outwards;
        return op_vectorcall(self, args, nargsf, kwnames);
      }
      if (!is_below(top)) {
        Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
        return interpret(top, as_object(op), tuple, kwargs);
      }
    }
    if (n > s.npositional && s.varargs < 0) {  // perhaps as older programs call it
      Ref given(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
      Ref got(call_helper("call_as_before", {as_object(op), given, kwargs}));
      if (got.p != Py_NotImplemented) return got.release();
    }
    {
      Bound b;
      bind(s, args, n, kwnames, b);
      if (modes.interpreters) return dispatch(op, b.values, b.out, false);
      if (unusual(b.values, s.nparams)) {
        if (any_subclass(b.values, s.nparams) || any_wrapped(b.values, s.nparams)) goto subclass;
        return run_anywhere(op, b.values, b.out);
      }
      if (b.out && (any_sparse(&b.out, 1) || any_wrapped(&b.out, 1))) goto subclass;
      return run_op(op, b.values, b.out);
    }
  subclass:
    // User subclasses go through __torch_function__, which Python finds and calls, or would have
    // been here already. Sparse tensors always go by their rules.
    Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
    if (modes.torch_function) return call_helper("torch_function", {self, tuple, kwargs});
    PyObject* plain[3] = {self, tuple, kwargs};
    return call_plain(nullptr, plain, 3);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// The call without looking at subclasses: what the default __torch_function__ ends in.
PyObject* call_plain(PyObject*, PyObject* const* args, Py_ssize_t n) {
  try {
    if (n != 3 || !op_check(args[0]) || !PyTuple_Check(args[1]) || !PyDict_Check(args[2]))
      fail(ErrorType::Type, "call_plain(op, args, kwargs): expected an operator, a tuple, a dict");
    Op* op = function_of(reinterpret_cast<Op*>(args[0]));
    const Py_ssize_t count = PyTuple_GET_SIZE(args[1]);
    std::vector<PyObject*> values(&PyTuple_GET_ITEM(args[1], 0),
                                  &PyTuple_GET_ITEM(args[1], 0) + count);
    Ref names(checked(PyTuple_New(PyDict_GET_SIZE(args[2]))));
    PyObject *key, *value;
    Py_ssize_t at = 0, k = 0;
    while (PyDict_Next(args[2], &at, &key, &value)) {
      PyTuple_SET_ITEM(names.p, k++, Py_NewRef(key));
      values.push_back(value);
    }
    Bound b;
    bind(*op->spec, values.data(), count, k ? names.p : nullptr, b);
    if (any_sparse(b.values, op->spec->nparams) || (b.out && any_sparse(&b.out, 1)))
      return call_helper("call_sparse", {as_object(op), args[1], args[2]});
    return dispatch(op, b.values, b.out, true);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

void init_binding() {
  auto intern = [](const char* t) { return PyUnicode_InternFromString(t); };
  g_torch_function_name = intern("__torch_function__");
  g_out_name = intern("out");
}

}  // namespace rl
