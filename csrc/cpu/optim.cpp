// Fused optimizer steps: all parameters of a group in one call and one pass over memory.
//
//   fused_sgd(group, state)      v = mu v + (1 - d) g;   p -= lr v             (or g + mu v)
//   fused_adam(group, state)     m += (1 - b1)(g - m);   v = b2 v + (1 - b2) g^2
//                                p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//   fused_rmsprop(group, state)  v = a v + (1 - a) g^2;  p -= lr g / (sqrt(v - mean^2) + eps)
//   fused_adagrad(group, state)  s += g^2;               p -= lr g / (sqrt(s) + eps)
//
// `group` is a parameter group with PyTorch's option names, `state` the optimizer's state,
// parameter -> {name: tensor}. Each returns None, or the list of parameters with a gradient
// that it left alone: without state yet, or of a type or layout that the tensor operators
// have to handle. A parameter, its gradient and its state are float32, float64, or complex
// (updated as pairs of reals), all with the same strides and without gaps. Every element is
// read and written once; threads share the elements of all parameters together.
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
    case DType::F32: case DType::F64: case DType::C64: case DType::C128: break;
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
  template <class F> void gather(const Names& names, F&& factors) {
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
  template <class F> void run(F&& loop) {
    if (jobs.empty()) return;
    NoGil nogil(total);
    parallel_for(total, repeats() ? total : kGrain, [&](int64_t begin, int64_t end) {
      for (const Job& job : jobs) {
        if (begin < job.n && end > 0) {
          const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, job.n);
          if (job.wide) loop(double{}, job, from, to);
          else loop(float{}, job, from, to);
        }
        begin -= job.n;
        end -= job.n;
      }
    });
  }

 private:
  template <class F> bool add(PyObject* p, PyObject* g, const Names& names, F& factors) {
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
    if (a->dtype() == DType::F32) step32 = a->data<float>();
    else if (a->dtype() == DType::F64) step64 = a->data<double>();
    else return false;
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

// The gradient as the rule sees it: turned for maximisation, with weight decay added.
template <bool Decay, class T> inline T adjusted(T g, T p, T sign, T decay) {
  g *= sign;
  return Decay ? g + decay * p : g;
}

template <class F> void with_bool(bool b, F&& f) {
  if (b) f(std::true_type{});
  else f(std::false_type{});
}

template <class T> struct Pointers {
  T* __restrict p;
  const T* __restrict g;
  T* __restrict a;
  T* __restrict b;
  T* __restrict c;
  int64_t n;
};

template <class T> Pointers<T> pointers(const Job& job, int64_t begin, int64_t end, int states) {
  const auto at = [&](int i) {
    return i < states ? reinterpret_cast<T*>(job.state[i]) + begin : nullptr;
  };
  return {reinterpret_cast<T*>(job.p) + begin, reinterpret_cast<const T*>(job.g) + begin,
          at(0), at(1), at(2), end - begin};
}

// -- SGD --------------------------------------------------------------------------------------
struct SgdOptions {
  double lr, momentum, dampening, decay, sign;
  bool nesterov;
};

template <class T, bool Decay, bool Momentum, bool Nesterov>
void sgd(const Pointers<T>& x, const SgdOptions& o) {
  const T lr = T(-o.lr), mu = T(o.momentum), fresh = T(1 - o.dampening), decay = T(o.decay),
          sign = T(o.sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay);
    if constexpr (Momentum) {
      const T v = x.a[i] * mu + fresh * g;
      x.a[i] = v;
      g = Nesterov ? g + mu * v : v;
    }
    x.p[i] += lr * g;
  }
}

// -- Adam -------------------------------------------------------------------------------------
struct AdamOptions {
  double beta1, beta2, eps, decay, shrink, sign;
};

