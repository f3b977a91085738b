// Integers, permutations and coin flips.
//
//   random       lo + W mod span (one word) or lo + D mod span (two, span >= 2^28)      (n)
//   randperm     exchanges from the front: element i with i + W mod (n - i)             (n)
//   bernoulli    U53 < p for a number or float64 p, U24 < p for narrower probabilities  (n)
//
// Words are drawn by the chunk and used while still in L1.
#include <bit>
#include <limits>

#include "random_fill.h"

namespace rl {
namespace {

using Int = long long;  // what %lld prints

// -- integers ------------------------------------------------

const char* bounds_name(DType t) {
  constexpr const char* names[] = {
      "bool",    "unsigned char", "signed char",        "short",        "int",
      "long",    "c10::Half",     "c10::BFloat16",      "float",        "double",
      "complex", "complex",       "short unsigned int", "unsigned int", "long unsigned int"};
  return names[static_cast<int>(t)];
}

int significand_bits(DType t) {
  return t == DType::F16 ? 11 : t == DType::BF16 ? 8 : t == DType::F32 ? 24 : 53;
}

// The largest integer of an integer type, or up to which a floating type counts in ones.
int64_t largest_integer(DType t) {
  switch (t) {
    case DType::Bool: return 1;
    case DType::U8: return 255;
    case DType::I8: return 127;
    case DType::I16: return 32767;
    case DType::I32: return 2147483647;
    case DType::U16: return 65535;
    case DType::U32: return 4294967295;
    case DType::I64:
    case DType::U64: return std::numeric_limits<int64_t>::max();
    default: return int64_t{1} << significand_bits(t);
  }
}

// Whose bits are the same: what lies above the signed type's range wraps.
DType signed_twin(DType t) {
  return t == DType::U16   ? DType::I16
         : t == DType::U32 ? DType::I32
         : t == DType::U64 ? DType::I64
                           : t;
}

bool holds(DType t, int64_t v) {
  if (t == DType::F16) return v >= -65504 && v <= 65504;
  if (is_real(t)) return true;
  const int64_t most = largest_integer(t);
  const bool from_zero = t == DType::Bool || t == DType::U8 || is_wide_unsigned(t);
  const int64_t least = from_zero ? 0 : -most - 1;
  return v >= least && v <= most;
}

int64_t through(DType t, int64_t v) {
  double as_float = 0;
  visit_floating(t, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_same_v<T, double>)
      as_float = static_cast<double>(v);
    else
      as_float = static_cast<float>(T(static_cast<float>(v)));
  });
  return as_float < 0x1p63 ? static_cast<int64_t>(as_float) : std::numeric_limits<int64_t>::max();
}

// A power of two: the distance of neighbours of t at v.
int64_t spacing(DType t, int64_t v) {
  const uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  return int64_t{1} << (std::bit_width(magnitude) - significand_bits(t));
}

void warn_imprecise(const char* bound, DType t) {
  const int bits = significand_bits(t);
  if (PyErr_WarnFormat(PyExc_UserWarning, 1,
                       "%s is out of bounds [-(2^%d), 2^%d]. Due to precision limitations %s can "
                       "support discrete uniform distribution only within this range.",
                       bound, bits, bits, bounds_name(t)) < 0)
    throw PythonError();
}

// Checks lo and hi (exclusive) and moves them inward where t cannot count in ones.
void check_random(DType t, int64_t& lo, int64_t& hi) {
  if (lo >= hi)
    fail(ErrorType::Runtime,
         "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld", Int{lo},
         Int{hi});
  if (is_complex(t))
    fail(ErrorType::Runtime,
         "check_random_bounds handles only integral, floating-point and boolean types");
  if (!holds(t, lo))
    fail(ErrorType::Runtime, "random_: from is out of bounds for %s: got %lld", bounds_name(t),
         Int{lo});
  if (!holds(t, hi - 1))
    fail(ErrorType::Runtime, "random_: to - 1 is out of bounds for %s: got %lld", bounds_name(t),
         Int{hi - 1});
  if (!is_real(t)) return;
  const int64_t exact = largest_integer(t);
  if (lo < -exact || lo > exact) warn_imprecise("from", t);
  if (hi - 1 < -exact || hi - 1 > exact) warn_imprecise("to - 1", t);
  const int64_t above = through(t, lo + 1), below = through(t, hi - 1);
  if (above < lo) lo = above + spacing(t, lo + 1);
  if (below >= hi) hi = below - spacing(t, hi - 1);
  if (lo >= hi)
    fail(ErrorType::Runtime,
         "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
         "from=%lld >= to=%lld",
         Int{lo}, Int{hi});
}

template <class T>
T integer_as(int64_t v) {
  if constexpr (std::is_same_v<T, bool>)
    return v != 0;
  else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return T(static_cast<float>(v));
  else
    return static_cast<T>(v);
}

