// gather, scatter, scatter_add, scatter_reduce.
//
// gather: y[.., i, ..] = x[.., index[.., i, ..], ..] along `dim`, shapes as index.
// scatter: y[.., index[.., i, ..], ..] = src[.., i, ..] (or +=, *=, max, min).
// Each walks the dims other than `dim` in threads (so that no two threads write one line) and
// loops over `dim` inside. scatter checks its indices in a pass of their own, before it writes.
#include <atomic>
#include <cmath>

#include "walk.h"

namespace rl {
namespace {

Array lifted(const Array& a) { return a.ndim() ? a : a.unsqueeze(0); }

void check_index_type(const char* op, const Array& index) {
  if (index.dtype() != DType::I64 && index.dtype() != DType::I32 && index.numel())
    fail(ErrorType::Runtime, "%s(): Expected dtype int64 for index", op);
}

void check_bounds(const Array& index, int64_t size, int dim) {  // contiguous int64
  const int64_t* v = index.data<int64_t>();
  const int64_t n = index.numel();
  std::atomic<int64_t> least{0}, most{-1};
  {
    NoGil nogil(n);
    parallel_for(n, 100000, [&](int64_t begin, int64_t end) {
      int64_t a = 0, b = -1;
#pragma omp simd reduction(min : a) reduction(max : b)
      for (int64_t i = begin; i < end; ++i) {
        a = std::min(a, v[i]);
        b = std::max(b, v[i]);
      }
      if (a < 0) least = a;
      if (b >= size) most = b;
    });
  }
  const int64_t low = least, high = most;
  if (low < 0 || high >= size)
    fail(ErrorType::Runtime, "index %lld is out of bounds for dimension %d with size %lld",
         static_cast<long long>(low < 0 ? low : high), dim, static_cast<long long>(size));
}

// index may be smaller than `other` in every dim (but `free_dim`, if any).
void check_smaller(const char* op, const Array& index, const Array& other, int free_dim,
                   const char* what) {
  if (index.ndim() != other.ndim())
    fail(ErrorType::Runtime,
         "%s(): Index tensor must have the same number of dimensions as %s tensor: got %d and %d",
         op, what, index.ndim(), other.ndim());
  for (int d = 0; d < index.ndim(); ++d)
    if (d != free_dim && index.size(d) > other.size(d))
      fail(ErrorType::Runtime,
           "%s(): Size does not match at dimension %d: expected index %s to be no larger than %s "
           "%s apart from dimension %d (Expected index to be smaller than %s)",
           op, d, shape_text(index.shape()).c_str(), what, shape_text(other.shape()).c_str(),
           free_dim, what);
}

// Whether n indices, `step` bytes apart, all lie in [0, size).
bool all_within(const char* at, int64_t step, int64_t n, int64_t size) {
  uint64_t most = 0;  // a negative one is larger than all others
  if (step == 8) {
    const auto* v = reinterpret_cast<const uint64_t*>(at);
#pragma omp simd reduction(max : most)
    for (int64_t i = 0; i < n; ++i) most = std::max(most, v[i]);
  } else {
    for (int64_t i = 0; i < n; ++i)
      most = std::max(most, *reinterpret_cast<const uint64_t*>(at + i * step));
  }
  return n == 0 || most < static_cast<uint64_t>(size);
}

// Lines along `dim` of three arrays: f(p, strides along dim, line length) for each position of
// the other dims, where p and strides are those of (first, index, third).
struct Lines {
  Walk<3> walk;
  int64_t along[3];
  int64_t length;

  Lines(const Array& first, const Array& index, const Array& third, int dim) {
    const Array* arrays[3] = {&first, &index, &third};
    for (int d = 0; d < index.ndim(); ++d) {
      if (d == dim) continue;
      Walk<3>::Strides s;
      for (int k = 0; k < 3; ++k)
        s[k] = arrays[k]->ndim() ? arrays[k]->stride(d) * arrays[k]->item() : 0;
      walk.push(index.size(d), s);
    }
    for (int k = 0; k < 3; ++k) {
      walk.base[k] = arrays[k]->bytes();
      along[k] = arrays[k]->ndim() ? arrays[k]->stride(dim) * arrays[k]->item() : 0;
    }
    length = index.size(dim);
  }

