// What fused optimizer steps share: reading a group's options, and gathering its parameters,
// their gradients and their state into jobs over raw memory.
#pragma once
#include <bit>
#include <cmath>

#include "../core/kernel.h"
#include "../core/tensor.h"
#include "row.h"

namespace rl {
namespace {

constexpr int kMaxStates = 3;
const int64_t kGrain = grain_of(0.25);

// One parameter: where it lies, and the factors that depend on its own step count.
struct Job {
  char* p;
  const char* g;
  char* state[kMaxStates];
  int64_t n;    // real numbers
  DType dtype;  // of one real number
  double scale, correction, extra;
};

// A state of one element: the count of steps, or a factor that a rule carries along.
struct Cell {
  float* f = nullptr;
  double* d = nullptr;

  double get() const { return f ? *f : *d; }
  void set(double x) const { f ? void(*f = static_cast<float>(x)) : void(*d = x); }
};

// The rounding after each operation that tensor operators would do on the half types, which are
// computed with as float. Fused steps round only what they store.
struct Exact {
  template <class T>
  T operator()(T x) const {
    return x;
  }
};
struct ToBFloat16 {
  float operator()(float x) const {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
    return x != x ? x : std::bit_cast<float>(rounded);
  }
};
struct ToHalf {
  float operator()(float x) const { return Half(x); }
};

// The names of options, interned: a look-up then compares pointers.
struct Keys {
  static PyObject* make(const char* name) { return PyUnicode_InternFromString(name); }
  PyObject *params = make("params"), *lr = make("lr"), *momentum = make("momentum"),
           *dampening = make("dampening"), *weight_decay = make("weight_decay"),
           *nesterov = make("nesterov"), *maximize = make("maximize"), *betas = make("betas"),
           *eps = make("eps"), *amsgrad = make("amsgrad"), *alpha = make("alpha"),
           *centered = make("centered"), *lr_decay = make("lr_decay"), *fused = make("fused"),
           *rho = make("rho"), *lambd = make("lambd"), *t0 = make("t0"), *etas = make("etas"),
           *step_sizes = make("step_sizes"), *momentum_decay = make("momentum_decay"),
           *decoupled_weight_decay = make("decoupled_weight_decay"),
           *differentiable = make("differentiable"), *capturable = make("capturable");
};

const Keys& keys() {
  static const Keys all;
  return all;
}

PyObject* option(PyObject* group, PyObject* name) {
  PyObject* value = PyDict_GetItemWithError(group, name);
  if (!value && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
  if (!value) throw PythonError();
  return value;
}

bool flag(PyObject* group, PyObject* name) {
  PyObject* value = PyDict_GetItemWithError(group, name);
  const int truth = value ? PyObject_IsTrue(value) : PyErr_Occurred() ? -1 : 0;
  if (truth < 0) throw PythonError();
  return truth;
}

double value_of(PyObject* o) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (!tensor_check(o) || as_tensor(o)->array.ndim() == 0) return number(o);
  return PyFloat_AsDouble(Ref(checked(item_object(as_tensor(o)->array))));
}

double real(PyObject* group, PyObject* name) {
  const double value = value_of(option(group, name));
  if (value == -1.0 && PyErr_Occurred()) throw PythonError();
  return value;
}

std::pair<double, double> pair_of_reals(PyObject* group, PyObject* name) {
  Ref items(checked(PySequence_Fast(option(group, name), "optimizer: expected two numbers")));
  if (PySequence_Fast_GET_SIZE(items.p) != 2)
    fail(ErrorType::Value, "optimizer: expected two numbers, got %zd",
         PySequence_Fast_GET_SIZE(items.p));
  const double first = value_of(PySequence_Fast_GET_ITEM(items.p, 0)),
               second = value_of(PySequence_Fast_GET_ITEM(items.p, 1));
  if (PyErr_Occurred()) throw PythonError();
  return {first, second};
}

// The names of the state of one update rule, interned once: cells (the first counts steps), and
// tensors of the parameter's shape.
struct Names {
  PyObject* cells[kMaxStates] = {};
  PyObject* tensors[kMaxStates] = {};
  int cell_count = 0, count = 0;

