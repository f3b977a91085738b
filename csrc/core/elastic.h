// Threads only where they come in time.
//
// On a processor that others use, a thread of the pool begins its share a whole time slice late,
// and a call of some microseconds takes milliseconds. So the threads are timed: after one that came
// late the calls run alone for a while.
#pragma once
#include <atomic>

#include "parallel.h"

namespace rl {

int64_t elastic_clock();  // nanoseconds
bool came_late(int64_t start);
bool threads_in_time();  // whether they came in time when last needed
void threads_were_late();

// parallel_for of work whose result is the same however it is split: copies, element-wise loops.
template <class F>
void parallel_elastic(int64_t n, int64_t grain, F&& f) {
  if (n < 2 * grain || num_threads() == 1) return parallel_for(n, grain, f);
  if (!threads_in_time()) return parallel_for(n, n, f);
  const int64_t start = elastic_clock();
  std::atomic<bool> late{false};
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    if (begin > 0 && came_late(start)) late.store(true, std::memory_order_relaxed);
    f(begin, end);
  });
  if (late.load(std::memory_order_relaxed)) threads_were_late();
}

}  // namespace rl
