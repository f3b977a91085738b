// What Python's operators do on tensors: arithmetic, comparison, truth, length, indexing.
#include "autograd.h"
#include "levels.h"

namespace rl {

PyObject* tensor_getitem(PyObject* self, PyObject* index);  // index.cpp
int tensor_setitem(PyObject* self, PyObject* index, PyObject* value);
bool has_own_say(PyObject* o);

namespace {

// -- number slots -----------------------------------------------------------------------------

enum Slot {
  kAdd,
  kSub,
  kMul,
  kTrueDiv,
  kFloorDiv,
  kMod,
  kPow,
  kMatmul,
  kAnd,
  kOr,
  kXor,
  kLshift,
  kRshift,
  kNeg,
  kInvert,
  kAbs,
  kPos,
  kLt,
  kLe,
  kEq,
  kNe,
  kGt,
  kGe,
  kIadd,
  kIsub,
  kImul,
  kItruediv,
  kIfloordiv,
  kImod,
  kIpow,
  kIand,
  kIor,
  kIxor,
  kIlshift,
  kIrshift,
  kSlots
};
const char* const kDunders[kSlots] = {
    "__add__",    "__sub__",    "__mul__",      "__truediv__",   "__floordiv__", "__mod__",
    "__pow__",    "__matmul__", "__and__",      "__or__",        "__xor__",      "__lshift__",
    "__rshift__", "__neg__",    "__invert__",   "__abs__",       "__pos__",      "__lt__",
    "__le__",     "__eq__",     "__ne__",       "__gt__",        "__ge__",       "__iadd__",
    "__isub__",   "__imul__",   "__itruediv__", "__ifloordiv__", "__imod__",     "__ipow__",
    "__iand__",   "__ior__",    "__ixor__",     "__ilshift__",   "__irshift__"};

bool operand(PyObject* o) {
  if (exact_tensor(o) || PyFloat_CheckExact(o) || PyLong_CheckExact(o)) return true;
  ScalarValue s;
  return tensor_check(o) || (!has_own_say(o) && scalar_value(o, &s));
}

template <int S>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  Op* op = g_slots[S];
  if (!op || !operand(a) || !operand(b)) Py_RETURN_NOTIMPLEMENTED;
  PyObject* args[2] = {a, b};
  return op_vectorcall(as_object(op), args, 2, nullptr);
}
// number / tensor: the reciprocal times the number, as PyTorch has it, so that both round alike.
PyObject* divide_slot(PyObject* a, PyObject* b) {
  if (tensor_check(a) || !tensor_check(b) || !operand(a) || any_subclass(&b, 1))
    return binary_slot<kTrueDiv>(a, b);
  try {
    static Op* const reciprocal = find_op("reciprocal");
    static Op* const mul = find_op("mul");
    Ref inverse(op_vectorcall(as_object(reciprocal), &b, 1, nullptr));
    if (!inverse) return nullptr;
    PyObject* args[2] = {inverse, a};
    return op_vectorcall(as_object(mul), args, 2, nullptr);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

template <int S>
PyObject* ternary_slot(PyObject* a, PyObject* b, PyObject* mod) {
  if (mod != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary_slot<S>(a, b);
}
template <int S>
PyObject* unary_slot(PyObject* a) {
  Op* op = g_slots[S];
  if (!op) {
    PyErr_Format(PyExc_TypeError, "bad operand type for %s", kDunders[S]);
    return nullptr;
  }
  return op_vectorcall(as_object(op), &a, 1, nullptr);
}
PyObject* invert(PyObject* a) {
  if (!is_integral(as_tensor(a)->array.dtype())) {
    PyErr_SetString(PyExc_TypeError,
                    "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
    return nullptr;
  }
  return unary_slot<kInvert>(a);
}
PyObject* positive(PyObject* a) { return Py_NewRef(a); }

PyObject* rich_compare(PyObject* a, PyObject* b, int how) {
  static const int slots[6] = {kLt, kLe, kEq, kNe, kGt, kGe};
  Op* op = g_slots[slots[how]];
  if (!op || !operand(b)) Py_RETURN_NOTIMPLEMENTED;
  PyObject* args[2] = {a, b};
  return op_vectorcall(as_object(op), args, 2, nullptr);
}

int truth(Tensor* t) {
  try {
    if ((t->flags & kWrapped) && differs(t))
      fail(ErrorType::Runtime,
           "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
           "flow. We don't support that yet: the answer may differ from lane to lane. "
           "torch.where chooses between tensors");
    if (t->array.numel() != 1) {
      fail(ErrorType::Runtime, "Boolean value of Tensor with %s is ambiguous",
           t->array.numel() ? "more than one value" : "no values");
    }
    Ref v(checked(read_item(t)));
    return PyObject_IsTrue(v);
  } catch (...) {
    translate_exception();
    return -1;
  }
}
// The one element; of a complex number whose imaginary part is 0 the real part.
Ref real_item(Tensor* t, const char* type) {
  const Array& a = one_element(t);
  if (a.numel() != 1)
    fail(ErrorType::Value, "only one element tensors can be converted to Python scalars");
  Ref v(checked(read_item(t)));
  if (!PyComplex_Check(v.p)) return v;
  if (PyComplex_ImagAsDouble(v) != 0)
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow", type);
  return Ref(PyFloat_FromDouble(PyComplex_RealAsDouble(v)));
}
PyObject* to_float(Tensor* t) {
  return guarded([&] {
    Ref v(real_item(t, "double"));
    return PyNumber_Float(v);
  });
}
PyObject* to_int(Tensor* t) {
  return guarded([&] {
    Ref v(real_item(t, "int64_t"));
    return PyNumber_Long(v);
  });
}
PyObject* to_index(Tensor* t) {
  return guarded([&]() -> PyObject* {
    if (t->array.numel() != 1 || !is_integral(t->array.dtype()) || !is_number(t->array.dtype()))
      fail(ErrorType::Type,
           "only integer tensors of a single element can be converted to an index");
    Ref v(checked(read_item(t)));
    return PyNumber_Long(v);
  });
}
Py_ssize_t length(Tensor* t) {
  if (t->array.ndim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return t->array.size(0);
}
Py_hash_t identity_hash(PyObject* o) { return _Py_HashPointer(o); }

}  // namespace

int slot_index(std::string_view dunder) {
  for (int i = 0; i < kSlots; ++i) {
    if (dunder == kDunders[i]) return i;
  }
  return -1;
}

void add_number_slots(std::vector<PyType_Slot>& slots) {
#define SLOT(id, f)                \
  {                                \
    id, reinterpret_cast<void*>(f) \
  }
  const PyType_Slot own[] = {
      SLOT(Py_tp_richcompare, rich_compare),
      SLOT(Py_tp_hash, identity_hash),
      SLOT(Py_nb_add, binary_slot<kAdd>),
      SLOT(Py_nb_subtract, binary_slot<kSub>),
      SLOT(Py_nb_multiply, binary_slot<kMul>),
      SLOT(Py_nb_true_divide, divide_slot),
      SLOT(Py_nb_floor_divide, binary_slot<kFloorDiv>),
      SLOT(Py_nb_remainder, binary_slot<kMod>),
      SLOT(Py_nb_power, ternary_slot<kPow>),
      SLOT(Py_nb_matrix_multiply, binary_slot<kMatmul>),
      SLOT(Py_nb_and, binary_slot<kAnd>),
      SLOT(Py_nb_or, binary_slot<kOr>),
      SLOT(Py_nb_xor, binary_slot<kXor>),
      SLOT(Py_nb_lshift, binary_slot<kLshift>),
      SLOT(Py_nb_rshift, binary_slot<kRshift>),
      SLOT(Py_nb_negative, unary_slot<kNeg>),
      SLOT(Py_nb_invert, invert),
      SLOT(Py_nb_absolute, unary_slot<kAbs>),
      SLOT(Py_nb_positive, positive),
      SLOT(Py_nb_bool, truth),
      SLOT(Py_nb_float, to_float),
      SLOT(Py_nb_int, to_int),
      SLOT(Py_nb_index, to_index),
      SLOT(Py_nb_inplace_add, binary_slot<kIadd>),
      SLOT(Py_nb_inplace_subtract, binary_slot<kIsub>),
      SLOT(Py_nb_inplace_multiply, binary_slot<kImul>),
      SLOT(Py_nb_inplace_true_divide, binary_slot<kItruediv>),
      SLOT(Py_nb_inplace_floor_divide, binary_slot<kIfloordiv>),
      SLOT(Py_nb_inplace_remainder, binary_slot<kImod>),
      SLOT(Py_nb_inplace_power, ternary_slot<kIpow>),
      SLOT(Py_nb_inplace_and, binary_slot<kIand>),
      SLOT(Py_nb_inplace_or, binary_slot<kIor>),
      SLOT(Py_nb_inplace_xor, binary_slot<kIxor>),
      SLOT(Py_nb_inplace_lshift, binary_slot<kIlshift>),
      SLOT(Py_nb_inplace_rshift, binary_slot<kIrshift>),
      SLOT(Py_mp_length, length),
      SLOT(Py_mp_subscript, tensor_getitem),
      SLOT(Py_mp_ass_subscript, tensor_setitem),
  };
#undef SLOT
  slots.insert(slots.end(), std::begin(own), std::end(own));
}

}  // namespace rl
