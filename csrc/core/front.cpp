// Public functions written in Python from other operators, as users see them.
//
// A Python function cannot take NumPy's spellings of its arguments, nor ask subclasses of Tensor
// first, without a second frame. This object does both in front of it for a few nanoseconds, and
// looks like an operator: the same binding as a method, the same repr.
#include "profile.h"

#include <structmember.h>

namespace rl {

namespace {

// Other spellings that PyTorch takes: NumPy's, those of its several overloads, and words that are
// not names in Python. The first that leads to a parameter wins.
constexpr const char* kSpellings[][2] = {
    {"axis", "dim"},         {"keepdims", "keepdim"},
    {"x", "input"},          {"a", "input"},
    {"x1", "input"},         {"self", "input"},
    {"x2", "other"},         {"input", "A"},
    {"input", "x"},          {"input", "self"},
    {"axis0", "dim0"},       {"axis1", "dim1"},
    {"from", "from_"},       {"sections", "indices_or_sections"},
    {"element", "elements"}, {"indices", "indices_or_sections"},
    {"dtype", "size"},       {"test_element", "test_elements"}};

struct Front {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* params;  // its parameters' names
  PyObject* dict;
  Front *front, *method;  // the function and what Tensor has of it; method null until asked for
  bool makes;             // new tensors, on a device that may be named
};

PyObject* g_device_name;
PyTypeObject *FrontType, *FrontMethodType;
bool front_check(PyObject* o) { return Py_TYPE(o) == FrontType || Py_TYPE(o) == FrontMethodType; }
PyObject* const* params_of(const Front* f) { return &PyTuple_GET_ITEM(f->params, 0); }

// The keyword names as the function spells them, or null where they are so already.
PyObject* respelled(const Front* f, PyObject* kwnames) {
  const Py_ssize_t n = PyTuple_GET_SIZE(kwnames);
  Ref names;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    const int i = find_param(params_of(f), PyTuple_GET_SIZE(f->params), name);
    if (i < 0 || params_of(f)[i] == name || !PyUnicode_Compare(params_of(f)[i], name)) continue;
    if (!names) names = Ref(arguments(&PyTuple_GET_ITEM(kwnames, 0), n));  // a copy
    Py_SETREF(PyTuple_GET_ITEM(names.p, k), Py_NewRef(params_of(f)[i]));
  }
  return names.release();
}

// After a failure: the TypeError that it is where an argument has the wrong type.
void explain_failure(const Front* f, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  if (PyErr_ExceptionMatches(PyExc_TypeError) || !PyErr_ExceptionMatches(PyExc_Exception)) return;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  PyObject* words = nullptr;
  try {
    Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
    words = call_helper("misuse", {f->function, tuple, kwargs, value});
  } catch (...) {
    translate_exception();
    PyErr_Clear();
  }
  if (words && words != Py_None) {
    PyErr_SetObject(PyExc_TypeError, words);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
  } else {
    PyErr_Restore(type, value, trace);
  }
  Py_XDECREF(words);
}

PyObject* run_profiled(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  ProfileScope scope(self, false, args, n);
  return PyObject_Vectorcall(reinterpret_cast<Front*>(self)->function, args, static_cast<size_t>(n),
                             names);
}

// Whether the call names a device other than the one where its result goes anyway.
bool elsewhere(PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);  // not always an interned one
    if (name != g_device_name && PyUnicode_Compare(name, g_device_name)) continue;
    PyObject* o = args[n + k];
    if (o == Py_None) return false;
    const bool cpu = o == g_cpu_device ||
                     (PyUnicode_CheckExact(o) && !PyUnicode_CompareWithASCIIString(o, "cpu"));
    const bool beside_meta = n && tensor_check(args[0]) && (as_tensor(args[0])->flags & kMeta);
    return !cpu || beside_meta || making.meta || making.named;
  }
  return false;
}

struct Beside {
  const Making before = making;
  Beside(const Front* f, PyObject* first) {
    if (!first || f->makes || !exact_tensor(first)) return;
    const bool meta = as_tensor(first)->flags & kMeta;
    if (meta != making.meta) making = {meta, false};
  }
  ~Beside() { making = before; }
  Beside(const Beside&) = delete;
};

