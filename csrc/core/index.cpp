// Basic indexing: ints, slices, None, Ellipsis become views here; tensors, lists and masks go on to
// the operators index and index_put_.
#include "autograd.h"
#include "levels.h"

namespace rl {

bool has_own_say(PyObject* o);

namespace {

enum class Kind { Int, Slice, NewAxis, Ellipsis, Bool, Advanced };

Kind kind_of(PyObject* o) {
  if (PyBool_Check(o)) return Kind::Bool;
  if (PyLong_Check(o)) return Kind::Int;
  if (PySlice_Check(o)) return Kind::Slice;
  if (o == Py_None) return Kind::NewAxis;
  if (o == Py_Ellipsis) return Kind::Ellipsis;
  if (tensor_check(o)) {
    // A 0-d integer tensor selects like an int, and so gives a view.
    const Array& a = as_tensor(o)->array;
    return a.ndim() == 0 && !differs(as_tensor(o)) && is_integral(a.dtype()) &&
                   a.dtype() != DType::Bool && a.dtype() != DType::U8
               ? Kind::Int
               : Kind::Advanced;
  }
  if (PyIndex_Check(o) && !PySequence_Check(o)) return Kind::Int;
  return Kind::Advanced;
}

// Whether a list is a tuple in disguise, as PyTorch still takes it where it is short and holds a
// tensor, a sequence, a slice, None or Ellipsis: x[[a, b]] is then x[a, b].
bool tuple_in_disguise(PyObject* index) {
  if (!PyList_Check(index) || PyList_GET_SIZE(index) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(index); ++i) {
    PyObject* o = PyList_GET_ITEM(index, i);
    if (o == Py_None || o == Py_Ellipsis || tensor_check(o) || PySlice_Check(o) ||
        PySequence_Check(o))
      return true;
  }
  return false;
}

struct Items {
  PyObject* const* items;
  Py_ssize_t n;
  PyObject* single[1];
  Ref tuple;
  explicit Items(PyObject* index) {
    if (tuple_in_disguise(index)) {
      if (PyErr_WarnEx(PyExc_UserWarning,
                       "Using a non-tuple sequence for multidimensional indexing is deprecated: "
                       "use x[tuple(seq)] instead of x[seq].",
                       1) < 0)
        throw PythonError();
      tuple = Ref(checked(PyList_AsTuple(index)));
      index = tuple.p;
    }
    if (PyTuple_Check(index)) {
      items = &PyTuple_GET_ITEM(index, 0);
      n = PyTuple_GET_SIZE(index);
    } else {
      single[0] = index;
      items = single;
      n = 1;
    }
  }
};

int64_t bounded(int64_t i, int64_t size, int dim) {
  if (i < -size || i >= size) {
    fail(ErrorType::Index, "index %lld is out of bounds for dimension %d with size %lld",
         static_cast<long long>(i), dim, static_cast<long long>(size));
  }
  return i < 0 ? i + size : i;
}

int64_t index_value(PyObject* o) {
  if (PyLong_CheckExact(o)) {
    const int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return v;
  }
  return integer(o);
}

struct SliceBounds {
  int64_t start, stop, step;
};
SliceBounds slice_bounds(PyObject* o, int64_t size) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(o, &start, &stop, &step) < 0) throw PythonError();
  if (step <= 0) fail(ErrorType::Value, "step must be greater than zero");
  PySlice_AdjustIndices(size, &start, &stop, step);
  return {start, std::max<int64_t>(stop, start), step};
}

// How the index acts through views alone; advanced items are collected with the dim they stand at.
// With `ops` each step is an operator call (for history and interpreters), else plain arithmetic.
struct Walker {
  Tensor* tensor = nullptr;  // owned; used with ops
  Array array;               // used without
  bool ops;
  std::vector<Ref> advanced;  // one per dim, null where the dim is not indexed
  bool any_advanced = false, copied = false;

  explicit Walker(Tensor* t, bool with_ops) : ops(with_ops) {
    if (ops)
      tensor = reinterpret_cast<Tensor*>(Py_NewRef(as_object(t)));
    else
      array = t->array;
  }
  ~Walker() { Py_XDECREF(tensor); }

  const Array& now() const { return ops ? tensor->array : array; }

  void step(const char* name, std::initializer_list<int64_t> numbers) {
    PyObject* args[5] = {as_object(tensor)};
    Ref owned[4];
    size_t n = 1;
    for (int64_t v : numbers) {
      owned[n - 1] = Ref(checked(PyLong_FromLongLong(v)));
      args[n] = owned[n - 1];
      ++n;
    }
    PyObject* next = checked(op_vectorcall(as_object(find_op(name)), args, n, nullptr));
    Py_SETREF(tensor, as_tensor(next));
  }

