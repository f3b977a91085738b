// The stack of interpreters: levels, what belongs to one, how calls get past it.
#include "levels.h"

#include <structmember.h>

#include "autograd.h"

namespace rl {

PyTypeObject* LevelType;

// -- the stack ------------------------------------------------------------------------------------

void set_interpreters(PyObject* stack) {
  Ref old(std::exchange(modes.interpreters, Py_XNewRef(stack)));  // dropped last: may run Python
  modes.lanes = nullptr;
  for (Py_ssize_t i = stack ? PyList_GET_SIZE(stack) : 0; i-- > 0 && !modes.lanes;) {
    PyObject* o = PyList_GET_ITEM(stack, i);
    if (PyObject_TypeCheck(o, LevelType) && reinterpret_cast<Level*>(o)->maps)
      modes.lanes = reinterpret_cast<Level*>(o);
  }
}

// The stack without the closed levels, and without `leaving`; null when nothing is left.
static Ref open_interpreters(PyObject* stack, PyObject* leaving) {
  Ref rest(checked(PyList_New(0)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stack); ++i) {
    PyObject* item = PyList_GET_ITEM(stack, i);
    const bool closed =
        PyObject_TypeCheck(item, LevelType) && !reinterpret_cast<Level*>(item)->open;
    if (item != leaving && !closed && PyList_Append(rest, item) < 0) throw PythonError();
  }
  return PyList_GET_SIZE(rest.p) ? std::move(rest) : Ref();
}

void Outwards::leave(Py_ssize_t count) {
  Ref outer(count ? PyList_GetSlice(stack_, 0, count) : nullptr);
  set_interpreters(outer);
}
Outwards::Outwards() : stack_(Py_NewRef(modes.interpreters)) { leave(PyList_GET_SIZE(stack_) - 1); }
Outwards::Outwards(Level* level) : stack_(Py_XNewRef(modes.interpreters)) {
  for (Py_ssize_t i = 0; stack_ && i < PyList_GET_SIZE(stack_); ++i) {
    if (PyList_GET_ITEM(stack_, i) != as_object(level)) continue;
    leave(i);
    return;
  }
}
Outwards::~Outwards() {
  if (!stack_) return;
  bool closed = false;  // by what ran meanwhile
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stack_); ++i) {
    PyObject* item = PyList_GET_ITEM(stack_, i);
    closed |= PyObject_TypeCheck(item, LevelType) && !reinterpret_cast<Level*>(item)->open;
  }
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  set_interpreters(closed ? open_interpreters(stack_, nullptr).p : stack_);
  Py_DECREF(stack_);
  PyErr_Restore(type, value, trace);
}

// -- what belongs to a level ----------------------------------------------------------------------

bool any_wrapped(PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    if (any_tensor(values[i], [](Tensor* t) { return (t->flags & kWrapped) != 0; })) return true;
  }
  return false;
}

bool at_level(const Level* level, PyObject* const* values, int n) {
  for (int i = 0; i < n; ++i) {
    if (any_tensor(values[i], [level](Tensor* t) {
          return level->maps ? level_of(t) == level : tangent_of(t, level) != nullptr;
        }))
      return true;
  }
  return false;
}

Level* level_argument(const char* name, PyObject* o) {
  if (!PyObject_TypeCheck(o, LevelType))
    fail(ErrorType::Type, "%s: expected a Level, got %s", name, Py_TYPE(o)->tp_name);
  return reinterpret_cast<Level*>(o);
}
Tensor* tensor_argument(const char* name, PyObject* o) {
  if (!tensor_check(o))
    fail(ErrorType::Type, "%s: expected a Tensor, got %s", name, Py_TYPE(o)->tp_name);
  return as_tensor(o);
}

<<<<<<< Updated upstream
=======
PyObject* py_wrap_lanes(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) fail(ErrorType::Type, "wrap_lanes(level, tensor, batched)");
    return as_object(wrap_lanes(level_argument("wrap_lanes", args[0]),
                                tensor_argument("wrap_lanes", args[1]),
                                PyObject_IsTrue(args[2]) == 1));
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

// innermost_level(args) -> the innermost level that one of the arguments belongs to, or None.
PyObject* innermost_level(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    for (Py_ssize_t i = modes.interpreters ? PyList_GET_SIZE(modes.interpreters) : 0; i-- > 0;) {
      PyObject* o = PyList_GET_ITEM(modes.interpreters, i);
      if (PyObject_TypeCheck(o, LevelType) && at_level(reinterpret_cast<Level*>(o), &args, 1))
        return Py_NewRef(o);
    }
    Py_RETURN_NONE;
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
    PyObject* same = argument_of(args, level, o);
    return same ? Py_NewRef(same) : as_object(wrap_lanes(level, as_tensor(o), batched));
  }
  if (!PyTuple_Check(o) && !PyList_Check(o)) return Py_NewRef(o);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  Ref items(checked(PyList_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i)
    PyList_SET_ITEM(items.p, i, lifted(level, PySequence_Fast_GET_ITEM(o, i), args, batched));
  if (PyList_CheckExact(o)) return items.release();
  if (PyTuple_CheckExact(o)) return PyList_AsTuple(items);
  return PyObject_CallOneArg(as_object(Py_TYPE(o)), items);  // named results
}

