// Registries of kernels, loops and functions, and how a kernel reads its arguments.
#include "kernel.h"

#include <map>
#include <string>
#include <unordered_map>

#include "op.h"

namespace rl {
namespace {

struct KernelEntry {
  Kernel fn = nullptr;
  int level = -1;
};
struct FunctionEntry {
  Function fn = nullptr;
  int level = -1;
};

// Functions with static maps: registration runs before main, in no set order.
auto& kernels() {
  static std::unordered_map<std::string, KernelEntry> map;
  return map;
}
auto& loops() {
  static std::unordered_map<std::string, LoopTable> map;
  return map;
}
auto& functions() {
  static std::map<std::string, FunctionEntry> map;
  return map;
}

int detect_level() {
#if defined(__x86_64__)
  int level = 0;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c"))
    level = 1;
  if (level && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd")) {
    level = 2;
  }
  if (const char* cap = getenv("RUSHLIGHT_CPU_LEVEL")) level = std::min(level, atoi(cap));
  return level;
#else
  return 0;
#endif
}

}  // namespace

int cpu_level() {
  static const int level = detect_level();
  return level;
}

void register_kernel(const char* name, int level, Kernel fn) {
  if (level > cpu_level()) return;
  KernelEntry& e = kernels()[name];
  if (level > e.level) e = {fn, level};
}

Kernel find_kernel(std::string_view name) {
  auto it = kernels().find(std::string(name));
  return it == kernels().end() ? nullptr : it->second.fn;
}

void register_loop(const char* op, int level, DType compute, DType out, LoopFn fn, double cost) {
  if (level > cpu_level()) return;
  LoopTable& table = loops()[op];
  const int i = static_cast<int>(compute);
  if (!table.by_dtype[i].fn || level > table.level[i]) {
    table.by_dtype[i] = {fn, out, cost};
    table.level[i] = level;
  }
}

void register_grid(const char* op, int level, DType compute, DType out, LoopFn fn, GridFn grid,
                   double cost) {
  register_loop(op, level, compute, out, fn, cost);
  if (level > cpu_level()) return;
  Loop& loop = loops()[op].by_dtype[static_cast<int>(compute)];
  if (loop.fn == fn) loop.grid = grid;
}

LoopTable* find_loops(std::string_view name) {
  auto it = loops().find(std::string(name));
  return it == loops().end() ? nullptr : &it->second;
}

FunctionRegistrar::FunctionRegistrar(const char* name, int level, Function fn) {
  if (level > cpu_level()) return;
  FunctionEntry& e = functions()[name];
  if (level > e.level) e = {fn, level};
}

// Every RL_FUNCTION becomes a built-in of the module, with its pointer in a capsule.
static PyObject* call_function(PyObject* capsule, PyObject* const* args, Py_ssize_t n) {
  const Function fn = reinterpret_cast<Function>(PyCapsule_GetPointer(capsule, nullptr));
  try {
    return fn(args, n);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

bool init_functions(PyObject* module) {
  for (auto& [name, entry] : functions()) {
    PyMethodDef* def = new PyMethodDef{
        name.c_str(), reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_function)),
        METH_FASTCALL, nullptr};
    PyObject* capsule = PyCapsule_New(reinterpret_cast<void*>(entry.fn), nullptr, nullptr);
    PyObject* fn = capsule ? PyCFunction_New(def, capsule) : nullptr;
    Py_XDECREF(capsule);
    if (!fn || PyModule_AddObject(module, name.c_str(), fn) < 0) return false;
  }
  return true;
}

// -- arguments --------------------------------------------------------------------------------

const char* Call::name() const { return op->spec->name.c_str(); }

static const char* param_name(const Call& c, int i) {
  return PyUnicode_AsUTF8(c.op->spec->params[i]);
}

// A kernel sees the types it has code for; the gate finds another way for the rest.
static const Array& known(const Call& c, const Array& a) {
  if (is_extended(a.dtype()) && !(c.op->spec->stored & family_of(a.dtype())))
    unsupported_dtype(a.dtype());
  return a;
}

const Array& Call::tensor(int i) const {
  if (!tensor_check(args[i])) {
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Tensor, not %s", name(),
         param_name(*this, i), i + 1, Py_TYPE(args[i])->tp_name);
  }
  return known(*this, elements(as_tensor(args[i])));
}
const Array* Call::tensor_or_null(int i) const { return none(i) ? nullptr : &tensor(i); }
bool Call::is_tensor(int i) const { return tensor_check(args[i]); }

std::vector<Array> Call::tensors(int i) const {
  PyObject* o = args[i];
  if (!PyList_Check(o) && !PyTuple_Check(o)) {
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be tuple of Tensors, not %s",
         name(), param_name(*this, i), i + 1, Py_TYPE(o)->tp_name);
  }
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  std::vector<Array> out;
  out.reserve(static_cast<size_t>(n));
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, k);
    if (!tensor_check(item)) {
      fail(ErrorType::Type, "%s(): expected Tensor as element %zd in argument %d, but got %s",
           name(), k, i, Py_TYPE(item)->tp_name);
    }
    out.push_back(known(*this, elements(as_tensor(item))));
  }
  return out;
}

