// Embedding: y[i, :] = weight[ids[i], :], and the dense gradient of weight.
//
// weight (rows, width), ids any shape. Forward copies rows, threads split the ids. Backward sums
// rows of g into zeros: each thread owns a range of destination rows and reads all ids, so no
// atomics, and every row adds up in the order of the ids.
#include <bit>
#include <cmath>

#include "walk.h"

namespace rl {
namespace {

void check_ids(const Array& ids, int64_t rows) {  // contiguous int64
  if (ids.is_meta()) return;
  const int64_t* v = ids.data<int64_t>();
  int64_t low = 0, high = -1;
  const int64_t n = ids.numel();
#pragma omp simd reduction(min : low) reduction(max : high)
  for (int64_t i = 0; i < n; ++i) {
    low = std::min(low, v[i]);
    high = std::max(high, v[i]);
  }
  if (n && (low < 0 || high >= rows))
    fail(ErrorType::Index, "index out of range in self: embedding got index %lld for %lld rows",
         static_cast<long long>(low < 0 ? low : high), static_cast<long long>(rows));
}

// bfloat16 as plain integers, which vectors take.
inline float widened(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
inline uint16_t narrowed(float f) {
  const auto u = std::bit_cast<uint32_t>(f);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16, quiet = (u >> 16) | 0x40;
  return static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

template <class T>
void add_row(T* y, const T* g, int64_t n, double scale) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    auto* to = reinterpret_cast<uint16_t*>(y);
    const auto* from = reinterpret_cast<const uint16_t*>(g);
    const float k = static_cast<float>(scale);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = narrowed(widened(to[i]) + k * widened(from[i]));
    return;
  }
  using A = typename accumulate_type<T>::type;
  if (scale == 1) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i)
      y[i] = static_cast<T>(static_cast<A>(y[i]) + static_cast<A>(g[i]));
  } else {
    const A k = static_cast<A>(scale);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i)
      y[i] = static_cast<T>(static_cast<A>(y[i]) + k * static_cast<A>(g[i]));
  }
}

// Rows of a gradient worth a thread, when n rows add up in them: each thread reads all ids.
int64_t gradient_grain(const Array& y, int64_t n) {
  const double rows = static_cast<double>(y.size(0)), width = static_cast<double>(y.size(1));
  return grain_of(0.1 * width + static_cast<double>(n) * (1 + 0.1 * width) / rows);
}

template <class F>
void visit_float(const char* op, DType t, F&& f) {
  switch (t) {
    case DType::F16: return f(Half{});
    case DType::BF16: return f(BFloat16{});
    case DType::F32: return f(float{});
    case DType::F64: return f(double{});
    case DType::C64: return f(c64{});
    case DType::C128: return f(c128{});
    default:
      fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", op, dtype_scalar_name(t));
  }
}

}  // namespace

RL_KERNEL(embedding) {  // input, weight, padding_idx, scale_grad_by_freq
  const Array& given = call.tensor(0);
  const Array weight = call.tensor(1).contiguous_copy();
  if (weight.ndim() != 2) fail(ErrorType::Runtime, "'weight' must be 2-D");
  if (given.dtype() != DType::I64 && given.dtype() != DType::I32)
    fail(ErrorType::Runtime,
         "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
         "Long, Int; but got torch.%sTensor instead (while checking arguments for embedding)",
         dtype_scalar_name(given.dtype()));
  const Array ids = index_values(given);
  check_ids(ids, weight.size(0));
  IntList shape(given.shape().begin(), given.shape().end());
  shape.push_back(weight.size(1));
  const Array y = Array::empty(weight.dtype(), shape);
  const int64_t bytes = weight.size(1) * weight.item(), n = ids.numel();
  if (y.numel()) {
    NoGil nogil(y.numel());
    const int64_t* v = ids.data<int64_t>();
    parallel_for(n, grain_of(2 + 0.03 * static_cast<double>(bytes)), [&](int64_t i0, int64_t i1) {
      for (int64_t i = i0; i < i1; ++i)
        move_row(y.bytes() + i * bytes, weight.bytes() + v[i] * bytes, bytes);
    });
  }
  call.result(y);
}