// lift(level, results, args, batched): the results of a lowered call, wrapped.
PyObject* lift(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 4) fail(ErrorType::Type, "lift(level, results, args, batched)");
    return checked(
        lifted(level_argument("lift", args[0]), args[1], args[2], PyObject_IsTrue(args[3]) == 1));
  });
}

// -- tangents -------------------------------------------------------------------------------------

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
    if (s.kind != Saved::Output || s.output_nr != t->output_nr ||
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
    if (!e->duals) e->duals = checked(PyDict_New());
    if (PyDict_SetItem(e->duals, args[1], args[2]) < 0) throw PythonError();
    t->flags |= kDual;
    keep_with_tangents(t);
    Py_RETURN_NONE;
  });
}

}  // namespace

Tensor* shallow_copy(Tensor* t) {
  Tensor* c = tensor_new(t->array);
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

>>>>>>> Stashed changes
namespace {

// innermost_level(args) -> the innermost level that one of the arguments belongs to, or None.
PyObject* innermost_level(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    for (Py_ssize_t i = modes.interpreters ? PyList_GET_SIZE(modes.interpreters) : 0; i-- > 0;) {
      PyObject* o = PyList_GET_ITEM(modes.interpreters, i);
      if (PyObject_TypeCheck(o, LevelType) && at_level(reinterpret_cast<Level*>(o), &args, 1))
        return Py_NewRef(o);
    }
<<<<<<< Updated upstream
    Py_RETURN_NONE;
=======
    c->flags &= static_cast<uint16_t>(~kInference);
    c->requires_grad = wanted;
    return as_object(c);
  });
}

PyObject* py_cut(PyObject*, PyObject* o) {
  return guarded([&] { return as_object(cut(tensor_argument("cut", o), true)); });
}

PyObject* py_on_tape(PyObject*, PyObject* o) {
  return PyBool_FromLong(tensor_check(o) && on_tape(as_tensor(o)));
}
PyObject* py_is_live(PyObject*, PyObject* o) {
  return guarded([&] { return PyBool_FromLong(is_live(o)); });
}

// graph_is_live(outputs, inputs): whether a gradient of the outputs by the inputs can depend on
// something else with a history, so that the backward run must be recorded.
bool lives_elsewhere(Tensor* t) {  // on a tape further out, itself or by its tangents
  if (!on_tape(t)) return live(t);
  if ((t->flags & kWrapped) && live(t->extra->physical)) return true;
  if (!(t->flags & kDual) || !t->extra->duals) return false;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(t->extra->duals, &at, &key, &value))
    if (is_live(value)) return true;
  return false;
}
bool saved_live(const Node* n) {
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    const Saved& s = n->saved[i];
    if (s.kind == Saved::Packed) return true;
    PyObject* o = s.object;
    if (!o || s.kind == Saved::Value) {
      if (o && is_live(o)) return true;
      continue;
    }
    if (lives_elsewhere(as_tensor(o))) return true;
  }
  return false;
}

// The tensors that a node written in Python has saved or has as attributes.
void hold_attributes(PyObject* node, std::vector<Tensor*>& held) {
  PyObject** dict = _PyObject_GetDictPtr(node);
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (dict && *dict && PyDict_Next(*dict, &at, &key, &value)) {
    any_tensor(value, [&](Tensor* t) {
      held.push_back(t);
      return false;
    });
    for (Py_ssize_t i = 0; PyTuple_Check(value) && i < PyTuple_GET_SIZE(value); ++i) {
      PyObject* saved = saved_tensor(PyTuple_GET_ITEM(value, i));
      if (saved) held.push_back(as_tensor(saved));
    }
  }
}

