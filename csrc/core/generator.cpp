#include "generator.h"

#include <new>
#include <random>
#include <string>

#include <pthread.h>
#include <structmember.h>

#include "kernel.h"
#include "tensor.h"

namespace rl {

// -- seeding and state ------------------------------------------------

void Generator::manual_seed(uint64_t s) {
  seed = s;
  state[0] = static_cast<uint32_t>(s);
  for (uint32_t j = 1; j < kMtWords; ++j)
    state[j] = 1812433253u * (state[j - 1] ^ (state[j - 1] >> 30)) + j;
  left = 1;
  next = 0;
  has_normal = false;
  normal = 0.0;
}

void Generator::copy_from(const Generator& other) {
  seed = other.seed;
  std::memcpy(state, other.state, sizeof state);
  left = other.left;
  next = other.next;
  has_normal = other.has_normal;
  normal = other.normal;
}

namespace {

// PyTorch's layout, little endian: every word of the engine sits in a 64-bit slot.
constexpr size_t kLeftAt = 8, kSeededAt = 12, kNextAt = 16, kWordsAt = 24;
constexpr size_t kNormalAt = 5024, kHasNormalAt = 5040;

template <class T>
void put(unsigned char* bytes, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes[at + i] = static_cast<unsigned char>(static_cast<uint64_t>(value) >> (8 * i));
}

template <class T>
T take(const unsigned char* bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
  return static_cast<T>(value);
}

}  // namespace

void Generator::get_state(unsigned char* bytes) const {
  std::memset(bytes, 0, kGeneratorStateBytes);
  put<uint64_t>(bytes, 0, seed);
  put<int32_t>(bytes, kLeftAt, left);
  put<int32_t>(bytes, kSeededAt, 1);
  put<uint64_t>(bytes, kNextAt, static_cast<uint64_t>(next));
  for (int j = 0; j < kMtWords; ++j) put<uint64_t>(bytes, kWordsAt + 8 * j, state[j]);
  if (has_normal) {
    uint64_t bits;
    std::memcpy(&bits, &normal, 8);
    put<uint64_t>(bytes, kNormalAt, bits);
    put<int32_t>(bytes, kHasNormalAt, 1);
  }
}

bool Generator::set_state(const unsigned char* bytes) {
  const auto new_left = take<int32_t>(bytes, kLeftAt);
  const auto new_next = take<uint64_t>(bytes, kNextAt);
  if (!take<int32_t>(bytes, kSeededAt) || new_left < 1 || new_left > kMtWords ||
      new_next > kMtWords)
    return false;
  // More words promised than the block still holds would read past its end.
  if (new_left - 1 + static_cast<int64_t>(new_next) > kMtWords) return false;
  seed = take<uint64_t>(bytes, 0);
  left = new_left;
  next = static_cast<int>(new_next);
  for (int j = 0; j < kMtWords; ++j)
    state[j] = static_cast<uint32_t>(take<uint64_t>(bytes, kWordsAt + 8 * j));
  has_normal = take<int32_t>(bytes, kHasNormalAt) != 0;
  const auto bits = take<uint64_t>(bytes, kNormalAt);
  normal = 0.0;
  if (has_normal) std::memcpy(&normal, &bits, 8);
  return true;
}

// -- the Python type ------------------------------------------------

namespace {

struct GeneratorObject {
  PyObject_HEAD PyObject* weakrefs;
  Generator generator;
};

PyTypeObject* generator_type = nullptr;
GeneratorObject* default_object = nullptr;

Generator& of(PyObject* self) { return reinterpret_cast<GeneratorObject*>(self)->generator; }

uint64_t system_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

GeneratorObject* new_generator(PyTypeObject* type) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&of(self)) Generator();
  return reinterpret_cast<GeneratorObject*>(self);
}

PyObject* package_device(const char* name) {
  PyObject* package = PyImport_ImportModule("rushlight");
  if (!package) return nullptr;
  PyObject* device = PyObject_CallMethod(package, "device", "s", name);
  Py_DECREF(package);
  return device;
}

// The word before the colon of "cpu", "cuda:1" or a device object; empty on error.
std::string device_kind(PyObject* device) {
  PyObject* text =
      PyUnicode_Check(device) ? Py_NewRef(device) : PyObject_GetAttrString(device, "type");
  if (!text) {
    PyErr_Format(PyExc_TypeError, "Generator(): argument 'device' must be a device or str, not %s",
                 Py_TYPE(device)->tp_name);
    return {};
  }
  const char* utf8 = PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : nullptr;
  std::string kind = utf8 ? utf8 : "";
  Py_DECREF(text);
  return kind.substr(0, kind.find(':'));
}

