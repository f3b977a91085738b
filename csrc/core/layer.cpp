// Quick slots for nn.Module and its subclasses.
//
// Module is written in Python, and its methods define what attributes and calls mean. Python
// reaches __getattr__ and __call__ of a class through slots that build an exception or a frame
// first; the slots here do the common case (a registered parameter, a call without hooks) directly,
// and hand everything else to the Python methods. A class that overrides one of these methods keeps
// Python's own slot for it; so does one whose method is replaced later, because assigning to the
// class makes Python set the slot anew. (__setattr__ keeps its slot: object.__setattr__ refuses
// instances of classes that have another.)
#include "tensor.h"

namespace rl {
namespace {

PyTypeObject* g_layer;     // nn.Module
PyObject* g_getattr;       // its methods
PyObject* g_getattribute;  // object's
PyObject* g_call;
PyObject* g_global_hooks;  // tuple of the dictionaries of hooks that run for every module

struct Names {
  PyObject *parameters, *modules, *buffers, *unhooked, *forward, *call_impl, *getattr,
      *getattribute, *call;
  PyObject* hooks[4];  // the registries of those that a call runs
} g_names;

// The attributes of an instance, borrowed; null with an error set when there can be none.
PyObject* instance_dict(PyObject* self) {
  PyObject* dict = PyObject_GenericGetDict(self, nullptr);
  Py_XDECREF(dict);  // the instance keeps it
  return dict;
}

// The entry of a registry of this instance, borrowed; null without an error when there is none.
PyObject* registered(PyObject* dict, PyObject* registry_name, PyObject* name) {
  PyObject* registry = PyDict_GetItemWithError(dict, registry_name);
  if (!registry || !PyDict_Check(registry)) return nullptr;
  return PyDict_GetItemWithError(registry, name);
}

PyObject* layer_getattro(PyObject* self, PyObject* name) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject* descriptor = _PyType_Lookup(type, name);
  descrgetfunc get = nullptr;
  if (descriptor) {
    Py_INCREF(descriptor);
    get = Py_TYPE(descriptor)->tp_descr_get;
    if (get && Py_TYPE(descriptor)->tp_descr_set) {  // a property comes before the instance
      PyObject* value = get(descriptor, self, reinterpret_cast<PyObject*>(type));
      Py_DECREF(descriptor);
      return value;
    }
  }
  PyObject* dict = instance_dict(self);
  if (!dict) {
    Py_XDECREF(descriptor);
    return nullptr;
  }
  PyObject* value = PyDict_GetItemWithError(dict, name);
  if (value) {
    Py_INCREF(value);
    Py_XDECREF(descriptor);
    return value;
  }
  if (descriptor) {
    if (!get) return descriptor;
    value = get(descriptor, self, reinterpret_cast<PyObject*>(type));
    Py_DECREF(descriptor);
    return value;
  }
  for (PyObject* registry : {g_names.parameters, g_names.modules, g_names.buffers}) {
    if ((value = registered(dict, registry, name))) return Py_NewRef(value);
    if (PyErr_Occurred()) return nullptr;
  }
  return PyObject_CallFunctionObjArgs(g_getattr, self, name, nullptr);
}

// Whether the module has no hooks of its own: 1, 0, or -1 on an error. One that has its first hook
// loses the mark, and has registries from then on, which removing hooks leaves empty.
int has_no_hooks(PyObject* dict) {
  const int marked = PyDict_Contains(dict, g_names.unhooked);
  if (marked) return marked;
  for (PyObject* name : g_names.hooks) {
    PyObject* registry = PyDict_GetItemWithError(dict, name);
    if (registry ? !PyDict_Check(registry) || PyDict_Size(registry) : !!PyErr_Occurred())
      return PyErr_Occurred() ? -1 : 0;
  }
  return PyDict_Contains(dict, g_names.parameters);  // or Module.__init__() was not called
}

// Whether the call needs nothing but forward: 1, 0, or -1 on an error.
int is_unhooked(PyObject* dict) {
  const int own = has_no_hooks(dict);
  if (own <= 0) return own;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(g_global_hooks); ++i) {
    if (PyDict_Size(PyTuple_GET_ITEM(g_global_hooks, i))) return 0;
  }
  return 1;
}

