// Operators as Python objects: made from a declaration, looked up, put into number slots.
#include "autograd.h"
#include "levels.h"

#include <structmember.h>

#include <memory>
#include <unordered_map>

namespace rl {

PyTypeObject *OpType, *MethodType;
Op* g_slots[64];

namespace {

std::unordered_map<std::string, Op*> g_ops;

PyObject* op_repr(PyObject* self) {
  Op* op = reinterpret_cast<Op*>(self);
  return PyUnicode_FromFormat("<built-in method %s%s of rushlight>", op->spec->name.c_str(),
                              op->inplace ? "_" : "");
}
PyObject* op_compare(PyObject* a, PyObject* b, int how) {
  return compare_functions(how, op_check(b) && function_of(reinterpret_cast<Op*>(a)) ==
                                                   function_of(reinterpret_cast<Op*>(b)));
}
Py_hash_t op_hash(PyObject* self) {
  return _Py_HashPointer(function_of(reinterpret_cast<Op*>(self)));
}
void op_dealloc(PyObject* self) {
  Op* op = reinterpret_cast<Op*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(op->dict);
  PyObject_Free(self);
  Py_DECREF(type);
}
PyObject* op_name(PyObject* self, void*) {
  Op* op = reinterpret_cast<Op*>(self);
  return PyUnicode_FromFormat("%s%s", op->spec->name.c_str(), op->inplace ? "_" : "");
}
PyObject* op_is_inplace(PyObject* self, void*) {
  return PyBool_FromLong(reinterpret_cast<Op*>(self)->inplace);
}
PyObject* op_is_random(PyObject* o, void*) {
  return PyBool_FromLong(reinterpret_cast<Op*>(o)->spec->random);
}
PyObject* op_is_view(PyObject* self, void*) {
  return PyBool_FromLong(reinterpret_cast<Op*>(self)->spec->view);
}
PyObject* op_has_kernel(PyObject* self, void*) {
  const OpSpec* s = reinterpret_cast<Op*>(self)->spec;
  return PyBool_FromLong(s->kernel || s->loops);
}
PyObject* op_reduce(PyObject* self, PyObject*) {
  PyObject* module = PyImport_ImportModule("rushlight._C");
  PyObject* fn = module ? PyObject_GetAttrString(module, "op_by_name") : nullptr;
  Py_XDECREF(module);
  Op* op = reinterpret_cast<Op*>(self);
  return fn ? Py_BuildValue("N(sOO)", fn, op->spec->name.c_str(), op->inplace ? Py_True : Py_False,
                            Py_TYPE(self) == MethodType ? Py_True : Py_False)
            : nullptr;
}

// -- making -------------------------------------------------------------------------------------

PyObject* attr(PyObject* o, const char* name) { return checked(PyObject_GetAttrString(o, name)); }

int int_attr(PyObject* o, const char* name) {
  Ref v(attr(o, name));
  const long n = PyLong_AsLong(v);
  if (n == -1 && PyErr_Occurred()) throw PythonError();
  return static_cast<int>(n);
}

void read_gradients(OpSpec& s, PyObject* d) {
  Ref differentiable(attr(d, "differentiable")), grads(attr(d, "grads")), slots(attr(d, "slots"));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(differentiable.p); ++i) {
    s.differentiable.push_back(
        static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(differentiable.p, i))));
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(grads.p); ++i) {  // (function, ((source, slot), ...))
    PyObject* entry = PyTuple_GET_ITEM(grads.p, i);
    GradFn g;
    g.fn = Py_NewRef(PyTuple_GET_ITEM(entry, 0));
    PyObject* list = PyTuple_GET_ITEM(entry, 1);
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(list); ++k) {
      int source, slot;
      if (!PyArg_ParseTuple(PyTuple_GET_ITEM(list, k), "ii", &source, &slot)) throw PythonError();
      g.args.push_back({static_cast<Source>(source), slot});
    }
    s.grads.push_back(std::move(g));
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(slots.p); ++i) {
    int kind, index;
    unsigned users;
    if (!PyArg_ParseTuple(PyTuple_GET_ITEM(slots.p, i), "iiI", &kind, &index, &users))
      throw PythonError();
    s.slots.push_back({static_cast<SavedKind>(kind), index, users});
  }
  s.joint = int_attr(d, "joint");
}

// One of the forms of an operator, which all live for ever.
Op* form_of(OpSpec* spec, bool inplace, bool method) {
  Op*& form = (method ? spec->methods : spec->functions)[inplace];
  if (form) return form;
  Op* function = method ? form_of(spec, inplace, false) : nullptr;
  Op* op = PyObject_New(Op, method ? MethodType : OpType);
  if (!op) throw PythonError();
  op->vectorcall = op_vectorcall;
  op->spec = spec;
  op->dict = function ? Py_XNewRef(function->dict) : nullptr;
  op->inplace = inplace;
  return form = op;
}