// W mod span without a division: the quotient in double precision is off by one at most.
template <class T>
void fill_narrow(Generator& g, T* out, int64_t n, int64_t lo, uint32_t span) {
  const double inverse = 1.0 / span;
  draw_chunks(g, n, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
    T* y = out + first;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const auto quotient = static_cast<uint32_t>(static_cast<int64_t>(words[i] * inverse));
      auto rest = static_cast<int32_t>(words[i] - quotient * span);
      rest += rest < 0 ? static_cast<int32_t>(span) : 0;
      rest -= rest >= static_cast<int32_t>(span) ? static_cast<int32_t>(span) : 0;
      y[i] = integer_as<T>(lo + rest);
    }
  });
}

// D mod span; span 0 stands for 2^64.
template <class T>
void fill_wide(Generator& g, T* out, int64_t n, int64_t lo, uint64_t span) {
  draw_chunks(g, n, 2, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      uint64_t v = static_cast<uint64_t>(words[2 * i]) << 32 | words[2 * i + 1];
      if (span) v %= span;
      out[first + i] = integer_as<T>(static_cast<int64_t>(v + static_cast<uint64_t>(lo)));
    }
  });
}

// One word per element and any 32-bit modulus (0 stands for 2^32): random_() without bounds.
template <class T>
void fill_words_modulo(Generator& g, T* out, int64_t n, uint64_t span) {
  draw_chunks(g, n, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      out[first + i] = integer_as<T>(static_cast<int64_t>(words[i] % span));
  });
}

template <class T>
void fill_random(Generator& g, T* out, int64_t n, bool bounded, int64_t lo, uint64_t span) {
  if (!bounded && !(std::is_same_v<T, int64_t> || std::is_same_v<T, double>))
    return fill_words_modulo(g, out, n, span);
  if (bounded && span != 0 && span < (uint64_t{1} << 28))
    return fill_narrow(g, out, n, lo, static_cast<uint32_t>(span));
  fill_wide(g, out, n, lo, span);
}

// -- permutation ------------------------------------------------

constexpr int64_t kWidePermutation = 214748364;  // from here on 64-bit words are taken

template <class T>
void permute_narrow(Generator& g, T* r, int64_t n) {
  for (int64_t i = 0; i < n; ++i) r[i] = integer_as<T>(i);
  draw_chunks(g, n - 1, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t k = 0; k < count; ++k) {
      const int64_t i = first + k;
      std::swap(r[i], r[i + words[k] % static_cast<uint32_t>(n - i)]);
    }
  });
}

template <class T>
void permute_wide(Generator& g, T* r, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t z = draw_word64(g) % static_cast<uint64_t>(i + 1);
    r[i] = r[z];
    r[z] = integer_as<T>(i);
  }
}

void check_permutation(DType t, int64_t n) {
  if (n < 0)
    fail(ErrorType::Runtime,
         "randperm: n must not be negative: "
         "Trying to create tensor with negative dimension %lld",
         Int{n});
  if (t == DType::Bool || is_complex(t) || is_extended(t)) not_implemented("randperm", t);
  if (is_real(t)) {
    const int64_t most = largest_integer(t) + 1;
    if (n > most)
      fail(ErrorType::Runtime, "randperm: n cannot be greater than %lld for %s type.", Int{most},
           dtype_scalar_name(t));
  } else if (n > 0 && n - 1 > largest_integer(t)) {
    fail(ErrorType::Runtime,
         "randperm: value cannot be converted to type %s without overflow: n=%lld", bounds_name(t),
         Int{n});
  }
}

// -- bernoulli ------------------------------------------------

template <class T>
void flip_number(Generator& g, T* out, int64_t n, double p) {
  const uint64_t threshold = threshold53(p);
  draw_chunks(g, n, 2, [&](const uint32_t* words, int64_t first, int64_t count) {
    T* y = out + first;
    for (int64_t i = 0; i < count; ++i) y[i] = T(low53(words + 2 * i) < threshold ? 1 : 0);
  });
}

template <class T>
void flip_each(Generator& g, T* out, int64_t n, const Array& p) {
  if (p.dtype() == DType::F64) {
    const double* each = p.data<double>();
    draw_doubles(g, n, [&](int64_t i, double u) { out[i] = T(u < each[i] ? 1 : 0); });
    return;
  }
  const float* each = p.data<float>();
  draw_chunks(g, n, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      out[first + i] = T(unit24(words[i]) < each[first + i] ? 1 : 0);
  });
}

// The probabilities as float32 or float64, row-major; RuntimeError for one outside [0, 1].
Array probabilities(const Array& p) {
  if (!is_real(p.dtype())) not_implemented("bernoulli_tensor_cpu_p_", p.dtype());
  const DType t = p.dtype() == DType::F64 ? DType::F64 : DType::F32;
  const Array flat = p.to(t).contiguous_copy();
  visit_floating(t, [&](auto tag) {
    const auto* each = flat.data<decltype(tag)>();
    for (int64_t i = 0; i < flat.numel(); ++i)
      if (!(each[i] >= 0 && each[i] <= 1))
        fail(ErrorType::Runtime,
             "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got false: p=%g",
             static_cast<double>(each[i]));
  });
  return flat;
}