PyObject* generator_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"device", nullptr};
  PyObject* device = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(names),
                                   &device))
    return nullptr;
  if (device && device != Py_None) {
    const std::string kind = device_kind(device);
    if (kind.empty()) {
      if (!PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "Generator: device string is empty");
      return nullptr;
    }
    if (kind != "cpu") {
      PyObject* valid = package_device(kind.c_str());  // raises for names that are no device
      if (!valid) return nullptr;
      Py_DECREF(valid);
      if (kind == "cuda")
        return PyErr_Format(PyExc_RuntimeError,
                            "Cannot get CUDA generator without ATen_cuda library: "
                            "this build has generators for cpu only");
      return PyErr_Format(PyExc_RuntimeError,
                          "Generator: device type %s is not available, only cpu generators are",
                          kind.c_str());
    }
  }
  return reinterpret_cast<PyObject*>(new_generator(type));
}

void generator_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (reinterpret_cast<GeneratorObject*>(self)->weakrefs) PyObject_ClearWeakRefs(self);
  of(self).~Generator();
  type->tp_free(self);
  Py_DECREF(type);
}

// A Python int of -2^63 .. 2^64-1; negative ones count down from 2^64.
bool seed_from(PyObject* value, uint64_t* seed) {
  if (PyBool_Check(value) || !PyIndex_Check(value) || PyObject_HasAttrString(value, "dtype")) {
    const char* dot = std::strrchr(Py_TYPE(value)->tp_name, '.');
    PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s",
                 dot ? dot + 1 : Py_TYPE(value)->tp_name);
    return false;
  }
  PyObject* number = PyNumber_Index(value);
  if (!number) return false;
  *seed = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    *seed = static_cast<uint64_t>(PyLong_AsLongLong(number));
  }
  Py_DECREF(number);
  if (!PyErr_Occurred()) return true;
  PyErr_Clear();
  PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
  return false;
}

PyObject* generator_manual_seed(PyObject* self, PyObject* value) {
  uint64_t seed;
  if (!seed_from(value, &seed)) return nullptr;
  std::lock_guard lock(of(self).mutex);
  of(self).manual_seed(seed);
  return Py_NewRef(self);
}

PyObject* generator_seed(PyObject* self, PyObject*) {
  return guarded([&] {
    const uint64_t seed = system_seed();
    {
      std::lock_guard lock(of(self).mutex);
      of(self).manual_seed(seed);
    }
    return PyLong_FromUnsignedLongLong(seed);
  });
}

PyObject* generator_initial_seed(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(of(self).seed);
}

PyObject* generator_get_state(PyObject* self, PyObject*) {
  return guarded([&] {
    Array bytes = Array::empty(DType::U8, {static_cast<int64_t>(kGeneratorStateBytes)});
    {
      std::lock_guard lock(of(self).mutex);
      of(self).get_state(bytes.data<unsigned char>());
    }
    return wrap(std::move(bytes));
  });
}

PyObject* generator_set_state(PyObject* self, PyObject* value) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(value))
      fail(ErrorType::Type, "expected a torch.ByteTensor, but got %s", Py_TYPE(value)->tp_name);
    const Array& given = array_of(value);
    if (given.dtype() != DType::U8 || given.device() != DeviceType::CPU)
      fail(ErrorType::Type, "RNG state must be a torch.ByteTensor");
    if (given.numel() != static_cast<int64_t>(kGeneratorStateBytes))
      fail(ErrorType::Runtime,
           "Expected a CPUGeneratorImplState of size %zu but found the input RNG state size to be "
           "%lld",
           kGeneratorStateBytes, static_cast<long long>(given.numel()));
    const Array bytes = given.contiguous_copy();
    std::lock_guard lock(of(self).mutex);
    if (!of(self).set_state(bytes.data<unsigned char>()))
      fail(ErrorType::Runtime, "Invalid mt19937 state");
    return Py_NewRef(self);
  });
}

PyObject* generator_clone_state(PyObject* self, PyObject*) {
  GeneratorObject* copy = new_generator(Py_TYPE(self));
  if (!copy) return nullptr;
  std::lock_guard lock(of(self).mutex);
  copy->generator.copy_from(of(self));
  return reinterpret_cast<PyObject*>(copy);
}

