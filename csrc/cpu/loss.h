// What the losses share: how they are reduced; and, of those over class indices, the shapes, the
// checks and the weights.
#pragma once
#include "short_rows.h"

namespace rl {
namespace {

enum class Reduction { None, Mean, Sum };

inline Reduction reduction_of(const Call& call, int i) {
  const std::string_view r = call.string(i);
  if (r == "none") return Reduction::None;
  if (r == "mean") return Reduction::Mean;
  if (r == "sum") return Reduction::Sum;
  fail(ErrorType::Value, "%.*s is not a valid value for reduction", static_cast<int>(r.size()),
       r.data());
}

struct Problem {
  int64_t n, classes, spatial;
  int64_t ignore;
  Reduction reduction;
  Array target;  // int64 or uint8, contiguous
  const char* targets;
  bool wide;
  int64_t wanted = 0;  // how many are not ignore_index
  int64_t count() const { return n * spatial; }
  int64_t at(int64_t i) const {
    return wide ? reinterpret_cast<const int64_t*>(targets)[i]
                : static_cast<int64_t>(reinterpret_cast<const uint8_t*>(targets)[i]);
  }
};

// f(the targets), of either type.
template <class F>
void visit_targets(const Problem& p, const F& f) {
  if (p.wide)
    f(reinterpret_cast<const int64_t*>(p.targets));
  else
    f(reinterpret_cast<const uint8_t*>(p.targets));
}

template <class I>
void check_targets(Problem& p, const I* targets) {
  if (meta_call) return;
  const int64_t n = p.target.numel();
  int64_t wrong = 0, ignored = 0;
#pragma omp simd reduction(+ : wrong, ignored)
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = targets[i], none = t == p.ignore ? 1 : 0;
    const int64_t outside = static_cast<uint64_t>(t) >= static_cast<uint64_t>(p.classes) ? 1 : 0;
    ignored += none;
    wrong += outside & ~none;
  }
  p.wanted = n - ignored;
  for (int64_t i = 0; wrong && i < n; ++i) {
    const int64_t t = targets[i];
    if ((t < 0 || t >= p.classes) && t != p.ignore)
      fail(ErrorType::Index, "Target %lld is out of bounds.", static_cast<long long>(t));
  }
}

// Shapes and every index are checked here, before any loop.
inline Problem check_problem(Shape x, const Array& target, const Array* weight, Reduction reduction,
                             int64_t ignore) {
  const int ndim = static_cast<int>(x.size());
  if (ndim < 1) fail(ErrorType::Value, "Expected 1 or more dimensions (got 0)");
  if (ndim > 1 && (target.ndim() == 0 || target.size(0) != x[0]))
    fail(ErrorType::Value, "Expected input batch_size (%lld) to match target batch_size (%lld).",
         static_cast<long long>(x[0]), static_cast<long long>(target.ndim() ? target.size(0) : 1));
  if (target.dtype() != DType::I64 && target.dtype() != DType::U8)
    fail(ErrorType::Runtime, "expected target dtype to be Long or Byte, but got %s",
         dtype_scalar_name(target.dtype()));
  Problem p{ndim > 1 ? x[0] : 1, ndim > 1 ? x[1] : x[0],   1,       ignore,
            reduction,           target.contiguous_copy(), nullptr, target.dtype() == DType::I64};
  p.targets = p.target.bytes();
  for (int d = 2; d < ndim; ++d) p.spatial *= x[d];
  bool same = target.ndim() == std::max(ndim - 1, 0);
  for (int d = 0; same && d < target.ndim(); ++d) same = target.size(d) == x[d ? d + 1 : 0];
  // A single sample may come with a target of one element.
  if (!same && !(ndim == 1 && target.numel() == 1)) {
    if (ndim <= 2 && target.ndim() > 1)
      fail(ErrorType::Runtime, "0D or 1D target tensor expected, multi-target not supported");
    if (ndim == 4 && target.ndim() != 3)
      fail(
          ErrorType::Runtime,
          "only batches of spatial targets supported (3D tensors) but got targets of dimension: %d",
          target.ndim());
    if (ndim == 3 || ndim > 4) {
      std::vector<int64_t> expected(x.begin(), x.end());
      expected.erase(expected.begin() + 1);
      fail(ErrorType::Runtime, "Expected target size %s, got %s", shape_text(expected).c_str(),
           shape_text(target.shape()).c_str());
    }
    fail(ErrorType::Runtime, "size mismatch (got input: %s , target: %s)", shape_text(x).c_str(),
         shape_text(target.shape()).c_str());
  }
  if (weight && (weight->ndim() != 1 || weight->numel() != p.classes))
    fail(ErrorType::Runtime,
         "weight tensor should be defined either for all %lld classes or no classes but got "
         "weight tensor of shape: %s",
         static_cast<long long>(p.classes), shape_text(weight->shape()).c_str());
  visit_targets(p, [&p](const auto* targets) { check_targets(p, targets); });
  return p;
}

template <class C>
Array class_weights(const Array* weight, int64_t classes) {
  if (weight) return weight->to(dtype_of<C>::value).contiguous_copy();
  Array a = Array::empty(dtype_of<C>::value, {classes});
  std::fill_n(a.data<C>(), classes, C(1));
  return a;
}

// The losses of all targets and the weights they count with, reduced; two results.
template <class T>
void finish_loss(Call& call, const Problem& p, const double* loss, double weights, Shape target) {
  using C = compute_t<T>;
  Array out = Array::empty(dtype_of<T>::value, p.reduction == Reduction::None ? target : Shape());
  if (meta_call) {
    // nothing to add up
  } else if (p.reduction == Reduction::None) {
    for (int64_t i = 0; i < p.count(); ++i) out.data<T>()[i] = T(static_cast<C>(loss[i]));
  } else {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < p.count(); ++i) sum += loss[i];
    if (p.reduction == Reduction::Mean) sum /= weights;
    *out.data<T>() = T(static_cast<C>(sum));
  }
  call.result(std::move(out));
  Array total = Array::empty(dtype_of<C>::value, Shape());
  *total.data<C>() = static_cast<C>(weights);
  call.result(std::move(total));
}

// Of the targets; w is all ones unless `given`.
template <class C>
double total_weight(const Problem& p, const C* w, bool given) {
  if (!given) return static_cast<double>(p.wanted);
  double sum = 0;
  for (int64_t i = 0; !meta_call && i < p.count(); ++i)
    if (p.at(i) != p.ignore) sum += w[p.at(i)];
  return sum;
}

// k of the formula for every target: one value shared (stride 0) or one each. Ignored targets are
// left to the caller.
template <class C>
struct Factors {
  Array g;
  int64_t stride;
  double scale;
  C at(int64_t i) const { return static_cast<C>(g.data<C>()[i * stride] * scale); }
};
template <class C>
Factors<C> loss_factors(const Array& g, const Problem& p, const Array& total) {
  Factors<C> f{g.to(dtype_of<C>::value).contiguous_copy(), 0, 1};
  const bool none = p.reduction == Reduction::None;
  if (f.g.numel() != (none ? p.count() : 1))
    fail(ErrorType::Runtime, "the gradient of a loss has shape %s, expected that of the loss",
         shape_text(g.shape()).c_str());
  f.stride = none;
  if (p.reduction == Reduction::Mean) f.scale = 1 / static_cast<double>(*total.data<C>());
  return f;
}

}  // namespace
}  // namespace rl
