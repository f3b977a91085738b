// The graph as Python builds it: nodes of custom functions, saved tensors, hooks on saving.
#include "autograd.h"
#include "levels.h"

namespace rl {

// -- Python's own nodes ---------------------------------------------------------------------------

// connect(node, inputs, outputs): edges to the inputs' histories; node becomes the outputs'
// grad_fn.
static PyObject* connect(PyObject*, PyObject* args) {
  PyObject *node, *inputs, *outputs;
  if (!PyArg_ParseTuple(args, "O!O!O!", NodeType, &node, &PyTuple_Type, &inputs, &PyTuple_Type,
                        &outputs))
    return nullptr;
  try {
    Node* n = reinterpret_cast<Node*>(node);
    free_parts(n);
    allocate_parts(n, static_cast<int>(PyTuple_GET_SIZE(inputs)), 0,
                   static_cast<int>(PyTuple_GET_SIZE(outputs)));
    for (uint32_t i = 0; i < n->nedges; ++i) {
      PyObject* o = PyTuple_GET_ITEM(inputs, i);
      if (tensor_check(o) && needs_grad(as_tensor(o)) && on_tape(as_tensor(o)))
        n->edges[i] = edge_of(as_tensor(o));
    }
    n->sequence = next_sequence();
    for (uint32_t i = 0; i < n->noutputs; ++i) {
      PyObject* o = PyTuple_GET_ITEM(outputs, i);
      if (!tensor_check(o)) continue;
      node_output(n, static_cast<int>(i), as_tensor(o)->array);
      if (!is_differentiable(as_tensor(o)->array.dtype())) continue;
      attach(n, as_tensor(o), static_cast<int>(i));
      if (as_tensor(o)->base) as_tensor(o)->flags |= kOwnView | (n->noutputs > 1 ? kMultiView : 0);
    }
    if (g_anomaly) note_anomaly(n);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// connect_inplace(node, tensor, output_nr): the node's output was written into `tensor`.
static PyObject* connect_inplace(PyObject*, PyObject* args) {
  PyObject *node, *tensor;
  int nr;
  if (!PyArg_ParseTuple(args, "O!O!i", NodeType, &node, TensorType, &tensor, &nr)) return nullptr;
  try {
    rebase_history(as_tensor(tensor), reinterpret_cast<Node*>(node), nr);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* py_check_inplace(PyObject*, PyObject* t) {
  try {
    if (!tensor_check(t)) array_of(t);  // says what it is
    check_inplace(as_tensor(t));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* any_requires_grad(PyObject*, PyObject* o) {
  if (!modes.grad) Py_RETURN_FALSE;
  try {
    if (tensor_check(o)) return PyBool_FromLong(needs_grad(as_tensor(o)) && on_tape(as_tensor(o)));
    return PyBool_FromLong((PyList_Check(o) || PyTuple_Check(o)) && list_needs_grad(o));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* gradient_edge(PyObject*, PyObject* o) {
  try {
    array_of(o);
    Edge e = edge_of(as_tensor(o));
    if (!e.node)
      fail(ErrorType::Runtime,
           "It is not possible to get the gradient edge for a Tensor that does not require "
           "gradients");
    return Py_BuildValue("NI", as_object(e.node), e.nr);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

static PyObject* set_saved_hooks(PyObject*, PyObject* pair) {
  PyObject* old = t_saved_hooks ? t_saved_hooks : Py_NewRef(Py_None);
  t_saved_hooks = pair == Py_None ? nullptr : Py_NewRef(pair);
  return old;
}

// set_versions(tensors, versions): forget the in-place writes since then.
static PyObject* set_versions(PyObject*, PyObject* args) {
  PyObject *tensors, *versions;
  if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &tensors, &PyTuple_Type, &versions))
    return nullptr;
  return guarded([&]() -> PyObject* {
    const Py_ssize_t n = PyTuple_GET_SIZE(tensors);
    if (PyTuple_GET_SIZE(versions) != n)
      fail(ErrorType::Value, "set_versions: expected one version for each tensor");
    for (Py_ssize_t i = 0; i < n; ++i)
      array_of(PyTuple_GET_ITEM(tensors, i)).storage()->version =
          static_cast<uint32_t>(integer(PyTuple_GET_ITEM(versions, i)));
    Py_RETURN_NONE;
  });
}

// -- SavedTensor ----------------------------------------------------------------------------------

// What a Function saved; or, with a node, a name for what that keeps in one of its slots.
struct SavedObject {
  PyObject_HEAD Saved saved;
  bool released;
  Node* node;  // strong, or null
  uint32_t slot;
  Saved& kept() { return node ? node->saved[slot] : saved; }
  bool gone() const { return node ? node->released : released; }
};
static PyTypeObject* SavedType;

static SavedObject* saved_object(PyTypeObject* type) {
  SavedObject* s = reinterpret_cast<SavedObject*>(checked(type->tp_alloc(type, 0)));
  new (&s->saved) Saved();
  s->released = false;
  s->node = nullptr;
  s->slot = 0;
  return s;
}

PyObject* saved_slot(Node* n, uint32_t slot) {
  SavedObject* s = saved_object(SavedType);
  s->node = reinterpret_cast<Node*>(Py_NewRef(as_object(n)));
  s->slot = slot;
  return as_object(s);
}

// register_hooks(pack, unpack): the value is packed now, and unpacked when somebody wants it.
static PyObject* saved_register_hooks(SavedObject* s, PyObject* args) {
  PyObject *pack, *unpack;
  if (!PyArg_ParseTuple(args, "OO:register_hooks", &pack, &unpack)) return nullptr;
  return guarded([&]() -> PyObject* {
    if (!PyCallable_Check(pack) || !PyCallable_Check(unpack))
      fail(ErrorType::Type, "register_hooks(): expected two functions, to pack and to unpack");
    Saved& kept = s->kept();
    if (s->gone())
      fail(ErrorType::Runtime,
           "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate "
           "values of the graph are freed when you call .backward() or autograd.grad(). Specify "
           "retain_graph=True if you need to backward through the graph a second time or if you "
           "need to access saved variables after calling backward.");
    if (kept.kind == Saved::Packed)
      fail(ErrorType::Runtime,
           "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only "
           "one pair of hooks is allowed at a time.");
    if (kept.kind != Saved::Input && kept.kind != Saved::Output)
      fail(ErrorType::Runtime,
           "Calling register_hooks on a saved tensor with value None is forbidden");
    const bool output = kept.kind == Saved::Output;
    Ref value(kept.object ? Py_NewRef(kept.object) : as_object(tensor_new(kept.array)));
    Tensor* t = as_tensor(value);
    Edge edge = !output && needs_grad(t) ? edge_of(t) : Edge{nullptr, 0};
    Ref history(output      ? Py_NewRef(Py_True)
                : edge.node ? as_object(edge.node)
                            : Py_NewRef(Py_None));
    Ref pair(checked(PyTuple_Pack(2, pack, unpack)));
    struct Hooks {
      PyObject* const before;
      ~Hooks() { t_saved_hooks = before; }
    } hooks{std::exchange(t_saved_hooks, pair.p)};
    Saved packed;
    pack_saved(packed, t, history, output ? kept.output_nr : edge.nr);
    Ref old(std::exchange(kept.object, std::exchange(packed.object, nullptr)));
    kept.kind = Saved::Packed;
    kept.output_nr = packed.output_nr;
    kept.array = Array();
    Py_RETURN_NONE;
  });
}

static PyObject* saved_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"tensor", "is_output", nullptr};
  PyObject* tensor;
  int is_output = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", const_cast<char**>(names), &tensor,
                                   &is_output))
    return nullptr;
  SavedObject* s = nullptr;
  try {
    s = saved_object(type);
    const bool sparse = tensor_check(tensor) && (as_tensor(tensor)->flags & kSparse);
    if (sparse) is_output = 0;  // kept as a whole: its elements are not in the array
    if (is_output && tensor_check(tensor) && !t_saved_hooks) {
      s->saved.kind = Saved::Output;
      s->saved.array = as_tensor(tensor)->array;
      s->saved.version = s->saved.array.storage()->version;
      s->saved.output_nr = output_nr_of(as_tensor(tensor));
      if (as_tensor(tensor)->flags & (kWrapped | kDual))
        s->saved.object = as_object(shallow_copy(as_tensor(tensor)));
    } else if (is_output && tensor_check(tensor)) {
      pack_saved(s->saved, as_tensor(tensor), Py_True, output_nr_of(as_tensor(tensor)));
    } else {
      save_input(s->saved, tensor, false);
    }
    return as_object(s);
  } catch (...) {
    translate_exception();
    Py_XDECREF(s);
    return nullptr;
  }
}
static int saved_traverse(SavedObject* s, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(s));
  Py_VISIT(s->saved.object);
  Py_VISIT(s->node);
  return 0;
}
static int saved_clear(SavedObject* s) {
  Py_CLEAR(s->saved.object);
  Py_CLEAR(s->node);
  return 0;
}
static void saved_dealloc(SavedObject* s) {
  PyTypeObject* type = Py_TYPE(s);
  PyObject_GC_UnTrack(s);
  saved_clear(s);
  s->saved.~Saved();
  type->tp_free(s);
  Py_DECREF(type);
}
static PyObject* saved_unpack(SavedObject* s, PyObject* args) {
  PyObject* node = nullptr;
  int nr = -1;
  if (!PyArg_ParseTuple(args, "O|i", &node, &nr)) return nullptr;
  try {
    if (s->released) fail_freed();
    if (s->saved.kind == Saved::Output && nr >= 0) s->saved.output_nr = static_cast<uint32_t>(nr);
    const bool own = s->saved.kind == Saved::Output ||
                     (s->saved.kind == Saved::Packed &&
                      PyTuple_GET_ITEM(s->saved.object, 2) == Py_True);  // has the node's history
    if (node == Py_None && !own) return unpack_saved(nullptr, s->saved);
    if (!PyObject_TypeCheck(node, NodeType))
      fail(ErrorType::Type, "unpack(): expected a Node, got %s", Py_TYPE(node)->tp_name);
    return unpack_saved(reinterpret_cast<Node*>(node), s->saved);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* saved_tensor(PyObject* o) {
  if (!PyObject_TypeCheck(o, SavedType)) return nullptr;
  const Saved& s = reinterpret_cast<SavedObject*>(o)->saved;
  return s.kind == Saved::Input || s.kind == Saved::Output ? s.object : nullptr;
}
static PyObject* saved_release(SavedObject* s, PyObject*) {
  saved_clear(s);
  s->saved.array = Array();
  s->saved.kind = Saved::Empty;
  s->released = true;
  Py_RETURN_NONE;
}

bool init_saved(PyObject* module) {
  static PyMethodDef saved_methods[] = {
      {"unpack", (PyCFunction)saved_unpack, METH_VARARGS, "The tensor as it was saved."},
      {"register_hooks", (PyCFunction)saved_register_hooks, METH_VARARGS,
       "Functions that pack what was saved, now, and unpack it when it is wanted."},
      {"release", (PyCFunction)saved_release, METH_NOARGS, "Drop what was saved."},
      {nullptr, nullptr, 0, nullptr}};
  PyType_Slot saved_slots[] = {{Py_tp_new, reinterpret_cast<void*>(saved_new)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(saved_dealloc)},
                               {Py_tp_traverse, reinterpret_cast<void*>(saved_traverse)},
                               {Py_tp_clear, reinterpret_cast<void*>(saved_clear)},
                               {Py_tp_methods, saved_methods},
                               {0, nullptr}};
  PyType_Spec saved_spec = {"rushlight.SavedTensor", sizeof(SavedObject), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, saved_slots};
  SavedType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&saved_spec));
  static PyMethodDef functions[] = {{"connect", connect, METH_VARARGS, nullptr},
                                    {"connect_inplace", connect_inplace, METH_VARARGS, nullptr},
                                    {"check_inplace", py_check_inplace, METH_O, nullptr},
                                    {"any_requires_grad", any_requires_grad, METH_O, nullptr},
                                    {"gradient_edge", gradient_edge, METH_O, nullptr},
                                    {"set_saved_hooks", set_saved_hooks, METH_O, nullptr},
                                    {"set_versions", set_versions, METH_VARARGS, nullptr},
                                    {nullptr, nullptr, 0, nullptr}};
  return SavedType && PyModule_AddObjectRef(module, "SavedTensor", as_object(SavedType)) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl
