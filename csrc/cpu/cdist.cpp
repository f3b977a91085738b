// cdist: x1 (B, P, M), x2 (B, R, M) -> d (B, P, R), the p-norm of every x1[i] - x2[j].
//
//   p = 0: how many differ    1: sum |z|    2: sqrt(sum z^2)    inf: max |z|
//   otherwise: (sum |z|^p)^(1/p)                                 z = x1[i, m] - x2[j, m]
//
// cdist_backward gives the gradient of x1 alone; x2's is that of the transposed problem:
//   p = 1: sum_j g sign(z)      inf: sum_j g sign(z) [|z| = d]
//   otherwise: sum_j g sign(z) |z|^(p-1) / d^(p-1), 0 where d = 0 or z = 0
//
// Both take kLanes rows of x2 at a time, transposed (M, kLanes), so that lanes are rows j whatever
// M is; the forward then holds a tile of 4 by kLanes sums in registers while it walks along M.
// For p = 2 and long rows it multiplies instead, d^2 = |x1|^2 + |x2|^2 - 2 x1 x2, and sums the
// differences of those pairs where that would cancel: near points keep their digits.
#include "../core/kernel.h"
#include "gemm.h"
#include "vecmath.h"

namespace rl {
namespace {

constexpr int kRows = 4;
template <class T>
constexpr int kLanes = 128 / sizeof(T);

struct Sizes {
  int64_t batch, rows, others, width;
};

template <class T>
struct Zero {
  static T add(T s, T z, T) { return s + (z != T(0) ? T(1) : T(0)); }
  static T end(T s, T) { return s; }
};
template <class T>
struct One {
  static T add(T s, T z, T) { return s + std::fabs(z); }
  static T end(T s, T) { return s; }
};
template <class T>
struct Two {
  static T add(T s, T z, T) { return s + z * z; }
  static T end(T s, T) { return std::sqrt(s); }
};
template <class T>
struct Largest {
  static T add(T s, T z, T) {
    const T a = std::fabs(z);
    return (a > s) | (a != a) ? a : s;  // a NaN stays: nothing is greater
  }
  static T end(T s, T) { return s; }
};
template <class T>
struct Power {
  static T add(T s, T z, T p) { return s + vpow(std::fabs(z), p); }
  static T end(T s, T p) { return vpow(s, T(1) / p); }
};

// kLanes rows of x from `first`, transposed; lanes past the last row are zero.
template <class T>
void transpose(const T* x, int64_t first, int64_t count, int64_t width, T* out) {
  constexpr int L = kLanes<T>;
  const int n = static_cast<int>(std::min<int64_t>(L, count - first));
  for (int j = 0; j < L; ++j)
    for (int64_t m = 0; m < width; ++m) out[m * L + j] = j < n ? x[(first + j) * width + m] : T(0);
}

template <class T, class Norm, int R>
void tile(const T* x, int64_t width, const T* other, T p, T* out, int64_t stride, int lanes) {
  constexpr int L = kLanes<T>;
  T sums[R][L] = {};
  for (int64_t m = 0; m < width; ++m) {
    const T* y = other + m * L;
    for (int r = 0; r < R; ++r) {
      const T v = x[r * width + m];
#pragma omp simd
      for (int j = 0; j < L; ++j) sums[r][j] = Norm::add(sums[r][j], v - y[j], p);
    }
  }
  for (int r = 0; r < R; ++r) {
    T* row = out + r * stride;
#pragma omp simd
    for (int j = 0; j < lanes; ++j) row[j] = Norm::end(sums[r][j], p);
  }
}

// Rows [i0, i1) of the B * P rows of x1.
template <class T, class Norm>
void forward_rows(const Sizes& s, const T* x1, const T* x2, T p, T* d, T* buffer, int64_t i0,
                  int64_t i1) {
  constexpr int L = kLanes<T>;
  while (i0 < i1) {
    const int64_t b = i0 / s.rows, end = std::min(i1, (b + 1) * s.rows);
    for (int64_t j = 0; j < s.others; j += L) {
      transpose(x2 + b * s.others * s.width, j, s.others, s.width, buffer);
      const int lanes = static_cast<int>(std::min<int64_t>(L, s.others - j));
      int64_t i = i0;
      for (; i + kRows <= end; i += kRows)
        tile<T, Norm, kRows>(x1 + i * s.width, s.width, buffer, p, d + i * s.others + j, s.others,
                             lanes);
      for (; i < end; ++i)
        tile<T, Norm, 1>(x1 + i * s.width, s.width, buffer, p, d + i * s.others + j, s.others,
                         lanes);
    }
    i0 = end;
  }
}

constexpr int64_t kLong = 16, kMany = 64;  // width and rows from which products pay
constexpr int64_t kBlock = 144;            // rows of one product

template <class T>
T square_of(const T* x, const T* y, int64_t n) {  // of the distance; y null: of the length
  T sum = 0;
  if (y) {
#pragma omp simd reduction(+ : sum)
    for (int64_t m = 0; m < n; ++m) sum += (x[m] - y[m]) * (x[m] - y[m]);
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t m = 0; m < n; ++m) sum += x[m] * x[m];
  }
  return sum;
}

// A row of products becomes one of distances; gives how many had to be summed.
template <class T>
int64_t finish_row(const Sizes& s, const T* x, const T* others, const T* squares, T* row) {
  constexpr T kPart = T(1) / 16;  // of the squares: below, too few digits are left
  const T own = square_of<T>(x, nullptr, s.width);
  int64_t near = 0;
  for (int64_t j0 = 0; j0 < s.others; j0 += 128) {
    const int64_t end = std::min(j0 + 128, s.others);
    int32_t found = 0;
#pragma omp simd reduction(+ : found)
    for (int64_t j = j0; j < end; ++j) {
      const T both = own + squares[j], d = both - 2 * row[j];
      found += d > kPart * both ? 0 : 1;
      row[j] = d;
    }
    for (int64_t j = j0; found && j < end; ++j)
      if (!(row[j] > kPart * (own + squares[j])))
        row[j] = square_of(x, others + j * s.width, s.width);
#pragma omp simd
    for (int64_t j = j0; j < end; ++j) row[j] = std::sqrt(row[j]);
    near += found;
  }
  return near;
}

// x2 for products: its rows' squared lengths and the panels of each batch.
template <class T>
struct Others {
  const GemmKernel& kernel = gemm_kernel(dtype_of<T>::value);
  int64_t step;  // of a batch's panels
  Scratch<T> squares, panels;
  Others(const Sizes& s, const T* x2)
      : step(packed_size(kernel, s.width, s.others)),
        squares(static_cast<size_t>(s.batch * s.others)),
        panels(static_cast<size_t>(s.batch * step)) {
    for (int64_t j = 0; j < s.batch * s.others; ++j)
      squares[j] = square_of<T>(x2 + j * s.width, nullptr, s.width);
    for (int64_t b = 0; b < s.batch; ++b)
      kernel.pack(panels.get() + b * step, x2 + b * s.others * s.width, s.width, s.others, 1,
                  s.width);
  }
};

// forward_rows for p = 2.
template <class T>
void product_rows(const Sizes& s, const T* x1, const T* x2, const Others<T>& with, T* d, T* buffer,
                  int64_t i0, int64_t i1) {
  while (i0 < i1) {
    const int64_t b = i0 / s.rows, end = std::min({i1, (b + 1) * s.rows, i0 + kBlock});
    const T* others = x2 + b * s.others * s.width;
    GemmArgs g;
    g.m = end - i0, g.n = s.others, g.k = s.width;
    g.a = x1 + i0 * s.width, g.a_row = s.width, g.a_col = 1;
    g.b = with.panels.get() + b * with.step, g.packed = true;
    g.c = d + i0 * s.others, g.c_row = s.others;
    with.kernel.run(g);
    int64_t near = 0;
    for (int64_t i = i0; i < end; ++i)
      near += finish_row(s, x1 + i * s.width, others, with.squares.get() + b * s.others,
                         d + i * s.others);
    const bool clustered = near > g.m * g.n / 4;  // far from the origin, for one
    i0 = end;
    if (clustered) return forward_rows<T, Two<T>>(s, x1, x2, T(2), d, buffer, i0, i1);
  }
}

template <class T>
T slope(T z, T g, T d, T p) {
  const T one = z > T(0) ? T(1) : z < T(0) ? T(-1) : T(0);
  if (p == T(1)) return g * one;
  const T a = std::fabs(z);
  if (std::isinf(p)) return a == d ? g * one : T(0);
  const bool none = (d == T(0)) | (a == T(0));
  if (p == T(2)) return none ? T(0) : g * z / d;
  return none ? T(0) : g * one * std::pow(a / d, p - T(1));
}

template <class T>
void backward_rows(const Sizes& s, const T* g, const T* x1, const T* x2, const T* d, T p, T* out,
                   T* buffer, int64_t i0, int64_t i1) {
  constexpr int L = kLanes<T>;
  std::fill(out + i0 * s.width, out + i1 * s.width, T(0));
  while (i0 < i1) {
    const int64_t b = i0 / s.rows, end = std::min(i1, (b + 1) * s.rows);
    for (int64_t j = 0; j < s.others; j += L) {
      transpose(x2 + b * s.others * s.width, j, s.others, s.width, buffer);
      const int lanes = static_cast<int>(std::min<int64_t>(L, s.others - j));
      for (int64_t i = i0; i < end; ++i) {
        T gs[L] = {}, ds[L] = {};
        std::copy_n(g + i * s.others + j, lanes, gs);
        std::copy_n(d + i * s.others + j, lanes, ds);
        for (int64_t m = 0; m < s.width; ++m) {
          const T v = x1[i * s.width + m];
          const T* y = buffer + m * L;
          T sum = 0;
          if (p == T(1)) {
#pragma omp simd reduction(+ : sum)
            for (int k = 0; k < L; ++k) sum += gs[k] * (v > y[k] ? T(1) : v < y[k] ? T(-1) : T(0));
          } else if (p == T(2)) {
#pragma omp simd reduction(+ : sum)
            for (int k = 0; k < L; ++k) sum += ds[k] == T(0) ? T(0) : gs[k] * (v - y[k]) / ds[k];
          } else {
            for (int k = 0; k < lanes; ++k) sum += slope(v - y[k], gs[k], ds[k], p);
          }
          out[i * s.width + m] += sum;
        }
      }
    }
    i0 = end;
  }
}

Sizes check(const char* name, const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || (a.dtype() != DType::F32 && a.dtype() != DType::F64))
    fail(ErrorType::NotImplemented, "\"cdist\" not implemented for '%s' and '%s'",
         dtype_name(a.dtype()), dtype_name(b.dtype()));
  bool fits = a.ndim() >= 2 && a.ndim() == b.ndim() && a.size(-1) == b.size(-1);
  int64_t batch = 1;
  for (int i = 0; fits && i < a.ndim() - 2; ++i) {
    fits = a.size(i) == b.size(i);
    batch *= a.size(i);
  }
  if (!fits)
    fail(ErrorType::Runtime, "%s: got shapes %s and %s, expected (*, P, M) and (*, R, M)", name,
         shape_text(a.shape()).c_str(), shape_text(b.shape()).c_str());
  return {batch, a.size(-2), b.size(-2), a.size(-1)};
}