  // f(first, index value, third) for every element of index; lines stay within one thread. Runs
  // whose indices leave [0, size) are left out, and the answer is false then.
  template <int64_t width, class F>
  bool run(F&& f, int64_t size = INT64_MAX) const {
    if (walk.numel == 0 || length == 0) return true;
    std::atomic<bool> inside{true};
    walk.run(
        std::max<int64_t>(1, 16384 / length), [&](char* const* p, const int64_t* s, int64_t n) {
          // Whichever of the two dims is closer together in memory is the loop inside.
          const bool by_line = n == 1 || std::abs(along[1]) <= std::abs(s[1]);
          const int64_t outer = by_line ? n : length, inner = by_line ? length : n;
          const int64_t *so = by_line ? s : along, *si = by_line ? along : s;
          for (int64_t i = 0; i < outer; ++i) {
            char* a = p[0] + i * so[0];
            char* c = p[2] + i * so[2];
            const char* b = p[1] + i * so[1];
            if (size != INT64_MAX && !all_within(b, si[1], inner, size)) {
              inside.store(false, std::memory_order_relaxed);
              continue;
            }
            // The common runs again with the strides known: one array steps, the other is pinned.
            if (si[1] == 8 && si[2] == 0 && si[0] == width) {
              const int64_t* at = reinterpret_cast<const int64_t*>(b);
#pragma GCC unroll 8
              for (int64_t j = 0; j < inner; ++j) f(a + j * width, at[j], c);
            } else if (si[1] == 8 && si[0] == 0 && si[2] == width) {
              const int64_t* at = reinterpret_cast<const int64_t*>(b);
#pragma GCC unroll 8
              for (int64_t j = 0; j < inner; ++j) f(a, at[j], c + j * width);
            } else if (si[1] == 8 && si[0] == width && si[2] == width) {
              const int64_t* at = reinterpret_cast<const int64_t*>(b);
#pragma GCC unroll 8
              for (int64_t j = 0; j < inner; ++j) f(a + j * width, at[j], c + j * width);
            } else {
              for (int64_t j = 0; j < inner; ++j)
                f(a + j * si[0], *reinterpret_cast<const int64_t*>(b + j * si[1]), c + j * si[2]);
            }
          }
        });
    return inside;
  }
};

// f(step), where the step of neighbouring elements is known to the compiler.
template <int64_t width, class F>
void with_step(int64_t step, F&& f) {
  if (step == width)
    f(std::integral_constant<int64_t, width>());
  else
    f(step);
}

// `a` with the stride along dim set to zero: the index decides the position there.
Array pinned(const Array& a, int dim) {
  IntList strides(a.stride_span().begin(), a.stride_span().end());
  strides[dim] = 0;
  return Array::over(a.storage_ref(), a.dtype(), a.offset(), a.shape(), strides);
}

enum class Mode { Put, Add, Multiply, Mean, Amax, Amin };

Mode mode_of(const char* op, std::string_view name, bool old_names) {
  if (old_names) {
    if (name == "add") return Mode::Add;
    if (name == "multiply") return Mode::Multiply;
    fail(ErrorType::Runtime, "%s(): reduce argument must be either add or multiply.", op);
  }
  if (name == "sum") return Mode::Add;
  if (name == "prod") return Mode::Multiply;
  if (name == "mean") return Mode::Mean;
  if (name == "amax") return Mode::Amax;
  if (name == "amin") return Mode::Amin;
  fail(ErrorType::Runtime,
       "%s(): reduce argument must be either sum, prod, mean, amax or amin, got %s", op,
       std::string(name).c_str());
}

template <class T, class F>
void combine(const Lines& lines, int64_t step, F&& f) {
  with_step<sizeof(T)>(step, [&](auto by) {
    lines.run<sizeof(T)>([by, &f](char* y, int64_t i, const char* src) {
      T& v = *reinterpret_cast<T*>(y + i * by);
      v = f(v, *reinterpret_cast<const T*>(src));
    });
  });
}

template <class T>
void combine_mode(const Lines& lines, int64_t step, Mode mode) {
  using A = typename accumulate_type<T>::type;
  constexpr bool complex = std::is_same_v<T, c64> || std::is_same_v<T, c128>;
  if (mode == Mode::Add || mode == Mode::Mean) {
    combine<T>(lines, step, [](T a, T b) {
      if constexpr (std::is_same_v<T, bool>)
        return a || b;
      else
        return static_cast<T>(static_cast<A>(a) + static_cast<A>(b));
    });
  } else if (mode == Mode::Multiply) {
    combine<T>(lines, step, [](T a, T b) {
      if constexpr (std::is_same_v<T, bool>)
        return a && b;
      else
        return static_cast<T>(static_cast<A>(a) * static_cast<A>(b));
    });
  } else if constexpr (!complex) {
    const bool up = mode == Mode::Amax;
    combine<T>(lines, step, [up](T a, T b) {
      const A x = a, y = b;
      return is_nan(a) || (!is_nan(b) && (up ? x >= y : x <= y)) ? a : b;
    });
  }
}

template <class T>
T neutral(Mode mode) {
  constexpr bool complex = std::is_same_v<T, c64> || std::is_same_v<T, c128>;
  if (mode == Mode::Multiply) return T(1);
  if (mode != Mode::Amax && mode != Mode::Amin) return T{};
  const bool up = mode == Mode::Amax;
  if constexpr (complex)
    return T{};
  else if constexpr (std::is_same_v<T, bool>)
    return !up;
  else if constexpr (std::is_integral_v<T>)
    return up ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  else
    return static_cast<T>(up ? -INFINITY : INFINITY);
}

// Sums divided by how many values met at each place (rounded down for integers).
void divide_by_counts(const Array& y, const Array& index, int dim, bool include_self) {
  const Array counts = Array::empty(DType::I64, y.shape());
  fill(counts, int64_t{include_self});
  const int64_t step = counts.stride(dim) * 8;
  const Array still = pinned(counts, dim);
  Lines(still, index, index, dim).run<8>([step](char* c, int64_t i, const char*) {
    ++*reinterpret_cast<int64_t*>(c + i * step);
  });
  Walk<2> walk;
  walk.push_all(y.shape(), {&y, &counts});
  visit_all(y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    walk.run(16384, [](char* const* p, const int64_t* s, int64_t n) {
      for (int64_t k = 0; k < n; ++k) {
        T& v = *reinterpret_cast<T*>(p[0] + k * s[0]);
        const int64_t c = *reinterpret_cast<int64_t*>(p[1] + k * s[1]);
        if (c < 2) continue;
        if constexpr (std::is_integral_v<T>) {
          const int64_t a = v;
          v = static_cast<T>(a / c - (a % c < 0));
        } else {
          using A = typename accumulate_type<T>::type;
          v = static_cast<T>(static_cast<A>(v) / static_cast<A>(static_cast<double>(c)));
        }
      }
    });
  });
}

struct Scattered {
  Array result, y, index, src;  // y: result, at least 1-d; src pinned for a single value
  int dim;
};

// Checks and prepares: input, dim, index, src (tensor, or a number when `value`).
Scattered prepare(Call& call, const char* op, bool value) {
  const Array& input = call.tensor(0);
  Scattered s;
  s.dim = call.dim(1, input.ndim());
  const Array& given = call.tensor(2);
  check_index_type(op, given);
  const Array x = lifted(input);
  s.index = index_values(lifted(given));
  if (s.index.numel()) check_smaller(op, s.index, x, s.dim, "self");
  if (value) {
    s.src = scalar_of(call.args[3], input.dtype());
  } else {
    if (call.tensor(3).dtype() != input.dtype())
      fail(ErrorType::Runtime, "%s(): Expected self.dtype to be equal to src.dtype: got %s and %s",
           op, dtype_name(input.dtype()), dtype_name(call.tensor(3).dtype()));
    s.src = lifted(call.tensor(3));
    if (s.index.numel()) check_smaller(op, s.index, s.src, -1, "src");
  }
  if (s.index.numel()) check_bounds(s.index, x.size(s.dim), s.dim);
  s.result = writable_packed(call, 0);
  s.y = lifted(s.result);
  if (may_overlap(s.src, s.y)) s.src = s.src.clone();
  return s;
}

void put_all(const Scattered& s) {
  if (s.index.numel() == 0) return;
  const int64_t step = s.y.stride(s.dim) * s.y.item();
  const Array still = pinned(s.y, s.dim);
  const Lines lines(still, s.index, s.src, s.dim);
  NoGil nogil(s.index.numel());
  visit_size(s.y.item(), [&](auto tag) {
    using T = decltype(tag);
    with_step<sizeof(T)>(step, [&](auto by) {
      lines.run<sizeof(T)>([by](char* y, int64_t i, const char* src) {
        *reinterpret_cast<T*>(y + i * by) = *reinterpret_cast<const T*>(src);
      });
    });
  });
}

void reduce_all(const char* op, const Scattered& s, Mode mode, bool include_self) {
  if (s.index.numel() == 0) return;
  const DType t = s.y.dtype();
  if ((is_complex(t) && (mode == Mode::Amax || mode == Mode::Amin)) ||
      (t == DType::Bool && mode == Mode::Mean))
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", op, dtype_scalar_name(t));
  const int64_t step = s.y.stride(s.dim) * s.y.item();
  const Array still = pinned(s.y, s.dim);
  if (!include_self) {
    Scattered first = s;
    first.src = Array::empty(s.y.dtype(), Shape());
    visit_all(s.y.dtype(),
              [&](auto tag) { *first.src.data<decltype(tag)>() = neutral<decltype(tag)>(mode); });
    put_all(first);
  }
  {
    const Lines lines(still, s.index, s.src, s.dim);
    NoGil nogil(s.index.numel());
    visit_all(s.y.dtype(), [&](auto tag) { combine_mode<decltype(tag)>(lines, step, mode); });
  }
  if (mode == Mode::Mean) divide_by_counts(s.y, s.index, s.dim, include_self);
}

}  // namespace

