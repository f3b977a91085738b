// oneDNN behind the kernels: engine, primitive cache, execution.
//
// A Plan is a primitive with its memory objects, made once per problem and thread count, kept in
// a bounded least-recently-used cache; a call sets the data pointers and executes. Operands whose
// library layout differs from ours are converted by reorders into scratch memory of our allocator.
// Everything but the execution itself runs under the GIL, which is what guards the cache.
#include "onednn.h"

#include "../core/kernel.h"

#if RL_ONEDNN

#include "onednn_library.h"
#include "packed.h"

#include <bit>
#include <list>
#include <memory>
#include <unordered_map>

namespace rl {
namespace {

constexpr size_t kMostPlans = 512;

dnnl_engine_t engine() {
  static dnnl_engine_t e = [] {
    dnnl_engine_t made = nullptr;
    if (dnn().engine_create(&made, dnnl_cpu, 0) != dnnl_success)
      fail(ErrorType::Runtime, "oneDNN: could not create a CPU engine");
    dnn().set_primitive_cache_capacity(64);  // ours keeps what is in use
    return made;
  }();
  return e;
}

dnnl_stream_t stream() {
  thread_local dnnl_stream_t s = [] {
    dnnl_stream_t made = nullptr;
    if (dnn().stream_create(&made, engine(), dnnl_stream_default_flags) != dnnl_success)
      fail(ErrorType::Runtime, "oneDNN: could not create a stream");
    return made;
  }();
  return s;
}

void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success)
    fail(ErrorType::Runtime, "oneDNN: %s failed with status %d", what, status);
}

template <class H, dnnl_status_t (*OneDnn::*destroy)(H)>
struct Handle {
  H h = nullptr;
  Handle() = default;
  explicit Handle(H made) : h(made) {}
  Handle(Handle&& o) noexcept : h(std::exchange(o.h, nullptr)) {}
  Handle& operator=(Handle&& o) noexcept {
    std::swap(h, o.h);
    return *this;
  }
  ~Handle() {
    if (h) (dnn().*destroy)(h);
  }
  operator H() const { return h; }
  H* out() { return &h; }
};
using Desc = Handle<dnnl_memory_desc_t, &OneDnn::memory_desc_destroy>;
using PrimitiveDesc = Handle<dnnl_primitive_desc_t, &OneDnn::primitive_desc_destroy>;
using Primitive = Handle<dnnl_primitive_t, &OneDnn::primitive_destroy>;
using Memory = Handle<dnnl_memory_t, &OneDnn::memory_destroy>;
using Attr = Handle<dnnl_primitive_attr_t, &OneDnn::primitive_attr_destroy>;
using PostOps = Handle<dnnl_post_ops_t, &OneDnn::post_ops_destroy>;

Memory memory_of(const_dnnl_memory_desc_t d) {
  Memory m;
  check(dnn().memory_create(m.out(), d, engine(), DNNL_MEMORY_NONE), "memory_create");
  return m;
}

dnnl_data_type_t data_type(DType t) { return t == DType::BF16 ? dnnl_bf16 : dnnl_f32; }

// One operand: its memory in the primitive's layout and, when that is not ours, in ours too.
struct Operand {
  int arg = 0;
  bool output = false;
  Memory library, plain;
  Primitive reorder;
  const_dnnl_memory_desc_t desc = nullptr;  // the library's, owned by the primitive desc
  size_t bytes = 0;
};

struct Plan {
  PrimitiveDesc pd;
  Primitive primitive;
  std::vector<Operand> operands;
  Memory scratch;
  size_t scratch_bytes = 0;
  bool supported = false;
  bool busy = false;                // executing in a thread that released the GIL
  uint64_t serial = next_serial();  // names the layout of its weights

  static uint64_t next_serial() {
    static uint64_t last = 1000;
    return ++last;
  }
};

Attr user_scratchpad() {
  Attr a;
  check(dnn().primitive_attr_create(a.out()), "attr_create");
  check(dnn().primitive_attr_set_scratchpad_mode(a, dnnl_scratchpad_mode_user), "scratchpad mode");
  return a;
}

