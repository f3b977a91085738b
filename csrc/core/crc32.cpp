// The checksum of zip files, CRC-32 with the polynomial 0x04C11DB7, over carry-less products.
//
// Four 128-bit remainders advance by 64 bytes a step: r * x^512 mod P is two 64-bit products. What
// is left, 16 bytes with the same remainder as the whole, goes through a table. One pass over
// memory. The method is in V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using
// PCLMULQDQ Instruction", Intel 2009. Where the processor lacks the instruction zlib's function is
// used.

#include <array>
#include <cstdint>
#include <cstring>

#include "tensor.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

namespace rl {
namespace {

constexpr uint32_t kPolynomial = 0xEDB88320u;  // with the lowest power in the highest bit

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t r = i;
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ (r & 1 ? kPolynomial : 0);
    table[i] = r;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

// x^n mod P in the same bit order, moved up by the bit that products of reversed factors lose.
constexpr uint64_t power(int n) {
  uint32_t r = 0x80000000u;
  for (int i = 0; i < n; ++i) r = (r >> 1) ^ (r & 1 ? kPolynomial : 0);
  return static_cast<uint64_t>(r) << 1;
}

uint32_t by_table(uint32_t r, const unsigned char* p, size_t n) {
  for (size_t i = 0; i < n; ++i) r = (r >> 8) ^ kTable[(r ^ p[i]) & 0xFF];
  return r;
}

#define RL_CLMUL __attribute__((target("pclmul,sse4.1")))

RL_CLMUL inline __m128i load(const unsigned char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// r times x^n (the powers are in `k`), plus the data that stands there.
RL_CLMUL inline __m128i advance(__m128i r, __m128i k, __m128i data) {
  const __m128i low = _mm_clmulepi64_si128(r, k, 0x00);
  const __m128i high = _mm_clmulepi64_si128(r, k, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), data);
}

// n is a multiple of 16, and at least 64.
RL_CLMUL uint32_t by_products(uint32_t crc, const unsigned char* p, size_t n) {
  const __m128i far =
      _mm_set_epi64x(static_cast<int64_t>(power(512 - 32)), static_cast<int64_t>(power(512 + 32)));
  const __m128i near =
      _mm_set_epi64x(static_cast<int64_t>(power(128 - 32)), static_cast<int64_t>(power(128 + 32)));
  const __m128i start = _mm_cvtsi32_si128(static_cast<int>(crc));
  __m128i a = _mm_xor_si128(load(p), start), b = load(p + 16), c = load(p + 32), d = load(p + 48);
  for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
    a = advance(a, far, load(p));
    b = advance(b, far, load(p + 16));
    c = advance(c, far, load(p + 32));
    d = advance(d, far, load(p + 48));
  }
  __m128i r = advance(advance(advance(a, near, b), near, c), near, d);
  for (; n >= 16; p += 16, n -= 16) r = advance(r, near, load(p));
  unsigned char rest[16];
  std::memcpy(rest, &r, 16);
  return by_table(0, rest, 16);
}

uint32_t checksum(uint32_t crc, const unsigned char* p, size_t n) {
  crc = ~crc;
  if (n >= 64) {
    const size_t whole = n / 16 * 16;
    crc = by_products(crc, p, whole);
    p += whole;
    n -= whole;
  }
  return ~by_table(crc, p, n);
}

// crc32(data, value=0): as zlib's.
PyObject* py_crc32(PyObject*, PyObject* args) {
  Py_buffer data;
  unsigned value = 0;
  if (!PyArg_ParseTuple(args, "y*|I", &data, &value)) return nullptr;
  uint32_t result;
  Py_BEGIN_ALLOW_THREADS result =
      checksum(value, static_cast<const unsigned char*>(data.buf), static_cast<size_t>(data.len));
  Py_END_ALLOW_THREADS PyBuffer_Release(&data);
  return PyLong_FromUnsignedLong(result);
}

PyMethodDef functions[] = {
    {"crc32", py_crc32, METH_VARARGS, "zlib's crc32, several times as fast."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

// The function is there only where the processor has the instructions.
bool init_crc32(PyObject* module) {
  if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1")) return true;
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rl

#else

namespace rl {

bool init_crc32(PyObject*) { return true; }

}  // namespace rl

#endif
