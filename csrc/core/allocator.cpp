// The caching CPU allocator.
//
// Sizes are rounded up to bins: eight to each power of two, so at most 12.5% is wasted. A freed
// block goes on its bin's list and is handed out again without touching the system, hence without
// page faults. Blocks of up to 1 KB are cut from slabs of 64 KB, which go back to the system when
// all their blocks are free; larger ones are system blocks, on huge pages from 4 MB. The cache is
// bounded by a share of the memory that this process may use, and is given back, the largest blocks
// first, when it outgrows that or when the machine runs short.
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "error.h"
#include "storage.h"

namespace rl {
namespace {

constexpr size_t kHuge = size_t{2} << 20;
constexpr size_t kSlab = size_t{64} << 10, kSlabHeader = 64, kSlabMost = 1024;
constexpr size_t kWatched = size_t{32} << 20;  // what large requests look at the free memory for
constexpr int kSteps = 8;
constexpr int kBins = 64 * kSteps;

// A free block holds the address of the next one of its bin.
struct Free {
  Free* next;
};
struct Slab {
  int64_t used;  // blocks handed out
};
Free* g_bins[kBins];
MemoryStats g_stats{};
size_t g_limit = 0;

// Bin index and its block size for a request.
int bin_of(size_t n, size_t* rounded) {
  if (n <= 128) {
    const int tiny = n <= 32 ? 0 : n <= 64 ? 1 : 2;
    *rounded = size_t{32} << tiny;
    return tiny;
  }
  const int log = 63 - std::countl_zero(n - 1);
  const size_t step = std::max<size_t>((size_t{1} << log) / kSteps, 64);
  *rounded = (n + step - 1) / step * step;
  return log * kSteps + static_cast<int>((*rounded - (size_t{1} << log)) / step);
}

size_t size_of_bin(int b) {
  if (b < 3) return size_t{32} << b;
  const size_t power = size_t{1} << (b / kSteps);
  return power + static_cast<size_t>(b % kSteps) * std::max<size_t>(power / kSteps, 64);
}

// What the control group of this process allows; 0 when nothing does.
size_t group_limit() {
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    FILE* file = std::fopen(path, "r");
    if (!file) continue;
    unsigned long long bytes = 0;
    const bool found = std::fscanf(file, "%llu", &bytes) == 1;
    std::fclose(file);
    if (found) return static_cast<size_t>(bytes);
  }
  return 0;
}

size_t cache_limit() {
  if (g_limit == 0) {
    size_t memory =
        static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    if (const size_t group = group_limit()) memory = std::min(memory, group);
    g_limit = std::max<size_t>(memory / 8, kHuge);
  }
  return g_limit;
}

bool running_short(size_t wanted) {
#ifdef __linux__
  struct sysinfo now;
  if (sysinfo(&now) != 0) return false;
  const size_t free_bytes = (now.freeram + now.bufferram) * now.mem_unit;
  return free_bytes < wanted + static_cast<size_t>(now.totalram) * now.mem_unit / 16;
#else
  return wanted == 0;
#endif
}

void* system_alloc(size_t n, size_t alignment) {
  void* p = nullptr;
  if (posix_memalign(&p, alignment, n) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (n >= 2 * kHuge) madvise(p, n / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  ++g_stats.system_allocations;
  return p;
}

Slab* slab_of(void* block) {
  return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~(kSlab - 1));
}

void give(int bin, void* p) {
  Free* block = static_cast<Free*>(p);
  block->next = g_bins[bin];
  g_bins[bin] = block;
}

// Cuts a new slab into blocks of the bin.
bool add_slab(int bin, size_t n) {
  char* slab = static_cast<char*>(system_alloc(kSlab, kSlab));
  if (!slab) return false;
  reinterpret_cast<Slab*>(slab)->used = 0;
  for (size_t at = kSlabHeader + (kSlab - kSlabHeader) / n * n; at > kSlabHeader; at -= n) {
    give(bin, slab + at - n);
    g_stats.cached += static_cast<int64_t>(n);
  }
  return true;
}

// Returns the slabs of a bin that are wholly free.
void trim_slabs(int bin, size_t n) {
  Free* empty = nullptr;  // the first block of every such slab
  for (Free** at = &g_bins[bin]; *at;) {
    Free* block = *at;
    if (slab_of(block)->used != 0) {
      at = &block->next;
      continue;
    }
    *at = block->next;
    g_stats.cached -= static_cast<int64_t>(n);
    if (reinterpret_cast<char*>(block) - reinterpret_cast<char*>(slab_of(block)) == kSlabHeader) {
      block->next = empty;
      empty = block;
    }
  }
  while (empty) {
    Free* next = empty->next;
    free(slab_of(empty));
    empty = next;
  }
}

// Returns the largest cached blocks to the system until at most `keep` bytes stay cached.
void trim(size_t keep) {
  for (int b = kBins - 1; b >= 0 && static_cast<size_t>(g_stats.cached) > keep; --b) {
    if (!g_bins[b]) continue;
    const size_t n = size_of_bin(b);
    if (n <= kSlabMost) {
      trim_slabs(b, n);
      continue;
    }
    while (g_bins[b] && static_cast<size_t>(g_stats.cached) > keep) {
      Free* block = g_bins[b];
      g_bins[b] = block->next;
      free(block);
      g_stats.cached -= static_cast<int64_t>(n);
    }
  }
}

[[noreturn]] void no_memory(size_t nbytes) {
  fail(ErrorType::Runtime,
       "DefaultCPUAllocator: can't allocate memory: you tried to allocate %zu bytes.", nbytes);
}

#ifdef RL_SANITIZE
constexpr bool kCaches = false;  // the cache would hide a use after free
#else
constexpr bool kCaches = true;
#endif

// Fills an empty bin, or returns a fresh block.
void* refill(int bin, size_t n, size_t nbytes) {
  if (kCaches && n <= kSlabMost) {
    if (!add_slab(bin, n)) no_memory(nbytes);
    return nullptr;
  }
  if (n >= kWatched && g_stats.cached > 0 && running_short(n)) trim(0);
  const size_t alignment = n >= kHuge ? kHuge : 64;
  void* p = system_alloc(n, alignment);
  if (!p) {
    trim(0);
    p = system_alloc(n, alignment);
  }
  if (!p) no_memory(nbytes);
  return p;
}

}  // namespace

void* cpu_alloc(size_t nbytes) {
  if (nbytes > (size_t{1} << 46)) no_memory(nbytes);
  size_t n;
  const int b = bin_of(nbytes, &n);
  void* p = g_bins[b] ? nullptr : refill(b, n, nbytes);
  if (!p) {
    p = g_bins[b];
    g_bins[b] = static_cast<Free*>(p)->next;
    g_stats.cached -= static_cast<int64_t>(n);
  }
  if (kCaches && n <= kSlabMost) ++slab_of(p)->used;
  ++g_stats.allocations;
  g_stats.allocated += static_cast<int64_t>(n);
  if (g_stats.allocated > g_stats.peak) g_stats.peak = g_stats.allocated;
  return p;
}

void cpu_free(void* p, size_t nbytes) {
  size_t n;
  const int b = bin_of(nbytes, &n);
  g_stats.allocated -= static_cast<int64_t>(n);
  if (!kCaches) return free(p);
  if (n <= kSlabMost) --slab_of(p)->used;
  give(b, p);
  g_stats.cached += static_cast<int64_t>(n);
  if (static_cast<size_t>(g_stats.cached) > cache_limit()) trim(cache_limit() / 2);
}

int cpu_bin(size_t nbytes) {
  size_t n;
  return bin_of(nbytes, &n);
}
size_t cpu_bin_size(int bin) { return size_of_bin(bin); }

void cpu_empty_cache() { trim(0); }
MemoryStats cpu_memory_stats() { return g_stats; }
void cpu_reset_peak() { g_stats.peak = g_stats.allocated; }

}  // namespace rl
