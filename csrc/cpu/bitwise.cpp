// Bits of integers and bools, element by element: and, or, xor, not, shifts; one pass.
//
// A shift by the width of the type or more, or by a negative count, gives 0 (-1 for the right
// shift of a negative number), where the machine would take the count modulo the width.
#include "loops.h"

namespace rl {
namespace {

template <class T>
inline bool beyond(T count) {
  return static_cast<uint64_t>(count) >= 8 * sizeof(T);
}

template <class T>
inline T shift_left(T a, T b) {
  return beyond(b) ? T(0) : static_cast<T>(static_cast<Wrapping<T>>(a) << b);
}
template <class T>
inline T shift_right(T a, T b) {
  return beyond(b) ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> b);
}

const struct Registrar {
  Registrar() {
    binary<[](auto a, auto b) { return a & b; }>("bitwise_and", BoolsIntegers{});
    binary<[](auto a, auto b) { return a | b; }>("bitwise_or", BoolsIntegers{});
    binary<[](auto a, auto b) { return a ^ b; }>("bitwise_xor", BoolsIntegers{});
    unary<[](auto a) { return ~a; }>("bitwise_not", Integers{});
    unary<[](bool a) { return !a; }>("bitwise_not", Types<bool>{});
    binary<[]<class T>(T a, T b) { return shift_left(a, b); }>("bitwise_left_shift", Integers{},
                                                               0.12);
    binary<[]<class T>(T a, T b) { return shift_right(a, b); }>("bitwise_right_shift", Integers{},
                                                                0.12);
  }
} registrar;

}  // namespace
}  // namespace rl
