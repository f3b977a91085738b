// Connectionist temporal classification (Graves et al. 2006).
//
// x is (T, N, C) log-probabilities. The L labels of a sample with blanks around each are the
// S = 2 L + 1 states l'[0..S). With e[t, s] = x[t, n, l'[s]], in logarithms,
//
//   alpha[t, s] = e[t, s] + lse(alpha[t-1, s], alpha[t-1, s-1], alpha[t-1, s-2])
//   loss        = -lse(alpha[last, S-1], alpha[last, S-2])
//   beta[t, s]  = e[t, s] + lse(beta[t+1, s], beta[t+1, s+1], beta[t+1, s+2])
//   dx[t, n, c] = g (exp x - sum of exp(alpha + beta + loss - e)[t, s] over l'[s] = c)
//
// where a step of two states is only for a label that differs from the one before it. dx is the
// gradient with respect to what went into the log_softmax that made x: PyTorch's convention.
//
// One pass over time forward, which keeps alpha (N, T, S), and one back, which keeps one row of
// beta. Rows of states stand in padded buffers and are vectorised; samples go to threads.
#include "row.h"

namespace rl {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
const char* const kChecking = "(while checking arguments for ctc_loss_allocate_outputs)";

// The sizes, and the labels of all samples one after another.
struct Problem {
  int64_t times, batch, classes;
  int blank;
  IntList inputs, labels, starts;  // lengths of each sample, and where its labels begin
  Array targets;                   // int64, contiguous
  int64_t longest = 0;
  int64_t rows() const { return 2 * longest + 1; }
};

void check_lengths(const char* name, const IntList& lengths, int64_t batch, int64_t most) {
  if (static_cast<int64_t>(lengths.size()) != batch)
    fail(ErrorType::Runtime, "%s must be of size batch_size", name);
  for (const int64_t n : lengths) {
    if (n < 0)
      fail(ErrorType::Runtime, "Expected %s to have value at least 0, but got value %lld %s", name,
           static_cast<long long>(n), kChecking);
    if (n > most)
      fail(ErrorType::Runtime, "Expected %s to have value at most %lld, but got value %lld %s",
           name, static_cast<long long>(most), static_cast<long long>(n), kChecking);
  }
}

void check_target_size(const char* bound, int64_t wanted, int dim, int64_t size) {
  fail(ErrorType::Runtime,
       "Expected tensor to have size %s%lld at dimension %d, but got size %lld for argument #2 "
       "'targets' %s",
       bound, static_cast<long long>(wanted), dim, static_cast<long long>(size), kChecking);
}

// Where the labels of each sample begin: rows of a matrix, or all in one row.
void place_targets(Problem& p, const Array& targets) {
  p.starts.resize(p.labels.size());
  int64_t total = 0;
  for (size_t i = 0; i < p.labels.size(); ++i) {
    p.longest = std::max(p.longest, p.labels[i]);
    if (targets.ndim() == 2) total = static_cast<int64_t>(i) * targets.size(1);
    p.starts[i] = total;
    // No target holds so many labels; the sum must not overflow before that is said.
    total = std::min(total + p.labels[i], int64_t{1} << 62);
  }
  if (targets.ndim() == 1) {
    if (targets.size(0) != total) check_target_size("", total, 0, targets.size(0));
  } else {
    if (targets.size(0) != p.batch) check_target_size("", p.batch, 0, targets.size(0));
    if (targets.size(1) < p.longest) check_target_size("at least ", p.longest, 1, targets.size(1));
  }
}

// log_probs, targets, input_lengths, target_lengths from argument `first` on. Every length and
// every label is checked here, before any loop.
Problem problem_of(Call& call, int first, int64_t blank) {
  const Array &x = call.tensor(first), &targets = call.tensor(first + 1);
  if (x.ndim() != 3)
    fail(ErrorType::Runtime,
         "Expected 3-dimensional tensor, but got %d-dimensional tensor for argument #1 "
         "'log_probs' %s",
         x.ndim(), kChecking);
  if (x.numel() == 0) fail(ErrorType::Runtime, "log_probs tensor must not be empty");
  if (x.dtype() != DType::F32 && x.dtype() != DType::F64)
    fail(ErrorType::NotImplemented, "\"ctc_loss_cpu\" not implemented for '%s'",
         dtype_scalar_name(x.dtype()));
  if (targets.ndim() < 1 || targets.ndim() > 2)
    fail(ErrorType::Runtime,
         "Expected 1 to 2 dimensions, but got %d-dimensional tensor for argument #2 'targets' %s",
         targets.ndim(), kChecking);
  Problem p{x.size(0), x.size(1), x.size(2), 0, call.ints(first + 2), call.ints(first + 3), {}, {}};
  if (blank < 0 || blank >= p.classes) fail(ErrorType::Runtime, "blank must be in label range");
  if (p.classes > std::numeric_limits<int>::max())
    fail(ErrorType::Runtime, "ctc_loss: too many classes: got %lld",
         static_cast<long long>(p.classes));
  p.blank = static_cast<int>(blank);
  check_lengths("input_lengths", p.inputs, p.batch, p.times);
  check_lengths("target_lengths", p.labels, p.batch, std::numeric_limits<int64_t>::max() / 2);
  place_targets(p, targets);
  p.targets = targets.to(DType::I64).contiguous_copy();
  for (size_t i = 0; i < p.labels.size(); ++i)
    for (int64_t k = 0; k < p.labels[i]; ++k) {
      const int64_t label = p.targets.data<int64_t>()[p.starts[i] + k];
      if (label < 0 || label >= p.classes)
        fail(ErrorType::Index, "ctc_loss: label out of range: got %lld, expected 0 <= label < %lld",
             static_cast<long long>(label), static_cast<long long>(p.classes));
    }
  return p;
}

// log_probs with neighbouring classes side by side, its strides over time and samples.
struct Scores {
  Array array;
  int64_t time, sample;
};
Scores scores_of(const Array& x) {
  const Array a = x.stride(2) == 1 ? x : x.contiguous_copy();
  return {a, a.stride(0), a.stride(1)};
}

// Working rows of one thread. Rows of states have two places before and behind them that hold
// log 0, and their length is a whole number of vectors: what lies beyond the states is never read
// by a state.
template <class C>
struct Workspace {
  int64_t width, stride;
  Scratch<C> rows;
  Scratch<int> codes;
  explicit Workspace(int64_t states)
      : width((states + kLanes<C> - 1) / kLanes<C> * kLanes<C>),
        stride((width + 4 + 15) / 16 * 16),
        rows(static_cast<size_t>(5 * stride * num_threads())),
        codes(static_cast<size_t>(stride * num_threads())) {}
};

template <class C>
struct Sample {
  int64_t states, width;
  int* code;                      // the class of each state
  C *from, *to, *two, *emit, *p;  // from and to point at state 0; two: 0 or log 0, may one skip
};

// Lays out the states of sample n in this thread's part of the workspace. `two[s]` is about the
// step between states s and s + ahead.
template <class C>
Sample<C> lay_out(const Problem& p, const Workspace<C>& w, int64_t n, int64_t ahead) {
  const int64_t mine = omp_get_thread_num();
  C* rows = w.rows.get() + mine * 5 * w.stride;
  const int64_t states = 2 * p.labels[n] + 1;
  Sample<C> s{states,
              w.width,
              w.codes.get() + mine * w.stride,
              rows + 2,
              rows + w.stride + 2,
              rows + 2 * w.stride,
              rows + 3 * w.stride,
              rows + 4 * w.stride};
  std::fill(rows, rows + 3 * w.stride, static_cast<C>(kNever));
  std::fill(rows + 3 * w.stride, rows + 5 * w.stride, C(0));
  const int64_t* labels = p.targets.data<int64_t>() + p.starts[n];
  for (int64_t i = 0; i < states; ++i)
    s.code[i] = i % 2 ? static_cast<int>(labels[i / 2]) : p.blank;
  for (int64_t i = 1; i + 2 < states; i += 2)
    if (s.code[i] != s.code[i + 2]) s.two[ahead ? i : i + 2] = 0;
  return s;
}

// log(exp a + exp b + exp c): the largest is taken out; NaN stays NaN.
template <class C>
inline C log_sum(C a, C b, C c) {
  const C high = a < b ? b : a, low = a < b ? a : b;
  const C top = high < c ? c : high, middle = high < c ? high : c;
  const C never = static_cast<C>(kNever), shift = top == never ? C(0) : top;
  const C first = top == never ? C(0) : C(1) + (top - shift);  // infinite scores give NaN
  return shift + vlog(first + exp_nonpositive(low - shift) + exp_nonpositive(middle - shift));
}

template <class C>
void emissions(const Sample<C>& s, const C* __restrict x) {
  C* __restrict emit = s.emit;
  const int* __restrict code = s.code;
  for (int64_t i = 0; i < s.states; ++i) emit[i] = x[code[i]];
}

// One step of the recursion for all states: from the states before them, or (ahead) behind them.
template <class C>
void step(Sample<C>& s, const C* x, bool ahead) {
  emissions(s, x);
  const C* __restrict from = s.from;
  const C* __restrict two = s.two, * __restrict emit = s.emit;
  C* __restrict to = s.to;
  const int64_t by = ahead ? 1 : -1, width = s.width;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i)
    to[i] = emit[i] + log_sum(from[i], from[i + by], from[i + 2 * by] + two[i]);
  std::swap(s.from, s.to);
}

