// Operators: what a declaration compiles to, and the gate every call passes.
#pragma once
#include "grid.h"
#include "tensor.h"

namespace rl {

constexpr int kMaxParams = 24;
struct Level;
struct Recorder;

struct Loop {
  LoopFn fn = nullptr;
  DType out = DType::F32;
  double cost = 0.3;
  GridFn grid = nullptr;
};
struct LoopTable {
  Loop by_dtype[kComputeTypes];
  int level[kComputeTypes] = {};
};
LoopTable* find_loops(std::string_view name);

// Where one argument of a gradient function comes from.
enum class Source : uint8_t { Gradient, Saved, Needs };
struct GradArg {
  Source source;
  int slot;
};
struct GradFn {
  PyObject* fn = nullptr;
  std::vector<GradArg> args;
};
enum class SavedKind : uint8_t { Param, ParamShape, ParamDtype, Output };
struct SavedSlot {
  SavedKind kind;
  int index;
  uint32_t users;
};  // users: bit per gradient function

enum class Outputs : uint8_t { One, Tuple, Named };
enum class Promote : uint8_t { Same, Float };

struct Op;
struct OpSpec {
  std::string name;
  PyObject* name_object = nullptr;
  PyObject* params[kMaxParams] = {};    // interned names
  PyObject* defaults[kMaxParams] = {};  // null: required
  int nparams = 0, npositional = 0;
  int varargs = -1;
  Kernel kernel = nullptr;
  LoopTable* loops = nullptr;
  PyObject* forward = nullptr;  // Python over NumPy arrays, when there is no kernel
  int pointwise = 0;
  uint32_t numbers = ~0u;  // bit per operand that may be a Python number
  uint8_t stored = 0;      // families of types (Family) whose elements the kernel only moves
  Promote promote = Promote::Same;
  bool view = false;
  Outputs outputs = Outputs::One;
  PyObject* return_type = nullptr;
  // How grad_fn is called, by form of the call; types are made when first recorded. [1]: calls that
  // give parameter 1 (sum(dim)), or whose second operand is a number; [2]: whose first one is.
  std::string node_names[3];
  PyTypeObject* node_types[3] = {};
  // Gradients: one function per differentiable parameter, or one joint function.
  std::vector<int> differentiable;  // parameter indices
  std::vector<GradFn> grads;        // parallel to differentiable, or a single joint one
  bool joint = false;
  bool exact_out = false;      // out= must have the dtype of the result
  int grad_outputs = 1 << 30;  // leading outputs that take gradients
  bool random = false;         // draws from a generator
  // The operator as a function, and as an attribute of Tensor; [1]: in place. Null until asked for.
  Op* functions[2] = {};
  Op* methods[2] = {};
  std::vector<SavedSlot> slots;
};

struct Op {
  PyObject_HEAD vectorcallfunc vectorcall;
  OpSpec* spec;    // shared by the in-place form; lives for ever
  PyObject* dict;  // __doc__, declaration class, ...; shared with the method
  bool inplace;
};
extern PyTypeObject* OpType;
extern PyTypeObject* MethodType;  // of those that are attributes of Tensor (docs/design/002)
inline Op* function_of(const Op* op) { return op->spec->functions[op->inplace]; }
inline bool op_check(PyObject* o) { return Py_TYPE(o) == OpType || Py_TYPE(o) == MethodType; }
PyObject* as_method(PyObject* front);  // front.cpp: the same of a function written in Python
// How both kinds of function are compared, hashed and bound: by what they call, and to tensors
// only.
PyObject* compare_functions(int how, bool same);
PyObject* bind_to_tensor(PyObject* self, PyObject* instance, PyObject* type);
PyTypeObject* method_type(const char* name, PyTypeObject* base);

PyObject* op_vectorcall(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames);
inline PyObject* call_op(Op* op, std::initializer_list<PyObject*> args) {
  return op_vectorcall(as_object(op), args.begin(), args.size(), nullptr);
}
// output.cpp
void store_out(const char* name, bool exact, PyObject* given, const Array& a);
void check_operands(PyObject* out, PyObject* given);
void check_no_overlap(const Array& a);
[[noreturn]] void fail_out_gradient(const char* name);  // out= and a gradient do not go together
bool init_output(PyObject* module);
// A composite that the innermost interpreter asks for; null: it does not.
PyObject* interpret_composite(PyObject* function, PyObject* const* args, Py_ssize_t n,
                              PyObject* kwnames);
PyObject* call_plain(PyObject* self, PyObject* const* args, Py_ssize_t n);  // (op, args, kwargs)
PyObject* run_op(Op* op, PyObject* const* values, PyObject* out);        // with nothing in between
PyObject* run_anywhere(Op* op, PyObject* const* values, PyObject* out);  // on meta tensors too
bool any_sparse(PyObject* const* values, int n);                         // in lists too
bool any_subclass(PyObject* const* values, int n);  // something with a __torch_function__ to ask
// The parameter that a keyword means, in any spelling that PyTorch takes; -1 when none.
int find_param(PyObject* const* params, Py_ssize_t n, PyObject* name);
PyObject* arguments(PyObject* const* args, Py_ssize_t n);  // a call's, as Python objects
PyObject* kwargs_dict(PyObject* const* values, PyObject* kwnames);
void init_binding();
Op* find_op(const char* name);       // an operator declared under that name; throws when absent
Op* find_inplace(const char* name);  // its in-place form, made at the first call; lives for ever

// extended.cpp: operators on types that have no loops of their own.
enum Family : uint8_t { kUnsigned = 1, kComplexHalf = 2, kFloat8 = 4, kOpaque = 8 };
Family family_of(DType t);  // of an extended type
uint8_t moved_families(std::string_view kernel);
void infer_kernel(const OpSpec& s, Call& call);  // meta.cpp: shapes only
void run_kernel(const OpSpec& s, Call& call);    // in a wider type where the kernel knows no other
DType loop_type(const OpSpec& s, DType t);       // whose loops stand in for the type's own
DType stored_result(DType wide, DType t);        // what a loop's result in `wide` is for type t

// pointwise.cpp
// Writes into the destination, where there is one, and returns an undefined array; else a new one.
// An offered destination (out=) is only taken where results can go straight into it.
Array run_pointwise(const OpSpec& spec, PyObject* const* args, const Array* destination,
                    bool offered = false);
// What a Python number is as an operand.
struct ScalarValue {
  Category category;
  int64_t i;
  double re, im;
};
bool scalar_value(PyObject* o, ScalarValue* out);  // false: not a number
bool fits_unsigned(const ScalarValue& s, DType t);
DType result_type(PyObject* const* args, int n);  // torch.result_type over tensors and numbers
void store_scalar(const ScalarValue& s, DType t, char* out);

// The per-thread state of the gate.
struct Modes {
  PyObject* interpreters = nullptr;  // list when something is pushed, else null
  Level* lanes = nullptr;            // the innermost vmap among them
  Recorder* recorder = nullptr;      // the profiler's, while it runs
  int transforms = 0;                // functional transforms running, vmap or not
  bool grad = true;
  bool inference = false;
  bool asked = true;           // under inference: what set_grad_enabled said; `grad` is off
  bool torch_function = true;  // off: subclasses are not asked
  bool torch_dispatch = true;  // off: nor are modes and subclasses that stand below the tape
};
extern thread_local Modes modes __attribute__((tls_model("initial-exec")));
extern bool g_anomaly, g_anomaly_check_nan;

// Whether calls are recorded, as long as it lives.
class GradMode {
  const bool before_;

 public:
  explicit GradMode(bool on) : before_(std::exchange(modes.grad, on)) {}
  ~GradMode() { modes.grad = before_; }
  GradMode(const GradMode&) = delete;
};

// Number and comparison slots of Tensor, filled by declarations ("__add__", ...).
extern Op* g_slots[64];
int slot_index(std::string_view dunder);
extern PyObject* slot_names[64];

bool init_op(PyObject* module);
bool init_front(PyObject* module);

}  // namespace rl
