// The caching CPU allocator and Storage.
//
// Sizes are rounded up to bins: eight to each power of two, so at most 12.5% is wasted. A freed
// block goes on its bin's list and is handed out again without touching the system, hence without
// page faults. The cache is bounded: when it outgrows its share, the largest bins are returned.
#include "storage.h"

#include <Python.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <vector>

#include "error.h"
#include "memory_hook.h"

namespace rl {
namespace {

constexpr size_t kHeader = 64;  // Storage sits in front of its data, which stays 64-byte aligned
constexpr size_t kHuge = size_t{2} << 20;
constexpr int kSteps = 8;
constexpr int kBins = 64 * kSteps;

std::vector<void*> g_bins[kBins];
MemoryStats g_stats{};
size_t g_limit = 0;

// Bin index and its block size for a request.
int bin_of(size_t n, size_t* rounded) {
  if (n <= 128) {
    *rounded = n <= 64 ? 64 : 128;
    return n <= 64 ? 0 : 1;
  }
  const int log = 63 - std::countl_zero(n - 1);
  const size_t step = std::max<size_t>((size_t{1} << log) / kSteps, 64);
  *rounded = (n + step - 1) / step * step;
  return log * kSteps + static_cast<int>((*rounded - (size_t{1} << log)) / step);
}

size_t cache_limit() {
  if (g_limit == 0) {
    const size_t pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
    g_limit = std::max<size_t>(pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 8, kHuge);
  }
  return g_limit;
}

void* system_alloc(size_t n) {
  void* p = nullptr;
  const size_t alignment = n >= kHuge ? kHuge : 64;
  if (posix_memalign(&p, alignment, n) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (n >= 2 * kHuge) madvise(p, n / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  ++g_stats.system_allocations;
  return p;
}

// Returns the largest cached blocks to the system until at most `keep` bytes stay cached.
void trim(size_t keep) {
  for (int b = kBins - 1; b >= 0 && static_cast<size_t>(g_stats.cached) > keep; --b) {
    while (!g_bins[b].empty() && static_cast<size_t>(g_stats.cached) > keep) {
      size_t size = size_t{64} << b;
      if (b >= 2) {
        const int log = b / kSteps;
        size = (size_t{1} << log) +
               static_cast<size_t>(b % kSteps) * std::max<size_t>((size_t{1} << log) / kSteps, 64);
      }
      free(g_bins[b].back());
      g_bins[b].pop_back();
      g_stats.cached -= static_cast<int64_t>(size);
    }
  }
}

}  // namespace

void* cpu_alloc(size_t nbytes) {
  if (nbytes > (size_t{1} << 46)) {
    fail(ErrorType::Runtime,
         "DefaultCPUAllocator: can't allocate memory: you tried to allocate %zu bytes.", nbytes);
  }
  size_t n;
  const int b = bin_of(nbytes, &n);
  void* p;
  if (!g_bins[b].empty()) {
    p = g_bins[b].back();
    g_bins[b].pop_back();
    g_stats.cached -= static_cast<int64_t>(n);
  } else {
    p = system_alloc(n);
    if (!p) {
      trim(0);
      p = system_alloc(n);
    }
    if (!p)
      fail(ErrorType::Runtime,
           "DefaultCPUAllocator: can't allocate memory: you tried to allocate %zu bytes.", nbytes);
  }
  ++g_stats.allocations;
  g_stats.allocated += static_cast<int64_t>(n);
  if (g_stats.allocated > g_stats.peak) g_stats.peak = g_stats.allocated;
  return p;
}

void cpu_free(void* p, size_t nbytes) {
  size_t n;
  const int b = bin_of(nbytes, &n);
  g_stats.allocated -= static_cast<int64_t>(n);
#ifdef RL_SANITIZE
  free(p);  // the cache would hide a use after free
#else
  g_bins[b].push_back(p);
  g_stats.cached += static_cast<int64_t>(n);
  if (static_cast<size_t>(g_stats.cached) > cache_limit()) trim(cache_limit() / 2);
#endif
}

void cpu_empty_cache() { trim(0); }
MemoryStats cpu_memory_stats() { return g_stats; }
void cpu_reset_peak() { g_stats.peak = g_stats.allocated; }

void (*g_memory_hook)(void* address, int64_t bytes) = nullptr;

static void count_memory(const Storage* s, bool comes) {
  const int64_t bytes = static_cast<int64_t>(s->nbytes);
  if (g_memory_hook && bytes && !s->owner) g_memory_hook(s->data, comes ? bytes : -bytes);
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

static Storage* storage_meta(size_t nbytes) {
  Storage* s = static_cast<Storage*>(cpu_alloc(kHeader));
  *s = Storage{1, nullptr, nbytes, 0, DeviceType::Meta, 0, false, false, nullptr, kHeader};
  return s;
}

Storage* storage_new(size_t nbytes) {
  if (meta_call) [[unlikely]]
    return storage_meta(nbytes);
  const size_t block = kHeader + nbytes;
  Storage* s = static_cast<Storage*>(cpu_alloc(block));
  *s = Storage{1,
               reinterpret_cast<char*>(s) + kHeader,
               nbytes,
               0,
               DeviceType::CPU,
               0,
               true,
               false,
               nullptr,
               block};
  count_memory(s, true);
  return s;
}

Storage* storage_foreign(void* data, size_t nbytes, PyObject* owner) {
  Storage* s = static_cast<Storage*>(cpu_alloc(kHeader));
  Py_XINCREF(owner);
  *s = Storage{1,      static_cast<char*>(data), nbytes, 0, DeviceType::CPU, 0, false, false, owner,
               kHeader};
  return s;
}

// The memory behind the header's own, when it is ours.
static void release_data(Storage* s) {
  if (s->owner) {
    Py_CLEAR(s->owner);
  } else if (!s->inside) {
    if (s->data) cpu_free(s->data, s->nbytes);
    if (s->device == DeviceType::Meta) meta_window_forget(s);
  }
}

void (*g_storage_gone)(const Storage* s) = nullptr;

void storage_free(Storage* s) {
  if (s->watched) g_storage_gone(s);
  count_memory(s, false);
  release_data(s);
  cpu_free(s, s->block);
}

void storage_resize(Storage* s, size_t nbytes) {
  if (s->owner) fail(ErrorType::Runtime, "Trying to resize storage that is not resizable");
  if (nbytes == s->nbytes) return;
  if (s->device == DeviceType::Meta) {
    s->nbytes = nbytes;
    return;
  }
  char* fresh = nbytes ? static_cast<char*>(cpu_alloc(nbytes)) : nullptr;
  const size_t common = std::min(nbytes, s->nbytes);
  if (common) std::memcpy(fresh, s->data, common);
  count_memory(s, false);
  release_data(s);
  s->inside = false;
  s->data = fresh;
  s->nbytes = nbytes;
  count_memory(s, true);
}

}  // namespace rl