PyObject* generator_no_offset(PyObject*, PyObject*) {
  return PyErr_Format(PyExc_RuntimeError, "CPU Generator does not use offset");
}

template <bool kGet>
PyObject* generator_no_graph(PyObject*, PyObject*) {
  return PyErr_Format(PyExc_NotImplementedError,
                      "graphsafe_%s_state is not supported in this Generator",
                      kGet ? "get" : "set");
}

// (type, (device,), (initial_seed, offset, state)), the shape PyTorch pickles.
PyObject* generator_reduce(PyObject* self, PyObject*) {
  PyObject* device = package_device("cpu");
  PyObject* state = device ? generator_get_state(self, nullptr) : nullptr;
  if (!state) {
    Py_XDECREF(device);
    return nullptr;
  }
  return Py_BuildValue("O(N)(KON)", Py_TYPE(self), device,
                       static_cast<unsigned long long>(of(self).seed), Py_None, state);
}

PyObject* generator_setstate(PyObject* self, PyObject* value) {
  if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 3)
    return PyErr_Format(PyExc_TypeError, "Generator: expected a state of three items");
  PyObject* done = generator_set_state(self, PyTuple_GET_ITEM(value, 2));
  Py_XDECREF(done);
  return done ? Py_NewRef(Py_None) : nullptr;
}

PyObject* generator_device(PyObject*, void*) { return package_device("cpu"); }

PyMethodDef generator_methods[] = {
    {"manual_seed", generator_manual_seed, METH_O, "Restart from a seed; returns the generator."},
    {"seed", generator_seed, METH_NOARGS, "Restart from 64 bits of the system; returns them."},
    {"initial_seed", generator_initial_seed, METH_NOARGS, "The seed last given."},
    {"get_state", generator_get_state, METH_NOARGS, "The whole state as 5056 bytes (uint8)."},
    {"set_state", generator_set_state, METH_O, "Return to a state of get_state()."},
    {"clone_state", generator_clone_state, METH_NOARGS, "An independent copy."},
    {"get_offset", generator_no_offset, METH_NOARGS, "Raises: there is none on the CPU."},
    {"set_offset", generator_no_offset, METH_O, "Raises: there is none on the CPU."},
    {"graphsafe_get_state", generator_no_graph<true>, METH_NOARGS, "Raises: a CUDA feature."},
    {"graphsafe_set_state", generator_no_graph<false>, METH_O, "Raises: a CUDA feature."},
    {"__reduce__", generator_reduce, METH_NOARGS, "Pickle by state."},
    {"__setstate__", generator_setstate, METH_O, "Restore a pickled state."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef generator_getset[] = {
    {"device", generator_device, nullptr, "Where the generator draws: cpu.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef generator_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(GeneratorObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot generator_slots[] = {
    {Py_tp_doc, const_cast<char*>("A stream of random numbers with a state of its own.")},
    {Py_tp_new, reinterpret_cast<void*>(generator_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(generator_dealloc)},
    {Py_tp_methods, generator_methods},
    {Py_tp_getset, generator_getset},
    {Py_tp_members, generator_members},
    {0, nullptr}};

PyType_Spec generator_spec = {"rushlight._C.Generator", sizeof(GeneratorObject), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, generator_slots};

}  // namespace

Generator& generator_of(PyObject* object) {
  if (!object || object == Py_None) return default_object->generator;
  if (!PyObject_TypeCheck(object, generator_type))
    fail(ErrorType::Type, "argument 'generator' must be torch.Generator, not %s",
         Py_TYPE(object)->tp_name);
  return of(object);
}

// A fork while another thread draws would leave the child a lock that nobody opens, and a state
// half renewed: it waits until the draw is done. (Who draws needs no GIL to come to an end.)
static void lock_default() { default_object->generator.mutex.lock(); }
static void unlock_default() { default_object->generator.mutex.unlock(); }

bool init_generator(PyObject* module) {
  if (!generator_type)
    generator_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&generator_spec));
  if (!generator_type) return false;
  if (!default_object) {
    default_object = new_generator(generator_type);
    if (!default_object) return false;
    default_object->generator.manual_seed(system_seed());
    pthread_atfork(lock_default, unlock_default, unlock_default);
  }
  return PyModule_AddObjectRef(module, "Generator", reinterpret_cast<PyObject*>(generator_type)) ==
             0 &&
         PyModule_AddObjectRef(module, "default_generator",
                               reinterpret_cast<PyObject*>(default_object)) == 0;
}

}  // namespace rl
