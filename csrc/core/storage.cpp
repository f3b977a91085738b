// Storage, and the addresses that stand for the memory of meta tensors.
#include "storage.h"

#include <Python.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "error.h"
#include "memory_hook.h"

namespace rl {

constexpr size_t kHeader = 64;  // from Storage to data of any size, which stays 64-byte aligned

void (*g_memory_hook)(void* address, int64_t bytes) = nullptr;

static void count_memory(const Storage* s, bool comes) {
  const int64_t bytes = static_cast<int64_t>(s->nbytes());
  if (g_memory_hook && bytes && !s->foreign) g_memory_hook(s->data, comes ? bytes : -bytes);
}

thread_local bool meta_call __attribute__((tls_model("initial-exec"))) = false;

thread_local Making making __attribute__((tls_model("initial-exec")));

void no_elements() { throw NoElements(); }

namespace {
// Addresses without memory behind them: pages come only where somebody touches them.
struct Window {
  char* base = nullptr;
  size_t size = 0, used = 0;
  std::vector<std::pair<const void*, char*>> places;  // of storages, in the call that runs
} g_window;

void widen_window(size_t nbytes) {
  size_t size = std::max(size_t{1} << 36, g_window.size);
  while (size < nbytes && size < (size_t{1} << 46)) size *= 2;
  void* p = size < nbytes ? MAP_FAILED
                          : mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    fail(ErrorType::Runtime, "meta tensor: no room for addresses of %zu bytes", nbytes);
  g_window.base = static_cast<char*>(p);  // an earlier one stays: the kernel may look into it
  g_window.size = size;
  g_window.used = 0;
}
}  // namespace

char* meta_window(const void* owner, size_t nbytes) {
  if (!meta_call) no_elements();
  for (const auto& [who, where] : g_window.places)
    if (owner && who == owner) return where;
  nbytes = (nbytes + 63) / 64 * 64;
  if (nbytes > g_window.size - g_window.used) widen_window(nbytes);
  char* where = g_window.base + g_window.used;
  g_window.used += nbytes;
  if (owner) g_window.places.emplace_back(owner, where);
  return where;
}

void meta_window_close() {
  if (g_window.used) madvise(g_window.base, g_window.used, MADV_DONTNEED);
  g_window.used = 0;
  g_window.places.clear();
}

static void meta_window_forget(const void* owner) {
  std::erase_if(g_window.places, [owner](const auto& place) { return place.first == owner; });
}

static Storage* header(size_t block) {
  Storage* s = static_cast<Storage*>(cpu_alloc(block));
  *s = Storage{};
  s->bin = static_cast<uint64_t>(cpu_bin(block));
  return s;
}

static Storage* storage_meta(size_t nbytes) {
  Storage* s = header(sizeof(Storage));
  s->imagined_ = nbytes;
  s->device = DeviceType::Meta;
  return s;
}

Storage* storage_new(size_t nbytes) {
  if (meta_call) [[unlikely]]
    return storage_meta(nbytes);
  // One element fits into the header, some more behind it into its cache line.
  const size_t at = nbytes <= sizeof(Storage::few)        ? offsetof(Storage, few)
                    : nbytes <= kHeader - sizeof(Storage) ? sizeof(Storage)
                                                          : kHeader;
  Storage* s = header(std::max(at + nbytes, sizeof(Storage)));
  s->data = reinterpret_cast<char*>(s) + at;
  s->bytes = nbytes;
  s->inside = true;
  count_memory(s, true);
  return s;
}

Storage* storage_foreign(void* data, size_t nbytes, PyObject* owner) {
  Storage* s = header(sizeof(Storage));
  s->data = static_cast<char*>(data);
  s->bytes = nbytes;
  s->set_owner(Py_XNewRef(owner));
  return s;
}

// The memory behind the header's own, when it is ours.
static void release_data(Storage* s) {
  if (s->foreign) {
    PyObject* owner = s->owner();
    s->set_owner(nullptr);
    Py_DECREF(owner);
  } else if (!s->inside) {
    if (s->data) cpu_free(s->data, s->bytes);
    if (s->device == DeviceType::Meta) meta_window_forget(s);
  }
}

void (*g_storage_gone)(const Storage* s) = nullptr;

void storage_free(Storage* s) {
  if (s->watched) g_storage_gone(s);
  count_memory(s, false);
  release_data(s);
  cpu_free(s, cpu_bin_size(s->bin));
}

void storage_resize(Storage* s, size_t nbytes) {
  if (nbytes == s->nbytes()) return;
  if (s->foreign || s->exported)  // who looks through a buffer would look at memory given back
    fail(ErrorType::Runtime, "Trying to resize storage that is not resizable");
  if (s->device == DeviceType::Meta) {
    s->imagined_ = nbytes;
    return;
  }
  char* fresh = nbytes ? static_cast<char*>(cpu_alloc(nbytes)) : nullptr;
  const size_t common = std::min(nbytes, s->nbytes());
  if (common) std::memcpy(fresh, s->data, common);
  count_memory(s, false);
  release_data(s);
  s->inside = false;
  s->data = fresh;
  s->bytes = nbytes;
  count_memory(s, true);
}

// How many buffers each exported storage has.
static std::unordered_map<const Storage*, size_t>& exports() {
  static auto* counts = new std::unordered_map<const Storage*, size_t>;
  return *counts;
}

void storage_export(Storage* s) {
  ++exports()[s];
  s->exported = true;
  if (s->watched) g_storage_gone(s);
}

void storage_unexport(Storage* s) {
  if (--exports()[s]) return;
  exports().erase(s);
  s->exported = false;
}

}  // namespace rl
