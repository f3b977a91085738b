// What an element-wise call refuses before it runs: parameters and bools.
#include "pointwise_checks.h"

#include <cmath>

namespace rl {

double param_value(const OpSpec& spec, PyObject* o, int i) {
  if (o == Py_None) return NAN;
  if (PyFloat_CheckExact(o)) return PyFloat_AS_DOUBLE(o);
  if (PyLong_Check(o)) return PyLong_AsDouble(o);
  try {
    return number(o);
  } catch (const PythonError&) {
    PyErr_Clear();
  } catch (const Error&) {
  }
  fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Number, not %s",
       spec.name.c_str(), PyUnicode_AsUTF8(spec.params[i]), i + 1, Py_TYPE(o)->tp_name);
}

// A parameter is a number of the computation's dtype: one that does not fit is refused. Below zero
// it wraps in an unsigned type; infinity stands for no bound.
void check_param(const OpSpec& spec, DType t, double v) {
  if (!(std::fabs(v) > 127) || std::isinf(v)) return;
  double most = 0, least = 0;
  switch (t) {
    case DType::U8:
      most = 255;
      least = -255;
      break;
    case DType::I8:
      most = 127;
      least = -128;
      break;
    case DType::I16:
      most = 32767;
      least = -32768;
      break;
    case DType::I32:
      most = 2147483647;
      least = -2147483648.0;
      break;
    case DType::F16: most = 65504; break;
    case DType::BF16: most = 3.3895313892515355e38; break;
    case DType::F32: most = 3.4028234663852886e38; break;
    default: return;
  }
  if (least == 0) least = -most;
  if ((v > most || v < least) && spec.name != "nan_to_num" &&
      !(t == DType::F32 && spec.name == "pow_scalar"))
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
         dtype_name(t));
}

// What PyTorch refuses about bools in sums and differences.
void check_bools(const OpSpec& spec, PyObject* const* args, DType result) {
  if (PyBool_Check(args[2]) && result != DType::Bool)
    fail(ErrorType::Runtime, "Boolean alpha only supported for Boolean results.");
  if (spec.name == "add" || result == DType::Bool) return;  // two bools: the loop refuses
  for (int k = 0; k < 2; ++k) {
    if (PyBool_Check(args[k]) ||
        (tensor_check(args[k]) && as_tensor(args[k])->array.dtype() == DType::Bool))
      fail(ErrorType::Runtime,
           "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
           "to invert a mask, use the `~` or `logical_not()` operator instead.");
  }
}

}  // namespace rl
