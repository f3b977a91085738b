// Between tensors and Python's own objects: numbers, nested lists, buffers, raw storage.
#include <cstring>

#include "autograd.h"
#include "convert.h"
#include "levels.h"

namespace rl {
namespace {

PyObject* stored_element(const char* p, DType t) {
  if (is_wide_unsigned(t)) {
    uint64_t v = 0;
    std::memcpy(&v, p, static_cast<size_t>(itemsize(t)));  // little end first
    return PyLong_FromUnsignedLongLong(v);
  }
  if (!is_number(t))
    fail(ErrorType::NotImplemented, "\"_local_scalar_dense_cpu\" not implemented for '%s'",
         dtype_scalar_name(t));
  c128 v;
  convert(DType::C128, &v, t, p, 1);
  return is_complex(t) ? PyComplex_FromDoubles(v.real(), v.imag()) : PyFloat_FromDouble(v.real());
}

PyObject* element(const char* p, DType t) {
  if (is_extended(t)) return stored_element(p, t);
  return visit_all(t, [&](auto tag) -> PyObject* {
    using T = decltype(tag);
    T v;
    std::memcpy(&v, p, sizeof v);
    if constexpr (std::is_same_v<T, bool>)
      return PyBool_FromLong(*reinterpret_cast<const uint8_t*>(p) != 0);
    else if constexpr (std::is_integral_v<T>)
      return PyLong_FromLongLong(static_cast<long long>(v));
    else if constexpr (std::is_same_v<T, double>)
      return PyFloat_FromDouble(v);
    else if constexpr (std::is_same_v<T, c64> || std::is_same_v<T, c128>)
      return PyComplex_FromDoubles(v.real(), v.imag());
    else
      return PyFloat_FromDouble(static_cast<float>(v));
  });
}

PyObject* nested(const Array& a, int dim, const char* p) {
  if (dim == a.ndim()) return element(p, a.dtype());
  const int64_t n = a.sizes()[dim];
  const int64_t step =
      n > 1 ? a.strides()[dim] * a.item() : 0;  // any number where it leads nowhere
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(n));
  for (int64_t i = 0; list && i < n; ++i) {
    PyObject* item = nested(a, dim + 1, p + i * step);
    if (!item) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), item);
  }
  return list;
}

}  // namespace

PyObject* item_object(const Array& a) {
  if (a.numel() != 1)
    fail(ErrorType::Runtime, "a Tensor with %lld elements cannot be converted to Scalar",
         static_cast<long long>(a.numel()));
  if (a.is_meta()) fail(ErrorType::Runtime, "Tensor.item() cannot be called on meta tensors");
  return element(a.bytes(), a.dtype());
}

PyObject* tolist_object(const Array& a) {
  if (!is_number(a.dtype())) fail(ErrorType::Runtime, "load_scalar: invalid type");
  return checked(nested(a, 0, a.bytes()));
}

namespace {

// -- nested sequences to tensors ------------------------------------------------------------------

struct Builder {
  std::vector<int64_t> shape;
  DType dtype = DType::Bool;
  bool any = false, fixed = false;
  char* out = nullptr;

  static bool is_sequence(PyObject* o) {
    if (PyLong_Check(o) || PyFloat_Check(o)) return false;
    if (PyList_Check(o) || PyTuple_Check(o)) return true;
    if (PyUnicode_Check(o) || PyBytes_Check(o)) return false;
    if (tensor_check(o)) return false;  // whatever its shape, one number
    ScalarValue s;
    if (scalar_value(o, &s)) return false;
    return PySequence_Check(o) && PySequence_Size(o) >= 0;
  }

  void measure(PyObject* o) {
    Ref held(Py_NewRef(o));
    while (is_sequence(held)) {
      if (shape.size() >= kMaxDims)
        fail(ErrorType::Value, "too many dimensions '%s'", Py_TYPE(held.p)->tp_name);
      const Py_ssize_t n = PySequence_Size(held);
      if (n < 0) throw PythonError();
      shape.push_back(n);
      if (n == 0) return;
      held = Ref(checked(PySequence_GetItem(held, 0)));
    }
    PyErr_Clear();
  }

  void note(DType t) {
    dtype = any ? promote(dtype, t) : t;
    any = true;
  }

  static ScalarValue value_of(PyObject* o) {
    ScalarValue s;
    if (tensor_check(o)) {
      if (as_tensor(o)->array.numel() != 1)
        fail(ErrorType::Value, "only one element tensors can be converted to Python scalars");
      Ref item(checked(item_object(elements(as_tensor(o)))));
      scalar_value(item, &s);
      return s;
    }
    if (!scalar_value(o, &s)) {
      if (PyUnicode_Check(o)) fail(ErrorType::Type, "new(): invalid data type 'str'");
      fail(ErrorType::Runtime, "Could not infer dtype of %s", Py_TYPE(o)->tp_name);
    }
    return s;
  }