// f(begin, end, buffer) over the rows of x1, each thread with room for kLanes rows transposed.
template <class T, class F>
void over_rows(const Sizes& s, double cost, F f) {
  const int64_t room = std::max<int64_t>(1, s.width * kLanes<T>), rows = s.batch * s.rows;
  const double each = cost * static_cast<double>(s.others) * static_cast<double>(s.width);
  const int64_t grain = std::max<int64_t>(kRows, grain_of(each + 1));
  Scratch<T> buffers(static_cast<size_t>(room) * static_cast<size_t>(num_threads()));
  NoGil nogil(rows * static_cast<int64_t>(std::min(each, 1e9)));
  parallel_for(rows, grain, [&](int64_t i0, int64_t i1) {
    f(i0, i1, buffers.get() + room * omp_get_thread_num());
  });
}

template <class T>
void forward(const Sizes& s, const Array& a, const Array& b, double p, const Array& out) {
  using Rows = void (*)(const Sizes&, const T*, const T*, T, T*, T*, int64_t, int64_t);
  const Rows rows = p == 0          ? forward_rows<T, Zero<T>>
                    : p == 1        ? forward_rows<T, One<T>>
                    : p == 2        ? forward_rows<T, Two<T>>
                    : std::isinf(p) ? forward_rows<T, Largest<T>>
                                    : forward_rows<T, Power<T>>;
  const double cost = p == 0 || p == 1 || p == 2 || std::isinf(p) ? 0.1 : 3;
  if (p == 2 && s.width >= kLong && s.rows >= kMany && s.others >= kMany && !meta_call) {
    const Others<T> with(s, b.data<T>());
    return over_rows<T>(s, cost, [&](int64_t i0, int64_t i1, T* buffer) {
      product_rows(s, a.data<T>(), b.data<T>(), with, out.data<T>(), buffer, i0, i1);
    });
  }
  over_rows<T>(s, cost, [&](int64_t i0, int64_t i1, T* buffer) {
    rows(s, a.data<T>(), b.data<T>(), static_cast<T>(p), out.data<T>(), buffer, i0, i1);
  });
}

