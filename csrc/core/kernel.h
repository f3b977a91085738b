// What a kernel sees of one operator call, and how it registers itself.
//
//   RL_KERNEL(softmax) {                       // csrc/cpu/softmax.cpp, compiled once per ISA
//     const Array x = call.tensor(0).contiguous_copy();
//     const int dim = call.dim(1, x.ndim());
//     Array y = Array::empty_like(x);
//     { NoGil nogil(x.numel()); parallel_for(rows, grain, [&](int64_t i0, int64_t i1) { ... }); }
//     call.result(y);
//   }
//
// Arguments stand in the order of the declaration's `forward` parameters, defaults filled in.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <optional>
#include <string_view>

#include "array.h"
#include "parallel.h"

namespace rl {

struct Op;

// A kernel met a dtype that it has no code for. The gate runs it in a wider type where
// extended.cpp says that this is right, else the message names the operator.
struct UnsupportedDType : Error {
  DType dtype;
  explicit UnsupportedDType(DType t)
      : Error(ErrorType::NotImplemented,
              std::string("not implemented for '") + dtype_scalar_name(t) + "'"),
        dtype(t) {}
};

using IntList = std::vector<int64_t>;

class Call {
 public:
  const Op* op;
  PyObject* const* args;  // bound, one per parameter, borrowed
  int nargs;
  const Array* destination = nullptr;  // in-place: a kernel may write here and give no result()

  Call(const Op* o, PyObject* const* a, int n) : op(o), args(a), nargs(n) {}

  // Tensors. A wrong type raises TypeError with the operator's and the parameter's names.
  const Array& tensor(int i) const;
  const Array* tensor_or_null(int i) const;  // nullptr for None
  std::vector<Array> tensors(int i) const;   // list or tuple of tensors
  bool is_tensor(int i) const;

  // Everything else.
  bool none(int i) const { return args[i] == Py_None; }
  bool boolean(int i) const;
  int64_t integer(int i) const;  // accepts anything with __index__, 0-d integer tensors too
  double real(int i) const;      // accepts numbers and 0-d tensors
  c128 complex(int i) const;
  IntList ints(int i) const;             // list, tuple, Size, or one int (one-element list)
  IntList ints(int i, int count) const;  // one int repeats `count` times; other lengths raise
  std::string_view string(int i) const;
  std::optional<DType> dtype(int i) const;  // nullopt for None
  int dim(int i, int ndim) const;           // wrapped; IndexError when out of range
  IntList dims(int i, int ndim) const;      // wrapped, unique; None or () means all

  // The outcome: one or more results, or `same()`: the first argument itself is returned.
  void result(Array a) {
    if (count_++ == 0)
      first_ = std::move(a);
    else
      rest_.push_back(std::move(a));
  }
  void same() { same_ = true; }
  void need_elements() const { rl::need_elements(name()); }
  int result_count() const { return count_; }
  bool is_same() const { return same_; }
  Array& output(int i) { return i == 0 ? first_ : rest_[static_cast<size_t>(i - 1)]; }
  const char* name() const;

 private:
  Array first_;
  std::vector<Array> rest_;
  int count_ = 0;
  bool same_ = false;
};

using Kernel = void (*)(Call&);

// ISA levels: 0 baseline, 1 x86-64-v3, 2 x86-64-v4. Kernel files are compiled once per level
// with RL_LEVEL set; lookups take the best that this machine runs.
#ifndef RL_LEVEL
#define RL_LEVEL 0
#endif
void register_kernel(const char* name, int level, Kernel fn);
Kernel find_kernel(std::string_view name);  // nullptr when absent
int cpu_level();

struct KernelRegistrar {
  KernelRegistrar(const char* name, int level, Kernel fn) { register_kernel(name, level, fn); }
};
#define RL_KERNEL(name)                                                                \
  static void kernel_##name(::rl::Call& call);                                         \
  static const ::rl::KernelRegistrar registrar_##name(#name, RL_LEVEL, kernel_##name); \
  static void kernel_##name(::rl::Call& call)

// C functions that are not operators (fused optimizers, ...): `_C.<name>(*args)`.
using Function = PyObject* (*)(PyObject* const* args, Py_ssize_t nargs);  // may throw
struct FunctionRegistrar {
  FunctionRegistrar(const char* name, int level, Function fn);
};
#define RL_FUNCTION(name)                                                          \
  static PyObject* function_##name(PyObject* const* args, Py_ssize_t nargs);       \
  static const ::rl::FunctionRegistrar function_registrar_##name(#name, RL_LEVEL,  \
                                                                 function_##name); \
  static PyObject* function_##name(PyObject* const* args, Py_ssize_t nargs)

// -- pointwise loops ------------------------------------------------------------------------
// A pointwise operator is a table of contiguous inner loops by compute dtype. The engine
// (pointwise.cpp) promotes, broadcasts, splits into chunks, converts operands whose dtype or
// stride differ through small buffers, threads, and calls these:
//   p[0] output, p[1..] inputs, n elements (all contiguous, of the loop's own types),
//   params: the operator's trailing scalar parameters as doubles.
using LoopFn = void (*)(char* const* p, int64_t n, const double* params);
void register_loop(const char* op, int level, DType compute, DType out, LoopFn fn, double cost);
struct LoopRegistrar {
  // cost: rough nanoseconds per element on one core, decides when threads pay.
  LoopRegistrar(const char* op, int level, DType compute, DType out, LoopFn fn, double cost = 0.3) {
    register_loop(op, level, compute, out, fn, cost);
  }
};

// -- Python objects to values, usable in RL_FUNCTION too ---------------------------------------
const Array& array_of(PyObject* tensor);  // TypeError when it is not a tensor
bool is_tensor(PyObject* o);
bool plain_tensor(PyObject* o);  // a tensor with elements of its own: not meta, sparse, in lanes
PyObject* wrap(Array a);         // new reference: a plain Tensor without history
void bump_version(const Array& a);
double number(PyObject* o);  // float from a Python number or 0-d tensor
int64_t integer(PyObject* o);
IntList int_list(PyObject* o);  // any sequence of ints
// A Python number as an element of a type without loops; RuntimeError when it does not fit.
void store_extended(PyObject* o, DType t, char* out);

}  // namespace rl
