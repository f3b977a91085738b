// Making tensors: full, full_like, arange, linspace, logspace, eye, triangle indices.
//
// These are plain functions for rushlight/ops/creation.py, with positional arguments; each gives
// a new tensor. A dtype of None means what the value implies: a float makes the default type.
#include <cmath>

#include "core/levels.h"
#include "walk.h"

namespace rl {
namespace {

void need(const char* op, Py_ssize_t got, Py_ssize_t wanted) {
  if (got != wanted) fail(ErrorType::Type, "%s: takes %zd arguments, got %zd", op, wanted, got);
}

// A size: ints, or one tuple or list of them, as in zeros(2, 3) and zeros((2, 3)).
struct SizeArg {
  IntList heap;
  int64_t small[8];
  int n = 0;
  Shape shape() const { return {heap.empty() ? small : heap.data(), static_cast<size_t>(n)}; }
};

void read_size(PyObject* o, SizeArg& out) {
  Ref held;
  if ((PyTuple_Check(o) || PyList_Check(o)) && PySequence_Fast_GET_SIZE(o) == 1) {
    PyObject* only = PySequence_Fast_GET_ITEM(o, 0);
    if (PyTuple_Check(only) || PyList_Check(only)) o = only;
  }
  if (!PyTuple_Check(o) && !PyList_Check(o)) {
    if (PyLong_Check(o) || PyIndex_Check(o)) {
      out.small[0] = integer(o);
      out.n = 1;
      return;
    }
    held = Ref(checked(PySequence_Tuple(o)));
    o = held;
  }
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  if (n > kMaxDims)
    fail(ErrorType::Runtime, "a tensor may have at most %d dims, got %zd", kMaxDims, n);
  out.n = static_cast<int>(n);
  if (n > 8) out.heap.resize(n);
  int64_t* to = n > 8 ? out.heap.data() : out.small;
  int64_t total = 1;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    if (PyTuple_Check(item) || PyList_Check(item) || PyFloat_Check(item) || PyUnicode_Check(item))
      fail(ErrorType::Type, "size must be a tuple of ints, but found element of type %s at pos %zd",
           Py_TYPE(item)->tp_name, i);
    to[i] = integer(item);
    if (to[i] < 0)
      fail(ErrorType::Runtime, "Trying to create tensor with negative dimension %lld",
           static_cast<long long>(to[i]));
    if (to[i] && __builtin_mul_overflow(total, to[i], &total))
      fail(ErrorType::Runtime, "Storage size calculation overflowed with sizes=%s",
           shape_text({to, static_cast<size_t>(i + 1)}).c_str());
  }
}

DType implied(PyObject* value) {
  if (is_tensor(value)) return array_of(value).dtype();
  if (PyBool_Check(value)) return DType::Bool;
  if (PyLong_Check(value)) return DType::I64;
  if (PyComplex_Check(value)) return to_complex(default_dtype());
  return default_dtype();
}

// None: what `value` implies.
DType dtype_or(PyObject* o, PyObject* value) {
  return o == Py_None ? implied(value) : dtype_of_object(o);
}

void set_all(const Array& a, PyObject* value) {
  if (a.numel() == 0 || a.is_meta()) return;
  const bool zero = (PyFloat_CheckExact(value) && PyFloat_AS_DOUBLE(value) == 0 &&
                     !std::signbit(PyFloat_AS_DOUBLE(value))) ||
                    value == Py_False || (PyLong_CheckExact(value) && PyObject_Not(value));
  if (zero && a.dense()) {
    char* p = a.bytes();
    NoGil nogil(a.nbytes() / 4);
    parallel_for(a.nbytes(), grain_of(0.02),
                 [&](int64_t b, int64_t e) { std::memset(p + b, 0, e - b); });
  } else if (PyFloat_CheckExact(value) && a.dtype() >= DType::F32 && !is_extended(a.dtype())) {
    check_fits(value, a.dtype());
    fill(a, PyFloat_AS_DOUBLE(value));
  } else {
    copy_into(a, scalar_of(value, a.dtype()));
  }
}

PyObject* finish(Array a, PyObject* requires_grad) {
  if (requires_grad == Py_False) return as_object(made_here(tensor_new(std::move(a))));
  const int wanted = PyObject_IsTrue(requires_grad);
  if (wanted < 0) throw PythonError();
  if (wanted && !is_differentiable(a.dtype()))
    fail(ErrorType::Runtime,
         "Only Tensors of floating point and complex dtype can require gradients");
  Tensor* t = made_here(tensor_new(std::move(a)));
  if (wanted) t->requires_grad = true;
  return as_object(t);
}

PyObject* filled(PyObject* sizes, PyObject* value, DType t, PyObject* requires_grad) {
  SizeArg size;
  read_size(sizes, size);
  Array a = Array::empty(t, size.shape());
  if (value != Py_None) set_all(a, value);
  return finish(std::move(a), requires_grad);
}

// Whether what is made beside a tensor, or in its likeness, is a meta tensor.
bool device_beside(const Array& like) { return making.named ? making.meta : like.is_meta(); }

// A bound of arange and friends: a number or a tensor with one element.
struct Bound {
  double real;
  int64_t exact;
  c128 whole;
  bool is_float;
};

Bound bound_of(PyObject* o) {
  Ref item;
  if (is_tensor(o)) {
    if (array_of(o).numel() != 1)
      fail(ErrorType::Runtime, "a Tensor with %lld elements cannot be converted to Scalar",
           static_cast<long long>(array_of(o).numel()));
    if (meta_call && array_of(o).is_meta()) return {};  // its value is not needed
    item = Ref(checked(item_object(array_of(o))));
    o = item;
  }
  ScalarValue s;
  if (!scalar_value(o, &s)) fail(ErrorType::Type, "expected a number, got %s", Py_TYPE(o)->tp_name);
  return {s.re, s.i, {s.re, s.im}, s.category >= Category::Real};
}

template <class T>
void fill_arange(const Array& y, const Bound& start, const Bound& step) {
  T* p = y.data<T>();
  parallel_for(y.numel(), grain_of(0.15), [&](int64_t i0, int64_t i1) {
    if constexpr (std::is_integral_v<T>) {
      if (!start.is_float && !step.is_float) {
        for (int64_t i = i0; i < i1; ++i) p[i] = static_cast<T>(start.exact + i * step.exact);
        return;
      }
      const int64_t a = static_cast<int64_t>(start.real), d = static_cast<int64_t>(step.real);
      for (int64_t i = i0; i < i1; ++i) p[i] = static_cast<T>(a + i * d);
    } else {
      for (int64_t i = i0; i < i1; ++i)
        p[i] = static_cast<T>(static_cast<typename accumulate_type<T>::type>(
            start.real + static_cast<double>(i) * step.real));
    }
  });
}

// The i-th of n evenly spaced values, counted from the nearer end so that both ends are exact.
template <class A>
A spaced(A start, A end, A step, int64_t i, int64_t n) {
  return i < n / 2 ? start + step * static_cast<A>(static_cast<double>(i))
                   : end - step * static_cast<A>(static_cast<double>(n - 1 - i));
}

template <class T, class F>
void fill_spaced(const Array& y, const Bound& start, const Bound& end, F&& f) {
  constexpr bool complex = std::is_same_v<T, c64> || std::is_same_v<T, c128>;
  using Own = typename accumulate_type<T>::type;
  using A = std::conditional_t<std::is_integral_v<T>, double, Own>;
  const int64_t n = y.numel();
  A a, b;
  if constexpr (complex) {
    a = static_cast<A>(start.whole);
    b = static_cast<A>(end.whole);
  } else {
    a = static_cast<A>(start.real);
    b = static_cast<A>(end.real);
  }
  if constexpr (std::is_integral_v<T>) {
    a = std::trunc(a);
    b = std::trunc(b);
  }
  const A step = n > 1 ? (b - a) / static_cast<A>(static_cast<double>(n - 1)) : A(0);
  T* p = y.data<T>();
  parallel_for(n, grain_of(0.5), [&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i)
      p[i] = static_cast<T>(f(n == 1 ? a : spaced(a, b, step, i, n)));
  });
}

