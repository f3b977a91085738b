// Tensors of a level: wrapping, unwrapping, tangents, and what may be asked of them.
#include "autograd.h"
#include "levels.h"

namespace rl {

// -- elements -------------------------------------------------------------------------------------

void escaped() {
  fail(ErrorType::Runtime,
       "a tensor of vmap is used where its vmap does not reach: either your tensor may have "
       "escaped from inside a function being vmapped and this is a user error, or it was handed "
       "to another thread; return it from the function instead");
}

bool differs(const Tensor* t) {
  while (t->flags & kWrapped) {
    if (t->extra->batched || !t->extra->physical) return true;
    t = t->extra->physical;
  }
  return false;
}

const Array& guarded_elements(const Tensor* t) {
  if (t->flags & kSparse) no_storage();
  if (differs(t))
    fail(ErrorType::Runtime,
         "vmap: Cannot access data pointer of Tensor that doesn't have storage: it has another "
         "value in every lane; use operators that work on tensors");
  while (t->flags & kWrapped) t = t->extra->physical;
  return elements(t);
}

const Array& one_element(const Tensor* t) {
  if ((t->flags & kWrapped) && differs(t))
    fail(ErrorType::Runtime,
         "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over "
         "calling .item() on a Tensor: it has another value in every lane. Rewrite this with "
         "operators that work on tensors");
  return elements(t);
}

// -- wrapping -------------------------------------------------------------------------------------

namespace {

// The array of one lane. A batch of none has none: zeros of that shape stand in.
Array lane_array(const Array& a) {
  if (a.ndim() == 0) fail(ErrorType::Value, "wrap_lanes: the tensor has no dim for the lanes");
  if (a.size(0) > 0) return a.select(0, 0);
  MetaCall here(a.is_meta());
  Array one = Array::empty(a.dtype(), Shape());
  fill(one, 0.0);
  return one.expand(a.shape().subspan(1));
}

}  // namespace

Tensor* wrap_lanes(Level* level, Tensor* physical, bool batched) {
  Tensor* t = tensor_new(batched ? lane_array(physical->array) : physical->array);
  Ref guard(as_object(t));
  TensorExtra* e = tensor_extra(t);
  e->level = reinterpret_cast<Level*>(Py_NewRef(as_object(level)));
  e->physical = as_tensor(Py_NewRef(as_object(physical)));
  e->batched = batched;
  t->flags |= kWrapped | (physical->flags & (kInference | kNoVersion));
  guard.release();
  return t;
}

namespace {

PyObject* py_wrap_lanes(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) fail(ErrorType::Type, "wrap_lanes(level, tensor, batched)");
    return as_object(wrap_lanes(level_argument("wrap_lanes", args[0]),
                                tensor_argument("wrap_lanes", args[1]), is_true(args[2])));
  });
}

// unwrap_lanes(tensor, level) -> (what it stands for, batched), or None when it is of no such
// level.
PyObject* unwrap_lanes(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "unwrap_lanes(tensor, level)");
    if (!tensor_check(args[0])) Py_RETURN_NONE;
    Tensor* t = as_tensor(args[0]);
    Level* level = level_of(t);
    if (!level || (args[1] != Py_None && as_object(level) != args[1]) || !t->extra->physical)
      Py_RETURN_NONE;
    return Py_BuildValue("(OO)", as_object(t->extra->physical),
                         t->extra->batched ? Py_True : Py_False);
  });
}

PyObject* py_level_of(PyObject*, PyObject* o) {
  Level* level = tensor_check(o) ? level_of(as_tensor(o)) : nullptr;
  return Py_NewRef(level ? as_object(level) : Py_None);
}

// -- arguments and results of a vmap level --------------------------------------------------------

struct Lowering {
  Level* level;
  PyObject* lanes;  // the class that marks a batched argument
  bool batched = false;

