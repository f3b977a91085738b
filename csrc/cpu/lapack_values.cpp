// Eigenvalues and singular values of batches of matrices, by LAPACK, and pseudo-inverses.
#include "lapack.h"
#include "matmul.h"
#include "small_values.h"

namespace rl {

namespace {

// Eigenvalues and, in place of the copy of A, eigenvectors; NaN where A has one.
struct Spectrum {
  Array values;
  Matrices vectors;
};
Spectrum eigh(const Call& call, const Array& a, bool vectors, std::string_view half) {
  const DType t = a.dtype(), real = real_type(t);
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  const bool wide = complex_type(t);
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
  return {values, m};
}

struct SmallEntry {
  SmallValues kernel;
  int level = -1;
};
SmallEntry& small_entry() {
  static SmallEntry entry;  // a function's static: registrars run before main in any order
  return entry;
}

[[noreturn]] void not_finite() {
  fail(ErrorType::LinAlg,
       "linalg.svd: The algorithm failed to converge because the input matrix contained "
       "non-finite values.");
}

// Singular values alone of real matrices of a few rows and columns, without LAPACK.
Array few_values(const Array& a) {
  const Array x = a.contiguous_copy();
  const int64_t rows = a.size(-2), cols = a.size(-1), k = std::min(rows, cols);
  Array values = Array::empty(a.dtype(), batch_of(a, {k}));
  const auto run = [&](auto tag, auto kernel) {
    using T = decltype(tag);
    if (!finite_run(x.data<T>(), x.numel())) not_finite();
    NoGil nogil(values.numel() * rows * cols, 20000);
    kernel(x.data<T>(), values.numel() / k, static_cast<int>(rows), static_cast<int>(cols),
           values.data<T>());
  };
  if (meta_call) return values;
  if (a.dtype() == DType::F32)
    run(float{}, small_entry().kernel.singles);
  else
    run(double{}, small_entry().kernel.doubles);
  return values;
}

struct Singular {
  Matrices u;
  Array values;
  Matrices vh;
};
Singular svd(const Call& call, const Array& a, bool full, bool vectors) {
  const DType t = a.dtype(), real = real_type(t);
  const int64_t rows = a.size(-2), cols = a.size(-1), k = std::min(rows, cols);
  // Eight matrices cost as much as one: a single one of 16 rows is LAPACK's.
  const bool pays = k <= kSmallValues / 2 || a.numel() > 4 * rows * cols;
  if (!vectors && !complex_type(t) && k > 0 && std::max(rows, cols) <= kSmallValues && pays)
    return {made(t, a, 1, 1), few_values(a), made(t, a, 1, 1)};
  const Matrices m = columns(a);
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
      if (infos.data<int32_t>()[i]) not_finite();
  }
  return {u, values, vh};
}

// The same memory, conjugated.
Array conjugate(Array a) {
  const int64_t n = meta_call ? 0 : a.numel();
  if (a.dtype() == DType::C64)
    for (int64_t i = 0; i < n; ++i) a.data<c64>()[i] = std::conj(a.data<c64>()[i]);
  if (a.dtype() == DType::C128)
    for (int64_t i = 0; i < n; ++i) a.data<c128>()[i] = std::conj(a.data<c128>()[i]);
  return a;
}

// Where to cut singular values off: a number, or one for each matrix.
struct Limit {
  Array each;
  double all = 0;
  Limit(const Call& call, int i, const Array& like, DType t) {
    if (!call.is_tensor(i)) {
      all = call.real(i);
      return;
    }
    each = call.tensor(i).to(t).expand(batch_of(like, {})).contiguous_copy();
  }
  double at(int64_t i) const {
    if (!each.defined()) return all;
    return each.dtype() == DType::F32 ? double{each.data<float>()[i]} : each.data<double>()[i];
  }
};

// Scales the columns of u by 1 / values, or by 0 where a value is not above the limits.
template <class T, class R>
void divide_columns(const Matrices& u, const Array& values, const Limit& atol, const Limit& rtol) {
  const int64_t k = values.size(-1);
  for (int64_t i = 0; i < u.count; ++i) {
    const R* s = values.data<R>() + i * k;
    R largest = 0;
    for (int64_t j = 0; j < k; ++j) largest = std::max(largest, std::abs(s[j]));
    const R limit = std::max(static_cast<R>(atol.at(i)), static_cast<R>(rtol.at(i)) * largest);
    for (int64_t j = 0; j < k; ++j) {
      const R factor = std::abs(s[j]) > limit ? R(1) / s[j] : R(0);
      T* column = reinterpret_cast<T*>(u.at(i)) + j * u.rows;
      for (int64_t r = 0; r < u.rows; ++r) column[r] *= factor;
    }
  }
}

}  // namespace

void register_small_values(int level, const SmallValues& kernel) {
  if (level <= cpu_level() && level > small_entry().level) small_entry() = {kernel, level};
}

RL_KERNEL(linalg_eigh) {  // A, UPLO, compute_v -> eigenvalues, eigenvectors; NaN where A has one
  const Array& a = call.tensor(0);
  check(call, a, true);
  const Spectrum s = eigh(call, a, call.boolean(2), call.string(1));
  call.result(s.values);
  call.result(s.vectors.view());
}

