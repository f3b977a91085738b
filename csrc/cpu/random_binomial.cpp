// Binomial counts: how often an event of probability p <= 1/2 happens in n trials.
//
//   n p < 10   the gaps between events are geometric: ceil(log(U) / log1p(-p)) trials each
//   else       Hoermann's transformed rejection with squeeze (BTRS)
//
// p > 1/2 counts what does not happen. Words are taken one by one: their number depends on the
// values. Names follow algorithm BTRS: W. Hoermann, "The generation of binomial random variates",
// 1993.
#include "random_fill.h"

namespace rl {
namespace {

double binomial_by_gaps(Generator& g, double n, double p) {
  const double log_miss = exact_log1p(-p);
  double trials = 0, events = 0;
  for (;; ++events) {
    trials += std::ceil(exact_log(draw_unit(g)) / log_miss);
    if (trials > n) return events;
  }
}

// log(k!) less Stirling's main terms: the nine smallest from a table, then the series.
double stirling_tail(double k) {
  static const double table[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983,
                                 0.02079067210376509, 0.0166446911898211, 0.0138761288230707,
                                 0.0118967099458917,  0.0104112652619720, 0.00925546218271273,
                                 0.00833056343336287};
  if (k <= 9) return table[static_cast<int>(k)];
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

double binomial_by_rejection(Generator& g, double n, double p) {
  const double spread = std::sqrt(n * p * (1 - p));
  const double b = 1.15 + 2.53 * spread;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double c = n * p + 0.5;
  const double v_r = 0.92 - 4.2 / b;
  const double r = p / (1 - p);
  const double alpha = (2.83 + 5.1 / b) * spread;
  const double m = std::floor((n + 1) * p);
  for (;;) {
    const double u = draw_unit(g) - 0.5;
    double v = draw_unit(g);
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= v_r) return k;
    if (!(k >= 0 && k <= n)) continue;
    v = exact_log(v * alpha / (a / (us * us) + b));
    const double bound = (m + 0.5) * exact_log((m + 1) / (r * (n - m + 1))) +
                         (n + 1) * exact_log((n - m + 1) / (n - k + 1)) +
                         (k + 0.5) * exact_log(r * (n - k + 1) / (k + 1)) + stirling_tail(m) +
                         stirling_tail(n - m) - stirling_tail(k) - stirling_tail(n - k);
    if (v <= bound) return k;
  }
}

double draw_rare(Generator& g, double n, double p) {
  return n * p >= 10 ? binomial_by_rejection(g, n, p) : binomial_by_gaps(g, n, p);
}

double draw_binomial(Generator& g, double n, double p) {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p <= 0.5) return draw_rare(g, n, p);
  if (p > 0.5) return n - draw_rare(g, n, 1 - p);
  return p;  // not a number
}

}  // namespace

// Arguments: count, prob (of one shape and one floating dtype), generator.
RL_KERNEL(binomial) {
  Generator& generator = generator_of(call.args[2]);
  const Array &count = call.tensor(0), &prob = call.tensor(1);
  const Array counts = count.to(DType::F64).contiguous_copy();
  const Array probabilities = prob.to(DType::F64).contiguous_copy();
  const double *n = counts.data<double>(), *p = probabilities.data<double>();
  const int64_t size = counts.numel();
  if (probabilities.numel() != size)
    fail(ErrorType::Runtime, "binomial: count and prob have different sizes");
  for (int64_t i = 0; !on_meta(count) && i < size; ++i)
    if (!(n[i] < 0x1p62))
      fail(ErrorType::Value, "binomial: count must be a number below 2**62, got %g", n[i]);
  Array out = Array::empty(DType::F64, count.shape());
  if (!on_meta(out)) {
    Drawing drawing(generator, size * 8);
    for (int64_t i = 0; i < size; ++i) out.data<double>()[i] = draw_binomial(drawing.g, n[i], p[i]);
  }
  call.result(out.to(count.dtype()));
}

}  // namespace rl