RL_KERNEL(gather) {  // input, dim, index
  const Array& input = call.tensor(0);
  const Array& given = call.tensor(2);
  const int dim = call.dim(1, input.ndim());
  check_index_type("gather", given);
  const Array x = lifted(input), index = index_values(lifted(given));
  const Array y = Array::empty(x.dtype(), given.shape());
  if (index.numel()) {
    check_smaller("gather", index, x, dim, "self");
    const int64_t size = x.size(dim);
    bool inside = true;
    const int64_t step = x.stride(dim) * x.item();
    const Array still = pinned(x, dim), out = lifted(y);
    const Lines lines(out, index, still, dim);
    {
      NoGil nogil(index.numel());
      visit_size(x.item(), [&](auto tag) {
        using T = decltype(tag);
        with_step<sizeof(T)>(step, [&](auto by) {
          inside = lines.run<sizeof(T)>(
              [by](char* to, int64_t i, const char* from) {
                *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from + i * by);
              },
              size);
        });
      });
    }
    if (!inside) check_bounds(index, size, dim);
  }
  call.result(y);
}

RL_KERNEL(scatter) {  // input, dim, index, src
  const Scattered s = prepare(call, "scatter", false);
  put_all(s);
  call.result(s.result);
}

RL_KERNEL(scatter_value) {  // input, dim, index, value
  const Scattered s = prepare(call, "scatter", true);
  put_all(s);
  call.result(s.result);
}

RL_KERNEL(scatter_add) {  // input, dim, index, src
  const Scattered s = prepare(call, "scatter_add", false);
  reduce_all("scatter_add", s, Mode::Add, true);
  call.result(s.result);
}

RL_KERNEL(scatter_old_reduce) {  // input, dim, index, src or number, reduce
  const Mode mode = mode_of("scatter", call.string(4), true);
  const Scattered s = prepare(call, "scatter", !call.is_tensor(3));
  reduce_all("scatter", s, mode, true);
  call.result(s.result);
}

RL_KERNEL(scatter_reduce) {  // input, dim, index, src, reduce, include_self
  const Mode mode = mode_of("scatter_reduce", call.string(4), false);
  const Scattered s = prepare(call, "scatter_reduce", false);
  reduce_all("scatter_reduce", s, mode, call.boolean(5));
  call.result(s.result);
}

}  // namespace rl
