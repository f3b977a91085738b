// Operators on a few elements as a rule, where the call is the cost: one pass over them as they
// lie.
//
// trace(A) = sum_i A[i, i]: floats add up in double, integers in int64.
// addr(A, u, v) = beta A + alpha u v^T; on bool `and` and `or`; A is not read when beta is 0.
// cross(a, b)_k = a_i b_j - a_j b_i along one dim of three, (i, j) the two after k.
#include "core/kernel.h"
#include "walk.h"

namespace rl {
namespace {

template <class T>
void add_diagonal(const Array& x, const Array& y) {
  using A = std::conditional_t<
      std::is_integral_v<T>, int64_t,
      std::conditional_t<std::is_same_v<T, c64> || std::is_same_v<T, c128>, c128, double>>;
  const int64_t n = std::min(x.size(0), x.size(1)), step = x.stride(0) + x.stride(1);
  const T* p = x.data<T>();
  A sum(0);
  for (int64_t i = 0; i < n; ++i) sum += static_cast<A>(p[i * step]);
  if constexpr (std::is_integral_v<T>)
    *y.data<int64_t>() = sum;
  else
    *y.data<T>() = static_cast<T>(sum);
}

// y[r, c] = f(x[r, c], u[r], v[c]) for contiguous y and v.
template <class T, class F>
void each_product(const Array& y, const Array& x, const Array& u, const Array& v, F&& f) {
  const int64_t rows = y.size(0), columns = y.size(1), step = x.stride(1);
  parallel_for(rows, grain_of(0.2 * static_cast<double>(columns)), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const T left = u.data<T>()[r * u.stride(0)];
      const T* __restrict from = x.data<T>() + r * x.stride(0), * __restrict right = v.data<T>();
      T* __restrict to = y.data<T>() + r * columns;
      if (step == 1)
        for (int64_t c = 0; c < columns; ++c) to[c] = f(from[c], left, right[c]);
      else
        for (int64_t c = 0; c < columns; ++c) to[c] = f(from[c * step], left, right[c]);
    }
  });
}

template <class T>
void add_products(const Array& y, const Array& x, const Array& u, const Array& v, T beta, T alpha) {
  if constexpr (std::is_same_v<T, bool>) {
    each_product<T>(y, x, u, v, [=](T a, T b, T c) { return (beta && a) || (alpha && b && c); });
  } else {
    using A = typename accumulate_type<T>::type;
    const A keep(beta), scale(alpha);
    if (beta == T(0))
      each_product<T>(y, x, u, v, [=](T, T b, T c) { return T(scale * A(b) * A(c)); });
    else
      each_product<T>(y, x, u, v,
                      [=](T a, T b, T c) { return T(keep * A(a) + scale * A(b) * A(c)); });
  }
}

template <class T>
T factor(Call& call, int i) {
  if constexpr (std::is_same_v<T, c64> || std::is_same_v<T, c128>)
    return T(call.complex(i));
  else if constexpr (std::is_same_v<T, bool>)
    return call.real(i) != 0;
  else if constexpr (std::is_integral_v<T>)
    return PyFloat_Check(call.args[i]) ? T(call.real(i)) : T(call.integer(i));
  else
    return T(call.real(i));
}

void check_cross(const Array& a, const Array& b, int dim) {
  if (a.ndim() != b.ndim())
    fail(ErrorType::Runtime, "linalg.cross: inputs must have the same number of dimensions.");
  if (a.size(dim) != 3 || b.size(dim) != 3)
    fail(ErrorType::Runtime,
         "linalg.cross: inputs dimension %d must have length 3. Got %lld and %lld", dim,
         static_cast<long long>(a.size(dim)), static_cast<long long>(b.size(dim)));
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "expected scalar type %s but found %s", dtype_scalar_name(a.dtype()),
         dtype_scalar_name(b.dtype()));
  if (a.dtype() == DType::Bool) unsupported_dtype(DType::Bool);
}

}  // namespace

RL_KERNEL(trace) {  // input
  const Array& x = call.tensor(0);
  if (x.ndim() != 2)
    fail(ErrorType::Runtime, "trace: expected a matrix, but got tensor with dim %d", x.ndim());
  if (x.dtype() == DType::Bool) unsupported_dtype(DType::Bool);
  const Array y = Array::empty(is_integral(x.dtype()) ? DType::I64 : x.dtype(), {});
  if (!meta_call) visit_all(x.dtype(), [&](auto tag) { add_diagonal<decltype(tag)>(x, y); });
  call.result(y);
}

RL_KERNEL(addr) {  // input, vec1, vec2, beta, alpha; computed in the dtype of vec1
  for (int i = 1; i < 3; ++i)
    if (call.tensor(i).ndim() != 1)
      fail(ErrorType::Runtime, "addr: Expected 1-D argument vec%d, but got %d-D", i,
           call.tensor(i).ndim());
  const Array &u = call.tensor(1), v = call.tensor(2).to(u.dtype()).contiguous_copy();
  const Array y = Array::empty(u.dtype(), {u.size(0), v.size(0)});
  const Array x = call.tensor(0).to(u.dtype()).expand(y.shape());
  visit_all(u.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T beta = factor<T>(call, 3), alpha = factor<T>(call, 4);
    NoGil nogil(y.numel());
    add_products<T>(y, x, u, v, beta, alpha);
  });
  call.result(y);
}

RL_KERNEL(linalg_cross) {  // input, other, dim: of one dtype, both of size 3 along dim
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check_cross(a, b, call.dim(2, a.ndim()));
  const std::vector<int64_t> shape = broadcast_shapes(call.name(), a.shape(), b.shape());
  const int dim = call.dim(2, static_cast<int>(shape.size()));
  const Array y = Array::empty(a.dtype(), shape);
  Walk<3> walk;
  walk.push_all(y.shape(), {&y, &a, &b}, dim);
  const auto step = [dim](const Array& x) { return x.stride(dim) * x.item(); };
  const int64_t along[3] = {step(y), step(a), step(b)};
  NoGil nogil(y.numel());
  visit_all(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    walk.run(grain_of(3), [&](char* const* p, const int64_t* s, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const auto at = [&](int operand, int k) -> T& {
          return *reinterpret_cast<T*>(p[operand] + i * s[operand] + k * along[operand]);
        };
        for (int k = 0; k < 3; ++k) {
          const int l = (k + 1) % 3, m = (k + 2) % 3;
          at(0, k) = T(T(at(1, l) * at(2, m)) - T(at(1, m) * at(2, l)));
        }
      }
    });
  });
  call.result(y);
}

}  // namespace rl
