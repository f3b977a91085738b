// Discrete Fourier transforms over one dim after another.
//
//   X[k] = scale * sum over j of x[j] exp(-+2 pi i j k / n)
//
// Each dim is one pass over memory: many short lines go W at a time through the lanes of vectors,
// from any strides to any strides; few or long ones one by one (fft_plan.h). Signals of 2 m real
// numbers are taken as m complex ones, whose transform gives theirs (Z even and odd parts):
//   X[k] = E + exp(-pi i k / m) O,  E = (Z[k] + conj Z[m-k]) / 2,  O = -i (Z[k] - conj Z[m-k]) / 2
#include <array>

#include "fft_plan.h"

namespace rl {
namespace {

// The lines along one dim of two arrays of the same other dims: one dim of them goes into lanes.
struct Lines {
  int64_t lanes = 1, lane_in = 0, lane_out = 0, outer_count = 1;
  std::vector<std::array<int64_t, 3>> outer;

  Lines(const Array& in, const Array& out, int dim, int width) {
    for (int d = 0; d < in.ndim(); ++d) {
      const int64_t size = in.size(d), a = in.stride(d), b = out.stride(d);
      if (d == dim || size == 1) continue;
      if (!outer.empty() && outer.back()[1] == a * size && outer.back()[2] == b * size)
        outer.back() = {outer.back()[0] * size, a, b};
      else
        outer.push_back({size, a, b});
    }
    if (outer.empty()) return;
    size_t best = outer.size() - 1;
    if (outer[best][0] < width / 2)
      for (size_t i = 0; i < outer.size(); ++i)
        if (outer[i][0] > outer[best][0]) best = i;
    lanes = outer[best][0];
    lane_in = outer[best][1];
    lane_out = outer[best][2];
    outer.erase(outer.begin() + static_cast<std::ptrdiff_t>(best));
    for (const auto& o : outer) outer_count *= o[0];
  }

  int64_t count() const { return lanes * outer_count; }
  // Where the line `lane` of the outer position `index` starts in both arrays.
  std::pair<int64_t, int64_t> start(int64_t index, int64_t lane) const {
    int64_t a = lane * lane_in, b = lane * lane_out;
    for (size_t i = outer.size(); i-- > 0; index /= outer[i][0]) {
      const int64_t at = index % outer[i][0];
      a += at * outer[i][1];
      b += at * outer[i][2];
    }
    return {a, b};
  }

