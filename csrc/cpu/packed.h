// Weights in the layout that a kernel multiplies with, kept while nobody writes to them.
//
// A call under no_grad or inference_mode that meets the same version of the same weights a second
// time keeps what it made of them. It is forgotten with the weights, with their next version, and
// when another kernel wants another layout: one copy at most.
#pragma once
#include <memory>

#include "../core/array.h"

namespace rl {

// Made, and destroyed, while holding the GIL; the memory may be filled and read without it.
class PackedWeights {
  using Memory = std::shared_ptr<Scratch<char>>;
  const Array& w_;
  uint64_t kind_;
  Memory memory_;
  bool keep_ = false, ready_ = false;

 public:
  // `kind` tells layouts apart; it is never 0.
  PackedWeights(const Array& w, uint64_t kind, size_t bytes);
  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  char* data() const { return memory_->get(); }
  bool ready() const { return ready_; }  // else the caller fills it and says so
  void filled() { ready_ = true; }
  bool lasting() const { return keep_; }  // filled or not, it will be there the next time
};

}  // namespace rl
