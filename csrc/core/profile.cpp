// The profiler's recorder (profile.h), and its functions in Python.
//
//   profiler_start(shapes, stacks, memory)   begins to record this thread
//   profiler_stop() -> (events, memory)      ends it
//   profiler_pause(paused)                   records nothing for a while
//   profiler_enter(name) -> token, profiler_exit(token)
//
// An event is (kind, what, start, end, parent, first node, inputs, stack), times in nanoseconds;
// `parent` is an index, -1 at the top; `first node` the sequence number of the first node that was
// recorded meanwhile, or of the node that ran; memory is (time, address, bytes, total, event).
#include "profile.h"

#include <time.h>

#include <deque>
#include <memory>

#include "autograd.h"
#include "memory_hook.h"

namespace rl {

namespace {

enum class Kind : uint8_t { Call, Backward, User };

struct Event {
  PyObject* what;  // operator, function, node type or name; owned
  PyObject* inputs = nullptr;
  PyObject* stack = nullptr;
  int64_t start = 0, end = -1, sequence = -1;
  int64_t parent;
  Kind kind;
};
struct MemoryEvent {
  int64_t time;
  void* address;
  int64_t bytes, total;
  int64_t event;
};

int64_t g_recorders = 0;
int g_memory_users = 0;

int64_t now() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{1000000000} * t.tv_sec + t.tv_nsec;
}

}  // namespace

struct Recorder {
  bool shapes, stacks, memory;
  int64_t number = ++g_recorders;  // tells a run from an earlier one at the same address
  std::deque<Event> events;
  std::deque<MemoryEvent> memories;
  int64_t open = -1;  // the innermost event that has not ended
  int64_t total = 0;

  ~Recorder() {
    for (Event& e : events) {
      Py_DECREF(e.what);
      Py_XDECREF(e.inputs);
      Py_XDECREF(e.stack);
    }
  }
};

namespace {

thread_local std::unique_ptr<Recorder> t_recorder;  // modes.recorder points to it unless paused

// A number, a text, or a few of them, kept as they are; else the type of the object.
PyObject* plain_value(PyObject* o) {
  auto plain = [](PyObject* x) {
    return x == Py_None || PyBool_Check(x) || PyLong_Check(x) || PyFloat_Check(x) ||
           PyUnicode_Check(x);
  };
  if (plain(o)) return Py_NewRef(o);
  if (PyList_Check(o) || PyTuple_Check(o)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    bool all = n <= kMaxDims;
    for (Py_ssize_t i = 0; i < n && all; ++i) all = plain(PySequence_Fast_GET_ITEM(o, i));
    if (all) return checked(PySequence_Tuple(o));
  }
  return Py_NewRef(as_object(Py_TYPE(o)));
}

// What a call was given: the sizes of tensors and their element types; [] and the value of others.
void describe(PyObject* o, PyObject* shapes, PyObject* types, int depth) {
  Ref shape, type;
  if (tensor_check(o)) {
    const Array& a = as_tensor(o)->array;
    shape = Ref(checked(PyList_New(a.ndim())));
    for (int d = 0; d < a.ndim(); ++d)
      PyList_SET_ITEM(shape.p, d, checked(PyLong_FromLongLong(a.sizes()[d])));
    type = Ref(Py_NewRef(dtype_object(a.dtype())));
  } else {
    shape = Ref(checked(PyList_New(0)));
    const bool list = depth && (PyList_Check(o) || PyTuple_Check(o));
    const Py_ssize_t n = list ? PySequence_Fast_GET_SIZE(o) : 0;
    if (n && tensor_check(PySequence_Fast_GET_ITEM(o, 0))) {
      type = Ref(checked(PyList_New(0)));
      for (Py_ssize_t i = 0; i < n; ++i)
        describe(PySequence_Fast_GET_ITEM(o, i), shape, type, depth - 1);
    } else {
      type = Ref(plain_value(o));
    }
  }
  if (PyList_Append(shapes, shape) < 0 || PyList_Append(types, type) < 0) throw PythonError();
}

PyObject* describe_all(PyObject* const* args, Py_ssize_t n) {
  Ref shapes(checked(PyList_New(0))), types(checked(PyList_New(0)));
  for (Py_ssize_t i = 0; i < n; ++i)
    if (args[i]) describe(args[i], shapes, types, 1);
  return checked(PyTuple_Pack(2, shapes.p, types.p));
}

// (code, line, code, line, ...), innermost first.
PyObject* python_stack() {
  constexpr int kFrames = 64;
  Ref list(checked(PyList_New(0)));
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  for (int i = 0; frame && i < kFrames; ++i) {
    Ref code(as_object(PyFrame_GetCode(frame)));
    Ref line(PyLong_FromLong(PyFrame_GetLineNumber(frame)));
    const bool failed = !line || PyList_Append(list, code) < 0 || PyList_Append(list, line) < 0;
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
    if (failed) break;
  }
  Py_XDECREF(frame);
  return checked(PyList_AsTuple(list));
}

size_t open_event(Recorder& r, Kind kind, PyObject* what) {
  Event e;
  e.what = Py_NewRef(what);
  e.parent = r.open;
  e.kind = kind;
  const size_t index = r.events.size();
  r.events.push_back(e);
  r.open = static_cast<int64_t>(index);
  return index;
}

// Ends an event, and those inside it that an exception left open.
void close_event(Recorder& r, size_t index) {
  Event& e = r.events[index];
  e.end = now();
  for (int64_t i = r.open; i > static_cast<int64_t>(index);) {
    Event& inner = r.events[static_cast<size_t>(i)];
    if (inner.end < 0) inner.end = e.end;
    i = inner.parent;
  }
  r.open = e.parent;
}

void note_memory(void* address, int64_t bytes) {
  Recorder* r = modes.recorder;
  if (!r || !r->memory) return;
  r->total += bytes;
  r->memories.push_back({now(), address, bytes, r->total, r->open});
}

}  // namespace

