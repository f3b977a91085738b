// The engine: from roots to leaves, each node once, when all its gradients have arrived.
//
// A gradient is brought to its input's shape and dtype here, once for all operators. Nothing
// recurses: graphs of any depth run in constant stack.
#include <algorithm>
#include <cstring>

#include "profile.h"
#include "states.h"

namespace rl {
namespace {

bool earlier(const Node* a, const Node* b) { return a->sequence < b->sequence; }

// A gradient that the caller asked for; `index` is its place in the result.
struct Capture {
  uint32_t nr;
  size_t index;
  int next;  // the node's next one, or -1
};

struct Task : Workspace {
  std::vector<Capture> captures;
  std::vector<PyObject*> captured;   // owned, null where unused
  std::vector<PyObject*> callbacks;  // owned; run when all nodes have
  std::vector<Edge> inputs;          // strong references
  std::vector<Node*> held;           // strong references to the roots
  bool keep = false, create = false, accumulate = true, selective = false;

  ~Task() {
    for (State& state : states) {
      for (PyObject* g : state.gradients) Py_XDECREF(g);
    }
    for (PyObject* g : captured) Py_XDECREF(g);
    for (PyObject* f : callbacks) Py_DECREF(f);
    for (const Edge& e : inputs) Py_DECREF(e.node);
    for (Node* n : held) Py_DECREF(n);
  }

  void make_ready(Node* n) {
    ready.push_back(n);
    std::push_heap(ready.begin(), ready.end(), earlier);
  }
  Node* take_ready() {  // the latest
    std::pop_heap(ready.begin(), ready.end(), earlier);
    Node* n = ready.back();
    ready.pop_back();
    return n;
  }
};

// The backward run of this thread, for hooks that ask, and the node whose turn it is.
thread_local Task* t_task = nullptr;
thread_local int64_t t_run = -1;
thread_local Node* t_node = nullptr;
int64_t g_runs = 0;

struct Running {
  Task* task = t_task;
  int64_t run = t_run;
  Node* node = t_node;
  explicit Running(Task* now) {
    t_task = now;
    t_run = g_runs++;
  }
  ~Running() {
    t_task = task;
    t_run = run;
    t_node = node;
  }
};

uint32_t output_count(const Node* n) {
  return n->variable ? 1 : std::max<uint32_t>(n->noutputs, 1);
}

void check_nan(Node* n, const Results& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i]) continue;
    Ref bad(call_helper("has_nan", {out[i]}));
    if (is_true(bad))
      fail(ErrorType::Runtime, "Function '%s' returned nan values in its %zuth output.",
           node_label(n).c_str(), i);
  }
}

// Under anomaly mode a failing node tells which forward call made it, and which backward call made
// that, if one did.
void report_anomaly(Node* n) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  try {
    Ref done(call_helper("report_anomaly", {as_object(n)}));
  } catch (const PythonError&) {
    PyErr_Clear();
  }
  PyErr_Restore(type, value, trace);
}

void capture(Task& task, const State& state) {
  for (int i = state.captures; i >= 0; i = task.captures[static_cast<size_t>(i)].next) {
    const Capture& c = task.captures[static_cast<size_t>(i)];
    if (c.nr >= state.gradients.size() || !state.gradients[c.nr]) continue;
    Py_XSETREF(task.captured[c.index], Py_NewRef(state.gradients[c.nr]));
  }
}

// Hooks on tensors come first, then hooks before the node, the node, and hooks after it. What is
// asked of a node that runs is its gradient before any hook, as in PyTorch.
void apply_node(Task& task, Node* n, State& state, Results& out) {
  Gradients& gradients = state.gradients;
  if (!state.needed) {
    if (state.captures < 0) return;
    run_tensor_hooks(n, gradients);
    capture(task, state);
    return;
  }
  capture(task, state);
  run_tensor_hooks(n, gradients);
  if (n->extra) run_prehooks(n, gradients);
  if (n->variable) {
    if (gradients[0]) {
      Ref arrived(n->extra ? Py_NewRef(gradients[0]) : nullptr);
      PyObject* g = std::exchange(gradients[0], nullptr);
      accumulate_into(n->variable, Ref(g), task.create);
      run_accumulated_hooks(n->variable);
      gradients[0] = arrived.release();
    }
  } else {
    bool any = !n->spec;  // nodes written in Python see None
    for (PyObject* g : gradients) any = any || g;
    out.resize(n->nedges);
    if (any) run_node(n, gradients, out);
    if (g_anomaly && g_anomaly_check_nan) check_nan(n, out);
  }
  if (n->extra) run_posthooks(n, gradients, out);
}