template <class C>
void sample_forward(const Problem& p, const Workspace<C>& w, const Scores& x, int64_t n, C* loss,
                    C* alpha) {
  Sample<C> s = lay_out(p, w, n, 0);
  const int64_t rows = p.rows(), times = p.inputs[n];
  const C never = static_cast<C>(kNever);
  const C* scores = x.array.data<C>() + n * x.sample;
  // A path begins with the first blank or the first label.
  for (int64_t t = 0; t < times; ++t, alpha += rows) {
    if (t == 0) {
      emissions(s, scores);
      for (int64_t i = 0; i < std::min<int64_t>(2, s.states); ++i) s.from[i] = s.emit[i];
    } else {
      step(s, scores + t * x.time, false);
    }
    std::copy_n(s.from, s.states, alpha);
    std::fill(alpha + s.states, alpha + rows, never);
  }
  std::fill(alpha, alpha + (p.times - times) * rows, never);
  if (times == 0)
    *loss = s.states == 1 ? C(0) : -never;
  else
    *loss = -log_sum(s.from[s.states - 1], s.states > 1 ? s.from[s.states - 2] : never, never);
}

// Gradients of one time step: g (exp x - the posterior of each class).
template <class C>
void class_gradients(const Sample<C>& s, const C* __restrict x, int64_t classes, C g,
                     C* __restrict dx) {
#pragma omp simd
  for (int64_t c = 0; c < classes; ++c) dx[c] = vexp(x[c]) * g;
  C blanks = 0;
  for (int64_t i = 0; i < s.states; i += 2) blanks += s.p[i];
  dx[s.code[0]] -= blanks * g;
  for (int64_t i = 1; i < s.states; i += 2) dx[s.code[i]] -= s.p[i] * g;
}

