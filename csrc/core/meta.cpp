// Calls on meta tensors (docs/design/013-meta.md): shapes, dtypes and strides, nothing computed.
//
// The kernels themselves say what comes out. What they allocate in such a call has no memory, and
// copies, fills, parallel_for and libraries do nothing. A kernel that touches an element all the
// same finds a zero in a window of addresses (storage.cpp), of which nothing is kept. One whose
// results depend on the elements says so: call.need_elements().
#include "levels.h"
#include "op.h"

namespace rl {
namespace {

bool any_meta(PyObject* o) {
  return any_tensor(o, [](const Tensor* t) { return (t->flags & kMeta) != 0; });
}

[[noreturn]] void two_devices(const char* got, const char* expected) {
  fail(ErrorType::Runtime,
       "Expected all tensors to be on the same device, but found at least two devices, %s and %s! "
       "Tensor on device %s is not on the expected device %s!",
       expected, got, got, expected);
}

// Beside meta tensors may stand numbers in a tensor, and indices and masks that were made here.
void check_devices(const Op* op, PyObject* const* values) {
  const OpSpec& s = *op->spec;
  const bool copies = op->inplace && s.name == "copy";
  for (int i = 0; i < s.nparams; ++i) {
    const bool here = any_tensor(values[i], [&](const Tensor* t) {
      if (t->flags & (kMeta | kSparse)) return false;
      if (i == 0) return op->inplace || t->array.ndim() > 0;
      const bool index = !s.pointwise && is_integral(t->array.dtype());
      return t->array.ndim() > 0 && !index && !copies;
    });
    if (!here) continue;
    if (copies) fail(ErrorType::NotImplemented, "Cannot copy out of meta tensor; no data!");
    if (i == 0)
      two_devices("meta", "cpu");
    else
      two_devices("cpu", "meta");
  }
}

}  // namespace

PyObject* run_anywhere(Op* op, PyObject* const* values, PyObject* out) {
  bool meta = false;
  for (int i = 0; i < op->spec->nparams && !meta; ++i) meta = any_meta(values[i]);
  if (!meta && !(out && any_meta(out))) return run_op(op, values, out);
  if (!meta || (out && !any_meta(out))) two_devices(meta ? "cpu" : "meta", meta ? "meta" : "cpu");
  check_devices(op, values);
  MetaCall call(true);
  return run_op(op, values, out);
}

void infer_kernel(const OpSpec& s, Call& call) {
  struct Close {
    ~Close() { meta_window_close(); }
  } close;
  s.kernel(call);
}

void need_elements(const char* op) {
  if (meta_call)
    fail(
        ErrorType::NotImplemented,
        "aten::%s: attempted to run this operator with Meta tensors, but there was no fake impl or "
        "Meta kernel registered: what comes out depends on the elements, of which there are none",
        op);
}

}  // namespace rl