DType spaced_type(PyObject* dtype, PyObject* start, PyObject* end) {
  if (dtype != Py_None) return dtype_of_object(dtype);
  return is_complex(implied(start)) || is_complex(implied(end)) ? to_complex(default_dtype())
                                                                : default_dtype();
}

// Bounds of linspace and logspace given as tensors must be 0-d.
void check_bounds(const char* op, PyObject* start, PyObject* end, PyObject* steps) {
  for (PyObject* o : {start, end})
    if (is_tensor(o) && array_of(o).ndim() != 0)
      fail(ErrorType::Runtime,
           "%s only supports 0-dimensional start and end tensors, but got %s with %d dimension(s).",
           op, o == start ? "start" : "end", array_of(o).ndim());
  if (PyFloat_Check(steps) || !PyIndex_Check(steps))
    fail(ErrorType::Type,
         "%s() received an invalid combination of arguments - got (%s, %s, %s), expected steps to "
         "be an int",
         op, Py_TYPE(start)->tp_name, Py_TYPE(end)->tp_name, Py_TYPE(steps)->tp_name);
}

bool spaced_on_meta(PyObject* start, PyObject* end) {
  const auto on_meta = [](PyObject* o) { return is_tensor(o) && array_of(o).is_meta(); };
  return making.meta || on_meta(start) || on_meta(end);
}

