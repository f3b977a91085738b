// Levels: what a transform (vmap, forward mode) puts on the stack of interpreters, and the tensors
// that belong to one (docs/design/011-transforms.md).
#pragma once
#include "op.h"

namespace rl {

// Python's classes derive from it; `process(op, args, kwargs)` runs a call one level further out.
struct Level {
  PyObject_HEAD bool maps;  // vmap: tensors at this level are wrapped; else they carry tangents
  bool open;
  int number;  // as users see it: 1 is the outermost
};
extern PyTypeObject* LevelType;

inline Level* level_of(const Tensor* t) {  // null: a tensor of no vmap
  return t->flags & kWrapped ? t->extra->level : nullptr;
}
// Whether calls on t are recorded here: the tape belongs to the innermost vmap that is open. What
// lies further out has its tape there.
inline bool on_tape(const Tensor* t) { return level_of(t) == modes.lanes; }

constexpr int kDepth = 8;  // of lists in lists

template <class F>
bool any_tensor(PyObject* o, F f, int depth = kDepth) {
  if (tensor_check(o)) return f(as_tensor(o));
  if (depth && (PyList_Check(o) || PyTuple_Check(o))) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      if (any_tensor(PySequence_Fast_GET_ITEM(o, i), f, depth - 1)) return true;
    }
  }
  return false;
}

Level* level_argument(const char* name, PyObject* o);       // TypeError when it is none
Tensor* tensor_argument(const char* name, PyObject* o);     // TypeError when it is none
PyObject* tangent_of(const Tensor* t, const Level* level);  // borrowed or null
bool any_wrapped(PyObject* const* values, int n);           // lists too
bool at_level(const Level* level, PyObject* const* values, int n);
Tensor* shallow_copy(
    Tensor* t,
    PyTypeObject* type = TensorType);   // same elements, level and tangents; no history of its own
Tensor* cut(Tensor* t, bool tangents);  // nor any further out; with or without tangents
Tensor* wrap_lanes(Level* level, Tensor* physical, bool batched);
// What a function under vmap makes is its own, the same in all lanes: writes to it are recorded.
inline Tensor* made_here(Tensor* fresh) {
  if (!modes.lanes) return fresh;
  Ref guard(as_object(fresh));
  return wrap_lanes(modes.lanes, fresh, false);
}
bool differs(const Tensor* t);  // from lane to lane
bool is_live(PyObject* o);      // whether a tensor has history at its level or further out
[[noreturn]] void escaped();

// Takes the innermost interpreter off the stack as long as it lives.
class Outwards {
 public:
  Outwards();
  explicit Outwards(Level* level);  // with all that is further in, where it is on the stack
  ~Outwards();
  Outwards(const Outwards&) = delete;

 private:
  void leave(Py_ssize_t count);
  PyObject* stack_;
};
PyObject* innermost_interpreter();  // borrowed; there is one
// The interpreter handles the call, with the stack up to it.
PyObject* interpret(PyObject* interpreter, PyObject* op, PyObject* args, PyObject* kwargs);
bool sees(PyObject* interpreter, PyObject* function, bool composite);
// below.cpp: what `__torch_dispatch__` sees.
bool is_below(PyObject* interpreter);     // carries out what has been recorded already
PyObject* handled_mode();                 // the innermost interpreter where it is such: borrowed
bool is_dispatching(PyTypeObject* type);  // a class with a `__torch_dispatch__` of its own
bool any_dispatching(PyObject* const* values, int n);  // lists too
inline bool is_dispatching(const Tensor* t) {
  PyObject* o = reinterpret_cast<PyObject*>(const_cast<Tensor*>(t));
  return modes.torch_dispatch && !exact_tensor(o) && is_dispatching(Py_TYPE(o));
}
PyObject* dispatch(Op* op, PyObject* const* values, PyObject* out, bool asked);
void set_interpreters(PyObject* stack);  // a list or null; takes a reference of its own

bool init_below(PyObject* module);
bool init_levels(PyObject* module);
bool init_wrapped(PyObject* module);
bool init_liveness(PyObject* module);

}  // namespace rl