RL_KERNEL(linalg_svd) {  // A, full_matrices, compute_uv -> U, S, Vh
  const Array& a = call.tensor(0);
  check(call, a, false);
  const Singular s = svd(call, a, call.boolean(1), call.boolean(2));
  call.result(s.u.view());
  call.result(s.values);
  call.result(s.vh.view());
}

RL_KERNEL(linalg_pinv) {  // A, atol, rtol, hermitian -> V S^-1 U^H
  const Array& a = call.tensor(0);
  const bool hermitian = call.boolean(3);
  check(call, a, hermitian);
  const DType t = a.dtype(), real = real_type(t);
  const Limit atol(call, 1, a, real), rtol(call, 2, a, real);
  const auto divide = [&](const Matrices& u, const Array& values) {
    if (meta_call) return;
    visit_precise(t, [&](auto tag) {
      divide_columns<decltype(tag), decltype(std::abs(tag))>(u, values, atol, rtol);
    });
  };
  // (V / s) U^H; conj(V^T U^T) of what LAPACK gives, which copies nothing.
  if (hermitian) {
    const Spectrum s = eigh(call, a, true, "L");
    const Array v = s.vectors.memory.clone();  // columns of vectors, as rows
    divide(s.vectors, s.values);
    call.result(matmul_arrays(s.vectors.view(), conjugate(v)));
    return;
  }
  const Singular s = svd(call, a, false, true);
  divide(s.u, s.values);
  call.result(conjugate(matmul_arrays(s.vh.memory, s.u.memory)));
}

namespace {

// What geev gives for one matrix, complex: real matrices have pairs of columns for conjugate
// values.
template <class R>
void join_pairs(int64_t n, const R* re, const R* im, const R* packed, std::complex<R>* values,
                std::complex<R>* vectors) {
  for (int64_t j = 0; j < n; ++j) values[j] = {re[j], im[j]};
  for (int64_t j = 0; vectors && j < n; ++j) {
    const R *x = packed + j * n, *y = x + n;
    const bool pair = im[j] != R(0) && j + 1 < n;
    for (int64_t i = 0; i < n; ++i) {
      vectors[j * n + i] = {x[i], pair ? y[i] : R(0)};
      if (pair) vectors[(j + 1) * n + i] = {x[i], -y[i]};
    }
    if (pair) ++j;
  }
}

}  // namespace

RL_KERNEL(linalg_eig) {  // A, compute_v -> eigenvalues, eigenvectors, complex
  const Array& a = call.tensor(0);
  check(call, a, true);
  const DType t = a.dtype(), real = real_type(t),
              kind = real == DType::F32 ? DType::C64 : DType::C128;
  const bool vectors = call.boolean(1), wide = complex_type(t);
  const Matrices m = columns(a);
  const int64_t n = m.rows, item = a.item();
  Array values = Array::empty(kind, batch_of(a, {n}));
  const Matrices v = vectors ? made(kind, a, n, n) : made(kind, a, 0, 0);
  if (!meta_call)
    for (int64_t i = 0; i < m.count; ++i)
      if (!finite(m, i))
        fail(ErrorType::Runtime, "torch.linalg.eig: input tensor should not contain infs or NaNs.");
  void* geev = routine(t, "geev");
  const char* job = vectors ? "V" : "N";
  const Scratch<char> parts(static_cast<size_t>(std::max<int64_t>(1, (2 * n + n * n) * item)));
  char *re = parts.get(), *im = re + n * item, *packed = im + n * item;
  const int64_t one = 1, unknown = -1;
  const auto run = [&](int64_t i, void* work, const int64_t* room, int64_t* info) {
    char* w = values.bytes() + i * n * itemsize(kind);
    if (wide)
      fortran(geev, "N", job, &n, m.at(i), &n, w, nullptr, &one, vectors ? v.at(i) : nullptr, &n,
              work, room, re, info, kLetter, kLetter);
    else
      fortran(geev, "N", job, &n, m.at(i), &n, re, im, nullptr, &one, packed, &n, work, room, info,
              kLetter, kLetter);
  };
  if (n && m.count) {
    c128 answer{};
    int64_t asked = 0;
    run(0, &answer, &unknown, &asked);
    const int64_t room = asked_length(t, &answer);
    const Scratch<char> work(static_cast<size_t>(room * item));
    const Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
      run(i, work.get(), &room, info);
      char *w = values.bytes() + i * n * itemsize(kind), *to = vectors ? v.at(i) : nullptr;
      const auto join = [&](auto tag) {
        using R = decltype(tag);
        join_pairs(n, reinterpret_cast<R*>(re), reinterpret_cast<R*>(im),
                   reinterpret_cast<R*>(packed), reinterpret_cast<std::complex<R>*>(w),
                   reinterpret_cast<std::complex<R>*>(to));
      };
      if (t == DType::F32) join(float{});
      if (t == DType::F64) join(double{});
    });
    for (int64_t i = 0; !meta_call && i < m.count; ++i)
      if (infos.data<int32_t>()[i])
        fail(ErrorType::LinAlg,
             "linalg.eig: (Batch element %ld): The algorithm failed to converge because the input "
             "matrix is ill-conditioned or has too many repeated eigenvalues (error code: %d).",
             long(i), infos.data<int32_t>()[i]);
  }
  call.result(std::move(values));
  call.result(v.view());
}

}  // namespace rl
