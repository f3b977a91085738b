// Generator: the stream of 32-bit words behind every random function of the CPU.
//
// The engine is MT19937 (Matsumoto and Nishimura 1998), seeded with the one-word recurrence. Words
// are always taken one after the other by one thread, so results depend neither on the number of
// threads nor on the instruction set. A call locks the generator while it draws; take the lock
// inside a NoGil scope and touch no Python object while holding it.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace rl {

constexpr int kMtWords = 624;
constexpr int kMtShift = 397;
constexpr size_t kGeneratorStateBytes = 5056;
constexpr uint64_t kDefaultSeed = 67280421310721;

struct Generator {
  uint64_t seed;
  uint32_t state[kMtWords];
  int left;         // words until the next renewal, plus one
  int next;         // read position
  bool has_normal;  // the sine half of a Box-Muller pair waits in `normal`
  double normal;
  std::mutex mutex;

  explicit Generator(uint64_t s = kDefaultSeed) { manual_seed(s); }
  void manual_seed(uint64_t s);
  void get_state(unsigned char* bytes) const;  // kGeneratorStateBytes
  bool set_state(const unsigned char* bytes);  // false, and no change, when impossible
  void copy_from(const Generator& other);
};

// None or a null pointer means the default generator; TypeError for anything but a Generator.
Generator& generator_of(PyObject* object);
bool init_generator(PyObject* module);  // adds the type and `default_generator`; false on error

// -- drawing ------------------------------------------------
// Static, not member, functions: a kernel file compiled for AVX-512 must not lend its code to
// files compiled for less.

static inline uint32_t mt_mix(uint32_t u, uint32_t v) {
  return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
}

static inline uint32_t mt_temper(uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

// All 624 words in place. A new word needs the one made 227 earlier, so runs of 227 are vectors.
static inline void mt_renew(uint32_t* s) {
  constexpr int kRun = kMtWords - kMtShift;
#pragma omp simd safelen(64)
  for (int i = 0; i < kRun; ++i) s[i] = s[i + kMtShift] ^ mt_mix(s[i], s[i + 1]);
#pragma omp simd safelen(64)
  for (int i = kRun; i < 2 * kRun; ++i) s[i] = s[i - kRun] ^ mt_mix(s[i], s[i + 1]);
#pragma omp simd safelen(64)
  for (int i = 2 * kRun; i < kMtWords - 1; ++i) s[i] = s[i - kRun] ^ mt_mix(s[i], s[i + 1]);
  s[kMtWords - 1] = s[kMtShift - 1] ^ mt_mix(s[kMtWords - 1], s[0]);
}

static inline void draw_words(Generator& g, uint32_t* out, int64_t n) {
  while (n > 0) {
    if (g.left == 1) {
      mt_renew(g.state);
      g.left = kMtWords + 1;
      g.next = 0;
    }
    const int64_t take = std::min<int64_t>(n, g.left - 1);
    const uint32_t* from = g.state + g.next;
#pragma omp simd
    for (int64_t i = 0; i < take; ++i) out[i] = mt_temper(from[i]);
    g.left -= static_cast<int>(take);
    g.next += static_cast<int>(take);
    out += take;
    n -= take;
  }
}

static inline uint32_t draw_word(Generator& g) {
  if (g.left == 1) {
    mt_renew(g.state);
    g.left = kMtWords + 1;
    g.next = 0;
  }
  --g.left;
  return mt_temper(g.state[g.next++]);
}

// The first word drawn is the high half.
static inline uint64_t draw_word64(Generator& g) {
  const uint64_t high = draw_word(g);
  return high << 32 | draw_word(g);
}

// Uniform in [0, 1) from the low 53 bits: exact in float64.
static inline double draw_unit(Generator& g) {
  return static_cast<double>(draw_word64(g) & ((1ull << 53) - 1)) * 0x1p-53;
}

}  // namespace rl