RL_KERNEL(embedding_dense_backward) {  // g, input, rows, padding_idx, scale_grad_by_freq
  const Array ids = index_values(call.tensor(1));
  const Array g = call.tensor(0).contiguous_copy();
  const int64_t rows = call.integer(2), skip = call.none(3) ? -1 : call.integer(3);
  const bool by_frequency = call.boolean(4);
  check_ids(ids, rows);
  const int64_t n = ids.numel(), width = g.ndim() ? g.size(-1) : 0;
  if (g.numel() != n * width)
    fail(ErrorType::Runtime,
         "embedding_dense_backward: gradient of shape %s does not fit %lld indices",
         shape_text(g.shape()).c_str(), static_cast<long long>(n));
  const Array y = Array::empty(g.dtype(), {rows, width});
  if (y.numel() == 0) return call.result(y);
  Scratch<int64_t> counts(by_frequency ? rows : 0);
  const int64_t* v = ids.data<int64_t>();
  if (by_frequency) {
    std::fill(counts.get(), counts.get() + rows, 0);
    for (int64_t i = 0; i < n; ++i) ++counts[v[i]];
  }
  NoGil nogil(y.numel() + g.numel());
  visit_float("embedding_dense_backward", g.dtype(), [&](auto tag) {
    using T = decltype(tag);
    parallel_for(rows, gradient_grain(y, n), [&](int64_t r0, int64_t r1) {
      T* to = y.data<T>();
      std::memset(static_cast<void*>(to + r0 * width), 0, (r1 - r0) * width * sizeof(T));
      each_between(v, n, r0, r1, [&](int64_t i) {
        const int64_t r = v[i];
        if (r != skip)
          add_row(to + r * width, g.data<T>() + i * width, width,
                  by_frequency ? 1.0 / static_cast<double>(counts[r]) : 1.0);
      });
    });
  });
  call.result(y);
}

namespace {

struct Bags {
  Array ids, bounds, factors;  // of each id, or empty: once
  bool mean;
  int64_t skip, count;  // an id that does not count, or -1; how many bags

  Bags(const Array& input, const Array& given, int64_t rows, bool mean_, int64_t skip_,
       const Array* weights, DType dtype)
      : ids(index_values(input)), bounds(index_values(given)), mean(mean_), skip(skip_) {
    const int64_t *v = ids.data<int64_t>(), *b = bounds.data<int64_t>(), n = ids.numel();
    count = bounds.numel() - 1;
    bool rising = count >= 0 && b[0] == 0 && b[count] == n;
    for (int64_t i = 0; i < count; ++i) rising &= b[i] <= b[i + 1];
    if (!rising && !meta_call)
      fail(ErrorType::Runtime, "embedding_bag: bounds must rise from 0 to %lld",
           static_cast<long long>(n));
    for (int64_t i = 0; i < n && !meta_call; ++i)
      if (v[i] < 0 || v[i] >= rows)
        fail(ErrorType::Runtime,
             "Index %lld of input takes value %lld which is not in the valid range [0, %lld)",
             static_cast<long long>(i), static_cast<long long>(v[i]), static_cast<long long>(rows));
    if (!weights) return;
    if (is_complex(dtype)) unsupported_dtype(dtype);
    if (weights->ndim() != 1 || weights->size(0) != n)
      fail(ErrorType::Runtime, "embedding_bag: got per_sample_weights of shape %s for %lld ids",
           shape_text(weights->shape()).c_str(), static_cast<long long>(n));
    factors = weights->to(dtype).contiguous_copy();
  }
  // How many times id k counts.
  template <class A, class T>
  A factor(int64_t k) const {
    if constexpr (std::is_convertible_v<T, double>)
      if (factors.numel()) return static_cast<A>(factors.data<T>()[k]);
    return A(1);
  }
  // What a row of bag `i` counts for.
  double share(int64_t i) const {
    const int64_t *v = ids.data<int64_t>(), *b = bounds.data<int64_t>();
    const int64_t n = b[i + 1] - b[i] - (skip < 0 ? 0 : std::count(v + b[i], v + b[i + 1], skip));
    return mean ? 1.0 / static_cast<double>(std::max<int64_t>(n, 1)) : 1.0;
  }
};

// to = the sum (or mean) of bag i over `width` columns, kBlock at most: sums stay in registers
// where the compiler knows how many there are.
constexpr int64_t kBlock = 64;
template <class T, class W>
void sum_bag(const Bags& s, int64_t i, const T* weight, int64_t row, T* to, W width) {
  using A = typename accumulate_type<T>::type;
  const int64_t *v = s.ids.data<int64_t>(), *b = s.bounds.data<int64_t>();
  A sum[kBlock] = {};
  for (int64_t k = b[i]; k < b[i + 1]; ++k) {
    if (v[k] == s.skip) continue;
    const T* from = weight + v[k] * row;
    const A by = s.factor<A, T>(k);
    if constexpr (std::is_same_v<T, BFloat16>) {
      const auto* bits = reinterpret_cast<const uint16_t*>(from);
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) sum[j] += by * widened(bits[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) sum[j] += by * static_cast<A>(from[j]);
    }
  }
  if (const double share = s.share(i); share != 1)
    for (int64_t j = 0; j < width; ++j) sum[j] /= static_cast<A>(1 / share);
  if constexpr (std::is_same_v<T, BFloat16>) {
    auto* bits = reinterpret_cast<uint16_t*>(to);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) bits[j] = narrowed(sum[j]);
  } else {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) to[j] = static_cast<T>(sum[j]);
  }
}

