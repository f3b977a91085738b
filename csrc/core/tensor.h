// The Python tensor: an Array inline, and its place in the autograd graph.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "array.h"

namespace rl {

struct Node;
struct Level;
struct Tensor;

// What few tensors have.
struct TensorExtra {
  PyObject* grad = nullptr;
  uint32_t output_nr = 0;  // which output of grad_fn it is
  // Base: how often in-place writes replaced its history; view: as of which count.
  uint32_t history = 0;
  PyObject* hooks = nullptr;  // dict id -> callable, run on the gradient before it is used
  PyObject* post_hooks =
      nullptr;  // dict id -> callable, run after a leaf's gradient is accumulated
  Node* accumulator =
      nullptr;  // the leaf's AccumulateGrad node, borrowed: the node owns the tensor
  // levels.h: a wrapped tensor's level and what it stands for there; tangents by level.
  Level* level = nullptr;
  Tensor* physical = nullptr;
  bool batched = false;        // dim 0 of `physical` counts the lanes
  PyObject* duals = nullptr;   // dict Level -> tangent
  PyObject* device = nullptr;  // what a tensor that wraps others says it is on
  // What a leaf's gradient is: a DType, the tensor's own, or whatever arrives.
  static constexpr int kOwnType = -1, kAnyType = -2;
  int grad_dtype = kOwnType;
};

enum TensorFlag : uint16_t {
  kInference = 1,  // made under inference_mode
  kNoVersion = 2,  // made by .data: writes through it go unnoticed
  kRetainsGrad = 4,
  kQuietView = 8,   // a view made without recording: no history of its own
  kTracked = 16,    // known to the garbage collector
  kMultiView = 32,  // one of several views returned together (split, unbind, ...)
  kSparse = 64,     // holds indices and values; the array is only a shape and a dtype
  kWrapped = 128,   // stands for the lanes of another tensor; the array is that of lane 0
  kDual = 256,      // carries tangents
  kStandIn = 512,   // a leaf whose gradient only the core asks for
  kOwnView = 512,   // a view that a Function made or returned: its gradient is the Function's alone
  kMeta = 2048,     // shape, dtype and strides, but no elements
  kInferenceView = 1024,  // a view made under inference_mode of a tensor that was not
};

// Of up to one dim, a tensor of class Tensor itself ends where the words of its array do: 96 bytes.
struct Tensor {
  PyObject_HEAD;
  Node* grad_fn;
  Tensor* base;  // the tensor this is a view of, never itself a view
  PyObject* dict;
  PyObject* weakrefs;
  TensorExtra* extra;
  union {
    Array array;
    struct {
      char before_marks[Array::marks_at()];
      uint16_t flags;
      bool requires_grad;
    };
  };
};

inline PyObject* grad_of(const Tensor* t) { return t->extra ? t->extra->grad : nullptr; }
inline uint32_t output_nr_of(const Tensor* t) { return t->extra ? t->extra->output_nr : 0; }
inline uint32_t history_of(const Tensor* t) { return t->extra ? t->extra->history : 0; }

extern PyTypeObject* TensorType;
extern PyTypeObject* ParameterType;  // set by nn; null until then
extern PyTypeObject* SizeType;
extern PyObject *g_cpu_device, *g_meta_device;

inline bool exact_tensor(PyObject* o) {
  return Py_TYPE(o) == TensorType || Py_TYPE(o) == ParameterType;
}
inline bool tensor_check(PyObject* o) {
  return exact_tensor(o) || PyType_IsSubtype(Py_TYPE(o), TensorType);
}
// A new version; after a write through .data the end of what is kept of the elements instead.
void note_write(const Tensor* t);
inline Tensor* as_tensor(PyObject* o) { return reinterpret_cast<Tensor*>(o); }
// Sparse tensors and those that vmap wraps have no elements of their own: raises, or returns the
// array of a tensor that is the same in all lanes.
const Array& guarded_elements(const Tensor* t);
inline int device_flag(const Tensor* t) { return t->array.is_meta() ? kMeta : 0; }
inline void set_array(Tensor* t, const Array& a) {  // other elements, perhaps of another device
  t->array = a;
  t->flags = static_cast<uint16_t>((t->flags & ~kMeta) | device_flag(t));
}
inline const Array& elements(const Tensor* t) {
  if (t->flags & (kSparse | kWrapped)) [[unlikely]]
    return guarded_elements(t);
  return t->array;
}
const Array& one_element(const Tensor* t);  // elements(), in the words of .item()
[[noreturn]] void no_storage();  // NotImplementedError: a sparse tensor has no elements of its own
inline PyObject* as_object(void* o) { return reinterpret_cast<PyObject*>(o); }

Tensor* tensor_new(Array a);                      // plain, untracked
Tensor* tensor_new(Array a, PyTypeObject* type);  // of a subclass
void tensor_track(Tensor* t);                     // before it gets references to other objects
TensorExtra* tensor_extra(Tensor* t);
int tensor_clear(Tensor* t);
int tensor_traverse(Tensor* t, visitproc visit, void* arg);
void tensor_dealloc(Tensor* t);
bool init_short_type();
inline void set_output_nr(Tensor* t, uint32_t nr) {
  if (nr != output_nr_of(t)) tensor_extra(t)->output_nr = nr;
}
inline void set_history(Tensor* t, uint32_t count) {
  if (count != history_of(t)) tensor_extra(t)->history = count;
}

// Whether the tensor's gradient is wanted, and where its gradient goes.
bool needs_grad(Tensor* t);
Node* grad_fn_of(Tensor* t);  // borrowed; brings a view's history up to date; null for a leaf

extern PyGetSetDef tensor_getset[];  // tensor_attributes.cpp
int set_requires_grad(Tensor* t, PyObject* value, void*);
PyObject* get_grad_dtype(Tensor* t, void*);  // gradient.cpp
int set_grad_dtype(Tensor* t, PyObject* value, void*);

PyObject* size_object(Shape s);
PyObject* dtype_object(DType t);  // borrowed
bool dtype_check(PyObject* o);
DType dtype_of_object(PyObject* o);  // TypeError when it is none

PyObject* item_object(const Array& a);  // Python number of a one-element array
PyObject* read_item(Tensor* t);         // the same of a tensor, whoever carries calls on it out
PyObject* tolist_object(const Array& a);

// Callables that Python registers for what the core needs rarely: helper("sum_to_size").
PyObject* helper(const char* name);  // borrowed; throws when absent
PyObject* call_helper(const char* name,
                      std::initializer_list<PyObject*> args);  // new reference, throws

struct Ref {  // owns one reference
  PyObject* p;
  explicit Ref(PyObject* o = nullptr) : p(o) {}
  Ref(Ref&& o) noexcept : p(std::exchange(o.p, nullptr)) {}
  Ref& operator=(Ref&& o) noexcept {
    std::swap(p, o.p);
    return *this;
  }
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  ~Ref() { Py_XDECREF(p); }
  PyObject* release() { return std::exchange(p, nullptr); }
  operator PyObject*() const { return p; }
};
inline PyObject* checked(PyObject* o) {
  if (!o) throw PythonError();
  return o;
}

inline bool is_true(PyObject* o) {
  const int truth = PyObject_IsTrue(o);
  if (truth < 0) throw PythonError();
  return truth;
}

// Runs f, turning what it throws into a Python exception.
template <class F>
PyObject* guarded(F f) {
  try {
    return f();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

void add_number_slots(std::vector<PyType_Slot>& slots);  // slots.cpp
bool init_tensor(PyObject* module);
bool init_dtypes(PyObject* module);

}  // namespace rl
