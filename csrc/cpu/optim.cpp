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
#include "optim.h"

namespace rl {
namespace {

// The gradient as the rule sees it: turned for maximisation, with weight decay added.
template <bool Decay, class T>
inline T adjusted(T g, T p, T sign, T decay) {
  g *= sign;
  return Decay ? g + decay * p : g;
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
          decay = T(o.decay), shrink = T(o.shrink), sign = T(o.sign), size = T(-job.scale),
          root = T(job.correction);
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
  const T lr = T(-o.lr), alpha = T(o.alpha), w = T(1 - o.alpha), eps = T(o.eps), decay = T(o.decay),
          mu = T(o.momentum), sign = T(o.sign);
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
  SgdOptions o{group.real_option(keys().lr),
               group.real_option(keys().momentum),
               group.real_option(keys().dampening),
               group.real_option(keys().weight_decay),
               group.flag_option(keys().maximize) ? -1.0 : 1.0,
               group.flag_option(keys().nesterov)};
  group.gather(o.momentum != 0 ? velocity : none, [](Job&, double) {});
  group.run([&](auto tag, const Job& job, int64_t begin, int64_t end) {
    using T = decltype(tag);
    const auto x = pointers<T>(job, begin, end, o.momentum != 0);
    with_bool(o.decay != 0, [&](auto decay) {
      if (o.momentum == 0)
        sgd<T, decay.value, false, false>(x, o);
      else if (o.nesterov)
        sgd<T, decay.value, true, true>(x, o);
      else
        sgd<T, decay.value, true, false>(x, o);
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
  const AdamOptions o{beta1,
                      beta2,
                      group.real_option(keys().eps),
                      decoupled ? 0.0 : decay,
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
  const RmspropOptions o{
      group.real_option(keys().lr),       group.real_option(keys().alpha),
      group.real_option(keys().eps),      group.real_option(keys().weight_decay),
      group.real_option(keys().momentum), group.flag_option(keys().maximize) ? -1.0 : 1.0};
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
  group.gather(names, [&](Job& job, double step) { job.scale = lr / (1 + (step - 1) * lr_decay); });
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
