// Python numbers as operands, and the dtype that operands of several kinds give.
#include "promote.h"

#include <cstring>

#include "convert.h"

namespace rl {

bool scalar_value(PyObject* o, ScalarValue* out) {
  if (PyFloat_Check(o)) {
    const double v = PyFloat_AS_DOUBLE(o);
    *out = {Category::Real, 0, v, 0};
    return true;
  }
  if (PyBool_Check(o)) {
    *out = {Category::Bool, o == Py_True, o == Py_True ? 1.0 : 0.0, 0};
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow;
    const int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      if (overflow > 0) {  // up to 2^64 - 1 wraps, as PyTorch's unsigned scalars do
        const uint64_t u = PyLong_AsUnsignedLongLong(o);
        if (!PyErr_Occurred()) {
          *out = {Category::Integer, static_cast<int64_t>(u), static_cast<double>(u), 0};
          return true;
        }
        PyErr_Clear();
      }
      fail(ErrorType::Runtime,
           "Overflow when unpacking long long: a Python int is too large for int64");
    }
    *out = {Category::Integer, v, static_cast<double>(v), 0};
    return true;
  }
  if (PyComplex_Check(o)) {
    const Py_complex c = PyComplex_AsCComplex(o);
    *out = {Category::Complex, 0, c.real, c.imag};
    return true;
  }
  // NumPy's scalars: they have a dtype and turn into Python numbers through item().
  if (tensor_check(o) || PyUnicode_Check(o) || !PyObject_HasAttrString(o, "dtype") ||
      !PyObject_HasAttrString(o, "item") || (PySequence_Check(o) && PyObject_Size(o) >= 0)) {
    PyErr_Clear();
    return false;
  }
  PyErr_Clear();
  Ref item(PyObject_CallMethod(o, "item", nullptr));
  if (!item || Py_TYPE(item.p) == Py_TYPE(o)) {
    PyErr_Clear();
    return false;
  }
  return scalar_value(item, out);
}

// A number in one of the types that are only stored.
static void store_stored(const ScalarValue& s, DType t, char* out, bool wraps) {
  const c128 v(s.re, s.im);
  if (!is_number(t)) fail(ErrorType::Runtime, "store_scalar: invalid type");
  if (is_wide_unsigned(t) && !wraps && !fits_unsigned(s, t))
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
         dtype_name(t));
  if (is_wide_unsigned(t) && s.category < Category::Real)
    convert(t, out, DType::I64, &s.i, 1);
  else
    convert(t, out, DType::C128, &v, 1);
}

static void store(const ScalarValue& s, DType t, char* out, bool wraps) {
  if (is_extended(t)) return store_stored(s, t, out, wraps);
  visit_all(t, [&](auto tag) {
    using T = decltype(tag);
    T v;
    if constexpr (std::is_same_v<T, c64> || std::is_same_v<T, c128>) {
      v = T(static_cast<typename T::value_type>(s.re), static_cast<typename T::value_type>(s.im));
    } else if constexpr (std::is_same_v<T, bool>) {
      v = s.re != 0 || s.im != 0;
    } else if constexpr (std::is_integral_v<T>) {
      if (s.category == Category::Integer) {
        // As in PyTorch, a negative number wraps in an unsigned type but nothing else overflows.
        const bool fits = wraps || (std::is_same_v<T, uint8_t>
                                        ? s.i >= -255 && s.i <= 255
                                        : static_cast<int64_t>(static_cast<T>(s.i)) == s.i);
        if (!fits)
          fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
               dtype_name(t));
        v = static_cast<T>(s.i);
      } else {
        v = s.category == Category::Bool ? static_cast<T>(s.i)
                                         : static_cast<T>(static_cast<int64_t>(s.re));
      }
    } else if constexpr (std::is_same_v<T, double>) {
      v = s.re;
    } else {
      v = T(static_cast<float>(s.re));
    }
    std::memcpy(out, &v, sizeof v);
  });
}

void store_scalar(const ScalarValue& s, DType t, char* out) { store(s, t, out, false); }
void store_wrapped(const ScalarValue& s, DType t, char* out) { store(s, t, out, true); }

DType result_type(PyObject* const* args, int n) {
  ResultType r;
  for (int k = 0; k < n; ++k) {
    ScalarValue s;
    if (tensor_check(args[k]))
      r.tensor(as_tensor(args[k])->array);
    else if (scalar_value(args[k], &s))
      r.scalar(s);
    else
      fail(ErrorType::Type, "result_type: expected Tensor or Number, got %s",
           Py_TYPE(args[k])->tp_name);
  }
  return r.result();
}

}  // namespace rl
