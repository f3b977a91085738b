#include "copies.h"

#include <atomic>
#include <chrono>

namespace rl {
namespace {

constexpr int64_t kShortest = 50'000'000, kLongest = 800'000'000;  // nanoseconds
std::atomic<int64_t> g_alone_until{0}, g_pause{kShortest};

}  // namespace

int64_t copy_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool copies_in_threads() {
  const int64_t until = g_alone_until.load(std::memory_order_relaxed);
  if (until == 0) return true;
  if (copy_clock() < until) return false;
  g_alone_until.store(0, std::memory_order_relaxed);
  return true;
}

void copied(int64_t nbytes, int64_t start) {
  const int64_t now = copy_clock(), late = 500'000 + nbytes;  // a gigabyte a second is very slow
  int64_t pause = kShortest;
  if (now - start > late) {
    pause = g_pause.load(std::memory_order_relaxed);
    g_alone_until.store(now + pause, std::memory_order_relaxed);
    pause = std::min(2 * pause, kLongest);
  }
  g_pause.store(pause, std::memory_order_relaxed);
}

}  // namespace rl
