// Joining and moving: cat, repeat, flip, roll, tril/triu.
//
// cat: y = x_0, x_1, ... side by side along `dim`. Seen as (before, after): each x_i is a matrix
// of `before` rows; row r of y holds row r of every x_i. One read and one write of each element.
#include <algorithm>
#include <cstdlib>

#include "core/layout.h"
#include "walk.h"

namespace rl {
namespace {

// (shape [0]): PyTorch lets these join anything and skips them.
bool legacy_empty(const Array& a) { return a.ndim() == 1 && a.sizes()[0] == 0; }

void check_joinable(const char* op, const std::vector<Array>& xs, int dim, const Array& first) {
  for (size_t i = 0; i < xs.size(); ++i) {
    const Array& x = xs[i];
    if (legacy_empty(x)) continue;
    if (x.ndim() != first.ndim())
      fail(ErrorType::Runtime, "%s: Tensors must have same number of dimensions: got %d and %d", op,
           first.ndim(), x.ndim());
    for (int d = 0; d < x.ndim(); ++d)
      if (d != dim && x.sizes()[d] != first.sizes()[d])
        fail(ErrorType::Runtime,
             "%s: Sizes of tensors must match except in dimension %d. Expected size %lld but got "
             "size %lld for tensor number %zu in the list.",
             op, dim, static_cast<long long>(first.sizes()[d]),
             static_cast<long long>(x.sizes()[d]), i);
  }
}

struct Piece {
  const char* data;
  int64_t bytes;  // of one row
  int64_t at;     // byte position in a row of the result
  int64_t step;   // bytes from row to row
};

// Rows of one element each (stack along the last dim): runs of one piece at a time, strided in the
// result, as many rows as the cache holds.
void interleave(char* out, const std::vector<Piece>& pieces, int64_t rows, int64_t row_bytes) {
  const int64_t item = pieces[0].bytes, block = std::max<int64_t>(64, 16384 / row_bytes);
  NoGil nogil(rows * row_bytes / 4);
  visit_size(static_cast<int>(item), [&](auto tag) {
    using T = decltype(tag);
    const int64_t grain = grain_of(0.4 * static_cast<double>(pieces.size()));
    parallel_for(rows, std::max(grain, block), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r += block)
        for (const Piece& p : pieces)
          move_run<T>(out + r * row_bytes + p.at, row_bytes, p.data + r * p.step, p.step,
                      std::min(block, end - r));
    });
  });
}

// Pieces of one dtype, each packed within a row: rows copied in threads, split by bytes of the
// result.
void join_rows(char* out, const std::vector<Piece>& pieces, int64_t rows, int64_t row_bytes) {
  const int64_t total = rows * row_bytes;
  NoGil nogil(total / 4);
  parallel_for(total, grain_of(0.03), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin / row_bytes; row * row_bytes < end; ++row) {
      const int64_t from = std::max(begin - row * row_bytes, int64_t{0});
      const int64_t to = std::min(end - row * row_bytes, row_bytes);
      char* y = out + row * row_bytes;
      if (to - from == row_bytes) {
        for (const Piece& p : pieces) move_row(y + p.at, p.data + row * p.step, p.bytes);
        continue;
      }
      for (const Piece& p : pieces) {
        const int64_t a = std::max(from, p.at), b = std::min(to, p.at + p.bytes);
        if (a < b) move_row(y + a, p.data + row * p.step + (a - p.at), b - a);
      }
    }
  });
}

// Bytes from row to row, where x as a matrix of the dims before `dim` by the others has packed rows
// that lie evenly; else -1.
int64_t row_step(const Array& x, int dim) {
  int64_t packed = 1;
  for (int d = x.ndim() - 1; d >= dim; --d) {
    if (x.sizes()[d] != 1 && x.strides()[d] != packed) return -1;
    packed *= x.sizes()[d];
  }
  int64_t step = packed, even = -1;  // of the innermost of the dims before; what the next must have
  for (int d = dim - 1; d >= 0; --d) {
    if (x.sizes()[d] == 1) continue;
    if (even < 0) step = even = x.strides()[d];
    if (x.strides()[d] != even) return -1;
    even *= x.sizes()[d];
  }
  return step >= packed ? step * x.item() : -1;
}

