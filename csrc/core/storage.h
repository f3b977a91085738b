// Storage: a block of memory on a device, its version and who owns it.
//
// Reference counts and the allocator are guarded by the GIL: kernels release it only
// around loops over raw pointers, never while they hold or drop a reference.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

typedef struct _object PyObject;

namespace rl {

enum class DeviceType : uint8_t { CPU = 0, CUDA = 1, Meta = 2 };

// 32 bytes, with one element inside: programs hold millions of single numbers.
struct Storage {
  uint32_t refs = 1;
  uint32_t version = 0;  // bumped by every in-place write
  char* data = nullptr;
  uint64_t bytes : 48 = 0;
  uint64_t bin : 9 = 0;  // of the allocation that holds this header
  DeviceType device : 2 = DeviceType::CPU;
  bool inside : 1 = false;    // data lies in the same allocation, behind this header
  bool foreign : 1 = false;   // it belongs to `owner`
  bool shared : 1 = false;    // lives in memory shared between processes
  bool watched : 1 = false;   // g_storage_gone is told when it goes or is exported
  bool exported : 1 = false;  // there are buffers through which others may write, unseen
  union {
    char few[8] = {};    // the elements themselves
    PyObject* owner_;    // foreign: keeps the buffer alive (NumPy, DLPack, mmap); strong
    uint64_t imagined_;  // meta: how many bytes there would be
  };

  size_t nbytes() const { return device == DeviceType::Meta ? imagined_ : bytes; }
  PyObject* owner() const { return foreign ? owner_ : nullptr; }
  void set_owner(PyObject* o) {  // takes over a reference, or null: ours again
    foreign = o != nullptr;
    owner_ = o;
  }
};
static_assert(sizeof(Storage) == 32);

extern void (*g_storage_gone)(const Storage* s);  // set by who watches storages

// Whether a call on meta tensors runs in this thread: what it allocates has a size and no memory.
extern thread_local bool meta_call __attribute__((tls_model("initial-exec")));
struct MetaCall {
  const bool before = meta_call;
  explicit MetaCall(bool on) { meta_call = on; }
  ~MetaCall() { meta_call = before; }
  MetaCall(const MetaCall&) = delete;
};

// Where a thread makes new tensors: where set_default_device (or `with device:`) says, unless a
// call names a device itself.
struct Making {
  bool meta = false;
  bool named = false;  // by the call: what is made in the likeness of a tensor goes there too
};
extern thread_local Making making __attribute__((tls_model("initial-exec")));

Storage* storage_new(size_t nbytes);                                   // uninitialised
Storage* storage_foreign(void* data, size_t nbytes, PyObject* owner);  // takes a new reference
void storage_free(Storage* s);
void storage_resize(Storage* s, size_t nbytes);  // keeps the common prefix; own memory only
void storage_export(Storage* s);                 // one buffer more, or fewer
void storage_unexport(Storage* s);

class StorageRef {
  Storage* s_ = nullptr;

 public:
  StorageRef() = default;
  explicit StorageRef(Storage* s) : s_(s) {}  // takes over one reference
  StorageRef(const StorageRef& o) : s_(o.s_) {
    if (s_) ++s_->refs;
  }
  StorageRef(StorageRef&& o) noexcept : s_(std::exchange(o.s_, nullptr)) {}
  StorageRef& operator=(StorageRef o) noexcept {
    std::swap(s_, o.s_);
    return *this;
  }
  ~StorageRef() {
    if (s_ && --s_->refs == 0) storage_free(s_);
  }
  Storage* get() const { return s_; }
  Storage* operator->() const { return s_; }
  explicit operator bool() const { return s_ != nullptr; }
  bool operator==(const StorageRef& o) const { return s_ == o.s_; }
};

// The caching allocator: 64-byte aligned blocks (tiny ones 32-byte) in size bins, kept and reused.
void* cpu_alloc(size_t nbytes);         // throws Error(Memory)
void cpu_free(void* p, size_t nbytes);  // the same nbytes as asked
int cpu_bin(size_t nbytes);             // the bin of such a block, and the bytes it has
size_t cpu_bin_size(int bin);
void cpu_empty_cache();
struct MemoryStats {
  int64_t allocated, peak, cached, allocations, system_allocations;
};
MemoryStats cpu_memory_stats();
void cpu_reset_peak();

[[noreturn]] void no_elements();
// What a kernel finds where a storage (or null: its scratch) has no memory: zeros. Anybody else
// finds an error.
char* meta_window(const void* owner, size_t nbytes);
void meta_window_close();  // what was written there is forgotten

// Scratch memory for one kernel call, from the same pool. Make it while holding the GIL.
template <class T>
class Scratch {
  T* p_;
  size_t bytes_;

 public:
  explicit Scratch(size_t n)
      : p_(nullptr), bytes_(n < (SIZE_MAX >> 1) / sizeof(T) ? n * sizeof(T) : SIZE_MAX >> 1) {
    if (meta_call) [[unlikely]] {
      p_ = reinterpret_cast<T*>(meta_window(nullptr, bytes_));
      bytes_ = 0;
    }
    if (bytes_) p_ = static_cast<T*>(cpu_alloc(bytes_));
  }
  ~Scratch() {
    if (bytes_) cpu_free(p_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return p_; }
  T& operator[](size_t i) const { return p_[i]; }
};

}  // namespace rl
