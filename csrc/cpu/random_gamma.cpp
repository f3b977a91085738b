// Gamma and Dirichlet variates.
//
//   gamma      a >= 1: d v for v = (1 + z / sqrt(9 d))^3, d = a - 1/3, accepted by a uniform;
//              a < 1: a draw for a + 1 times U^(1/a)                                       (n)
//   dirichlet  gamma variates of each row over their sum                            (rows, n)
//
// Words are taken one by one: their number depends on the values. The method and the constants
// 0.0331 and 1/3 are those of G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
// variables", 2000.
#include <limits>

#include "random_fill.h"

namespace rl {
namespace {

double draw_normal(Generator& g) {
  if (g.has_normal) {
    const double z = g.normal;
    g.has_normal = false;
    g.normal = 0.0;
    return z;
  }
  const double angle = 2.0 * M_PI * draw_unit(g);
  const double radius = std::sqrt(-2.0 * exact_log1p(-draw_unit(g)));
  g.normal = radius * exact_sin(angle);
  g.has_normal = true;
  return radius * exact_cos(angle);
}

// The concentration, its reciprocal and d are taken in the type of the result.
template <class T>
double draw_gamma(Generator& g, T a) {
  double scale = 1.0;
  if (a < 1) {
    if (a == 0) return 0.0;
    scale = std::pow(1.0 - draw_unit(g), static_cast<double>(1 / a));
    a += 1;
  }
  const double d = a - static_cast<T>(1.0f / 3.0f);
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    double z, root;
    do {
      z = draw_normal(g);
      root = 1.0 + c * z;
    } while (root <= 0);
    const double v = root * root * root;
    const double u = 1 - draw_unit(g);
    const double square = z * z;
    if (u < 1.0 - 0.0331 * square * square) return scale * d * v;
    if (exact_log(u) < 0.5 * square + d * (1.0 - v + exact_log(v))) return scale * d * v;
  }
}

// The sum in PyTorch's order: 16 columns, their runs of 16 rows by levels, then four lanes.
double sum_in_columns(const double* x, int64_t n) {
  double level[4][16] = {};
  const int64_t rows = n / 16, lanes_end = n / 4 * 4;
  for (int64_t i = 0; i < rows; ++i) {
    for (int k = 0; k < 16; ++k) level[0][k] += x[i * 16 + k];
    for (int up = 1; up < 4 && (i + 1) % (int64_t{1} << (4 * up)) == 0; ++up)
      for (int k = 0; k < 16; ++k) {
        level[up][k] += level[up - 1][k];
        level[up - 1][k] = 0;
      }
  }
  double* lanes = level[0];
  for (int up = 1; up < 4; ++up)
    for (int k = 0; k < 16; ++k) lanes[k] += level[up][k];
  for (int64_t i = rows * 16; i < lanes_end; ++i) lanes[i % 4] += x[i];
  for (int k = 4; k < 16; ++k) lanes[k % 4] += lanes[k];
  double sum = 0;
  for (int64_t i = lanes_end; i < n; ++i) sum += x[i];
  for (int k = 0; k < 4; ++k) sum += lanes[k];
  return sum;
}

// No end of trials would come for what is no concentration.
Array concentrations(const Array& input, const char* name) {
  const DType t = input.dtype();
  if (t != DType::F32 && t != DType::F64) not_implemented(name, t);
  const Array a = input.to(DType::F64).contiguous_copy();
  for (int64_t i = 0; !on_meta(a) && i < a.numel(); ++i)
    if (!(a.data<double>()[i] >= 0 && std::isfinite(a.data<double>()[i])))
      fail(ErrorType::Runtime, "%s: concentrations must be finite and not negative: got %g", name,
           a.data<double>()[i]);
  return a;
}

template <class T>
T at_least_tiny(double v) {
  return std::max(std::numeric_limits<T>::min(), static_cast<T>(v));
}

template <class T>
void normalize_rows(const double* gammas, T* out, int64_t rows, int64_t n) {
  constexpr double tiny = std::numeric_limits<T>::min();
  constexpr double most = 1.0 - std::numeric_limits<T>::epsilon() / 2;
  for (int64_t r = 0; r < rows; ++r, gammas += n, out += n) {
    const double sum = sum_in_columns(gammas, n);
    for (int64_t i = 0; i < n; ++i)
      out[i] = static_cast<T>(std::clamp(gammas[i] / sum, tiny, most));
  }
}

}  // namespace

// Arguments: input, generator.
RL_KERNEL(standard_gamma) {
  Generator& generator = generator_of(call.args[1]);
  const Array& input = call.tensor(0);
  const Array a = concentrations(input, "gamma_cpu");
  const double* each = a.data<double>();
  Array out = Array::empty(input.dtype(), input.shape());
  if (!on_meta(out)) {
    Drawing drawing(generator, a.numel() * 8);
    for (int64_t i = 0; i < a.numel(); ++i) {
      if (input.dtype() == DType::F64)
        out.data<double>()[i] = at_least_tiny<double>(draw_gamma(drawing.g, each[i]));
      else
        out.data<float>()[i] =
            at_least_tiny<float>(draw_gamma(drawing.g, static_cast<float>(each[i])));
    }
  }
  call.result(std::move(out));
}

// Arguments: input, generator.
RL_KERNEL(sample_dirichlet) {
  Generator& generator = generator_of(call.args[1]);
  const Array& input = call.tensor(0);
  const Array a = concentrations(input, "dirichlet");
  const int64_t n = input.ndim() ? input.size(-1) : 1;
  const int64_t rows = n ? a.numel() / n : 0;
  Array gammas = Array::empty(DType::F64, input.shape());
  Array out = Array::empty(input.dtype(), input.shape());
  if (!on_meta(out)) {
    Drawing drawing(generator, a.numel() * 8);
    for (int64_t i = 0; i < a.numel(); ++i)
      gammas.data<double>()[i] = at_least_tiny<double>(draw_gamma(drawing.g, a.data<double>()[i]));
    if (input.dtype() == DType::F64)
      normalize_rows(gammas.data<double>(), out.data<double>(), rows, n);
    else
      normalize_rows(gammas.data<double>(), out.data<float>(), rows, n);
  }
  call.result(std::move(out));
}

}  // namespace rl
