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

namespace {

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
// differentiates(): whether somebody follows what is computed now, by recording or by tangents. A
// gradient that is not to be differentiated may use a kernel that has no gradient itself.
PyObject* differentiates(PyObject*, PyObject*) {
  if (modes.grad) Py_RETURN_TRUE;
  for (Py_ssize_t i = 0; modes.interpreters && i < PyList_GET_SIZE(modes.interpreters); ++i) {
    PyObject* o = PyList_GET_ITEM(modes.interpreters, i);
    if (PyObject_TypeCheck(o, LevelType) && !reinterpret_cast<Level*>(o)->maps) Py_RETURN_TRUE;
  }
  Py_RETURN_FALSE;
}

PyMethodDef functions[] = {{"innermost_level", innermost_level, METH_O, nullptr},
                           {"enter_transform", enter_transform, METH_NOARGS, nullptr},
                           {"leave_transform", leave_transform, METH_NOARGS, nullptr},
                           {"transforms", transforms, METH_NOARGS, nullptr},
                           {"differentiates", differentiates, METH_NOARGS, nullptr},
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
