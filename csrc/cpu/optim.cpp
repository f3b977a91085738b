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
// have to handle. A parameter, its gradient and its state are float32, float64, a half type, or
// complex (updated as pairs of reals), all with the same strides and without gaps. Every element
// is read and written once; threads share the elements of all parameters together.
// optim_adaptive.cpp has the other rules.
#include "optim.h"

namespace rl {
namespace {

// -- SGD --------------------------------------------------------------------------------------
struct SgdOptions {
  double lr, momentum, dampening, decay, sign;
  bool nesterov;
};

template <bool Decay, bool Momentum, bool Nesterov, class T, class Round>
void sgd(const Pointers<T>& x, const SgdOptions& o, Round round) {
  const T lr = T(-o.lr), mu = T(o.momentum), fresh = T(1 - o.dampening), decay = T(o.decay),
          sign = T(o.sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay, round);
    if constexpr (Momentum) {
      const T v = round(round(x.a[i] * mu) + fresh * g);
      x.a[i] = v;
      g = Nesterov ? round(g + mu * v) : v;
    }
    x.p[i] += lr * g;
  }
}

// -- Adam -------------------------------------------------------------------------------------
struct AdamOptions {
  double beta1, beta2, eps, decay, shrink, sign;
};

template <bool Decay, bool Amsgrad, class T, class Round>
void adam(const Pointers<T>& x, const Job& job, const AdamOptions& o, Round round) {
  const T w = T(1 - o.beta1), beta2 = T(o.beta2), w2 = T(1 - o.beta2), eps = T(o.eps),
          decay = T(o.decay), shrink = T(o.shrink), sign = T(o.sign), size = T(-job.scale),
          root = T(job.correction);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T p = round(x.p[i] * shrink);
    const T g = adjusted<Decay>(x.g[i], p, sign, decay, round);
    const T m = round(x.a[i] + w * (g - x.a[i]));
    T v = round(round(x.b[i] * beta2) + w2 * g * g);
    x.a[i] = m;
    x.b[i] = v;
    if constexpr (Amsgrad) {
      // NaN stays, as in maximum().
      v = x.c[i] > v || x.c[i] != x.c[i] ? x.c[i] : v;
      x.c[i] = v;
    }
    if constexpr (std::is_same_v<Round, Exact>)
      x.p[i] = p + size * root * m / (std::sqrt(v) + eps * root);  // one division
    else
      x.p[i] = p + size * m / round(round(round(std::sqrt(v)) / root) + eps);
  }
}

// -- RMSprop ----------------------------------------------------------------------------------
struct RmspropOptions {
  double lr, alpha, eps, decay, momentum, sign;
};

// States: square, then mean where centred and velocity where there is momentum.
template <bool Decay, bool Centered, bool Momentum, class T, class Round>
void rmsprop(const Pointers<T>& x, const RmspropOptions& o, Round round) {
  const T lr = T(-o.lr), alpha = T(o.alpha), w = T(1 - o.alpha), eps = T(o.eps), decay = T(o.decay),
          mu = T(o.momentum), sign = T(o.sign);
  T* __restrict velocity = Centered ? x.c : x.b;
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay, round);
    T v = round(round(x.a[i] * alpha) + w * g * g);
    x.a[i] = v;
    if constexpr (Centered) {
      const T mean = round(x.b[i] + w * (g - x.b[i]));
      x.b[i] = mean;
      v = round(v - mean * mean);
    }
    const T scale = round(round(std::sqrt(v)) + eps);
    if constexpr (Momentum) {
      velocity[i] = round(round(velocity[i] * mu) + g / scale);
      x.p[i] += lr * velocity[i];
    } else {
      x.p[i] += lr * g / scale;
    }
  }
}

// -- Adagrad ----------------------------------------------------------------------------------
struct AdagradOptions {
  double eps, decay, sign;
};

template <bool Decay, class T, class Round>
void adagrad(const Pointers<T>& x, const Job& job, const AdagradOptions& o, Round round) {
  const T lr = T(-job.scale), eps = T(o.eps), decay = T(o.decay), sign = T(o.sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay, round);
    const T s = round(x.a[i] + g * g);
    x.a[i] = s;
    x.p[i] += lr * g / round(round(std::sqrt(s)) + eps);
  }
}

}  // namespace

