// Factorisations, systems, eigenvalues and singular values of batches of matrices, by LAPACK.
//
// LAPACK reads columns: an operand (..., m, n) is copied in column order, (..., n, m) in memory,
// worked on in place, one matrix after another, and handed back as the transposed view, which is
// the layout that PyTorch gives too. The routines are those of the library that
// rushlight/_blas.py finds; its own threads rest while matrices are small.
#include "lapack.h"

namespace rl {
namespace {

// -- systems --------------------------------------------------------------------------------------
// x becomes the answer of a x = x; a is overwritten.
Array solve(const Call& call, const Array& like, const Matrices& a, const Matrices& x) {
  const int64_t n = a.rows, k = x.columns;
  if (small(a)) {
    const Array infos = each_small(like, a, [&](auto size, int64_t i, auto* m) {
      int32_t pivots[kSmallMatrix] = {};
      const int64_t info = small_lu<size.value>(m, static_cast<int>(n), pivots);
      if (!info)
        small_solve<size.value>(m, static_cast<int>(n), pivots,
                                reinterpret_cast<decltype(m)>(x.at(i)), k);
      return info;
    });
    spoil(x, infos);
    return infos;
  }
  const Integers pivots(n);
  void* gesv = routine(a.memory.dtype(), "gesv");
  const Array infos = each(call, like, a, [&](int64_t i, int64_t* info) {
    if (n) fortran(gesv, &n, &k, a.at(i), &n, pivots.get(), x.at(i), &n, info);
  });
  spoil(x, infos);
  return infos;
}

// x becomes its inverse.
Array invert(const Call& call, const Array& like, const Matrices& x) {
  const int64_t n = x.rows;
  if (small(x)) {
    const Matrices factors{x.memory.clone(), n, n, x.count};
    set_identity(x.memory);
    return solve(call, like, factors, x);
  }
  const DType t = x.memory.dtype();
  const Integers pivots(n);
  const int64_t room = 64 * std::max<int64_t>(n, 1);
  const Scratch<char> work(static_cast<size_t>(room * x.memory.item()));
  void *getrf = routine(t, "getrf"), *getri = routine(t, "getri");
  const Array infos = each(call, like, x, [&](int64_t i, int64_t* info) {
    if (!n) return;
    fortran(getrf, &n, &n, x.at(i), &n, pivots.get(), info);
    if (static_cast<int32_t>(*info)) return;
    fortran(getri, &n, x.at(i), &n, pivots.get(), work.get(), &room, info);
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
  const Matrices x = columns(a);
  Array infos = invert(call, a, x);
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
  Array infos;
  if (small(m)) {
    infos = each_small(a, m, [&](auto size, int64_t, auto* p) {
      return small_cholesky<size.value>(p, static_cast<int>(n));
    });
  } else {
    void* potrf = routine(a.dtype(), "potrf");
    infos = each(call, a, m, [&](int64_t i, int64_t* info) {
      if (n) fortran(potrf, "L", &n, m.at(i), &n, info, kLetter);
    });
  }
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
  if (small(m)) {
    Array infos = each_small(a, m, [&](auto size, int64_t i, auto* p) {
      return small_lu<size.value>(p, static_cast<int>(k), pivots.data<int32_t>() + i * k);
    });
    call.result(m.view());
    call.result(std::move(pivots));
    call.result(std::move(infos));
    return;
  }
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

RL_KERNEL(cholesky_inverse_ex) {  // L, upper -> the inverse of L L^H, info
  const Array& a = call.tensor(0);
  check(call, a, true);
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  const bool upper = call.boolean(1);
  void* potri = routine(a.dtype(), "potri");
  Array infos = each(call, a, m, [&](int64_t i, int64_t* info) {
    if (!n) return;
    fortran(potri, upper ? "U" : "L", &n, m.at(i), &n, info, kLetter);
    visit_precise(a.dtype(), [&](auto tag) {  // the other half is that of a Hermitian matrix
      auto* p = reinterpret_cast<decltype(tag)*>(m.at(i));
      for (int64_t j = 0; j < n; ++j)
        for (int64_t k = j + 1; k < n; ++k) {
          auto &low = p[j * n + k], &high = p[k * n + j];
          if constexpr (std::is_floating_point_v<decltype(tag)>)
            (upper ? low : high) = upper ? high : low;
          else
            (upper ? low : high) = std::conj(upper ? high : low);
        }
    });
  });
  call.result(m.view());
  call.result(std::move(infos));
}

RL_KERNEL(lu_rows) {  // pivots (..., k), rows -> the rows in the order that the exchanges leave
  const Array& given = call.tensor(0);
  const int64_t rows = call.integer(1);
  if (given.ndim() < 1 || rows < 0)
    fail(ErrorType::Runtime, "lu_rows: got pivots of shape %s for %ld rows",
         shape_text(given.shape()).c_str(), long(rows));
  const Array pivots = given.to(DType::I64).contiguous_copy();
  const int64_t k = pivots.size(-1), count = product(Shape(given.sizes(), given.ndim() - 1));
  Sizes sizes(given.sizes(), given.sizes() + given.ndim() - 1);
  sizes.push_back(rows);
  Array out = Array::empty(DType::I64, sizes);
  const int64_t* p = pivots.data<int64_t>();
  if (!meta_call && pivots.numel()) {
    const auto [low, high] = std::minmax_element(p, p + pivots.numel());
    if (*low < 1 || *high > rows)
      fail(
          ErrorType::Runtime,
          "linear algebra: pivots must be between 1 and %ld: got %ld to %ld. Are they those of the "
          "factorisation?",
          long(rows), long(*low), long(*high));
    if (k > rows)
      fail(ErrorType::Runtime, "linear algebra: %ld pivots for %ld rows", long(k), long(rows));
  }
  int64_t* y = out.data<int64_t>();
  for (int64_t i = 0; i < (meta_call ? 0 : count); ++i, y += rows, p += k) {
    for (int64_t j = 0; j < rows; ++j) y[j] = j;
    for (int64_t j = 0; j < k; ++j) std::swap(y[j], y[p[j] - 1]);
  }
  call.result(std::move(out));
}

namespace {

// Calls f(i, T of the diagonal's j-th element of U, whether rows were exchanged there) in order.
template <class T, class F>
void each_pivot(const Call& call, const Array& a, F&& f) {
  const Matrices m = columns(a);
  const int64_t n = m.rows;
  if constexpr (std::is_floating_point_v<T>) {
    if (small(m)) {
      each_small(a, m, [&](auto size, int64_t i, auto* p) {
        int32_t moved[kSmallMatrix] = {};
        const int64_t info = small_lu<size.value>(p, static_cast<int>(n), moved);
        for (int j = 0; j < n; ++j) f(i, static_cast<T>(p[j * n + j]), moved[j] != j + 1);
        return info;
      });
      return;
    }
  }
  const Integers pivots(n);
  void* getrf = routine(a.dtype(), "getrf");
  each(call, a, m, [&](int64_t i, int64_t* info) {
    if (n) fortran(getrf, &n, &n, m.at(i), &n, pivots.get(), info);
    for (int64_t j = 0; j < n; ++j)
      f(i, reinterpret_cast<const T*>(m.at(i))[j * n + j], pivots[j] != j + 1);
  });
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

namespace {
// Q and, in place of A's copy, R of small square matrices; false where LAPACK has to scale some.
bool few_qr(const Array& a, const Matrices& m, const Matrices& q) {
  const Array infos = each_small(a, m, [&](auto size, int64_t i, auto* p) {
    auto* to = reinterpret_cast<decltype(p)>(q.at(i));
    return small_qr<size.value>(p, static_cast<int>(m.rows), to) ? 0 : 1;
  });
  const int32_t* info = infos.data<int32_t>();
  return meta_call || std::all_of(info, info + m.count, [](int32_t x) { return x == 0; });
}
}  // namespace

RL_KERNEL(linalg_qr) {  // A, mode -> Q, R
  const Array& a = call.tensor(0);
  check(call, a, false);
  Matrices m = columns(a);
  if (small(m)) {
    const Matrices q = made(a.dtype(), a, m.rows, m.rows);
    if (few_qr(a, m, q)) {
      call.result(call.string(1) == "r" ? Array::empty(a.dtype(), {0}) : q.view());
      return call.result(m.view());
    }
    m = columns(a);
  }
  const int64_t rows = m.rows, cols = m.columns, k = std::min(rows, cols);
  const bool complete = call.string(1) == "complete", only_r = call.string(1) == "r";
  const int64_t wide = complete ? rows : k, item = a.item();
  const Matrices r = made(a.dtype(), a, wide, cols);
  Matrices q = only_r ? m : made(a.dtype(), a, rows, wide);
  const bool blocks = std::max(rows, cols) > 32;  // below, their set-up costs more than it saves
  const char* generate = complex_type(a.dtype()) ? (blocks ? "ungqr" : "ung2r")
                         : blocks                ? "orgqr"
                                                 : "org2r";
  void *geqrf = routine(a.dtype(), blocks ? "geqrf" : "geqr2"),
       *orgqr = routine(a.dtype(), generate);
  const int64_t room = 64 * std::max<int64_t>(1, std::max(cols, wide));
  const Scratch<char> tau(static_cast<size_t>((k + 1) * item)),
      work(static_cast<size_t>(room * item));
  each(call, a, m, [&](int64_t i, int64_t* info) {
    if (!k) return;
    if (blocks)
      fortran(geqrf, &rows, &cols, m.at(i), &rows, tau.get(), work.get(), &room, info);
    else
      fortran(geqrf, &rows, &cols, m.at(i), &rows, tau.get(), work.get(), info);
    for (int64_t j = 0; j < cols; ++j)
      std::memcpy(r.at(i) + j * wide * item, m.at(i) + j * rows * item,
                  static_cast<size_t>(wide * item));
    if (only_r) return;
    std::memcpy(q.at(i), m.at(i), static_cast<size_t>(std::min(wide, cols) * rows * item));
    if (wide > cols)
      std::memset(q.at(i) + cols * rows * item, 0,
                  static_cast<size_t>((wide - cols) * rows * item));
    if (blocks)
      fortran(orgqr, &rows, &wide, &k, q.at(i), &rows, tau.get(), work.get(), &room, info);
    else
      fortran(orgqr, &rows, &wide, &k, q.at(i), &rows, tau.get(), work.get(), info);
  });
  if (!k && !only_r && q.memory.numel()) set_identity(q.view());
  keep_triangle(r, true);
  call.result(only_r ? Array::empty(a.dtype(), {0}) : q.view());
  call.result(r.view());
}

}  // namespace rl
