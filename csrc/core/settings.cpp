// Settings and statistics: memory, threads, dtypes, and what calls record.
#include "op.h"

namespace rl {
namespace {

PyObject* memory_stats(PyObject*, PyObject*) {
  const MemoryStats s = cpu_memory_stats();
  return Py_BuildValue(
      "{s:L,s:L,s:L,s:L,s:L}", "allocated_bytes", static_cast<long long>(s.allocated), "peak_bytes",
      static_cast<long long>(s.peak), "cached_bytes", static_cast<long long>(s.cached),
      "allocations", static_cast<long long>(s.allocations), "system_allocations",
      static_cast<long long>(s.system_allocations));
}
PyObject* empty_cache(PyObject*, PyObject*) {
  cpu_empty_cache();
  Py_RETURN_NONE;
}
PyObject* reset_peak(PyObject*, PyObject*) {
  cpu_reset_peak();
  Py_RETURN_NONE;
}
PyObject* get_num_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* py_set_num_threads(PyObject*, PyObject* n) {
  try {
    if (!PyLong_Check(n) || PyBool_Check(n))
      fail(ErrorType::Runtime, "set_num_threads expects an int, but got %s", Py_TYPE(n)->tp_name);
    const int64_t v = integer(n);
    if (v < 1 || v > 4096) fail(ErrorType::Runtime, "set_num_threads expects a positive integer");
    set_num_threads(static_cast<int>(v));
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
// Libraries report their use to PyTorch, which keeps nothing of it by default.
PyObject* log_api_usage_once(PyObject*, PyObject*) { Py_RETURN_NONE; }
PyObject* py_cpu_level(PyObject*, PyObject*) { return PyLong_FromLong(cpu_level()); }
PyObject* get_default_dtype(PyObject*, PyObject*) {
  return Py_NewRef(dtype_object(default_dtype()));
}
PyObject* py_set_default_dtype(PyObject*, PyObject* d) {
  try {
    if (!dtype_check(d))
      fail(ErrorType::Type,
           "invalid dtype object: only floating-point types are supported as the default type");
    const DType t = dtype_of_object(d);
    if (!is_real(t) || is_extended(t))
      fail(ErrorType::Type, "only floating-point types are supported as the default type");
    set_default_dtype(t);
    Py_RETURN_NONE;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_promote(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  try {
    return Py_NewRef(dtype_object(promote(dtype_of_object(a), dtype_of_object(b))));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyObject* py_can_cast(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  try {
    const DType from = dtype_of_object(a), to = dtype_of_object(b);
    return PyBool_FromLong(can_cast(from, to));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* making_pair(const Making& m) {
  return Py_BuildValue("(OO)", m.meta ? Py_True : Py_False, m.named ? Py_True : Py_False);
}

// making() -> whether new tensors are meta tensors, and whether the call that makes them says so.
PyObject* get_making(PyObject*, PyObject*) { return making_pair(making); }

// set_making(meta, named) -> what it was, of this thread.
PyObject* set_making(PyObject*, PyObject* args) {
  int meta, named;
  if (!PyArg_ParseTuple(args, "pp", &meta, &named)) return nullptr;
  const Making before = making;
  making = {meta != 0, named != 0};
  return making_pair(before);
}

// -- of one thread: what is recorded
// ----------------------------------------------------------------

// Inference mode records nothing, whatever enable_grad says inside it.
PyObject* is_grad_enabled(PyObject*, PyObject*) {
  return PyBool_FromLong(modes.inference ? modes.asked : modes.grad);
}
PyObject* set_grad_enabled(PyObject*, PyObject* on) {
  const int truth = PyObject_IsTrue(on);
  if (truth < 0) return nullptr;
  return PyBool_FromLong(std::exchange(modes.inference ? modes.asked : modes.grad, truth));
}
PyObject* is_inference(PyObject*, PyObject*) { return PyBool_FromLong(modes.inference); }
PyObject* set_inference(PyObject*, PyObject* on) {
  const bool old = modes.inference;
  const int truth = PyObject_IsTrue(on);
  if (truth < 0) return nullptr;
  if (truth && !old) modes.asked = std::exchange(modes.grad, false);
  if (!truth && old) modes.grad = modes.asked;
  modes.inference = truth;
  return PyBool_FromLong(old);
}
PyObject* set_anomaly(PyObject*, PyObject* args) {
  int enabled, nan = 1;
  if (!PyArg_ParseTuple(args, "p|p", &enabled, &nan)) return nullptr;
  g_anomaly = enabled;
  g_anomaly_check_nan = nan;
  Py_RETURN_NONE;
}
PyObject* is_anomaly(PyObject*, PyObject*) { return PyBool_FromLong(g_anomaly); }
PyObject* is_anomaly_nan(PyObject*, PyObject*) { return PyBool_FromLong(g_anomaly_check_nan); }

PyMethodDef functions[] = {
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "Whether operators record history."},
    {"set_grad_enabled", set_grad_enabled, METH_O,
     "Set whether operators record; returns the previous state."},
    {"is_inference_mode", is_inference, METH_NOARGS, nullptr},
    {"set_inference_mode", set_inference, METH_O, nullptr},
    {"set_anomaly", set_anomaly, METH_VARARGS, nullptr},
    {"is_anomaly", is_anomaly, METH_NOARGS, nullptr},
    {"is_anomaly_check_nan", is_anomaly_nan, METH_NOARGS, nullptr},
    {"memory_stats", memory_stats, METH_NOARGS, nullptr},
    {"empty_cache", empty_cache, METH_NOARGS, nullptr},
    {"reset_peak", reset_peak, METH_NOARGS, nullptr},
    {"get_num_threads", get_num_threads, METH_NOARGS, nullptr},
    {"set_num_threads", py_set_num_threads, METH_O, nullptr},
    {"making", get_making, METH_NOARGS, nullptr},
    {"set_making", set_making, METH_VARARGS, nullptr},
    {"cpu_level", py_cpu_level, METH_NOARGS, nullptr},
    {"_log_api_usage_once", log_api_usage_once, METH_O, nullptr},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, nullptr},
    {"set_default_dtype", py_set_default_dtype, METH_O, nullptr},
    {"promote_types", py_promote, METH_VARARGS, nullptr},
    {"can_cast", py_can_cast, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_settings(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
