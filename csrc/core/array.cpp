#include "array.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace rl {

bool row_major(const int64_t* sizes, const int64_t* strides, int n) {
  int64_t expected = 1;
  for (int d = n - 1; d >= 0; --d) {
    if (sizes[d] == 0) return true;
    if (sizes[d] != 1) {
      if (strides[d] != expected) return false;
      // An overflow means that there is a dim of size 0 further out.
      if (__builtin_mul_overflow(expected, sizes[d], &expected)) expected = 1;
    }
  }
  return true;
}

int64_t checked_product(Shape sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) {
    if (s < 0)
      fail(ErrorType::Runtime, "Trying to create tensor with negative dimension %lld: %s",
           static_cast<long long>(s), shape_text(sizes).c_str());
    if (__builtin_mul_overflow(n, s, &n))
      fail(ErrorType::Runtime, "numel: integer multiplication overflow for shape %s",
           shape_text(sizes).c_str());
  }
  return n;
}

// Bytes of n elements; what cannot be counted cannot be had.
static size_t bytes_of(int64_t n, DType t) {
  int64_t bytes;
  if (__builtin_mul_overflow(n, int64_t{itemsize(t)}, &bytes))
    fail(ErrorType::Runtime,
         "DefaultCPUAllocator: can't allocate memory: you tried to allocate %lld elements of %d "
         "bytes.",
         static_cast<long long>(n), static_cast<int>(itemsize(t)));
  return static_cast<size_t>(bytes);
}

int64_t span_of(Shape sizes, Shape strides) {
  int64_t last = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return 0;
    int64_t reach;
    if (__builtin_mul_overflow(sizes[d] - 1, strides[d], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      fail(ErrorType::Runtime, "as_strided: shape %s with strides %s overflows",
           shape_text(sizes).c_str(), shape_text(strides).c_str());
    }
  }
  if (last == INT64_MAX)
    fail(ErrorType::Runtime, "as_strided: shape %s with strides %s overflows",
         shape_text(sizes).c_str(), shape_text(strides).c_str());
  return last + 1;
}

void Array::no_dim(int d) const {
  if (ndim_ == 0)
    fail(ErrorType::Index, "Dimension specified as %d but tensor has no dimensions", d);
  fail(ErrorType::Index, "Dimension out of range (expected to be in range of [%d, %d], but got %d)",
       -ndim_, ndim_ - 1, d);
}

// An empty block, or that of a meta array.
char* Array::no_memory() const {
  return is_meta() ? meta_window(storage(), storage_->nbytes()) : nullptr;
}

void Array::set_ndim(int n) {
  if (n > kMaxDims) fail(ErrorType::Runtime, "tensor has too many (>%d) dims", kMaxDims);
  if (ndim_ > room_) delete[] heap();
  ndim_ = 0;
  if (n > room_) {
    int64_t* p = new int64_t[2 * n];
    std::memcpy(words_ + 1, &p, sizeof p);
  }
  ndim_ = static_cast<uint8_t>(n);
}

void Array::take_other_dims(const Array& o) {
  words_[0] = o.words_[0];
  set_ndim(o.ndim_);
  std::copy_n(o.dims(), 2 * o.ndim_, dims());
}

Array::Array(const Array& o)
    : storage_(o.storage_), offset_(o.offset_), dtype_(o.dtype_), contiguous_(o.contiguous_) {
  take_dims(o);
}

Array::Array(Array&& o, uint8_t room) noexcept
    : storage_(std::move(o.storage_)),
      offset_(o.offset_),
      dtype_(o.dtype_),
      contiguous_(o.contiguous_),
      room_(room) {
  if (o.ndim_ > o.room_ && o.ndim_ > room_) {  // the memory of its dims changes hands
    words_[0] = o.words_[0], words_[1] = o.words_[1];
    ndim_ = std::exchange(o.ndim_, uint8_t{0});
  } else {
    take_dims(o);
  }
}

Array& Array::operator=(const Array& o) {
  if (this != &o) *this = Array(o);
  return *this;
}

