// Factorisations, systems, eigenvalues and singular values of batches of matrices, by LAPACK.
//
// LAPACK reads columns: an operand (..., m, n) is copied in column order, (..., n, m) in memory,
// worked on in place, one matrix after another, and handed back as the transposed view, which is
// the layout that PyTorch gives too. The routines are those of the library that
// rushlight/_blas.py finds; its own threads rest while matrices are small.
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <map>
#include <type_traits>

#include "../core/kernel.h"

namespace rl {
namespace {

// What rushlight._lapack knows about the library, asked once.
struct Library {
  bool wide = true;  // integers of 64 bits
  int (*get_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
};

PyObject* ask(const char* function, const char* argument) {
  PyObject* module = PyImport_ImportModule("rushlight._lapack");
  if (!module) throw PythonError();
  PyObject* answer = PyObject_CallMethod(module, function, argument ? "s" : nullptr, argument);
  Py_DECREF(module);
  if (!answer) throw PythonError();
  return answer;
}

const Library& library() {
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
void* routine(DType t, const char* name) {
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

DType real_type(DType t) {
  return t == DType::C64 ? DType::F32 : t == DType::C128 ? DType::F64 : t;
}
bool complex_type(DType t) { return real_type(t) != t; }

// An array's matrices in column order.
struct Matrices {
  Array memory;  // (..., columns, rows)
  int64_t rows, columns, count;

  Array view() const { return memory.transpose(memory.ndim() - 2, memory.ndim() - 1); }
  int64_t step() const { return rows * columns * memory.item(); }
  char* at(int64_t i) const { return memory.bytes() + i * step(); }
};

using Sizes = std::vector<int64_t>;
Sizes batch_of(const Array& a, std::initializer_list<int64_t> more) {
  Sizes s(a.sizes(), a.sizes() + a.ndim() - 2);
  s.insert(s.end(), more);
  return s;
}

Matrices made(DType t, const Array& like, int64_t rows, int64_t columns) {
  Array memory = Array::empty(t, batch_of(like, {columns, rows}));
  return {memory, rows, columns, product(Shape(like.sizes(), like.ndim() - 2))};
}

void check(const Call& call, const Array& a, bool square) {
  const DType t = a.dtype();
  if (t != DType::F32 && t != DType::F64 && t != DType::C64 && t != DType::C128)
    throw UnsupportedDType(t);
  if (a.ndim() < 2 || (square && a.size(-1) != a.size(-2)))
    fail(ErrorType::Runtime, "%s: expected %smatrices, got a tensor of shape %s", call.name(),
         square ? "square " : "", shape_text(a.shape()).c_str());
}

Matrices columns(const Array& a) {
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
    for (int64_t i = 0; i < m.count; ++i) {
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

// Zeros below (or above) the diagonal.
void keep_triangle(const Matrices& m, bool upper) {
  for (int64_t i = 0; i < m.count; ++i)
    for (int64_t j = 0; j < m.columns; ++j) {
      char* column = m.at(i) + j * m.rows * m.memory.item();
      const int64_t from = upper ? std::min(j + 1, m.rows) : 0, to = upper ? m.rows : j;
      if (from < to)
        std::memset(column + from * m.memory.item(), 0,
                    static_cast<size_t>((std::min(to, m.rows) - from) * m.memory.item()));
    }
}

void set_identity(const Array& a) {
  fill(a, 0.0);
  fill(a.diagonal(0, a.ndim() - 2, a.ndim() - 1), 1.0);
}

// NaN for the matrices that info names.
void spoil(const Matrices& m, const Array& infos) {
  for (int64_t i = 0; i < m.count; ++i) {
    if (infos.data<int32_t>()[i] == 0) continue;
    const int64_t size[1] = {m.rows * m.columns}, step[1] = {1};
    fill(m.memory.as_strided(Shape(size, 1), Shape(step, 1), m.memory.offset() + i * size[0]),
         std::numeric_limits<double>::quiet_NaN());
  }
}

// -- systems --------------------------------------------------------------------------------------
// x becomes the answer of a x = x; a is overwritten.
Array solve(const Call& call, const Array& like, const Matrices& a, const Matrices& x) {
  const int64_t n = a.rows, k = x.columns;
  const Integers pivots(n);
  void* gesv = routine(a.memory.dtype(), "gesv");
  const Array infos = each(call, like, a, [&](int64_t i, int64_t* info) {
    if (n) fortran(gesv, &n, &k, a.at(i), &n, pivots.get(), x.at(i), &n, info);
  });
  spoil(x, infos);
  return infos;
}

Array expanded(const Array& a, const Sizes& batch) {
  Sizes s = batch;
  s.push_back(a.size(-2)), s.push_back(a.size(-1));
  return a.expand(s);
}

}  // namespace

RL_KERNEL(linalg_solve_ex) {  // A, B -> X, info of A's batch
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check(call, a, true), check(call, b, false);
  if (a.dtype() != b.dtype() || a.size(-1) != b.size(-2))
    fail(ErrorType::Runtime, "linalg.solve: matrices of shapes %s and %s do not fit",
         shape_text(a.shape()).c_str(), shape_text(b.shape()).c_str());
  const Sizes batch = broadcast_shapes("linalg.solve", Shape(a.sizes(), a.ndim() - 2),
                                       Shape(b.sizes(), b.ndim() - 2));
  const Array wide = expanded(a, batch);
  const Matrices x = columns(expanded(b, batch));
  Array infos = solve(call, wide, columns(wide), x);
  // A broadcast A is singular as often as it is repeated: info is that of A itself.
  if (infos.numel() == 0 && product(Shape(a.sizes(), a.ndim() - 2)) > 0) {
    infos = Array::empty(DType::I32, batch_of(a, {}));
    fill(infos, int64_t{0});
  }
  while (infos.ndim() > a.ndim() - 2) infos = infos.select(0, 0);
  for (int d = 0; d < infos.ndim(); ++d)
    if (a.size(d) == 1 && infos.size(d) != 1) infos = infos.slice(d, 0, 1, 1);
  call.result(x.view());
  call.result(infos.contiguous_copy());
}

RL_KERNEL(linalg_inv_ex) {  // A -> inverse, info
  const Array& a = call.tensor(0);
  check(call, a, true);
  const Matrices x = made(a.dtype(), a, a.size(-2), a.size(-1));
  set_identity(x.memory);
  Array infos = solve(call, a, columns(a), x);
  call.result(x.view());
  call.result(std::move(infos));
}

RL_KERNEL(solve_triangular) {  // A, B, upper, unitriangular
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check(call, a, true), check(call, b, false);
  if (a.dtype() != b.dtype() || a.size(-1) != b.size(-2))
    fail(ErrorType::Runtime, "linalg.solve_triangular: matrices of shapes %s and %s do not fit",
         shape_text(a.shape()).c_str(), shape_text(b.shape()).c_str());
  const Sizes batch = broadcast_shapes("linalg.solve_triangular", Shape(a.sizes(), a.ndim() - 2),
                                       Shape(b.sizes(), b.ndim() - 2));
  const Matrices x = columns(expanded(b, batch));
  const Array wide = expanded(a, batch);
  // Rows in order are the columns of the transposed matrix: no copy.
  const bool rows = wide.contiguous();
  const Matrices m = rows ? Matrices{wide, a.size(-1), a.size(-1), x.count} : columns(wide);
  const char *triangle = call.boolean(2) != rows ? "U" : "L", *unit = call.boolean(3) ? "U" : "N";
  const int64_t n = m.rows, k = x.columns;
  const c128 one128 = 1;
  const c64 one64 = 1;
  const double one_double = 1;
  const float one_float = 1;
  const DType t = a.dtype();
  const void* one = t == DType::F32   ? static_cast<const void*>(&one_float)
                    : t == DType::F64 ? static_cast<const void*>(&one_double)
                    : t == DType::C64 ? static_cast<const void*>(&one64)
                                      : &one128;
  void* trsm = routine(t, "trsm");
  if (n && k)
    each(call, wide, x, [&](int64_t i, int64_t*) {
      fortran(trsm, "L", triangle, rows ? "T" : "N", unit, &n, &k, one, m.at(i), &n, x.at(i), &n,
              kLetter, kLetter, kLetter, kLetter);
    });
  call.result(x.view());
}

// -- factorisations -------------------------------------------------------------------------------
RL_KERNEL(linalg_cholesky_ex) {  // A -> L, info
  const Array& a = call.tensor(0);
  check(call, a, true);
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  void* potrf = routine(a.dtype(), "potrf");
  Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
    if (n) fortran(potrf, "L", &n, m.at(i), &n, info, kLetter);
  });
  keep_triangle(m, false);
  call.result(m.view());
  call.result(std::move(infos));
}

RL_KERNEL(linalg_lu_factor_ex) {  // A -> LU, pivots, info
  const Array& a = call.tensor(0);
  check(call, a, false);
  const Matrices m = columns(a);
  const int64_t rows = m.rows, cols = m.columns, k = std::min(rows, cols);
  Array pivots = Array::empty(DType::I32, batch_of(a, {k}));
  const Integers given(k);
  void* getrf = routine(a.dtype(), "getrf");
  Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
    if (!k) return;
    fortran(getrf, &rows, &cols, m.at(i), &rows, given.get(), info);
    for (int64_t j = 0; j < k; ++j)
      pivots.data<int32_t>()[i * k + j] = static_cast<int32_t>(given[j]);
  });
  call.result(m.view());
  call.result(std::move(pivots));
  call.result(std::move(infos));
}

namespace {

// Calls f(i, T of the diagonal's j-th element of U, whether rows were exchanged there) in order.
template <class T, class F>
void each_pivot(const Call& call, const Array& a, F&& f) {
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  const Integers pivots(n);
  void* getrf = routine(a.dtype(), "getrf");
  each(call, a, m, [&](int64_t i, int64_t* info) {
    if (n) fortran(getrf, &n, &n, m.at(i), &n, pivots.get(), info);
    for (int64_t j = 0; j < n; ++j)
      f(i, reinterpret_cast<const T*>(m.at(i))[j * n + j], pivots[j] != j + 1);
  });
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

}  // namespace

RL_KERNEL(linalg_det) {  // A
  const Array& a = call.tensor(0);
  check(call, a, true);
  Array out = Array::empty(a.dtype(), batch_of(a, {}));
  fill(out, 1.0);
  visit_precise(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* y = out.data<T>();
    each_pivot<T>(call, a, [&](int64_t i, T d, bool moved) { y[i] *= moved ? -d : d; });
  });
  call.result(std::move(out));
}

RL_KERNEL(linalg_slogdet) {  // A -> sign, log of the absolute value
  const Array& a = call.tensor(0);
  check(call, a, true);
  Array sign = Array::empty(a.dtype(), batch_of(a, {}));
  Array size = Array::empty(real_type(a.dtype()), batch_of(a, {}));
  fill(sign, 1.0), fill(size, 0.0);
  visit_precise(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using R = decltype(std::abs(tag));
    T* y = sign.data<T>();
    R* z = size.data<R>();
    each_pivot<T>(call, a, [&](int64_t i, T d, bool moved) {
      const R length = std::abs(d);
      y[i] *= length == R(0) ? T(0) : (moved ? -d : d) / length;
      z[i] += std::log(length);
    });
  });
  call.result(std::move(sign));
  call.result(std::move(size));
}

RL_KERNEL(linalg_qr) {  // A, mode -> Q, R
  const Array& a = call.tensor(0);
  check(call, a, false);
  const Matrices m = columns(a);
  const int64_t rows = m.rows, cols = m.columns, k = std::min(rows, cols);
  const bool complete = call.string(1) == "complete", only_r = call.string(1) == "r";
  const int64_t wide = complete ? rows : k, item = a.item();
  const Matrices r = made(a.dtype(), a, wide, cols);
  Matrices q = only_r ? m : made(a.dtype(), a, rows, wide);
  void* geqrf = routine(a.dtype(), "geqrf");
  void* orgqr = routine(a.dtype(), complex_type(a.dtype()) ? "ungqr" : "orgqr");
  const int64_t room = 64 * std::max<int64_t>(1, std::max(cols, wide));
  const Scratch<char> tau(static_cast<size_t>((k + 1) * item)),
      work(static_cast<size_t>(room * item));
  each(call, a, m, [&](int64_t i, int64_t* info) {
    if (!k) return;
    fortran(geqrf, &rows, &cols, m.at(i), &rows, tau.get(), work.get(), &room, info);
    for (int64_t j = 0; j < cols; ++j)
      std::memcpy(r.at(i) + j * wide * item, m.at(i) + j * rows * item,
                  static_cast<size_t>(wide * item));
    if (only_r) return;
    std::memcpy(q.at(i), m.at(i), static_cast<size_t>(std::min(wide, cols) * rows * item));
    if (wide > cols)
      std::memset(q.at(i) + cols * rows * item, 0,
                  static_cast<size_t>((wide - cols) * rows * item));
    fortran(orgqr, &rows, &wide, &k, q.at(i), &rows, tau.get(), work.get(), &room, info);
  });
  if (!k && !only_r && q.memory.numel()) set_identity(q.view());
  keep_triangle(r, true);
  call.result(only_r ? Array::empty(a.dtype(), {0}) : q.view());
  call.result(r.view());
}

// -- eigenvalues, singular values -----------------------------------------------------------------
namespace {

template <class T>
bool finite_run(const T* p, int64_t n) {
  T bad = 0;
  for (int64_t i = 0; i < n; ++i) bad += p[i] - p[i];  // 0, or NaN from inf and NaN
  return bad == 0;
}
bool finite(const Matrices& m, int64_t i) {
  const DType t = m.memory.dtype();
  const int64_t n = m.rows * m.columns * (complex_type(t) ? 2 : 1);
  return real_type(t) == DType::F32 ? finite_run(reinterpret_cast<const float*>(m.at(i)), n)
                                    : finite_run(reinterpret_cast<const double*>(m.at(i)), n);
}

// The length that LAPACK writes when it is asked, in the workspace's own type.
int64_t asked_length(DType t, const void* p) {
  const double x = real_type(t) == DType::F32 ? double{*static_cast<const float*>(p)}
                                              : *static_cast<const double*>(p);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(x * (1 + 1e-6))));
}

}  // namespace

