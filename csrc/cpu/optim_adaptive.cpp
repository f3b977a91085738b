// Fused optimizer steps, continued: the rarer rules. optim.cpp says what they share.
//
//   fused_adadelta   v = r v + (1 - r) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g
//                    u = r u + (1 - r) d^2;  p -= lr d
//   fused_adamax     m += (1 - b1)(g - m);   u = max(b2 u, |g| + eps);  p -= lr / (1 - b1^t) m / u
//   fused_nadam      m, v as in Adam;        p -= (a g + c m) / (sqrt(v / (1 - b2^t)) + eps)
//   fused_radam      m, v as in Adam;        p -= a m, or a m / (sqrt(v) + eps)
//   fused_asgd       p = (1 - l eta) p - eta g;  ax += mu (p - ax)
//   fused_rprop      s *= its factor by the sign of g prev;  p -= s sign(g);  prev = g
#include <tuple>

#include "optim.h"

namespace rl {
namespace {

const auto no_factors = [](Job&, double, const Cell*) {};

double sign_of(const Group& group) { return group.flag_option(keys().maximize) ? -1.0 : 1.0; }

// What Adam, NAdam and RAdam share: the means of the gradient and of its square.
struct Moments {
  double beta1, beta2, eps, decay, shrink, sign, lr;

  explicit Moments(const Group& group) {
    std::tie(beta1, beta2) = group.pair_option(keys().betas);
    eps = group.real_option(keys().eps);
    decay = group.real_option(keys().weight_decay);
    sign = sign_of(group);
    lr = group.real_option(keys().lr);
    const bool decoupled = group.flag_option(keys().decoupled_weight_decay);
    shrink = decoupled ? 1 - lr * decay : 1.0;
    if (decoupled) decay = 0;
  }
};

template <class T, class Round>
struct MomentStep {
  T w, beta2, w2, decay, shrink, sign;
  Round round;

  MomentStep(const Moments& o, Round r)
      : w(T(1 - o.beta1)),
        beta2(T(o.beta2)),
        w2(T(1 - o.beta2)),
        decay(T(o.decay)),
        shrink(T(o.shrink)),
        sign(T(o.sign)),
        round(r) {}
  // Moves m and v; p is shrunk, g becomes the gradient as the rule sees it.
  void operator()(T& p, T& g, T& m, T& v) const {
    p = round(p * shrink);
    g = round(g * sign + decay * p);
    m = round(m + w * (g - m));
    v = round(round(v * beta2) + w2 * g * g);
  }
};

template <class T, class Round>
void nadam(const Pointers<T>& x, const Job& job, const Moments& o, Round round) {
  const MomentStep<T, Round> moments(o, round);
  const T eps = T(o.eps), bias = T(job.correction), fresh = T(-job.scale), past = T(-job.extra);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    T p = x.p[i], g = x.g[i], m = x.a[i], v = x.b[i];
    moments(p, g, m, v);
    x.a[i] = m;
    x.b[i] = v;
    const T scale = round(round(std::sqrt(round(v / bias))) + eps);
    x.p[i] = round(p + fresh * g / scale) + past * m / scale;
  }
}

template <bool Rectified, class T, class Round>
void radam(const Pointers<T>& x, const Job& job, const Moments& o, Round round) {
  const MomentStep<T, Round> moments(o, round);
  const T eps = T(o.eps), size = T(-job.scale);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    T p = x.p[i], g = x.g[i], m = x.a[i], v = x.b[i];
    moments(p, g, m, v);
    x.a[i] = m;
    x.b[i] = v;
    x.p[i] = p + size * m / (Rectified ? round(round(std::sqrt(v)) + eps) : T(1));
  }
}

// The paper's r_t, or 0 while the variance of the second moment is too large.
double rectification(double beta2, double step) {
  const double longest = 2 / (1 - beta2) - 1, power = std::pow(beta2, step);
  const double length = longest - 2 * step * power / (1 - power);
  if (length <= 5) return 0;
  const double reached = (length - 4) * (length - 2) * longest;
  return std::sqrt(reached / ((longest - 4) * (longest - 2) * length));
}

