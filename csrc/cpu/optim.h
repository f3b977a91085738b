// What fused optimizer steps share: reading a group's options, and gathering its parameters,
// their gradients and their state into jobs over raw memory.
#pragma once
#include <cmath>

#include "../core/kernel.h"
#include "../core/tensor.h"

namespace rl {
namespace {

constexpr int kMaxStates = 3;
constexpr int64_t kGrain = 16384;  // elements worth 15 us or more

// One parameter: where it lies, and the factors that depend on its own step count.
struct Job {
  char* p;
  const char* g;
  char* state[kMaxStates];
  int64_t n;  // real numbers
  bool wide;  // float64
  double scale, correction;
};

// The names of options, interned: a look-up then compares pointers.
struct Keys {
  static PyObject* make(const char* name) { return PyUnicode_InternFromString(name); }
  PyObject *params = make("params"), *lr = make("lr"), *momentum = make("momentum"),
           *dampening = make("dampening"), *weight_decay = make("weight_decay"),
           *nesterov = make("nesterov"), *maximize = make("maximize"), *betas = make("betas"),
           *eps = make("eps"), *amsgrad = make("amsgrad"), *alpha = make("alpha"),
           *centered = make("centered"), *lr_decay = make("lr_decay"), *fused = make("fused"),
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

// The names of the state tensors of one update rule; interned once.
struct Names {
  PyObject* step = nullptr;
  PyObject* tensors[kMaxStates] = {};
  int count = 0;

  Names(bool counts_steps, std::initializer_list<const char*> names) {
    if (counts_steps) step = PyUnicode_InternFromString("step");
    for (const char* name : names) tensors[count++] = PyUnicode_InternFromString(name);
  }
};

const Array* array_in(PyObject* o) { return o && tensor_check(o) ? &as_tensor(o)->array : nullptr; }

bool usable(const Array& p) {
  switch (p.dtype()) {
    case DType::F32:
    case DType::F64:
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

class Group {
  PyObject* group_;
  PyObject* state_;
  Ref rest_;
  bool complex_allowed_ = true;
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

  // Adds a job for each parameter that is ready. `factors(job, step)` sets what depends on the
  // step. With `plain` false every parameter is left to the tensor operators.
  template <class F>
  void gather(const Names& names, F&& factors) {
    const bool plain = !flag(group_, keys().differentiable) && !flag(group_, keys().capturable);
    complex_allowed_ = !flag(group_, keys().fused);
    Ref params(checked(PySequence_Fast(option(group_, keys().params), "params must be a list")));
    jobs.reserve(PySequence_Fast_GET_SIZE(params.p));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(params.p); ++i) {
      PyObject* p = PySequence_Fast_GET_ITEM(params.p, i);
      if (!tensor_check(p)) fail(ErrorType::Type, "optimizer: a parameter is not a tensor");
      PyObject* g = as_tensor(p)->grad;
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

  // Calls loop(tag, job, begin, end) over all elements, in threads where it pays.
  template <class F>
  void run(F&& loop) {
    if (jobs.empty()) return;
    NoGil nogil(total);
    parallel_for(total, repeats() ? total : kGrain, [&](int64_t begin, int64_t end) {
      for (const Job& job : jobs) {
        if (begin < job.n && end > 0) {
          const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, job.n);
          if (job.wide)
            loop(double{}, job, from, to);
          else
            loop(float{}, job, from, to);
        }
        begin -= job.n;
        end -= job.n;
      }
    });
  }

 private:
  template <class F>
  bool add(PyObject* p, PyObject* g, const Names& names, F& factors) {
    const Array& array = as_tensor(p)->array;
    if (!exact_tensor(g) || !usable(array) || !matches(array_in(g), array)) return false;
    if (is_complex(array.dtype()) && !complex_allowed_) return false;
    const Array* states[kMaxStates] = {};
    float* step32 = nullptr;
    double* step64 = nullptr;
    if (names.step || names.count) {
      PyObject* entries = PyDict_GetItemWithError(state_, p);
      if (!entries && PyErr_Occurred()) throw PythonError();
      if (!entries || !PyDict_Check(entries)) return false;
      for (int i = 0; i < names.count; ++i) {
        states[i] = array_in(PyDict_GetItemWithError(entries, names.tensors[i]));
        if (!matches(states[i], array)) return false;
      }
      if (names.step && !find_step(PyDict_GetItemWithError(entries, names.step), step32, step64))
        return false;
    }
    Job job;
    job.wide = array.dtype() == DType::F64 || array.dtype() == DType::C128;
    job.n = array.numel() * (is_complex(array.dtype()) ? 2 : 1);
    job.p = array.bytes();
    job.g = as_tensor(g)->array.bytes();
    for (int i = 0; i < names.count; ++i) job.state[i] = states[i]->bytes();
    factors(job, step32 ? ++*step32 : step64 ? ++*step64 : 0.0);
    bump_version(array);
    held_.push_back(array.storage_ref());
    held_.push_back(as_tensor(g)->array.storage_ref());
    for (int i = 0; i < names.count; ++i) {
      bump_version(*states[i]);
      held_.push_back(states[i]->storage_ref());
    }
    total += job.n;
    jobs.push_back(job);
    return true;
  }

  static bool find_step(PyObject* o, float*& step32, double*& step64) {
    const Array* a = array_in(o);
    if (!a || !a->defined() || a->numel() != 1 || a->device() != DeviceType::CPU) return false;
    if (a->dtype() == DType::F32)
      step32 = a->data<float>();
    else if (a->dtype() == DType::F64)
      step64 = a->data<double>();
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

}  // namespace
}  // namespace rl