  Names(std::initializer_list<const char*> of_cells, std::initializer_list<const char*> names) {
    for (const char* name : of_cells) cells[cell_count++] = PyUnicode_InternFromString(name);
    for (const char* name : names) tensors[count++] = PyUnicode_InternFromString(name);
  }
};

const Array* array_in(PyObject* o) {
  return o && tensor_check(o) ? &elements(as_tensor(o)) : nullptr;
}

bool usable(const Array& p) {
  switch (p.dtype()) {
    case DType::F32:
    case DType::F64:
    case DType::F16:
    case DType::BF16:
    case DType::C64:
    case DType::C128: break;
    default: return false;
  }
  return p.defined() && p.device() == DeviceType::CPU && (p.contiguous() || p.dense());
}

// Whether element i of both lies at the same place from their starts.
bool matches(const Array* a, const Array& p) {
  if (!a || !a->defined() || a->dtype() != p.dtype() || a->device() != DeviceType::CPU ||
      !a->same_shape(p))
    return false;
  if (a->contiguous() && p.contiguous()) return true;
  return std::equal(a->strides(), a->strides() + a->ndim(), p.strides());
}

template <class T>
struct Pointers {
  T* __restrict p;
  const T* __restrict g;
  T* __restrict a;
  T* __restrict b;
  T* __restrict c;
  int64_t n;
};

template <class T>
Pointers<T> pointers(const Job& job, int64_t begin, int64_t end, int states) {
  const auto at = [&](int i) {
    return i < states ? reinterpret_cast<T*>(job.state[i]) + begin : nullptr;
  };
  return {reinterpret_cast<T*>(job.p) + begin,
          reinterpret_cast<const T*>(job.g) + begin,
          at(0),
          at(1),
          at(2),
          end - begin};
}

// Applies a rule to half types, piece by piece in float.
template <class H, class F, class Round>
void in_float(F& rule, const Job& job, int64_t begin, int64_t end, int states, Round round) {
  constexpr int64_t kWidth = 512;
  alignas(64) float buffers[kMaxStates + 2][kWidth];
  for (int64_t i = begin; i < end; i += kWidth) {
    const auto x = pointers<H>(job, i, std::min(i + kWidth, end), states);
    H* const places[] = {x.p, x.a, x.b, x.c};
    widen_run(x.g, x.n, buffers[kMaxStates + 1]);
    for (int k = 0; k <= states; ++k) widen_run(places[k], x.n, buffers[k]);
    rule(Pointers<float>{buffers[0], buffers[kMaxStates + 1], buffers[1], buffers[2], buffers[3],
                         x.n},
         job, round);
    for (int k = 0; k <= states; ++k) narrow_run(places[k], x.n, buffers[k]);
  }
}

template <class F>
void apply(F& rule, const Job& job, int64_t begin, int64_t end, int states, bool fused) {
  switch (job.dtype) {
    case DType::F64: return rule(pointers<double>(job, begin, end, states), job, Exact{});
    case DType::BF16:
      return fused ? in_float<BFloat16>(rule, job, begin, end, states, Exact{})
                   : in_float<BFloat16>(rule, job, begin, end, states, ToBFloat16{});
    case DType::F16:
      return fused ? in_float<Half>(rule, job, begin, end, states, Exact{})
                   : in_float<Half>(rule, job, begin, end, states, ToHalf{});
    default: return rule(pointers<float>(job, begin, end, states), job, Exact{});
  }
}

class Group {
  PyObject* group_;
  PyObject* state_;
  Ref rest_;
  bool fused_ = false;
  int states_ = 0;
  std::vector<StorageRef> held_;  // nothing may be freed while the loops run without the GIL

 public:
  std::vector<Job> jobs;
  int64_t total = 0;

  Group(PyObject* const* args, Py_ssize_t nargs) {
    if (nargs != 2 || !PyDict_Check(args[0]) || !PyDict_Check(args[1]))
      fail(ErrorType::Type, "fused optimizer step: expected a group and the state, both dicts");
    group_ = args[0];
    state_ = args[1];
  }

  // Adds a job for each parameter that is ready. `factors(job, step, cells)` sets what depends on
  // the step. With `plain` false every parameter is left to the tensor operators.
  template <class F>
  void gather(const Names& names, F&& factors) {
    const bool plain = !flag(group_, keys().differentiable) && !flag(group_, keys().capturable);
    fused_ = flag(group_, keys().fused);
    states_ = names.count;
    Ref params(checked(PySequence_Fast(option(group_, keys().params), "params must be a list")));
    jobs.reserve(PySequence_Fast_GET_SIZE(params.p));
    held_.reserve(PySequence_Fast_GET_SIZE(params.p) * (2 + states_));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(params.p); ++i) {
      PyObject* p = PySequence_Fast_GET_ITEM(params.p, i);
      if (!tensor_check(p)) fail(ErrorType::Type, "optimizer: a parameter is not a tensor");
      PyObject* g = grad_of(as_tensor(p));
      if (!g || g == Py_None) continue;
      if (!plain || !add(p, g, names, factors)) leave(p);
    }
  }

