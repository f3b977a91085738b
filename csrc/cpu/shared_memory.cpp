// Memory shared between processes: anonymous files, so that nothing is left behind however a
// process ends, and no limit of /dev/shm applies. Who wants names makes the file and gives an
// object that takes care of it, the lease, which is dropped with the memory.
//
//   shared_memory(nbytes) -> descriptor     a new block, zeroed; the caller closes it
//   map_shared(descriptor) -> uint8 tensor  the whole block; keeps no descriptor open
//   share_storage(tensor[, descriptor, lease])  moves the memory of a tensor's storage, and so of
//                                           all its views, into a block of its own, or into a
//                                           given one
//   shared_descriptor(tensor) -> (descriptor, nbytes), or None when its storage is not one that
//                                           share_storage moved or attach_shared made
//   shared_lease(tensor) -> the lease, or None
//   attach_shared(descriptor[, lease]) -> uint8 tensor  like map_shared, and remembers one of the
//                                           two; the storage that has the block here already
//   storage_uses(tensor) -> how many hold its storage
//   fill_stack(tensors, out), fill_rows(tensor, index, out) -> whether `out`, contiguous, now holds
//                                           their stack, or these rows; False where they do not fit
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "../core/kernel.h"
#include "../core/tensor.h"

namespace rl {
namespace {

constexpr const char* kCapsule = "rushlight.shared_memory";

using Key = std::pair<dev_t, ino_t>;  // of a file

// The storages of this process that have a block of their own: what comes back is the same memory,
// at the same address. Leaked, since storages may go after static objects do.
std::map<Key, Storage*>& storages() {
  static auto* all = new std::map<Key, Storage*>();
  return *all;
}

// What owns a mapped block: the pages, and a descriptor (or -1) or a lease (or null) by which
// other processes get it.
struct Mapping {
  void* data;
  size_t nbytes;
  int descriptor;
  Key key = {};
  bool listed = false;
  PyObject* lease = nullptr;
  ~Mapping() {
    if (listed) storages().erase(key);
    if (data) munmap(data, nbytes);
    if (descriptor >= 0) close(descriptor);
    Py_XDECREF(lease);
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
    mapping->key = {facts.st_dev, facts.st_ino};
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
  if (!s || !s->foreign || !PyCapsule_IsValid(s->owner(), kCapsule)) return nullptr;
  return static_cast<Mapping*>(PyCapsule_GetPointer(s->owner(), kCapsule));
}

void list_storage(Mapping* mapping, Storage* s) {
  if (mapping->nbytes) mapping->listed = storages().emplace(mapping->key, s).second;
}

int duplicate(PyObject* number) {
  const int descriptor = fcntl(static_cast<int>(integer(number)), F_DUPFD_CLOEXEC, 0);
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

RL_FUNCTION(map_shared) {
  if (nargs != 1) fail(ErrorType::Type, "map_shared: expected one descriptor");
  return tensor_over(map_block(duplicate(args[0]), false));
}

RL_FUNCTION(attach_shared) {
  if (nargs != 1 && nargs != 2)
    fail(ErrorType::Type, "attach_shared: expected a descriptor, and perhaps a lease");
  struct stat facts;
  if (fstat(static_cast<int>(integer(args[0])), &facts) == 0) {
    const auto found = storages().find({facts.st_dev, facts.st_ino});
    if (found != storages().end()) {
      ++found->second->refs;
      const int64_t size[1] = {static_cast<int64_t>(found->second->nbytes())}, step[1] = {1};
      return wrap(
          Array::over(StorageRef(found->second), DType::U8, 0, Shape(size, 1), Shape(step, 1)));
    }
  }
  Mapping* mapping = map_block(duplicate(args[0]), nargs == 1);
  if (nargs == 2) mapping->lease = Py_NewRef(args[1]);
  PyObject* block = tensor_over(mapping);
  list_storage(mapping, array_of(block).storage());
  return block;
}

RL_FUNCTION(share_storage) {
  if (nargs != 1 && nargs != 3)
    fail(ErrorType::Type, "share_storage: expected a tensor, and perhaps a descriptor and a lease");
  Storage* s = array_of(args[0]).storage();
  if (!s || s->device != DeviceType::CPU)
    fail(ErrorType::Runtime, "share_memory_: only memory of the CPU can be shared");
  if (const Mapping* m = mapping_of(s); m && (m->descriptor >= 0 || m->lease))
    return Py_NewRef(Py_None);
  const bool given = nargs == 3;
  Mapping* mapping = map_block(given ? duplicate(args[1]) : new_block(s->nbytes()), !given);
  if (given) mapping->lease = Py_NewRef(args[2]);
  if (mapping->nbytes < s->nbytes()) {
    delete mapping;
    fail(ErrorType::Value, "share_storage: the block is smaller than the storage");
  }
  const size_t nbytes = s->nbytes();
  if (nbytes) std::memcpy(mapping->data, s->data, nbytes);
  PyObject* capsule = capsule_of(mapping);
  Ref before(s->owner());
  s->foreign = false;
  // Gives memory of our own back; that of another owner goes with `before`.
  if (!before.p) storage_resize(s, 0);
  s->set_owner(capsule);
  s->inside = false;
  s->data = static_cast<char*>(mapping->data);
  s->bytes = nbytes;
  s->shared = true;
  list_storage(mapping, s);
  return Py_NewRef(Py_None);
}

RL_FUNCTION(shared_descriptor) {
  if (nargs != 1) fail(ErrorType::Type, "shared_descriptor: expected a tensor");
  const Mapping* mapping = mapping_of(array_of(args[0]).storage());
  if (!mapping || mapping->descriptor < 0) return Py_NewRef(Py_None);
  return Py_BuildValue("in", mapping->descriptor, static_cast<Py_ssize_t>(mapping->nbytes));
}

RL_FUNCTION(shared_lease) {
  if (nargs != 1) fail(ErrorType::Type, "shared_lease: expected a tensor");
  const Mapping* mapping = mapping_of(array_of(args[0]).storage());
  return Py_NewRef(mapping && mapping->lease ? mapping->lease : Py_None);
}

RL_FUNCTION(storage_uses) {
  if (nargs != 1) fail(ErrorType::Type, "storage_uses: expected a tensor");
  return PyLong_FromLongLong(array_of(args[0]).storage()->refs);
}

RL_FUNCTION(fill_stack) {
  if (nargs != 2 || !PyList_Check(args[0]))
    fail(ErrorType::Type, "fill_stack: expected a list of tensors and a tensor");
  const Array& out = array_of(args[1]);
  const Py_ssize_t count = PyList_GET_SIZE(args[0]);
  if (count == 0 || out.ndim() == 0 || out.size(0) != count) return Py_NewRef(Py_False);
  const Array row = out.select(0, 0);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Array& x = array_of(PyList_GET_ITEM(args[0], i));
    if (x.dtype() != out.dtype() || !x.same_shape(row)) return Py_NewRef(Py_False);
  }
  char* to = out.bytes();
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Array& x = array_of(PyList_GET_ITEM(args[0], i));
    if (x.contiguous())
      std::memcpy(to + i * row.nbytes(), x.bytes(), row.nbytes());
    else
      copy_into(out.select(0, i), x);
  }
  return Py_NewRef(Py_True);
}

RL_FUNCTION(fill_rows) {
  if (nargs != 3) fail(ErrorType::Type, "fill_rows: expected a tensor, an index and a tensor");
  const Array &x = array_of(args[0]), &out = array_of(args[2]);
  const Array index = array_of(args[1]).contiguous_copy();
  const int64_t count = index.numel();
  if (index.dtype() != DType::I64 || !x.contiguous() || x.ndim() == 0 || out.ndim() != x.ndim() ||
      out.dtype() != x.dtype() || out.size(0) != count || out.nbytes() == 0)
    return Py_NewRef(Py_False);
  const int64_t row = out.nbytes() / count, *at = index.data<int64_t>();
  if (row * x.size(0) != x.nbytes()) return Py_NewRef(Py_False);
  for (int64_t i = 0; i < count; ++i)
    if (at[i] < 0 || at[i] >= x.size(0)) return Py_NewRef(Py_False);
  char* to = out.bytes();
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * row, x.bytes() + at[i] * row, row);
  return Py_NewRef(Py_True);
}

}  // namespace rl
