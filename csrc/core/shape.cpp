// Kernels of the view operators and of plain copies: arithmetic on Arrays, no loops of their own.
#include <cmath>

#include "kernel.h"
#include "layout.h"
#include "op.h"
#include "tensor.h"

namespace rl {
namespace {

Array zeros(DType t, Shape shape) {
  Array a = Array::empty(t, shape);
  fill(a, int64_t{0});
  return a;
}

int64_t resolve(int64_t i, int64_t size) {
  return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
}

int64_t checked_index(const Call& call, int64_t i, int64_t size) {
  if (i < -size || i >= size) {
    fail(ErrorType::Index, "%s(): index %lld out of range for tensor of size %lld", call.name(),
         static_cast<long long>(i), static_cast<long long>(size));
  }
  return i < 0 ? i + size : i;
}

// slice(start, stop, step) with None for the ends, as Python resolves them.
Array sliced(const Call& call, const Array& x, int dim, int first) {
  const int64_t size = x.ndim() ? x.size(dim) : 1;
  if (x.ndim() == 0) fail(ErrorType::Runtime, "slice() cannot be applied to a 0-dim tensor.");
  const int64_t start = call.none(first) ? 0 : resolve(call.integer(first), size);
  const int64_t stop = call.none(first + 1) ? size : resolve(call.integer(first + 1), size);
  const int64_t step = call.integer(first + 2);
  if (step <= 0) fail(ErrorType::Runtime, "slice step must be positive");
  return x.slice(dim, start, std::max(stop, start), step);
}

}  // namespace

RL_KERNEL(alias) { call.result(call.tensor(0)); }

RL_KERNEL(view) {
  const Array& x = call.tensor(0);
  if (dtype_check(call.args[1])) {
    call.result(x.view_dtype(dtype_of_object(call.args[1])));
    return;
  }
  call.result(x.view(infer_size("view", call.ints(1), x.numel())));
}
RL_KERNEL(reshape) {
  const Array& x = call.tensor(0);
  call.result(x.reshape(infer_size("reshape", call.ints(1), x.numel())));
}
RL_KERNEL(flatten) {
  const Array& x = call.tensor(0);
  const int start = call.dim(1, x.ndim()), end = call.dim(2, x.ndim());
  if (start > end)
    fail(ErrorType::Runtime, "flatten() has invalid args: start_dim cannot come after end_dim");
  if (x.ndim() == 0) {
    const int64_t one[1] = {1};
    call.result(x.reshape(Shape(one, 1)));
    return;
  }
  if (start == end) {
    call.same();
    return;
  }
  IntList shape(x.sizes(), x.sizes() + start);
  shape.push_back(product(x.shape().subspan(start, end - start + 1)));
  shape.insert(shape.end(), x.sizes() + end + 1, x.sizes() + x.ndim());
  call.result(x.reshape(shape));
}
RL_KERNEL(transpose) {
  const Array& x = call.tensor(0);
  const int a = call.dim(1, x.ndim()), b = call.dim(2, x.ndim());
  call.result(x.ndim() ? x.transpose(a, b) : x);
}
RL_KERNEL(t) {
  const Array& x = call.tensor(0);
  if (x.ndim() > 2)
    fail(ErrorType::Runtime, "t() expects a tensor with <= 2 dimensions, but self is %dD",
         x.ndim());
  call.result(x.ndim() == 2 ? x.transpose(0, 1) : x);
}
RL_KERNEL(permute) {
  const Array& x = call.tensor(0);
  IntList order = call.ints(1);
  if (static_cast<int>(order.size()) != x.ndim()) {
    fail(ErrorType::Runtime,
         "permute(sparse_coo): number of dimensions in the tensor input does not match the length "
         "of the desired ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = "
         "%zu",
         x.ndim(), order.size());
  }
  uint64_t seen = 0;
  for (int64_t& d : order) {
    d = wrap_dim("permute", d, x.ndim());
    if (seen >> d & 1) fail(ErrorType::Runtime, "permute(): duplicate dims are not allowed.");
    seen |= uint64_t{1} << d;
  }
  call.result(x.permute(order));
}
RL_KERNEL(expand) { call.result(call.tensor(0).expand(call.ints(1))); }
RL_KERNEL(unsqueeze) {
  const Array& x = call.tensor(0);
  call.result(x.unsqueeze(static_cast<int>(wrap_dim("unsqueeze", call.integer(1), x.ndim() + 1))));
}
RL_KERNEL(squeeze) {
  const Array& x = call.tensor(0);
  if (call.none(1)) {
    call.result(x.squeeze());
    return;
  }
  IntList dims = call.ints(1), sizes, strides;
  uint64_t drop = 0;
  for (int64_t d : dims) {
    d = wrap_dim("squeeze", d, x.ndim());
    if (drop >> d & 1)
      fail(ErrorType::Runtime, "dim %lld appears multiple times in the list of dims",
           static_cast<long long>(d));
    drop |= uint64_t{1} << d;
  }
  for (int d = 0; d < x.ndim(); ++d) {
    if ((drop >> d & 1) && x.size(d) == 1) continue;
    sizes.push_back(x.size(d));
    strides.push_back(x.stride(d));
  }
  call.result(Array::over(x.storage_ref(), x.dtype(), x.offset(), sizes, strides));
}
RL_KERNEL(select) {
  const Array& x = call.tensor(0);
  if (x.ndim() == 0) fail(ErrorType::Index, "select() cannot be applied to a 0-dim tensor.");
  const int dim = call.dim(1, x.ndim());
  call.result(x.select(dim, checked_index(call, call.integer(2), x.size(dim))));
}
RL_KERNEL(slice) {
  const Array& x = call.tensor(0);
  const int dim = call.dim(1, x.ndim());
  call.result(sliced(call, x, dim, 2));
}
RL_KERNEL(narrow) {
  const Array& x = call.tensor(0);
  if (x.ndim() == 0) fail(ErrorType::Runtime, "narrow() cannot be applied to a 0-dim tensor.");
  const int dim = call.dim(1, x.ndim());
  const int64_t size = x.size(dim), length = call.integer(3);
  if (tensor_check(call.args[2])) {
    const Array& at = call.tensor(2);
    if (at.ndim() || !is_integral(at.dtype()) || at.dtype() == DType::Bool)
      fail(ErrorType::Runtime, "start must be an 0-dim integral Tensor.");
  }
  int64_t start = call.integer(2);
  if (length < 0) fail(ErrorType::Runtime, "narrow(): length must be non-negative.");
  if (start < -size || start > size)
    fail(ErrorType::Index,
         "start out of range (expected to be in range of [-%lld, %lld], but got %lld)",
         static_cast<long long>(size), static_cast<long long>(size), static_cast<long long>(start));
  if (start < 0) start += size;
  if (start > size - length)
    fail(ErrorType::Runtime, "start (%lld) + length (%lld) exceeds dimension size (%lld).",
         static_cast<long long>(start), static_cast<long long>(length),
         static_cast<long long>(size));
  call.result(x.slice(dim, start, start + length, 1));
}
RL_KERNEL(as_strided) {
  const Array& x = call.tensor(0);
  call.result(
      x.as_strided(call.ints(1), call.ints(2), call.none(3) ? x.offset() : call.integer(3)));
}
RL_KERNEL(unfold) {
  const Array& x = call.tensor(0);
  call.result(x.unfold(call.dim(1, x.ndim()), call.integer(2), call.integer(3)));
}
RL_KERNEL(diagonal) {
  const Array& x = call.tensor(0);
  const int a = call.dim(2, x.ndim()), b = call.dim(3, x.ndim());
  if (a == b) fail(ErrorType::Runtime, "diagonal dimensions cannot be identical %d, %d", a, b);
  call.result(x.diagonal(call.integer(1), a, b));
}
RL_KERNEL(split) {
  const Array& x = call.tensor(0);
  if (x.ndim() == 0) fail(ErrorType::Runtime, "split expects at least a 1-dimensional tensor");
  const int dim = call.dim(2, x.ndim());
  const int64_t size = x.size(dim);
  if (PyList_Check(call.args[1]) || PyTuple_Check(call.args[1])) {
    const IntList sizes = call.ints(1);
    int64_t total = 0;
    for (int64_t s : sizes) {
      if (s < 0)
        fail(ErrorType::Runtime,
             "split_with_sizes expects split_sizes have only non-negative entries, but got "
             "split_sizes=%s",
             shape_text(sizes).c_str());
      if (__builtin_add_overflow(total, s, &total)) {
        total = -1;  // which is no size
        break;
      }
    }
    if (total != size) {
      fail(ErrorType::Runtime,
           "split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size at "
           "dimension %d), but got split_sizes=%s",
           static_cast<long long>(size), dim, shape_text(sizes).c_str());
    }
    int64_t at = 0;
    for (int64_t s : sizes) {
      call.result(x.slice(dim, at, at + s, 1));
      at += s;
    }
    return;
  }
  const int64_t step = call.integer(1);
  if (step < 0 || (step == 0 && size != 0))
    fail(ErrorType::Runtime, "split expects split_size be %s, but got split_size=%lld",
         step < 0 ? "non-negative" : "greater than 0", static_cast<long long>(step));
  if (size == 0) {
    call.result(x.slice(dim, 0, 0, 1));
    return;
  }
  for (int64_t at = 0; at < size; at += step)
    call.result(x.slice(dim, at, std::min(at + step, size), 1));
}
RL_KERNEL(chunk) {
  const Array& x = call.tensor(0);
  const int64_t chunks = call.integer(1);
  if (x.ndim() == 0) fail(ErrorType::Runtime, "chunk expects at least a 1-dimensional tensor");
  if (chunks <= 0)
    fail(ErrorType::Runtime, "chunk expects `chunks` to be greater than 0, got: %lld",
         static_cast<long long>(chunks));
  const int dim = call.dim(2, x.ndim());
  const int64_t size = x.size(dim), step = size / chunks + (size % chunks != 0);
  if (size == 0) {
    for (int64_t i = 0; i < chunks; ++i) call.result(x.slice(dim, 0, 0, 1));
    return;
  }
  for (int64_t at = 0; at < size; at += step)
    call.result(x.slice(dim, at, std::min(at + step, size), 1));
}
RL_KERNEL(unbind) {
  const Array& x = call.tensor(0);
  if (x.ndim() == 0)
    fail(ErrorType::Index, "Dimension specified as 0 but tensor has no dimensions");
  const int dim = call.dim(1, x.ndim());
  for (int64_t i = 0; i < x.size(dim); ++i) call.result(x.select(dim, i));
}

// -- gradients of views: zeros with the gradient in the viewed place
// ---------------------------------

RL_KERNEL(select_backward) {
  const Array& g = call.tensor(0);
  const IntList shape = call.ints(1);
  const int dim = call.dim(2, static_cast<int>(shape.size()));
  Array out = zeros(g.dtype(), shape);
  copy_into(out.select(dim, checked_index(call, call.integer(3), shape[static_cast<size_t>(dim)])),
            g);
  call.result(std::move(out));
}
RL_KERNEL(slice_backward) {
  const Array& g = call.tensor(0);
  const IntList shape = call.ints(1);
  const int dim = call.dim(2, static_cast<int>(shape.size()));
  Array out = zeros(g.dtype(), shape);
  copy_into(sliced(call, out, dim, 3), g);
  call.result(std::move(out));
}
RL_KERNEL(diagonal_backward) {
  const Array& g = call.tensor(0);
  const IntList shape = call.ints(1);
  const int n = static_cast<int>(shape.size());
  Array out = zeros(g.dtype(), shape);
  copy_into(out.diagonal(call.integer(2), call.dim(3, n), call.dim(4, n)), g);
  call.result(std::move(out));
}

// -- copies --------------------------------------------------------------------------------------

RL_KERNEL(contiguous) {
  const Array& x = call.tensor(0);
  if (x.contiguous())
    call.same();
  else
    call.result(x.contiguous_copy());
}
RL_KERNEL(clone) {
  const Array& x = call.tensor(0);
  if (call.boolean(1)) {
    Array out = Array::empty(x.dtype(), x.shape());
    copy_into(out, x);
    call.result(std::move(out));
  } else {
    call.result(x.clone());
  }
}
RL_KERNEL(to_copy) {
  const Array& x = call.tensor(0);
  const DType t = call.dtype(1).value_or(x.dtype());
  Array out = Array::empty_like(x, t);
  copy_into(out, x);
  call.result(std::move(out));
}
RL_KERNEL(copy) {
  const Array& x = call.tensor(0);
  Array number;  // that a Python number is
  ScalarValue value;
  if (!call.is_tensor(1) && scalar_value(call.args[1], &value)) {
    const DType t = value.category == Category::Complex ? DType::C128
                    : value.category == Category::Real  ? DType::F64
                                                        : DType::I64;
    number = Array::empty(t, Shape());
    if (!meta_call) store_scalar(value, t, number.bytes());
  }
  const Array& src = number.defined() ? number : call.tensor(1);
  // Checks that src broadcasts to x, and names both shapes if not.
  const auto shape = broadcast_shapes("copy_", x.shape(), src.shape());
  if (!std::equal(shape.begin(), shape.end(), x.sizes(), x.sizes() + x.ndim())) {
    fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
         shape_text(x.shape()).c_str(), shape_text(shape).c_str());
  }
  if (call.destination) {
    const bool same = x.storage() == src.storage();
    check_partial_overlap(*call.destination, src);
    copy_into(*call.destination, same ? src.clone() : src);
  } else {
    Array out = Array::empty_like(x);
    copy_into(out, src);
    call.result(std::move(out));
  }
}
RL_KERNEL(fill) {
  const Array& x = call.tensor(0);
  Array out = call.destination ? *call.destination : Array::empty_like(x);
  if (call.is_tensor(1)) {
    const Array& value = call.tensor(1);
    if (value.ndim() != 0)
      fail(ErrorType::Runtime,
           "fill_ only supports 0-dimension value tensor but got tensor with %d dimensions.",
           value.ndim());
    copy_into(out, value);
  } else if (is_extended(x.dtype())) {
    const Array one = Array::empty(x.dtype(), Shape());
    store_extended(call.args[1], x.dtype(), one.bytes());
    copy_into(out, one);
  } else if (PyLong_Check(call.args[1]) && is_integral(x.dtype())) {
    ScalarValue value{Category::Integer, call.integer(1), 0, 0};
    char element[16];
    if (x.dtype() != DType::Bool) store_scalar(value, x.dtype(), element);  // throws out of range
    fill(out, value.i);
  } else if (PyComplex_Check(call.args[1])) {
    if (!is_complex(x.dtype()))
      fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
           dtype_name(x.dtype()));
    fill(out, call.complex(1));
  } else {
    const double value = call.real(1);
    if (is_integral(x.dtype()) && x.dtype() != DType::Bool) {
      const DType t = x.dtype();
      const bool sign = t == DType::I8 || t == DType::I16 || t == DType::I32 || t == DType::I64;
      const int bits = 8 * x.item() - sign;
      const double top = std::ldexp(1.0, bits) - (bits < 53 ? 1 : 0);
      if (!(value <= top && value >= (sign ? -std::ldexp(1.0, bits) : 0)))
        fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
             dtype_name(x.dtype()));
    }
    const double most = x.dtype() == DType::F16    ? 65504
                        : x.dtype() == DType::BF16 ? 3.3895313892515355e38
                        : x.dtype() == DType::F32  ? 3.4028234663852886e38
                                                   : INFINITY;
    if (std::fabs(value) > most && !std::isinf(value))
      fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
           dtype_name(x.dtype()));
    fill(out, value);
  }
  if (!call.destination) call.result(std::move(out));
}
RL_KERNEL(zero) {
  const Array& x = call.tensor(0);
  Array out = call.destination ? *call.destination : Array::empty_like(x);
  fill(out, int64_t{0});
  if (!call.destination) call.result(std::move(out));
}

}  // namespace rl