Array& Array::operator=(Array&& o) noexcept {
  if (this != &o) {
    if (ndim_ > room_) delete[] heap();
    ndim_ = 0;
    storage_ = std::move(o.storage_);
    offset_ = o.offset_;
    dtype_ = o.dtype_;
    contiguous_ = o.contiguous_;
    if (o.ndim_ > o.room_ && o.ndim_ > room_) {
      words_[0] = o.words_[0], words_[1] = o.words_[1];
      ndim_ = std::exchange(o.ndim_, uint8_t{0});
    } else {
      take_dims(o);
    }
  }
  return *this;
}

// -- making -------------------------------------------------------------------------------

Array Array::empty(DType t, Shape sizes) {
  Array a;
  const int n = static_cast<int>(sizes.size());
  a.set_ndim(n);
  a.words_[0] = checked_product(sizes);
  a.dtype_ = t;
  int64_t* s = a.dims();
  int64_t* st = s + n;
  int64_t step = 1;
  for (int d = n - 1; d >= 0; --d) {
    s[d] = sizes[d];
    st[d] = step;
    if (__builtin_mul_overflow(step, std::max<int64_t>(sizes[d], 1), &step)) step = 1;  // empty
  }
  a.storage_ = StorageRef(storage_new(bytes_of(a.numel(), t)));
  return a;
}

Array Array::over(StorageRef storage, DType t, int64_t offset, Shape sizes, Shape strides) {
  Array a;
  const int n = static_cast<int>(sizes.size());
  a.set_ndim(n);
  a.dtype_ = t;
  a.offset_ = offset;
  int64_t* s = a.dims();
  int64_t* st = s + n;
  int64_t numel = 1;
  for (int d = 0; d < n; ++d) {
    s[d] = sizes[d];
    st[d] = strides[d];
    if (__builtin_mul_overflow(numel, sizes[d], &numel))
      fail(ErrorType::Runtime, "numel: integer multiplication overflow for shape %s",
           shape_text(sizes).c_str());
  }
  a.words_[0] = numel;
  a.contiguous_ = row_major(s, st, n);
  a.storage_ = std::move(storage);
  return a;
}

Array Array::empty_strided(DType t, Shape sizes, Shape strides) {
  if (sizes.size() != strides.size()) {
    fail(ErrorType::Runtime,
         "dimensionality of sizes (%zu) must match dimensionality of strides (%zu)", sizes.size(),
         strides.size());
  }
  checked_product(sizes);
  for (int64_t st : strides) {
    if (st < 0)
      fail(ErrorType::Runtime,
           "as_strided: Negative strides are not supported at the moment, got strides: %s",
           shape_text(strides).c_str());
  }
  const int64_t span = span_of(sizes, strides);
  return over(StorageRef(storage_new(bytes_of(span, t))), t, 0, sizes, strides);
}

Array Array::empty_like(const Array& a, DType t) {
  if (a.contiguous_) return empty(t, a.shape());
  if (a.dense()) return empty_strided(t, a.shape(), a.stride_span());
  // PyTorch keeps the order of dims of a strided tensor but packs it.
  const int n = a.ndim();
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t st : a.stride_span()) {
    if (st == 0) return empty(t, a.shape());
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int x, int y) { return a.strides()[x] > a.strides()[y]; });
  std::vector<int64_t> strides(n);
  int64_t step = 1;
  for (int i = n - 1; i >= 0; --i) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(a.sizes()[order[i]], 1);
  }
  return empty_strided(t, a.shape(), strides);
}

Array Array::scalar(double v, DType t) {
  Array a = empty(t, Shape());
  fill(a, v);
  return a;
}

// -- facts --------------------------------------------------------------------------------

bool Array::dense() const {
  if (contiguous_) return true;
  int order[kMaxDims], n = 0;
  for (int d = 0; d < ndim_; ++d) {
    if (sizes()[d] == 0) return true;
    if (sizes()[d] != 1) order[n++] = d;
  }
  std::sort(order, order + n, [&](int x, int y) { return strides()[x] < strides()[y]; });
  int64_t expected = 1;
  for (int i = 0; i < n; ++i) {
    if (strides()[order[i]] != expected) return false;
    expected *= sizes()[order[i]];
  }
  return true;
}