RL_FUNCTION(fused_sgd) {
  static const Names none({}, {}), velocity({}, {"momentum_buffer"});
  Group group(args, nargs);
  SgdOptions o{group.real_option(keys().lr),
               group.real_option(keys().momentum),
               group.real_option(keys().dampening),
               group.real_option(keys().weight_decay),
               group.flag_option(keys().maximize) ? -1.0 : 1.0,
               group.flag_option(keys().nesterov)};
  group.gather(o.momentum != 0 ? velocity : none, [](Job&, double, const Cell*) {});
  group.run([&](const auto& x, const Job&, auto round) {
    with_bool(o.decay != 0, [&](auto decay) {
      if (o.momentum == 0)
        sgd<decay.value, false, false>(x, o, round);
      else if (o.nesterov)
        sgd<decay.value, true, true>(x, o, round);
      else
        sgd<decay.value, true, false>(x, o, round);
    });
  });
  return group.result();
}

RL_FUNCTION(fused_adam) {
  static const Names plain({"step"}, {"exp_avg", "exp_avg_sq"}),
      with_largest({"step"}, {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"});
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
  double known = -1, scale = 0, correction = 0;  // most parameters count the same steps
  group.gather(amsgrad ? with_largest : plain, [&](Job& job, double step, const Cell*) {
    if (step != known) {
      known = step;
      scale = lr / (1 - std::pow(beta1, step));
      correction = std::sqrt(1 - std::pow(beta2, step));
    }
    job.scale = scale;
    job.correction = correction;
  });
  group.run([&](const auto& x, const Job& job, auto round) {
    with_bool(o.decay != 0, [&](auto decays) {
      with_bool(amsgrad,
                [&](auto largest) { adam<decays.value, largest.value>(x, job, o, round); });
    });
  });
  return group.result();
}

RL_FUNCTION(fused_rmsprop) {
  static const Names plain({"step"}, {"square_avg"}),
      moving({"step"}, {"square_avg", "momentum_buffer"}),
      centred({"step"}, {"square_avg", "grad_avg"}),
      both({"step"}, {"square_avg", "grad_avg", "momentum_buffer"});
  Group group(args, nargs);
  const RmspropOptions o{
      group.real_option(keys().lr),       group.real_option(keys().alpha),
      group.real_option(keys().eps),      group.real_option(keys().weight_decay),
      group.real_option(keys().momentum), group.flag_option(keys().maximize) ? -1.0 : 1.0};
  const bool centered = group.flag_option(keys().centered), momentum = o.momentum > 0;
  const Names& names = centered ? (momentum ? both : centred) : (momentum ? moving : plain);
  group.gather(names, [](Job&, double, const Cell*) {});
  group.run([&](const auto& x, const Job&, auto round) {
    with_bool(o.decay != 0, [&](auto decays) {
      with_bool(centered, [&](auto c) {
        with_bool(momentum, [&](auto m) { rmsprop<decays.value, c.value, m.value>(x, o, round); });
      });
    });
  });
  return group.result();
}

RL_FUNCTION(fused_adagrad) {
  static const Names names({"step"}, {"sum"});
  Group group(args, nargs);
  const double lr = group.real_option(keys().lr), lr_decay = group.real_option(keys().lr_decay);
  const AdagradOptions o{group.real_option(keys().eps), group.real_option(keys().weight_decay),
                         group.flag_option(keys().maximize) ? -1.0 : 1.0};
  group.gather(names, [&](Job& job, double step, const Cell*) {
    job.scale = lr / (1 + (step - 1) * lr_decay);
  });
  group.run([&](const auto& x, const Job& job, auto round) {
    with_bool(o.decay != 0, [&](auto decays) { adagrad<decays.value>(x, job, o, round); });
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
    if (as_tensor(p)->extra) Py_CLEAR(as_tensor(p)->extra->grad);
  }
  return Py_NewRef(Py_None);
}

}  // namespace rl