  void run(const Items& items) {
    int consumed = 0;
    bool ellipsis = false;
    for (Py_ssize_t i = 0; i < items.n; ++i) {
      const Kind k = kind_of(items.items[i]);
      if (k == Kind::Int || k == Kind::Slice)
        ++consumed;
      else if (k == Kind::Ellipsis) {
        if (ellipsis) fail(ErrorType::Index, "an index can only have a single ellipsis ('...')");
        ellipsis = true;
      } else if (k == Kind::Advanced) {
        PyObject* o = items.items[i];
        const bool mask = tensor_check(o) && (as_tensor(o)->array.dtype() == DType::Bool ||
                                              as_tensor(o)->array.dtype() == DType::U8);
        consumed += mask ? as_tensor(o)->array.ndim() : 1;
      }
    }
    const int ndim = now().ndim();
    if (consumed > ndim)
      fail(ErrorType::Index, "too many indices for tensor of dimension %d", ndim);
    int dim = 0;
    for (Py_ssize_t i = 0; i < items.n; ++i) {
      PyObject* o = items.items[i];
      switch (kind_of(o)) {
        case Kind::Int: {
          const int64_t at = bounded(index_value(o), now().size(dim), dim);
          if (ops)
            step("select", {dim, at});
          else
            array = array.select(dim, at);
          break;
        }
        case Kind::Slice: {
          const int64_t size = now().size(dim);
          const SliceBounds b = slice_bounds(o, size);
          if (b.start != 0 || b.stop != size || b.step != 1) {
            if (ops)
              step("slice", {dim, b.start, b.stop, b.step});
            else
              array = array.slice(dim, b.start, b.stop, b.step);
          }
          ++dim;
          break;
        }
        case Kind::NewAxis:
          if (ops)
            step("unsqueeze", {dim});
          else
            array = array.unsqueeze(dim);
          ++dim;
          break;
        case Kind::Ellipsis: dim += ndim - consumed; break;
        case Kind::Bool: place_bool(dim++, o == Py_True); break;
        case Kind::Advanced: {
          Ref index(tensor_check(o) ? Py_NewRef(o) : call_helper("as_index", {o}));
          if (as_tensor(index)->flags & kSparse) no_storage();
          const Array& a = as_tensor(index)->array;  // of lanes: only what they look like
          const bool mask = a.dtype() == DType::Bool || a.dtype() == DType::U8;
          const int width = mask ? a.ndim() : 1;
          if (a.dtype() == DType::U8 &&
              PyErr_WarnEx(PyExc_UserWarning,
                           "indexing with dtype torch.uint8 is now deprecated, please use a dtype "
                           "torch.bool instead.",
                           1) < 0)
            throw PythonError();
          if (width == 0 && !differs(as_tensor(index))) {  // one value, as a Python bool
            place_bool(dim++, *a.data<uint8_t>() != 0);
            break;
          }
          if (mask) {
            for (int d = 0; d < width; ++d) {
              if (a.sizes()[d] != now().size(dim + d)) {
                fail(ErrorType::Index,
                     "The shape of the mask %s at index %d does not match the shape of the indexed "
                     "tensor %s at index %d",
                     shape_text(a.shape()).c_str(), d, shape_text(now().shape()).c_str(), dim + d);
              }
            }
            if (width == 0) {
              if (ops)
                step("unsqueeze", {dim});
              else
                array = array.unsqueeze(dim);
            }
          } else if (!is_integral(a.dtype())) {
            fail(ErrorType::Index,
                 "tensors used as indices must be long, int, byte or bool tensors");
          }
          place(dim, std::move(index));
          dim += std::max(width, 1);
          break;
        }
      }
    }
  }

  // True adds a dim of size 1, False one of size 0: an index of zero dims.
  void place_bool(int dim, bool value) {
    if (ops)
      step("unsqueeze", {dim});
    else
      array = array.unsqueeze(dim);
    const int64_t count[1] = {value ? 1 : 0};
    Array index = Array::empty(DType::I64, Shape(count, 1));
    if (value) *index.data<int64_t>() = 0;
    place(dim, Ref(wrap(std::move(index))));
  }

  void place(int dim, Ref index) {
    while (static_cast<int>(advanced.size()) < dim) advanced.emplace_back();
    advanced.push_back(std::move(index));
    any_advanced = true;
  }

