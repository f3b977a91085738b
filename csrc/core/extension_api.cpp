// The table of functions for compiled extensions (rushlight/include/rushlight/api.h).
#include "../../rushlight/include/rushlight/api.h"

#include "autograd.h"
#include "levels.h"

namespace rl {

namespace {

// PyTorch's numbers of the element types, in the order of DType; -1 for those without one.
constexpr int kNumbers[kDTypes] = {11, 0,  1,  2,  3,  4,  5,  15, 6,  7,  9,  10, 27, 28, 29, 8,
                                   24, 23, 26, 25, 44, 45, 18, 19, 20, 21, 22, -1, -1, -1, -1, -1,
                                   -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 13, 14, 16, 17};

DType type_of_number(int32_t number) {
  for (int i = 0; number >= 0 && i < kDTypes; ++i)
    if (kNumbers[i] == number) return static_cast<DType>(i);
  fail(ErrorType::Type, "there is no element type of number %d", static_cast<int>(number));
}

// Runs f, turning what it throws into -1 and a Python exception.
template <class F>
int status(F f) {
  try {
    f();
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

int is_tensor_object(PyObject* o) { return tensor_check(o); }

int view(PyObject* o, rl_view* out) {
  return status([&] {
    Tensor* t = tensor_argument("extension", o);
    const Array& a = elements(t);
    const bool meta = a.device() == DeviceType::Meta;  // a shape without elements
    out->data = a.numel() && !meta ? a.bytes() : nullptr;
    out->sizes = a.sizes();
    out->strides = a.strides();
    out->numel = a.numel();
    out->ndim = a.ndim();
    out->dtype = kNumbers[static_cast<int>(a.dtype())];
    out->device_type = meta ? 14 : static_cast<int>(a.device());
    out->requires_grad = needs_grad(t);
  });
}

PyObject* empty(int32_t dtype, int32_t ndim, const int64_t* sizes) {
  return guarded([&]() -> PyObject* {
    const Shape shape(sizes, static_cast<size_t>(ndim));
    checked_product(shape);
    return as_object(tensor_new(Array::empty(type_of_number(dtype), shape)));
  });
}

int written(PyObject* o) {
  return status([&] { bump_version(elements(tensor_argument("extension", o))); });
}

PyObject* dtype_of_number(int32_t number) {
  return guarded([&] { return Py_NewRef(dtype_object(type_of_number(number))); });
}

int32_t number_of_dtype(PyObject* o) {
  return dtype_check(o) ? kNumbers[static_cast<int>(dtype_of_object(o))] : -1;
}

}  // namespace

bool init_extension_api(PyObject* module) {
  static rl_api api = {RL_EXTENSION_VERSION, is_tensor_object, view, empty, written,
                       dtype_of_number,      number_of_dtype};
  PyObject* capsule = PyCapsule_New(&api, RL_EXTENSION_API, nullptr);
  const bool done = capsule && PyModule_AddObjectRef(module, "_extension_api", capsule) == 0;
  Py_XDECREF(capsule);
  return done;
}

}  // namespace rl
