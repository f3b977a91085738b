// The element-wise engine: promote, broadcast, split into chunks, convert, thread, run a loop.
//
// Iteration space: the broadcast shape, coalesced and ordered by the output's memory. A chunk is a
// run of its linear order. An operand that lies in that order with the loop's own dtype is passed
// by pointer; any other is first brought into a small buffer (dtype and stride conversion happen
// there, in cache, never as a copy of the whole operand).
#include <cstring>

#include "convert.h"
#include "layout.h"
#include "pointwise_checks.h"
#include "promote.h"

namespace rl {
namespace {

constexpr int kMaxOperands = 4;  // output included
constexpr int64_t kChunk = 1024;
constexpr int kMaxItem = 16;

struct Operand {
  const Array* array = nullptr;  // null: a Python number
  ScalarValue scalar;
};

// Everything a chunk needs to know; lives on the stack of the call.
struct Plan {
  int n = 0;  // operands, output first
  int ndim = 0;
  int64_t sizes[kMaxDims];                  // innermost last, coalesced
  int64_t strides[kMaxOperands][kMaxDims];  // bytes
  char* base[kMaxOperands];
  bool direct[kMaxOperands];     // in linear order with the loop's dtype
  bool splat[kMaxOperands];      // a number, or one element repeated: buffer filled once
  ConvertFn load[kMaxOperands];  // storage dtype -> loop dtype (for the output: loop -> storage)
  int item[kMaxOperands];        // bytes of the loop's dtype
  int64_t numel = 0;
  LoopFn fn;
  const double* params;
  alignas(16) char scalars[kMaxOperands][kMaxItem];
};

void splat_fill(char* buffer, const char* value, int item, int64_t n) {
  visit_size(item, [&](auto tag) {
    using T = decltype(tag);
    T v;
    std::memcpy(&v, value, sizeof v);
    T* out = reinterpret_cast<T*>(buffer);
    for (int64_t i = 0; i < n; ++i) out[i] = v;
  });
}

// Walks the rows that [begin, begin + count) of the linear order touches: f(pointer, done, length).
template <class F>
void each_run(const Plan& p, int k, int64_t begin, int64_t count, F f) {
  const int last = p.ndim - 1;
  const int64_t row = p.sizes[last];
  int64_t column = begin % row, rest = begin / row;
  int64_t index[kMaxDims];
  char* ptr = p.base[k];
  for (int d = last - 1; d >= 0; --d) {
    index[d] = rest % p.sizes[d];
    rest /= p.sizes[d];
    ptr += index[d] * p.strides[k][d];
  }
  const int64_t inner = p.strides[k][last];
  for (int64_t done = 0;;) {
    const int64_t length = std::min(row - column, count - done);
    f(ptr + column * inner, done, length);
    done += length;
    if (done >= count) return;
    column = 0;
    for (int d = last - 1; d >= 0; --d) {
      ptr += p.strides[k][d];
      if (++index[d] < p.sizes[d]) break;
      ptr -= p.strides[k][d] * p.sizes[d];
      index[d] = 0;
    }
  }
}

void run_range(const Plan& p, int64_t begin, int64_t end) {
  alignas(64) char buffers[kMaxOperands][kChunk * kMaxItem];
  char* args[kMaxOperands];
  bool all_direct = true, any_splat = false;
  for (int k = 0; k < p.n; ++k) {
    if (p.splat[k]) {
      splat_fill(buffers[k], p.scalars[k], p.item[k], std::min(kChunk, end - begin));
      any_splat = true;
    } else {
      all_direct = all_direct && p.direct[k];
    }
  }
  // Chunks end with their row when rows are long, so that whole runs can be passed by pointer.
  const int64_t row = p.ndim ? p.sizes[p.ndim - 1] : 1;
  const bool by_row = !all_direct && row >= 128;
  for (int64_t i = begin; i < end;) {
    int64_t count = end - i;
    if (!all_direct || any_splat) count = std::min(count, kChunk);
    if (by_row) count = std::min(count, row - i % row);
    for (int k = 0; k < p.n; ++k) {
      if (p.splat[k]) {
        args[k] = buffers[k];
      } else if (p.direct[k]) {
        args[k] = p.base[k] + i * p.item[k];
      } else if (k == 0) {
        args[0] = buffers[0];
      } else {
        args[k] = buffers[k];
        each_run(p, k, i, count, [&](char* src, int64_t done, int64_t length) {
          if (length == count && !p.load[k] && p.strides[k][p.ndim - 1] == p.item[k]) {
            args[k] = src;  // a whole run with the right dtype
            return;
          }
          const ConvertFn load = p.load[k];
          char* dst = buffers[k] + done * p.item[k];
          if (load) {
            load(dst, p.item[k], src, p.strides[k][p.ndim - 1], length);
            return;
          }
          visit_size(p.item[k], [&](auto tag) {
            using T = decltype(tag);
            const int64_t step = p.strides[k][p.ndim - 1];
            T* out = reinterpret_cast<T*>(dst);
            if (step == 0) {
              const T v = *reinterpret_cast<const T*>(src);
              for (int64_t j = 0; j < length; ++j) out[j] = v;
            } else if (step == static_cast<int64_t>(sizeof(T))) {
              std::memcpy(out, src, static_cast<size_t>(length) * sizeof(T));
            } else {
              for (int64_t j = 0; j < length; ++j)
                out[j] = *reinterpret_cast<const T*>(src + j * step);
            }
          });
        });
      }
    }
    bool store = !p.direct[0];
    if (store && !p.load[0] && by_row && p.strides[0][p.ndim - 1] == p.item[0]) {
      each_run(p, 0, i, count, [&](char* dst, int64_t, int64_t) { args[0] = dst; });
      store = false;
    }
    p.fn(args, count, p.params);
    if (store) {
      each_run(p, 0, i, count, [&](char* dst, int64_t done, int64_t length) {
        const char* src = buffers[0] + done * p.item[0];
        const int64_t step = p.strides[0][p.ndim - 1];
        if (p.load[0]) {
          p.load[0](dst, step, src, p.item[0], length);
          return;
        }
        visit_size(p.item[0], [&](auto tag) {
          using T = decltype(tag);
          const T* in = reinterpret_cast<const T*>(src);
          for (int64_t j = 0; j < length; ++j) *reinterpret_cast<T*>(dst + j * step) = in[j];
        });
      });
    }
    i += count;
  }
}

// Strides of an input over the broadcast shape, in bytes.
void broadcast_strides(const Array& a, Shape shape, int64_t* out) {
  const int lead = static_cast<int>(shape.size()) - a.ndim();
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    const int own = d - lead;
    out[d] = own < 0 || a.sizes()[own] == 1 ? 0 : a.strides()[own] * a.item();
  }
}

// Orders dims by the output's strides (outermost first) and joins those that lie end to end in
// every operand.
void coalesce(Plan& p, Shape shape) {
  int order[kMaxDims], n = 0;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    if (shape[d] != 1) order[n++] = d;
  }
  for (int i = 1; i < n; ++i) {  // insertion sort: nearly always in order already
    for (int j = i; j > 0 && p.strides[0][order[j - 1]] < p.strides[0][order[j]]; --j)
      std::swap(order[j - 1], order[j]);
  }
  int64_t strides[kMaxOperands][kMaxDims];
  int m = 0;
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool join = m > 0;
    for (int k = 0; k < p.n && join; ++k) join = strides[k][m - 1] == p.strides[k][d] * shape[d];
    if (join) {
      p.sizes[m - 1] *= shape[d];
    } else {
      p.sizes[m++] = shape[d];
    }
    for (int k = 0; k < p.n; ++k) strides[k][m - 1] = p.strides[k][d];
  }
  if (m == 0) {
    p.sizes[0] = 1;
    for (int k = 0; k < p.n; ++k) strides[k][0] = 0;
    m = 1;
  }
  p.ndim = m;
  for (int k = 0; k < p.n; ++k) std::copy(strides[k], strides[k] + m, p.strides[k]);
}