ProfileScope::ProfileScope(PyObject* what, bool backward, PyObject* const* args, Py_ssize_t n)
    : recorder_(modes.recorder) {
  if (!recorder_) return;
  number_ = recorder_->number;
  index_ = open_event(*recorder_, backward ? Kind::Backward : Kind::Call, what);
  Event& e = recorder_->events[index_];
  if (recorder_->shapes) e.inputs = describe_all(args, n);
  if (recorder_->stacks) e.stack = python_stack();
  if (!backward) e.sequence = static_cast<int64_t>(peek_sequence());
  e.start = now();
}

ProfileScope::~ProfileScope() {
  if (!recorder_ || !t_recorder || t_recorder->number != number_) return;  // stopped meanwhile
  Event& e = recorder_->events[index_];
  if (e.kind == Kind::Call && e.sequence == static_cast<int64_t>(peek_sequence())) e.sequence = -1;
  close_event(*recorder_, index_);
}

void note_sequence(uint64_t sequence) {  // of the innermost event
  Recorder* r = modes.recorder;
  if (r && r->open >= 0)
    r->events[static_cast<size_t>(r->open)].sequence = static_cast<int64_t>(sequence);
}

namespace {

PyObject* start(PyObject*, PyObject* args) {
  int shapes, stacks, memory;
  if (!PyArg_ParseTuple(args, "ppp", &shapes, &stacks, &memory)) return nullptr;
  if (t_recorder) {
    PyErr_SetString(PyExc_RuntimeError, "Profiler is already enabled on this thread");
    return nullptr;
  }
  t_recorder = std::make_unique<Recorder>();
  t_recorder->shapes = shapes;
  t_recorder->stacks = stacks;
  t_recorder->memory = memory;
  modes.recorder = t_recorder.get();
  if (memory && g_memory_users++ == 0) g_memory_hook = note_memory;
  return PyLong_FromLongLong(now());
}

PyObject* event_tuple(Event& e, int64_t end) {
  return Py_BuildValue(
      "iNLLLLNN", static_cast<int>(e.kind), Py_NewRef(e.what), static_cast<long long>(e.start),
      static_cast<long long>(e.end < 0 ? end : e.end), static_cast<long long>(e.parent),
      static_cast<long long>(e.sequence), Py_NewRef(e.inputs ? e.inputs : Py_None),
      Py_NewRef(e.stack ? e.stack : Py_None));
}

PyObject* stop(PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (!t_recorder)
      fail(ErrorType::Runtime, "can't disable the profiler: it is not enabled on this thread");
    modes.recorder = nullptr;
    const std::unique_ptr<Recorder> r = std::move(t_recorder);
    if (r->memory && --g_memory_users == 0) g_memory_hook = nullptr;
    const int64_t end = now();
    Ref events(checked(PyList_New(static_cast<Py_ssize_t>(r->events.size()))));
    for (size_t i = 0; i < r->events.size(); ++i)
      PyList_SET_ITEM(events.p, static_cast<Py_ssize_t>(i),
                      checked(event_tuple(r->events[i], end)));
    Ref memories(checked(PyList_New(static_cast<Py_ssize_t>(r->memories.size()))));
    for (size_t i = 0; i < r->memories.size(); ++i) {
      const MemoryEvent& m = r->memories[i];
      PyList_SET_ITEM(
          memories.p, static_cast<Py_ssize_t>(i),
          checked(Py_BuildValue("LNLLL", static_cast<long long>(m.time),
                                PyLong_FromVoidPtr(m.address), static_cast<long long>(m.bytes),
                                static_cast<long long>(m.total), static_cast<long long>(m.event))));
    }
    return checked(PyTuple_Pack(2, events.p, memories.p));
  });
}

PyObject* pause(PyObject*, PyObject* paused) {
  const int truth = PyObject_IsTrue(paused);
  if (truth < 0) return nullptr;
  modes.recorder = truth ? nullptr : t_recorder.get();
  Py_RETURN_NONE;
}

PyObject* enabled(PyObject*, PyObject*) { return PyBool_FromLong(modes.recorder != nullptr); }

PyObject* enter(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    Recorder* r = modes.recorder;
    if (!r) Py_RETURN_NONE;
    const size_t index = open_event(*r, Kind::User, name);
    if (r->stacks) r->events[index].stack = python_stack();
    r->events[index].start = now();
    return Py_BuildValue("Ln", static_cast<long long>(r->number), static_cast<Py_ssize_t>(index));
  });
}

PyObject* leave(PyObject*, PyObject* token) {
  if (token == Py_None) Py_RETURN_NONE;
  long long number;
  Py_ssize_t index;
  if (!PyTuple_Check(token) || !PyArg_ParseTuple(token, "Ln", &number, &index)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "profiler_exit: expected a token");
    return nullptr;
  }
  Recorder* r = t_recorder.get();
  // A token of an earlier run is of no use: that run has ended its events itself.
  if (!r || r->number != number || index < 0 || static_cast<size_t>(index) >= r->events.size())
    Py_RETURN_NONE;
  if (r->events[static_cast<size_t>(index)].end < 0) close_event(*r, static_cast<size_t>(index));
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {{"profiler_start", start, METH_VARARGS, nullptr},
                           {"profiler_stop", stop, METH_NOARGS, nullptr},
                           {"profiler_pause", pause, METH_O, nullptr},
                           {"profiler_enabled", enabled, METH_NOARGS, nullptr},
                           {"profiler_enter", enter, METH_O, nullptr},
                           {"profiler_exit", leave, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_profile(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