// p[i] = the probability of being in state i now, given the labels.
template <class C>
void posteriors(const Sample<C>& s, const C* __restrict alpha, C loss) {
  const C* __restrict beta = s.from, * __restrict emit = s.emit;
  C* __restrict p = s.p;
  std::copy_n(alpha, s.states, p);
  const C never = static_cast<C>(kNever);
  const int64_t width = s.width;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const C e = exp_nonpositive(p[i] + beta[i] + loss - emit[i]);
    p[i] = emit[i] == never ? C(0) : e;
  }
}

template <class C>
void sample_backward(const Problem& p, const Workspace<C>& w, const Scores& x, int64_t n, C g,
                     C loss, const C* alpha, bool zero_infinity, C* dx) {
  const int64_t times = p.inputs[n], row = p.batch * p.classes;
  const bool impossible = !(loss < -static_cast<C>(kNever));  // or NaN
  const C nothing = zero_infinity && loss == loss ? C(0) : std::numeric_limits<C>::quiet_NaN();
  for (int64_t t = impossible ? 0 : times; t < p.times; ++t)
    std::fill_n(dx + t * row, p.classes, t < times ? nothing : C(0));
  if (impossible) return;
  Sample<C> s = lay_out(p, w, n, 1);
  const C* scores = x.array.data<C>() + n * x.sample;
  for (int64_t t = times - 1; t >= 0; --t) {
    const C* now = scores + t * x.time;
    if (t == times - 1) {
      emissions(s, now);
      for (int64_t i = std::max<int64_t>(0, s.states - 2); i < s.states; ++i) s.from[i] = s.emit[i];
    } else {
      step(s, now, true);
    }
    posteriors(s, alpha + t * p.rows(), loss);
    class_gradients(s, now, p.classes, g, dx + t * row);
  }
}

