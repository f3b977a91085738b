// at::Tensor: a reference to a Python tensor. What it computes, rushlight's operators compute; its
// memory, shape and element type come straight from the core (api.h).
#pragma once
#include <pybind11/complex.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <functional>
#include <tuple>
#include <utility>

#include "api.h"
#include "options.h"
#include "types.h"

namespace at {

namespace py = pybind11;
class Tensor;

namespace detail {

inline const rl_api& api() {
  static const rl_api* const table = [] {
    py::gil_scoped_acquire gil;
    py::module_::import("rushlight");
    auto* found = static_cast<const rl_api*>(PyCapsule_Import(RL_EXTENSION_API, 0));
    if (!found) throw py::error_already_set();
    if (found->version < RL_EXTENSION_VERSION)
      throw c10::Error("this extension was built for a later rushlight: build it again");
    return found;
  }();
  return *table;
}

// Holds the GIL; nearly free for a thread that has it.
class Gil {
  bool had_ = PyGILState_Check();
  PyGILState_STATE state_{};

 public:
  Gil() {
    if (!had_) state_ = PyGILState_Ensure();
  }
  ~Gil() {
    if (!had_) PyGILState_Release(state_);
  }
  Gil(const Gil&) = delete;
};

}  // namespace detail

// -- the tensor ----------------------------------------------------------------------------------

// C++ values as Python ones, and results back.
template <class T>
py::object to_python(T&& value);
template <class T>
T from_python(const py::object& o);

class Tensor {
  PyObject* p_;  // null: undefined

  rl_view view() const {
    rl_view v;
    detail::Gil gil;
    TORCH_CHECK(p_, "tensor does not exist: it is undefined");
    if (detail::api().view(p_, &v) < 0) throw py::error_already_set();
    return v;
  }
  template <class T>
  void check_type(const rl_view& v) const {
    constexpr auto wanted = c10::CppTypeToScalarType<std::remove_const_t<T>>::value;
    const auto own = static_cast<c10::ScalarType>(v.dtype);
    TORCH_CHECK(own == wanted, "expected scalar type ", wanted, " but found ", own);
    TORCH_CHECK(v.data || !v.numel, "Cannot access data pointer of Tensor that doesn't have storage");
  }

