// Result types over tensors of several dims, 0-d tensors and Python numbers.
#pragma once
#include "op.h"

namespace rl {

// A Python number as an element of an operand: integers out of range wrap.
void store_wrapped(const ScalarValue& s, DType t, char* out);

// PyTorch's three ranks: tensors with dims, 0-d tensors, Python numbers. A lower rank only matters
// when its category is higher.
struct ResultType {
  DType dim = DType::Bool, zero = DType::Bool, number = DType::Bool;
  bool has_dim = false, has_zero = false, has_number = false;

  static void add(DType& slot, bool& has, DType t) {
    slot = has ? promote(slot, t) : t;
    has = true;
  }
  static DType combine(DType higher, bool has_higher, DType lower, bool has_lower) {
    if (!has_lower) return higher;
    if (!has_higher) return lower;
    // A complex number keeps a real tensor's precision, and does not promote integers.
    if (is_complex(lower) && !is_complex(higher))
      return is_real(higher) ? checked_complex(higher) : lower;
    if (category(lower) > category(higher)) return promote(higher, lower);
    return higher;
  }
  void tensor(const Array& a) {
    a.ndim() ? add(dim, has_dim, a.dtype()) : add(zero, has_zero, a.dtype());
  }
  void scalar(const ScalarValue& s) {
    static const DType kinds[4] = {DType::Bool, DType::I64, DType::F32, DType::C64};
    DType t = kinds[static_cast<int>(s.category)];
    if (s.category == Category::Real) t = default_dtype();
    if (s.category == Category::Complex) t = to_complex(default_dtype());
    add(number, has_number, t);
  }
  DType result() const {
    return combine(dim, has_dim, combine(zero, has_zero, number, has_number),
                   has_zero || has_number);
  }
};

}  // namespace rl