// Samples worth a thread.
int64_t sample_grain(const Problem& p, int64_t classes) {
  const int64_t work = p.times * (p.rows() + classes / 4 + 16);
  return grain_of(2.0 * static_cast<double>(work));
}

template <class F>
void visit_score(DType t, F&& f) {
  if (t == DType::F32)
    f(float{});
  else
    f(double{});
}

void check_saved(const char* name, const Array& a, DType t, Shape wanted) {
  if (a.dtype() != t ||
      !std::equal(wanted.begin(), wanted.end(), a.shape().begin(), a.shape().end()))
    fail(ErrorType::Runtime, "ctc_loss_backward: wrong %s: got %s of %s, expected %s of %s", name,
         dtype_name(a.dtype()), shape_text(a.shape()).c_str(), dtype_name(t),
         shape_text(wanted).c_str());
}

}  // namespace

// log_probs, targets, input_lengths, target_lengths, blank, zero_infinity; results: losses, alpha.
RL_KERNEL(ctc_loss) {
  const Problem p = problem_of(call, 0, call.integer(4));
  const Scores x = scores_of(call.tensor(0));
  const DType t = x.array.dtype();
  Array loss = Array::empty(t, {p.batch}), alpha = Array::empty(t, {p.batch, p.times, p.rows()});
  visit_score(t, [&](auto tag) {
    using C = decltype(tag);
    const Workspace<C> w(p.rows());
    NoGil nogil(alpha.numel(), 10000);
    parallel_for(p.batch, sample_grain(p, 0), [&](int64_t n0, int64_t n1) {
      for (int64_t n = n0; n < n1; ++n)
        sample_forward<C>(p, w, x, n, loss.data<C>() + n, alpha.data<C>() + n * p.times * p.rows());
    });
  });
  call.result(std::move(loss));
  call.result(std::move(alpha));
}

// grad, log_probs, targets, input_lengths, target_lengths, losses, alpha, blank, zero_infinity
RL_KERNEL(ctc_loss_backward) {
  const Problem p = problem_of(call, 1, call.integer(7));
  const Scores x = scores_of(call.tensor(1));
  const DType t = x.array.dtype();
  const IntList batch{p.batch}, rows{p.batch, p.times, p.rows()};
  check_saved("gradient", call.tensor(0), t, batch);
  check_saved("losses", call.tensor(5), t, batch);
  check_saved("alpha", call.tensor(6), t, rows);
  const bool zero_infinity = call.boolean(8);
  const Array g = call.tensor(0).contiguous_copy(), loss = call.tensor(5).contiguous_copy(),
              alpha = call.tensor(6).contiguous_copy();
  Array dx = Array::empty(t, {p.times, p.batch, p.classes});
  visit_score(t, [&](auto tag) {
    using C = decltype(tag);
    const Workspace<C> w(p.rows());
    NoGil nogil(alpha.numel() + dx.numel(), 10000);
    parallel_for(p.batch, sample_grain(p, p.classes), [&](int64_t n0, int64_t n1) {
      for (int64_t n = n0; n < n1; ++n)
        sample_backward<C>(p, w, x, n, g.data<C>()[n], loss.data<C>()[n],
                           alpha.data<C>() + n * p.times * p.rows(), zero_infinity,
                           dx.data<C>() + n * p.classes);
    });
  });
  call.result(std::move(dx));
}

}  // namespace rl
