// Weights in the layout that a kernel multiplies with, kept while nobody writes to them.
//
// A call under no_grad or inference_mode that meets the same version of the same weights a second
// time keeps what it made of them; weights that were announced (`_C.keep_packed`) are kept at once
// and by every call. What is kept is forgotten with the weights, with their next version, and when
// another kernel wants another layout: one copy at most.
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
  PackedWeights(const Array& w, uint64_t kind);  // `kind` tells layouts apart; it is never 0
  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  bool ready() const { return ready_; }   // else the caller makes memory, fills it and says so
  bool lasting() const { return keep_; }  // what is filled now will be there the next time
  char* data() const { return memory_->get(); }
  char* make(size_t bytes) {
    if (!memory_) memory_ = std::make_shared<Scratch<char>>(bytes);
    return data();
  }
  void filled() { ready_ = true; }
};

}  // namespace rl
