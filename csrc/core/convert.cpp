// Tables of the cast and transpose loops: the best level that this machine runs wins.
#include "convert.h"

#include "kernel.h"

namespace rl {
namespace {

template <class Fn>
struct Slot {
  Fn fn = nullptr;
  int level = -1;

  void offer(int l, Fn f) {
    if (l <= cpu_level() && l > level) {
      fn = f;
      level = l;
    }
  }
};

// Function-local statics: registrars of other files run in an order we do not choose.
Slot<ConvertFn>& convert_slot(DType to, DType from) {
  static Slot<ConvertFn> table[kDTypes][kDTypes];
  return table[static_cast<int>(to)][static_cast<int>(from)];
}

Slot<TransposeFn>& transpose_slot(int bytes) {
  static Slot<TransposeFn> table[17];
  return table[bytes];
}

}  // namespace

ConvertFn find_convert(DType to, DType from) { return convert_slot(to, from).fn; }
TransposeFn find_transpose(int bytes) { return transpose_slot(bytes).fn; }

void register_convert(int level, DType to, DType from, ConvertFn fn) {
  convert_slot(to, from).offer(level, fn);
}
void register_transpose(int level, int bytes, TransposeFn fn) {
  transpose_slot(bytes).offer(level, fn);
}

}  // namespace rl