int64_t steps_of(PyObject* o) {
  const int64_t n = integer(o);
  if (n < 0) fail(ErrorType::Runtime, "number of steps must be non-negative");
  return n;
}

}  // namespace

RL_FUNCTION(full) {  // size, value (None: uninitialised), dtype, requires_grad
  need("full", nargs, 4);
  MetaCall here(making.meta);
  return filled(
      args[0], args[1],
      args[1] == Py_None && args[2] == Py_None ? default_dtype() : dtype_or(args[2], args[1]),
      args[3]);
}

RL_FUNCTION(full_beside) {  // tensor, size, value (None: uninitialised), dtype, requires_grad
  need("full_beside", nargs, 5);
  const Array& like = array_of(args[0]);
  MetaCall here(device_beside(like));
  return filled(args[1], args[2], args[3] == Py_None ? like.dtype() : dtype_of_object(args[3]),
                args[4]);
}

RL_FUNCTION(full_like) {  // tensor, value (None: uninitialised), dtype, requires_grad
  need("full_like", nargs, 4);
  const Array& like = array_of(args[0]);
  MetaCall here(device_beside(like));
  Array a = Array::empty_like(like, args[2] == Py_None ? like.dtype() : dtype_of_object(args[2]));
  if (args[1] != Py_None) set_all(a, args[1]);
  return finish(std::move(a), args[3]);
}

RL_FUNCTION(new_strided) {  // size, stride, dtype, requires_grad, tensor to make it beside or None
  need("empty_strided", nargs, 5);
  MetaCall here(args[4] == Py_None ? making.meta : device_beside(array_of(args[4])));
  SizeArg size, stride;
  read_size(args[0], size);
  read_size(args[1], stride);
  if (size.n != stride.n)
    fail(ErrorType::Runtime, "mismatch in length of strides and shape: got %d and %d", stride.n,
         size.n);
  return finish(
      Array::empty_strided(args[2] == Py_None ? default_dtype() : dtype_of_object(args[2]),
                           size.shape(), stride.shape()),
      args[3]);
}

RL_FUNCTION(arange) {  // start, end, step, dtype, requires_grad
  need("arange", nargs, 5);
  const Bound start = bound_of(args[0]), end = bound_of(args[1]), step = bound_of(args[2]);
  const bool real = start.is_float || end.is_float || step.is_float;
  const DType t = args[3] != Py_None ? dtype_of_object(args[3])
                  : real             ? default_dtype()
                                     : DType::I64;
  if (step.real == 0) fail(ErrorType::Runtime, "step must be nonzero");
  if (is_integral(t) && std::trunc(step.real) == 0) fail(ErrorType::Value, "step must be nonzero");
  if (!std::isfinite(start.real) || !std::isfinite(end.real))
    fail(ErrorType::Runtime, "unsupported range: %g -> %g", start.real, end.real);
  if ((step.real > 0) != (end.real >= start.real) && end.real != start.real)
    fail(ErrorType::Runtime, "upper bound and lower bound inconsistent with step sign");
  int64_t n;
  if (!real) {
    const __int128 span = static_cast<__int128>(end.exact) - start.exact, d = step.exact;
    n = static_cast<int64_t>((span + d + (d > 0 ? -1 : 1)) / d);
  } else {
    const double size = std::ceil((end.real - start.real) / step.real);
    if (!(size >= 0 && size < 9e18)) fail(ErrorType::Runtime, "invalid size, possible overflow?");
    n = static_cast<int64_t>(size);
  }
  MetaCall here(making.meta);
  Array y = Array::empty(t, {n});
  if (is_complex(t) || t == DType::Bool) {
    if (t != DType::Bool)
      fail(ErrorType::NotImplemented, "\"arange_cpu\" not implemented for '%s'",
           dtype_scalar_name(t));
    if (n > 2) fail(ErrorType::NotImplemented, "\"arange_cpu\" not implemented for 'Bool'");
  }
  if (meta_call) return finish(std::move(y), args[4]);
  visit_all(t, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_convertible_v<T, double>) fill_arange<T>(y, start, step);
  });
  return finish(std::move(y), args[4]);
}

