// What the files of linear algebra share: LAPACK's routines, matrices in column order, loops over a
// batch.
#pragma once
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <map>
#include <type_traits>

#include "../core/kernel.h"
#include "small_matrix.h"

namespace rl {
namespace {

// What rushlight._lapack knows about the library, asked once.
struct Library {
  bool wide = true;  // integers of 64 bits
  int (*get_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
};

[[maybe_unused]] inline PyObject* ask(const char* function, const char* argument) {
  PyObject* module = PyImport_ImportModule("rushlight._lapack");
  if (!module) throw PythonError();
  PyObject* answer = PyObject_CallMethod(module, function, argument ? "s" : nullptr, argument);
  Py_DECREF(module);
  if (!answer) throw PythonError();
  return answer;
}

[[maybe_unused]] inline const Library& library() {
  static Library found;
  static bool asked = false;
  if (asked) return found;
  PyObject* answer = ask("library_facts", nullptr);
  long bits = 64;
  unsigned long long get = 0, set = 0;
  const bool fine = PyArg_ParseTuple(answer, "lKK", &bits, &get, &set);
  Py_DECREF(answer);
  if (!fine) throw PythonError();
  found.wide = bits == 64;
  found.get_threads = reinterpret_cast<int (*)()>(get);
  found.set_threads = reinterpret_cast<void (*)(int)>(set);
  asked = true;
  return found;
}

// The routine of a dtype: routine(F64, "getrf") is dgetrf.
[[maybe_unused]] inline void* routine(DType t, const char* name) {
  static std::map<std::string, void*> known;
  const char letter = t == DType::F32 ? 's' : t == DType::F64 ? 'd' : t == DType::C64 ? 'c' : 'z';
  std::string key = letter + std::string(name);
  void*& address = known[key];
  if (!address) {
    PyObject* answer = ask("address", key.c_str());
    address = PyLong_AsVoidPtr(answer);
    Py_DECREF(answer);
    if (!address) throw PythonError();
  }
  return address;
}

template <class... A>
void fortran(void* function, A... arguments) {
  reinterpret_cast<void (*)(A...)>(function)(arguments...);
}
constexpr size_t kLetter = 1;  // the hidden length of each letter, behind the arguments

// Keeps the library to one thread for matrices that more would not help.
class OneThread {
  int before_ = 1;

 public:
  explicit OneThread(int64_t size) {
    const Library& l = library();
    if (!l.get_threads || size >= 512 || (before_ = l.get_threads()) == 1) before_ = 1;
    if (before_ != 1) l.set_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) library().set_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
};

// Integers that LAPACK writes: of 64 or of 32 bits, both in these.
struct Integers {
  Scratch<int64_t> memory;
  bool wide = library().wide;
  explicit Integers(int64_t n) : memory(static_cast<size_t>(std::max<int64_t>(n, 1))) {}
  int64_t operator[](int64_t i) const {
    return wide ? memory.get()[i] : reinterpret_cast<const int32_t*>(memory.get())[i];
  }
  int64_t* get() const { return memory.get(); }
};

[[maybe_unused]] inline DType real_type(DType t) {
  return t == DType::C64 ? DType::F32 : t == DType::C128 ? DType::F64 : t;
}
[[maybe_unused]] inline bool complex_type(DType t) { return real_type(t) != t; }

// An array's matrices in column order.
struct Matrices {
  Array memory;  // (..., columns, rows)
  int64_t rows, columns, count;

