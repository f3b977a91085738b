// Nodes as Python sees them: their classes, what grad_fn tells about a call, calling one.
#include "engine.h"

#include <structmember.h>

#include <cstring>

namespace rl {

PyTypeObject *NodeType, *AccumulateGradType, *CopySlicesType, *AsStridedType;
bool g_anomaly, g_anomaly_check_nan = true;

PyObject* node_dict(Node* n, const char* key) {
  if (!n->extra) n->extra = PyDict_New();
  if (!n->extra) return nullptr;
  if (PyObject* d = PyDict_GetItemString(n->extra, key)) return Py_NewRef(d);
  Ref d(PyDict_New());
  return d && PyDict_SetItemString(n->extra, key, d) == 0 ? d.release() : nullptr;
}

PyObject* node_metadata(Node* n, void*) { return node_dict(n, "metadata"); }

std::string maker_name(const Node* n) {
  std::string name = node_label(const_cast<Node*>(n));
  if (Py_TYPE(n) == CopySlicesType) return "torch::autograd::CopySlices";
  const size_t end = name.rfind("Backward");
  return end == std::string::npos ? name : name.substr(0, end);
}

namespace {

PyObject* node_tp_new(PyTypeObject* type, PyObject*, PyObject*) {  // nodes written in Python
  if (type == NodeType) {
    PyErr_SetString(PyExc_TypeError,
                    "Can't instantiate abstract class Node: operators make nodes when they record");
    return nullptr;
  }
  Node* n = reinterpret_cast<Node*>(PyType_GenericAlloc(type, 0));
  if (n) node_init(n, nullptr);
  return as_object(n);
}

PyObject* node_name(Node* n, PyObject*) {
  const bool in_namespace = Py_TYPE(n) == CopySlicesType || Py_TYPE(n) == AccumulateGradType;
  return PyUnicode_FromString(((in_namespace ? "torch::autograd::" : "") + node_label(n)).c_str());
}

PyObject* node_repr(Node* n) {
  if (Py_TYPE(n)->tp_dictoffset) {  // a class of Python's, in a module
    Ref module(PyObject_GetAttrString(as_object(Py_TYPE(n)), "__module__"));
    if (!module) return nullptr;
    return PyUnicode_FromFormat("<%S.%s object at %p>", module.p, node_label(n).c_str(), n);
  }
  return PyUnicode_FromFormat("<%s object at %p>", node_label(n).c_str(), n);
}

PyObject* node_sequence(Node* n, PyObject*) { return PyLong_FromUnsignedLongLong(n->sequence); }
PyObject* set_sequence(Node* n, PyObject* value) {
  const unsigned long long sequence = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred()) return nullptr;
  n->sequence = sequence;
  Py_RETURN_NONE;
}

PyObject* next_functions(Node* n, void*) {
  return guarded([&] {
    Ref tuple(checked(PyTuple_New(n->nedges)));
    for (uint32_t i = 0; i < n->nedges; ++i) {
      PyObject* node = n->edges[i].node ? as_object(n->edges[i].node) : Py_None;
      PyTuple_SET_ITEM(tuple.p, i, checked(Py_BuildValue("OI", node, n->edges[i].nr)));
    }
    return tuple.release();
  });
}

PyObject* node_sub_dict(Node* n, PyObject* key) {
  const char* name = PyUnicode_AsUTF8(key);
  return name ? node_dict(n, name) : nullptr;
}

PyObject* node_variable(Node* n, void*) {
  if (!n->variable) {
    PyErr_SetString(PyExc_AttributeError, "variable: only AccumulateGrad nodes have one");
    return nullptr;
  }
  return Py_NewRef(as_object(n->variable));
}
PyObject* node_released(Node* n, void*) { return PyBool_FromLong(n->released); }

PyObject* node_requires_grad(Node* n, void*) {
  bool any = n->variable;
  for (uint32_t i = 0; i < n->nedges; ++i) any = any || n->edges[i].node;
  return PyBool_FromLong(any);
}

// (shape, dtype) of each output.
PyObject* input_metadata(Node* n, void*) {
  return guarded([&] {
    Ref list(checked(PyList_New(0)));
    auto add = [&](Shape shape, DType dtype) {
      Ref size(size_object(shape));
      Ref pair(checked(PyTuple_Pack(2, size.p, dtype_object(dtype))));
      if (PyList_Append(list, pair) < 0) throw PythonError();
    };
    if (n->variable) add(n->variable->array.shape(), n->variable->array.dtype());
    for (uint32_t i = 0; i < n->noutputs; ++i) add(n->outputs[i].shape(), n->outputs[i].dtype);
    return list.release();
  });
}

// -- what a node keeps --------------------------------------------------------------------------

// A slot under the name that PyTorch has for it: `_saved_self` is the parameter `input`,
// `_saved_result` the output, `_saved_self_sym_sizes` a shape. Empty: not shown.
std::string saved_name(const OpSpec& s, const SavedSlot& slot) {
  if (slot.kind == SavedKind::Output) {
    if (s.outputs == Outputs::One) return "result";
    return "result" + std::to_string(slot.index);
  }
  const char* param = PyUnicode_AsUTF8(s.params[slot.index]);
  std::string name = param && strcmp(param, "input") == 0 ? "self" : param ? param : "";
  if (slot.kind == SavedKind::ParamShape) return name + "_sym_sizes";
  if (slot.kind == SavedKind::ParamDtype) return name + "_scalar_type";
  return name;
}

PyObject* saved_value(Node* n, size_t i) {
  const Saved& s = n->saved[i];
  if (n->released && s.kind == Saved::Empty) fail_freed();
  return unpack_saved(n, n->saved[i]);
}

// Whether a slot is for a tensor, one that may be absent now.
bool holds(const Node* n, size_t i) {
  const Saved& s = n->saved[i];
  const SavedKind kind = n->spec->slots[i].kind;
  return s.kind != Saved::Value && (kind == SavedKind::Param || kind == SavedKind::Output);
}

PyObject* node_getattro(PyObject* self, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(self, name);
  Node* n = reinterpret_cast<Node*>(self);
  if (found || !n->spec || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  const char* text = PyUnicode_AsUTF8(name);
  const bool raw = text && strncmp(text, "_raw_saved_", 11) == 0;
  if (!raw && (!text || strncmp(text, "_saved_", 7) != 0)) return nullptr;
  const char* wanted = text + (raw ? 11 : 7);
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  for (size_t i = 0; i < n->nsaved && i < n->spec->slots.size(); ++i) {
    if (saved_name(*n->spec, n->spec->slots[i]) != wanted || (raw && !holds(n, i))) continue;
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return guarded(
        [&] { return raw ? saved_slot(n, static_cast<uint32_t>(i)) : saved_value(n, i); });
  }
  PyErr_Restore(type, value, trace);
  return nullptr;
}

PyObject* node_dir(PyObject* self, PyObject*) {
  Ref list(PyObject_CallMethod(as_object(&PyBaseObject_Type), "__dir__", "O", self));
  Node* n = reinterpret_cast<Node*>(self);
  for (size_t i = 0; list && n->spec && i < n->nsaved && i < n->spec->slots.size(); ++i) {
    const std::string saved = "_saved_" + saved_name(*n->spec, n->spec->slots[i]);
    Ref name(PyUnicode_FromString(saved.c_str())),
        raw(PyUnicode_FromString(("_raw" + saved).c_str()));
    if (!name || !raw || PyList_Append(list, name) < 0) return nullptr;
    if (holds(n, i) && PyList_Append(list, raw) < 0) return nullptr;
  }
  return list.release();
}

// Gradients of the inputs from those of the outputs, without hooks.
PyObject* node_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Node* n = reinterpret_cast<Node*>(self);
    const size_t count = std::max<size_t>(n->variable ? 1 : n->noutputs, 1);
    if ((kwargs && PyDict_GET_SIZE(kwargs)) ||
        PyTuple_GET_SIZE(args) != static_cast<Py_ssize_t>(count))
      fail(ErrorType::Type, "%s: expected %zu gradients, got %zd", node_label(n).c_str(), count,
           PyTuple_GET_SIZE(args));
    Gradients gradients(count);
    bool any = !n->spec;
    for (size_t i = 0; i < count; ++i) {
      PyObject* g = PyTuple_GET_ITEM(args, static_cast<Py_ssize_t>(i));
      if (g != Py_None && !tensor_check(g))
        fail(ErrorType::Type, "expected Variable or None (got %s)", Py_TYPE(g)->tp_name);
      gradients[i] = g == Py_None ? nullptr : g;
      any = any || g != Py_None;
    }
    if (n->variable) {
      if (gradients[0]) accumulate_into(n->variable, Ref(Py_NewRef(gradients[0])), modes.grad);
      return PyTuple_New(0);
    }
    Results out(n->nedges);
    ResultsGuard guard{out};
    if (any) run_node(n, gradients, out);
    if (out.size() == 1) return Py_NewRef(out[0] ? out[0] : Py_None);
    return gradient_tuple(out);
  });
}