  double real_option(PyObject* name) const { return real(group_, name); }
  bool flag_option(PyObject* name) const { return flag(group_, name); }
  std::pair<double, double> pair_option(PyObject* name) const {
    return pair_of_reals(group_, name);
  }

  PyObject* result() { return rest_.p ? rest_.release() : Py_NewRef(Py_None); }

  // Calls rule(pointers, job, round) over all elements, in threads where it pays.
  template <class F>
  void run(F&& rule) {
    if (jobs.empty()) return;
    NoGil nogil(total);
    parallel_for(total, repeats() ? total : kGrain, [&](int64_t begin, int64_t end) {
      for (const Job& job : jobs) {
        if (begin < job.n && end > 0) {
          const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, job.n);
          apply(rule, job, from, to, states_, fused_);
        }
        begin -= job.n;
        end -= job.n;
      }
    });
  }

 private:
  template <class F>
  bool add(PyObject* p, PyObject* g, const Names& names, F& factors) {
    const Array& array = elements(as_tensor(p));
    if (!exact_tensor(g) || !usable(array) || !matches(array_in(g), array)) return false;
    if (is_complex(array.dtype()) && fused_) return false;
    const Array* states[kMaxStates] = {};
    Cell cells[kMaxStates];
    if (names.cell_count || names.count) {
      PyObject* entries = PyDict_GetItemWithError(state_, p);
      if (!entries && PyErr_Occurred()) throw PythonError();
      if (!entries || !PyDict_Check(entries)) return false;
      for (int i = 0; i < names.count; ++i) {
        states[i] = array_in(PyDict_GetItemWithError(entries, names.tensors[i]));
        if (!matches(states[i], array)) return false;
      }
      for (int i = 0; i < names.cell_count; ++i)
        if (!find_cell(PyDict_GetItemWithError(entries, names.cells[i]), cells[i])) return false;
    }
    Job job;
    job.dtype = array.dtype();
    job.n = array.numel();
    if (is_complex(job.dtype)) {
      job.dtype = job.dtype == DType::C128 ? DType::F64 : DType::F32;
      job.n *= 2;
    }
    job.p = array.bytes();
    job.g = elements(as_tensor(g)).bytes();
    for (int i = 0; i < names.count; ++i) job.state[i] = states[i]->bytes();
    if (names.cell_count) cells[0].set(cells[0].get() + 1);
    factors(job, names.cell_count ? cells[0].get() : 0.0, cells);
    bump_version(array);
    held_.push_back(array.storage_ref());
    held_.push_back(elements(as_tensor(g)).storage_ref());
    for (int i = 0; i < names.count; ++i) {
      bump_version(*states[i]);
      held_.push_back(states[i]->storage_ref());
    }
    total += job.n;
    jobs.push_back(job);
    return true;
  }

  static bool find_cell(PyObject* o, Cell& cell) {
    const Array* a = array_in(o);
    if (!a || !a->defined() || a->numel() != 1 || a->device() != DeviceType::CPU) return false;
    if (a->dtype() == DType::F32)
      cell.f = a->data<float>();
    else if (a->dtype() == DType::F64)
      cell.d = a->data<double>();
    else
      return false;
    bump_version(*a);
    return true;
  }

  void leave(PyObject* p) {
    if (!rest_.p) rest_ = Ref(checked(PyList_New(0)));
    if (PyList_Append(rest_.p, p) < 0) throw PythonError();
  }

  // A parameter that is listed twice is updated twice, one update after the other.
  bool repeats() const {
    if (total < 2 * kGrain) return false;
    std::vector<const char*> places;
    for (const Job& job : jobs) places.push_back(job.p);
    std::sort(places.begin(), places.end());
    return std::adjacent_find(places.begin(), places.end()) != places.end();
  }
};

template <class F>
void with_bool(bool b, F&& f) {
  if (b)
    f(std::true_type{});
  else
    f(std::false_type{});
}

// The gradient as the rule sees it: turned for maximisation, with weight decay added.
template <bool Decay, class T, class Round>
inline T adjusted(T g, T p, T sign, T decay, Round round) {
  g *= sign;
  return Decay ? round(g + decay * p) : g;
}

}  // namespace
}  // namespace rl
