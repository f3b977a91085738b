// What one backward run knows of each node: a table by address, and the memory that runs hand on.
#pragma once
#include <vector>

#include "engine.h"

namespace rl {

struct State {
  Node* node;
  int dependencies = 0;
  enum : uint8_t { Unseen, Open, Done } visit = Unseen;  // of what looks for the needed ones
  int captures = -1;                                     // first of the node's captures
  bool needed = true;
  Gradients gradients;  // one per output of the node, owned; null where none arrived

  explicit State(Node* n) : node(n) {}
};

// A table of positions, open addressing, over the states themselves. They stay where they are once
// all are added.
class States {
  std::vector<State> states_;
  std::vector<uint32_t> places_;  // position + 1; 0: free

  size_t place(const Node* n) const {
    const size_t mask = places_.size() - 1;
    size_t i = (reinterpret_cast<uintptr_t>(n) >> 4) * 0x9E3779B97F4A7C15u >> 32 & mask;
    while (places_[i] && states_[places_[i] - 1].node != n) i = (i + 1) & mask;
    return i;
  }
  void widen() {
    places_.assign(std::max<size_t>(places_.size() * 2, 32), 0);
    for (size_t k = 0; k < states_.size(); ++k)
      places_[place(states_[k].node)] = static_cast<uint32_t>(k + 1);
  }

 public:
  State* find(const Node* n) {
    const uint32_t found = places_.empty() ? 0 : places_[place(n)];
    return found ? &states_[found - 1] : nullptr;
  }
  State& operator[](const Node* n) { return *find(n); }  // of a node that was added
  bool add(Node* n) {                                    // false: it was there
    if (states_.size() * 2 >= places_.size()) widen();
    uint32_t& found = places_[place(n)];
    if (found) return false;
    states_.emplace_back(n);
    found = static_cast<uint32_t>(states_.size());
    return true;
  }
  size_t capacity() const { return places_.size(); }
  void clear() {
    states_.clear();
    std::fill(places_.begin(), places_.end(), 0);
  }
  auto begin() { return states_.begin(); }
  auto end() { return states_.end(); }
};

// The memory of a run. A small one leaves it to the next, which then asks for none.
struct Workspace {
  States states;
  std::vector<Node*> ready, stack;

  Workspace() { trade(); }
  ~Workspace() {
    states.clear(), ready.clear(), stack.clear();
    if (states.capacity() <= 1024) trade();
  }
  Workspace(const Workspace&) = delete;

 private:
  void trade() {
    static States spare;
    static std::vector<Node*> spare_ready, spare_stack;
    std::swap(states, spare);
    ready.swap(spare_ready), stack.swap(spare_stack);
  }
};

}  // namespace rl
