// Copies of much memory in threads, where these come in time.
//
// A second thread halves the time of a copy, some tenths of a millisecond. On a processor that
// others use it comes a whole time slice late, and who waits for it loses tenfold. So copies are
// timed: after one that had to wait, the following ones run alone for a while.
#pragma once
#include "parallel.h"

namespace rl {

bool copies_in_threads();                    // whether the last copies came in time
int64_t copy_clock();                        // nanoseconds
void copied(int64_t nbytes, int64_t start);  // a copy in threads, begun at that time, is done

// parallel_for over a copy of `nbytes` in all.
template <class F>
void parallel_copy(int64_t n, int64_t grain, int64_t nbytes, F&& f) {
  if (n < 2 * grain || num_threads() == 1) return parallel_for(n, grain, f);
  if (!copies_in_threads()) return parallel_for(n, n, f);
  const int64_t start = copy_clock();
  parallel_for(n, grain, f);
  copied(nbytes, start);
}

}  // namespace rl
