// The engine: from roots to leaves, each node once, when all its gradients have arrived.
//
// A gradient is brought to its input's shape and dtype here, once for all operators. Nothing
// recurses: graphs of any depth run in constant stack.
#include <cstring>
#include <queue>
#include <unordered_map>

#include "engine.h"

namespace rl {
namespace {

struct State {
  int dependencies = 0;
  bool needed = true;
  std::vector<PyObject*> gradients;  // one per output of the node, owned; null where none arrived
};

struct Later {
  bool operator()(const Node* a, const Node* b) const { return a->sequence < b->sequence; }
};

struct Capture {
  Node* node;
  uint32_t nr;
  size_t index;
};

struct Task {
  std::unordered_map<Node*, State> states;
  std::priority_queue<Node*, std::vector<Node*>, Later> ready;
  std::vector<Capture> captures;
  std::vector<PyObject*> captured;  // owned, null where unused
  std::vector<Node*> held;          // strong references to the roots
  bool keep = false, create = false, accumulate = true;

  ~Task() {
    for (auto& [node, state] : states) {
      for (PyObject* g : state.gradients) Py_XDECREF(g);
    }
    for (PyObject* g : captured) Py_XDECREF(g);
    for (Node* n : held) Py_DECREF(n);
  }
};

// The backward run of this thread, for hooks that ask.
thread_local Task* t_task = nullptr;
thread_local int64_t t_run = -1;
int64_t g_runs = 0;

struct Running {
  Task* task = t_task;
  int64_t run = t_run;
  explicit Running(Task* now) {
    t_task = now;
    t_run = g_runs++;
  }
  ~Running() {
    t_task = task;
    t_run = run;
  }
};

uint32_t output_count(const Node* n) {
  return n->variable ? 1 : std::max<uint32_t>(n->noutputs, 1);
}

void check_nan(Node* n, const Results& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i]) continue;
    Ref bad(call_helper("has_nan", {out[i]}));
    if (PyObject_IsTrue(bad) == 1)
      fail(ErrorType::Runtime, "Function '%s' returned nan values in its %zuth output.",
           node_label(n).c_str(), i);
  }
}

// Under anomaly mode a failing node tells which forward call made it.
void report_anomaly(Node* n) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* data = extra_item(n, "metadata");
  PyObject* text = data ? PyDict_GetItemString(data, "traceback_") : nullptr;
  Ref name(PyUnicode_FromString(node_label(n).c_str()));
  try {
    Ref done(call_helper("report_anomaly", {name, text ? text : Py_None}));
  } catch (const PythonError&) {
    PyErr_Clear();
  }
  PyErr_Restore(type, value, trace);
}

