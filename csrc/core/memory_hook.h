// Who is told of the memory of tensors: the profiler, while it counts.
#pragma once
#include <cstdint>

namespace rl {

extern void (*g_memory_hook)(void* address, int64_t bytes);  // bytes > 0: it came; < 0: it went

}  // namespace rl
