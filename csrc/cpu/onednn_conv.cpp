// Convolutions by oneDNN, in its own layouts.
#include "onednn_plan.h"

#if RL_ONEDNN

#include "packed.h"

namespace rl {
namespace {

// Dims in the order (batch, channels, spatial...), row-major or with the channels innermost.
void image_dims(const ConvShape& s, int64_t channels, const int64_t* space, int64_t* sizes,
                int64_t* strides) {
  sizes[0] = s.n, sizes[1] = channels;
  for (int i = 0; i < s.dims; ++i) sizes[2 + i] = space[3 - s.dims + i];
  int64_t step = s.channels_last ? channels : 1;
  for (int i = s.dims - 1; i >= 0; --i) strides[2 + i] = step, step *= sizes[2 + i];
  strides[1] = s.channels_last ? 1 : step;
  strides[0] = s.channels_last ? step : step * channels;
}

// (groups,) outputs, inputs, kernel...
int weight_dims(const ConvShape& s, int64_t* sizes, int64_t* strides) {
  int n = 0;
  if (s.groups > 1) sizes[n++] = s.groups;
  sizes[n++] = s.y_channels / s.groups;
  sizes[n++] = s.x_channels / s.groups;
  for (int i = 0; i < s.dims; ++i) sizes[n++] = s.kernel[3 - s.dims + i];
  const int inputs = s.groups > 1 ? 2 : 1;
  int64_t step = s.channels_last ? sizes[inputs] : 1;
  for (int i = n - 1; i > inputs; --i) strides[i] = step, step *= sizes[i];
  strides[inputs] = s.channels_last ? 1 : step;
  if (!s.channels_last) step *= sizes[inputs];
  for (int i = inputs - 1; i >= 0; --i) strides[i] = step, step *= sizes[i];
  return n;
}

Key conv_key(ConvPass pass, DType t, const ConvShape& s, bool bias, int threads) {
  Key k;
  k.add(static_cast<int64_t>(pass) * 4 + (g_conv_bf16 ? 16 : 0) + (bias ? 2 : 0) +
        (s.channels_last ? 1 : 0));
  k.add(static_cast<int64_t>(t) * 64 + s.dims * 16384 + threads * 65536);
  for (const int64_t x : {s.n, s.x_channels, s.y_channels, s.groups}) k.add(x);
  for (int i = 3 - s.dims; i < 3; ++i)
    for (const int64_t x : {s.x[i], s.y[i], s.kernel[i], s.stride[i], s.pad[i], s.dilation[i]})
      k.add(x);
  return k;
}

PlanPtr make_conv(ConvPass pass, DType t, const ConvShape& s, bool bias) {
  auto plan = std::make_shared<Plan>();
  int64_t sizes[5], strides[5], wsizes[6], wstrides[6];
  image_dims(s, s.x_channels, s.x, sizes, strides);
  const Desc x = strided_desc(2 + s.dims, sizes, strides, t),
             any_x = any_desc(2 + s.dims, sizes, t);
  image_dims(s, s.y_channels, s.y, sizes, strides);
  const Desc y = strided_desc(2 + s.dims, sizes, strides, t),
             any_y = any_desc(2 + s.dims, sizes, t);
  const int wn = weight_dims(s, wsizes, wstrides);
  const Desc w = strided_desc(wn, wsizes, wstrides, t), any_w = any_desc(wn, wsizes, t);
  const int64_t one = 1;
  const Desc b = bias ? strided_desc(1, &s.y_channels, &one, t) : Desc();
  // In channels-last memory the library's layout for it is as good as its own blocked one.
  const const_dnnl_memory_desc_t px = s.channels_last ? x : any_x, py = s.channels_last ? y : any_y;
  int64_t stride[3], dilation[3], low[3], high[3];
  for (int i = 0; i < s.dims; ++i) {
    const int j = 3 - s.dims + i;
    stride[i] = s.stride[j], dilation[i] = s.dilation[j] - 1, low[i] = s.pad[j];
    high[i] =
        (s.y[j] - 1) * s.stride[j] + (s.kernel[j] - 1) * s.dilation[j] + 1 - s.x[j] - s.pad[j];
  }
  const Attr attr = user_scratchpad();
  if (g_conv_bf16)
    check(dnn().primitive_attr_set_fpmath_mode(attr, dnnl_fpmath_mode_bf16), "fpmath mode");
  const auto alg = dnnl_convolution_direct;
  dnnl_status_t status;
  PrimitiveDesc hint;
  if (pass != ConvPass::Forward) {
    // The backward passes want a forward description as a hint.
    status = dnn().convolution_forward_primitive_desc_create(
        hint.out(), dnn_engine(), dnnl_forward_training, alg, px, any_w, nullptr, py, stride,
        dilation, low, high, attr);
    if (status != dnnl_success) return plan;
  }
  if (pass == ConvPass::Forward)
    status = dnn().convolution_forward_primitive_desc_create(
        plan->pd.out(), dnn_engine(), dnnl_forward_training, alg, px, any_w, b, py, stride,
        dilation, low, high, attr);
  else if (pass == ConvPass::Data)
    status = dnn().convolution_backward_data_primitive_desc_create(
        plan->pd.out(), dnn_engine(), alg, px, any_w, py, stride, dilation, low, high, hint, attr);
  else
    status = dnn().convolution_backward_weights_primitive_desc_create(
        plan->pd.out(), dnn_engine(), alg, px, any_w, b, py, stride, dilation, low, high, hint,
        attr);
  if (status != dnnl_success || reference_implementation(plan->pd)) return plan;
  if (pass == ConvPass::Forward) {
    add_operand(*plan, DNNL_ARG_SRC, dnnl_query_src_md, x, false);
    add_operand(*plan, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, w, false);
    add_operand(*plan, DNNL_ARG_DST, dnnl_query_dst_md, y, true);
    if (bias) add_bias(*plan, DNNL_ARG_BIAS, b);
  } else if (pass == ConvPass::Data) {
    add_operand(*plan, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, x, true);
    add_operand(*plan, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, w, false);
    add_operand(*plan, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, y, false);
  } else {
    add_operand(*plan, DNNL_ARG_SRC, dnnl_query_src_md, x, false);
    add_operand(*plan, DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, w, true);
    add_operand(*plan, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, y, false);
    if (bias) add_bias(*plan, DNNL_ARG_DIFF_BIAS, b);
  }
  finish(*plan);
  return plan;
}

PlanPtr find_conv(ConvPass pass, DType t, const ConvShape& s, bool bias, int threads) {
  return find_plan(conv_key(pass, t, s, bias, threads),
                   [&] { return make_conv(pass, t, s, bias); });
}

constexpr int kW = 1, kY = 2;  // the places of the weights and of y among a plan's operands

}  // namespace

bool dnn_conv(ConvPass pass, DType t, const ConvShape& s, void* x, const Array& w, void* bias,
              void* y) {
  if ((t != DType::F32 && t != DType::BF16) || !dnn_available()) return false;
  const int threads = threads_for(s.flops());
  const Threads use(threads);
  const Lease plan(find_conv(pass, t, s, bias != nullptr, threads));
  if (!plan->supported) return false;
  Arena arena;
  void* pointers[4] = {x, w.bytes(), y, bias};
  Operand& weights = plan->operands[kW];
  if (pass == ConvPass::Weights || !weights.reorder) {
    bind(*plan, pointers, arena);
    NoGil nogil(s.flops() / 64);
    run(*plan);
    return true;
  }
  PackedWeights packed(w, plan->serial);
  pointers[kW] = packed.make(weights.bytes);
  bind(*plan, pointers, arena, 1u << kW);
  if (!packed.ready())
    check(dnn().memory_set_data_handle(weights.plain, w.bytes()), "set_data_handle");
  NoGil nogil(s.flops() / 64);
  if (!packed.ready()) run_reorder(weights, weights.plain, weights.library);
  packed.filled();
  run(*plan, 1u << kW);
  return true;
}

bool dnn_conv_backward(DType t, const ConvShape& s, const void* x, const void* w, const void* gy,
                       void* gx, void* gw, void* gbias) {
  if (meta_call) return true;
  if ((t != DType::F32 && t != DType::BF16) || !dnn_available()) return false;
  const int threads = threads_for(s.flops());
  const Threads use(threads);
  const Lease data(find_conv(ConvPass::Data, t, s, false, threads));
  if (!data->supported) return false;
  const Lease weights(find_conv(ConvPass::Weights, t, s, gbias != nullptr, threads));
  if (!weights->supported) return false;
  Arena arena;
  void* dp[3] = {gx, const_cast<void*>(w), const_cast<void*>(gy)};
  void* wp[4] = {const_cast<void*>(x), gw, const_cast<void*>(gy), gbias};
  bind(*data, dp, arena);
  {
    NoGil nogil(s.flops() / 64);
    run(*data);
  }
  const Operand &dy = data->operands[kY], &wy = weights->operands[kY];
  unsigned ready = 0;
  if (dy.reorder && wy.reorder && dnn().memory_desc_equal(dy.desc, wy.desc)) {
    ready = 1u << kY;
    check(dnn().memory_get_data_handle(dy.library, &wp[kY]), "get_data_handle");
  }
  arena.keep_only(ready ? wp[kY] : nullptr);
  bind(*weights, wp, arena, ready);
  NoGil nogil(s.flops() / 64);
  run(*weights, ready);
  return true;
}

}  // namespace rl

#else

namespace rl {
bool dnn_conv(ConvPass, DType, const ConvShape&, void*, const Array&, void*, void*) {
  return false;
}
bool dnn_conv_backward(DType, const ConvShape&, const void*, const void*, const void*, void*, void*,
                       void*) {
  return false;
}
}  // namespace rl

#endif
