// Hooks on gradients: on tensors, before and after nodes, and what each may change.
#include "engine.h"

namespace rl {
namespace {

std::string hook_name(PyObject* hook) {
  Ref name(PyObject_GetAttrString(hook, "__name__"));
  const char* text = name && PyUnicode_Check(name.p) ? PyUnicode_AsUTF8(name) : nullptr;
  PyErr_Clear();
  return text ? text : "<unknown>";
}

// A hook may put a gradient of the same shape and dtype in the place of another, or None.
void check_replacement(PyObject* hook, PyObject* before, PyObject* after) {
  if (after == Py_None) return;
  if (!tensor_check(after))
    fail(ErrorType::Type, "expected Variable, but hook returned '%s'", Py_TYPE(after)->tp_name);
  if (before == Py_None)
    fail(ErrorType::Runtime, "can't replace a None gradient with a non-None value");
  const Array &a = as_tensor(before)->array, &b = as_tensor(after)->array;
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime,
         "hook '%s' has changed the type of value (was torch.%sTensor got torch.%sTensor)",
         hook_name(hook).c_str(), dtype_scalar_name(a.dtype()), dtype_scalar_name(b.dtype()));
  if (!a.same_shape(b))
    fail(ErrorType::Runtime, "hook '%s' has changed the size of value", hook_name(hook).c_str());
}

// Puts what a node's hook returned in the place of `gradients`.
void replace_all(PyObject* hook, PyObject* got, Gradients& gradients) {
  if (got == Py_None) return;
  if (!PyTuple_Check(got))
    fail(ErrorType::Type, "expected tuple, but hook returned '%s'", Py_TYPE(got)->tp_name);
  if (PyTuple_GET_SIZE(got) != static_cast<Py_ssize_t>(gradients.size()))
    fail(ErrorType::Runtime,
         "hook '%s' has returned an incorrect number of values (got %zd, but expected %zu)",
         hook_name(hook).c_str(), PyTuple_GET_SIZE(got), gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i)
    check_replacement(hook, gradients[i] ? gradients[i] : Py_None,
                      PyTuple_GET_ITEM(got, static_cast<Py_ssize_t>(i)));
  for (size_t i = 0; i < gradients.size(); ++i) {
    PyObject* o = none_to_null(Py_NewRef(PyTuple_GET_ITEM(got, static_cast<Py_ssize_t>(i))));
    Py_XSETREF(gradients[i], o);
  }
}

}  // namespace

PyObject* extra_item(Node* n, const char* key) {  // borrowed or null
  return n->extra ? PyDict_GetItemString(n->extra, key) : nullptr;
}

// The callables of a hook dict, one after the other; each may replace the gradient. None stands
// for a gradient that did not arrive.
static void run_dict(PyObject* dict, PyObject*& slot) {
  Ref hooks(checked(PyDict_Values(dict)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
    PyObject* hook = PyList_GET_ITEM(hooks.p, i);
    Ref before(Py_NewRef(slot ? slot : Py_None));
    Ref got(checked(PyObject_CallOneArg(hook, before)));
    if (got == Py_None) continue;
    check_replacement(hook, before, got);
    Py_XSETREF(slot, got.release());
  }
}

// Hooks on the tensors that a node made (or the leaf it accumulates into), then what retain_grad
// keeps of them.
void run_tensor_hooks(Node* n, Gradients& gradients) {
  if (n->variable) {
    TensorExtra* e = n->variable->extra;
    if (e && e->hooks && PyDict_GET_SIZE(e->hooks)) {
      Ref dict(Py_NewRef(e->hooks));
      run_dict(dict, gradients[0]);
    }
    return;
  }
  if (!n->extra) return;
  Ref by_output(Py_XNewRef(extra_item(n, "tensor_hooks")));
  for (size_t i = 0; by_output && i < gradients.size(); ++i) {
    Ref key(PyLong_FromSize_t(i));
    PyObject* dict = PyDict_GetItemWithError(by_output, key);
    if (dict) run_dict(Ref(Py_NewRef(dict)), gradients[i]);
  }
  Ref retained(Py_XNewRef(extra_item(n, "retains")));
  for (size_t i = 0; retained && i < gradients.size(); ++i) {
    if (!gradients[i]) continue;
    Ref key(PyLong_FromSize_t(i));
    PyObject* keeper = PyDict_GetItemWithError(retained, key);
    if (keeper) Ref done(checked(PyObject_CallOneArg(keeper, gradients[i])));
  }
}

void run_prehooks(Node* n, Gradients& gradients) {
  PyObject* dict = extra_item(n, "prehooks");
  if (!dict) return;
  Ref hooks(checked(PyDict_Values(dict)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
    PyObject* hook = PyList_GET_ITEM(hooks.p, i);
    Ref before(gradient_tuple(gradients));
    Ref got(checked(PyObject_CallOneArg(hook, before)));
    replace_all(hook, got, gradients);
  }
}

void run_posthooks(Node* n, const Gradients& arrived, Results& out) {
  PyObject* dict = extra_item(n, "hooks");
  if (!dict) return;
  Ref hooks(checked(PyDict_Values(dict)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
    PyObject* hook = PyList_GET_ITEM(hooks.p, i);
    Ref inputs(gradient_tuple(out)), outputs(gradient_tuple(arrived));
    Ref got(checked(PyObject_CallFunctionObjArgs(hook, inputs.p, outputs.p, nullptr)));
    replace_all(hook, got, out);
  }
}

// A leaf's hooks that run once its gradient has been added; what they return is of no use.
void run_accumulated_hooks(Tensor* t) {
  if (!t->extra || !t->extra->post_hooks || !PyDict_GET_SIZE(t->extra->post_hooks)) return;
  Ref hooks(checked(PyDict_Values(t->extra->post_hooks)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
    Ref done(checked(PyObject_CallOneArg(PyList_GET_ITEM(hooks.p, i), as_object(t))));
    if (done != Py_None && !tensor_check(done))
      fail(ErrorType::Type, "expected Variable, but hook returned '%s'", Py_TYPE(done.p)->tp_name);
    if (done != Py_None)
      fail(ErrorType::Runtime, "Tensor post accumulate grad hooks should return None.");
  }
}

}  // namespace rl
