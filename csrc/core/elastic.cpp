#include "elastic.h"

#include <chrono>

namespace rl {
namespace {

constexpr int64_t kLate = 1'000'000;  // nanoseconds: a sleeping thread wakes in less
constexpr int64_t kShortest = 50'000'000, kLongest = 800'000'000;
std::atomic<int64_t> g_alone_until{0}, g_pause{kShortest};

}  // namespace

int64_t elastic_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool came_late(int64_t start) { return elastic_clock() - start > kLate; }

bool threads_in_time() {
  const int64_t until = g_alone_until.load(std::memory_order_relaxed);
  return until == 0 || elastic_clock() >= until;
}

// Late again soon after a pause: the next one is twice as long.
void threads_were_late() {
  const int64_t now = elastic_clock();
  const bool again = now - g_alone_until.load(std::memory_order_relaxed) < kLongest;
  const int64_t last = g_pause.load(std::memory_order_relaxed);
  const int64_t pause = again ? std::min(2 * last, kLongest) : kShortest;
  g_pause.store(pause, std::memory_order_relaxed);
  g_alone_until.store(now + pause, std::memory_order_relaxed);
}

}  // namespace rl
