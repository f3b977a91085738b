// The table of packed weights. The GIL guards it.
#include "packed.h"

#include <unordered_map>

#include "../core/kernel.h"
#include "../core/op.h"

namespace rl {
namespace {

struct Entry {
  int64_t offset = 0;
  uint32_t version = 0;
  uint64_t kind = 0;
  std::shared_ptr<Scratch<char>> memory;  // null while seen once only
  bool announced = false;
};
using Entries = std::unordered_map<const Storage*, std::vector<Entry>>;

Entries& entries() {
  static Entries* e = new Entries;  // never destroyed: storages may go after everything else
  return *e;
}

// Others may write to it without a new version.
bool open_to_others(const Storage* s) { return s->foreign || s->shared || s->exported; }

void forget(const Storage* s) { entries().erase(s); }

Entry* find(const Array& w) {
  const auto it = entries().find(w.storage());
  if (it == entries().end()) return nullptr;
  for (Entry& e : it->second)
    if (e.offset == w.offset()) return &e;
  return nullptr;
}

Entry& made(const Array& w) {
  if (Entry* e = find(w)) return *e;
  Storage* s = w.storage();
  g_storage_gone = forget;
  s->watched = true;
  entries()[s].push_back(Entry{.offset = w.offset()});
  return entries()[s].back();
}

}  // namespace

PackedWeights::PackedWeights(const Array& w, uint64_t kind) : w_(w), kind_(kind) {
  if (meta_call || open_to_others(w.storage())) return;
  Entry* e = find(w);
  const uint32_t version = w.storage()->version;
  const bool same = e && e->kind == kind && e->version == version;
  if (same && e->memory) {
    memory_ = e->memory;
    ready_ = keep_ = true;
  } else if (!modes.grad || (e && e->announced)) {
    if (!e) e = &made(w);
    keep_ = same || e->announced;
    e->kind = kind, e->version = version, e->memory = nullptr;
  }
}

PackedWeights::~PackedWeights() {
  if (!keep_ || !ready_ || open_to_others(w_.storage())) return;
  Entry* e = find(w_);
  if (e && !e->memory && e->kind == kind_ && e->version == w_.storage()->version)
    e->memory = memory_;
}

// keep_packed(weight): kernels keep their form of it from the first call on.
RL_FUNCTION(keep_packed) {
  if (nargs != 1) fail(ErrorType::Type, "keep_packed: got %zd arguments, expected 1", nargs);
  const Array& w = array_of(args[0]);
  if (!w.is_meta()) made(w).announced = true;
  return Py_NewRef(Py_None);
}

// How many packed weights are kept, for tests.
RL_FUNCTION(packed_weights) {
  (void)args, (void)nargs;
  int64_t n = 0;
  for (const auto& [storage, list] : entries())
    for (const Entry& e : list) n += e.memory ? 1 : 0;
  return PyLong_FromLongLong(n);
}

}  // namespace rl