// method(function): what stands for it as an attribute of Tensor, where calls bind the tensor.
PyObject* method(PyObject*, PyObject* o) {
  return guarded([&] {
    if (!op_check(o)) return as_method(o);
    const Op* op = reinterpret_cast<Op*>(o);
    return Py_NewRef(as_object(form_of(op->spec, op->inplace, true)));
  });
}

// make_op(declaration): an object with the attributes read here (see rushlight/op.py).
PyObject* make_op(PyObject*, PyObject* d) {
  try {
    auto spec = std::make_unique<OpSpec>();
    OpSpec& s = *spec;
    Ref name(attr(d, "name")), params(attr(d, "params")), defaults(attr(d, "defaults")),
        kernel(attr(d, "kernel")), node(attr(d, "node"));
    s.name = PyUnicode_AsUTF8(name);
    s.name_object = Py_NewRef(name);
    s.nparams = static_cast<int>(PyTuple_GET_SIZE(params.p));
    if (s.nparams > kMaxParams)
      fail(ErrorType::Type, "op %s: at most %d parameters, got %d", s.name.c_str(), kMaxParams,
           s.nparams);
    for (int i = 0; i < s.nparams; ++i) {
      s.params[i] = Py_NewRef(PyTuple_GET_ITEM(params.p, i));
      PyUnicode_InternInPlace(&s.params[i]);
      PyObject* v = PyTuple_GET_ITEM(defaults.p, i);
      s.defaults[i] = v == Py_NotImplemented ? nullptr : Py_NewRef(v);
    }
    s.npositional = int_attr(d, "npositional");
    s.varargs = int_attr(d, "varargs");
    s.pointwise = int_attr(d, "pointwise");
    s.numbers = static_cast<uint32_t>(int_attr(d, "numbers"));
    s.promote = static_cast<Promote>(int_attr(d, "promote"));
    s.view = int_attr(d, "view");
    s.outputs = static_cast<Outputs>(int_attr(d, "outputs"));
    Ref return_type(attr(d, "return_type"));
    if (return_type != Py_None) s.return_type = Py_NewRef(return_type);
    s.exact_out = int_attr(d, "exact_out");
    s.grad_outputs = int_attr(d, "grad_outputs");
    s.random = int_attr(d, "random");
    std::string names = PyUnicode_AsUTF8(node);  // "SumBackward0", or "SumBackward0 SumBackward1"
    for (int form = 0; form < 3 && !names.empty(); ++form) {
      const size_t space = names.find(' ');
      s.node_names[form] = names.substr(0, space);
      names = space == std::string::npos ? "" : names.substr(space + 1);
    }
    s.forward = attr(d, "forward");
    if (s.pointwise) s.loops = find_loops(PyUnicode_AsUTF8(kernel));
    if (!s.loops) s.kernel = find_kernel(PyUnicode_AsUTF8(kernel));
    s.stored = s.view ? 255 : moved_families(PyUnicode_AsUTF8(kernel));
    read_gradients(s, d);
    OpSpec* kept = spec.release();
    Op* op = g_ops[kept->name] = form_of(kept, false, false);
    return Py_NewRef(as_object(op));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* inplace_form(PyObject*, PyObject* op) {
  try {
    if (!op_check(op))
      fail(ErrorType::Type, "inplace_form: expected an operator, got %s", Py_TYPE(op)->tp_name);
    return Py_NewRef(as_object(form_of(reinterpret_cast<Op*>(op)->spec, true, false)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* set_slot(PyObject*, PyObject* args) {
  const char* dunder;
  PyObject* op;
  if (!PyArg_ParseTuple(args, "sO", &dunder, &op)) return nullptr;
  const int i = slot_index(dunder);
  if (!op_check(op)) {
    PyErr_Format(PyExc_TypeError, "set_slot: expected an operator, got %s", Py_TYPE(op)->tp_name);
    return nullptr;
  }
  if (i < 0) {
    PyErr_Format(PyExc_ValueError, "set_slot: no number slot is named %s", dunder);
    return nullptr;
  }
  g_slots[i] = reinterpret_cast<Op*>(Py_NewRef(op));
  Py_RETURN_NONE;
}

PyObject* op_by_name(PyObject*, PyObject* args) {
  const char* name;
  int inplace = 0, method = 0;
  if (!PyArg_ParseTuple(args, "s|pp", &name, &inplace, &method)) return nullptr;
  try {
    return Py_NewRef(as_object(form_of(find_op(name)->spec, inplace, method)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* push_interpreter(PyObject*, PyObject* o) {
  Ref list(modes.interpreters
               ? PyList_GetSlice(modes.interpreters, 0, PyList_GET_SIZE(modes.interpreters))
               : PyList_New(0));
  if (!list || PyList_Append(list, o) < 0) return nullptr;
  set_interpreters(list);
  Py_RETURN_NONE;
}
PyObject* pop_interpreter(PyObject*, PyObject*) {
  PyObject* list = modes.interpreters;
  if (!list) {
    PyErr_SetString(PyExc_RuntimeError, "pop_interpreter: no interpreter is active");
    return nullptr;
  }
  const Py_ssize_t n = PyList_GET_SIZE(list);
  Ref top(Py_NewRef(PyList_GET_ITEM(list, n - 1)));
  Ref outer(n > 1 ? PyList_GetSlice(list, 0, n - 1) : nullptr);
  if (n > 1 && !outer) return nullptr;
  set_interpreters(outer);
  return top.release();
}
PyObject* py_result_type(PyObject*, PyObject* const* args, Py_ssize_t n) {
  try {
    return Py_NewRef(dtype_object(result_type(args, static_cast<int>(n))));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// Python takes a class whose __getitem__ or __len__ was assigned for a sequence, also after the
// methods of a mapping come back; Tensor is none.
PyObject* not_a_sequence(PyObject*, PyObject* type) {
  auto* tensors = reinterpret_cast<PyTypeObject*>(type);
  if (!PyType_Check(type) || !PyType_IsSubtype(tensors, TensorType)) {
    PyErr_SetString(PyExc_TypeError, "not_a_sequence: expected a class of tensors");
    return nullptr;
  }
  PySequenceMethods* sequence = tensors->tp_as_sequence;
  sequence->sq_length = nullptr;
  sequence->sq_item = nullptr;
  sequence->sq_ass_item = nullptr;
  PyType_Modified(tensors);
  Py_RETURN_NONE;
}

// conj(x) costs nothing where it changes nothing: real tensors and real numbers.
PyObject* conj(PyObject*, PyObject* x) {
  if (PyFloat_Check(x) || PyLong_Check(x)) return Py_NewRef(x);
  if (tensor_check(x) && !is_complex(as_tensor(x)->array.dtype())) return Py_NewRef(x);
  return PyObject_CallMethod(x, tensor_check(x) ? "conj" : "conjugate", nullptr);
}

PyMethodDef module_functions[] = {
    {"make_op", make_op, METH_O, nullptr},
    {"inplace_form", inplace_form, METH_O, nullptr},
    {"method", method, METH_O, nullptr},
    {"set_slot", set_slot, METH_VARARGS, nullptr},
    {"op_by_name", op_by_name, METH_VARARGS, nullptr},
    {"push_interpreter", push_interpreter, METH_O, nullptr},
    {"pop_interpreter", pop_interpreter, METH_NOARGS, nullptr},
    {"result_type", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(py_result_type)),
     METH_FASTCALL, nullptr},
    {"conj", conj, METH_O, nullptr},
    {"not_a_sequence", not_a_sequence, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyObject* compare_functions(int how, bool same) {
  if (how != Py_EQ && how != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong(same == (how == Py_EQ));
}
PyObject* bind_to_tensor(PyObject* self, PyObject* instance, PyObject*) {
  return instance && tensor_check(instance) ? PyMethod_New(self, instance) : Py_NewRef(self);
}

// Python calls what has this flag with the instance in front, without a bound method between. It
// asks no class, so only attributes of Tensor may have it.
PyTypeObject* method_type(const char* name, PyTypeObject* base) {
  PyType_Slot slots[] = {{Py_tp_descr_get, reinterpret_cast<void*>(bind_to_tensor)}, {0, nullptr}};
  PyType_Spec spec = {name, 0, 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
                          Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  Ref bases(PyTuple_Pack(1, base));
  return bases ? reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&spec, bases)) : nullptr;
}

Op* find_op(const char* name) {
  auto it = g_ops.find(name);
  if (it == g_ops.end()) fail(ErrorType::Runtime, "rushlight: no operator is named %s", name);
  return it->second;
}

Op* find_inplace(const char* name) {
  return reinterpret_cast<Op*>(call_helper("inplace_form", {as_object(find_op(name))}));
}

bool init_op(PyObject* module) {
  init_binding();
  static PyGetSetDef getset[] = {
      {"__name__", op_name, nullptr, nullptr, nullptr},
      {"inplace", op_is_inplace, nullptr, nullptr, nullptr},
      {"is_view", op_is_view, nullptr, nullptr, nullptr},
      {"random", op_is_random, nullptr, nullptr, nullptr},
      {"has_kernel", op_has_kernel, nullptr, nullptr, nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Op, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(Op, dict), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
                         {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_descr_get, reinterpret_cast<void*>(bind_to_tensor)},
                         {Py_tp_richcompare, reinterpret_cast<void*>(op_compare)},
                         {Py_tp_hash, reinterpret_cast<void*>(op_hash)},
                         {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                         {Py_tp_getset, getset},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec = {"rushlight.Op", sizeof(Op), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL |
                          Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  OpType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  MethodType = OpType ? method_type("rushlight.Method", OpType) : nullptr;
  static PyMethodDef plain = {"call_plain",
                              reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_plain)),
                              METH_FASTCALL, nullptr};
  return MethodType && PyModule_AddObjectRef(module, "Op", as_object(OpType)) == 0 &&
         PyModule_AddFunctions(module, module_functions) == 0 &&
         PyModule_AddObject(module, "call_plain", PyCFunction_New(&plain, nullptr)) == 0;
}

}  // namespace rl
