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
  if (index.is_meta()) return;
  const int64_t* v = index.data<int64_t>();
  const int64_t n = index.numel();
  std::atomic<bool> inside{true};
  {
    NoGil nogil(n);
    parallel_for(n, grain_of(0.1), [&](int64_t begin, int64_t end) {
      if (!all_within(v + begin, end - begin, size)) inside.store(false, std::memory_order_relaxed);
    });
  }
  if (inside) return;
  const int64_t wrong = *std::find_if(v, v + n, [=](int64_t i) { return i < 0 || i >= size; });
  fail(ErrorType::Runtime, "index %lld is out of bounds for dimension %d with size %lld",
       static_cast<long long>(wrong), dim, static_cast<long long>(size));
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

// f(a, index value, c) for n places, the steps in bytes. The common ones again with the steps
// known: one array steps, the other is pinned, or one index serves a whole row.
template <int64_t width, class F>
void each_picked(char* a, const char* b, char* c, const int64_t* step, int64_t n, F&& f) {
  const auto* at = reinterpret_cast<const int64_t*>(b);
  if (step[1] == 8 && step[2] == 0 && step[0] == width) {
#pragma GCC unroll 8
    for (int64_t j = 0; j < n; ++j) f(a + j * width, at[j], c);
  } else if (step[1] == 8 && step[0] == 0 && step[2] == width) {
#pragma GCC unroll 8
    for (int64_t j = 0; j < n; ++j) f(a, at[j], c + j * width);
  } else if (step[1] == 8 && step[0] == width && step[2] == width) {
#pragma GCC unroll 8
    for (int64_t j = 0; j < n; ++j) f(a + j * width, at[j], c + j * width);
  } else if (step[1] == 0 && step[0] == width && step[2] == width) {
    const int64_t one = *at;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) f(a + j * width, one, c + j * width);
  } else {
    for (int64_t j = 0; j < n; ++j)
      f(a + j * step[0], *reinterpret_cast<const int64_t*>(b + j * step[1]), c + j * step[2]);
  }
}

// Integer indices as int64, packed but for the dims along which they were expanded; `values` are
// those there are.
struct Picks {
  Array index, values;
  explicit Picks(const Array& given) {
    Array some = given;
    for (int d = 0; d < given.ndim(); ++d)
      if (given.stride(d) == 0 && given.size(d) > 1) some = some.slice(d, 0, 1, 1);
    values = index_values(some);
    index = values.numel() < given.numel() ? values.expand(given.shape()) : values;
  }
};

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

  // f(first, index value, third) for every element of index; lines stay within one thread.
  template <int64_t width, class F>
  void run(F&& f) const {
    if (walk.numel == 0 || length == 0) return;
    // Threads side by side in narrow rows would take the cache lines from one another.
    const bool rows = walk.nd && walk.stride[1][walk.nd - 1] < std::abs(along[1]);
    const int64_t least = rows ? 4096 / width : 1;
    walk.run(std::max(least, grain_of(0.6 * static_cast<double>(length))),
             [&](char* const* p, const int64_t* s, int64_t n) {
               // Whichever of the two dims is closer together in memory is the loop inside.
               const bool by_line = n == 1 || (length > 1 && along[1] <= s[1]);
               const int64_t outer = by_line ? n : length, inner = by_line ? length : n;
               const int64_t *so = by_line ? s : along, *si = by_line ? along : s;
               for (int64_t i = 0; i < outer; ++i)
                 each_picked<width>(p[0] + i * so[0], p[1] + i * so[1], p[2] + i * so[2], si, inner,
                                    f);
             });
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
    const auto extreme = [&](auto up) {
      combine<T>(lines, step, [up](T a, T b) {
        const A x = a, y = b;
        return is_nan(a) || (up ? x >= y : x <= y) ? a : b;  // a NaN compares as neither
      });
    };
    mode == Mode::Amax ? extreme(std::true_type()) : extreme(std::false_type());
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
    walk.run(grain_of(1), [](char* const* p, const int64_t* s, int64_t n) {
      for (int64_t k = 0; k < n; ++k) {
        T& v = *reinterpret_cast<T*>(p[0] + k * s[0]);
        const int64_t c = *reinterpret_cast<int64_t*>(p[1] + k * s[1]);
        if constexpr (std::is_integral_v<T>) {
          if (c < 2) continue;
          const int64_t a = v;
          v = static_cast<T>(a / c - (a % c < 0));
        } else {  // by 1 as well, since no processor foresees where
          using A = typename accumulate_type<T>::type;
          v = static_cast<T>(static_cast<A>(v) /
                             static_cast<A>(static_cast<double>(std::max<int64_t>(c, 1))));
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
  const Picks picks(lifted(given));
  s.index = picks.index;
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
  if (s.index.numel()) check_bounds(picks.values, x.size(s.dim), s.dim);
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
  const Array x = lifted(input);
  const Picks picks(lifted(given));
  const Array y = Array::empty(x.dtype(), given.shape());
  if (y.numel() == 0) return call.result(y);
  check_smaller("gather", picks.index, x, dim, "self");
  const int64_t size = x.size(dim), step = x.stride(dim) * x.item();
  const bool packed = picks.index.contiguous();
  if (!packed) check_bounds(picks.values, size, dim);
  Walk<3> walk;
  const Array out = lifted(y);
  for (int d = 0; d < x.ndim(); ++d)
    walk.push(out.size(d), {out.stride(d) * y.item(), picks.index.stride(d) * 8,
                            d == dim ? 0 : x.stride(d) * x.item()});
  walk.base[0] = y.bytes(), walk.base[1] = picks.index.bytes(), walk.base[2] = x.bytes();
  std::atomic<bool> inside{true};
  {
    NoGil nogil(y.numel());
    visit_size(x.item(), [&](auto tag) {
      using T = decltype(tag);
      constexpr int64_t block = 4096;  // indices that stay in the cache between check and use
      with_step<sizeof(T)>(step, [&](auto by) {
        const auto run = [by](char* const* p, const int64_t* s, int64_t n) {
          each_picked<sizeof(T)>(p[0], p[1], p[2], s, n, [by](char* to, int64_t i, char* from) {
            *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from + i * by);
          });
        };
        parallel_for(y.numel(), grain_of(0.5), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i += block) {
            const int64_t stop = std::min(end, i + block);
            if (packed && !all_within(picks.index.data<int64_t>() + i, stop - i, size))
              inside.store(false, std::memory_order_relaxed);
            else
              walk.range(i, stop, run);
          }
        });
      });
    });
  }
  if (!inside) check_bounds(picks.values, size, dim);
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