Array join(const char* op, const std::vector<Array>& xs, int64_t wanted_dim, DType dtype);

// All are packed channels last, and so is the result: joined in the order of their memory.
Array join_channels_last(const char* op, const std::vector<Array>& xs, int dim, DType dtype) {
  const auto nd = static_cast<size_t>(xs[0].ndim());
  IntList order(nd), back(nd);  // 0, 2, 3, 1 and 0, 3, 1, 2 with two dims of space
  for (size_t d = 0; d < nd; ++d) {
    order[d] = d == 0 ? 0 : d + 1 < nd ? static_cast<int64_t>(d) + 1 : 1;
    back[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
  }
  std::vector<Array> turned;
  turned.reserve(xs.size());
  for (const Array& x : xs) turned.push_back(x.permute(order));
  return join(op, turned, back[static_cast<size_t>(dim)], dtype).permute(back);
}

Array join(const char* op, const std::vector<Array>& xs, int64_t wanted_dim, DType dtype) {
  const Array* first = nullptr;
  for (const Array& x : xs)
    if (!legacy_empty(x)) {
      first = &x;
      break;
    }
  if (!first) {
    wrap_dim(op, wanted_dim, 1);
    return Array::empty(dtype, {0});
  }
  if (first->ndim() == 0)
    fail(ErrorType::Runtime,
         "zero-dimensional tensor (at position 0) cannot be concatenated: use stack instead");
  const int dim = static_cast<int>(wrap_dim(op, wanted_dim, first->ndim()));
  check_joinable(op, xs, dim, *first);
  IntList shape(first->shape().begin(), first->shape().end());
  shape[dim] = 0;
  bool packed = true, even = true, nhwc = true;
  for (const Array& x : xs) {
    nhwc &= x.channels_last();
    if (legacy_empty(x)) continue;
    shape[dim] += x.sizes()[dim];
    packed &= x.contiguous();
    even = even && x.dtype() == dtype && (x.contiguous() || row_step(x, dim) >= 0);
  }
  if (nhwc && !packed) return join_channels_last(op, xs, dim, dtype);
  const Array y = Array::empty(dtype, shape);
  if (y.numel() == 0) return y;
  if (even) {
    const int64_t rows = product(Shape(shape.data(), dim));
    std::vector<Piece> pieces;
    pieces.reserve(xs.size());
    int64_t at = 0;
    for (const Array& x : xs) {
      if (x.numel() == 0) continue;
      const int64_t bytes = x.nbytes() / rows;
      pieces.push_back({x.bytes(), bytes, at, x.contiguous() ? bytes : row_step(x, dim)});
      at += bytes;
    }
    const bool single = std::all_of(pieces.begin(), pieces.end(),
                                    [&](const Piece& p) { return p.bytes == y.item(); });
    if (single && rows > 1)
      interleave(y.bytes(), pieces, rows, at);
    else
      join_rows(y.bytes(), pieces, rows, at);
    return y;
  }
  int64_t at = 0;
  for (const Array& x : xs) {
    if (legacy_empty(x)) continue;
    const int64_t n = x.sizes()[dim];
    if (x.numel()) copy_into(y.slice(dim, at, at + n, 1), x);
    at += n;
  }
  return y;
}

// The type that holds all of them; 0-d tensors are weak beside others, as in arithmetic.
DType joint_type(const std::vector<Array>& xs) {
  DType kind[2] = {DType::Bool, DType::Bool};
  bool seen[2] = {false, false};
  for (const Array& x : xs) {
    const int weak = x.ndim() == 0;
    kind[weak] = seen[weak] ? promote(kind[weak], x.dtype()) : x.dtype();
    seen[weak] = true;
  }
  if (!seen[0]) return kind[1];
  if (!seen[1] || category(kind[1]) <= category(kind[0])) return kind[0];
  return promote(kind[0], kind[1]);
}

// Copies one triangle of the last two dims and clears the rest.
template <class T>
void triangle(const Array& y, const Array& x, int64_t diagonal, bool upper) {
  const int64_t m = x.size(-2), n = x.size(-1);
  const int nd = x.ndim();
  Walk<2> walk;  // over the batch and the rows; the columns are the run below
  for (int d = 0; d < nd - 2; ++d)
    walk.push(x.size(d), {y.stride(d) * y.item(), x.stride(d) * x.item()});
  walk.base[0] = y.bytes();
  walk.base[1] = x.bytes();
  const int64_t yr = y.stride(-2) * y.item(), xr = x.stride(-2) * x.item();
  const int64_t yc = y.stride(-1) * y.item(), xc = x.stride(-1) * x.item();
  const bool in_place = y.bytes() == x.bytes();
  NoGil nogil(x.numel());
  const int64_t batch = walk.numel;
  parallel_for(
      batch * m, grain_of(2 + 0.03 * static_cast<double>(n * x.item())), [&](int64_t b, int64_t e) {
        for (int64_t at = b; at < e;) {
          const int64_t row0 = at % m, rows = std::min(m - row0, e - at);
          walk.range(at / m, at / m + 1, [&](char* const* p, const int64_t*, int64_t) {
            for (int64_t r = row0; r < row0 + rows; ++r) {
              // The column where the kept part begins (upper) or ends (lower).
              const int64_t edge = std::clamp<int64_t>(r + diagonal + (upper ? 0 : 1), 0, n);
              char* to = p[0] + r * yr;
              const char* from = p[1] + r * xr;
              const int64_t k0 = upper ? edge : 0, k1 = upper ? n : edge;
              const int64_t z0 = upper ? 0 : edge, z1 = upper ? edge : n;
              if (!in_place) move_run<T>(to + k0 * yc, yc, from + k0 * xc, xc, k1 - k0);
              if (yc == static_cast<int64_t>(sizeof(T))) {
                std::memset(to + z0 * yc, 0, (z1 - z0) * sizeof(T));
              } else {
                for (int64_t c = z0; c < z1; ++c) *reinterpret_cast<T*>(to + c * yc) = T{};
              }
            }
          });
          at += rows;
        }
      });
}

void triangular(Call& call, bool upper) {
  const Array& x = call.tensor(0);
  const int64_t diagonal = call.integer(1);
  if (x.ndim() < 2)
    fail(ErrorType::Runtime, "%s: input tensor must have at least 2 dimensions: got %d",
         call.name(), x.ndim());
  const bool in_place = call.destination && same_place(*call.destination, x);
  const Array y = in_place ? x : Array::empty(x.dtype(), x.shape());
  if (x.numel())
    visit_size(x.item(), [&](auto tag) { triangle<decltype(tag)>(y, x, diagonal, upper); });
  call.result(y);
}

// y[i] = x[(i - shift) mod n] along one dim: each row the end of x's and its beginning, or two
// slices.
Array roll_one(const Array& x, int64_t shift, int dim) {
  const int64_t n = x.sizes()[dim];
  Array y = Array::empty_like(x);
  if (x.numel() == 0) return y;
  const int64_t k = ((shift % n) + n) % n;
  if (x.contiguous()) {
    const int64_t inner = product(x.shape().subspan(static_cast<size_t>(dim) + 1)) * x.item(),
                  row = n * inner, head = (n - k) * inner;
    const std::vector<Piece> pieces = {{x.bytes() + head, k * inner, 0, row},
                                       {x.bytes(), head, k * inner, row}};
    join_rows(y.bytes(), pieces, x.nbytes() / row, row);
    return y;
  }
  if (k) copy_into(y.slice(dim, 0, k, 1), x.slice(dim, n - k, n, 1));
  copy_into(y.slice(dim, k, n, 1), x.slice(dim, 0, n - k, 1));
  return y;
}

}  // namespace

