// Memory shared between processes: anonymous files, so that nothing is left behind however a
// process ends, and no limit of /dev/shm applies.
//
//   shared_memory(nbytes) -> descriptor     a new block, zeroed; the caller closes it
//   map_shared(descriptor) -> uint8 tensor  the whole block; keeps no descriptor open
//   share_storage(tensor)                   moves the memory of a tensor's storage, and so of
//                                           all its views, into a block of its own
//   shared_descriptor(tensor) -> (descriptor, nbytes), or None when its storage is not one that
//                                           share_storage moved or attach_shared made
//   attach_shared(descriptor) -> uint8 tensor  like map_shared, and remembers the descriptor
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../core/kernel.h"
#include "../core/tensor.h"

namespace rl {
namespace {

constexpr const char* kCapsule = "rushlight.shared_memory";

// What owns a mapped block: the pages, and a descriptor (or -1) to send to other processes.
struct Mapping {
  void* data;
  size_t nbytes;
  int descriptor;
  ~Mapping() {
    if (data) munmap(data, nbytes);
    if (descriptor >= 0) close(descriptor);
  }
};

void release_mapping(PyObject* capsule) {
  delete static_cast<Mapping*>(PyCapsule_GetPointer(capsule, kCapsule));
}

int new_block(size_t nbytes) {
#ifdef __linux__
  const int descriptor = memfd_create("rushlight", MFD_CLOEXEC);
#else
  // A name for the moment between making and unlinking.
  char name[] = "/tmp/rushlight-XXXXXX";
  const int descriptor = mkstemp(name);
  if (descriptor >= 0) unlink(name);
#endif
  if (descriptor < 0) fail(ErrorType::Runtime, "shared_memory: %s", strerror(errno));
  if (ftruncate(descriptor, static_cast<off_t>(nbytes)) != 0) {
    const int error = errno;
    close(descriptor);
    fail(ErrorType::Runtime, "shared_memory: %zu bytes: %s", nbytes, strerror(error));
  }
  return descriptor;
}

// Takes the descriptor over, also when it fails.
Mapping* map_block(int descriptor, bool keep) {
  struct stat facts;
  auto* mapping = new Mapping{nullptr, 0, descriptor};
  if (fstat(descriptor, &facts) == 0) {
    mapping->nbytes = static_cast<size_t>(facts.st_size);
    int flags = MAP_SHARED;
#ifdef MAP_POPULATE
    flags |= MAP_POPULATE;  // one call instead of a fault for every page
#endif
    if (mapping->nbytes) {
      void* p = mmap(nullptr, mapping->nbytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
      if (p != MAP_FAILED) mapping->data = p;
    }
  }
  if (mapping->nbytes && !mapping->data) {
    const int error = errno;
    delete mapping;
    fail(ErrorType::Runtime, "shared memory: cannot map: %s", strerror(error));
  }
  if (!keep) {
    close(descriptor);
    mapping->descriptor = -1;
  }
  return mapping;
}

PyObject* capsule_of(Mapping* mapping) {
  PyObject* capsule = PyCapsule_New(mapping, kCapsule, release_mapping);
  if (!capsule) delete mapping;
  return checked(capsule);
}

PyObject* tensor_over(Mapping* mapping) {
  void* data = mapping->data;
  const int64_t size[1] = {static_cast<int64_t>(mapping->nbytes)}, step[1] = {1};
  Ref owner(capsule_of(mapping));
  StorageRef storage(storage_foreign(data, static_cast<size_t>(size[0]), owner));
  storage->shared = true;
  return wrap(Array::over(std::move(storage), DType::U8, 0, Shape(size, 1), Shape(step, 1)));
}

Mapping* mapping_of(const Storage* s) {
  if (!s || !s->owner || !PyCapsule_IsValid(s->owner, kCapsule)) return nullptr;
  return static_cast<Mapping*>(PyCapsule_GetPointer(s->owner, kCapsule));
}

int descriptor_argument(PyObject* const* args, Py_ssize_t nargs) {
  if (nargs != 1) fail(ErrorType::Type, "shared memory: expected one descriptor");
  const int descriptor = fcntl(static_cast<int>(integer(args[0])), F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) fail(ErrorType::Value, "shared memory: %s", strerror(errno));
  return descriptor;
}

}  // namespace

RL_FUNCTION(shared_memory) {
  if (nargs != 1) fail(ErrorType::Type, "shared_memory: expected a number of bytes");
  const int64_t nbytes = integer(args[0]);
  if (nbytes < 0)
    fail(ErrorType::Value, "shared_memory: a block cannot have %lld bytes",
         static_cast<long long>(nbytes));
  return PyLong_FromLong(new_block(static_cast<size_t>(nbytes)));
}

RL_FUNCTION(map_shared) { return tensor_over(map_block(descriptor_argument(args, nargs), false)); }

RL_FUNCTION(attach_shared) {
  return tensor_over(map_block(descriptor_argument(args, nargs), true));
}

RL_FUNCTION(share_storage) {
  if (nargs != 1) fail(ErrorType::Type, "share_storage: expected a tensor");
  Storage* s = array_of(args[0]).storage();
  if (!s || s->device != DeviceType::CPU)
    fail(ErrorType::Runtime, "share_memory_: only memory of the CPU can be shared");
  if (mapping_of(s) && mapping_of(s)->descriptor >= 0) return Py_NewRef(Py_None);
  Mapping* mapping = map_block(new_block(s->nbytes), true);
  if (s->nbytes) std::memcpy(mapping->data, s->data, s->nbytes);
  const size_t nbytes = s->nbytes;
  PyObject* capsule = capsule_of(mapping);
  Ref before(std::exchange(s->owner, nullptr));
  // Gives memory of our own back; that of another owner goes with `before`.
  if (!before.p) storage_resize(s, 0);
  s->owner = capsule;
  s->inside = false;
  s->data = static_cast<char*>(mapping->data);
  s->nbytes = nbytes;
  s->shared = true;
  return Py_NewRef(Py_None);
}

RL_FUNCTION(shared_descriptor) {
  if (nargs != 1) fail(ErrorType::Type, "shared_descriptor: expected a tensor");
  const Mapping* mapping = mapping_of(array_of(args[0]).storage());
  if (!mapping || mapping->descriptor < 0) return Py_NewRef(Py_None);
  return Py_BuildValue("in", mapping->descriptor, static_cast<Py_ssize_t>(mapping->nbytes));
}

}  // namespace rl