PyObject* front_vectorcall(PyObject* self, PyObject* const* args, size_t nargsf,
                           PyObject* kwnames) {
  Front* f = reinterpret_cast<Front*>(self)->front;
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  const Py_ssize_t all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  try {
    if (modes.torch_function && any_subclass(args, static_cast<int>(all))) {
      Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
      return call_helper("torch_function", {self, tuple, kwargs});
    }
    if (modes.interpreters) {
      PyObject* seen = interpret_composite(as_object(f), args, n, kwnames);
      if (seen) return seen;
    }
    if (kwnames && f->makes && elsewhere(args, n, kwnames)) {
      Ref tuple(arguments(args, n)), kwargs(kwargs_dict(args + n, kwnames));
      return call_helper("make_on", {as_object(f), tuple, kwargs});
    }
    // What a function makes on its way goes where its first tensor is, whatever the default is.
    const Beside beside(f, n ? args[0] : nullptr);
    Ref names(kwnames ? respelled(f, kwnames) : nullptr);
    PyObject* spelt = names ? names.p : kwnames;
    PyObject* result = modes.recorder ? run_profiled(as_object(f), args, n, spelt)
                                      : PyObject_Vectorcall(f->function, args, n, spelt);
    if (!result) explain_failure(f, args, n, spelt);
    return result;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* front_compare(PyObject* a, PyObject* b, int how) {
  return compare_functions(how, front_check(b) && reinterpret_cast<Front*>(a)->front ==
                                                      reinterpret_cast<Front*>(b)->front);
}
Py_hash_t front_hash(PyObject* self) {
  return _Py_HashPointer(reinterpret_cast<Front*>(self)->front);
}
PyObject* front_repr(PyObject* self) {
  PyObject* name = PyObject_GetAttrString(reinterpret_cast<Front*>(self)->function, "__name__");
  PyObject* text = name ? PyUnicode_FromFormat("<built-in method %U of rushlight>", name) : nullptr;
  Py_XDECREF(name);
  return text;
}
int front_traverse(PyObject* self, visitproc visit, void* arg) {
  Front* f = reinterpret_cast<Front*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(f->function);
  Py_VISIT(f->dict);
  return 0;
}
int front_clear(PyObject* self) {
  Front* f = reinterpret_cast<Front*>(self);
  Py_CLEAR(f->function);
  Py_CLEAR(f->params);
  Py_CLEAR(f->dict);
  return 0;
}
void front_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  front_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// An attribute of the function behind it, which programs that look at signatures ask for.
PyObject* front_function_attribute(PyObject* self, void* name) {
  return PyObject_GetAttrString(reinterpret_cast<Front*>(self)->function,
                                static_cast<const char*>(name));
}

// By name, so that a pickled layer finds its activation again; a method by its function.
PyObject* front_reduce(PyObject* self, PyObject*) {
  Front* front = reinterpret_cast<Front*>(self)->front;
  if (as_object(front) != self) {
    Ref core(PyImport_ImportModule("rushlight._C"));
    PyObject* method = core ? PyObject_GetAttrString(core, "method") : nullptr;
    return method ? Py_BuildValue("N(O)", method, as_object(front)) : nullptr;
  }
  return PyObject_GetAttrString(self, "__qualname__");
}

// front(function, params): params is the tuple of its parameters' names.
PyObject* make_front(PyObject*, PyObject* args) {
  PyObject *function, *params;
  if (!PyArg_ParseTuple(args, "OO!", &function, &PyTuple_Type, &params)) return nullptr;
  Front* f = PyObject_GC_New(Front, FrontType);
  if (!f) return nullptr;
  f->vectorcall = front_vectorcall;
  f->function = Py_NewRef(function);
  f->params = Py_NewRef(params);
  f->dict = nullptr;
  f->front = f;
  f->method = nullptr;
  const auto takes = [params](const char* name) {
    Ref text(PyUnicode_InternFromString(name));
    return PySequence_Contains(params, text) == 1;
  };
  f->makes = takes("device") && (takes("requires_grad") || takes("pin_memory"));
  PyObject_GC_Track(f);
  return as_object(f);
}

// set_torch_function(enabled) -> what it was, of this thread.
PyObject* set_torch_function(PyObject*, PyObject* enabled) {
  const int now = PyObject_IsTrue(enabled);
  if (now < 0) return nullptr;
  const bool before = modes.torch_function;
  modes.torch_function = now;
  return PyBool_FromLong(before);
}

PyMethodDef module_functions[] = {{"front", make_front, METH_VARARGS, nullptr},
                                  {"set_torch_function", set_torch_function, METH_O, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyObject* as_method(PyObject* o) {
  if (!front_check(o)) return Py_NewRef(o);  // a plain function binds of itself
  Front* front = reinterpret_cast<Front*>(o)->front;
  if (front->method) return Py_NewRef(as_object(front->method));
  Front* made = PyObject_GC_New(Front, FrontMethodType);
  if (!made) throw PythonError();
  made->vectorcall = front_vectorcall;
  made->function = Py_NewRef(front->function);
  made->params = Py_NewRef(front->params);
  made->dict = Py_XNewRef(front->dict);
  made->front = front;
  made->method = nullptr;
  made->makes = front->makes;
  PyObject_GC_Track(made);
  Py_INCREF(front);  // the two live for ever
  front->method = made;
  return Py_NewRef(as_object(made));
}

int find_param(PyObject* const* params, Py_ssize_t n, PyObject* name) {
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (params[i] == name) return static_cast<int>(i);
  }
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (PyUnicode_Compare(params[i], name) == 0) return static_cast<int>(i);
  }
  for (const auto& pair : kSpellings) {
    if (PyUnicode_CompareWithASCIIString(name, pair[0]) != 0) continue;
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (!PyUnicode_CompareWithASCIIString(params[i], pair[1])) return static_cast<int>(i);
    }
  }
  return -1;
}

bool init_front(PyObject* module) {
  g_device_name = PyUnicode_InternFromString("device");
  static PyGetSetDef getset[] = {
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {"__defaults__", front_function_attribute, nullptr, nullptr,
       const_cast<char*>("__defaults__")},
      {"__kwdefaults__", front_function_attribute, nullptr, nullptr,
       const_cast<char*>("__kwdefaults__")},
      {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Front, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(Front, dict), READONLY, nullptr},
      {"__wrapped__", T_OBJECT, offsetof(Front, function), READONLY, nullptr},
      {"makes_tensors", T_BOOL, offsetof(Front, makes), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", front_reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(front_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(front_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(front_clear)},
                         {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_descr_get, reinterpret_cast<void*>(bind_to_tensor)},
                         {Py_tp_richcompare, reinterpret_cast<void*>(front_compare)},
                         {Py_tp_hash, reinterpret_cast<void*>(front_hash)},
                         {Py_tp_repr, reinterpret_cast<void*>(front_repr)},
                         {Py_tp_getset, getset},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.function", sizeof(Front), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                          Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  FrontType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  FrontMethodType = FrontType ? method_type("rushlight.method", FrontType) : nullptr;
  return FrontMethodType && PyModule_AddObjectRef(module, "Front", as_object(FrontType)) == 0 &&
         PyModule_AddFunctions(module, module_functions) == 0;
}

}  // namespace rl
