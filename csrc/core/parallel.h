// Threads (one OpenMP pool, shared with oneDNN) and the GIL.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

#include "error.h"
#include "storage.h"

namespace rl {

int num_threads();  // what set_num_threads said; 1 in forked workers
void set_num_threads(int n);
void keep_threads(bool keep);  // whether num_threads() stays what it is for this thread

// A parallel region of one Python thread. When several compute at once, each runs its work alone:
// their own threads would only crowd out the others. So does one whose threads came late: on a
// processor that others use they begin a whole time slice after it, milliseconds for microseconds.
class Region {
  int64_t begun_ = 0;  // by the clock
  std::atomic<bool> late_{false};
  bool entered_;

 public:
  explicit Region(bool wanted) : entered_(wanted && enter()) {}
  ~Region() {
    if (entered_) leave();
  }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  explicit operator bool() const { return entered_; }
  void arrive();  // called by each thread of the pool as it begins

 private:
  bool enter();
  void leave();
};
int free_threads();  // num_threads(), or 1 while other Python threads compute

// How many items, each `ns` nanoseconds of work on data in the cache, are a share worth a thread: a
// region costs about 1 us while the pool is awake, which it stays for some milliseconds.
inline int64_t grain_of(double ns) {
  constexpr double kShare = 2000;
  return std::max<int64_t>(1, static_cast<int64_t>(kShare / ns));
}

// Runs f(begin, end) over [0, n), in threads when each gets at least `grain` items. On meta tensors
// there is nothing to run over.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0 || meta_call) return;
  const int64_t most = grain > 0 ? n / grain : n;
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), most));
  Region region(threads > 1 && !omp_in_parallel());
  if (!region) {
    f(int64_t{0}, n);
    return;
  }
  std::exception_ptr error;  // none may leave the region: the last one is thrown behind it
#pragma omp parallel num_threads(threads)
  {
    const int64_t t = omp_get_thread_num(), count = omp_get_num_threads();
    if (t > 0) region.arrive();
    const int64_t begin = n * t / count, end = n * (t + 1) / count;
    try {
      if (begin < end) f(begin, end);
    } catch (...) {
#pragma omp critical(rl_parallel_error)
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

// Takes the GIL back. When the interpreter ends, a daemon thread gets it no more: Python unwinds
// its stack, which no destructor may let through, so the thread stays here until the process is
// gone.
inline void take_gil(PyThreadState* state) {
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    stay_for_ever();
  }
}

// Releases the GIL for its lifetime when `work` (elements, roughly) is large.
class NoGil {
  PyThreadState* state_ = nullptr;

 public:
  explicit NoGil(int64_t work, int64_t threshold = 50000) {
    if (work < threshold || meta_call) return;
    keep_threads(true);  // memory was made for so many; another Python thread may set the number
    state_ = PyEval_SaveThread();
  }
  ~NoGil() {
    if (!state_) return;
    take_gil(state_);
    keep_threads(false);
  }
  NoGil(const NoGil&) = delete;
  NoGil& operator=(const NoGil&) = delete;
};

}  // namespace rl