template <class T>
void sum_bags(const Bags& s, const Array& weight, const Array& y) {
  const int64_t width = weight.size(1);
  const double ids = static_cast<double>(s.ids.numel()) / static_cast<double>(y.size(0));
  parallel_for(s.count, grain_of((ids + 1) * (2 + 0.1 * static_cast<double>(width))),
               [&](int64_t i0, int64_t i1) {
                 for (int64_t i = i0; i < i1; ++i) {
                   const T* from = weight.data<T>();
                   T* to = y.data<T>() + i * width;
                   int64_t j = 0;
                   for (; j + kBlock <= width; j += kBlock)
                     sum_bag(s, i, from + j, width, to + j,
                             std::integral_constant<int64_t, kBlock>());
                   if (j < width) sum_bag(s, i, from + j, width, to + j, width - j);
                 }
               });
}

}  // namespace

RL_KERNEL(embedding_bags) {  // input, weight, bounds, mean, padding_idx, factors
  const Array weight = call.tensor(1).contiguous_copy();
  if (weight.ndim() != 2) fail(ErrorType::Runtime, "'weight' must be 2-D");
  const Bags bags(call.tensor(0), call.tensor(2), weight.size(0), call.boolean(3),
                  call.none(4) ? -1 : call.integer(4), call.tensor_or_null(5), weight.dtype());
  const Array y = Array::empty(weight.dtype(), {bags.count, weight.size(1)});
  visit_float("embedding_bag", weight.dtype(), [&](auto tag) {
    NoGil nogil(bags.ids.numel() * weight.size(1) + y.numel());
    sum_bags<decltype(tag)>(bags, weight, y);
  });
  call.result(y);
}

RL_KERNEL(embedding_bags_backward) {  // g, input, rows, bounds, mean, padding_idx, factors
  const Array g = call.tensor(0).contiguous_copy();
  const int64_t rows = call.integer(2), width = g.ndim() == 2 ? g.size(1) : 0;
  const Bags bags(call.tensor(1), call.tensor(3), rows, call.boolean(4),
                  call.none(5) ? -1 : call.integer(5), call.tensor_or_null(6), g.dtype());
  if (g.ndim() != 2 || g.size(0) != bags.count)
    fail(ErrorType::Runtime, "embedding_bag: gradient of shape %s does not fit %lld bags",
         shape_text(g.shape()).c_str(), static_cast<long long>(bags.count));
  const Array y = Array::empty(g.dtype(), {rows, width});
  if (y.numel() == 0) return call.result(y);
  visit_float("embedding_bag", g.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const int64_t work = y.numel() + bags.ids.numel() * width;
    const int64_t *v = bags.ids.template data<int64_t>(), *b = bags.bounds.template data<int64_t>();
    NoGil nogil(work);
    parallel_for(rows, gradient_grain(y, bags.ids.numel()), [&](int64_t r0, int64_t r1) {
      T* to = y.data<T>();
      std::memset(static_cast<void*>(to + r0 * width), 0, (r1 - r0) * width * sizeof(T));
      for (int64_t i = 0; i < bags.count; ++i) {
        const double share = bags.share(i);
        for (int64_t k = b[i]; k < b[i + 1]; ++k)
          if (v[k] >= r0 && v[k] < r1 && v[k] != bags.skip)
            add_row(to + v[k] * width, g.data<T>() + i * width, width,
                    share * bags.template factor<double, T>(k));
      }
    });
  });
  call.result(y);
}

RL_KERNEL(
    embedding_renorm) {  // input (weight), indices, max_norm, norm_type: rows used are scaled down
  const Array ids = index_values(call.tensor(1));
  const double most = call.real(2), p = call.real(3);
  if (call.tensor(0).ndim() != 2)
    fail(ErrorType::Runtime, "embedding_renorm_: 'weight' must be 2-D, but got %s",
         shape_text(call.tensor(0).shape()).c_str());
  check_ids(ids, call.tensor(0).size(0));
  const Array y = writable(call, 0);
  std::vector<int64_t> rows(ids.data<int64_t>(), ids.data<int64_t>() + ids.numel());
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  const int64_t width = y.size(1), sr = y.stride(0), sc = y.stride(1);
  visit_float("embedding_renorm_", y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = typename accumulate_type<T>::type;
    for (int64_t r : rows) {
      T* row = y.data<T>() + r * sr;
      double norm = 0;
      for (int64_t i = 0; i < width; ++i) {
        const double a = static_cast<double>(std::abs(static_cast<A>(row[i * sc])));
        norm = std::isinf(p) ? std::max(norm, a) : norm + (p == 2 ? a * a : std::pow(a, p));
      }
      if (!std::isinf(p)) norm = p == 2 ? std::sqrt(norm) : std::pow(norm, 1 / p);
      if (norm <= most) continue;
      const A scale = static_cast<A>(most / (norm + 1e-7));
      for (int64_t i = 0; i < width; ++i)
        row[i * sc] = static_cast<T>(static_cast<A>(row[i * sc]) * scale);
    }
  });
  call.result(y);
}

}  // namespace rl