  Array view() const { return memory.transpose(memory.ndim() - 2, memory.ndim() - 1); }
  int64_t step() const { return rows * columns * memory.item(); }
  char* at(int64_t i) const { return memory.bytes() + i * step(); }
};

using Sizes = std::vector<int64_t>;
[[maybe_unused]] inline Sizes batch_of(const Array& a, std::initializer_list<int64_t> more) {
  Sizes s(a.sizes(), a.sizes() + a.ndim() - 2);
  s.insert(s.end(), more);
  return s;
}

[[maybe_unused]] inline Matrices made(DType t, const Array& like, int64_t rows, int64_t columns) {
  Array memory = Array::empty(t, batch_of(like, {columns, rows}));
  return {memory, rows, columns, product(Shape(like.sizes(), like.ndim() - 2))};
}

[[maybe_unused]] inline void check(const Call& call, const Array& a, bool square) {
  const DType t = a.dtype();
  if (t != DType::F32 && t != DType::F64 && t != DType::C64 && t != DType::C128)
    throw UnsupportedDType(t);
  if (a.ndim() < 2 || (square && a.size(-1) != a.size(-2)))
    fail(ErrorType::Runtime, "%s: expected %smatrices, got a tensor of shape %s", call.name(),
         square ? "square " : "", shape_text(a.shape()).c_str());
}

[[maybe_unused]] inline Matrices columns(const Array& a) {
  Matrices m = made(a.dtype(), a, a.size(-2), a.size(-1));
  copy_into(m.view(), a);
  return m;
}

// Runs f(i) for each matrix, where `info` is what it says; gives the infos as int32.
template <class F>
Array each(const Call& call, const Array& like, const Matrices& m, F&& f) {
  Array infos = Array::empty(DType::I32, batch_of(like, {}));
  const OneThread one(std::max(m.rows, m.columns));
  int64_t wrong = 0;
  {
    NoGil nogil(m.count * m.rows * m.columns * std::min(m.rows, m.columns), 20000);
    for (int64_t i = 0; i < (meta_call ? 0 : m.count); ++i) {
      int64_t info = 0;
      f(i, &info);
      infos.data<int32_t>()[i] = static_cast<int32_t>(info);
      wrong = std::min<int64_t>(wrong, static_cast<int32_t>(info));
    }
  }
  if (wrong < 0)
    fail(ErrorType::Runtime, "%s: LAPACK rejects argument %lld", call.name(),
         static_cast<long long>(-wrong));
  return infos;
}

[[maybe_unused]] inline bool small(const Matrices& m) {
  return m.rows == m.columns && m.rows > 0 && m.rows <= kSmallMatrix &&
         !complex_type(m.memory.dtype());
}

// As each() for small(m), by kernels of our own in threads: f(size, i, matrix) gives the info.
template <class F>
Array each_small(const Array& like, const Matrices& m, F&& f) {
  Array infos = Array::empty(DType::I32, batch_of(like, {}));
  int32_t* info = infos.data<int32_t>();
  const int64_t n = m.rows, work = 20 + n * n * n;  // nanoseconds, but for the smallest
  const auto run = [&](auto tag) {
    using T = decltype(tag);
    with_size(n, [&](auto size) {
      parallel_for(m.count, grain_of(static_cast<double>(work)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          info[i] = static_cast<int32_t>(f(size, i, reinterpret_cast<T*>(m.at(i))));
      });
    });
  };
  NoGil nogil(m.count * work, 20000);
  if (m.memory.dtype() == DType::F32)
    run(float{});
  else
    run(double{});
  return infos;
}

// Zeros below (or above) the diagonal.
[[maybe_unused]] inline void keep_triangle(const Matrices& m, bool upper) {
  for (int64_t i = 0; i < (meta_call ? 0 : m.count); ++i)
    for (int64_t j = 0; j < m.columns; ++j) {
      char* column = m.at(i) + j * m.rows * m.memory.item();
      const int64_t from = upper ? std::min(j + 1, m.rows) : 0, to = upper ? m.rows : j;
      if (from < to)
        std::memset(column + from * m.memory.item(), 0,
                    static_cast<size_t>((std::min(to, m.rows) - from) * m.memory.item()));
    }
}

[[maybe_unused]] inline void set_identity(const Array& a) {
  fill(a, 0.0);
  fill(a.diagonal(0, a.ndim() - 2, a.ndim() - 1), 1.0);
}

// NaN for the matrices that info names.
[[maybe_unused]] inline void spoil(const Matrices& m, const Array& infos) {
  for (int64_t i = 0; i < m.count; ++i) {
    if (infos.data<int32_t>()[i] == 0) continue;
    const int64_t size[1] = {m.rows * m.columns}, step[1] = {1};
    fill(m.memory.as_strided(Shape(size, 1), Shape(step, 1), m.memory.offset() + i * size[0]),
         std::numeric_limits<double>::quiet_NaN());
  }
}

template <class F>
void visit_precise(DType t, F&& f) {
  switch (t) {
    case DType::F32: return f(float{});
    case DType::F64: return f(double{});
    case DType::C64: return f(c64{});
    default: return f(c128{});
  }
}

template <class T>
bool finite_run(const T* p, int64_t n) {
  T bad = 0;
  for (int64_t i = 0; i < n; ++i) bad += p[i] - p[i];  // 0, or NaN from inf and NaN
  return bad == 0;
}
[[maybe_unused]] inline bool finite(const Matrices& m, int64_t i) {
  const DType t = m.memory.dtype();
  const int64_t n = m.rows * m.columns * (complex_type(t) ? 2 : 1);
  return real_type(t) == DType::F32 ? finite_run(reinterpret_cast<const float*>(m.at(i)), n)
                                    : finite_run(reinterpret_cast<const double*>(m.at(i)), n);
}

// The length that LAPACK writes when it is asked, in the workspace's own type.
[[maybe_unused]] inline int64_t asked_length(DType t, const void* p) {
  const double x = real_type(t) == DType::F32 ? double{*static_cast<const float*>(p)}
                                              : *static_cast<const double*>(p);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(x * (1 + 1e-6))));
}

}  // namespace
}  // namespace rl
