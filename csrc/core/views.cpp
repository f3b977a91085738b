// Views of Arrays: the same storage under other sizes, strides and offset.
#include <algorithm>

#include "array.h"

namespace rl {

Array Array::as_strided(Shape new_sizes, Shape new_strides, int64_t new_offset) const {
  if (new_sizes.size() != new_strides.size()) {
    fail(ErrorType::Runtime, "mismatch in length of strides and shape");
  }
  if (new_offset < 0)
    fail(ErrorType::Runtime, "Tensor: invalid storage offset %lld",
         static_cast<long long>(new_offset));
  checked_product(new_sizes);
  for (int64_t st : new_strides) {
    if (st < 0)
      fail(ErrorType::Runtime,
           "as_strided: Negative strides are not supported at the moment, got strides: %s",
           shape_text(new_strides).c_str());
  }
  const int64_t span = span_of(new_sizes, new_strides);
  int64_t last;
  if (__builtin_add_overflow(new_offset, span, &last) ||
      (span > 0 && static_cast<uint64_t>(last) > storage_->nbytes() / item())) {
    int64_t needed;  // saturates: the sizes may be a hostile file's
    if (__builtin_add_overflow(new_offset, span, &needed) ||
        __builtin_mul_overflow(needed, item(), &needed)) {
      needed = INT64_MAX;
    }
    fail(ErrorType::Runtime,
         "setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %d requiring a "
         "storage size of %lld are out of "
         "bounds for storage of size %zu",
         shape_text(new_sizes).c_str(), shape_text(new_strides).c_str(),
         static_cast<long long>(new_offset), item(), static_cast<long long>(needed),
         storage_->nbytes());
  }
  return over(storage_, dtype_, new_offset, new_sizes, new_strides);
}

Array Array::select(int dim, int64_t index) const {
  int64_t s[kMaxDims], st[kMaxDims];
  int n = 0;
  for (int d = 0; d < ndim_; ++d) {
    if (d == dim) continue;
    s[n] = sizes()[d];
    st[n++] = strides()[d];
  }
  return over(storage_, dtype_, offset_ + index * strides()[dim], Shape(s, n), Shape(st, n));
}

// A stride that a huge step gives: it leads to no second element, so it may be any number.
static int64_t wrapping_product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

Array Array::slice(int dim, int64_t start, int64_t stop, int64_t step) const {
  Array a(*this);
  int64_t* s = a.dims();
  int64_t* st = s + ndim_;
  const int64_t length = stop > start ? (stop - start - 1) / step + 1 : 0;
  a.offset_ += start * st[dim];
  int64_t numel = s[dim] ? a.numel() / s[dim] * length : 0;
  s[dim] = length;
  st[dim] = wrapping_product(st[dim], step);
  if (numel == 0) numel = product(a.shape());
  a.words_[0] = numel;
  a.contiguous_ = row_major(s, st, ndim_);
  return a;
}

Array Array::transpose(int x, int y) const {
  Array a(*this);
  if (x == y) return a;
  int64_t* s = a.dims();
  int64_t* st = s + ndim_;
  std::swap(s[x], s[y]);
  std::swap(st[x], st[y]);
  a.contiguous_ = row_major(s, st, ndim_);
  return a;
}

Array Array::permute(Shape order) const {
  int64_t s[kMaxDims], st[kMaxDims];
  for (size_t i = 0; i < order.size(); ++i) {
    s[i] = sizes()[order[i]];
    st[i] = strides()[order[i]];
  }
  return over(storage_, dtype_, offset_, Shape(s, order.size()), Shape(st, order.size()));
}

Array Array::expand(Shape wanted) const {
  const int n = static_cast<int>(wanted.size()), lead = n - ndim_;
  if (lead < 0) {
    fail(ErrorType::Runtime,
         "expand: the number of sizes provided (%d) must be greater or equal to the number of "
         "dimensions in the tensor (%d)",
         n, ndim_);
  }
  if (n > kMaxDims) fail(ErrorType::Runtime, "expand: tensor has too many (>%d) dims", kMaxDims);
  int64_t s[kMaxDims], st[kMaxDims];
  for (int d = 0; d < n; ++d) {
    const int own = d - lead;
    if (own < 0) {
      if (wanted[d] < 0) {
        fail(ErrorType::Runtime,
             "The expanded size of the tensor (%lld) isn't allowed in a leading, non-existing "
             "dimension %d",
             static_cast<long long>(wanted[d]), d);
      }
      s[d] = wanted[d];
      st[d] = 0;
      continue;
    }
    const int64_t have = sizes()[own];
    if (wanted[d] == -1 || wanted[d] == have) {
      s[d] = have;
      st[d] = strides()[own];
    } else if (have == 1 && wanted[d] >= 0) {
      s[d] = wanted[d];
      st[d] = 0;
    } else {
      fail(ErrorType::Runtime,
           "The expanded size of the tensor (%lld) must match the existing size (%lld) at "
           "non-singleton dimension %d.  "
           "Target sizes: %s.  Tensor sizes: %s",
           static_cast<long long>(wanted[d]), static_cast<long long>(have), d,
           shape_text(wanted).c_str(), shape_text(shape()).c_str());
    }
  }
  return over(storage_, dtype_, offset_, Shape(s, n), Shape(st, n));
}

Array Array::unsqueeze(int dim) const {
  int64_t s[kMaxDims + 1], st[kMaxDims + 1];
  for (int d = 0, i = 0; i <= ndim_; ++i) {
    if (i == dim) {
      s[i] = 1;
      st[i] = d < ndim_ ? sizes()[d] * strides()[d] : 1;
    } else {
      s[i] = sizes()[d];
      st[i] = strides()[d++];
    }
  }
  return over(storage_, dtype_, offset_, Shape(s, ndim_ + 1), Shape(st, ndim_ + 1));
}

Array Array::squeeze(int dim) const { return ndim_ && sizes()[dim] == 1 ? select(dim, 0) : *this; }

Array Array::squeeze() const {
  int64_t s[kMaxDims], st[kMaxDims];
  int n = 0;
  for (int d = 0; d < ndim_; ++d) {
    if (sizes()[d] == 1) continue;
    s[n] = sizes()[d];
    st[n++] = strides()[d];
  }
  return over(storage_, dtype_, offset_, Shape(s, n), Shape(st, n));
}

bool Array::can_view(Shape wanted, int64_t* out) const {
  const int n = static_cast<int>(wanted.size());
  if (numel() == 0 || contiguous_) {
    int64_t step = 1;
    for (int d = n - 1; d >= 0; --d) {
      out[d] = step;
      step = wrapping_product(step, std::max<int64_t>(wanted[d], 1));  // an empty one may be huge
    }
    return true;
  }
  // Walk from the innermost dim: each maximal run of old dims that is contiguous among itself
  // must be cut exactly by a run of new dims.
  int v = n - 1;
  int64_t old_run = 1, new_run = 1;
  int64_t base = strides()[ndim_ - 1];
  for (int d = ndim_ - 1; d >= 0; --d) {
    old_run *= sizes()[d];
    const bool ends = d == 0 || (sizes()[d - 1] != 1 && strides()[d - 1] != old_run * base);
    if (!ends) continue;
    while (v >= 0 && (new_run < old_run || wanted[v] == 1)) {
      out[v] = new_run * base;
      new_run *= wanted[v];
      --v;
    }
    if (new_run != old_run) return false;
    if (d > 0) {
      base = strides()[d - 1];
      old_run = 1;
      new_run = 1;
    }
  }
  return v == -1;
}

Array Array::view(Shape wanted) const {
  int64_t st[kMaxDims];
  if (wanted.size() > kMaxDims)
    fail(ErrorType::Runtime, "view: tensor has too many (>%d) dims", kMaxDims);
  if (!can_view(wanted, st)) {
    fail(ErrorType::Runtime,
         "view size is not compatible with input tensor's size and stride (at least one dimension "
         "spans across two "
         "contiguous subspaces). Use .reshape(...) instead.");
  }
  return over(storage_, dtype_, offset_, wanted, Shape(st, wanted.size()));
}

Array Array::reshape(Shape wanted) const {
  int64_t st[kMaxDims];
  if (wanted.size() <= kMaxDims && can_view(wanted, st)) {
    return over(storage_, dtype_, offset_, wanted, Shape(st, wanted.size()));
  }
  return contiguous_copy().view(wanted);
}

Array Array::unfold(int dim, int64_t size, int64_t step) const {
  const int64_t have = ndim_ ? sizes()[dim] : 1;
  if (size < 0)
    fail(ErrorType::Runtime, "unfold: size is %lld but must be >= 0", static_cast<long long>(size));
  if (step <= 0)
    fail(ErrorType::Runtime, "unfold: step is %lld but must be > 0", static_cast<long long>(step));
  if (size > have) {
    fail(ErrorType::Runtime, "maximum size for tensor at dimension %d is %lld but size is %lld",
         dim, static_cast<long long>(have), static_cast<long long>(size));
  }
  int64_t s[kMaxDims + 1], st[kMaxDims + 1];
  for (int d = 0; d < ndim_; ++d) {
    s[d] = d == dim ? (have - size) / step + 1 : sizes()[d];
    st[d] = d == dim ? wrapping_product(strides()[d], step) : strides()[d];
  }
  s[ndim_] = size;
  st[ndim_] = ndim_ ? strides()[dim] : 1;
  return over(storage_, dtype_, offset_, Shape(s, ndim_ + 1), Shape(st, ndim_ + 1));
}

Array Array::diagonal(int64_t k, int d1, int d2) const {
  if (d1 == d2) fail(ErrorType::Runtime, "diagonal dimensions cannot be identical %d, %d", d1, d2);
  int64_t s[kMaxDims], st[kMaxDims];
  int n = 0;
  for (int d = 0; d < ndim_; ++d) {
    if (d == d1 || d == d2) continue;
    s[n] = sizes()[d];
    st[n++] = strides()[d];
  }
  const int64_t rows = sizes()[d1], cols = sizes()[d2];
  k = std::clamp(k, -rows, cols);  // further out lies nothing
  const int64_t length = k >= 0 ? std::min(rows, cols - k) : std::min(rows + k, cols);
  const int64_t start = length == 0 ? 0 : k >= 0 ? k * strides()[d2] : -k * strides()[d1];
  s[n] = length;
  st[n++] = strides()[d1] + strides()[d2];
  return over(storage_, dtype_, offset_ + start, Shape(s, n), Shape(st, n));
}

Array Array::view_dtype(DType t) const {
  const int from = item(), to = itemsize(t);
  if (from == to) return over(storage_, t, offset_, shape(), stride_span());
  std::vector<int64_t> s(shape().begin(), shape().end()),
      st(stride_span().begin(), stride_span().end());
  if (ndim_ == 0) {
    fail(ErrorType::Runtime, "self.dim() cannot be 0 to view %s as %s (different element sizes)",
         dtype_scalar_name(dtype_), dtype_scalar_name(t));
  }
  if (st.back() != 1)
    fail(ErrorType::Runtime,
         "self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld",
         dtype_scalar_name(dtype_), dtype_scalar_name(t), static_cast<long long>(st.back()));
  if (from > to) {
    const int64_t ratio = from / to;
    for (int d = 0; d + 1 < ndim_; ++d) st[d] *= ratio;
    s.back() *= ratio;
    return over(storage_, t, offset_ * ratio, s, st);
  }
  const int64_t ratio = to / from;
  bool fits = s.back() % ratio == 0 && offset_ % ratio == 0;
  for (int d = 0; d + 1 < ndim_; ++d) {
    fits = fits && st[d] % ratio == 0;
    st[d] /= ratio;
  }
  if (!fits) {
    fail(ErrorType::Runtime,
         "self.size(-1) must be divisible by %lld to view %s as %s (different element sizes), but "
         "got %lld",
         static_cast<long long>(ratio), dtype_scalar_name(dtype_), dtype_scalar_name(t),
         static_cast<long long>(s.back()));
  }
  s.back() /= ratio;
  return over(storage_, t, offset_ / ratio, s, st);
}

}  // namespace rl