Primitive reorder_between(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to) {
  PrimitiveDesc pd;
  check(dnn().reorder_primitive_desc_create(pd.out(), from, engine(), to, engine(), nullptr),
        "reorder");
  Primitive p;
  check(dnn().primitive_create(p.out(), pd), "reorder");
  return p;
}

void add_operand(Plan& plan, int arg, dnnl_query_t query, const_dnnl_memory_desc_t plain,
                 bool output) {
  Operand o;
  o.arg = arg;
  o.output = output;
  o.desc = dnn().primitive_desc_query_md(plan.pd, query, 0);
  o.library = memory_of(o.desc);
  if (!dnn().memory_desc_equal(o.desc, plain)) {
    o.bytes = dnn().memory_desc_get_size(o.desc);
    o.plain = memory_of(plain);
    o.reorder = output ? reorder_between(o.desc, plain) : reorder_between(plain, o.desc);
  }
  plan.operands.push_back(std::move(o));
}

void add_bias(Plan& plan, int arg, const_dnnl_memory_desc_t desc) {
  Operand o;
  o.arg = arg;
  o.library = memory_of(desc);
  plan.operands.push_back(std::move(o));
}

void finish(Plan& plan) {
  check(dnn().primitive_create(plan.primitive.out(), plan.pd), "primitive_create");
  const_dnnl_memory_desc_t d = dnn().primitive_desc_query_md(plan.pd, dnnl_query_scratchpad_md, 0);
  plan.scratch_bytes = d ? dnn().memory_desc_get_size(d) : 0;
  if (plan.scratch_bytes) plan.scratch = memory_of(d);
  plan.supported = true;
}

// -- the cache ---------------------------------------------------------------------------------
struct Key {
  int64_t v[32];
  int n = 0;
  void add(int64_t x) { v[n++] = x; }
  bool operator==(const Key& o) const { return n == o.n && std::equal(v, v + n, o.v); }
};
struct KeyHash {
  size_t operator()(const Key& k) const {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < k.n; ++i)
      h = (h ^ static_cast<uint64_t>(k.v[i])) * 0xff51afd7ed558ccdu, h ^= h >> 32;
    return h;
  }
};
using PlanPtr = std::shared_ptr<Plan>;
using Entries = std::list<std::pair<Key, PlanPtr>>;
struct Cache {
  Entries entries;  // most recently used first
  std::unordered_map<Key, Entries::iterator, KeyHash> index;
};
Cache& cache() {
  static Cache* c = new Cache;  // never destroyed: the library may be unloaded first
  return *c;
}

// Marks the plan as executing; made and destroyed under the GIL.
class Lease {
  PlanPtr plan_;

 public:
  explicit Lease(PlanPtr p) : plan_(std::move(p)) { plan_->busy = true; }
  ~Lease() { plan_->busy = false; }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Plan& operator*() const { return *plan_; }
  Plan* operator->() const { return plan_.get(); }
};

template <class Make>
PlanPtr find_plan(const Key& key, Make&& make) {
  Cache& c = cache();
  const auto it = c.index.find(key);
  if (it != c.index.end()) {
    if (it->second != c.entries.begin()) c.entries.splice(c.entries.begin(), c.entries, it->second);
    if (!it->second->second->busy) return it->second->second;
    return make();  // another thread executes it: its memory objects are taken
  }
  PlanPtr plan = make();
  c.entries.emplace_front(key, plan);
  c.index.emplace(key, c.entries.begin());
  if (c.entries.size() > kMostPlans) {
    c.index.erase(c.entries.back().first);
    c.entries.pop_back();
  }
  return plan;
}

// A primitive is made for a number of threads and must run with it.
class Threads {
  int before_ = 0;
  Region region_;

 public:
  explicit Threads(int n) : region_(n > 1) {
    if (omp_get_max_threads() != n) before_ = omp_get_max_threads(), omp_set_num_threads(n);
  }
  ~Threads() {
    if (before_) omp_set_num_threads(before_);
  }
};

// Threads for `flops` multiply-adds: a parallel region costs more than tiny work.
int threads_for(int64_t flops) { return flops < 400000 ? 1 : free_threads(); }

void execute(dnnl_primitive_t p, const dnnl_exec_arg_t* args, int n) {
  check(dnn().primitive_execute(p, stream(), n, args), "execute");
}