void apply_node(Task& task, Node* n, State& state, Results& out) {
  std::vector<PyObject*>& gradients = state.gradients;
  if (n->extra) {
    run_output_hooks(n, gradients);
    if (PyObject* pre = extra_item(n, "prehooks")) {
      Ref hooks(checked(PyDict_Values(pre)));
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
        Ref tuple(gradient_tuple(gradients));
        Ref got(checked(PyObject_CallOneArg(PyList_GET_ITEM(hooks.p, i), tuple)));
        if (got == Py_None) continue;
        Ref seq(PyTuple_Check(got.p) ? got.release() : checked(PyTuple_Pack(1, got.p)));
        for (size_t k = 0; k < gradients.size() && k < static_cast<size_t>(PyTuple_GET_SIZE(seq.p));
             ++k) {
          PyObject* o =
              none_to_null(Py_NewRef(PyTuple_GET_ITEM(seq.p, static_cast<Py_ssize_t>(k))));
          Py_XDECREF(gradients[k]);
          gradients[k] = o;
        }
      }
    }
  }
  for (const Capture& c : task.captures) {
    if (c.node == n && gradients[c.nr]) {
      if (n->variable && n->variable->extra && n->variable->extra->hooks &&
          PyDict_GET_SIZE(n->variable->extra->hooks)) {
        gradients[c.nr] =
            run_tensor_hooks(n->variable->extra->hooks, Ref(gradients[c.nr])).release();
      }
      Py_XDECREF(task.captured[c.index]);
      task.captured[c.index] = Py_NewRef(gradients[c.nr]);
    }
  }
  if (!state.needed) return;
  if (n->variable) {
    if (task.accumulate && gradients[0]) {
      PyObject* g = gradients[0];
      gradients[0] = nullptr;
      accumulate_into(n->variable, Ref(g), task.create);
    }
    return;
  }
  bool any = false;
  for (PyObject* g : gradients) any = any || g;
  if (!any && n->spec) return;
  out.assign(n->nedges, nullptr);
  run_node(n, gradients, out);
  if (g_anomaly && g_anomaly_check_nan) check_nan(n, out);
  if (PyObject* post = extra_item(n, "hooks")) {
    Ref hooks(checked(PyDict_Values(post)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.p); ++i) {
      Ref inputs(gradient_tuple(out)), outputs(gradient_tuple(gradients));
      Ref got(checked(
          PyObject_CallFunctionObjArgs(PyList_GET_ITEM(hooks.p, i), inputs.p, outputs.p, nullptr)));
      if (got == Py_None) continue;
      Ref seq(PyTuple_Check(got.p) ? got.release() : checked(PyTuple_Pack(1, got.p)));
      if (PyTuple_GET_SIZE(seq.p) != static_cast<Py_ssize_t>(out.size())) {
        fail(ErrorType::Runtime,
             "hook has returned an incorrect number of values (got %zd, but expected %zu)",
             PyTuple_GET_SIZE(seq.p), out.size());
      }
      for (size_t k = 0; k < out.size(); ++k) {
        PyObject* o = none_to_null(Py_NewRef(PyTuple_GET_ITEM(seq.p, static_cast<Py_ssize_t>(k))));
        Py_XDECREF(out[k]);
        out[k] = o;
      }
    }
  }
}

// -- the walk -----------------------------------------------------------------------------------

void count_dependencies(Task& task, const std::vector<Node*>& roots) {
  std::vector<Node*> stack;
  for (Node* n : roots) {
    if (task.states.try_emplace(n).second) stack.push_back(n);
  }
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    for (uint32_t i = 0; i < n->nedges; ++i) {
      Node* next = n->edges[i].node;
      if (!next) continue;
      auto [it, fresh] = task.states.try_emplace(next);
      ++it->second.dependencies;
      if (fresh) stack.push_back(next);
    }
  }
}

// With `inputs` given only nodes on a path to one of them run.
void mark_needed(Task& task, const std::vector<Node*>& roots) {
  std::unordered_map<Node*, int> phase;  // 1 open, 2 done
  for (auto& [n, s] : task.states) s.needed = false;
  std::vector<Node*> stack(roots);
  while (!stack.empty()) {
    Node* n = stack.back();
    int& p = phase[n];
    if (p == 0) {
      p = 1;
      for (uint32_t i = 0; i < n->nedges; ++i) {
        Node* next = n->edges[i].node;
        if (next && phase.find(next) == phase.end()) stack.push_back(next);
      }
      continue;
    }
    stack.pop_back();
    if (p == 2) continue;
    p = 2;
    bool needed = task.accumulate && n->variable;
    if (needed) {
      needed = false;
      for (const Capture& c : task.captures) needed = needed || c.node == n;
    }
    for (uint32_t i = 0; i < n->nedges && !needed; ++i) {
      Node* next = n->edges[i].node;
      if (!next) continue;
      needed = task.states[next].needed;
      for (const Capture& c : task.captures) needed = needed || c.node == next;
    }
    task.states[n].needed = needed;
  }
}

void deliver(Task& task, Node* target, uint32_t nr, Ref g) {
  State& state = task.states[target];
  if (state.gradients.empty()) state.gradients.resize(output_count(target), nullptr);
  if (nr >= state.gradients.size()) state.gradients.resize(nr + 1, nullptr);
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
    Node* n = task.ready.top();
    task.ready.pop();
    State& state = task.states[n];
    if (state.gradients.empty()) state.gradients.resize(output_count(n), nullptr);
    Results out;
    ResultsGuard guard{out};
    try {
      apply_node(task, n, state, out);
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
      if (--after.dependencies == 0) task.ready.push(next);
    }
    if (!task.keep && !n->variable && state.needed) {
      release_saved(n);
      if (!n->spec && PyObject_HasAttrString(as_object(n), "release"))
        Ref done(checked(PyObject_CallMethod(as_object(n), "release", nullptr)));
    }
  }
}