RL_KERNEL(linalg_eigh) {  // A, UPLO, compute_v -> eigenvalues, eigenvectors; NaN where A has one
  const Array& a = call.tensor(0);
  check(call, a, true);
  const DType t = a.dtype(), real = real_type(t);
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  const bool vectors = call.boolean(2), wide = complex_type(t);
  const std::string_view half = call.string(1);
  const char *triangle = half == "U" || half == "u" ? "U" : "L", *job = vectors ? "V" : "N";
  Array values = Array::empty(real, batch_of(a, {n}));
  // The documented least, or what blocks of 64 columns want.
  const int64_t room = std::max(1 + 6 * n + 2 * n * n, 66 * n), more = 1 + 5 * n + 2 * n * n,
                whole = 3 + 5 * n;
  const Scratch<char> work(static_cast<size_t>(room * a.item())),
      extra(static_cast<size_t>(wide ? more * itemsize(real) : 0));
  const Integers integers(whole);
  void* syevd = routine(t, wide ? "heevd" : "syevd");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
    if (!n) return;
    char* w = values.bytes() + i * n * itemsize(real);
    if (!finite(m, i)) {
      *info = -1000;
    } else if (wide) {
      fortran(syevd, job, triangle, &n, m.at(i), &n, w, work.get(), &room, extra.get(), &more,
              integers.get(), &whole, info, kLetter, kLetter);
    } else {
      fortran(syevd, job, triangle, &n, m.at(i), &n, w, work.get(), &room, integers.get(), &whole,
              info, kLetter, kLetter);
    }
    if (*info == -1000) {
      for (int64_t j = 0; j < n; ++j)
        real == DType::F32 ? reinterpret_cast<float*>(w)[j] = static_cast<float>(nan)
                           : reinterpret_cast<double*>(w)[j] = nan;
      *info = 0;
      const int64_t cells = n * n * (wide ? 2 : 1);
      for (int64_t j = 0; j < cells; ++j)
        real == DType::F32 ? reinterpret_cast<float*>(m.at(i))[j] = static_cast<float>(nan)
                           : reinterpret_cast<double*>(m.at(i))[j] = nan;
    }
  });
  for (int64_t i = 0; i < m.count; ++i)
    if (infos.data<int32_t>()[i])
      fail(ErrorType::LinAlg,
           "linalg.eigh: The algorithm failed to converge because the input matrix is "
           "ill-conditioned or has too many repeated eigenvalues.");
  call.result(std::move(values));
  call.result(m.view());
}