void apply_profiled(Task& task, Node* n, State& state, Results& out) {
  ProfileScope scope(as_object(Py_TYPE(n)), true, state.gradients.begin(),
                     static_cast<Py_ssize_t>(state.gradients.size()));
  note_sequence(n->sequence);
  apply_node(task, n, state, out);
}

// -- the walk -----------------------------------------------------------------------------------

void count_dependencies(Task& task, const std::vector<Node*>& roots) {
  std::vector<Node*>& stack = task.stack;
  for (Node* n : roots) {
    if (task.states.add(n)) stack.push_back(n);
  }
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    for (uint32_t i = 0; i < n->nedges; ++i) {
      Node* next = n->edges[i].node;
      if (!next) continue;
      if (task.states.add(next)) stack.push_back(next);
      ++task.states[next].dependencies;
    }
  }
}

// With `inputs` given only nodes on a path to one of them run: of grad() those between, of
// backward(inputs=) the inputs' own too, which accumulate or hand on to retain_grad.
void mark_needed(Task& task, const std::vector<Node*>& roots) {
  for (State& s : task.states) s.needed = false;
  for (size_t i = 0; i < task.inputs.size(); ++i) {
    State* found = task.states.find(task.inputs[i].node);
    if (!found) continue;
    if (task.accumulate) {
      found->needed = true;
    } else {
      task.captures.push_back({task.inputs[i].nr, i, found->captures});
      found->captures = static_cast<int>(task.captures.size()) - 1;
    }
  }
  std::vector<Node*> stack(roots);
  while (!stack.empty()) {
    Node* n = stack.back();
    State& state = task.states[n];
    if (state.visit == State::Unseen) {
      state.visit = State::Open;
      for (uint32_t i = 0; i < n->nedges; ++i) {
        Node* next = n->edges[i].node;
        if (next && task.states[next].visit == State::Unseen) stack.push_back(next);
      }
      continue;
    }
    stack.pop_back();
    if (state.visit == State::Done) continue;
    state.visit = State::Done;
    for (uint32_t i = 0; i < n->nedges && !state.needed; ++i) {
      Node* next = n->edges[i].node;
      if (!next) continue;
      const State& after = task.states[next];
      state.needed = after.needed || after.captures >= 0;
    }
  }
}

void deliver(Task& task, Node* target, uint32_t nr, Ref g) {
  State& state = task.states[target];
  if (state.gradients.empty()) state.gradients.resize(output_count(target));
  if (nr >= state.gradients.size()) state.gradients.resize(nr + 1);
  PyObject*& slot = state.gradients[nr];
  if (!slot) {
    slot = g.release();
  } else {
    PyObject* first = slot;
    slot = nullptr;
    PyObject* sum = add_gradients(first, g, task.create);
    task.states[target].gradients[nr] = sum;
  }
}

void walk(Task& task) {
  while (!task.ready.empty()) {
    Node* n = task.take_ready();
    t_node = n;
    State& state = task.states[n];
    if (state.gradients.empty()) state.gradients.resize(output_count(n));
    Results out;
    ResultsGuard guard{out};
    try {
      (modes.recorder ? apply_profiled : apply_node)(task, n, state, out);
    } catch (...) {
      if (g_anomaly) {
        translate_exception();
        report_anomaly(n);
        throw PythonError();
      }
      throw;
    }
    for (PyObject*& g : state.gradients) Py_CLEAR(g);
    for (uint32_t i = 0; i < n->nedges; ++i) {
      Node* next = n->edges[i].node;
      if (!next) continue;
      State& after = task.states[next];
      if (i < out.size() && out[i]) {
        PyObject* g = out[i];
        out[i] = nullptr;
        deliver(task, next, n->edges[i].nr, fit(Ref(g), next, n->edges[i].nr, n, i));
      }
      if (--after.dependencies == 0) task.make_ready(next);
    }
    if (!task.keep && !n->variable && state.needed) {
      release_saved(n);
      if (!n->spec && PyObject_HasAttrString(as_object(n), "release"))
        Ref done(checked(PyObject_CallMethod(as_object(n), "release", nullptr)));
    }
  }
}

