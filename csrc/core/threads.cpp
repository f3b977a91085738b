// The number of threads, and who may use them when.
#include <atomic>
#include <chrono>
#include <cstdlib>

#include "parallel.h"

#ifndef _WIN32
#include <pthread.h>
#endif

namespace rl {
namespace {

int g_threads = 0;
bool g_forked = false;   // in a child, where the threads of the parent's pool are missing
bool g_started = false;  // the pool has threads
std::atomic<int> g_regions{0};
std::atomic<int> g_crowded{0};  // regions that still run alone since two Python threads met

// After a thread came late, regions run alone for a while; twice as long when that happens again
// soon. In nanoseconds: a sleeping thread wakes in less than kLate.
constexpr int64_t kLate = 1'000'000, kShortest = 50'000'000, kLongest = 800'000'000;
std::atomic<int64_t> g_alone_until{0}, g_pause{kShortest};

// MKL_NUM_THREADS, then OMP_NUM_THREADS, then the processors: never more than there are of those.
int default_threads() {
  int n = omp_get_max_threads();
  if (const char* given = getenv("MKL_NUM_THREADS"); given && atoi(given) > 0) n = atoi(given);
  return std::max(1, std::min(n, omp_get_num_procs()));
}

void forget_pool() {
  g_forked = true;
  if (!g_started) return;  // the child may begin one of its own
  g_threads = 1;
  g_regions = 0;
  omp_set_num_threads(1);
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void stay_alone() {
  const int64_t time = now();
  const bool again = time - g_alone_until.load(std::memory_order_relaxed) < kLongest;
  const int64_t last = g_pause.load(std::memory_order_relaxed);
  const int64_t pause = again ? std::min(2 * last, kLongest) : kShortest;
  g_pause.store(pause, std::memory_order_relaxed);
  g_alone_until.store(time + pause, std::memory_order_relaxed);
}

// A thread that is inside one may begin another: a primitive's loops, say.
thread_local int t_regions = 0;
thread_local int t_kept = 0;  // the number that this thread counts on, or 0

}  // namespace

void keep_threads(bool keep) { t_kept = keep ? num_threads() : 0; }

int num_threads() {
  if (t_kept) return t_kept;
  if (!g_threads) set_num_threads(default_threads());
  return g_threads;
}

void set_num_threads(int n) {
#ifndef _WIN32
  [[maybe_unused]] static const int watched = pthread_atfork(nullptr, nullptr, forget_pool);
#endif
  if (g_forked && g_started) n = 1;  // a region would wait for threads that are not there
  g_threads = n;
  omp_set_num_threads(n);
}

bool Region::enter() {
  begun_ = now();
  if (t_regions > 0) {
    ++t_regions;
    return true;
  }
  if (begun_ < g_alone_until.load(std::memory_order_relaxed)) return false;
  if (g_crowded.load(std::memory_order_relaxed) > 0) {
    g_crowded.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (g_regions.fetch_add(1, std::memory_order_acquire) == 0) {
    g_started = true;
    t_regions = 1;
    return true;
  }
  g_regions.fetch_sub(1, std::memory_order_relaxed);
  g_crowded.store(64, std::memory_order_relaxed);
  return false;
}

void Region::arrive() {
  if (now() - begun_ > kLate) late_.store(true, std::memory_order_relaxed);
}

void Region::leave() {
  if (late_.load(std::memory_order_relaxed)) stay_alone();
  if (--t_regions == 0) g_regions.fetch_sub(1, std::memory_order_release);
}

int free_threads() {
  if (t_regions > 0) return num_threads();
  const bool alone = g_regions.load(std::memory_order_relaxed) == 0 &&
                     g_crowded.load(std::memory_order_relaxed) <= 0;
  return alone ? num_threads() : 1;
}

}  // namespace rl
