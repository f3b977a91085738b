// Least squares by LAPACK's four drivers.
//
//   x (n, k) minimises |a x - b|          a (m, n), b (m, k)
#include "lapack.h"

namespace rl {
namespace {

struct Least {
  Matrices a, x;  // x has max(m, n) rows: b, then the answer
  Array rank, values;
  int64_t m, n, k;
};

// b above zeros, in columns as long as a driver wants them.
Matrices tall(const Array& b, int64_t rows) {
  const Matrices x = made(b.dtype(), b, rows, b.size(-1));
  if (rows > b.size(-2)) fill(x.memory, 0.0);
  const Array view = x.view();
  copy_into(view.slice(view.ndim() - 2, 0, b.size(-2), 1), b);
  return x;
}

// Calls a driver: with a length of -1 it only says in `work` (and its like) what it needs.
struct Driver {
  std::string_view name;
  DType t;
  void* function;
  double rcond;
  float rcond_single;

  Driver(std::string_view given, DType type, double limit)
      : name(given),
        t(type),
        function(routine(type, std::string(given).c_str())),
        rcond(limit),
        rcond_single(static_cast<float>(limit)) {}
  const void* limit() const {
    return real_type(t) == DType::F32 ? static_cast<const void*>(&rcond_single) : &rcond;
  }
  void call(const Least& l, int64_t i, void* rank, void* work, const int64_t* room, void* reals,
            void* integers, int64_t* info) const {
    const int64_t big = l.x.rows, *m = &l.m, *n = &l.n, *k = &l.x.columns;
    char *a = l.a.at(i), *x = l.x.at(i);
    char* s = l.values.bytes() + i * l.k * itemsize(real_type(t));
    const bool wide = complex_type(t);
    if (name == "gels")
      fortran(function, "N", m, n, k, a, m, x, &big, work, room, info, kLetter);
    else if (name == "gelsy" && wide)
      fortran(function, m, n, k, a, m, x, &big, integers, limit(), rank, work, room, reals, info);
    else if (name == "gelsy")
      fortran(function, m, n, k, a, m, x, &big, integers, limit(), rank, work, room, info);
    else if (name == "gelss" && wide)
      fortran(function, m, n, k, a, m, x, &big, s, limit(), rank, work, room, reals, info);
    else if (name == "gelss")
      fortran(function, m, n, k, a, m, x, &big, s, limit(), rank, work, room, info);
    else if (wide)
      fortran(function, m, n, k, a, m, x, &big, s, limit(), rank, work, room, reals, integers,
              info);
    else
      fortran(function, m, n, k, a, m, x, &big, s, limit(), rank, work, room, integers, info);
  }
};

Array run(const Call& call, const Array& like, const Driver& d, const Least& l) {
  const bool wide = complex_type(d.t);
  const int64_t item = itemsize(d.t), real_item = itemsize(real_type(d.t));
  // What gelsd names for its further workspaces fits in one number each.
  c128 work{}, reals{};
  const Integers first(std::max<int64_t>(l.n, 1)), given(1);
  const int64_t unknown = -1;
  int64_t info = 0;
  if (l.a.count) d.call(l, 0, given.get(), &work, &unknown, &reals, first.get(), &info);
  const int64_t room = asked_length(d.t, &work);
  const bool gelsd = d.name == "gelsd" && l.a.count;  // an empty batch asks nothing
  const int64_t more = !wide ? 0 : gelsd ? asked_length(real_type(d.t), &reals) : 5 * (l.n + l.m);
  const int64_t whole = gelsd ? std::max<int64_t>(first[0], 1) : l.n;
  const Scratch<char> memory(static_cast<size_t>(room * item)),
      extra(static_cast<size_t>(std::max<int64_t>(more, 1) * real_item));
  const Integers integers(whole);
  return each(call, like, l.a, [&](int64_t i, int64_t* result) {
    if (!gelsd)  // gelsy: every column may be exchanged
      std::memset(integers.get(), 0, static_cast<size_t>(std::max<int64_t>(whole, 1)) * 8);
    d.call(l, i, given.get(), memory.get(), &room, extra.get(), integers.get(), result);
    l.rank.data<int64_t>()[i] = given[0];
  });
}

bool all_finite(const Array& a) {
  const Matrices m = columns(a);
  for (int64_t i = 0; i < m.count; ++i)
    if (!finite(m, i)) return false;
  return true;
}

}  // namespace

RL_KERNEL(lstsq) {  // A, B, rcond, driver -> X, info, rank, singular values
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check(call, a, false), check(call, b, false);
  const DType t = a.dtype();
  if (b.dtype() != t || a.ndim() != b.ndim() || a.size(-2) != b.size(-2) ||
      !std::equal(a.sizes(), a.sizes() + a.ndim() - 2, b.sizes()))
    fail(ErrorType::Runtime, "linear algebra: shapes %s and %s do not fit",
         shape_text(a.shape()).c_str(), shape_text(b.shape()).c_str());
  const std::string_view name = call.string(3);
  if (name != "gels" && name != "gelsy" && name != "gelsd" && name != "gelss")
    fail(ErrorType::Runtime, "lstsq: got driver %s", std::string(name).c_str());
  const bool plain = name == "gels", shows = name == "gelsd" || name == "gelss";
  if (!meta_call && !plain && !(all_finite(a) && all_finite(b)))
    fail(ErrorType::LinAlg, "torch.linalg.lstsq: input and other must have finite values only");
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  Array rank = Array::empty(DType::I64, batch_of(a, {}));
  fill(rank, int64_t{0});
  Array values = Array::empty(real_type(t), batch_of(a, {k}));
  fill(values, 0.0);
  const Least l{columns(a), tall(b, std::max(m, n)), rank, values, m, n, k};
  Array infos;
  if (k && b.size(-1)) {
    infos = run(call, a, Driver(name, t, call.real(2)), l);
    for (int64_t i = 0; shows && !meta_call && i < l.a.count; ++i)
      if (infos.data<int32_t>()[i] > 0)
        fail(ErrorType::LinAlg, "SVD did not converge in linear least squares");
    if (plain) fill(rank, int64_t{0});
  } else {
    infos = Array::empty(DType::I32, batch_of(a, {}));
    fill(infos, int64_t{0});
  }
  const Array x = l.x.view();
  call.result(x.slice(x.ndim() - 2, 0, n, 1));
  call.result(std::move(infos));
  call.result(std::move(rank));
  call.result(shows ? values : Array::empty(real_type(t), {0}));
}

}  // namespace rl
