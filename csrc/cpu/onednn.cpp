// Products by oneDNN: those of bfloat16.
#include "onednn_plan.h"

#include "../core/kernel.h"

#if RL_ONEDNN

#include <bit>

namespace rl {
namespace {

PlanPtr make_gemm(DType t, const GemmArgs& g, int64_t batch, int64_t a_batch, int64_t b_batch,
                  int64_t c_batch, DType result) {
  auto plan = std::make_shared<Plan>();
  const int64_t a_sizes[3] = {a_batch ? batch : 1, g.m, g.k},
                a_strides[3] = {a_batch ? a_batch : g.m * g.k, g.a_row, g.a_col};
  const int64_t b_sizes[3] = {b_batch ? batch : 1, g.k, g.n},
                b_strides[3] = {b_batch ? b_batch : g.k * g.n, g.b_row, g.b_col};
  const int64_t c_sizes[3] = {batch, g.m, g.n}, c_strides[3] = {c_batch, g.c_row, 1};
  const int64_t bias_sizes[3] = {1, 1, g.n}, bias_strides[3] = {g.n, g.n, 1};
  // Without a batch the library knows more layouts.
  const int skip = batch == 1 ? 1 : 0, n = 3 - skip;
  const Desc a = strided_desc(n, a_sizes + skip, a_strides + skip, t);
  const Desc b = strided_desc(n, b_sizes + skip, b_strides + skip, t);
  const Desc c = strided_desc(n, c_sizes + skip, c_strides + skip, result);
  const Desc bias =
      g.bias ? strided_desc(n, bias_sizes + skip, bias_strides + skip, result) : Desc();
  const Attr attr = user_scratchpad();
  const float alpha = static_cast<float>(g.alpha.real()), beta = static_cast<float>(g.beta.real());
  PostOps post;
  check(dnn().post_ops_create(post.out()), "post_ops");
  if (alpha != 1)
    check(dnn().post_ops_append_eltwise(post, dnnl_eltwise_linear, alpha, 0), "post_ops");
  if (beta != 0) check(dnn().post_ops_append_sum(post, beta, 0, dnnl_data_type_undef), "post_ops");
  check(dnn().primitive_attr_set_post_ops(attr, post), "post_ops");
  const dnnl_status_t status =
      dnn().matmul_primitive_desc_create(plan->pd.out(), dnn_engine(), a, b, bias, c, attr);
  if (status != dnnl_success || reference_implementation(plan->pd)) return plan;
  add_operand(*plan, DNNL_ARG_SRC, dnnl_query_src_md, a, false);
  add_operand(*plan, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, b, false);
  add_operand(*plan, DNNL_ARG_DST, dnnl_query_dst_md, c, true);
  if (g.bias) add_bias(*plan, DNNL_ARG_BIAS, bias);
  finish(*plan);
  return plan;
}

}  // namespace

bool dnn_gemm(DType t, const GemmArgs& g, int64_t batch, int64_t a_batch, int64_t b_batch,
              int64_t c_batch, bool c_float) {
  if (meta_call) return true;
  // The library would scale the bias too.
  if (t != DType::BF16 || (g.bias && g.alpha != c128(1))) return false;
  if (g.m == 0 || g.n == 0 || g.k == 0 || batch == 0 || !dnn_available()) return false;
  // One of the strides must be 1, or the library has only slow paths.
  if ((g.a_row != 1 && g.a_col != 1) || (g.b_row != 1 && g.b_col != 1)) return false;
  const int threads = threads_for(batch * g.m * g.n * g.k);
  Key k;
  k.add(1000 + static_cast<int64_t>(t) * 4 + (c_float ? 2 : 0) + (g.bias ? 1 : 0));
  k.add(std::bit_cast<int64_t>(g.alpha.real()));
  k.add(std::bit_cast<int64_t>(g.beta.real()));
  for (const int64_t x : {g.m, g.n, g.k, g.a_row, g.a_col, g.b_row, g.b_col, g.c_row, batch,
                          a_batch, b_batch, c_batch, int64_t{threads}})
    k.add(x);
  const Threads use(threads);
  const DType result = c_float ? DType::F32 : t;
  const Lease plan(
      find_plan(k, [&] { return make_gemm(t, g, batch, a_batch, b_batch, c_batch, result); }));
  if (!plan->supported) return false;
  Arena arena;
  void* pointers[4] = {const_cast<void*>(g.a), const_cast<void*>(g.b), g.c,
                       const_cast<void*>(g.bias)};
  bind(*plan, pointers, arena);
  NoGil nogil(batch * g.m * g.n * g.k / 64);
  run(*plan);
  return true;
}

}  // namespace rl

#else

namespace rl {
bool dnn_gemm(DType, const GemmArgs&, int64_t, int64_t, int64_t, int64_t, bool) { return false; }
}  // namespace rl

#endif

namespace rl {

// Whether this build has the library, for torch.backends.mkldnn.
RL_FUNCTION(has_onednn) {
  (void)args;
  (void)nargs;
  return PyBool_FromLong(RL_ONEDNN);
}

}  // namespace rl
