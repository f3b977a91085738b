// lapack_call(address, bits, info, *arguments): one LAPACK routine for each matrix of a batch.
//
// Fortran takes addresses only. A buffer argument (C-contiguous, one item a matrix, or a single
// item for all) moves on by one item a call; an int is passed by reference as an integer of
// `bits`; a str is a letter, whose hidden length follows all arguments. `info`, one integer a
// matrix, is the last argument proper. What the numbers mean is for rushlight/_lapack.py to check.
#include <array>
#include <cstring>

#include "../core/kernel.h"

namespace rl {
namespace {

constexpr int kMost = 28;  // gelsd has 15 arguments; each letter adds one

struct Buffers {
  std::array<Py_buffer, kMost> views;
  int count = 0;
  ~Buffers() {
    for (int i = 0; i < count; ++i) PyBuffer_Release(&views[i]);
  }
  const Py_buffer& add(PyObject* o, bool writable) {
    const int flags = PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(o, &views[count], flags) < 0) {
      PyErr_Clear();
      fail(ErrorType::Runtime, "linear algebra: an operand is not contiguous");
    }
    return views[count++];
  }
};

template <size_t... I>
void call(void* function, void* const* p, std::index_sequence<I...>) {
  // A caller may pass more arguments than a C function takes: all are words.
  reinterpret_cast<void (*)(decltype(static_cast<void>(I), static_cast<void*>(nullptr))...)>(
      function)(p[I]...);
}

struct Arguments {
  std::array<void*, kMost> p{};
  std::array<int64_t, kMost> steps{};
  std::array<int64_t, kMost> numbers{};
  std::array<char, kMost> letters{};
  int n = 0;

  void number(int64_t v, bool wide) {
    if (!wide && (v < INT32_MIN || v > INT32_MAX))
      fail(ErrorType::Runtime, "linear algebra: %lld is more than this LAPACK's integers hold",
           static_cast<long long>(v));
    const auto narrow = static_cast<int32_t>(v);
    if (wide)
      numbers[n] = v;
    else
      std::memcpy(&numbers[n], &narrow, sizeof narrow);
    p[n] = &numbers[n];
    ++n;
  }
  void buffer(const Py_buffer& b, int64_t count) {
    const int64_t items = b.ndim ? b.shape[0] : 1;
    if (items != 1 && items != count)
      fail(ErrorType::Runtime, "linear algebra: an operand has %lld matrices, expected %lld",
           static_cast<long long>(items), static_cast<long long>(count));
    p[n] = b.buf;
    steps[n++] = items == 1 ? 0 : b.len / items;
  }
};

}  // namespace

RL_FUNCTION(lapack_call) {
  if (nargs < 3 || nargs > kMost) fail(ErrorType::Type, "lapack_call: got %zd arguments", nargs);
  void* function = PyLong_AsVoidPtr(args[0]);
  const bool wide = integer(args[1]) == 64;
  if (!function) fail(ErrorType::Value, "lapack_call: expected the address of a function");
  Buffers held;
  Arguments a;
  const Py_buffer& info = held.add(args[2], true);
  const int64_t count = info.len / (wide ? 8 : 4);
  int letters = 0;
  for (Py_ssize_t i = 3; i < nargs; ++i) {
    PyObject* o = args[i];
    if (PyUnicode_Check(o)) {
      a.letters[a.n] = static_cast<char>(PyUnicode_ReadChar(o, 0));
      a.p[a.n] = &a.letters[a.n];
      ++a.n, ++letters;
    } else if (PyLong_Check(o)) {
      a.number(integer(o), wide);
    } else {
      a.buffer(held.add(o, false), count);
    }
  }
  if (a.n + 1 + letters > kMost) fail(ErrorType::Type, "lapack_call: too many arguments");
  a.p[a.n] = info.buf;
  a.steps[a.n++] = wide ? 8 : 4;
  for (int i = 0; i < letters; ++i) a.p[a.n++] = reinterpret_cast<void*>(uintptr_t{1});
  PyThreadState* state = PyEval_SaveThread();
  for (int64_t i = 0; i < count; ++i) {
    call(function, a.p.data(), std::make_index_sequence<kMost>());
    for (int k = 0; k < a.n; ++k) a.p[k] = static_cast<char*>(a.p[k]) + a.steps[k];
  }
  PyEval_RestoreThread(state);
  return Py_NewRef(Py_None);
}

}  // namespace rl
