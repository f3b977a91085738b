// Resampling of bytes along one dim: y[i, o, j] = clamp((half + sum over k in [starts[o],
// starts[o + 1]) of weight[k] x[i, index[k], j]) >> bits), with x (outer, n, inner) and whole
// weights below 2^15 that stand for weight / 2^bits. One pass. Where inner is 1 the outputs
// gather four neighbours at a time from a row in the first cache; else rows are added up.
#include "../core/kernel.h"
#include "walk.h"

namespace rl {
namespace {

struct ByteTaps {
  int64_t rows = 0, most = 0;
  const int64_t *starts = nullptr, *index = nullptr;
  const int32_t* weight = nullptr;
  int bits = 0;
};

uint8_t to_byte(int32_t sum, int bits) {
  return static_cast<uint8_t>(std::clamp(sum >> bits, 0, 255));
}

// Four neighbouring bytes, from any address.
struct __attribute__((packed)) FourBytes {
  uint32_t value;
};

// The taps as weights of neighbours, four by four: what output o takes from the bytes at first[o]
// and behind them has its weights at [k * rows + o].
struct Neighbours {
  int64_t groups = 0;
  std::vector<int32_t> first, weight;
  Neighbours(const ByteTaps& t, int64_t n) : first(t.rows) {
    int64_t span = 1;
    for (int64_t o = 0; o < t.rows; ++o) {
      const int64_t *from = t.index + t.starts[o], *to = t.index + t.starts[o + 1];
      if (from == to) continue;
      const auto [low, high] = std::minmax_element(from, to);
      first[o] = static_cast<int32_t>(*low);
      span = std::max(span, *high - *low + 1);
    }
    groups = (std::min(span, n) + 3) / 4;
    weight.resize(groups * 4 * t.rows);
    for (int64_t o = 0; o < t.rows; ++o)
      for (int64_t k = t.starts[o]; k < t.starts[o + 1]; ++k)
        weight[(t.index[k] - first[o]) * t.rows + o] += t.weight[k];
  }
};

void bytes_along_last(const uint8_t* x, uint8_t* y, int64_t outer, int64_t n, const ByteTaps& t) {
  const Neighbours near(t, n);
  const int64_t rows = t.rows, work = std::max<int64_t>(1, rows * near.groups);
  const int32_t half = t.bits ? 1 << (t.bits - 1) : 0;
  const int32_t* first = near.first.data();
  NoGil nogil(outer * rows);
  parallel_for(outer, std::max<int64_t>(1, 10000 / work), [&](int64_t i0, int64_t i1) {
    std::vector<uint8_t> row(n + 4 * near.groups + 4);  // reading past the end finds zeros
    std::vector<int32_t> sum(rows);
    for (int64_t i = i0; i < i1; ++i) {
      std::copy_n(x + i * n, n, row.data());
      std::fill_n(sum.data(), rows, half);
      int32_t* to = sum.data();
      for (int64_t g = 0; g < near.groups; ++g) {
        const uint8_t* from = row.data() + 4 * g;
        const int32_t* w = near.weight.data() + 4 * g * rows;
#pragma omp simd
        for (int64_t o = 0; o < rows; ++o) {
          const uint32_t four = reinterpret_cast<const FourBytes*>(from + first[o])->value;
          to[o] += w[o] * static_cast<int32_t>(four & 255) +
                   w[rows + o] * static_cast<int32_t>(four >> 8 & 255) +
                   w[2 * rows + o] * static_cast<int32_t>(four >> 16 & 255) +
                   w[3 * rows + o] * static_cast<int32_t>(four >> 24);
        }
      }
      uint8_t* out = y + i * rows;
#pragma omp simd
      for (int64_t o = 0; o < rows; ++o) out[o] = to_byte(to[o], t.bits);
    }
  });
}

void bytes_along_other(const uint8_t* x, uint8_t* y, int64_t outer, int64_t n, int64_t inner,
                       const ByteTaps& t) {
  const int64_t work = std::max<int64_t>(1, inner * std::max<int64_t>(1, t.most));
  const int32_t half = t.bits ? 1 << (t.bits - 1) : 0;
  NoGil nogil(outer * t.rows * inner);
  parallel_for(outer * t.rows, std::max<int64_t>(1, 40000 / work), [&](int64_t r0, int64_t r1) {
    std::vector<int32_t> sum(inner);
    int32_t* to = sum.data();
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t i = r / t.rows, o = r % t.rows;
      std::fill_n(to, inner, half);
      for (int64_t k = t.starts[o]; k < t.starts[o + 1]; ++k) {
        const uint8_t* from = x + (i * n + t.index[k]) * inner;
        const int32_t w = t.weight[k];
#pragma omp simd
        for (int64_t j = 0; j < inner; ++j) to[j] += w * from[j];
      }
      uint8_t* out = y + r * inner;
#pragma omp simd
      for (int64_t j = 0; j < inner; ++j) out[j] = to_byte(to[j], t.bits);
    }
  });
}

}  // namespace

RL_KERNEL(resample_bytes) {  // input, dim, starts, index, weight, bits
  const Array x = call.tensor(0).contiguous_copy();
  const int dim = call.dim(1, x.ndim());
  const Array starts = call.tensor(2).contiguous_copy(), index = call.tensor(3).contiguous_copy();
  const Array weight = call.tensor(4).contiguous_copy();
  const int64_t bits = call.integer(5);
  if (x.ndim() == 0 || x.dtype() != DType::U8 || weight.dtype() != DType::I32 ||
      starts.dtype() != DType::I64 || index.dtype() != DType::I64 || starts.ndim() != 1 ||
      starts.numel() < 1 || index.ndim() != 1 || index.numel() != weight.numel() || bits < 0 ||
      bits > 22)
    fail(ErrorType::Runtime,
         "resample_bytes: got %s of %s, expected bytes of one or more dims and tables of int64, "
         "int64 and int32",
         shape_text(x.shape()).c_str(), dtype_scalar_name(x.dtype()));
  const int64_t n = x.size(dim), entries = index.numel();
  ByteTaps t{starts.numel() - 1,     0,
             starts.data<int64_t>(), index.data<int64_t>(),
             weight.data<int32_t>(), static_cast<int>(bits)};
  bool good = meta_call || (t.starts[0] == 0 && t.starts[t.rows] == entries && n <= INT32_MAX);
  for (int64_t o = 0; o < t.rows && !meta_call; ++o) {
    good = good && t.starts[o + 1] >= t.starts[o];
    t.most = std::max(t.most, t.starts[o + 1] - t.starts[o]);
  }
  for (int64_t k = 0; k < entries && !meta_call; ++k)
    good = good && t.index[k] >= 0 && t.index[k] < n;
  if (!good)
    fail(ErrorType::Index, "resample_bytes: the table reaches outside of %lld elements",
         static_cast<long long>(n));
  IntList shape(x.shape().begin(), x.shape().end());
  shape[dim] = t.rows;
  const Array y = Array::empty(DType::U8, shape);
  if (meta_call) return call.result(y);
  int64_t outer = 1, inner = 1;
  for (int d = 0; d < dim; ++d) outer *= x.size(d);
  for (int d = dim + 1; d < x.ndim(); ++d) inner *= x.size(d);
  if (y.numel() && inner == 1) bytes_along_last(x.data<uint8_t>(), y.data<uint8_t>(), outer, n, t);
  if (y.numel() && inner != 1)
    bytes_along_other(x.data<uint8_t>(), y.data<uint8_t>(), outer, n, inner, t);
  call.result(y);
}

}  // namespace rl