  void note_element(PyObject* o) {
    if (PyFloat_CheckExact(o)) return note(default_dtype());
    if (PyLong_CheckExact(o)) return note(DType::I64);
    if (PyBool_Check(o)) return note(DType::Bool);
    if (PyLong_Check(o)) return note(DType::I64);
    if (tensor_check(o)) return note(as_tensor(o)->array.dtype());
    Ref dtype(PyObject_GetAttrString(o, "dtype"));  // NumPy's scalars keep their type
    Ref name(dtype ? PyObject_GetAttrString(dtype, "name") : nullptr);
    const char* text = name && PyUnicode_Check(name.p) ? PyUnicode_AsUTF8(name) : nullptr;
    PyErr_Clear();
    for (int i = 0; text && i < kDTypes; ++i) {
      if (!strcmp(text, dtype_name(static_cast<DType>(i)))) return note(static_cast<DType>(i));
    }
    const ScalarValue s = value_of(o);
    note(s.category == Category::Complex   ? to_complex(default_dtype())
         : s.category == Category::Real    ? default_dtype()
         : s.category == Category::Integer ? DType::I64
                                           : DType::Bool);
  }

  template <class F>
  void walk(PyObject* o, size_t depth, F& f) {
    if (depth == shape.size()) {
      if (is_sequence(o))
        fail(ErrorType::Value, "expected a number at dim %zu, got a sequence (ragged nesting)",
             depth);
      f(o);
      return;
    }
    const bool fast = PyList_Check(o) || PyTuple_Check(o);
    if (!fast && !is_sequence(o))
      fail(ErrorType::Type, "not a sequence: expected sequence of length %lld at dim %zu",
           static_cast<long long>(shape[depth]), depth);
    const Py_ssize_t n = fast ? PySequence_Fast_GET_SIZE(o) : PySequence_Size(o);
    if (n != shape[depth]) {
      fail(ErrorType::Value, "expected sequence of length %lld at dim %zu (got %zd)",
           static_cast<long long>(shape[depth]), depth, n);
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (fast && i >= PySequence_Fast_GET_SIZE(o))  // an element's methods may shorten the list
        fail(ErrorType::Value, "the sequence at dim %zu became shorter while it was read", depth);
      Ref item(fast ? Py_NewRef(PySequence_Fast_GET_ITEM(o, i))
                    : checked(PySequence_GetItem(o, i)));
      walk(item, depth + 1, f);
    }
  }
};

// Python ints that the type cannot hold but that would wrap in an int64.
void check_integer(const ScalarValue& s, DType t) {
  const bool above = s.category == Category::Integer && s.i < 0 && s.re > 0;
  if (t == DType::U64) {
    if (s.category >= Category::Real) fail(ErrorType::Type, "an integer is required");
    if (s.i < 0 && !above) fail(ErrorType::Overflow, "can't convert negative int to unsigned");
  } else if (above && is_integral(t)) {
    fail(ErrorType::Value, "Overflow when unpacking long long");
  }
}

// Whether o is an int, which is then at out.
bool store_long(PyObject* o, char* out) {
  if (!PyLong_CheckExact(o)) return false;
  int overflow;
  const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow) fail(ErrorType::Value, "Overflow when unpacking long long");
  std::memcpy(out, &v, 8);
  return true;
}

// from_data(object, dtype or None): a new tensor from numbers and nested sequences.
PyObject* from_data(PyObject*, PyObject* const* args, Py_ssize_t n) {
  try {
    if (n != 2) fail(ErrorType::Type, "from_data: expected 2 arguments, got %zd", n);
    Builder b;
    b.measure(args[0]);
    if (args[1] != Py_None) {
      b.dtype = dtype_of_object(args[1]);
    } else {
      auto infer = [&](PyObject* o) { b.note_element(o); };
      b.walk(args[0], 0, infer);
      if (!b.any) b.dtype = default_dtype();
    }
    MetaCall here(making.meta);
    Array a = Array::empty(b.dtype, b.shape);
    if (a.is_meta()) return as_object(made_here(tensor_new(std::move(a))));
    char* out = a.bytes();
    const int item = a.item();
    auto store = [&](PyObject* o) {
      if (PyFloat_CheckExact(o) && b.dtype == DType::F32) {
        const float v = static_cast<float>(PyFloat_AS_DOUBLE(o));
        std::memcpy(out, &v, 4);
      } else if (b.dtype != DType::I64 || !store_long(o, out)) {
        const ScalarValue s = Builder::value_of(o);
        check_integer(s, b.dtype);
        store_scalar(s, b.dtype, out);
      }
      out += item;
    };
    b.walk(args[0], 0, store);
    return as_object(made_here(tensor_new(std::move(a))));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyMethodDef functions[] = {
    {"from_data", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(from_data)), METH_FASTCALL,
     nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_python(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