bool Call::boolean(int i) const {
  PyObject* o = args[i];
  if (tensor_check(o) || PyUnicode_Check(o) || PyFloat_Check(o) || PyList_Check(o) ||
      PyTuple_Check(o)) {
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be bool, not %s", name(),
         param_name(*this, i), i + 1, Py_TYPE(o)->tp_name);
  }
  return is_true(o);
}

int64_t integer(PyObject* o) {
  if (PyLong_CheckExact(o)) {
    const int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return v;
  }
  if (PyFloat_Check(o))
    fail(ErrorType::Type, "expected an integer, got a float (%s)", Py_TYPE(o)->tp_name);
  Ref index(PyNumber_Index(o));
  if (!index) throw PythonError();
  const int64_t v = PyLong_AsLongLong(index);
  if (v == -1 && PyErr_Occurred()) throw PythonError();
  return v;
}

IntList int_list(PyObject* o) {
  Ref items(checked(PySequence_Fast(o, "expected a sequence of ints")));
  IntList out;
  out.reserve(static_cast<size_t>(PySequence_Fast_GET_SIZE(items.p)));
  // An __index__ may shorten the list that it is read from.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.p); ++i) {
    Ref item(Py_NewRef(PySequence_Fast_GET_ITEM(items.p, i)));
    out.push_back(integer(item));
  }
  return out;
}

double number(PyObject* o) {
  if (PyFloat_CheckExact(o)) return PyFloat_AS_DOUBLE(o);
  if (PyUnicode_Check(o)) fail(ErrorType::Type, "expected a number, got str");
  const double v = PyFloat_AsDouble(o);
  if (v == -1.0 && PyErr_Occurred()) throw PythonError();
  return v;
}

// Arguments of the wrong kind: the operator's name and the parameter's, then what was got.
template <class F>
static auto named(const Call& c, int i, const char* expected, F f) {
  try {
    return f();
  } catch (const PythonError&) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();
      fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be %s, not %s", c.name(),
           param_name(c, i), i + 1, expected, Py_TYPE(c.args[i])->tp_name);
    }
    throw;
  } catch (const Error& e) {
    if (e.type != ErrorType::Type) throw;
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be %s, not %s", c.name(),
         param_name(c, i), i + 1, expected, Py_TYPE(c.args[i])->tp_name);
  }
}

int64_t Call::integer(int i) const {
  return named(*this, i, "int", [&] { return rl::integer(args[i]); });
}
double Call::real(int i) const {
  if (meta_call && tensor_check(args[i])) return 1;  // its value is not needed
  return named(*this, i, "Number", [&] { return number(args[i]); });
}
c128 Call::complex(int i) const {
  ScalarValue s;
  if (tensor_check(args[i])) {
    if (meta_call) return 1;
    Ref item(checked(item_object(elements(as_tensor(args[i])))));
    if (scalar_value(item, &s)) return {s.re, s.im};
  }
  if (!scalar_value(args[i], &s)) {
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Number, not %s", name(),
         param_name(*this, i), i + 1, Py_TYPE(args[i])->tp_name);
  }
  return {s.re, s.im};
}

IntList Call::ints(int i) const {
  PyObject* o = args[i];
  return named(*this, i, "tuple of ints", [&]() -> IntList {
    if (PyLong_Check(o) || (PyIndex_Check(o) && !PyTuple_Check(o))) return {rl::integer(o)};
    return int_list(o);
  });
}

IntList Call::ints(int i, int count) const {
  IntList out = ints(i);
  if (out.size() == 1) out.resize(static_cast<size_t>(count), out[0]);
  if (out.size() != static_cast<size_t>(count)) {
    fail(ErrorType::Runtime, "%s: argument '%s' must be a single int or a list of %d ints, got %zu",
         name(), param_name(*this, i), count, out.size());
  }
  return out;
}

std::string_view Call::string(int i) const {
  Py_ssize_t n;
  const char* text = PyUnicode_Check(args[i]) ? PyUnicode_AsUTF8AndSize(args[i], &n) : nullptr;
  if (!text)
    fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be str, not %s", name(),
         param_name(*this, i), i + 1, Py_TYPE(args[i])->tp_name);
  return {text, static_cast<size_t>(n)};
}

std::optional<DType> Call::dtype(int i) const {
  if (none(i)) return std::nullopt;
  return dtype_of_object(args[i]);
}

int Call::dim(int i, int ndim) const {
  return static_cast<int>(wrap_dim(name(), integer(i), ndim));
}

IntList Call::dims(int i, int ndim) const {
  IntList out;
  if (!none(i)) out = ints(i);
  if (out.empty()) {
    for (int d = 0; d < ndim; ++d) out.push_back(d);
    return out;
  }
  uint64_t seen = 0;
  for (int64_t& d : out) {
    d = wrap_dim(name(), d, ndim);
    if (seen >> d & 1)
      fail(ErrorType::Runtime, "%s: dim %lld appears multiple times in the list of dims", name(),
           static_cast<long long>(d));
    seen |= uint64_t{1} << d;
  }
  if (ndim == 0) out.clear();
  return out;
}

}  // namespace rl
