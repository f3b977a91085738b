#include "layout.h"

#include <algorithm>
#include <utility>

namespace rl {
namespace {

// The order of dims, outermost first, as PyTorch has it: from the operands' strides, of which the
// first that tells two dims apart decides. A broadcast dim (stride 0) tells nothing; equal strides
// put the longer dim outside.
void output_order(const Array* const* operands, int count, Shape shape, int* order) {
  const int n = static_cast<int>(shape.size());
  const auto stride_of = [&](const Array& a, int d) -> int64_t {
    const int own = d - (n - a.ndim());
    return own < 0 || (a.sizes()[own] == 1 && shape[d] != 1) ? 0 : a.strides()[own] * a.item();
  };
  const auto outside = [&](int x, int y) {  // 1: x lies outside y, -1: inside, 0: not known
    for (int k = 0; k < count; ++k) {
      if (!operands[k]) continue;
      const int64_t a = stride_of(*operands[k], x), b = stride_of(*operands[k], y);
      if (a == 0 || b == 0) continue;
      if (a != b) return a > b ? 1 : -1;
      if (shape[x] > shape[y]) return 1;
    }
    return 0;
  };
  int inner[kMaxDims];  // innermost first
  for (int i = 0; i < n; ++i) inner[i] = n - 1 - i;
  for (int i = 1; i < n; ++i) {
    int at = i;
    for (int j = i - 1; j >= 0; --j) {
      const int found = outside(inner[j], inner[at]);
      if (found > 0) {
        std::swap(inner[j], inner[at]);
        at = j;
      } else if (found < 0) {
        break;
      }
    }
  }
  for (int i = 0; i < n; ++i) order[i] = inner[n - 1 - i];
}

}  // namespace

Array output_like(const Array* const* operands, int count, Shape shape, DType t) {
  const Array* model = nullptr;
  bool same = true, contiguous = true;
  for (int k = 0; k < count; ++k) {
    const Array* a = operands[k];
    if (!a) continue;
    if (!model) model = a;
    same = same && a->ndim() == static_cast<int>(shape.size()) &&
           std::equal(shape.begin(), shape.end(), a->sizes()) &&
           std::equal(a->strides(), a->strides() + a->ndim(), model->strides());
    contiguous = contiguous && a->contiguous();
  }
  if (contiguous) return Array::empty(t, shape);
  if (same && model->dense()) return Array::empty_strided(t, shape, model->stride_span());
  int order[kMaxDims];
  output_order(operands, count, shape, order);
  int64_t strides[kMaxDims], step = 1;
  for (int i = static_cast<int>(shape.size()) - 1; i >= 0; --i) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(shape[order[i]], 1);
  }
  return Array::empty_strided(t, shape, Shape(strides, shape.size()));
}

Array laid_out_as(const Array& y, const Array& x) {
  if (x.contiguous()) return y;
  const Array z = Array::empty_like(x, y.dtype());
  if (z.contiguous()) return y;
  copy_into(z, y);
  return z;
}

void check_partial_overlap(const Array& out, const Array& in) {
  if (out.storage() != in.storage() || !out.numel() || !in.numel()) return;
  if (!out.dense() || !in.dense()) return;
  const int64_t a = out.offset() * out.item(), b = in.offset() * in.item();  // in one storage
  const bool same = a == b && out.nbytes() == in.nbytes() && out.same_shape(in) &&
                    std::equal(out.strides(), out.strides() + out.ndim(), in.strides());
  if (!same && a < b + in.nbytes() && b < a + out.nbytes())
    fail(ErrorType::Runtime,
         "unsupported operation: some elements of the input tensor and the written-to tensor refer "
         "to a single memory location. Please clone() the tensor before performing the operation.");
}

}  // namespace rl