bool linear(const Plan& p, int k, int item) {
  int64_t expected = item;
  for (int d = p.ndim - 1; d >= 0; --d) {
    if (p.sizes[d] != 1 && p.strides[k][d] != expected) return false;
    expected *= p.sizes[d];
  }
  return true;
}

void execute(Plan& p, double cost) {
  const double work = static_cast<double>(p.numel) * cost;  // ns
  NoGil nogil(static_cast<int64_t>(work), 20000);
  parallel_for(p.numel, std::max<int64_t>(static_cast<int64_t>(20000 / cost), 1),
               [&](int64_t a, int64_t b) { run_range(p, a, b); });
}

// -- tiles ------------------------------------------------------------------------------------
// An operand that is contiguous along the second innermost dim (a transposed matrix) would be
// gathered one element a cache line. Instead blocks of it are turned in a buffer, and the loop runs
// over the rows of the block.
constexpr int64_t kTileRows = 32, kTileCols = 256;

bool transposed(const Plan& p, int k) {
  const int last = p.ndim - 1;
  return p.strides[k][last] != p.item[k] && p.strides[k][last] != 0 &&
         p.strides[k][last - 1] == p.item[k];
}

bool tileable(const Plan& p) {
  if (p.ndim < 2 || p.load[0] || p.strides[0][p.ndim - 1] != p.item[0]) return false;
  bool any = false;
  for (int k = 1; k < p.n; ++k) {
    if (p.splat[k]) continue;
    if (p.load[k] || p.item[k] > 8) return false;
    if (transposed(p, k))
      any = true;
    else if (p.strides[k][p.ndim - 1] != p.item[k])
      return false;
  }
  return any;
}