RL_KERNEL(cat) {
  const std::vector<Array> xs = call.tensors(0);
  if (xs.empty()) fail(ErrorType::Value, "torch.cat(): expected a non-empty list of Tensors");
  for (size_t i = 0; i < xs.size(); ++i)
    if (xs[i].ndim() == 0)
      fail(ErrorType::Runtime,
           "zero-dimensional tensor (at position %zu) cannot be concatenated: use stack instead",
           i);
  call.result(join("cat", xs, call.integer(1), joint_type(xs)));
}

RL_KERNEL(stack) {
  std::vector<Array> xs = call.tensors(0);
  if (xs.empty()) fail(ErrorType::Runtime, "stack expects a non-empty TensorList");
  const DType dtype = joint_type(xs);
  const int nd = xs[0].ndim();
  const int dim = static_cast<int>(wrap_dim("stack", call.integer(1), nd + 1));
  for (size_t i = 1; i < xs.size(); ++i)
    if (!xs[i].same_shape(xs[0]))
      fail(ErrorType::Runtime,
           "stack expects each tensor to be equal size, but got %s at entry 0 and %s at entry %zu",
           shape_text(xs[0].shape()).c_str(), shape_text(xs[i].shape()).c_str(), i);
  for (Array& x : xs) x = x.unsqueeze(dim);
  call.result(join("stack", xs, dim, dtype));
}