struct GradMode {
  bool saved;
  explicit GradMode(bool on) : saved(modes.grad) { modes.grad = on; }
  ~GradMode() { modes.grad = saved; }
};

// backward(tensors, gradients or None, retain_graph, create_graph, inputs or None, accumulate)
PyObject* backward(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  try {
    if (modes.transforms && PyObject_IsTrue(args[5]) == 1)
      fail(ErrorType::Runtime,
           "backward() called inside a functorch transform. This is not supported, please use "
           "torch.func.grad or torch.func.vjp instead or call backward() outside of the "
           "transformed function");
    if (nargs != 6) fail(ErrorType::Type, "backward: expected 6 arguments, got %zd", nargs);
    Ref tensors(checked(PySequence_Fast(args[0], "backward: tensors must be a sequence")));
    Ref given(args[1] == Py_None
                  ? nullptr
                  : checked(PySequence_Fast(args[1], "backward: gradients must be a sequence")));
    Task task;
    task.keep = PyObject_IsTrue(args[2]) == 1;
    task.create = PyObject_IsTrue(args[3]) == 1;
    task.accumulate = PyObject_IsTrue(args[5]) == 1;
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(tensors.p);
    std::vector<Node*> roots;
    std::vector<std::pair<Edge, PyObject*>> starts;
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* o = PySequence_Fast_GET_ITEM(tensors.p, i);
      Edge edge{nullptr, 0};
      if (tensor_check(o)) {
        edge = edge_of(as_tensor(o));
        if (!edge.node)
          fail(ErrorType::Runtime,
               "element %zd of tensors does not require grad and does not have a grad_fn", i);
      } else {  // (node, output number)
        Ref node(checked(PySequence_GetItem(o, 0))), nr(checked(PySequence_GetItem(o, 1)));
        if (!PyObject_TypeCheck(node.p, NodeType))
          fail(ErrorType::Type, "backward: expected a Tensor or a GradientEdge, got %s",
               Py_TYPE(o)->tp_name);
        edge = {reinterpret_cast<Node*>(node.release()), static_cast<uint32_t>(integer(nr))};
      }
      task.held.push_back(edge.node);
      roots.push_back(edge.node);
      PyObject* g = given ? PySequence_Fast_GET_ITEM(given.p, i) : Py_None;
      starts.push_back({edge, g});
    }
    if (args[4] != Py_None) {
      Ref inputs(checked(PySequence_Fast(args[4], "backward: inputs must be a sequence")));
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(inputs.p); ++i) {
        PyObject* o = PySequence_Fast_GET_ITEM(inputs.p, i);
        if (tensor_check(o)) {
          if (!needs_grad(as_tensor(o)))
            fail(ErrorType::Runtime, "One of the differentiated Tensors does not require grad");
          Edge e = edge_of(as_tensor(o));
          task.held.push_back(e.node);
          task.captures.push_back({e.node, e.nr, static_cast<size_t>(i)});
        } else {
          Ref node(checked(PySequence_GetItem(o, 0))), nr(checked(PySequence_GetItem(o, 1)));
          if (!PyObject_TypeCheck(node.p, NodeType))
            fail(ErrorType::Type, "grad: expected a Tensor or a GradientEdge, got %s",
                 Py_TYPE(o)->tp_name);
          task.captures.push_back({reinterpret_cast<Node*>(node.p),
                                   static_cast<uint32_t>(integer(nr)), static_cast<size_t>(i)});
          task.held.push_back(reinterpret_cast<Node*>(node.release()));
        }
      }
      task.captured.resize(task.captures.size(), nullptr);
    }
    count_dependencies(task, roots);
    if (args[4] != Py_None) mark_needed(task, roots);
    Running running(&task);
    GradMode mode(task.create);
    for (size_t i = 0; i < starts.size(); ++i) {
      auto& [edge, g] = starts[i];
      Ref start;
      if (g == Py_None) {
        PyObject* o = PySequence_Fast_GET_ITEM(tensors.p, static_cast<Py_ssize_t>(i));
        if (!tensor_check(o))
          fail(ErrorType::Runtime, "grad must be given for a GradientEdge output");
        const Array& a = as_tensor(o)->array;
        if (a.numel() != 1)
          fail(ErrorType::Runtime, "grad can be implicitly created only for scalar outputs");
        if (!is_real(a.dtype()))
          fail(ErrorType::Runtime,
               "grad can be implicitly created only for real scalar outputs but got %s",
               dtype_name(a.dtype()));
        Array one = Array::empty(a.dtype(), a.shape());
        fill(one, 1.0);
        start = Ref(as_object(tensor_new(std::move(one))));
      } else {
        start = Ref(Py_NewRef(g));
      }
      start = fit(std::move(start), edge.node, edge.nr, nullptr, static_cast<uint32_t>(i));
      deliver(task, edge.node, edge.nr, std::move(start));
    }
    for (Node* n : roots) {
      State& s = task.states[n];
      if (s.dependencies == 0) {
        s.dependencies = -1;  // queued once, however often it is a root
        task.ready.push(n);
      }
    }
    walk(task);
    if (task.accumulate && args[4] == Py_None) Py_RETURN_NONE;
    PyObject* tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(task.captured.size())));
    for (size_t i = 0; i < task.captured.size(); ++i) {
      PyObject* g = task.captured[i];
      task.captured[i] = nullptr;
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), g ? g : Py_NewRef(Py_None));
    }
    return tuple;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// backward_run(): number of the run in progress, or -1. will_execute(node): whether it takes part.