void run_reorder(const Operand& o, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  execute(o.reorder, args, 2);
}

// Scratch memory of one call, in the order it is asked for. Made under the GIL.
class Arena {
  std::vector<std::unique_ptr<Scratch<char>>> blocks_;

 public:
  char* take(size_t bytes) {
    blocks_.push_back(std::make_unique<Scratch<char>>(bytes));
    return blocks_.back()->get();
  }
  void keep_only(const void* kept) {
    std::erase_if(blocks_, [&](const auto& b) { return b->get() != kept; });
  }
};

// Points the plan's memory at the data; operands that need a reorder get scratch. pointers[i]
// belongs to operand i. `ready` operands, one bit each, are in the library's layout already.
void bind(Plan& plan, void* const* pointers, Arena& arena, unsigned ready = 0) {
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    Operand& o = plan.operands[i];
    if (!o.reorder || ready >> i & 1) {
      check(dnn().memory_set_data_handle(o.library, pointers[i]), "set_data_handle");
      continue;
    }
    check(dnn().memory_set_data_handle(o.plain, pointers[i]), "set_data_handle");
    check(dnn().memory_set_data_handle(o.library, arena.take(o.bytes)), "set_data_handle");
  }
  if (plan.scratch_bytes)
    check(dnn().memory_set_data_handle(plan.scratch, arena.take(plan.scratch_bytes)),
          "set_data_handle");
}

void run(Plan& plan, unsigned ready = 0) {
  dnnl_exec_arg_t args[8];
  int n = 0;
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    const Operand& o = plan.operands[i];
    if (o.reorder && !o.output && !(ready >> i & 1)) run_reorder(o, o.plain, o.library);
    args[n++] = {o.arg, o.library};
  }
  if (plan.scratch_bytes) args[n++] = {DNNL_ARG_SCRATCHPAD, plan.scratch};
  execute(plan.primitive, args, n);
  for (const Operand& o : plan.operands)
    if (o.reorder && o.output) run_reorder(o, o.library, o.plain);
}

bool reference_implementation(const_dnnl_primitive_desc_t pd) {
  const char* name = nullptr;
  dnn().primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
  return name && std::string_view(name).find("ref") != std::string_view::npos;
}

// -- convolutions --------------------------------------------------------------------------------
Desc strided_desc(int n, const int64_t* sizes, const int64_t* strides, DType t) {
  Desc d;
  check(dnn().memory_desc_create_with_strides(d.out(), n, sizes, data_type(t), strides),
        "memory_desc");
  return d;
}

Desc any_desc(int n, const int64_t* sizes, DType t) {
  Desc d;
  check(dnn().memory_desc_create_with_tag(d.out(), n, sizes, data_type(t), dnnl_format_tag_any),
        "memory_desc");
  return d;
}

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
        hint.out(), engine(), dnnl_forward_training, alg, px, any_w, nullptr, py, stride, dilation,
        low, high, attr);
    if (status != dnnl_success) return plan;
  }
  if (pass == ConvPass::Forward)
    status = dnn().convolution_forward_primitive_desc_create(
        plan->pd.out(), engine(), dnnl_forward_training, alg, px, any_w, b, py, stride, dilation,
        low, high, attr);
  else if (pass == ConvPass::Data)
    status = dnn().convolution_backward_data_primitive_desc_create(
        plan->pd.out(), engine(), alg, px, any_w, py, stride, dilation, low, high, hint, attr);
  else
    status = dnn().convolution_backward_weights_primitive_desc_create(
        plan->pd.out(), engine(), alg, px, any_w, b, py, stride, dilation, low, high, hint, attr);
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

// -- products ------------------------------------------------------------------------------------
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
      dnn().matmul_primitive_desc_create(plan->pd.out(), engine(), a, b, bias, c, attr);
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

#else  // !RL_ONEDNN

namespace rl {
bool dnn_gemm(DType, const GemmArgs&, int64_t, int64_t, int64_t, int64_t, bool) { return false; }
bool dnn_conv(ConvPass, DType, const ConvShape&, void*, const Array&, void*, void*) {
  return false;
}
bool dnn_conv_backward(DType, const ConvShape&, const void*, const void*, const void*, void*, void*,
                       void*) {
  return false;
}
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