RL_KERNEL(block_diag) {  // matrices
  std::vector<Array> xs = call.tensors(0);
  const DType dtype = joint_type(xs);
  int64_t rows = 0, columns = 0;
  for (Array& x : xs) {
    if (x.ndim() != 2)
      fail(ErrorType::Runtime, "block_diag: expected matrices, got shape %s",
           shape_text(x.shape()).c_str());
    x = x.to(dtype).contiguous_copy();
    rows += x.size(0);
    columns += x.size(1);
  }
  const Array y = Array::empty(dtype, {rows, columns});
  const int64_t item = y.item(), width = columns * item;
  NoGil nogil(y.numel());
  parallel_for(rows, grain_of(2 + 0.03 * static_cast<double>(width)), [&](int64_t r0, int64_t r1) {
    int64_t first = 0, left = 0;  // row and byte column of a block
    for (const Array& x : xs) {
      const int64_t bytes = x.size(1) * item, end = first + x.size(0);
      for (int64_t r = std::max(first, r0); r < std::min(end, r1); ++r) {
        char* to = y.bytes() + r * width;
        std::memset(to, 0, left);
        if (bytes) std::memcpy(to + left, x.bytes() + (r - first) * bytes, bytes);
        std::memset(to + left + bytes, 0, width - left - bytes);
      }
      first = end;
      left += bytes;
    }
  });
  call.result(y);
}

RL_KERNEL(repeat) {
  const Array& x = call.tensor(0);
  const IntList times = call.ints(1);
  const int nd = static_cast<int>(times.size());
  if (nd < x.ndim())
    fail(ErrorType::Runtime,
         "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
         "tensor: "
         "got %d repeats for a tensor of shape %s",
         nd, shape_text(x.shape()).c_str());
  IntList shape(nd), split, strides;  // split: (times, sizes) in turn, without dims of size 1
  for (int d = 0; d < nd; ++d) {
    const int at = d - (nd - x.ndim());
    const int64_t n = at < 0 ? 1 : x.sizes()[at];
    if (times[d] < 0)
      fail(ErrorType::Runtime,
           "Trying to create tensor with negative dimension %lld: repeats must not be negative",
           static_cast<long long>(times[d] * n));
    shape[d] = times[d] * n;
    if (times[d] != 1) {
      split.push_back(times[d]);
      strides.push_back(0);
    }
    if (n != 1) {
      split.push_back(n);
      strides.push_back(x.strides()[at]);
    }
  }
  const Array y = Array::empty(x.dtype(), shape);
  if (y.numel()) {
    copy_into(y.view(split), Array::over(x.storage_ref(), x.dtype(), x.offset(), split, strides));
  }
  call.result(y);
}