// A function of the class called with the instance first, without a method object between.
PyObject* call_function(PyObject* function, PyObject* self, PyObject* args, PyObject* kwargs) {
  const Py_ssize_t n = PyTuple_GET_SIZE(args);
  const Py_ssize_t keywords = kwargs ? PyDict_GET_SIZE(kwargs) : 0;
  constexpr Py_ssize_t kRoom = 12;
  if (n + keywords + 1 > kRoom) {
    PyObject* method = PyMethod_New(function, self);
    if (!method) return nullptr;
    PyObject* result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
  }
  PyObject* stack[kRoom];
  stack[0] = self;
  for (Py_ssize_t i = 0; i < n; ++i) stack[i + 1] = PyTuple_GET_ITEM(args, i);
  PyObject* names = nullptr;
  if (keywords) {
    names = PyTuple_New(keywords);
    if (!names) return nullptr;
    PyObject *key, *value;
    Py_ssize_t at = 0, k = 0;
    while (PyDict_Next(kwargs, &at, &key, &value)) {
      PyTuple_SET_ITEM(names, k, Py_NewRef(key));
      stack[n + 1 + k++] = value;
    }
  }
  PyObject* result = PyObject_Vectorcall(function, stack, static_cast<size_t>(n + 1), names);
  Py_XDECREF(names);
  return result;
}

PyObject* layer_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* dict = instance_dict(self);
  if (!dict) return nullptr;
  const int unhooked = is_unhooked(dict);
  if (unhooked < 0) return nullptr;
  PyObject* name = unhooked ? g_names.forward : g_names.call_impl;
  const int own = PyDict_Contains(dict, name);  // forward can be set on one instance
  if (own < 0) return nullptr;
  PyObject* function = own ? nullptr : _PyType_Lookup(Py_TYPE(self), name);
  if (function && PyFunction_Check(function)) {
    Py_INCREF(function);
    PyObject* result = call_function(function, self, args, kwargs);
    Py_DECREF(function);
    return result;
  }
  PyObject* method = PyObject_GetAttr(self, name);
  if (!method) return nullptr;
  PyObject* result = PyObject_Call(method, args, kwargs);
  Py_DECREF(method);
  return result;
}

bool resolves(PyTypeObject* type, PyObject* name, PyObject* expected) {
  return _PyType_Lookup(type, name) == expected;
}

// quicken_module(cls): give a class the quick slots for those methods that are Module's own.
PyObject* quicken_module(PyObject*, PyObject* cls) {
  if (!PyType_Check(cls) || !g_layer ||
      !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), g_layer)) {
    PyErr_SetString(PyExc_TypeError, "quicken_module: expected a subclass of nn.Module");
    return nullptr;
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  if (resolves(type, g_names.getattr, g_getattr) &&
      resolves(type, g_names.getattribute, g_getattribute))
    type->tp_getattro = layer_getattro;
  if (resolves(type, g_names.call, g_call)) type->tp_call = layer_call;
  Py_RETURN_NONE;
}

// set_module_class(Module, dictionaries of the hooks for all modules)
PyObject* set_module_class(PyObject*, PyObject* args) {
  PyObject *cls, *hooks;
  if (!PyArg_ParseTuple(args, "O!O!", &PyType_Type, &cls, &PyTuple_Type, &hooks)) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks); ++i) {
    if (!PyDict_Check(PyTuple_GET_ITEM(hooks, i))) {
      PyErr_SetString(PyExc_TypeError, "set_module_class: expected a tuple of dictionaries");
      return nullptr;
    }
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  Py_XSETREF(g_global_hooks, Py_NewRef(hooks));
  for (auto [slot, name] : {std::pair{&g_getattr, g_names.getattr},
                            {&g_getattribute, g_names.getattribute},
                            {&g_call, g_names.call}}) {
    PyObject* method = _PyType_Lookup(type, name);
    if (!method)
      return PyErr_Format(PyExc_TypeError, "set_module_class: the class has no %U", name);
    Py_XSETREF(*slot, Py_NewRef(method));
  }
  Py_XSETREF(g_layer, reinterpret_cast<PyTypeObject*>(Py_NewRef(cls)));
  return quicken_module(nullptr, cls);
}

PyMethodDef functions[] = {{"quicken_module", quicken_module, METH_O, nullptr},
                           {"set_module_class", set_module_class, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_layer(PyObject* module) {
  auto intern = [](const char* t) { return PyUnicode_InternFromString(t); };
  g_names = {intern("_parameters"),
             intern("_modules"),
             intern("_buffers"),
             intern("_unhooked"),
             intern("forward"),
             intern("_call_impl"),
             intern("__getattr__"),
             intern("__getattribute__"),
             intern("__call__"),
             {intern("_forward_pre_hooks"), intern("_forward_hooks"), intern("_backward_pre_hooks"),
              intern("_backward_hooks")}};
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