template <class T, bool Decay, bool Amsgrad>
void adam(const Pointers<T>& x, const Job& job, const AdamOptions& o) {
  const T w = T(1 - o.beta1), beta2 = T(o.beta2), w2 = T(1 - o.beta2), eps = T(o.eps),
          decay = T(o.decay), shrink = T(o.shrink), sign = T(o.sign),
          size = T(-job.scale), root = T(job.correction);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T p = x.p[i] * shrink;
    const T g = adjusted<Decay>(x.g[i], p, sign, decay);
    const T m = x.a[i] + w * (g - x.a[i]);
    T v = x.b[i] * beta2 + w2 * g * g;
    x.a[i] = m;
    x.b[i] = v;
    if constexpr (Amsgrad) {
      // NaN stays, as in maximum().
      v = x.c[i] > v || x.c[i] != x.c[i] ? x.c[i] : v;
      x.c[i] = v;
    }
    x.p[i] = p + size * m / (std::sqrt(v) / root + eps);
  }
}

// -- RMSprop ----------------------------------------------------------------------------------
struct RmspropOptions {
  double lr, alpha, eps, decay, momentum, sign;
};

// States: square, then mean where centred and velocity where there is momentum.
template <class T, bool Decay, bool Centered, bool Momentum>
void rmsprop(const Pointers<T>& x, const RmspropOptions& o) {
  const T lr = T(-o.lr), alpha = T(o.alpha), w = T(1 - o.alpha), eps = T(o.eps),
          decay = T(o.decay), mu = T(o.momentum), sign = T(o.sign);
  T* __restrict velocity = Centered ? x.c : x.b;
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay);
    T v = x.a[i] * alpha + w * g * g;
    x.a[i] = v;
    if constexpr (Centered) {
      const T mean = x.b[i] + w * (g - x.b[i]);
      x.b[i] = mean;
      v -= mean * mean;
    }
    const T scaled = g / (std::sqrt(v) + eps);
    if constexpr (Momentum) {
      velocity[i] = velocity[i] * mu + scaled;
      x.p[i] += lr * velocity[i];
    } else {
      x.p[i] += lr * scaled;
    }
  }
}

// -- Adagrad ----------------------------------------------------------------------------------
struct AdagradOptions {
  double eps, decay, sign;
};

template <class T, bool Decay>
void adagrad(const Pointers<T>& x, const Job& job, const AdagradOptions& o) {
  const T lr = T(-job.scale), eps = T(o.eps), decay = T(o.decay), sign = T(o.sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay);
    const T s = x.a[i] + g * g;
    x.a[i] = s;
    x.p[i] += lr * g / (std::sqrt(s) + eps);
  }
}

}  // namespace

RL_FUNCTION(fused_sgd) {
  static const Names none(false, {}), velocity(false, {"momentum_buffer"});
  Group group(args, nargs);
  SgdOptions o{group.real_option(keys().lr), group.real_option(keys().momentum),
               group.real_option(keys().dampening), group.real_option(keys().weight_decay),
               group.flag_option(keys().maximize) ? -1.0 : 1.0, group.flag_option(keys().nesterov)};
  group.gather(o.momentum != 0 ? velocity : none, [](Job&, double) {});
  group.run([&](auto tag, const Job& job, int64_t begin, int64_t end) {
    using T = decltype(tag);
    const auto x = pointers<T>(job, begin, end, o.momentum != 0);
    with_bool(o.decay != 0, [&](auto decay) {
      if (o.momentum == 0) sgd<T, decay.value, false, false>(x, o);
      else if (o.nesterov) sgd<T, decay.value, true, true>(x, o);
      else sgd<T, decay.value, true, false>(x, o);
    });
  });
  return group.result();
}

