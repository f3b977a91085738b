// Plans: how they are put together, cached and executed.
#include "onednn_plan.h"

#if RL_ONEDNN

#include <list>
#include <unordered_map>

namespace rl {

dnnl_engine_t dnn_engine() {
  static dnnl_engine_t e = [] {
    dnnl_engine_t made = nullptr;
    if (dnn().engine_create(&made, dnnl_cpu, 0) != dnnl_success)
      fail(ErrorType::Runtime, "oneDNN: could not create a CPU engine");
    dnn().set_primitive_cache_capacity(64);  // ours keeps what is in use
    return made;
  }();
  return e;
}

void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success)
    fail(ErrorType::Runtime, "oneDNN: %s failed with status %d", what, status);
}

namespace {

constexpr size_t kMostPlans = 512;

dnnl_stream_t stream() {
  thread_local dnnl_stream_t s = [] {
    dnnl_stream_t made = nullptr;
    if (dnn().stream_create(&made, dnn_engine(), dnnl_stream_default_flags) != dnnl_success)
      fail(ErrorType::Runtime, "oneDNN: could not create a stream");
    return made;
  }();
  return s;
}

Memory memory_of(const_dnnl_memory_desc_t d) {
  Memory m;
  check(dnn().memory_create(m.out(), d, dnn_engine(), DNNL_MEMORY_NONE), "memory_create");
  return m;
}

dnnl_data_type_t data_type(DType t) { return t == DType::BF16 ? dnnl_bf16 : dnnl_f32; }

Primitive reorder_between(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to) {
  PrimitiveDesc pd;
  check(
      dnn().reorder_primitive_desc_create(pd.out(), from, dnn_engine(), to, dnn_engine(), nullptr),
      "reorder");
  Primitive p;
  check(dnn().primitive_create(p.out(), pd), "reorder");
  return p;
}

}  // namespace

// -- making ---------------------------------------------------------------------------------------

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

Attr user_scratchpad() {
  Attr a;
  check(dnn().primitive_attr_create(a.out()), "attr_create");
  check(dnn().primitive_attr_set_scratchpad_mode(a, dnnl_scratchpad_mode_user), "scratchpad mode");
  return a;
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

bool reference_implementation(const_dnnl_primitive_desc_t pd) {
  const char* name = nullptr;
  dnn().primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
  return name && std::string_view(name).find("ref") != std::string_view::npos;
}

// -- the cache ------------------------------------------------------------------------------------

namespace {

struct KeyHash {
  size_t operator()(const Key& k) const {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < k.n; ++i)
      h = (h ^ static_cast<uint64_t>(k.v[i])) * 0xff51afd7ed558ccdu, h ^= h >> 32;
    return h;
  }
};
using Entries = std::list<std::pair<Key, PlanPtr>>;
struct Cache {
  Entries entries;  // most recently used first
  std::unordered_map<Key, Entries::iterator, KeyHash> index;
};
Cache& cache() {
  static Cache* c = new Cache;  // never destroyed: the library may be unloaded first
  return *c;
}

}  // namespace

PlanPtr cached_plan(const Key& key) {
  Cache& c = cache();
  const auto it = c.index.find(key);
  if (it == c.index.end()) return nullptr;
  if (it->second != c.entries.begin()) c.entries.splice(c.entries.begin(), c.entries, it->second);
  return it->second->second;
}

void cache_plan(const Key& key, PlanPtr plan) {
  Cache& c = cache();
  c.entries.emplace_front(key, std::move(plan));
  c.index.emplace(key, c.entries.begin());
  if (c.entries.size() > kMostPlans) {
    c.index.erase(c.entries.back().first);
    c.entries.pop_back();
  }
}

// -- executing ------------------------------------------------------------------------------------

static void execute(dnnl_primitive_t p, const dnnl_exec_arg_t* args, int n) {
  check(dnn().primitive_execute(p, stream(), n, args), "execute");
}

void run_reorder(const Operand& o, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  execute(o.reorder, args, 2);
}

void bind(Plan& plan, void* const* pointers, Arena& arena, unsigned ready) {
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

void run(Plan& plan, unsigned ready) {
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

}  // namespace rl

#endif
