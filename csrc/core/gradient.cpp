// One node's turn: its gradient functions, hooks, accumulation into a leaf.
#include <pthread.h>

#include <bit>
#include <cstring>
#include <mutex>

#include "engine.h"
#include "levels.h"
#include "parallel.h"

namespace rl {

std::string node_label(Node* n) {
  const char* name = Py_TYPE(n)->tp_name;
  const char* dot = strrchr(name, '.');
  return dot ? dot + 1 : name;
}

// The gradient with the shape and dtype of the value it belongs to.
Ref fit(Ref g, Node* target, uint32_t nr, const Node* from, uint32_t edge) {
  Shape shape;
  DType dtype;
  if (target->variable) {
    const Tensor* leaf = target->variable;
    shape = leaf->array.shape();
    dtype = leaf->array.dtype();
    const int chosen = leaf->extra ? leaf->extra->grad_dtype : TensorExtra::kOwnType;
    if (chosen != TensorExtra::kOwnType)
      dtype = chosen >= 0 ? static_cast<DType>(chosen) : as_tensor(g)->array.dtype();
  } else if (nr < target->noutputs) {
    shape = target->outputs[nr].shape();
    dtype = target->outputs[nr].dtype;
  } else {
    return g;
  }
  const Array& a = as_tensor(g)->array;
  if (a.ndim() != static_cast<int>(shape.size()) ||
      !std::equal(shape.begin(), shape.end(), a.sizes())) {
    bool expands = a.ndim() >= static_cast<int>(shape.size());
    for (size_t i = 0; expands && i < shape.size(); ++i) {
      const int64_t have = a.sizes()[a.ndim() - 1 - static_cast<int>(i)],
                    want = shape[shape.size() - 1 - i];
      expands = want == have || want == 1;
    }
    if (!expands) {
      fail(ErrorType::Runtime,
           "Function %s returned an invalid gradient at index %u - got %s but expected shape "
           "compatible with %s",
           from ? node_label(const_cast<Node*>(from)).c_str() : "backward", edge,
           shape_text(a.shape()).c_str(), shape_text(shape).c_str());
    }
    Ref size(size_object(shape));
    g = Ref(call_helper("sum_to_size", {g, size}));
  }
  if (as_tensor(g)->array.dtype() != dtype) {
    g = Ref(call_helper("cast_gradient", {g, dtype_object(dtype)}));
  }
  return g;
}

static Op* adding() {
  static Op* const add = find_op("add");
  return add;
}
static Op* adding_in_place() {
  static Op* const add_ = find_inplace("add");
  return add_;
}

PyObject* add_gradients(PyObject* a, PyObject* b, bool create) {  // takes over a
  Ref first(a);
  if ((as_tensor(a)->flags | as_tensor(b)->flags) & kSparse)
    return call_helper("accumulate_sparse", {a, b, Py_True});
  // A sum that only the engine holds may be added to in place.
  const Array& array = as_tensor(a)->array;
  const bool plain = !((as_tensor(a)->flags | as_tensor(b)->flags) & (kWrapped | kDual));
  if (!create && plain && exact_tensor(a) && exact_tensor(b) && Py_REFCNT(a) == 1 &&
      array.storage()->refs == 1 && !array.storage()->foreign && array.dense() &&
      array.dtype() == as_tensor(b)->array.dtype() && array.same_shape(as_tensor(b)->array)) {
    return checked(call_op(adding_in_place(), {a, b}));
  }
  return checked(call_op(adding(), {a, b}));
}

// -- leaves ----------------------------------------------------------------------------------

PyObject* get_grad_dtype(Tensor* t, void*) {
  return guarded([&] {
    if (grad_fn_of(t)) fail(ErrorType::Runtime, "grad_dtype can only be accessed on leaf tensors.");
    const int chosen = t->extra ? t->extra->grad_dtype : TensorExtra::kOwnType;
    if (chosen == TensorExtra::kAnyType) return Py_NewRef(Py_None);
    return Py_NewRef(dtype_object(chosen >= 0 ? static_cast<DType>(chosen) : t->array.dtype()));
  });
}
int set_grad_dtype(Tensor* t, PyObject* value, void*) {
  try {
    if (grad_fn_of(t)) fail(ErrorType::Runtime, "grad_dtype can only be set on leaf tensors.");
    if (!value || (value != Py_None && !dtype_check(value)))
      fail(ErrorType::Runtime, "grad_dtype must be a torch.dtype or None, but got %s",
           value ? Py_TYPE(value)->tp_name : "nothing");
    if (value != Py_None && grad_of(t) &&
        as_tensor(grad_of(t))->array.dtype() != dtype_of_object(value))
      fail(ErrorType::Runtime,
           "Cannot set grad_dtype to '%s' because there is already a gradient with dtype '%s'. "
           "Please clear the gradient (.grad = None) before changing grad_dtype, or ensure the new "
           "grad_dtype matches the existing gradient's dtype.",
           dtype_name(dtype_of_object(value)), dtype_name(as_tensor(grad_of(t))->array.dtype()));
    tensor_extra(t)->grad_dtype =
        value == Py_None ? TensorExtra::kAnyType : static_cast<int>(dtype_of_object(value));
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// Two backward runs may reach one leaf at once, and kernels let other threads run: a sum must not
// be read between another's reading and writing it.
class LeafLock {
 public:
  explicit LeafLock(const Tensor* t) : mutex_(all()[reinterpret_cast<uintptr_t>(t) / 64 % kCount]) {
    if (mutex_.try_lock()) return;
    PyThreadState* state = PyEval_SaveThread();  // its holder may need the GIL to go on
    mutex_.lock();
    take_gil(state);
  }
  ~LeafLock() { mutex_.unlock(); }
  LeafLock(const LeafLock&) = delete;
  static void forget_holders() {  // in a forked child, where other threads are gone
    for (size_t i = 0; i < kCount; ++i) new (&all()[i]) std::recursive_mutex();
  }

 private:
  static constexpr size_t kCount = 64;
  static std::recursive_mutex* all() {
    static std::recursive_mutex mutexes[kCount];
    return mutexes;
  }
  std::recursive_mutex& mutex_;
};

[[maybe_unused]] static const int watched =
    pthread_atfork(nullptr, nullptr, LeafLock::forget_holders);

void accumulate_into(Tensor* t, Ref g, bool create) {
  const LeafLock lock(t);
  PyObject*& own_grad = tensor_extra(t)->grad;
  const uint16_t flags =
      t->flags | as_tensor(g)->flags | (own_grad ? as_tensor(own_grad)->flags : 0);
  if (flags & (kWrapped | kDual)) create = true;  // operators alone see every lane and tangent
  if (flags & kSparse) {
    Ref held(own_grad ? Py_NewRef(own_grad) : Py_NewRef(Py_None));
    Ref sum(call_helper("accumulate_sparse", {held, g, create ? Py_True : Py_False}));
    Py_XSETREF(own_grad, sum.release());
  } else if (!own_grad) {
    const Array& a = as_tensor(g)->array;
    // A gradient nobody else holds becomes the leaf's own; otherwise a copy, laid out like the
    // leaf.
    const bool plain = !(as_tensor(g)->flags & (kWrapped | kDual));
    const bool mine = !create && plain && exact_tensor(g) && Py_REFCNT(g.p) == 1 &&
                      a.storage()->refs == 1 && !a.storage()->foreign && a.contiguous() &&
                      t->array.contiguous() && !as_tensor(g)->base;
    if (mine) {
      Tensor* own = as_tensor(g);
      if (own->grad_fn) {
        Py_CLEAR(own->grad_fn);
        own->requires_grad = false;
      }
    } else if (!create && is_dispatching(as_tensor(g))) {
      g = Ref(call_helper("detach", {g}));
    } else if (create || !plain) {
      g = Ref(checked(PyObject_CallMethod(g, "clone", nullptr)));
    } else {
      MetaCall here(a.is_meta());
      Array copy = Array::empty_like(t->array, a.dtype());
      copy_into(copy, a);
      g = Ref(as_object(tensor_new(std::move(copy))));
    }
    own_grad = g.release();
  } else if (create) {
    Ref sum(checked(call_op(adding(), {own_grad, g})));
    Py_XSETREF(own_grad, sum.release());
  } else {
    Ref done(checked(call_op(adding_in_place(), {own_grad, g})));
  }
}

PyObject* gradient_tuple(const Gradients& gradients) {
  PyObject* t = checked(PyTuple_New(static_cast<Py_ssize_t>(gradients.size())));
  for (size_t i = 0; i < gradients.size(); ++i)
    PyTuple_SET_ITEM(t, static_cast<Py_ssize_t>(i),
                     Py_NewRef(gradients[i] ? gradients[i] : Py_None));
  return t;
}

PyObject* none_to_null(PyObject* o) {  // takes over o
  if (o != Py_None) return o;
  Py_DECREF(o);
  return nullptr;
}

// What hooks gave back for the slots of one node, each asked once however many functions use it.
using Unpacked = std::vector<std::pair<int, Ref>>;

PyObject* unpack_once(Node* n, int slot, Unpacked& unpacked) {
  Saved& saved = n->saved[slot];
  if (saved.kind != Saved::Packed) return unpack_saved(n, saved);
  for (auto& [known, value] : unpacked)
    if (known == slot) return Py_NewRef(value.p);
  PyObject* value = unpack_saved(n, saved);
  unpacked.emplace_back(slot, Ref(Py_NewRef(value)));
  return value;
}

// With the arguments that the function names: the incoming gradient, saved values, `needs`.
PyObject* call_gradient(Node* n, const GradFn& fn, PyObject* g, Unpacked& unpacked) {
  if (n->released) fail_freed();  // by another thread, just now
  PyObject* args[kMaxParams + 4];
  Ref owned[kMaxParams + 4];
  int count = 0;
  for (const GradArg& a : fn.args) {
    switch (a.source) {
      case Source::Gradient: args[count] = g; break;
      case Source::Saved:
        owned[count] = Ref(unpack_once(n, a.slot, unpacked));
        args[count] = owned[count];
        break;
      case Source::Needs: {
        const size_t k = n->spec->differentiable.size();
        owned[count] = Ref(checked(PyTuple_New(static_cast<Py_ssize_t>(k))));
        for (size_t i = 0; i < k; ++i)
          PyTuple_SET_ITEM(owned[count].p, static_cast<Py_ssize_t>(i),
                           PyBool_FromLong(n->computes >> i & 1));
        args[count] = owned[count];
        break;
      }
    }
    ++count;
  }
  return checked(PyObject_Vectorcall(fn.fn, args, static_cast<size_t>(count), nullptr));
}

void store_edge_results(Node* n, size_t first_edge, size_t width, Ref got, Results& out,
                        bool is_list) {
  if (got == Py_None) return;
  if (!is_list) {
    out[first_edge] = got.release();
    return;
  }
  Ref seq(checked(PySequence_Fast(got, "a gradient of a list parameter must be a list")));
  if (PySequence_Fast_GET_SIZE(seq.p) != static_cast<Py_ssize_t>(width)) {
    fail(ErrorType::Runtime, "%s: the gradient of a list of %zu tensors has %zd items",
         node_label(n).c_str(), width, PySequence_Fast_GET_SIZE(seq.p));
  }
  for (size_t i = 0; i < width; ++i)
    out[first_edge + i] =
        none_to_null(Py_NewRef(PySequence_Fast_GET_ITEM(seq.p, static_cast<Py_ssize_t>(i))));
}

void run_operator(Node* n, const Gradients& gradients, Results& out) {
  const OpSpec& s = *n->spec;
  Ref tuple;
  PyObject* g = gradients[0];
  if (s.outputs != Outputs::One) {
    tuple = Ref(gradient_tuple(gradients));
    g = tuple;
  }
  // Only the first differentiable parameter may be a list (cat): it takes the edges left over.
  const size_t params = s.differentiable.size(), spare = n->nedges - params;
  size_t given = 0;
  Ref joint;
  Unpacked unpacked;
  if (s.joint) {
    joint = Ref(call_gradient(n, s.grads[0], g, unpacked));
    if (PyTuple_Check(joint.p)) given = static_cast<size_t>(PyTuple_GET_SIZE(joint.p));
    if (given != params && given != static_cast<size_t>(std::popcount(n->computes))) {
      fail(ErrorType::Runtime,
           "%s: backward must return a tuple of %zu gradients, or of those that are wanted",
           s.name.c_str(), params);
    }
  }
  size_t e = 0, next = 0;  // among the joint ones
  for (size_t k = 0; k < params; ++k) {
    const size_t width = k == 0 ? spare + 1 : 1;
    if (n->computes >> k & 1) {
      const size_t at = given == params ? k : next++;
      Ref got(s.joint ? Py_NewRef(PyTuple_GET_ITEM(joint.p, static_cast<Py_ssize_t>(at)))
                      : call_gradient(n, s.grads[k], g, unpacked));
      const bool is_list = PyList_Check(got.p) || PyTuple_Check(got.p);
      store_edge_results(n, e, width, std::move(got), out, is_list);
    }
    e += width;
  }
}

void run_python(Node* n, const Gradients& gradients, Results& out) {
  Ref apply(checked(PyObject_GetAttrString(as_object(n), "apply")));
  Ref tuple(gradient_tuple(gradients));
  Ref got(checked(PyObject_CallObject(apply, tuple)));
  Ref seq(PyTuple_Check(got.p) ? got.release() : checked(PyTuple_Pack(1, got.p)));
  const Py_ssize_t count = PyTuple_GET_SIZE(seq.p);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = PyTuple_GET_ITEM(seq.p, i);
    if (i >= static_cast<Py_ssize_t>(n->nedges)) {
      if (o != Py_None)
        fail(ErrorType::Runtime,
             "function %s returned an incorrect number of gradients (expected %u, got %zd)",
             node_label(n).c_str(), n->nedges, count);
      continue;
    }
    if (o != Py_None && !tensor_check(o)) {
      fail(ErrorType::Type, "expected Variable or None (got %s) from %s", Py_TYPE(o)->tp_name,
           node_label(n).c_str());
    }
    out[static_cast<size_t>(i)] = o == Py_None ? nullptr : Py_NewRef(o);
  }
  if (count < static_cast<Py_ssize_t>(n->nedges)) {
    fail(ErrorType::Runtime,
         "function %s returned an incorrect number of gradients (expected %u, got %zd)",
         node_label(n).c_str(), n->nedges, count);
  }
}

void fail_freed() {
  fail(ErrorType::Runtime,
       "Trying to backward through the graph a second time (or directly access saved tensors "
       "after they have already been freed). Saved intermediate values of the graph are freed "
       "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
       "backward through the graph a second time or if you need to access saved tensors after "
       "calling backward.");
}

void run_node(Node* n, const Gradients& gradients, Results& out) {
  if (n->released) fail_freed();
  if (n->spec) {
    run_operator(n, gradients, out);
  } else if (Py_TYPE(n) == CopySlicesType || Py_TYPE(n) == AsStridedType) {
    const bool copy = Py_TYPE(n) == CopySlicesType;
    PyObject* g = gradients[0] ? gradients[0] : Py_None;
    Ref got(call_helper(copy ? "copy_slices_backward" : "as_strided_backward",
                        {g, n->saved[0].object}));
    if (copy) {
      for (int i = 0; i < 2; ++i)
        out[static_cast<size_t>(i)] = none_to_null(Py_NewRef(PyTuple_GET_ITEM(got.p, i)));
    } else {
      out[0] = none_to_null(got.release());
    }
  } else {
    run_python(n, gradients, out);
  }
}

}  // namespace rl