bool Array::channels_last() const {
  if (ndim_ != 4 && ndim_ != 5) return false;
  int64_t expected = 1;
  // channel innermost, then width, height, (depth), batch
  for (int i = 0; i < ndim_; ++i) {
    const int d = i == 0 ? 1 : i == ndim_ - 1 ? 0 : ndim_ - i;
    if (sizes()[d] != 1) {
      if (strides()[d] != expected) return false;
      expected *= sizes()[d];
    }
  }
  return true;
}

bool Array::same_shape(const Array& o) const {
  return ndim_ == o.ndim_ && std::equal(sizes(), sizes() + ndim_, o.sizes());
}

// -- copies -------------------------------------------------------------------------------

Array Array::contiguous_copy() const {
  if (contiguous_) return *this;
  Array a = empty(dtype_, shape());
  copy_into(a, *this);
  return a;
}

Array Array::to(DType t) const {
  if (t == dtype_) return *this;
  Array a = empty_like(*this, t);
  copy_into(a, *this);
  return a;
}

Array Array::clone() const {
  Array a = empty_like(*this);
  copy_into(a, *this);
  return a;
}

// -- shapes -------------------------------------------------------------------------------

std::vector<int64_t> contiguous_strides(Shape sizes) {
  std::vector<int64_t> st(sizes.size());
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    st[d] = step;
    step *= std::max<int64_t>(sizes[d], 1);
  }
  return st;
}

int64_t product(Shape sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

int64_t wrap_dim(const char* op, int64_t dim, int ndim) {
  const int64_t n = ndim ? ndim : 1;  // a 0-d tensor accepts dim 0 and -1
  if (dim < -n || dim >= n) {
    fail(ErrorType::Index,
         "%s: Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)", op,
         static_cast<long long>(-n), static_cast<long long>(n - 1), static_cast<long long>(dim));
  }
  return dim < 0 ? dim + n : dim;
}

std::vector<int64_t> broadcast_shapes(const char* op, Shape a, Shape b) {
  const size_t n = std::max(a.size(), b.size());
  std::vector<int64_t> out(n);
  for (size_t i = 0; i < n; ++i) {  // from the last dim
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1,
                  y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      fail(ErrorType::Runtime,
           "%s: The size of tensor a (%lld) must match the size of tensor b (%lld) at "
           "non-singleton dimension %zu: got shapes %s and %s",
           op, static_cast<long long>(x), static_cast<long long>(y), n - 1 - i,
           shape_text(a).c_str(), shape_text(b).c_str());
    }
    out[n - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

std::vector<int64_t> infer_size(const char* op, Shape wanted, int64_t numel) {
  std::vector<int64_t> out(wanted.begin(), wanted.end());
  int64_t known = 1;
  int unknown = -1;
  for (size_t d = 0; d < out.size(); ++d) {
    if (out[d] == -1) {
      if (unknown >= 0)
        fail(ErrorType::Runtime, "%s: only one dimension can be inferred, got shape %s", op,
             shape_text(wanted).c_str());
      unknown = static_cast<int>(d);
    } else if (out[d] < 0) {
      fail(ErrorType::Runtime, "%s: invalid shape dimension %lld in %s", op,
           static_cast<long long>(out[d]), shape_text(wanted).c_str());
    } else if (__builtin_mul_overflow(known, out[d], &known)) {
      fail(ErrorType::Runtime, "%s: shape %s is too large", op, shape_text(wanted).c_str());
    }
  }
  if (unknown >= 0) {
    if (known == 0 && numel == 0) {
      fail(ErrorType::Runtime,
           "%s: cannot reshape tensor of 0 elements into shape %s because the unspecified "
           "dimension size -1 can be any value and is ambiguous",
           op, shape_text(wanted).c_str());
    }
    if (known != 0 && numel % known == 0) {
      out[unknown] = numel / known;
      return out;
    }
  } else if (known == numel) {
    return out;
  }
  fail(ErrorType::Runtime, "shape '%s' is invalid for input of size %lld",
       shape_text(wanted).c_str(), static_cast<long long>(numel));
}

std::string shape_text(Shape s) {
  std::string text = "[";
  for (size_t d = 0; d < s.size(); ++d) {
    if (d) text += ", ";
    text += std::to_string(s[d]);
  }
  return text + "]";
}

}  // namespace rl