RL_KERNEL(flip) {
  const Array& x = call.tensor(0);
  const Array* operand = &x;
  const Array y = output_like(&operand, 1, x.shape(), x.dtype());
  IntList wanted = call.ints(1);
  bool turned[kMaxDims] = {};
  for (int64_t d : wanted) {
    const int64_t dim = wrap_dim("flip", d, x.ndim());
    if (x.ndim() == 0) continue;
    if (turned[dim])
      fail(ErrorType::Runtime, "flip: dim %lld appears multiple times in the list of dims",
           static_cast<long long>(dim));
    turned[dim] = true;
  }
  if (x.numel()) {
    Walk<2> walk;
    walk.base[0] = y.bytes();
    walk.base[1] = x.bytes();
    const int64_t w = x.item();
    for (int d = 0; d < x.ndim(); ++d) {
      const int64_t s = x.strides()[d] * w;
      if (turned[d]) walk.base[1] += (x.sizes()[d] - 1) * s;
      walk.push(x.sizes()[d], {y.strides()[d] * w, turned[d] ? -s : s});
    }
    walk.arrange();
    NoGil nogil(x.numel());
    visit_size(x.item(), [&](auto tag) {
      using T = decltype(tag);
      walk.run(move_grain(x), [](char* const* p, const int64_t* s, int64_t n) {
        move_run<T>(p[0], s[0], p[1], s[1], n);
      });
    });
  }
  call.result(y);
}

RL_KERNEL(roll) {
  Array x = call.tensor(0);
  const IntList shifts = call.ints(1);
  const IntList dims = call.none(2) ? IntList{} : call.ints(2);
  if (shifts.empty()) fail(ErrorType::Runtime, "`shifts` required");
  if (dims.empty()) {
    if (shifts.size() != 1)
      fail(ErrorType::Runtime, "shifts and dimensions must align. shifts: %zu, dims:0",
           shifts.size());
    const IntList shape(x.shape().begin(), x.shape().end());
    call.result(roll_one(x.contiguous_copy().view(IntList{x.numel()}), shifts[0], 0).view(shape));
    return;
  }
  if (shifts.size() != dims.size())
    fail(ErrorType::Runtime, "shifts and dimensions must align. shifts: %zu, dims:%zu",
         shifts.size(), dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (x.ndim() == 0)
      fail(ErrorType::Index, "Dimension specified as %lld but tensor has no dimensions",
           static_cast<long long>(dims[i]));
    x = roll_one(x, shifts[i], static_cast<int>(wrap_dim("roll", dims[i], x.ndim())));
  }
  call.result(x);
}

RL_KERNEL(diag_embed) {  // input, offset, dim1, dim2
  const Array& x = call.tensor(0);
  const int64_t offset = call.integer(1);
  const int nd = x.ndim() + 1;
  const int a = call.dim(2, nd), b = call.dim(3, nd);
  if (a == b) fail(ErrorType::Runtime, "diagonal dimensions cannot be identical %d, %d", a, b);
  if (x.ndim() == 0)
    fail(ErrorType::Runtime, "diag_embed: needs a tensor with at least 1 dimension");
  const int64_t n = x.size(-1) + std::abs(offset);
  IntList shape(x.shape().begin(), x.shape().end() - 1);
  shape.insert(shape.begin() + std::min(a, b), n);
  shape.insert(shape.begin() + std::max(a, b), n);
  const Array y = Array::empty(x.dtype(), shape);
  if (meta_call) return call.result(y);
  std::memset(y.bytes(), 0, y.nbytes());
  if (x.numel()) copy_into(y.diagonal(offset, a, b), x);
  call.result(y);
}

RL_KERNEL(tril) { triangular(call, false); }
RL_KERNEL(triu) { triangular(call, true); }

}  // namespace rl
