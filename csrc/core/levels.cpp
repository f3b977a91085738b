// Tensors of a level: wrapping, unwrapping, tangents, and what may be asked of them.
#include "levels.h"

#include <structmember.h>

#include <unordered_set>

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

// -- questions ------------------------------------------------------------------------------------

namespace {

constexpr int kDepth = 8;  // of lists in lists

template <class F>
bool any_tensor(PyObject* o, F f, int depth = kDepth) {
  if (tensor_check(o)) return f(as_tensor(o));
  if (depth && (PyList_Check(o) || PyTuple_Check(o))) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      if (any_tensor(PySequence_Fast_GET_ITEM(o, i), f, depth - 1)) return true;
    }
  }
  return false;
}

PyObject* tangent_of(const Tensor* t, const Level* level) {  // borrowed or null
  if (!(t->flags & kDual) || !t->extra->duals) return nullptr;
  PyObject* found = PyDict_GetItemWithError(t->extra->duals, as_object(const_cast<Level*>(level)));
  if (!found && PyErr_Occurred()) throw PythonError();
  return found;
}

bool live(Tensor* t) {
  if (needs_grad(t)) return true;
  if ((t->flags & kWrapped) && t->extra->physical && live(t->extra->physical)) return true;
  if (!(t->flags & kDual) || !t->extra->duals) return false;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(t->extra->duals, &at, &key, &value)) {
    if (tensor_check(value) && live(as_tensor(value))) return true;
  }
  return false;
}

}  // namespace

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

bool is_live(PyObject* o) { return any_tensor(o, live); }

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

// -- making ---------------------------------------------------------------------------------------

namespace {

// The array of one lane. A batch of none has none: zeros of that shape stand in.
Array lane_array(const Array& a) {
  if (a.ndim() == 0) fail(ErrorType::Value, "wrap_lanes: the tensor has no dim for the lanes");
  if (a.size(0) > 0) return a.select(0, 0);
  Array one = Array::empty(a.dtype(), Shape());
  fill(one, 0.0);
  return one.expand(a.shape().subspan(1));
}

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

namespace {

// fresh_input(tensor, requires_grad): the same value where nothing has been recorded yet on the
// tape in force. A tensor from further out is the same in all lanes.
PyObject* fresh_input(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) fail(ErrorType::Type, "fresh_input(tensor, requires_grad)");
    Tensor* t = tensor_argument("fresh_input", args[0]);
    const bool wanted = PyObject_IsTrue(args[1]) == 1;
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
bool saved_live(const Node* n) {
  for (uint32_t i = 0; i < n->nsaved; ++i) {
    const Saved& s = n->saved[i];
    if (s.kind == Saved::Packed) return true;
    PyObject* o = s.object;
    if (!o || s.kind == Saved::Value) {
      if (o && is_live(o)) return true;
      continue;
    }
    Tensor* t = as_tensor(o);
    if (!on_tape(t) ? is_live(o)
                    : ((t->flags & kWrapped) && is_live(as_object(t->extra->physical))))
      return true;
    if (t->flags & kDual) {
      PyObject *key, *value;
      Py_ssize_t at = 0;
      while (t->extra->duals && PyDict_Next(t->extra->duals, &at, &key, &value))
        if (is_live(value)) return true;
    }
  }
  return false;
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
      const bool strided = Py_TYPE(node) == CopySlicesType || Py_TYPE(node) == AsStridedType;
      if ((!node->spec && !strided) || saved_live(node)) Py_RETURN_TRUE;
      for (uint32_t i = 0; i < node->nedges; ++i) {
        Node* next = node->edges[i].node;
        if (next && seen.insert(next).second) stack.push_back(next);
      }
    }
    Py_RETURN_FALSE;
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
PyMethodDef functions[] = {{"wrap_lanes", FAST(py_wrap_lanes), nullptr},
                           {"unwrap_lanes", FAST(unwrap_lanes), nullptr},
                           {"level_of", py_level_of, METH_O, nullptr},
                           {"lower", FAST(lower), nullptr},
                           {"lift", FAST(lift), nullptr},
                           {"get_tangent", FAST(get_tangent), nullptr},
                           {"set_tangent", FAST(set_tangent), nullptr},
                           {"fresh_input", FAST(fresh_input), nullptr},
                           {"cut", py_cut, METH_O, nullptr},
                           {"on_tape", py_on_tape, METH_O, nullptr},
                           {"is_live", py_is_live, METH_O, nullptr},
                           {"graph_is_live", FAST(graph_is_live), nullptr},
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
