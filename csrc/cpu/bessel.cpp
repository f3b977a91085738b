// Bessel and Airy functions, element by element in double precision (bessel.h for those that run
// one by one): one pass, blocks of which only what they need is computed.
//
// J and Y of orders 0 and 1: fits by x^2 up to 4 (with a logarithm for Y) and by x up to 8, then
// Hankel's form sqrt(2 / (pi x)) (P cos t - Q sin t), t = x - (order + 1/2) pi / 2. K: fits by x^2
// with a logarithm up to 1, and of sqrt(x) e^x K(x) by 1 / x beyond.
#include "bessel.h"

#include "bessel_fits.h"
#include "blocks.h"
#include "loops.h"

namespace rl {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846;

enum class Kind { J, Y };

template <int Order>
inline double near_j(double x, double y) {
  return Order == 0 ? polynomial_at(kBesselJ0Near, y) : x * polynomial_at(kBesselJ1Near, y);
}

// For x >= 0 up to 4.
template <Kind K, int Order>
inline double near_bessel(double x) {
  const double y = centered(x * x, 0, 16), j = near_j<Order>(x, y);
  if constexpr (K == Kind::J) return j;
  const double l = vlog(x);
  if constexpr (Order == 0) return 2 / kPi * l * j + polynomial_at(kBesselY0Near, y);
  return 2 / kPi * (l * j - 1 / x) + x * polynomial_at(kBesselY1Near, y);
}
template <Kind K, int Order>
inline double middle_bessel(double x) {
  const double y = centered(x, 4, 8);
  if constexpr (K == Kind::J)
    return Order == 0 ? polynomial_at(kBesselJ0Middle, y) : polynomial_at(kBesselJ1Middle, y);
  else
    return Order == 0 ? polynomial_at(kBesselY0Middle, y) : polynomial_at(kBesselY1Middle, y);
}
template <Kind K, int Order>
inline double far_bessel(double x) {
  const double u = 1 / x, y = centered(u * u, 0, 1.0 / 64);
  const double c = vcos(x + 0.0), s = vsin(x);  // not one angle: a scalar call of both
  const double p = Order == 0 ? polynomial_at(kBesselCosine0, y) : polynomial_at(kBesselCosine1, y);
  const double q =
      u * (Order == 0 ? polynomial_at(kBesselSine0, y) : polynomial_at(kBesselSine1, y));
  // sqrt(2) times cosine and sine of x - (order + 1/2) pi / 2.
  const double cosine = Order == 0 ? c + s : s - c, sine = Order == 0 ? s - c : -(s + c);
  const double wave = K == Kind::J ? p * cosine - q * sine : p * sine + q * cosine;
  return wave * std::sqrt(u * (1 / kPi));
}

// J is even or odd; Y is -infinity at 0 and undefined below.
template <Kind K, int Order>
inline double finish(double x, double got) {
  if constexpr (K == Kind::J) return Order == 1 ? (x < 0 ? -got : got) : got;
  return x > 0 ? got : x == 0 ? -kInf : kNan;
}

template <Kind K, int Order>
void bessel_block(const double* x, double* y) {
  const bool far = any_of_block(x, [](double v) { return !(std::fabs(v) <= 8); });
  const bool middle = any_of_block(x, [](double v) { return (std::fabs(v) > 4); });
  if (!middle) {
    each_of_block(
        x, y, [](double v) { return finish<K, Order>(v, near_bessel<K, Order>(std::fabs(v))); });
  } else if (!far) {
    each_of_block(x, y, [](double v) {
      const double a = std::fabs(v), near = near_bessel<K, Order>(a),
                   middle = middle_bessel<K, Order>(a);
      return finish<K, Order>(v, a <= 4 ? near : middle);
    });
  } else {
    double kept[kBlock];
    each_of_block(x, kept, [](double v) {
      const double a = std::fabs(v), near = near_bessel<K, Order>(a),
                   middle = middle_bessel<K, Order>(a);
      return a <= 4 ? near : middle;
    });
    each_of_block(x, y, [](double v) { return far_bessel<K, Order>(std::fabs(v)); });
#pragma omp simd
    for (int i = 0; i < kBlock; ++i)
      y[i] = finish<K, Order>(x[i], std::fabs(x[i]) <= 8 ? kept[i] : y[i]);
  }
}

// e^x K_order(x) or, not scaled, K_order(x).
template <int Order, bool Scaled>
inline double modified_k(double x, bool small) {
  const double u = 1 / x, near = centered(u, 0.5, 1), middle = centered(u, 0.2, 0.5);
  const double far = centered(u, 0.03125, 0.2), last = centered(u, 0, 0.03125);
  const double fit = Order == 0 ? (u > 0.5        ? polynomial_at(kBesselK0Near, near)
                                   : u > 0.2      ? polynomial_at(kBesselK0Middle, middle)
                                   : u > 1 / 32.0 ? polynomial_at(kBesselK0Far, far)
                                                  : polynomial_at(kBesselK0Last, last))
                                : (u > 0.5        ? polynomial_at(kBesselK1Near, near)
                                   : u > 0.2      ? polynomial_at(kBesselK1Middle, middle)
                                   : u > 1 / 32.0 ? polynomial_at(kBesselK1Far, far)
                                                  : polynomial_at(kBesselK1Last, last));
  double got = fit * std::sqrt(u) * (Scaled ? 1 : vexp(-x));
  if (small) {
    const double y = centered(x * x, 0, 1), l = vlog(x);
    const double sum =
        Order == 0
            ? polynomial_at(kBesselK0Zero, y) - l * polynomial_at(kBesselI0Zero, y)
            : u + x * (polynomial_at(kBesselK1Zero, y) + l * polynomial_at(kBesselI1Zero, y));
    const double low = Scaled ? sum * vexp(x) : sum;
    got = x <= 1 ? low : got;
  }
  return x > 0 ? (x == kInf ? 0 : got) : x == 0 ? kInf : kNan;
}
template <int Order, bool Scaled>
void modified_block(const double* x, double* y) {
  if (any_of_block(x, [](double v) { return v <= 1; }))
    each_of_block(x, y, [](double v) { return modified_k<Order, Scaled>(v, true); });
  else
    each_of_block(x, y, [](double v) { return modified_k<Order, Scaled>(v, false); });
}

// I_order(x), even or odd, or that times e^-|x|. Infinite arguments give NaN, as in PyTorch.
template <int Order, bool Scaled>
inline double finish_i(double x, double got) {
  const double size = Scaled ? got : got * growth(std::fabs(x));
  return Order == 1 ? std::copysign(size, x) : size;
}
template <int Order, bool Scaled>
void bessel_i_block(const double* x, double* y) {
  if (any_of_block(x, [](double v) { return !(std::fabs(v) <= 4); }))
    each_of_block(x, y, [](double v) {
      return finish_i<Order, Scaled>(v, scaled_bessel_i<Order>(std::fabs(v)));
    });
  else
    each_of_block(x, y, [](double v) {
      return finish_i<Order, Scaled>(v, near_bessel_i<Order>(std::fabs(v)));
    });
}

inline double spherical_j0(double x) {
  const double near = 1 - x * x / 6, far = vsin(x) / x;
  return std::isinf(x) ? 0 : std::fabs(x) < 1e-4 ? near : far;
}

using Block = void (*)(const double*, double*);

template <Block B, class... Ts>
void blocks(const char* name, double cost, Types<Ts...>) {
  (add_loop<Ts, Ts>(
       name, [](char* const* p, int64_t n, const double*) { by_blocks<Ts>(p, n, B); }, cost),
   ...);
}
template <double (*F)(double)>
void one_real(const char* name, double cost) {
  constexpr auto in_double = []<class T>(T x) { return static_cast<T>(F(static_cast<double>(x))); };
  add_loop<float, float>(name, loop1<Plain<in_double>{}, float, float>, cost);
  add_loop<double, double>(name, loop1<Plain<in_double>{}, double, double>, cost);
}

const struct Registrar {
  Registrar() {
    blocks<bessel_i_block<0, false>>("i0", 3, Reals{});
    blocks<bessel_i_block<0, true>>("i0e", 2, Reals{});
    blocks<bessel_i_block<1, false>>("i1", 3, Reals{});
    blocks<bessel_i_block<1, true>>("i1e", 2, Reals{});
    blocks<modified_block<0, false>>("modified_bessel_k0", 6, Reals{});
    blocks<modified_block<1, false>>("modified_bessel_k1", 6, Reals{});
    blocks<modified_block<0, true>>("scaled_modified_bessel_k0", 6, Reals{});
    blocks<modified_block<1, true>>("scaled_modified_bessel_k1", 6, Reals{});
    blocks<bessel_block<Kind::J, 0>>("bessel_j0", 1.5, Reals{});
    blocks<bessel_block<Kind::J, 1>>("bessel_j1", 1.5, Reals{});
    blocks<bessel_block<Kind::Y, 0>>("bessel_y0", 3, Reals{});
    blocks<bessel_block<Kind::Y, 1>>("bessel_y1", 3, Reals{});
    one_real<spherical_j0>("spherical_bessel_j0", 1.3);
    one_real<airy_ai>("airy_ai", 20);
  }
} registrar;

}  // namespace
}  // namespace rl