RL_KERNEL(linalg_svd) {  // A, full_matrices, compute_uv -> U, S, Vh
  const Array& a = call.tensor(0);
  check(call, a, false);
  const DType t = a.dtype(), real = real_type(t);
  const Matrices m = columns(a);
  const int64_t rows = m.rows, cols = m.columns, k = std::min(rows, cols);
  const bool full = call.boolean(1), vectors = call.boolean(2);
  const int64_t u_cols = full ? rows : k, vh_rows = full ? cols : k;
  const Matrices u = vectors ? made(t, a, rows, u_cols) : made(t, a, 1, 1),
                 vh = vectors ? made(t, a, vh_rows, cols) : made(t, a, 1, 1);
  Array values = Array::empty(real, batch_of(a, {k}));
  if (k == 0) {
    if (u.memory.numel()) set_identity(u.memory);
    if (vh.memory.numel()) set_identity(vh.memory);
  } else {
    const char* job = !vectors ? "N" : full ? "A" : "S";
    const int64_t big = std::max(rows, cols), unknown = -1;
    const int64_t more =
        complex_type(t) ? std::max({7 * k, 5 * k * k + 5 * k, 2 * big * k + 2 * k * k + k}) : 0;
    const Scratch<char> extra(static_cast<size_t>(more * itemsize(real)));
    const Integers integers(8 * k);
    void* gesdd = routine(t, "gesdd");
    const auto run = [&](int64_t i, void* work, const int64_t* room, int64_t* info) {
      char* s = values.bytes() + i * k * itemsize(real);
      if (more)
        fortran(gesdd, job, &rows, &cols, m.at(i), &rows, s, u.at(i), &u.rows, vh.at(i), &vh.rows,
                work, room, extra.get(), integers.get(), info, kLetter);
      else
        fortran(gesdd, job, &rows, &cols, m.at(i), &rows, s, u.at(i), &u.rows, vh.at(i), &vh.rows,
                work, room, integers.get(), info, kLetter);
    };
    c128 answer{};
    int64_t asked = 0;
    if (m.count) run(0, &answer, &unknown, &asked);
    const int64_t room = asked_length(t, &answer);
    const Scratch<char> work(static_cast<size_t>(room * a.item()));
    const Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
      if (finite(m, i))
        run(i, work.get(), &room, info);
      else
        *info = 1;
    });
    for (int64_t i = 0; i < m.count; ++i)
      if (infos.data<int32_t>()[i])
        fail(ErrorType::LinAlg,
             "linalg.svd: The algorithm failed to converge because the input matrix contained "
             "non-finite values.");
  }
  call.result(u.view());
  call.result(std::move(values));
  call.result(vh.view());
}

}  // namespace rl