  // The list for index(): None where a dim is not indexed. Masks of k dims take one place.
  PyObject* list() const {
    Ref l(checked(PyList_New(0)));
    int covered = 0;
    for (size_t d = 0; d < advanced.size(); ++d) {
      if (!advanced[d].p && covered > 0) {
        --covered;
        continue;
      }
      if (PyList_Append(l, advanced[d].p ? advanced[d].p : Py_None) < 0) throw PythonError();
      if (advanced[d].p) {
        const Array& a = as_tensor(advanced[d].p)->array;
        covered =
            a.dtype() == DType::Bool || a.dtype() == DType::U8 ? std::max(a.ndim() - 1, 0) : 0;
      }
    }
    return l.release();
  }
};

bool through_ops(Tensor* t) {
  return modes.interpreters || (t->flags & kWrapped) || !exact_tensor(as_object(t)) ||
         (modes.grad && needs_grad(t));
}

// A view of t made without recording.
Tensor* quiet_view(Tensor* t, Array a) {
  Tensor* v = tensor_new(std::move(a));
  make_view(v, t);
  return v;
}

// Whether an index, or a part of it, is of another kind that has a say.
bool asks(PyObject* index) {
  if (!PyTuple_Check(index)) return has_own_say(index);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); ++i)
    if (has_own_say(PyTuple_GET_ITEM(index, i))) return true;
  return false;
}

bool needs_torch_function(PyObject* self, PyObject* index) {
  return !exact_tensor(self) || asks(index);
}

}  // namespace

// Whether an object that is no tensor has a `__torch_function__`, as a traced value.
bool has_own_say(PyObject* o) {
  if (PyLong_Check(o) || PyFloat_Check(o) || PySlice_Check(o) || PyList_Check(o) || o == Py_None ||
      o == Py_Ellipsis || tensor_check(o))
    return false;
  static PyObject* const name = PyUnicode_InternFromString("__torch_function__");
  return _PyType_Lookup(Py_TYPE(o), name) != nullptr;
}

PyObject* tensor_getitem(PyObject* self, PyObject* index) {
  try {
    Tensor* t = as_tensor(self);
    if (needs_torch_function(self, index)) {
      Ref got(call_helper("getitem_subclass", {self, index}));
      if (got != Py_NotImplemented) return got.release();
    }
    // One int on a plain tensor is by far the commonest.
    if (PyLong_CheckExact(index) && !through_ops(t)) {
      if (t->array.ndim() == 0)
        fail(ErrorType::Index,
             "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` "
             "in C++ to convert a 0-dim tensor to a number");
      return as_object(
          quiet_view(t, t->array.select(0, bounded(index_value(index), t->array.size(0), 0))));
    }
    if (t->array.ndim() == 0 && kind_of(index) == Kind::Int) {
      fail(ErrorType::Index,
           "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` "
           "in C++ to convert a 0-dim tensor to a number");
    }
    Walker w(t, through_ops(t));
    w.run(Items(index));
    if (!w.any_advanced) {
      if (!w.ops) return as_object(quiet_view(t, std::move(w.array)));
      if (w.tensor == t) w.step("alias", {});
      return Py_NewRef(as_object(w.tensor));
    }
    Ref source(w.ops ? Py_NewRef(as_object(w.tensor))
                     : as_object(quiet_view(t, std::move(w.array))));
    Ref list(w.list());
    PyObject* args[2] = {source, list};
    return op_vectorcall(as_object(find_op("index")), args, 2, nullptr);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

int tensor_setitem(PyObject* self, PyObject* index, PyObject* value) {
  try {
    Tensor* t = as_tensor(self);
    if (!value) fail(ErrorType::Type, "Tensor does not support deleting items");
    if (asks(index) || asks(value)) {
      Ref got(call_helper("setitem_subclass", {self, index, value}));
      if (got != Py_NotImplemented) return 0;
    }
    Walker w(t,
             through_ops(t) || (modes.grad && tensor_check(value) && needs_grad(as_tensor(value))));
    w.run(Items(index));
    Ref target(w.ops ? Py_NewRef(as_object(w.tensor))
                     : as_object(quiet_view(t, std::move(w.array))));
    if (!w.any_advanced) {
      Ref done(call_helper("assign", {target, value}));
      return 0;
    }
    Ref list(w.list());
    Ref done(call_helper("assign_indexed", {target, list, value}));
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

}  // namespace rl