PyObject* backward_run(PyObject*, PyObject*) { return PyLong_FromLongLong(t_run); }
PyObject* will_execute(PyObject*, PyObject* node) {
  if (!t_task || !PyObject_TypeCheck(node, NodeType)) Py_RETURN_FALSE;
  auto found = t_task->states.find(reinterpret_cast<Node*>(node));
  return PyBool_FromLong(found != t_task->states.end() && found->second.needed);
}

// -- modes --------------------------------------------------------------------------------------

PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(modes.grad); }
PyObject* set_grad_enabled(PyObject*, PyObject* on) {
  const bool old = modes.grad;
  const int truth = PyObject_IsTrue(on);
  if (truth < 0) return nullptr;
  modes.grad = truth;
  return PyBool_FromLong(old);
}
PyObject* is_inference(PyObject*, PyObject*) { return PyBool_FromLong(modes.inference); }
PyObject* set_inference(PyObject*, PyObject* on) {
  const bool old = modes.inference;
  const int truth = PyObject_IsTrue(on);
  if (truth < 0) return nullptr;
  modes.inference = truth;
  return PyBool_FromLong(old);
}
PyObject* set_anomaly(PyObject*, PyObject* args) {
  int enabled, nan = 1;
  if (!PyArg_ParseTuple(args, "p|p", &enabled, &nan)) return nullptr;
  g_anomaly = enabled;
  g_anomaly_check_nan = nan;
  Py_RETURN_NONE;
}
PyObject* is_anomaly(PyObject*, PyObject*) { return PyBool_FromLong(g_anomaly); }
PyObject* is_anomaly_nan(PyObject*, PyObject*) { return PyBool_FromLong(g_anomaly_check_nan); }

PyMethodDef functions[] = {
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(backward)), METH_FASTCALL,
     nullptr},
    {"backward_run", backward_run, METH_NOARGS, nullptr},
    {"will_execute", will_execute, METH_O, nullptr},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "Whether operators record history."},
    {"set_grad_enabled", set_grad_enabled, METH_O,
     "Set whether operators record; returns the previous state."},
    {"is_inference_mode", is_inference, METH_NOARGS, nullptr},
    {"set_inference_mode", set_inference, METH_O, nullptr},
    {"set_anomaly", set_anomaly, METH_VARARGS, nullptr},
    {"is_anomaly", is_anomaly, METH_NOARGS, nullptr},
    {"is_anomaly_check_nan", is_anomaly_nan, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_engine(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rl
