// Tables of the cast and transpose loops: the best level that this machine runs wins.
//
// The types that are only stored have loops to and from one or two neighbours (uint16 and int32,
// float8 and float32, ...). Any other pair goes by way of such a neighbour, in small buffers.
#include "convert.h"

#include <array>
#include <utility>

#include "kernel.h"

namespace rl {
namespace {

ConvertFn find_extended(DType to, DType from);

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

Slot<RowsFn>& rows_slot(int bytes) {
  static Slot<RowsFn> table[17];
  return table[bytes];
}

// The type to go through; exact except where the target rounds anyway.
DType neighbour(DType to, DType from) {
  switch (from) {
    case DType::U16: return DType::I32;
    case DType::U32: return DType::I64;
    case DType::U64:
      if (is_integral(to)) return DType::I64;
      return to == DType::F64 || to == DType::C128 ? DType::F64 : DType::F32;
    case DType::C32: return DType::C64;
    default:
      if (is_float8(from)) return DType::F32;
  }
  if (to == DType::U16) return DType::I32;
  if (is_wide_unsigned(to)) return is_integral(from) ? DType::I64 : DType::F64;
  return to == DType::C32 ? DType::C64 : DType::F32;
}

void convert_through(DType to, DType from, char* dst, int64_t ds, const char* src, int64_t ss,
                     int64_t n) {
  constexpr int64_t kChunk = 256;
  alignas(64) char buffer[kChunk * 16];
  const DType middle = neighbour(to, from);
  const int64_t width = itemsize(middle);
  const ConvertFn first = find_convert(middle, from), second = find_convert(to, middle);
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = std::min(kChunk, n - i);
    first(buffer, width, src + i * ss, ss, m);
    second(dst + i * ds, ds, buffer, width, m);
  }
}

template <int kTo, int kFrom>
void through(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  convert_through(static_cast<DType>(kTo), static_cast<DType>(kFrom), dst, ds, src, ss, n);
}

// The casts that need a way round: one of the two types is only stored.
template <int kTo, int kFrom>
constexpr ConvertFn detour() {
  if constexpr (kTo < kComputeTypes && kFrom < kComputeTypes)
    return nullptr;
  else
    return through<kTo, kFrom>;
}

template <size_t... kPair>
constexpr std::array<ConvertFn, sizeof...(kPair)> make_detours(std::index_sequence<kPair...>) {
  return {
      detour<static_cast<int>(kPair) / kNumberTypes, static_cast<int>(kPair) % kNumberTypes>()...};
}

ConvertFn find_extended(DType to, DType from) {
  static constexpr auto detours =
      make_detours(std::make_index_sequence<kNumberTypes * kNumberTypes>());
  static constexpr DType by_size[9] = {DType::U8, DType::U8, DType::I16, DType::U8, DType::I32,
                                       DType::U8, DType::U8, DType::U8,  DType::I64};
  if (to == from) return find_convert(by_size[itemsize(to)], by_size[itemsize(to)]);
  // Integers of one size, and the narrowing that drops high bits, move as signed ones do.
  if (to == DType::U16 && from == DType::I32) return find_convert(DType::I16, from);
  if (to == DType::U32 && from == DType::I64) return find_convert(DType::I32, from);
  if ((to == DType::U64 && from == DType::I64) || (to == DType::I64 && from == DType::U64))
    return find_convert(DType::I64, DType::I64);
  if (!is_number(to) || !is_number(from))
    fail(ErrorType::NotImplemented, "\"copy_\" not implemented for '%s'",
         dtype_scalar_name(is_number(from) ? to : from));
  return detours[static_cast<size_t>(static_cast<int>(to) * kNumberTypes + static_cast<int>(from))];
}

}  // namespace

ConvertFn find_convert(DType to, DType from) {
  if (const ConvertFn fn = convert_slot(to, from).fn) return fn;
  return find_extended(to, from);
}
RowsFn find_rows(int bytes) { return rows_slot(bytes).fn; }
TransposeFn find_transpose(int bytes) { return transpose_slot(bytes).fn; }

void register_convert(int level, DType to, DType from, ConvertFn fn) {
  convert_slot(to, from).offer(level, fn);
}
void register_transpose(int level, int bytes, TransposeFn fn) {
  transpose_slot(bytes).offer(level, fn);
}
void register_rows(int level, int bytes, RowsFn fn) { rows_slot(bytes).offer(level, fn); }

}  // namespace rl