// Rows [begin, end) of the last two dims, for one index of the outer ones: `base` per operand.
void run_tiles(const Plan& p, char* const* base, int64_t begin, int64_t end) {
  alignas(64) char buffers[kMaxOperands][kTileRows * kTileCols * 8];
  const int last = p.ndim - 1;
  const int64_t cols = p.sizes[last];
  for (int k = 1; k < p.n; ++k)
    if (p.splat[k]) splat_fill(buffers[k], p.scalars[k], p.item[k], std::min(cols, kTileCols));
  for (int64_t j = 0; j < cols; j += kTileCols) {
    const int64_t width = std::min(kTileCols, cols - j);
    for (int64_t i = begin; i < end; i += kTileRows) {
      const int64_t height = std::min(kTileRows, end - i);
      for (int k = 1; k < p.n; ++k) {
        if (p.splat[k] || !transposed(p, k)) continue;
        find_transpose(p.item[k])(buffers[k], kTileCols * p.item[k],
                                  base[k] + i * p.item[k] + j * p.strides[k][last],
                                  p.strides[k][last], height, width);
      }
      for (int64_t r = 0; r < height; ++r) {
        char* args[kMaxOperands];
        for (int k = 0; k < p.n; ++k) {
          if (p.splat[k])
            args[k] = buffers[k];
          else if (k && transposed(p, k))
            args[k] = buffers[k] + r * kTileCols * p.item[k];
          else
            args[k] = base[k] + (i + r) * p.strides[k][last - 1] + j * p.item[k];
        }
        p.fn(args, width, p.params);
      }
    }
  }
}

void execute_tiles(const Plan& p, double cost) {
  const int outer = p.ndim - 2;
  const int64_t rows = p.sizes[outer], count = p.numel / p.sizes[p.ndim - 1];
  const int64_t grain =
      static_cast<int64_t>(20000 / (cost * static_cast<double>(p.sizes[p.ndim - 1]))) + 1;
  NoGil nogil(p.numel, 20000);
  parallel_for(count, std::max(grain, kTileRows), [&](int64_t a, int64_t b) {
    while (a < b) {
      const int64_t row = a % rows, stop = std::min(rows, row + b - a);
      char* base[kMaxOperands];
      for (int k = 0; k < p.n; ++k) {
        base[k] = p.base[k];
        if (p.splat[k]) continue;
        int64_t rest = a / rows;
        for (int d = outer - 1; d >= 0; --d) {
          base[k] += rest % p.sizes[d] * p.strides[k][d];
          rest /= p.sizes[d];
        }
      }
      run_tiles(p, base, row, stop);
      a += stop - row;
    }
  });
}

// Two operands over the same storage but not element on element: writing one would spoil the other.
bool conflicts(const Array& out, const Array& in) {
  if (out.storage() != in.storage()) return false;
  if (out.offset() == in.offset() && out.same_shape(in) &&
      std::equal(out.strides(), out.strides() + out.ndim(), in.strides()) &&
      out.dtype() == in.dtype())
    return false;
  return true;
}

[[noreturn]] void not_implemented(const OpSpec& spec, DType t) {
  fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", spec.name.c_str(),
       dtype_scalar_name(t));
}

}  // namespace