  PyObject* of(PyObject* o, int depth = kDepth) {
    if (tensor_check(o)) {
      Tensor* t = as_tensor(o);
      if (level_of(t) != level) return Py_NewRef(o);
      if (!t->extra->physical) escaped();
      if (!t->extra->batched) return Py_NewRef(as_object(t->extra->physical));
      batched = true;
      return checked(PyObject_CallOneArg(lanes, as_object(t->extra->physical)));
    }
    if (!depth || !(PyList_CheckExact(o) || PyTuple_CheckExact(o))) return Py_NewRef(o);
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    Ref made(checked(PyList_Check(o) ? PyList_New(n) : PyTuple_New(n)));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = of(PySequence_Fast_GET_ITEM(o, i), depth - 1);
      if (PyList_Check(o))
        PyList_SET_ITEM(made.p, i, item);
      else
        PyTuple_SET_ITEM(made.p, i, item);
    }
    return made.release();
  }
};

// lower(level, args, kwargs, Lanes) -> (args, kwargs, batched): the call one level further out.
PyObject* lower(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 4 || !PyTuple_Check(args[1]) || !PyDict_Check(args[2]))
      fail(ErrorType::Type, "lower(level, args, kwargs, Lanes)");
    Lowering lowering{level_argument("lower", args[0]), args[3]};
    Ref tuple(lowering.of(args[1], kDepth + 1)), kwargs(checked(PyDict_New()));
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(args[2], &at, &key, &value)) {
      Ref made(lowering.of(value));
      if (PyDict_SetItem(kwargs, key, made) < 0) throw PythonError();
    }
    return Py_BuildValue("(OOO)", tuple.p, kwargs.p, lowering.batched ? Py_True : Py_False);
  });
}

// A result that is what an argument stands for is that argument itself: x.contiguous() is x.
PyObject* argument_of(PyObject* args, Level* level, PyObject* result) {
  PyObject* found = nullptr;
  any_tensor(args, [&](Tensor* t) {
    if (level_of(t) == level && as_object(t->extra->physical) == result) found = as_object(t);
    return found != nullptr;
  });
  return found;
}

PyObject* lifted(Level* level, PyObject* o, PyObject* args, bool batched) {
  if (tensor_check(o)) {
    PyObject* same = args ? argument_of(args, level, o) : nullptr;
    return same ? Py_NewRef(same) : as_object(wrap_lanes(level, as_tensor(o), batched));
  }
  if (!PyTuple_Check(o) && !PyList_Check(o)) return Py_NewRef(o);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  Ref items(checked(PyList_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i)
    PyList_SET_ITEM(items.p, i, lifted(level, PySequence_Fast_GET_ITEM(o, i), nullptr, batched));
  if (PyList_CheckExact(o)) return items.release();
  if (PyTuple_CheckExact(o)) return PyList_AsTuple(items);
  return PyObject_CallOneArg(as_object(Py_TYPE(o)), items);  // named results
}

// lift(level, results, args, batched): the results of a lowered call, wrapped.
PyObject* lift(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 4) fail(ErrorType::Type, "lift(level, results, args, batched)");
    return checked(lifted(level_argument("lift", args[0]), args[1], args[2], is_true(args[3])));
  });
}

}  // namespace

// -- tangents -------------------------------------------------------------------------------------

PyObject* tangent_of(const Tensor* t, const Level* level) {  // borrowed or null
  if (!(t->flags & kDual) || !t->extra->duals) return nullptr;
  PyObject* found = PyDict_GetItemWithError(t->extra->duals, as_object(const_cast<Level*>(level)));
  if (!found && PyErr_Occurred()) throw PythonError();
  return found;
}

namespace {

PyObject* get_tangent(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "get_tangent(tensor, level)");
    if (!tensor_check(args[0])) Py_RETURN_NONE;
    PyObject* found = tangent_of(as_tensor(args[0]), level_argument("get_tangent", args[1]));
    return Py_NewRef(found ? found : Py_None);
  });
}