 public:
  using Slice = indexing::Slice;
  Tensor() : p_(nullptr) {}
  static Tensor steal(PyObject* o) {  // takes over a reference; None becomes undefined
    Tensor t;
    if (o == Py_None)
      Py_DECREF(o);
    else
      t.p_ = o;
    return t;
  }
  static Tensor borrow(PyObject* o) { return steal(Py_NewRef(o)); }
  Tensor(const Tensor& o) : p_(o.p_) {
    if (!p_) return;
    detail::Gil gil;
    Py_INCREF(p_);
  }
  Tensor(Tensor&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Tensor& operator=(const Tensor& o) & {
    Tensor copy(o);
    std::swap(p_, copy.p_);
    return *this;
  }
  Tensor& operator=(Tensor&& o) & noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  // `x[0] = y` writes into x.
  Tensor& operator=(const Tensor& o) && { return copy_(o); }
  Tensor& operator=(Tensor&& o) && { return copy_(o); }
  Tensor& operator=(const c10::Scalar& v) && { return fill_(v); }
  ~Tensor() {
    if (!p_ || !Py_IsInitialized()) return;
    detail::Gil gil;
    Py_DECREF(p_);
  }
  PyObject* object() const { return p_; }
  bool defined() const { return p_ != nullptr; }
  void reset() { *this = Tensor(); }
  bool is_same(const Tensor& o) const { return p_ == o.p_; }

  // -- facts
  int64_t dim() const { return view().ndim; }
  int64_t ndimension() const { return dim(); }
  int64_t numel() const { return view().numel; }
  c10::IntArrayRef sizes() const {
    const rl_view v = view();
    return {v.sizes, static_cast<size_t>(v.ndim)};
  }
  c10::IntArrayRef strides() const {
    const rl_view v = view();
    return {v.strides, static_cast<size_t>(v.ndim)};
  }
  int64_t size(int64_t d) const { return sizes()[wrap(d)]; }
  int64_t stride(int64_t d) const { return strides()[wrap(d)]; }
  size_t wrap(int64_t d) const {
    const int64_t n = dim();
    TORCH_CHECK_INDEX(d >= -n && d < n, "Dimension out of range (expected to be in range of [", -n,
                      ", ", n - 1, "], but got ", d, ")");
    return static_cast<size_t>(d < 0 ? d + n : d);
  }
  c10::ScalarType scalar_type() const { return static_cast<c10::ScalarType>(view().dtype); }
  c10::ScalarType dtype() const { return scalar_type(); }
  DeprecatedTypeProperties type() const { return {scalar_type(), is_cuda()}; }
  c10::Device device() const { return c10::Device(static_cast<c10::DeviceType>(view().device_type)); }
  TensorOptions options() const { return TensorOptions(scalar_type()).device(device()); }
  bool is_cuda() const { return device().is_cuda(); }
  bool is_cpu() const { return device().is_cpu(); }
  bool is_sparse() const { return get<bool>("is_sparse"); }
  c10::Layout layout() const { return is_sparse() ? c10::Layout::Sparse : c10::kStrided; }
  bool is_contiguous(c10::MemoryFormat f = c10::MemoryFormat::Contiguous) const;
  bool is_floating_point() const { return c10::isFloatingType(scalar_type()); }
  bool is_complex() const { return c10::isComplexType(scalar_type()); }
  int64_t element_size() const { return call<int64_t>("element_size"); }
  size_t itemsize() const { return static_cast<size_t>(element_size()); }
  size_t nbytes() const { return static_cast<size_t>(numel() * element_size()); }
  int64_t storage_offset() const { return call<int64_t>("storage_offset"); }
  bool requires_grad() const { return view().requires_grad; }
  bool is_leaf() const { return get<bool>("is_leaf"); }

  // -- memory
  void* data_ptr() const { return view().data; }
  const void* const_data_ptr() const { return view().data; }
  void* mutable_data_ptr() const { return written(view()).data; }
  template <class T>
  T* data_ptr() const {
    const rl_view v = view();
    check_type<T>(v);
    return static_cast<T*>(v.data);
  }
  template <class T>
  const T* const_data_ptr() const {
    return data_ptr<T>();
  }
  template <class T>
  T* mutable_data_ptr() const {
    T* data = data_ptr<T>();
    written(view());
    return data;
  }
  template <class T>
  T* data() const {
    return data_ptr<T>();
  }
  template <class T, size_t N>
  TensorAccessor<T, N> accessor() const {
    const rl_view v = view();
    check_type<T>(v);
    TORCH_CHECK(v.ndim == N, "TensorAccessor expected ", N, " dims but tensor has ", v.ndim);
    return {static_cast<T*>(v.data), v.sizes, v.strides};
  }
  template <class T, size_t N>
  TensorAccessor<T, N> packed_accessor32() const {
    return accessor<T, N>();
  }
  template <class T, size_t N>
  TensorAccessor<T, N> packed_accessor64() const {
    return accessor<T, N>();
  }
  c10::Scalar item() const;
  template <class T>
  T item() const {
    return item().to<T>();
  }

  // -- calls of Python
  py::object attribute(const char* name) const {
    TORCH_CHECK(p_, "tensor does not exist: it is undefined");
    return py::reinterpret_borrow<py::object>(p_).attr(name);
  }
  template <class R, class... A>
  R call(const char* name, A&&... args) const {
    detail::Gil gil;
    return from_python<R>(attribute(name)(to_python(std::forward<A>(args))...));
  }
  template <class R>
  R get(const char* name) const {
    detail::Gil gil;
    return from_python<R>(attribute(name));
  }
  template <class... A>
  Tensor& write(const char* name, A&&... args) const {
    detail::Gil gil;
    attribute(name)(to_python(std::forward<A>(args))...);
    return const_cast<Tensor&>(*this);
  }

  // -- history
  Tensor grad() const { return get<Tensor>("grad"); }
  const Tensor& set_requires_grad(bool on) const { return write("requires_grad_", on); }
  void backward(const Tensor& gradient = {}, std::optional<bool> retain = std::nullopt,
                bool create = false) const {
    detail::Gil gil;
    attribute("backward")(gradient, to_python(retain), create);
  }
  Tensor data() const { return get<Tensor>("data"); }
  Tensor variable_data() const { return data(); }
  Tensor tensor_data() const { return data(); }

  // -- indexing
  Tensor operator[](int64_t i) const { return call<Tensor>("select", 0, i); }
  Tensor operator[](const Tensor& i) const { return call<Tensor>("__getitem__", i); }
  Tensor index(const std::vector<indexing::TensorIndex>& indices) const;
  Tensor& index_put_(const std::vector<indexing::TensorIndex>& indices, const Tensor& value) const;
  Tensor& index_put_(const std::vector<indexing::TensorIndex>& indices, const c10::Scalar& value) const;

#include "methods.h"

  // -- arithmetic
  Tensor operator-() const { return call<Tensor>("neg"); }
  Tensor operator~() const { return call<Tensor>("bitwise_not"); }
#define RL_ASSIGN(op, name)                                                      \
  Tensor& operator op(const Tensor & o) { return write(name, o); }               \
  Tensor& operator op(const c10::Scalar & o) { return write(name, o); }
  RL_ASSIGN(+=, "add_")
  RL_ASSIGN(-=, "sub_")
  RL_ASSIGN(*=, "mul_")
  RL_ASSIGN(/=, "div_")
  RL_ASSIGN(&=, "bitwise_and_")
  RL_ASSIGN(|=, "bitwise_or_")
  RL_ASSIGN(^=, "bitwise_xor_")
#undef RL_ASSIGN

 private:
  rl_view written(const rl_view& v) const {
    detail::Gil gil;
    if (detail::api().written(p_) < 0) throw py::error_already_set();
    return v;
  }
};

#define RL_BINARY(op, name)                                                                   \
  inline Tensor operator op(const Tensor& a, const Tensor& b) {                               \
    return a.call<Tensor>(name, b);                                            \
  }                                                                                           \
  inline Tensor operator op(const Tensor& a, const c10::Scalar& b) {                          \
    return a.call<Tensor>(name, b);                                            \
  }
#define RL_REFLECTED(op, name)                                       \
  inline Tensor operator op(const c10::Scalar& a, const Tensor& b) { \
    return b.call<Tensor>(name, a);                   \
  }
RL_BINARY(+, "add")
RL_BINARY(-, "sub")
RL_BINARY(*, "mul")
RL_BINARY(/, "div")
RL_BINARY(%, "remainder")
RL_BINARY(==, "eq")
RL_BINARY(!=, "ne")
RL_BINARY(<, "lt")
RL_BINARY(<=, "le")
RL_BINARY(>, "gt")
RL_BINARY(>=, "ge")
RL_BINARY(&, "bitwise_and")
RL_BINARY(|, "bitwise_or")
RL_BINARY(^, "bitwise_xor")
RL_REFLECTED(+, "add")
RL_REFLECTED(-, "__rsub__")
RL_REFLECTED(*, "mul")
RL_REFLECTED(/, "__rtruediv__")
#undef RL_BINARY
#undef RL_REFLECTED

using TensorList = c10::ArrayRef<Tensor>;
using OptionalTensorRef = std::optional<Tensor>;

namespace indexing {

class TensorIndex {
  enum class Kind { None, Ellipsis, Integer, Boolean, Slice, Tensor } kind_;
  int64_t number_ = 0;
  Slice slice_;
  at::Tensor tensor_;

