// Plans: primitives of oneDNN with their memory objects, made once per problem and thread count and
// kept in a bounded least-recently-used cache; a call sets the data pointers and executes.
//
// Operands whose library layout differs from ours are converted by reorders into scratch memory of
// our allocator. Everything but the execution itself runs under the GIL, which is what guards the
// cache.
#pragma once
#include "onednn.h"

#if RL_ONEDNN

#include <memory>

#include "../core/kernel.h"
#include "onednn_library.h"

namespace rl {

dnnl_engine_t dnn_engine();
void check(dnnl_status_t status, const char* what);  // RuntimeError unless it is a success

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

Attr user_scratchpad();
Desc strided_desc(int n, const int64_t* sizes, const int64_t* strides, DType t);
Desc any_desc(int n, const int64_t* sizes, DType t);
void add_operand(Plan& plan, int arg, dnnl_query_t query, const_dnnl_memory_desc_t plain,
                 bool output);
void add_bias(Plan& plan, int arg, const_dnnl_memory_desc_t desc);
void finish(Plan& plan);  // its description and its operands are there
bool reference_implementation(const_dnnl_primitive_desc_t pd);

struct Key {
  int64_t v[32];
  int n = 0;
  void add(int64_t x) { v[n++] = x; }
  bool operator==(const Key& o) const { return n == o.n && std::equal(v, v + n, o.v); }
};
using PlanPtr = std::shared_ptr<Plan>;
PlanPtr cached_plan(const Key& key);  // null: none
void cache_plan(const Key& key, PlanPtr plan);

template <class Make>
PlanPtr find_plan(const Key& key, Make&& make) {
  PlanPtr plan = cached_plan(key);
  if (plan && plan->busy) return make();  // another thread executes it: its memory is taken
  if (!plan) cache_plan(key, plan = make());
  return plan;
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
inline int threads_for(int64_t flops) { return flops < 400000 ? 1 : free_threads(); }

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
void bind(Plan& plan, void* const* pointers, Arena& arena, unsigned ready = 0);
void run(Plan& plan, unsigned ready = 0);
void run_reorder(const Operand& o, dnnl_memory_t from, dnnl_memory_t to);

}  // namespace rl

#endif
