// Shared by the kernels that draw: where values go, in which order, and uniforms by the block.
//
// A tensor is filled in the order of its memory: dims sorted by stride, the smallest innermost. A
// tensor without gaps is written directly; any other goes through a packed copy.
#pragma once

// The numbers must not depend on the instruction set: no multiply-add is fused unless written fma.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#include <cmath>
#include <memory>

#include "../core/generator.h"
#include "../core/kernel.h"

namespace rl {
namespace {

constexpr int64_t kDrawChunk = 4096;  // words drawn, then transformed while still in L1

// Dims from the largest stride to the smallest. A broadcast dim (stride 0) keeps its place.
inline IntList memory_order(const Array& a) {
  IntList inner_first;
  for (int d = a.ndim() - 1; d >= 0; --d) inner_first.push_back(d);
  for (int i = 1; i < a.ndim(); ++i) {
    int at = i;
    for (int before = i - 1; before >= 0; --before) {
      const int64_t s = a.stride(inner_first[before]), t = a.stride(inner_first[at]);
      if (s == 0 || t == 0) continue;
      const bool same = s == t;
      if (s < t || (same && a.size(inner_first[before]) <= a.size(inner_first[at]))) {
        if (!same) break;
        continue;
      }
      std::swap(inner_first[before], inner_first[at]);
      at = before;
    }
  }
  return IntList(inner_first.rbegin(), inner_first.rend());
}

// A tensor like `a` with the same order of dims and no gaps.
inline Array packed_like(const Array& a, DType t) {
  const IntList order = memory_order(a);
  IntList strides(a.ndim());
  int64_t step = 1;
  for (int i = a.ndim() - 1; i >= 0; --i) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(a.size(order[i]), 1);
  }
  return Array::empty_strided(t, a.shape(), strides);
}

class Target {
  Array ordered_;  // dims in the order of filling
  Array packed_;   // the same elements as one run of memory

 public:
  Target(const char* name, const Array& out) : ordered_(out.permute(memory_order(out))) {
    for (int d = 0; d < out.ndim(); ++d)
      if (out.stride(d) == 0 && out.size(d) > 1)
        fail(ErrorType::Runtime,
             "%s: unsupported operation: more than one element of the written-to tensor refers to "
             "a single memory location. Please clone() the tensor before performing the operation.",
             name);
    packed_ = ordered_.contiguous() ? ordered_ : Array::empty(out.dtype(), ordered_.shape());
  }
  int64_t size() const { return packed_.numel(); }
  const Array& packed() const { return packed_; }
  template <class T>
  T* data() const {
    return packed_.data<T>();
  }
  void finish() const {
    if (packed_.storage() != ordered_.storage()) copy_into(ordered_, packed_);
  }
};

// A complex tensor as real numbers with a last dim of 2.
inline Array real_view(const Array& a) {
  IntList sizes(a.shape().begin(), a.shape().end()), strides;
  for (const int64_t s : a.stride_span()) strides.push_back(2 * s);
  sizes.push_back(2);
  strides.push_back(1);
  return Array::over(a.storage_ref(), to_real(a.dtype()), 2 * a.offset(), sizes, strides);
}

// What an in-place operator writes to, or a new tensor like the first argument.
inline Array output_of(Call& call) {
  const Array& input = call.tensor(0);
  if (call.destination) return *call.destination;
  return packed_like(input, input.dtype());
}

inline bool on_meta(const Array& a) { return a.device() == DeviceType::Meta; }

// Locks the generator with the GIL released; see generator.h for the order.
class Drawing {
  NoGil nogil_;
  std::lock_guard<std::mutex> lock_;

 public:
  Generator& g;
  Drawing(Generator& generator, int64_t work)
      : nogil_(work, 20000), lock_(generator.mutex), g(generator) {}
};

inline float unit24(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word & 0xffffffu)) * 0x1p-24f;
}

inline uint64_t low53(const uint32_t* pair) {
  return static_cast<uint64_t>(pair[0] & 0x1fffffu) << 32 | pair[1];
}

inline double unit53(const uint32_t* pair) {
  return static_cast<double>(static_cast<int64_t>(low53(pair))) * 0x1p-53;
}

// U53 < p for the integer k of U53: k < threshold53(p).
inline uint64_t threshold53(double p) { return static_cast<uint64_t>(std::ceil(p * 0x1p53)); }

// Calls f(words, first element, count) over n elements that take `per` words each.
template <class F>
void draw_chunks(Generator& g, int64_t n, int per, F&& f) {
  alignas(64) uint32_t words[kDrawChunk];
  const int64_t most = kDrawChunk / per;
  for (int64_t i = 0; i < n; i += most) {
    const int64_t count = std::min(most, n - i);
    draw_words(g, words, count * per);
    f(words, i, count);
  }
}

constexpr int64_t kDrawBatch = 1 << 18;  // words drawn for all threads at once, as L2 holds

// The same in any order where the transform, `ns` an element, costs more than the drawing: threads
// share the transform of each batch of words.
template <class F>
void draw_batches(Generator& g, int64_t n, int per, double ns, F&& f) {
  const int64_t grain = grain_of(ns), most = kDrawBatch / per;
  if (n < 2 * grain || num_threads() == 1) return draw_chunks(g, n, per, f);
  const std::unique_ptr<uint32_t[]> words(new uint32_t[std::min(n, most) * per]);
  for (int64_t i = 0; i < n; i += most) {
    const int64_t count = std::min(most, n - i);
    draw_words(g, words.get(), count * per);
    parallel_for(count, grain, [&](int64_t begin, int64_t end) {
      f(words.get() + begin * per, i + begin, end - begin);
    });
  }
}

// Calls f(i, U53) for each of n elements in order.
template <class F>
void draw_doubles(Generator& g, int64_t n, F&& f) {
  draw_chunks(g, n, 2, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) f(first + i, unit53(words + 2 * i));
  });
}

// The same in any order, for an f of `ns`.
template <class F>
void draw_costly_doubles(Generator& g, int64_t n, double ns, F&& f) {
  draw_batches(g, n, 2, ns, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) f(first + i, unit53(words + 2 * i));
  });
}

template <class T>
T rounded(double v) {
  if constexpr (std::is_same_v<T, double>)
    return v;
  else
    return T(static_cast<float>(v));
}

template <class F>
bool visit_floating(DType t, F&& f) {
  switch (t) {
    case DType::F16: f(Half{}); return true;
    case DType::BF16: f(BFloat16{}); return true;
    case DType::F32: f(float{}); return true;
    case DType::F64: f(double{}); return true;
    default: return false;
  }
}

[[noreturn]] inline void not_implemented(const char* what, DType t) {
  fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", what, dtype_scalar_name(t));
}

// The C library's functions, kept out of the vectoriser's reach: its vector versions round
// differently, and PyTorch's numbers come from the scalar ones.
[[gnu::noinline]] inline double exact_log(double x) { return std::log(x); }
[[gnu::noinline]] inline double exact_log1p(double x) { return std::log1p(x); }
[[gnu::noinline]] inline double exact_exp(double x) { return std::exp(x); }
[[gnu::noinline]] inline double exact_sin(double x) { return std::sin(x); }
[[gnu::noinline]] inline double exact_cos(double x) { return std::cos(x); }
[[gnu::noinline]] inline double exact_tan(double x) { return std::tan(x); }

}  // namespace
}  // namespace rl
