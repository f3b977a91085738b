// Activations of neural networks and their gradients: one pass over each operand.
//
//   relu silu mish gelu (erf or tanh) elu leaky_relu threshold hardtanh hardsigmoid hardswish
//   softplus softshrink hardshrink log_sigmoid prelu, and for each <name>_backward(g, ...), which
//   recomputes what it needs from the input (from the output for sigmoid and tanh).
#include "loops.h"
#include "soft_plus.h"

namespace rl {
namespace {

constexpr double kInvRootTwoPi = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kTanhScale = 0.79788456080286535588;     // sqrt(2 / pi)
constexpr double kTanhCube = 0.044715;

template <class T>
inline T tanh_argument(T x) {
  return static_cast<T>(kTanhScale) * (x + static_cast<T>(kTanhCube) * x * x * x);
}

void register_relu() {
  unary<[]<class T>(T x) { return x < T(0) ? T(0) : x; }>("relu", IntegersRealsExact{});
  unary_with<[]<class T>(const double* c) {
    const T threshold = static_cast<T>(c[0]), value = static_cast<T>(c[1]);
    return [=](T x) { return x <= threshold ? value : x; };
  }>("threshold", IntegersRealsRounded{});
  binary_with<[]<class T>(const double* c) {
    const T threshold = static_cast<T>(c[0]);
    return [=](T g, T x) { return x <= threshold ? T(0) : g; };
  }>("threshold_backward", IntegersRealsExact{});
  unary_with<[]<class T>(const double* c) {
    const T slope = static_cast<T>(c[0]);
    return [=](T x) { return 0 < x ? x : x * slope; };
  }>("leaky_relu", RealsRounded{});
  binary_with<[]<class T>(const double* c) {
    const T slope = static_cast<T>(c[0]);
    return [=](T g, T x) { return 0 < x ? g : g * slope; };
  }>("leaky_relu_backward", RealsRounded{});
  binary<[](auto x, auto w) { return 0 < x ? x : x * w; }>("prelu_elements", RealsRounded{});
  ternary<[]<class T>(T g, T x, T w) { return 0 < x ? g : g * w; }>("prelu_backward", Reals{});
  unary_with<[]<class T>(const double* c) {
    if (std::is_unsigned_v<T> && c[0] < 0)
      fail(ErrorType::Runtime, "cannot do hardtanh on an unsigned type with negative limits");
    const T low = static_cast<T>(c[0]), high = static_cast<T>(c[1]);
    return [=](T x) { return x < low ? low : high < x ? high : x; };
  }>("hardtanh", IntegersRealsRounded{});
  binary_with<[]<class T>(const double* c) {
    const T low = static_cast<T>(c[0]), high = static_cast<T>(c[1]);
    return [=](T g, T x) { return (low < x) & (x < high) ? g : T(0); };
  }>("hardtanh_backward", RealsExact{});
}

// A loop of `f` in blocks; those without numbers below zero take `positive`, which is short.
template <class T, class F, class G>
void one_sided(char* const* p, int64_t n, F f, G positive) {
  constexpr int64_t kBlock = 256;
  T* out = reinterpret_cast<T*>(p[0]);
  const T* x = reinterpret_cast<const T*>(p[1]);
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = std::min(start + kBlock, n);
    int below = 0;
#pragma omp simd reduction(| : below)
    for (int64_t i = start; i < end; ++i) below |= x[i] < 0 ? 1 : 0;
    if (below) {
#pragma omp simd
      for (int64_t i = start; i < end; ++i) out[i] = f(x[i]);
    } else {
#pragma omp simd
      for (int64_t i = start; i < end; ++i) out[i] = positive(x[i]);
    }
  }
}

// elu: scale x above zero, scale alpha (exp(input_scale x) - 1) below.
template <class T>
auto make_elu(const double* c) {
  const T negative = static_cast<T>(c[0] * c[1]), positive = static_cast<T>(c[1]);
  const T inner = static_cast<T>(c[2]);
  return [=](T x) {
    const T low = vexpm1(x * inner) * negative;
    return x < 0 ? low : x * positive;
  };
}
template <class T>
auto make_elu_backward(const double* c) {
  const T negative = static_cast<T>(c[0] * c[1] * c[2]), positive = static_cast<T>(c[1]);
  const T inner = static_cast<T>(c[2]);
  return [=](T g, T x) {
    const T low = vexp(x * inner) * negative;
    return g * (0 < x ? positive : low);  // NaN stays
  };
}
template <class T>
auto make_celu(const double* c) {
  const T alpha = static_cast<T>(c[0]), inverse = static_cast<T>(1 / c[0]);
  return [=](T x) {
    const T low = vexpm1(x * inverse) * alpha;
    return x < 0 ? low : x;
  };
}

template <class T>
void elu_loop(char* const* p, int64_t n, const double* c) {
  const T positive = static_cast<T>(c[1]);
  one_sided<T>(p, n, make_elu<T>(c), [=](T x) { return x * positive; });
}
template <class T>
void celu_loop(char* const* p, int64_t n, const double* c) {
  one_sided<T>(p, n, make_celu<T>(c), [](T x) { return x; });
}

// Huber's loss: half the square near zero, a line of slope delta further out; g times its slope.
template <class T>
auto make_huber(const double* c) {
  const T delta = static_cast<T>(c[0]);
  return [=](T x, T t) {
    const T d = std::fabs(x - t);
    return d < delta ? T(0.5) * d * d : delta * (d - T(0.5) * delta);
  };
}

template <class T>
auto make_huber_backward(const double* c) {
  const T delta = static_cast<T>(c[0]);
  return [=](T g, T x, T t) {
    const T d = x - t;
    return g * (d < -delta ? -delta : delta < d ? delta : d);
  };
}

void register_elu() {
  binary_with<[]<class T>(const double* c) { return make_huber<T>(c); }>("huber", Reals{});
  ternary_with<[]<class T>(const double* c) { return make_huber_backward<T>(c); }>("huber_backward",
                                                                                   Reals{});
  add_loop<float, float>("elu", elu_loop<float>, 0.5);
  add_loop<double, double>("elu", elu_loop<double>, 1);
  add_loop<float, float>("celu", celu_loop<float>, 0.5);
  add_loop<double, double>("celu", celu_loop<double>, 1);
  binary_with<[]<class T>(const double* c) { return make_elu_backward<T>(c); }>("elu_backward",
                                                                                Reals{}, 0.5);
}

void register_gates() {
  binary<[]<class T>(T g, T y) { return g * (1 - y) * y; }>("sigmoid_backward", RealsRounded{});
  binary<[]<class T>(T g, T y) { return mul_values(g, std::conj(mul_values(T(1) - y, y))); }>(
      "sigmoid_backward", Complexes{}, 2);
  binary<[]<class T>(T g, T y) { return g * (1 - y * y); }>("tanh_backward", RealsRounded{});
  binary<[]<class T>(T g, T y) { return mul_values(g, std::conj(T(1) - mul_values(y, y))); }>(
      "tanh_backward", Complexes{}, 2);
  unary<[]<class T>(T x) { return x / (1 + vexp(-x)); }>("silu", RealsRounded{}, 0.5);
  unary<[]<class T>(T x) { return div_values(x, T(1) + std::exp(-x)); }>("silu", Complexes{}, 20);
  binary<[]<class T>(T g, T x) {
    const T s = vsigmoid(x);
    return g * s * (1 + x * (1 - s));
  }>("silu_backward", RealsRounded{}, 0.6);
  binary<[]<class T>(T g, T x) {
    const T s = div_values(T(1), T(1) + std::exp(-x));
    return mul_values(g, std::conj(mul_values(s, T(1) + mul_values(x, T(1) - s))));
  }>("silu_backward", Complexes{}, 25);
  binary<[](auto a, auto b) { return a * vsigmoid(b); }>("gated", Reals{}, 0.5);
  ternary<[]<class T>(T g, T a, T b) {
    const T s = vsigmoid(b);
    return g * a * s * (1 - s);
  }>("gated_backward", Reals{}, 0.5);
  unary<[](auto x) { return x * vtanh(soft_plus(x)); }>("mish", RealsRounded{}, 1.2);
  binary<[]<class T>(T g, T x) {
    const T t = vtanh(soft_plus(x));
    return g * (t + x * vsigmoid(x) * (1 - t * t));
  }>("mish_backward", RealsRounded{}, 1.5);
}

void register_gelu() {
  unary<[](auto x) { return x * vnormal_cdf(x); }>("gelu", RealsRounded{}, 0.7);
  binary<[]<class T>(T g, T x) {
    const T density = static_cast<T>(kInvRootTwoPi) * vexp(x * x * T(-0.5));
    return g * (vnormal_cdf(x) + x * density);
  }>("gelu_backward", RealsRounded{}, 1.0);
  unary<[]<class T>(T x) { return T(0.5) * x * (1 + vtanh(tanh_argument(x))); }>("gelu_tanh",
                                                                                 Reals{}, 0.8);
  binary<[]<class T>(T g, T x) {
    const T t = vtanh(tanh_argument(x));
    const T slope = static_cast<T>(kTanhScale) * (1 + 3 * static_cast<T>(kTanhCube) * x * x);
    return g * T(0.5) * ((1 + t) + x * (1 - t * t) * slope);
  }>("gelu_tanh_backward", Reals{}, 1.0);
}

void register_hard() {
  unary<[]<class T>(T x) {
    const T y = x + 3, cut = y < 0 ? T(0) : 6 < y ? T(6) : y;
    return cut / 6;  // PyTorch divides too: a product with 1 / 6 would round otherwise
  }>("hardsigmoid", RealsRounded{}, 0.13);
  binary<[]<class T>(T g, T x) { return (-3 < x) & (x < 3) ? g * T(1.0 / 6) : T(0); }>(
      "hardsigmoid_backward", RealsRounded{});
  unary<[]<class T>(T x) {
    const T y = x + 3, cut = y < 0 ? T(0) : 6 < y ? T(6) : y;
    return x * cut / 6;
  }>("hardswish", RealsRounded{}, 0.17);
  binary<[]<class T>(T g, T x) {
    const T middle = g * (x / 3 + T(0.5));
    return x <= -3 ? T(0) : 3 <= x ? g : middle;  // NaN stays
  }>("hardswish_backward", RealsRounded{});
  unary_with<[]<class T>(const double* c) {
    const T lambda = static_cast<T>(c[0]);
    return [=](T x) { return (-lambda <= x) & (x <= lambda) ? T(0) : x; };
  }>("hardshrink", RealsExact{});
  unary_with<[]<class T>(const double* c) {
    const T lambda = static_cast<T>(c[0]);
    return [=](T x) { return lambda < x ? x - lambda : x < -lambda ? x + lambda : x * 0; };
  }>("softshrink", RealsRounded{});
  binary_with<[]<class T>(const double* c) {
    const T lambda = static_cast<T>(c[0]);
    return [=](T g, T x) { return (x < -lambda) | (lambda < x) ? g : T(0); };
  }>("shrink_backward", RealsExact{});
}

void register_soft() {
  unary_with<[]<class T>(const double* c) {
    const T beta = static_cast<T>(c[0]), threshold = static_cast<T>(c[1]);
    return [=](T x) {
      const T z = x * beta, soft = soft_plus(z) / beta;
      return threshold < z ? x : soft;
    };
  }>("softplus", RealsRounded{}, 1.0);
  binary_with<[]<class T>(const double* c) {
    const T beta = static_cast<T>(c[0]), threshold = static_cast<T>(c[1]);
    return [=](T g, T x) {
      const T z = x * beta, e = vexp(z), soft = g * e / (e + 1);
      return threshold < z ? g : soft;
    };
  }>("softplus_backward", RealsRounded{}, 1.0);
  unary<[](auto x) { return -soft_plus(-x); }>("log_sigmoid", RealsRounded{}, 1.0);
  binary<[](auto g, auto x) { return g * vsigmoid(-x); }>("log_sigmoid_backward", RealsRounded{},
                                                          0.6);
}

const struct Registrar {
  Registrar() {
    register_relu();
    register_elu();
    register_gates();
    register_gelu();
    register_hard();
    register_soft();
  }
} registrar;

}  // namespace
}  // namespace rl