RL_FUNCTION(linspace) {  // start, end, steps, dtype, requires_grad
  need("linspace", nargs, 5);
  check_bounds("linspace", args[0], args[1], args[2]);
  MetaCall here(spaced_on_meta(args[0], args[1]));
  const Bound start = bound_of(args[0]), end = bound_of(args[1]);
  Array y = Array::empty(spaced_type(args[3], args[0], args[1]), {steps_of(args[2])});
  if (meta_call) return finish(std::move(y), args[4]);
  visit_all(y.dtype(),
            [&](auto tag) { fill_spaced<decltype(tag)>(y, start, end, [](auto v) { return v; }); });
  return finish(std::move(y), args[4]);
}

RL_FUNCTION(logspace) {  // start, end, steps, base, dtype, requires_grad
  need("logspace", nargs, 6);
  check_bounds("logspace", args[0], args[1], args[2]);
  MetaCall here(spaced_on_meta(args[0], args[1]));
  const Bound start = bound_of(args[0]), end = bound_of(args[1]);
  const double base = number(args[3]);
  Array y = Array::empty(spaced_type(args[4], args[0], args[1]), {steps_of(args[2])});
  if (meta_call) return finish(std::move(y), args[5]);
  visit_all(y.dtype(), [&](auto tag) {
    fill_spaced<decltype(tag)>(y, start, end, [base](auto v) {
      using A = decltype(v);
      return static_cast<A>(std::pow(static_cast<A>(base), v));
    });
  });
  return finish(std::move(y), args[5]);
}

RL_FUNCTION(eye) {  // n, m, dtype, requires_grad
  need("eye", nargs, 4);
  const int64_t n = integer(args[0]), m = integer(args[1]);
  if (n < 0)
    fail(ErrorType::Runtime, "n must be greater or equal to 0, got %lld",
         static_cast<long long>(n));
  if (m < 0)
    fail(ErrorType::Runtime, "m must be greater or equal to 0, got %lld",
         static_cast<long long>(m));
  MetaCall here(making.meta);
  Array y = Array::empty(args[2] == Py_None ? default_dtype() : dtype_of_object(args[2]), {n, m});
  if (meta_call) return finish(std::move(y), args[3]);
  std::memset(y.bytes(), 0, y.nbytes());
  if (n && m) fill(y.diagonal(0, 0, 1), int64_t{1});
  return finish(std::move(y), args[3]);
}

RL_FUNCTION(triangle_indices) {  // rows, cols, offset, upper, dtype -> (2, count)
  need("tril_indices", nargs, 5);
  const int64_t rows = integer(args[0]), cols = integer(args[1]), offset = integer(args[2]);
  const bool upper = PyObject_IsTrue(args[3]);
  if (rows < 0)
    fail(ErrorType::Runtime, "row must be non-negative, got%lld", static_cast<long long>(rows));
  if (cols < 0)
    fail(ErrorType::Runtime, "col must be non-negative, got%lld", static_cast<long long>(cols));
  const DType t = args[4] == Py_None ? DType::I64 : dtype_of_object(args[4]);
  const auto span = [&](int64_t r, int64_t* c0, int64_t* c1) {
    const int64_t edge = std::clamp<int64_t>(r + offset + (upper ? 0 : 1), 0, cols);
    *c0 = upper ? edge : 0;
    *c1 = upper ? cols : edge;
  };
  int64_t count = 0, c0, c1;
  for (int64_t r = 0; r < rows; ++r) {
    span(r, &c0, &c1);
    count += c1 - c0;
  }
  MetaCall here(making.meta);
  const Array y = Array::empty(DType::I64, {2, count});
  if (meta_call) return wrap(y.to(t));
  int64_t *at_row = y.data<int64_t>(), *at_col = at_row + count;
  for (int64_t r = 0; r < rows; ++r) {
    span(r, &c0, &c1);
    for (int64_t c = c0; c < c1; ++c) {
      *at_row++ = r;
      *at_col++ = c;
    }
  }
  return wrap(y.to(t));
}

}  // namespace rl