Array run_pointwise(const OpSpec& spec, PyObject* const* args, const Array* destination) {
  const int nin = spec.pointwise;
  Operand ops[kMaxOperands];
  ResultType kind;
  const Array* first = nullptr;  // the first tensor operand
  bool uniform = true;           // all tensors contiguous with one shape and dtype
  for (int k = 0; k < nin; ++k) {
    PyObject* o = args[k];
    if (tensor_check(o)) {
      const Array& a = as_tensor(o)->array;
      ops[k].array = &a;
      kind.tensor(a);
      if (!first) {
        first = &a;
        uniform = a.contiguous();
      } else {
        uniform = uniform && a.contiguous() && a.dtype() == first->dtype() && a.same_shape(*first);
      }
    } else if ((spec.numbers >> k & 1) && scalar_value(o, &ops[k].scalar)) {
      kind.scalar(ops[k].scalar);
    } else {
      fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Tensor, not %s",
           spec.name.c_str(), PyUnicode_AsUTF8(spec.params[k]), k + 1, Py_TYPE(o)->tp_name);
    }
  }
  if (!first) {
    fail(ErrorType::Type,
         "%s() received an invalid combination of arguments: argument '%s' (position 1) must be "
         "Tensor, not %s",
         spec.name.c_str(), PyUnicode_AsUTF8(spec.params[0]), Py_TYPE(args[0])->tp_name);
  }
  DType compute = kind.result();
  if (spec.promote == Promote::Float && is_integral(compute)) compute = default_dtype();
  const DType promoted = compute;
  if (is_extended(compute)) [[unlikely]]
    compute = loop_type(spec, compute);
  const bool exact_scalars =
      spec.name == "mul" || spec.name == "floor_divide" || spec.name.starts_with("div");
  const Loop* loop = &spec.loops->by_dtype[static_cast<int>(compute)];
  if (is_half(compute) && exact_scalars && loop->fn) {  // this loop would round the numbers
    for (int k = 0; k < nin; ++k) {
      const Array* a = ops[k].array;
      if (!a || (a->numel() == 1 && a->dtype() != compute)) {
        static const Loop none{};
        loop = &none;
      }
    }
  }
  DType result = loop->out;
  if (is_extended(promoted)) {
    if (!loop->fn) not_implemented(spec, promoted);
    result = stored_result(loop->out, promoted);
  } else if (!loop->fn) {
    if (!is_half(compute)) not_implemented(spec, compute);
    loop = &spec.loops->by_dtype[static_cast<int>(DType::F32)];
    if (!loop->fn) not_implemented(spec, compute);
    result = loop->out == DType::F32 ? compute : loop->out;
    compute = DType::F32;
  }
  double params[kMaxParams];
  for (int i = nin; i < spec.nparams; ++i) {
    params[i - nin] = param_value(spec, args[i], i);
    check_param(spec, promoted, params[i - nin]);
  }
  if (nin == 2 && spec.nparams == 3 &&
      (spec.name == "add" || spec.name == "sub" || spec.name == "rsub"))
    check_bools(spec, args, promoted);
  if (is_half(promoted) && spec.name == "pow_scalar")
    params[0] = promoted == DType::BF16
                    ? static_cast<float>(BFloat16(static_cast<float>(params[0])))
                    : static_cast<float>(Half(static_cast<float>(params[0])));

  Plan p;
  p.n = nin + 1;
  p.fn = loop->fn;
  p.params = params;
  for (int k = 1; k < p.n; ++k) {
    const Operand& o = ops[k - 1];
    p.item[k] = itemsize(compute);
    p.splat[k] = !o.array;
    if (o.array) continue;
    if (compute != promoted && (is_wide_unsigned(promoted) || !exact_scalars) &&
        (is_half(promoted) || is_extended(promoted))) {  // rounded, as in PyTorch
      char rounded[kMaxItem];
      store_wrapped(o.scalar, promoted, rounded);
      convert(compute, p.scalars[k], promoted, rounded, 1);
    } else if (spec.name == "where" || spec.name == "masked_fill") {
      store_scalar(o.scalar, compute, p.scalars[k]);
    } else {
      store_wrapped(o.scalar, compute, p.scalars[k]);
    }
  }
  p.splat[0] = false;
  p.item[0] = itemsize(loop->out);

  // The usual case: one shape, one dtype, contiguous.
  if (uniform && first && first->dtype() == compute &&
      (!destination || (destination->contiguous() && destination->dtype() == loop->out &&
                        destination->same_shape(*first)))) {
    bool aliased = false;
    if (destination) {
      for (int k = 0; k < nin; ++k)
        aliased = aliased || (ops[k].array && conflicts(*destination, *ops[k].array));
    }
    if (!aliased && result == loop->out) {
      Array fresh;
      if (!destination) fresh = Array::empty(result, first->shape());
      const Array& out = destination ? *destination : fresh;
      p.numel = out.numel();
      p.base[0] = out.bytes();
      p.direct[0] = true;
      p.ndim = 0;
      bool splat = false;
      for (int k = 1; k < p.n; ++k) {
        p.direct[k] = !p.splat[k];
        splat = splat || p.splat[k];
        if (ops[k - 1].array) p.base[k] = ops[k - 1].array->bytes();
      }
      if (p.numel == 0) return fresh;
      if (!splat && static_cast<double>(p.numel) * loop->cost < 20000) {
        p.fn(p.base, p.numel, params);
      } else if (splat && p.numel <= 64) {
        alignas(64) char buffers[kMaxOperands][64 * kMaxItem];
        for (int k = 1; k < p.n; ++k) {
          if (p.splat[k]) {
            splat_fill(buffers[k], p.scalars[k], p.item[k], p.numel);
            p.base[k] = buffers[k];
          }
        }
        p.fn(p.base, p.numel, params);
      } else {
        execute(p, loop->cost);
      }
      return fresh;
    }
  }

  std::vector<int64_t> shape;
  for (int k = 0; k < nin; ++k) {
    if (!ops[k].array) continue;
    shape = ops[k].array == first
                ? std::vector<int64_t>(first->shape().begin(), first->shape().end())
                : broadcast_shapes(spec.name.c_str(), shape, ops[k].array->shape());
  }
  Array fresh;
  if (destination) {
    if (!std::equal(shape.begin(), shape.end(), destination->sizes(),
                    destination->sizes() + destination->ndim())) {
      fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
           shape_text(destination->shape()).c_str(), shape_text(shape).c_str());
    }
    if (!can_cast(result, destination->dtype())) {
      fail(ErrorType::Runtime, "result type %s can't be cast to the desired output type %s",
           dtype_scalar_name(result), dtype_scalar_name(destination->dtype()));
    }
    for (int d = 0; destination->numel() && d < destination->ndim(); ++d) {
      if (destination->sizes()[d] > 1 && destination->strides()[d] == 0) {
        fail(ErrorType::Runtime,
             "unsupported operation: more than one element of the written-to tensor refers to a "
             "single memory location. Please clone() the tensor before performing the operation.");
      }
    }
    result = destination->dtype();
  } else {
    const Array* operands[kMaxOperands];
    for (int k = 0; k < nin; ++k) operands[k] = ops[k].array;
    fresh = output_like(operands, nin, shape, result);
  }
  const Array& out = destination ? *destination : fresh;
  p.numel = out.numel();
  if (p.numel == 0) return fresh;
  Array copies[kMaxOperands];  // of inputs that the output would overwrite
  broadcast_strides(out, shape, p.strides[0]);
  p.base[0] = out.bytes();
  for (int k = 1; k < p.n; ++k) {
    const Array* a = ops[k - 1].array;
    if (!a) {
      std::fill(p.strides[k], p.strides[k] + shape.size(), 0);
      p.base[k] = p.scalars[k];
      continue;
    }
    if (destination && conflicts(out, *a)) {
      check_partial_overlap(out, *a);
      copies[k] = a->clone();
      a = &copies[k];
      // Keep reading through the copy: same shape, its own strides.
    }
    if (a->numel() == 1) {  // a 0-d tensor is a number whose value is in memory
      p.splat[k] = true;
      if (a->dtype() == compute) {
        std::memcpy(p.scalars[k], a->bytes(), static_cast<size_t>(p.item[k]));
      } else if (is_half(promoted) && compute != promoted && !exact_scalars) {
        char rounded[kMaxItem];
        convert(promoted, rounded, a->dtype(), a->bytes(), 1);
        convert(compute, p.scalars[k], promoted, rounded, 1);
      } else {
        convert(compute, p.scalars[k], a->dtype(), a->bytes(), 1);
      }
      std::fill(p.strides[k], p.strides[k] + shape.size(), 0);
      p.base[k] = p.scalars[k];
      continue;
    }
    if (is_half(promoted) && itemsize(a->dtype()) > 1 && is_integral(a->dtype())) {
      copies[k] = a->to(promoted);  // big integers are rounded before they are used
      a = &copies[k];
    }
    broadcast_strides(*a, shape, p.strides[k]);
    p.base[k] = a->bytes();
    p.load[k] = a->dtype() == compute ? nullptr : find_convert(compute, a->dtype());
  }
  p.load[0] = result == loop->out ? nullptr : find_convert(result, loop->out);
  coalesce(p, shape);
  for (int k = 0; k < p.n; ++k) p.direct[k] = !p.splat[k] && !p.load[k] && linear(p, k, p.item[k]);
  bool converts = false;
  for (int k = 0; k < p.n; ++k) converts = converts || (!p.splat[k] && !p.direct[k]);
  if (p.numel >= 4096 && tileable(p))
    execute_tiles(p, loop->cost + 0.3);
  else
    execute(p, loop->cost + (converts ? 0.3 : 0));
  return fresh;
}

}  // namespace rl