PyGetSetDef node_getset[] = {
    {"next_functions", (getter)next_functions, nullptr,
     "((node, input number), ...) one per input.", nullptr},
    {"metadata", (getter)node_metadata, nullptr, "A dict for users' notes.", nullptr},
    {"variable", (getter)node_variable, nullptr, "The leaf whose gradient this node accumulates.",
     nullptr},
    {"requires_grad", (getter)node_requires_grad, nullptr, nullptr, nullptr},
    {"_input_metadata", (getter)input_metadata, nullptr, nullptr, nullptr},
    {"_released", (getter)node_released, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef node_methods[] = {
    {"name", (PyCFunction)node_name, METH_NOARGS, "The node's class name."},
    {"_sequence_nr", (PyCFunction)node_sequence, METH_NOARGS, nullptr},
    {"_set_sequence_nr", (PyCFunction)set_sequence, METH_O, nullptr},
    {"_sub_dict", (PyCFunction)node_sub_dict, METH_O, nullptr},
    {"__dir__", node_dir, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyMemberDef node_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

PyTypeObject* node_subtype(const std::string& name) {
  // The type keeps a pointer to its name: it lives for ever.
  char* full = strdup(("rushlight." + name).c_str());
  // Named here, or heap types would get the generic (slower) deallocator.
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {0, nullptr}};
  PyType_Spec spec = {full, sizeof(Node), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  Ref bases(checked(PyTuple_Pack(1, NodeType)));
  Ref type(checked(PyType_FromSpecWithBases(&spec, bases)));
  // Named without a module, as PyTorch's are.
  Ref plain(checked(PyUnicode_FromString(name.c_str()))),
      module(checked(PyUnicode_FromString("builtins")));
  if (PyObject_SetAttrString(type, "__name__", plain) < 0 ||
      PyObject_SetAttrString(type, "__module__", module) < 0)
    throw PythonError();
  return reinterpret_cast<PyTypeObject*>(type.release());
}

bool init_nodes(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(node_tp_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                         {Py_tp_call, reinterpret_cast<void*>(node_call)},
                         {Py_tp_getattro, reinterpret_cast<void*>(node_getattro)},
                         {Py_tp_getset, node_getset},
                         {Py_tp_methods, node_methods},
                         {Py_tp_members, node_members},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.Node", sizeof(Node), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  NodeType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!NodeType) return false;
  try {
    AccumulateGradType = node_subtype("AccumulateGrad");
    CopySlicesType = node_subtype("CopySlices");
    AsStridedType = node_subtype("AsStridedBackward0");
  } catch (...) {
    translate_exception();
    return false;
  }
  return PyModule_AddObjectRef(module, "Node", as_object(NodeType)) == 0 &&
         PyModule_AddObjectRef(module, "AccumulateGrad", as_object(AccumulateGradType)) == 0;
}

}  // namespace rl