// Where the gradient of a tensor, or of a (node, output number) pair, arrives.
Edge edge_argument(PyObject* o, const char* what) {
  if (tensor_check(o)) return edge_of(as_tensor(o));
  if (!PyTuple_Check(o) || PyTuple_GET_SIZE(o) < 2 ||
      !PyObject_TypeCheck(PyTuple_GET_ITEM(o, 0), NodeType))
    fail(ErrorType::Runtime, "all %s have to be Tensors or GradientEdges, but got %s", what,
         Py_TYPE(o)->tp_name);
  Node* n = reinterpret_cast<Node*>(PyTuple_GET_ITEM(o, 0));
  const int64_t nr = integer(PyTuple_GET_ITEM(o, 1));
  if (nr < 0 || nr >= output_count(n))
    fail(ErrorType::Index, "GradientEdge: %s has %u outputs, got output number %lld",
         node_label(n).c_str(), output_count(n), static_cast<long long>(nr));
  Py_INCREF(n);
  return {n, static_cast<uint32_t>(nr)};
}

// The gradient that enters at a root when none is given.
Ref implicit_gradient(const Edge& edge) {
  const bool leaf = edge.node->variable;
  if (!leaf && edge.nr >= edge.node->noutputs)
    fail(ErrorType::Runtime, "grad must be given for an output of %s",
         node_label(edge.node).c_str());
  Shape shape;
  DType dtype;
  if (leaf) {
    shape = edge.node->variable->array.shape();
    dtype = edge.node->variable->array.dtype();
  } else {
    shape = edge.node->outputs[edge.nr].shape();
    dtype = edge.node->outputs[edge.nr].dtype;
  }
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  if (count != 1)
    fail(ErrorType::Runtime, "grad can be implicitly created only for scalar outputs");
  if (!is_real(dtype))
    fail(ErrorType::Runtime,
         "grad can be implicitly created only for real scalar outputs but got torch.%s",
         dtype_name(dtype));
  MetaCall here(leaf ? edge.node->variable->array.is_meta() : edge.node->outputs[edge.nr].on_meta);
  Array one = Array::empty(dtype, shape);
  fill(one, 1.0);
  return Ref(as_object(tensor_new(std::move(one))));
}

// Everything that a run begins with: the edges that gradients enter by, and the inputs asked for.
std::vector<Edge> prepare(Task& task, PyObject* tensors, PyObject* inputs) {
  std::vector<Edge> starts;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(tensors); ++i) {
    const Edge edge = edge_argument(PySequence_Fast_GET_ITEM(tensors, i), "outputs");
    if (!edge.node)
      fail(ErrorType::Runtime,
           "element %zd of tensors does not require grad and does not have a grad_fn", i);
    task.held.push_back(edge.node);
    starts.push_back(edge);
  }
  for (Py_ssize_t i = 0; inputs && i < PySequence_Fast_GET_SIZE(inputs); ++i) {
    const Edge edge = edge_argument(PySequence_Fast_GET_ITEM(inputs, i), "inputs");
    if (!edge.node)
      fail(ErrorType::Runtime, "One of the differentiated Tensors does not require grad");
    task.inputs.push_back(edge);
  }
  task.captured.resize(task.inputs.size(), nullptr);
  std::vector<Node*> roots;
  for (const Edge& e : starts) roots.push_back(e.node);
  count_dependencies(task, roots);
  task.selective = inputs;
  if (inputs) mark_needed(task, roots);
  return starts;
}

void run_callbacks(Task& task) {
  for (size_t i = 0; i < task.callbacks.size(); ++i)  // one may add another
    Ref done(checked(PyObject_CallNoArgs(task.callbacks[i])));
}

