// The lines of a PNG file, as its filters left them after decompression.
//
//   png_rows(bytes, rows, row_bytes, pixel_bytes) -> uint8 tensor (rows, row_bytes)
//
// Each line begins with the number of its filter; what follows is the difference to a prediction
// from the bytes a to the left, b above and c above to the left, each of the same place in its
// pixel: 0 nothing, 1 a, 2 b, 3 (a + b) / 2, 4 the one of a, b, c that is nearest to a + b - c.
#include <cstdlib>
#include <cstring>

#include "../core/kernel.h"
#include "../core/tensor.h"

namespace rl {
namespace {

uint8_t nearest(int a, int b, int c) {
  const int to_a = std::abs(b - c), to_b = std::abs(a - c), to_c = std::abs(a + b - 2 * c);
  return static_cast<uint8_t>(to_a <= to_b && to_a <= to_c ? a : to_b <= to_c ? b : c);
}

// `above` is null for the first line.
bool restore(uint8_t* line, const uint8_t* coded, const uint8_t* above, int filter, int64_t n,
             int64_t pixel) {
  for (int64_t i = 0; i < n; ++i) {
    const int a = i >= pixel ? line[i - pixel] : 0, b = above ? above[i] : 0,
              c = above && i >= pixel ? above[i - pixel] : 0;
    int guess = 0;
    switch (filter) {
      case 0: break;
      case 1: guess = a; break;
      case 2: guess = b; break;
      case 3: guess = (a + b) / 2; break;
      case 4: guess = nearest(a, b, c); break;
      default: return false;
    }
    line[i] = static_cast<uint8_t>(coded[i] + guess);
  }
  return true;
}

}  // namespace

RL_FUNCTION(png_rows) {
  if (nargs != 4 || !PyBytes_Check(args[0]))
    fail(ErrorType::Type, "png_rows: expected bytes and three numbers");
  const int64_t rows = PyLong_AsLongLong(args[1]), n = PyLong_AsLongLong(args[2]),
                pixel = PyLong_AsLongLong(args[3]);
  if (rows <= 0 || n <= 0 || pixel <= 0 || PyBytes_GET_SIZE(args[0]) / (n + 1) < rows)
    fail(ErrorType::Runtime, "png_rows: expected %lld lines of %lld bytes, got %zd bytes in all",
         static_cast<long long>(rows), static_cast<long long>(n), PyBytes_GET_SIZE(args[0]));
  const auto* coded = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(args[0]));
  const int64_t shape[2] = {rows, n};
  Array out = Array::empty(DType::U8, Shape(shape, 2));
  auto* line = reinterpret_cast<uint8_t*>(out.bytes());
  bool known = true;
  {
    NoGil nogil(rows * n);
    for (int64_t r = 0; known && r < rows; ++r, coded += n + 1, line += n)
      known = restore(line, coded + 1, r ? line - n : nullptr, coded[0], n, pixel);
  }
  if (!known) fail(ErrorType::Runtime, "png_rows: a line has an unknown filter");
  return wrap(std::move(out));
}

}  // namespace rl