template <class T>
void backward(const Sizes& s, const Array& g, const Array& a, const Array& b, const Array& d,
              double p, const Array& out) {
  const double cost = p == 1 || p == 2 ? 0.3 : 10;
  over_rows<T>(s, cost, [&](int64_t i0, int64_t i1, T* buffer) {
    backward_rows(s, g.data<T>(), a.data<T>(), b.data<T>(), d.data<T>(), static_cast<T>(p),
                  out.data<T>(), buffer, i0, i1);
  });
}

// The elements above the diagonals of square matrices to one run each, row by row, or back.
void copy_triangles(const Array& from, const Array& to, int64_t batch, int64_t n, bool back) {
  const int64_t item = from.item(), runs = n * (n - 1) / 2;
  const double row_ns = 5 + 0.05 * static_cast<double>(n);
  NoGil nogil(batch * n * n / 2);
  parallel_for(batch * n, grain_of(row_ns), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t b = r / n, i = r % n, count = n - 1 - i;
      const int64_t row = (r * n + i + 1) * item;
      const int64_t run = (b * runs + i * (2 * n - i - 1) / 2) * item;
      char* out = to.bytes() + (back ? row : run);
      if (back) std::memset(out - (i + 1) * item, 0, static_cast<size_t>((i + 1) * item));
      std::memcpy(out, from.bytes() + (back ? run : row), static_cast<size_t>(count * item));
    }
  });
}

}  // namespace