  // f(in offset, out offset, lanes) for every W lines, in threads.
  template <class T, class F>
  void by_lanes(int64_t n, F&& f) const {
    constexpr int width = kWidth<T>;
    const int64_t groups = (lanes + width - 1) / width;
    parallel_for(groups * outer_count,
                 grain_of(element_cost<T>(n) * static_cast<double>(n * width)),
                 [&](int64_t first, int64_t last) {
                   for (int64_t g = first; g < last; ++g) {
                     const int64_t lane = g % groups * width;
                     const auto [a, b] = start(g / groups, lane);
                     f(a, b, static_cast<int>(std::min<int64_t>(width, lanes - lane)));
                   }
                 });
  }
  // f(in offset, out offset) for every line; few lines share out their own work instead.
  template <class T, class F>
  void by_line(int64_t n, F&& f) const {
    const auto some = [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const auto [a, b] = start(i / lanes, i % lanes);
        f(a, b);
      }
    };
    if (count() < num_threads())
      some(0, count());
    else
      parallel_for(count(), grain_of(element_cost<T>(n) * static_cast<double>(n)), some);
  }
};

// Whether W lines at a time beat one by one: both buffers should stay in the second-level cache.
template <class T>
bool prefer_lanes(int64_t n, const Lines& lines, bool adjacent) {
  if (!is_smooth(n)) return false;
  constexpr int W = kWidth<T>;
  if (n < 64) return true;
  if (lines.lanes >= W / 2 && n <= 2048) return true;
  return adjacent && lines.lanes >= W && n <= (1 << 16);
}

template <class T>
struct Buffers {
  Scratch<Vec<T>> lanes;
  Scratch<T> lines;
  Work<T> work;
  Buffers(int64_t lane_room, int64_t line_room)
      : lanes(static_cast<size_t>(lane_room * num_threads())),
        lines(static_cast<size_t>(line_room * num_threads())),
        work{lanes.get(), lane_room, lines.get(), line_room} {}
};

// -- real signals and half spectra; V is a number, or a vector of them ---------------------------
// One pair k and m - k: (a, b) becomes (X[k], X[m-k]); c, s are the root's parts.
template <class V, class R>
inline void separate_pair(V& ar, V& ai, V& br, V& bi, R c, R s) {
  const V er = (ar + br) * 0.5f, ei = (ai - bi) * 0.5f;
  const V dr = (ai + bi) * 0.5f, di = (br - ar) * 0.5f;
  const V pr = dr * c - di * s, pi = dr * s + di * c;
  ar = er + pr;
  ai = ei + pi;
  br = er - pr;
  bi = pi - ei;
}

// W neighbouring elements of a line as vectors of parts, the last one first if `Turned`; and back.
template <bool Turned, class T, size_t... J>
inline Vec<T> in_order(Vec<T> v, std::index_sequence<J...>) {
  if constexpr (!Turned) return v;
  return __builtin_shufflevector(v, v, (kWidth<T> - 1 - int(J))...);
}
template <bool Turned, class T>
inline Pair<T> line_at(const T* p) {
  constexpr auto every = std::make_index_sequence<kWidth<T>>();
  Pair<T> z;
  split_pairs(p, z.re, z.im, every);
  return {in_order<Turned, T>(z.re, every), in_order<Turned, T>(z.im, every)};
}
template <bool Turned, class T>
inline void put_line(T* p, Vec<T> re, Vec<T> im) {
  constexpr auto every = std::make_index_sequence<kWidth<T>>();
  join_pairs(p, in_order<Turned, T>(re, every), in_order<Turned, T>(im, every), every);
}

// Z to X, in place: z has m elements, and one more after. Numbers of one line go W pairs at a time.
template <class V, class T>
void separate(V* z, int64_t m, const T* roots) {
  z[2 * m] = z[0];
  z[2 * m + 1] = z[1];
  int64_t k = 0;
  if constexpr (std::is_same_v<V, T>) {
    constexpr int W = kWidth<T>;
    for (; 2 * (k + W) <= m; k += W) {
      T *p = z + 2 * k, *q = z + 2 * (m - k - W + 1);
      Pair<T> a = line_at<false>(p), b = line_at<true>(q);
      const Pair<T> root = line_at<false>(roots + 2 * k);
      separate_pair(a.re, a.im, b.re, b.im, root.re, root.im);
      put_line<false, T>(p, a.re, a.im);
      put_line<true, T>(q, b.re, b.im);
    }
  }
  for (; 2 * k <= m; ++k) {
    V *a = z + 2 * k, *b = z + 2 * (m - k);
    V ar = a[0], ai = a[1], br = b[0], bi = b[1];
    separate_pair(ar, ai, br, bi, roots[2 * k], roots[2 * k + 1]);
    a[0] = ar;
    a[1] = ai;
    b[0] = br;
    b[1] = bi;
  }
}

// X to Z, in place; imaginary parts of the ends do not count. `sign` -1 takes the conjugate of X.
template <class V, class T>
void combine(V* x, int64_t m, const T* roots, T sign, bool swap) {
  x[1] = x[2 * m + 1] = V{};
  int64_t k = 0;
  if constexpr (std::is_same_v<V, T>) {
    constexpr int W = kWidth<T>;
    for (; 2 * (k + W) <= m; k += W) {
      T *p = x + 2 * k, *q = x + 2 * (m - k - W + 1);
      const Pair<T> a = line_at<false>(p), b = line_at<true>(q);
      const Pair<T> root = line_at<false>(roots + 2 * k);
      const Vec<T> sr = a.re + b.re, si = (a.im - b.im) * sign;
      const Vec<T> dr = a.re - b.re, di = (a.im + b.im) * sign;
      const Vec<T> pr = dr * root.re + di * root.im, pi = di * root.re - dr * root.im;
      if (swap) {
        put_line<false, T>(p, si + pr, sr - pi);
        put_line<true, T>(q, pr - si, sr + pi);
      } else {
        put_line<false, T>(p, sr - pi, si + pr);
        put_line<true, T>(q, sr + pi, pr - si);
      }
    }
  }
  for (; 2 * k <= m; ++k) {
    V *a = x + 2 * k, *b = x + 2 * (m - k);
    const V sr = a[0] + b[0], si = (a[1] - b[1]) * sign;
    const V dr = a[0] - b[0], di = (a[1] + b[1]) * sign;
    const T c = roots[2 * k], s = -roots[2 * k + 1];
    const V pr = dr * c - di * s, pi = dr * s + di * c;
    a[swap] = sr - pi;
    a[!swap] = si + pr;
    b[swap] = sr + pi;
    b[!swap] = pr - si;
  }
}

// The other half of a mirrored spectrum of n elements, behind the first n / 2 + 1.
template <class V>
void mirror(V* x, int64_t n) {
  int64_t k = 1;
  if constexpr (std::is_floating_point_v<V>) {
    constexpr int W = kWidth<V>;
    for (; 2 * (k + W) <= n; k += W) {
      const Pair<V> a = line_at<false>(x + 2 * k);
      put_line<true, V>(x + 2 * (n - k - W + 1), a.re, -a.im);
    }
  }
  for (; 2 * k < n; ++k) {
    x[2 * (n - k)] = x[2 * k];
    x[2 * (n - k) + 1] = -x[2 * k + 1];
  }
}

// An odd one from its half, ready for a backward transform.
template <class V, class T>
void unfold(V* x, int64_t n, T sign, bool swap) {
  x[1] = V{};
  for (int64_t k = 1; 2 * k < n; ++k) x[2 * k + 1] = x[2 * k + 1] * sign;
  mirror(x, n);
  if (swap)
    for (int64_t k = 0; k < n; ++k) std::swap(x[2 * k], x[2 * k + 1]);
}

// -- one dim
// ---------------------------------------------------------------------------------------
template <class T>
void complex_dim(const Array& in, const Array& out, int dim, bool forward, double factor) {
  const int64_t n = in.size(dim), step_in = 2 * in.stride(dim), step_out = 2 * out.stride(dim);
  const auto plan = plan_for<T>(n);
  const Lines lines(in, out, dim, kWidth<T>);
  const T* x = in.data<T>();
  T* y = out.data<T>();
  const T scale = static_cast<T>(factor);
  const int64_t lane_in = 2 * lines.lane_in, lane_out = 2 * lines.lane_out;
  if (prefer_lanes<T>(n, lines, lane_in == 2 && lane_out == 2)) {
    const LanePlan<T>& lanes = plan->for_lanes();
    const Buffers<T> buffers(room_for(n), 0);
    NoGil nogil(in.numel(), 20000);
    lines.by_lanes<T>(n, [&](int64_t a, int64_t b, int count) {
      Vec<T>* buffer = buffers.work.buffer();
      load<T>(buffer, {x + 2 * a, step_in, lane_in, 1}, n, count, !forward);
      const Vec<T>* got = lanes.run(buffer, buffer + room_for(n) / 2);
      store<T>(got, {y + 2 * b, step_out, lane_out, 1}, n, count, !forward, scale, scale);
    });
    return;
  }
  const LinePlan<T>& line = plan->for_line();
  const Buffers<T> buffers(line.lane_room(), line.line_room());
  NoGil nogil(in.numel(), 20000);
  lines.by_line<T>(n, [&](int64_t a, int64_t b) {
    line.run({x + 2 * a, step_in, 0, 1}, {y + 2 * b, step_out, 0, 1}, !forward, scale, scale,
             buffers.work.line(), buffers.work);
  });
}

// A length as its complex transform sees it: half of an even one.
inline int64_t complex_length(int64_t n) { return n % 2 == 0 ? n / 2 : n; }

template <class T>
void real_to_complex(const Array& in, const Array& out, int dim, bool forward, double factor) {
  const int64_t n = in.size(dim), m = complex_length(n), kept = out.size(dim), half = n / 2 + 1;
  const int64_t step_in = in.stride(dim), step_out = 2 * out.stride(dim);
  const bool even = m != n;
  const auto plan = plan_for<T>(m);
  const Lines lines(in, out, dim, kWidth<T>);
  const T* roots = even ? plan->real_roots() : nullptr;
  const T scale = static_cast<T>(factor), other = forward ? scale : -scale;
  const auto from = [&](int64_t a) -> Strided<const T> {
    const T* x = in.data<T>() + a;
    if (even) return {x, 2 * step_in, lines.lane_in, step_in};
    return {x, step_in, lines.lane_in, kNone};
  };
  const auto finish = [&](auto* z) {
    if (even) separate(z, m, roots);
    if (kept > half) mirror(z, n);
  };
  T* y = out.data<T>();
  if (prefer_lanes<T>(m, lines, lines.lane_in == 1 && lines.lane_out == 1)) {
    const LanePlan<T>& lanes = plan->for_lanes();
    const Buffers<T> buffers(room_for(n), 0);
    NoGil nogil(in.numel(), 20000);
    lines.by_lanes<T>(m, [&](int64_t a, int64_t b, int count) {
      Vec<T>* buffer = buffers.work.buffer();
      load<T>(buffer, from(a), m, count, false);
      Vec<T>* got = lanes.run(buffer, buffer + room_for(n) / 2);
      finish(got);
      store<T>(got, {y + 2 * b, step_out, 2 * lines.lane_out, 1}, kept, count, false, scale, other);
    });
    return;
  }
  const LinePlan<T>& line = plan->for_line();
  const int64_t room = (2 * n + 2 + 63) / 64 * 64;
  const Buffers<T> buffers(line.lane_room(), line.line_room() + room);
  NoGil nogil(in.numel(), 20000);
  lines.by_line<T>(m, [&](int64_t a, int64_t b) {
    T* z = buffers.work.line();
    line.run(from(a), {z, 2, 0, 1}, false, scale, scale, z + room, buffers.work);
    finish(z);
    T* to = y + 2 * b;
    if (forward && step_out == 2) {
      std::memcpy(to, z, static_cast<size_t>(2 * kept) * sizeof(T));
      return;
    }
    for (int64_t k = 0; k < kept; ++k) {
      to[k * step_out] = z[2 * k];
      to[k * step_out + 1] = forward ? z[2 * k + 1] : -z[2 * k + 1];
    }
  });
}

template <class T>
void complex_to_real(const Array& in, const Array& out, int dim, bool forward, double factor) {
  const int64_t n = out.size(dim), m = complex_length(n), half = n / 2 + 1;
  const int64_t step_in = 2 * in.stride(dim), step_out = out.stride(dim);
  const bool even = m != n;
  const auto plan = plan_for<T>(m);
  const Lines lines(in, out, dim, kWidth<T>);
  const T* roots = even ? plan->real_roots() : nullptr;
  const T scale = static_cast<T>(factor), sign = forward ? T(-1) : T(1);
  const auto to = [&](int64_t b) -> Strided<T> {
    T* y = out.data<T>() + b;
    if (even) return {y, 2 * step_out, lines.lane_out, step_out};
    return {y, step_out, lines.lane_out, kNone};
  };
  const auto prepare = [&](auto* x, bool swap) {
    if (even)
      combine(x, m, roots, sign, swap);
    else
      unfold(x, n, sign, swap);
  };
  const T* x = in.data<T>();
  if (prefer_lanes<T>(m, lines, lines.lane_in == 1 && lines.lane_out == 1)) {
    const LanePlan<T>& lanes = plan->for_lanes();
    const Buffers<T> buffers(room_for(n), 0);
    NoGil nogil(out.numel(), 20000);
    lines.by_lanes<T>(m, [&](int64_t a, int64_t b, int count) {
      Vec<T>* buffer = buffers.work.buffer();
      load<T>(buffer, {x + 2 * a, step_in, 2 * lines.lane_in, 1}, half, count, false);
      prepare(buffer, true);
      const Vec<T>* got = lanes.run(buffer, buffer + room_for(n) / 2);
      store<T>(got, to(b), m, count, true, scale, scale);
    });
    return;
  }
  const LinePlan<T>& line = plan->for_line();
  const int64_t room = (2 * n + 2 + 63) / 64 * 64;
  const Buffers<T> buffers(line.lane_room(), line.line_room() + room);
  NoGil nogil(out.numel(), 20000);
  lines.by_line<T>(m, [&](int64_t a, int64_t b) {
    T* z = buffers.work.line();
    if (step_in == 2) std::memcpy(z, x + 2 * a, static_cast<size_t>(2 * half) * sizeof(T));
    for (int64_t k = 0; step_in != 2 && k < half; ++k) {
      z[2 * k] = x[2 * a + k * step_in];
      z[2 * k + 1] = x[2 * a + k * step_in + 1];
    }
    prepare(z, false);
    line.run({z, 2, 0, 1}, to(b), true, scale, scale, z + room, buffers.work);
  });
}

// -- operators
// -------------------------------------------------------------------------------------
template <class F>
void by_precision(const char* name, DType t, F&& f) {
  if (t == DType::C64 || t == DType::F32)
    f(float{});
  else if (t == DType::C128 || t == DType::F64)
    f(double{});
  else
    fail(ErrorType::Runtime, "%s: Unsupported dtype %s: expected float32, float64 or their complex",
         name, dtype_scalar_name(t));
}

IntList checked_dims(const Call& call, const Array& x, bool any) {
  IntList dims = call.ints(1);
  for (int64_t& d : dims) d = wrap_dim(call.name(), d, x.ndim());
  if (dims.empty() && any)
    fail(ErrorType::Runtime, "%s: must transform at least one axis", call.name());
  for (const int64_t d : dims)
    if (x.size(static_cast<int>(d)) == 0)
      fail(ErrorType::Runtime, "%s: Invalid number of data points (0) specified", call.name());
  for (size_t i = 0; i < dims.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (dims[i] == dims[j])
        fail(ErrorType::Runtime, "%s: FFT dims must be unique: got %d twice", call.name(),
             static_cast<int>(dims[i]));
  return dims;
}

Array complex_copy(const Array& x) { return Array::empty(to_complex(x.dtype()), x.shape()); }

// Transforms the first `count` of dims from `in` to `out`, in place after the first; returns the
// array that holds the result, which is `in` when there are none.
template <class T>
Array complex_dims(Array in, const Array& out, const IntList& dims, size_t count, bool forward,
                   double scale) {
  for (size_t i = count; i-- > 0;) {
    complex_dim<T>(in, out, static_cast<int>(dims[i]), forward, scale);
    in = out;
    scale = 1;
  }
  return in;
}

RL_KERNEL(fft_c2c) {
  const Array x = call.tensor(0).to(to_complex(call.tensor(0).dtype()));
  const IntList dims = checked_dims(call, x, false);
  const double scale = call.real(2);
  const bool forward = call.boolean(3);
  by_precision(call.name(), call.tensor(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Array y = complex_copy(x);
    if (dims.empty()) {
      copy_into(y, x);
      T* p = y.data<T>();
      if (scale != 1)
        for (int64_t i = 0; i < 2 * y.numel(); ++i) p[i] *= static_cast<T>(scale);
    } else if (y.numel() > 0) {
      complex_dims<T>(x, y, dims, dims.size(), forward, scale);
    }
    call.result(y);
  });
}

RL_KERNEL(fft_r2c) {
  const Array& x = call.tensor(0);
  const IntList dims = checked_dims(call, x, true);
  const double scale = call.real(2);
  const bool forward = call.boolean(3), onesided = call.boolean(4);
  if (is_complex(x.dtype()))
    fail(ErrorType::Runtime, "%s: expects a real input tensor, got %s", call.name(),
         dtype_scalar_name(x.dtype()));
  const int last = static_cast<int>(dims.back());
  IntList sizes(x.shape().begin(), x.shape().end());
  if (onesided) sizes[static_cast<size_t>(last)] = x.size(last) / 2 + 1;
  by_precision(call.name(), x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Array y = Array::empty(to_complex(x.dtype()), sizes);
    if (x.numel() > 0) {
      real_to_complex<T>(x, y, last, forward, scale);
      complex_dims<T>(y, y, dims, dims.size() - 1, forward, 1);
    }
    call.result(y);
  });
}

RL_KERNEL(fft_c2r) {
  const Array x = call.tensor(0).to(to_complex(call.tensor(0).dtype()));
  const IntList dims = checked_dims(call, x, true);
  const double scale = call.real(2);
  const bool forward = call.boolean(3);
  const int64_t n = call.integer(4);
  const int last = static_cast<int>(dims.back());
  if (n < 1 || x.size(last) != n / 2 + 1)
    fail(ErrorType::Runtime, "%s: dim %d holds %lld values: a result of %lld needs %lld",
         call.name(), last, static_cast<long long>(x.size(last)), static_cast<long long>(n),
         static_cast<long long>(n / 2 + 1));
  IntList sizes(x.shape().begin(), x.shape().end());
  sizes[static_cast<size_t>(last)] = n;
  by_precision(call.name(), call.tensor(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Array y = Array::empty(to_real(x.dtype()), sizes);
    if (y.numel() > 0) {
      Array half = x;
      if (dims.size() > 1)
        half = complex_dims<T>(x, complex_copy(x), dims, dims.size() - 1, forward, 1);
      complex_to_real<T>(half, y, last, forward, scale);
    }
    call.result(y);
  });
}

}  // namespace
}  // namespace rl