template <bool Decay, class T, class Round>
void adadelta(const Pointers<T>& x, double lr, double rho, double eps, double decay, double sign,
              Round round) {
  const T size = T(-lr), r = T(rho), w = T(1 - rho), e = T(eps), d = T(decay), s = T(sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], s, d, round);
    const T v = round(round(x.a[i] * r) + w * g * g);
    x.a[i] = v;
    const T root = round(std::sqrt(round(v + e))), past = round(std::sqrt(round(x.b[i] + e)));
    const T delta = round(round(past / root) * g);
    x.b[i] = round(round(x.b[i] * r) + w * delta * delta);
    x.p[i] += size * delta;
  }
}

template <bool Decay, class T, class Round>
void adamax(const Pointers<T>& x, const Job& job, const Moments& o, Round round) {
  const T w = T(1 - o.beta1), beta2 = T(o.beta2), eps = T(o.eps), decay = T(o.decay),
          sign = T(o.sign), size = T(-job.scale);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay, round);
    const T m = round(x.a[i] + w * (g - x.a[i]));
    const T old = round(x.b[i] * beta2), here = round(std::abs(g) + eps);
    const T largest = old > here || old != old ? old : here;  // NaN stays, as in maximum()
    x.a[i] = m;
    x.b[i] = largest;
    x.p[i] += size * m / largest;
  }
}

template <bool Decay, class T, class Round>
void asgd(const Pointers<T>& x, const Job& job, double lambd, double decays, double signs,
          Round round) {
  const T shrink = T(1 - lambd * job.scale), size = T(-job.scale), mu = T(job.correction),
          decay = T(decays), sign = T(signs);
  const bool copies = job.correction == 1;
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = adjusted<Decay>(x.g[i], x.p[i], sign, decay, round);
    const T p = round(round(x.p[i] * shrink) + size * g);
    x.p[i] = p;
    x.a[i] = copies ? p : x.a[i] + round(round(p - x.a[i]) * mu);
  }
}

struct RpropOptions {
  double shrink, grow, smallest, largest, sign;
};

template <class T, class Round>
void rprop(const Pointers<T>& x, const RpropOptions& o, Round round) {
  const T shrink = T(o.shrink), grow = T(o.grow), smallest = T(o.smallest), largest = T(o.largest),
          sign = T(o.sign);
#pragma omp simd
  for (int64_t i = 0; i < x.n; ++i) {
    const T g = x.g[i] * sign, agreement = round(g * x.a[i]);
    const T factor = agreement > 0    ? grow
                     : agreement < 0  ? shrink
                     : agreement == 0 ? T(1)
                                      : agreement;
    T size = round(x.b[i] * round(factor));
    size = size < smallest ? smallest : size > largest ? largest : size;
    // Where the sign turned the step was too far: stay, and forget the direction.
    const T way = agreement < 0 ? T(0) : g;
    x.b[i] = round(size);
    x.a[i] = way;
    x.p[i] -= way > 0 ? x.b[i] : way < 0 ? -x.b[i] : way * x.b[i];
  }
}

}  // namespace

RL_FUNCTION(fused_nadam) {
  static const Names names({"step", "mu_product"}, {"exp_avg", "exp_avg_sq"});
  Group group(args, nargs);
  const Moments o(group);
  const double slowing = group.real_option(keys().momentum_decay);
  const auto momentum = [&](double t) { return o.beta1 * (1 - 0.5 * std::pow(0.96, t * slowing)); };
  group.gather(names, [&](Job& job, double step, const Cell* cells) {
    const double now = momentum(step), ahead = momentum(step + 1);
    cells[1].set(cells[1].f ? *cells[1].f * static_cast<float>(now) : *cells[1].d * now);
    const double product = cells[1].get();
    job.correction = 1 - std::pow(o.beta2, step);
    job.scale = o.lr * (1 - now) / (1 - product);
    job.extra = o.lr * ahead / (1 - product * ahead);
  });
  group.run([&](const auto& x, const Job& job, auto round) { nadam(x, job, o, round); });
  return group.result();
}