// Where the node that made t saved t itself, the tangents belong to what it saved.
void keep_with_tangents(Tensor* t) {
  Node* n = t->grad_fn;
  if (!n) return;
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    Saved& s = n->saved[i];
    if (s.kind != Saved::Output || s.output_nr != output_nr_of(t) ||
        s.array.storage() != t->array.storage() || s.version != t->array.storage()->version)
      continue;
    PyObject* old = s.object;
    s.object = as_object(shallow_copy(t));
    Py_XDECREF(old);
  }
}

// set_tangent(tensor, level, tangent or None)
PyObject* set_tangent(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) fail(ErrorType::Type, "set_tangent(tensor, level, tangent)");
    Tensor* t = tensor_argument("set_tangent", args[0]);
    level_argument("set_tangent", args[1]);
    TensorExtra* e = tensor_extra(t);
    if (args[2] == Py_None) {
      if (e->duals && PyDict_Contains(e->duals, args[1]) == 1 &&
          PyDict_DelItem(e->duals, args[1]) < 0)
        throw PythonError();
      Py_RETURN_NONE;
    }
    tensor_argument("set_tangent", args[2]);
    if (args[2] == args[0]) fail(ErrorType::Value, "set_tangent: a tensor is no tangent of itself");
    if (!e->duals) e->duals = checked(PyDict_New());
    if (PyDict_SetItem(e->duals, args[1], args[2]) < 0) throw PythonError();
    t->flags |= kDual;
    keep_with_tangents(t);
    Py_RETURN_NONE;
  });
}

}  // namespace

// -- copies ---------------------------------------------------------------------------------------

Tensor* shallow_copy(Tensor* t, PyTypeObject* type) {
  if (type == TensorType && is_dispatching(t))  // its class knows what else it holds
    return as_tensor(call_helper("detach", {as_object(t)}));
  Tensor* c = tensor_new(t->array, type);
  c->flags |= t->flags & (kInference | kNoVersion);
  if (!(t->flags & (kWrapped | kDual))) return c;
  Ref guard(as_object(c));
  TensorExtra* e = tensor_extra(c);
  if (t->flags & kWrapped) {
    if (!t->extra->physical) escaped();
    e->level = reinterpret_cast<Level*>(Py_NewRef(as_object(t->extra->level)));
    e->physical = as_tensor(Py_NewRef(as_object(t->extra->physical)));
    e->batched = t->extra->batched;
    c->flags |= kWrapped;
  }
  if (t->flags & kDual) {
    if (t->extra->duals) e->duals = checked(PyDict_Copy(t->extra->duals));
    c->flags |= kDual;
  }
  guard.release();
  return c;
}

// The value without history at any level.
Tensor* cut(Tensor* t, bool tangents) {
  Tensor* c = shallow_copy(t);
  Ref guard(as_object(c));
  if (!tangents && (c->flags & kDual)) {
    Py_CLEAR(c->extra->duals);
    c->flags &= static_cast<uint16_t>(~kDual);
  }
  if (c->flags & kWrapped) {
    Tensor* physical = cut(c->extra->physical, tangents);
    Py_SETREF(c->extra->physical, physical);
  }
  guard.release();
  return c;
}

namespace {

// fresh_input(tensor, requires_grad[, stand_in]): the same value where nothing has been recorded
// yet on the tape in force. A tensor from further out is the same in all lanes.
PyObject* fresh_input(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2 && n != 3) fail(ErrorType::Type, "fresh_input(tensor, requires_grad[, stand_in])");
    Tensor* t = tensor_argument("fresh_input", args[0]);
    const bool wanted = is_true(args[1]);
    if (wanted && !is_differentiable(t->array.dtype()))
      fail(ErrorType::Runtime, "only Tensors of floating point dtype can require gradients, got %s",
           dtype_name(t->array.dtype()));
    Tensor* c;
    if (on_tape(t)) {
      c = shallow_copy(t);
    } else {
      c = wrap_lanes(modes.lanes, t, false);
      if ((t->flags & kDual) && t->extra->duals) {
        c->extra->duals = PyDict_Copy(t->extra->duals);
        c->flags |= kDual;
      }
    }
    c->flags &= static_cast<uint16_t>(~kInference);
    c->requires_grad = wanted;
    if (n == 3 && args[2] == Py_True) c->flags |= kStandIn;
    return as_object(c);
  });
}