PyObject* graph_is_live(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2 || !PyTuple_Check(args[0]) || !PyTuple_Check(args[1]))
      fail(ErrorType::Type, "graph_is_live(outputs, inputs): expected two tuples");
    std::vector<Node*> stack;
    std::unordered_set<Node*> seen;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[1]); ++i) {
      Tensor* t = tensor_argument("graph_is_live", PyTuple_GET_ITEM(args[1], i));
      if (grad_fn_of(t)) Py_RETURN_TRUE;
      if (t->extra && t->extra->accumulator) seen.insert(t->extra->accumulator);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]); ++i) {
      Node* node = grad_fn_of(tensor_argument("graph_is_live", PyTuple_GET_ITEM(args[0], i)));
      if (node && seen.insert(node).second) stack.push_back(node);
    }
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      if (node->variable) Py_RETURN_TRUE;  // a leaf that is none of the inputs
      if (saved_live(node)) Py_RETURN_TRUE;
      std::vector<Tensor*> held;
      if (!node->spec) hold_attributes(as_object(node), held);
      for (Tensor* t : held) {
        if (lives_elsewhere(t)) Py_RETURN_TRUE;
        if (!needs_grad(t)) continue;
        Edge edge = edge_of(t);
        Ref owned(as_object(edge.node));
        if (!seen.count(edge.node) && edge.node->variable) Py_RETURN_TRUE;
        if (seen.insert(edge.node).second) stack.push_back(edge.node);
      }
      for (uint32_t i = 0; i < node->nedges; ++i) {
        Node* next = node->edges[i].node;
        if (next && seen.insert(next).second) stack.push_back(next);
      }
    }
    Py_RETURN_FALSE;
>>>>>>> Stashed changes
  });
}

// call_outside(level, function, *args): the call as those further out than the level see it.
PyObject* call_outside(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n < 2) fail(ErrorType::Type, "call_outside(level, function, *args)");
    Outwards outwards(level_argument("call_outside", args[0]));
    return checked(PyObject_Vectorcall(args[1], args + 2, static_cast<size_t>(n - 2), nullptr));
  });
}

// enter_transform(), leave_transform(): counts the functional transforms that are running here.
PyObject* enter_transform(PyObject*, PyObject*) { return PyLong_FromLong(++modes.transforms); }
PyObject* leave_transform(PyObject*, PyObject*) {
  if (modes.transforms > 0) --modes.transforms;
  Py_RETURN_NONE;
}
PyObject* transforms(PyObject*, PyObject*) { return PyLong_FromLong(modes.transforms); }

// close_level(level): takes it off the stack, wherever it stands; its tensors are of no use then.
PyObject* close_level(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    level_argument("close_level", o)->open = false;
    if (modes.interpreters) {
      Ref rest(open_interpreters(modes.interpreters, o));
      set_interpreters(rest);
    }
    Py_RETURN_NONE;
  });
}

// -- the type -------------------------------------------------------------------------------------

int level_init(Level* level, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"maps", "number", nullptr};
  int maps = 0, number = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pi", const_cast<char**>(names), &maps, &number))
    return -1;
  level->maps = maps;
  level->number = number;
  level->open = true;
  return 0;
}
void level_dealloc(Level* level) {
  PyTypeObject* type = Py_TYPE(level);
  type->tp_free(level);
  Py_DECREF(type);
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL
<<<<<<< Updated upstream
PyMethodDef functions[] = {{"innermost_level", innermost_level, METH_O, nullptr},
=======
PyMethodDef functions[] = {{"wrap_lanes", FAST(py_wrap_lanes), nullptr},
                           {"unwrap_lanes", FAST(unwrap_lanes), nullptr},
                           {"level_of", py_level_of, METH_O, nullptr},
                           {"innermost_level", innermost_level, METH_O, nullptr},
                           {"lower", FAST(lower), nullptr},
                           {"lift", FAST(lift), nullptr},
                           {"get_tangent", FAST(get_tangent), nullptr},
                           {"set_tangent", FAST(set_tangent), nullptr},
                           {"fresh_input", FAST(fresh_input), nullptr},
                           {"cut", py_cut, METH_O, nullptr},
                           {"on_tape", py_on_tape, METH_O, nullptr},
                           {"is_live", py_is_live, METH_O, nullptr},
                           {"graph_is_live", FAST(graph_is_live), nullptr},
>>>>>>> Stashed changes
                           {"enter_transform", enter_transform, METH_NOARGS, nullptr},
                           {"leave_transform", leave_transform, METH_NOARGS, nullptr},
                           {"transforms", transforms, METH_NOARGS, nullptr},
                           {"call_outside", FAST(call_outside), nullptr},
                           {"close_level", close_level, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};
#undef FAST

}  // namespace

bool init_levels(PyObject* module) {
  static PyMemberDef members[] = {{"maps", T_BOOL, offsetof(Level, maps), READONLY, nullptr},
                                  {"open", T_BOOL, offsetof(Level, open), 0, nullptr},
                                  {"number", T_INT, offsetof(Level, number), READONLY, nullptr},
                                  {nullptr, 0, 0, 0, nullptr}};
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                         {Py_tp_init, reinterpret_cast<void*>(level_init)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(level_dealloc)},
                         {Py_tp_members, members},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.Level", sizeof(Level), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                      slots};
  LevelType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return LevelType && PyModule_AddObjectRef(module, "Level", as_object(LevelType)) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