RL_FUNCTION(fused_radam) {
  static const Names names({"step"}, {"exp_avg", "exp_avg_sq"});
  Group group(args, nargs);
  const Moments o(group);
  group.gather(names, [&](Job& job, double step, const Cell*) {
    job.scale = o.lr / (1 - std::pow(o.beta1, step));
    job.correction = rectification(o.beta2, step);
    if (job.correction != 0) job.scale *= job.correction * std::sqrt(1 - std::pow(o.beta2, step));
  });
  group.run([&](const auto& x, const Job& job, auto round) {
    with_bool(job.correction != 0,
              [&](auto rectified) { radam<rectified.value>(x, job, o, round); });
  });
  return group.result();
}

RL_FUNCTION(fused_adadelta) {
  static const Names names({"step"}, {"square_avg", "acc_delta"});
  Group group(args, nargs);
  const double lr = group.real_option(keys().lr), rho = group.real_option(keys().rho),
               eps = group.real_option(keys().eps), decay = group.real_option(keys().weight_decay),
               sign = sign_of(group);
  group.gather(names, no_factors);
  group.run([&](const auto& x, const Job&, auto round) {
    with_bool(decay != 0, [&](auto d) { adadelta<d.value>(x, lr, rho, eps, decay, sign, round); });
  });
  return group.result();
}

RL_FUNCTION(fused_adamax) {
  static const Names names({"step"}, {"exp_avg", "exp_inf"});
  Group group(args, nargs);
  const Moments o(group);
  group.gather(names, [&](Job& job, double step, const Cell*) {
    job.scale = o.lr / (1 - std::pow(o.beta1, step));
  });
  group.run([&](const auto& x, const Job& job, auto round) {
    with_bool(o.decay != 0, [&](auto d) { adamax<d.value>(x, job, o, round); });
  });
  return group.result();
}

RL_FUNCTION(fused_asgd) {
  static const Names names({"step", "eta", "mu"}, {"ax"});
  Group group(args, nargs);
  const double lr = group.real_option(keys().lr), lambd = group.real_option(keys().lambd),
               alpha = group.real_option(keys().alpha), t0 = group.real_option(keys().t0),
               decay = group.real_option(keys().weight_decay), sign = sign_of(group);
  // Rounded to the default type even where a checkpoint made the state wider.
  const bool narrow = default_dtype() != DType::F64;
  const auto rounded = [&](double v) { return narrow ? static_cast<float>(v) : v; };
  group.gather(names, [&](Job& job, double step, const Cell* cells) {
    job.scale = cells[1].get();
    job.correction = cells[2].get();
    cells[1].set(rounded(lr / std::pow(1 + lambd * lr * step, alpha)));
    cells[2].set(rounded(1 / std::max(1.0, step - t0)));
  });
  group.run([&](const auto& x, const Job& job, auto round) {
    with_bool(decay != 0, [&](auto d) { asgd<d.value>(x, job, lambd, decay, sign, round); });
  });
  return group.result();
}

RL_FUNCTION(fused_rprop) {
  static const Names names({"step"}, {"prev", "step_size"});
  Group group(args, nargs);
  const auto [shrink, grow] = group.pair_option(keys().etas);
  const auto [smallest, largest] = group.pair_option(keys().step_sizes);
  const RpropOptions o{shrink, grow, smallest, largest, sign_of(group)};
  group.gather(names, no_factors);
  group.run([&](const auto& x, const Job&, auto round) { rprop(x, o, round); });
  return group.result();
}

}  // namespace rl