// The value without its history on the tape in force, its tangents as well.
Tensor* cut_here(Tensor* t) {
  Tensor* c = shallow_copy(t);
  if (!(c->flags & kDual) || !c->extra->duals) return c;
  Ref guard(as_object(c));
  Ref duals(checked(PyDict_New()));
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(c->extra->duals, &at, &key, &value)) {
    const bool ours = tensor_check(value) && on_tape(as_tensor(value));
    Ref tangent(ours ? as_object(cut_here(as_tensor(value))) : Py_NewRef(value));
    if (PyDict_SetItem(duals, key, tangent) < 0) throw PythonError();
  }
  Py_SETREF(c->extra->duals, duals.release());
  guard.release();
  return c;
}
PyObject* py_cut_here(PyObject*, PyObject* o) {
  return guarded([&] { return as_object(cut_here(tensor_argument("cut_here", o))); });
}
PyObject* py_cut(PyObject*, PyObject* o) {
  return guarded([&] { return as_object(cut(tensor_argument("cut", o), true)); });
}

// assume(tensor, view of it): the tensor becomes what the view is, in shape, history, lanes and
// tangents (x.t_()).
PyObject* assume(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "assume(tensor, view)");
    Tensor *t = tensor_argument("assume", args[0]), *seen = tensor_argument("assume", args[1]);
    if (level_of(t) != level_of(seen) || ((t->flags | seen->flags) & kSparse))
      fail(ErrorType::Runtime, "assume: the tensors are of different kinds");
    if (t == seen) return Py_NewRef(args[0]);
    set_array(t, seen->array);
    if (t->flags & kWrapped) {
      Py_INCREF(seen->extra->physical);
      Py_SETREF(t->extra->physical, seen->extra->physical);
      t->extra->batched = seen->extra->batched;
    }
    if ((t->flags | seen->flags) & kDual) {
      PyObject* duals = seen->flags & kDual ? seen->extra->duals : nullptr;
      Py_XINCREF(duals);
      Py_XSETREF(tensor_extra(t)->duals, duals);
      t->flags |= kDual;
    }
    if (Node* node = grad_fn_of(seen)) attach(node, t, static_cast<int>(output_nr_of(seen)));
    note_write(t);
    return Py_NewRef(args[0]);
  });
}

// retire(tensors): leaves whose gradient nobody asks for any more.
PyObject* retire(PyObject*, PyObject* tensors) {
  return guarded([&]() -> PyObject* {
    any_tensor(tensors, [](Tensor* t) {
      t->flags |= kStandIn;
      return false;
    });
    Py_RETURN_NONE;
  });
}

PyObject* py_on_tape(PyObject*, PyObject* o) {
  return PyBool_FromLong(tensor_check(o) && on_tape(as_tensor(o)));
}
#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL
PyMethodDef functions[] = {{"wrap_lanes", FAST(py_wrap_lanes), nullptr},
                           {"unwrap_lanes", FAST(unwrap_lanes), nullptr},
                           {"level_of", py_level_of, METH_O, nullptr},
                           {"lower", FAST(lower), nullptr},
                           {"lift", FAST(lift), nullptr},
                           {"get_tangent", FAST(get_tangent), nullptr},
                           {"set_tangent", FAST(set_tangent), nullptr},
                           {"fresh_input", FAST(fresh_input), nullptr},
                           {"cut", py_cut, METH_O, nullptr},
                           {"cut_here", py_cut_here, METH_O, nullptr},
                           {"on_tape", py_on_tape, METH_O, nullptr},
                           {"retire", retire, METH_O, nullptr},
                           {"assume", FAST(assume), nullptr},
                           {nullptr, nullptr, 0, nullptr}};
#undef FAST

}  // namespace

bool init_wrapped(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