// square (..., n, n) -> the n (n - 1) / 2 elements above the diagonal of each
RL_KERNEL(above_diagonal) {
  const Array x = call.tensor(0).contiguous_copy();
  if (x.ndim() < 2 || x.size(-1) != x.size(-2))
    fail(ErrorType::Runtime, "above_diagonal: got shape %s, expected square matrices",
         shape_text(x.shape()).c_str());
  const int64_t n = x.size(-1);
  std::vector<int64_t> shape(x.shape().begin(), x.shape().end() - 1);
  shape.back() = n * (n - 1) / 2;
  Array y = Array::empty(x.dtype(), shape);
  if (y.numel()) copy_triangles(x, y, x.numel() / (n * n), n, false);
  call.result(std::move(y));
}

// runs (..., n (n - 1) / 2), n -> the matrices with these above the diagonal and zeros elsewhere
RL_KERNEL(from_above_diagonal) {
  const Array x = call.tensor(0).contiguous_copy();
  const int64_t n = call.integer(1);
  if (n < 0 || n > 1 << 30 || x.ndim() < 1 || x.size(-1) != n * (n - 1) / 2)
    fail(ErrorType::Runtime, "from_above_diagonal: got shape %s for %lld rows",
         shape_text(x.shape()).c_str(), static_cast<long long>(n));
  std::vector<int64_t> shape(x.shape().begin(), x.shape().end());
  shape.back() = n;
  shape.push_back(n);
  Array y = Array::empty(x.dtype(), shape);
  if (y.numel()) copy_triangles(x, y, y.numel() / (n * n), n, true);
  call.result(std::move(y));
}

RL_KERNEL(cdist) {
  const Array a = call.tensor(0).contiguous_copy(), b = call.tensor(1).contiguous_copy();
  const double p = call.real(2);
  if (!(p >= 0)) fail(ErrorType::Runtime, "cdist only supports non-negative p values");
  const Sizes s = check("cdist", a, b);
  std::vector<int64_t> shape(a.shape().begin(), a.shape().end());
  shape.back() = s.others;
  Array out = Array::empty(a.dtype(), shape);
  if (out.numel()) {
    if (a.dtype() == DType::F32)
      forward<float>(s, a, b, p, out);
    else
      forward<double>(s, a, b, p, out);
  }
  call.result(out);
}

RL_KERNEL(cdist_backward) {
  const Array g = call.tensor(0).contiguous_copy();
  const Array a = call.tensor(1).contiguous_copy(), b = call.tensor(2).contiguous_copy();
  const Array d = call.tensor(4).contiguous_copy();
  const Sizes s = check("cdist_backward", a, b);
  std::vector<int64_t> shape(a.shape().begin(), a.shape().end());
  shape.back() = s.others;
  const Shape wanted(shape.data(), shape.size());
  for (const Array* x : {&g, &d})
    if (x->dtype() != a.dtype() ||
        !std::equal(wanted.begin(), wanted.end(), x->shape().begin(), x->shape().end()))
      fail(ErrorType::Runtime, "cdist_backward: got shape %s, expected %s",
           shape_text(x->shape()).c_str(), shape_text(wanted).c_str());
  Array out = Array::empty(a.dtype(), a.shape());
  if (out.numel()) {
    if (a.dtype() == DType::F32)
      backward<float>(s, g, a, b, d, call.real(3), out);
    else
      backward<double>(s, g, a, b, d, call.real(3), out);
  }
  call.result(out);
}

}  // namespace rl