RL_FUNCTION(fused_adam) {
  static const Names plain(true, {"exp_avg", "exp_avg_sq"}),
      with_largest(true, {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"});
  Group group(args, nargs);
  const auto [beta1, beta2] = group.pair_option(keys().betas);
  const double lr = group.real_option(keys().lr), decay = group.real_option(keys().weight_decay);
  const bool amsgrad = group.flag_option(keys().amsgrad),
             decoupled = group.flag_option(keys().decoupled_weight_decay);
  const AdamOptions o{beta1, beta2, group.real_option(keys().eps), decoupled ? 0.0 : decay,
                      decoupled ? 1 - lr * decay : 1.0,
                      group.flag_option(keys().maximize) ? -1.0 : 1.0};
  group.gather(amsgrad ? with_largest : plain, [&](Job& job, double step) {
    job.scale = lr / (1 - std::pow(beta1, step));
    job.correction = std::sqrt(1 - std::pow(beta2, step));
  });
  group.run([&](auto tag, const Job& job, int64_t begin, int64_t end) {
    using T = decltype(tag);
    const auto x = pointers<T>(job, begin, end, amsgrad ? 3 : 2);
    with_bool(o.decay != 0, [&](auto decays) {
      with_bool(amsgrad, [&](auto largest) { adam<T, decays.value, largest.value>(x, job, o); });
    });
  });
  return group.result();
}

RL_FUNCTION(fused_rmsprop) {
  static const Names plain(true, {"square_avg"}), moving(true, {"square_avg", "momentum_buffer"}),
      centred(true, {"square_avg", "grad_avg"}),
      both(true, {"square_avg", "grad_avg", "momentum_buffer"});
  Group group(args, nargs);
  const RmspropOptions o{group.real_option(keys().lr), group.real_option(keys().alpha),
                         group.real_option(keys().eps), group.real_option(keys().weight_decay),
                         group.real_option(keys().momentum),
                         group.flag_option(keys().maximize) ? -1.0 : 1.0};
  const bool centered = group.flag_option(keys().centered), momentum = o.momentum > 0;
  const Names& names = centered ? (momentum ? both : centred) : (momentum ? moving : plain);
  group.gather(names, [](Job&, double) {});
  group.run([&](auto tag, const Job& job, int64_t begin, int64_t end) {
    using T = decltype(tag);
    const auto x = pointers<T>(job, begin, end, names.count);
    with_bool(o.decay != 0, [&](auto decays) {
      with_bool(centered, [&](auto c) {
        with_bool(momentum, [&](auto m) { rmsprop<T, decays.value, c.value, m.value>(x, o); });
      });
    });
  });
  return group.result();
}

RL_FUNCTION(fused_adagrad) {
  static const Names names(true, {"sum"});
  Group group(args, nargs);
  const double lr = group.real_option(keys().lr), lr_decay = group.real_option(keys().lr_decay);
  const AdagradOptions o{group.real_option(keys().eps), group.real_option(keys().weight_decay),
                         group.flag_option(keys().maximize) ? -1.0 : 1.0};
  group.gather(names, [&](Job& job, double step) {
    job.scale = lr / (1 + (step - 1) * lr_decay);
  });
  group.run([&](auto tag, const Job& job, int64_t begin, int64_t end) {
    using T = decltype(tag);
    const auto x = pointers<T>(job, begin, end, 1);
    with_bool(o.decay != 0, [&](auto decays) { adagrad<T, decays.value>(x, job, o); });
  });
  return group.result();
}

// clear_grads(params): forget the gradient of each.
RL_FUNCTION(clear_grads) {
  if (nargs != 1) fail(ErrorType::Type, "clear_grads: expected one list of tensors");
  Ref params(checked(PySequence_Fast(args[0], "clear_grads: expected a list of tensors")));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(params.p); ++i) {
    PyObject* p = PySequence_Fast_GET_ITEM(params.p, i);
    if (!tensor_check(p)) fail(ErrorType::Type, "clear_grads: an item is not a tensor");
    // Freeing a gradient may run Python code, which may change the list.
    Ref keep(Py_NewRef(p));
    Py_CLEAR(as_tensor(p)->grad);
  }
  return Py_NewRef(Py_None);
}

}  // namespace rl