void flip_tensor(const Array& out, const Array& p, Generator& generator) {
  if (is_complex(out.dtype())) not_implemented("bernoulli_tensor_cpu_self_", out.dtype());
  if (on_meta(out)) return;
  const Target target("bernoulli_", out);
  const Array each = probabilities(p.expand(out.shape()).permute(memory_order(out)));
  {
    Drawing drawing(generator, target.size());
    visit_all(out.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>)
        flip_each(drawing.g, target.data<T>(), target.size(), each);
    });
  }
  target.finish();
}

}  // namespace

// Arguments: input, from (None: 0), to (None: all the type holds), generator.
RL_KERNEL(random_fill) {
  Generator& generator = generator_of(call.args[3]);
  const Array out = output_of(call);
  const DType t = out.dtype();
  const bool bounded = !call.none(1) || !call.none(2);
  int64_t lo = call.none(1) ? 0 : call.integer(1);
  uint64_t span;
  if (!call.none(2)) {
    int64_t hi = call.integer(2);
    check_random(t, lo, hi);
    span = static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo);
  } else {
    if (is_complex(t) || (!bounded && is_extended(t))) not_implemented("random_kernel_cpu", t);
    const int64_t most = largest_integer(t);
    if (bounded && is_real(t)) {
      int64_t hi = most + 1;
      if (lo != std::numeric_limits<int64_t>::min()) check_random(t, lo, hi);
    } else if (!holds(t, lo)) {
      fail(ErrorType::Runtime, "random_: from is out of bounds for %s: got %lld", bounds_name(t),
           Int{lo});
    }
    if (lo == std::numeric_limits<int64_t>::min()) {
      lo = 0;  // every 64-bit value as it is: a span of 2^64, written 0
      span = 0;
    } else {
      span = static_cast<uint64_t>(most) - static_cast<uint64_t>(lo) + 1;
    }
  }
  if (!on_meta(out)) {
    const Target target("random_", out);
    {
      Drawing drawing(generator, target.size());
      visit_all(signed_twin(t), [&](auto tag) {
        using T = decltype(tag);
        if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>)
          fill_random(drawing.g, target.data<T>(), target.size(), bounded, lo, span);
      });
    }
    target.finish();
  }
  call.result(out);
}

// Arguments: n, dtype, generator.
RL_KERNEL(randperm) {
  Generator& generator = generator_of(call.args[2]);
  const int64_t n = call.integer(0);
  const DType t = call.dtype(1).value_or(DType::I64);
  check_permutation(t, n);
  MetaCall here(making.meta);
  Array out = Array::empty(t, {n});
  if (!out.is_meta()) {
    Drawing drawing(generator, n);
    visit_all(t, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool> && !std::is_same_v<T, c64> &&
                    !std::is_same_v<T, c128>) {
        if (n < kWidePermutation)
          permute_narrow(drawing.g, out.data<T>(), n);
        else
          permute_wide(drawing.g, out.data<T>(), n);
      }
    });
  }
  call.result(std::move(out));
}

// Arguments: input, p (number), generator.
RL_KERNEL(bernoulli_fill) {
  Generator& generator = generator_of(call.args[2]);
  const double p = call.real(1);
  const Array out = output_of(call);
  if (!(p >= 0.0 && p <= 1.0))
    fail(ErrorType::Runtime, "bernoulli_ expects p to be in [0, 1], but got p=%g", p);
  if (is_complex(out.dtype())) not_implemented("bernoulli_scalar_cpu_", out.dtype());
  if (!on_meta(out)) {
    const Target target("bernoulli_", out);
    {
      Drawing drawing(generator, target.size());
      visit_all(out.dtype(), [&](auto tag) {
        using T = decltype(tag);
        if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>)
          flip_number(drawing.g, target.data<T>(), target.size(), p);
      });
    }
    target.finish();
  }
  call.result(out);
}

// Arguments: input, p (tensor), generator.
RL_KERNEL(bernoulli_tensor_fill) {
  Generator& generator = generator_of(call.args[2]);
  const Array out = output_of(call);
  if (!on_meta(out)) flip_tensor(out, call.tensor(1), generator);
  call.result(out);
}

// The next n words as int64: random_words(n, generator). The NumPy forwards of the random
// operators and the tests draw from it.
RL_FUNCTION(random_words) {
  if (nargs != 2)
    fail(ErrorType::Type, "random_words() takes 2 arguments but %zd were given", nargs);
  Generator& generator = generator_of(args[1]);
  const int64_t n = integer(args[0]);
  if (n < 0) fail(ErrorType::Value, "random_words: n must not be negative: got %lld", Int{n});
  Array out = Array::empty(DType::I64, {n});
  {
    Drawing drawing(generator, n);
    draw_chunks(drawing.g, n, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
      std::copy_n(words, count, out.data<int64_t>() + first);
    });
  }
  return wrap(std::move(out));
}

// The result is row-major whatever the strides of the probabilities. Arguments: input, generator.
RL_KERNEL(bernoulli) {
  Generator& generator = generator_of(call.args[1]);
  const Array& p = call.tensor(0);
  const Array out = Array::empty(p.dtype(), p.shape());
  flip_tensor(out, p, generator);
  call.result(out);
}

}  // namespace rl
