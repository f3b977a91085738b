// What stands around a tensor: access to its elements, how one is made, what it is indexed by.
#pragma once
#include <pybind11/pybind11.h>

#include "types.h"

namespace at {

namespace py = pybind11;
class Tensor;

// -- reading and writing elements ----------------------------------------------------------------

template <class T, size_t N>
class TensorAccessor {
  T* data_;
  const int64_t *sizes_, *strides_;

 public:
  TensorAccessor(T* data, const int64_t* sizes, const int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  c10::IntArrayRef sizes() const { return {sizes_, N}; }
  c10::IntArrayRef strides() const { return {strides_, N}; }
  int64_t size(int64_t i) const { return sizes_[i]; }
  int64_t stride(int64_t i) const { return strides_[i]; }
  T* data() const { return data_; }
  decltype(auto) operator[](int64_t i) const {
    if constexpr (N == 1)
      return (data_[i * strides_[0]]);
    else
      return TensorAccessor<T, N - 1>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
  }
};
template <class T, size_t N>
using PackedTensorAccessor32 = TensorAccessor<T, N>;
template <class T, size_t N>
using PackedTensorAccessor64 = TensorAccessor<T, N>;

// -- how to make a tensor ------------------------------------------------------------------------

class TensorOptions {
  std::optional<c10::ScalarType> dtype_;
  std::optional<c10::Device> device_;
  std::optional<bool> requires_grad_;

 public:
  TensorOptions() = default;
  TensorOptions(c10::ScalarType t) : dtype_(t) {}
  TensorOptions(c10::Device d) : device_(d) {}
  TensorOptions(c10::DeviceType d) : device_(d) {}
  TensorOptions(c10::Layout) {}
  TensorOptions dtype(std::optional<c10::ScalarType> t) const { return with(&TensorOptions::dtype_, t); }
  TensorOptions device(std::optional<c10::Device> d) const { return with(&TensorOptions::device_, d); }
  TensorOptions device(c10::DeviceType d, c10::DeviceIndex i = -1) const { return device(c10::Device(d, i)); }
  TensorOptions requires_grad(std::optional<bool> on) const {
    return with(&TensorOptions::requires_grad_, on);
  }
  TensorOptions layout(c10::Layout) const { return *this; }
  TensorOptions memory_format(c10::MemoryFormat) const { return *this; }
  TensorOptions pinned_memory(bool) const { return *this; }
  c10::ScalarType dtype() const { return dtype_.value_or(c10::kFloat); }
  c10::Device device() const { return device_.value_or(c10::Device(c10::kCPU)); }
  c10::Layout layout() const { return c10::kStrided; }
  bool requires_grad() const { return requires_grad_.value_or(false); }
  bool has_dtype() const { return dtype_.has_value(); }
  py::dict keywords() const;  // as Python's factories take them

 private:
  template <class T>
  TensorOptions with(T TensorOptions::* field, T value) const {
    TensorOptions other(*this);
    other.*field = value;
    return other;
  }
};
inline TensorOptions dtype(c10::ScalarType t) { return TensorOptions(t); }
inline TensorOptions device(c10::Device d) { return TensorOptions(d); }
inline TensorOptions requires_grad(bool on = true) { return TensorOptions().requires_grad(on); }
inline TensorOptions layout(c10::Layout l) { return TensorOptions(l); }

// -- indices -------------------------------------------------------------------------------------

namespace indexing {
enum class EllipsisIndexType { Ellipsis };
constexpr EllipsisIndexType Ellipsis = EllipsisIndexType::Ellipsis;
constexpr std::nullopt_t None = std::nullopt;
struct Slice {
  std::optional<int64_t> start, stop, step;
  Slice(std::optional<int64_t> a = std::nullopt, std::optional<int64_t> b = std::nullopt,
        std::optional<int64_t> c = std::nullopt)
      : start(a), stop(b), step(c) {}
};
class TensorIndex;
}  // namespace indexing

// What `tensor.type()` returned in older programs.
struct DeprecatedTypeProperties {
  c10::ScalarType scalar_type_;
  bool cuda_;
  c10::ScalarType scalarType() const { return scalar_type_; }
  bool is_cuda() const { return cuda_; }
  operator c10::ScalarType() const { return scalar_type_; }
  operator TensorOptions() const { return TensorOptions(scalar_type_); }
};

}  // namespace at