 public:
  TensorIndex(std::nullopt_t) : kind_(Kind::None) {}
  TensorIndex(EllipsisIndexType) : kind_(Kind::Ellipsis) {}
  TensorIndex(const char* text) : kind_(Kind::Ellipsis) {
    TORCH_CHECK_VALUE(std::string_view(text) == "...", "Expected \"...\" to represent an ellipsis");
  }
  TensorIndex(int64_t i) : kind_(Kind::Integer), number_(i) {}
  TensorIndex(int i) : TensorIndex(static_cast<int64_t>(i)) {}
  TensorIndex(bool b) : kind_(Kind::Boolean), number_(b) {}
  TensorIndex(const Slice& s) : kind_(Kind::Slice), slice_(s) {}
  TensorIndex(const at::Tensor& t) : kind_(Kind::Tensor), tensor_(t) {}
  py::object object() const;  // wants the GIL
};

}  // namespace indexing
}  // namespace at

// -- conversions ---------------------------------------------------------------------------------

namespace pybind11::detail {

template <>
struct type_caster<at::Tensor> {
  PYBIND11_TYPE_CASTER(at::Tensor, const_name("torch.Tensor"));
  bool load(handle source, bool) {
    if (source.is_none()) {
      value = at::Tensor();
      return true;
    }
    if (!at::detail::api().is_tensor(source.ptr())) return false;
    value = at::Tensor::borrow(source.ptr());
    return true;
  }
  static handle cast(const at::Tensor& t, return_value_policy, handle) {
    return t.defined() ? handle(t.object()).inc_ref() : none().release();
  }
};

template <>
struct type_caster<c10::ScalarType> {
  PYBIND11_TYPE_CASTER(c10::ScalarType, const_name("torch.dtype"));
  bool load(handle source, bool) {
    const int32_t number = at::detail::api().dtype_number(source.ptr());
    value = static_cast<c10::ScalarType>(number);
    return number >= 0;
  }
  static handle cast(c10::ScalarType t, return_value_policy, handle) {
    PyObject* o = at::detail::api().dtype(static_cast<int32_t>(t));
    if (!o) throw error_already_set();
    return o;
  }
};

template <>
struct type_caster<c10::Device> {
  PYBIND11_TYPE_CASTER(c10::Device, const_name("torch.device"));
  bool load(handle source, bool) {
    if (!isinstance<str>(source) && !hasattr(source, "type")) return false;
    value = c10::Device(std::string(str(source)));
    return true;
  }
  static handle cast(const c10::Device& d, return_value_policy, handle) {
    return module_::import("rushlight").attr("device")(d.str()).release();
  }
};

template <>
struct type_caster<c10::Scalar> {
  PYBIND11_TYPE_CASTER(c10::Scalar, const_name("Union[float, int, bool, complex]"));
  bool load(handle source, bool) {
    if (isinstance<bool_>(source)) value = c10::Scalar(source.cast<bool>());
    else if (isinstance<int_>(source)) value = c10::Scalar(source.cast<int64_t>());
    else if (PyComplex_Check(source.ptr())) value = c10::Scalar(source.cast<std::complex<double>>());
    else if (isinstance<float_>(source)) value = c10::Scalar(source.cast<double>());
    else return false;
    return true;
  }
  static handle cast(const c10::Scalar& s, return_value_policy, handle) {
    switch (s.kind()) {
      case c10::Scalar::Kind::Int:
        return PyLong_FromLongLong(s.toLong());
      case c10::Scalar::Kind::Bool:
        return PyBool_FromLong(s.toBool());
      case c10::Scalar::Kind::Double:
        return PyFloat_FromDouble(s.toDouble());
      default:
        return PyComplex_FromDoubles(s.toComplexDouble().real(), s.toComplexDouble().imag());
    }
  }
};

// A list that lives as long as the call.
template <class T>
struct type_caster<c10::ArrayRef<T>> {
  std::vector<T> items;
  PYBIND11_TYPE_CASTER(c10::ArrayRef<T>, const_name("List"));
  bool load(handle source, bool convert) {
    make_caster<std::vector<T>> list;
    if (!list.load(source, convert)) return false;
    items = cast_op<std::vector<T>&&>(std::move(list));
    value = c10::ArrayRef<T>(items);
    return true;
  }
  static handle cast(c10::ArrayRef<T> list, return_value_policy policy, handle parent) {
    return make_caster<std::vector<T>>::cast(list.vec(), policy, parent);
  }
};

}  // namespace pybind11::detail

namespace at {

template <class T>
py::object to_python(T&& value) {
  using Plain = std::decay_t<T>;
  if constexpr (std::is_same_v<Plain, c10::MemoryFormat>) {
    static const char* const names[] = {"contiguous_format", "preserve_format", "channels_last",
                                        "channels_last_3d"};
    return py::module_::import("rushlight").attr(names[static_cast<int>(value)]);
  } else if constexpr (std::is_same_v<Plain, c10::DeviceType>) {
    return py::cast(c10::Device(value));
  } else if constexpr (std::is_same_v<Plain, std::nullopt_t>) {
    return py::none();
  } else if constexpr (std::is_base_of_v<py::handle, Plain>) {
    return py::reinterpret_borrow<py::object>(value);
  } else {
    return py::cast(std::forward<T>(value));
  }
}

template <class T>
T from_python(const py::object& o) {
  return py::cast<T>(o);
}

inline py::dict TensorOptions::keywords() const {
  py::dict d;
  if (dtype_) d["dtype"] = py::cast(*dtype_);
  if (device_) d["device"] = device_->str();
  if (requires_grad_ && *requires_grad_) d["requires_grad"] = true;
  return d;
}

inline py::object indexing::TensorIndex::object() const {
  switch (kind_) {
    case Kind::Ellipsis:
      return py::ellipsis();
    case Kind::Integer:
      return py::int_(number_);
    case Kind::Boolean:
      return py::bool_(number_ != 0);
    case Kind::Slice:
      return py::slice(to_python(slice_.start), to_python(slice_.stop), to_python(slice_.step));
    case Kind::Tensor:
      return py::cast(tensor_);
    default:
      return py::none();
  }
}

namespace detail {
inline py::tuple index_tuple(const std::vector<indexing::TensorIndex>& indices) {
  py::tuple all(indices.size());
  for (size_t i = 0; i < indices.size(); ++i) all[i] = indices[i].object();
  return all;
}
}  // namespace detail

inline Tensor Tensor::index(const std::vector<indexing::TensorIndex>& indices) const {
  detail::Gil gil;
  return call<Tensor>("__getitem__", detail::index_tuple(indices));
}
inline Tensor& Tensor::index_put_(const std::vector<indexing::TensorIndex>& indices,
                                  const Tensor& value) const {
  detail::Gil gil;
  return write("__setitem__", detail::index_tuple(indices), value);
}
inline Tensor& Tensor::index_put_(const std::vector<indexing::TensorIndex>& indices,
                                  const c10::Scalar& value) const {
  detail::Gil gil;
  return write("__setitem__", detail::index_tuple(indices), value);
}
inline Tensor Tensor::slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop,
                            int64_t step) const {
  std::vector<indexing::TensorIndex> all(wrap(dim), indexing::TensorIndex(indexing::Slice()));
  all.push_back(indexing::TensorIndex(indexing::Slice(start, stop, step)));
  return index(all);
}
inline c10::Scalar Tensor::item() const { return call<c10::Scalar>("item"); }

inline bool Tensor::is_contiguous(c10::MemoryFormat f) const {
  if (f != c10::MemoryFormat::Contiguous) {
    detail::Gil gil;
    return attribute("is_contiguous")(py::arg("memory_format") = to_python(f)).cast<bool>();
  }
  const rl_view v = view();
  int64_t expected = 1;
  for (int d = v.ndim; d-- > 0;) {
    if (v.sizes[d] != 1 && v.strides[d] != expected && v.numel) return false;
    expected *= v.sizes[d];
  }
  return true;
}

inline std::ostream& operator<<(std::ostream& out, const Tensor& t) {
  detail::Gil gil;
  return out << (t.defined() ? std::string(py::str(py::cast(t))) : "[ Tensor (undefined) ]");
}

}  // namespace at

namespace torch {
using namespace at;
namespace indexing = at::indexing;
}  // namespace torch