// backward(tensors, gradients or None, retain_graph, create_graph, inputs or None, accumulate)
PyObject* backward(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  try {
    if (nargs != 6) fail(ErrorType::Type, "backward: expected 6 arguments, got %zd", nargs);
    const bool keep = is_true(args[2]), create = is_true(args[3]), accumulate = is_true(args[5]);
    if (modes.transforms && accumulate)
      fail(ErrorType::Runtime,
           "backward() called inside a functorch transform. This is not supported, please use "
           "torch.func.grad or torch.func.vjp instead or call backward() outside of the "
           "transformed function");
    auto sequence = [&](int i, const char* message) {
      return Ref(args[i] == Py_None ? nullptr : checked(PySequence_Fast(args[i], message)));
    };
    Ref tensors = sequence(0, "backward: tensors must be a sequence");
    Ref given = sequence(1, "backward: gradients must be a sequence");
    Ref inputs = sequence(4, "backward: inputs must be a sequence");
    if (!tensors ||
        (given && PySequence_Fast_GET_SIZE(given.p) != PySequence_Fast_GET_SIZE(tensors.p)))
      fail(ErrorType::Runtime, "backward: got other numbers of tensors and of gradients");
    Task task;
    task.keep = keep;
    task.create = create;
    task.accumulate = accumulate;
    const std::vector<Edge> starts = prepare(task, tensors, inputs);
    Running running(&task);
    const GradMode recording(task.create);
    for (size_t i = 0; i < starts.size(); ++i) {
      const Edge& edge = starts[i];
      PyObject* g = given ? PySequence_Fast_GET_ITEM(given.p, static_cast<Py_ssize_t>(i)) : Py_None;
      if (g != Py_None && !tensor_check(g))
        fail(ErrorType::Type, "gradients can be either Tensors or None, but got %s",
             Py_TYPE(g)->tp_name);
      Ref start = g == Py_None ? implicit_gradient(edge) : Ref(Py_NewRef(g));
      start = fit(std::move(start), edge.node, edge.nr, nullptr, static_cast<uint32_t>(i));
      deliver(task, edge.node, edge.nr, std::move(start));
    }
    for (const Edge& e : starts) {
      State& s = task.states[e.node];
      if (s.dependencies == 0) {
        s.dependencies = -1;  // queued once, however often it is a root
        task.make_ready(e.node);
      }
    }
    walk(task);
    run_callbacks(task);
    if (task.accumulate) Py_RETURN_NONE;
    PyObject* tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(task.captured.size())));
    for (size_t i = 0; i < task.captured.size(); ++i) {
      PyObject* g = std::exchange(task.captured[i], nullptr);
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), g ? g : Py_NewRef(Py_None));
    }
    return tuple;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// What hooks may ask about the run in progress, under PyTorch's private names too.
// backward_run(): its number, or -1. will_execute(node): whether the node takes part.
PyObject* backward_run(PyObject*, PyObject*) { return PyLong_FromLongLong(t_run); }
PyObject* will_execute(PyObject*, PyObject* node) {
  if (!t_task || !PyObject_TypeCheck(node, NodeType)) Py_RETURN_FALSE;
  const State* found = t_task->states.find(reinterpret_cast<Node*>(node));
  return PyBool_FromLong(found && found->needed);
}
PyObject* current_node(PyObject*, PyObject*) {
  return Py_NewRef(t_task && t_node ? as_object(t_node) : Py_None);
}
// Whether every leaf gets its gradient: not under grad() nor backward(inputs=).
PyObject* is_checkpoint_valid(PyObject*, PyObject*) {
  return PyBool_FromLong(!t_task || !t_task->selective);
}
PyObject* queue_callback(PyObject*, PyObject* callback) {
  if (!t_task) {
    PyErr_SetString(PyExc_RuntimeError,
                    "Final callbacks can only be installed during backward pass.");
    return nullptr;
  }
  t_task->callbacks.push_back(Py_NewRef(callback));
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(backward)), METH_FASTCALL,
     nullptr},
    {"backward_run", backward_run, METH_NOARGS, nullptr},
    {"_current_graph_task_id", backward_run, METH_NOARGS, nullptr},
    {"will_execute", will_execute, METH_O, nullptr},
    {"_will_engine_execute_node", will_execute, METH_O, nullptr},
    {"_current_autograd_node", current_node, METH_NOARGS, nullptr},
    {"is_checkpoint_valid", is_checkpoint_valid, METH_NOARGS, nullptr},
    {"queue_callback", queue_callback, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

// Where the node's forward call was made, and in whose backward, for report_anomaly.
void note_anomaly(Node* n) {
  Ref trace(call_helper("forward_trace", {}));
  Ref notes(checked(node_metadata(n, nullptr)));
  if (PyDict_SetItemString(notes, "traceback_", trace) < 0) throw PythonError();
  if (t_task && t_node && PyDict_SetItemString(notes, "parent_", as_object(t_node)) < 0)
    throw PythonError();
}

bool init_engine(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
