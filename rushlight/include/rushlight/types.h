// The small types of PyTorch's C++ interface: element types, devices, lists, numbers, errors.
#pragma once
#include <complex>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace c10 {

// -- errors --------------------------------------------------------------------------------------

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  const char* what_without_backtrace() const { return what(); }
  std::string msg() const { return what(); }
};
class ValueError : public Error {
  using Error::Error;
};
class TypeError : public Error {
  using Error::Error;
};
class IndexError : public Error {
  using Error::Error;
};
class NotImplementedError : public Error {
  using Error::Error;
};

template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (void)(out << ... << args);
  return out.str();
}

namespace detail {
template <class E, class... Args>
[[noreturn]] void check_failed(const char* condition, const Args&... args) {
  if constexpr (sizeof...(Args) == 0)
    throw E(c10::str("Expected ", condition, " to be true, but got false."));
  else
    throw E(c10::str(args...));
}
}  // namespace detail

#define RL_CHECK(error, condition, ...)                                                   \
  do {                                                                                    \
    if (!(condition)) ::c10::detail::check_failed<error>(#condition, ##__VA_ARGS__);      \
  } while (false)
#define TORCH_CHECK(condition, ...) RL_CHECK(::c10::Error, condition, ##__VA_ARGS__)
#define TORCH_CHECK_VALUE(condition, ...) RL_CHECK(::c10::ValueError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_TYPE(condition, ...) RL_CHECK(::c10::TypeError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_INDEX(condition, ...) RL_CHECK(::c10::IndexError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_NOT_IMPLEMENTED(condition, ...) \
  RL_CHECK(::c10::NotImplementedError, condition, ##__VA_ARGS__)
#define TORCH_INTERNAL_ASSERT(condition, ...) RL_CHECK(::c10::Error, condition, ##__VA_ARGS__)
#define TORCH_INTERNAL_ASSERT_DEBUG_ONLY(condition, ...) \
  RL_CHECK(::c10::Error, condition, ##__VA_ARGS__)
#define AT_ASSERTM(condition, ...) RL_CHECK(::c10::Error, condition, ##__VA_ARGS__)
#define AT_ASSERT(condition, ...) RL_CHECK(::c10::Error, condition, ##__VA_ARGS__)
#define AT_ERROR(...) ::c10::detail::check_failed<::c10::Error>("false", ##__VA_ARGS__)
#define TORCH_CHECK_EQ(a, b) TORCH_CHECK((a) == (b), #a " == " #b " (", (a), " vs. ", (b), ")")
#define TORCH_CHECK_NE(a, b) TORCH_CHECK((a) != (b), #a " != " #b " (", (a), " vs. ", (b), ")")
#define TORCH_CHECK_LT(a, b) TORCH_CHECK((a) < (b), #a " < " #b " (", (a), " vs. ", (b), ")")
#define TORCH_CHECK_LE(a, b) TORCH_CHECK((a) <= (b), #a " <= " #b " (", (a), " vs. ", (b), ")")
#define TORCH_CHECK_GT(a, b) TORCH_CHECK((a) > (b), #a " > " #b " (", (a), " vs. ", (b), ")")
#define TORCH_CHECK_GE(a, b) TORCH_CHECK((a) >= (b), #a " >= " #b " (", (a), " vs. ", (b), ")")

// -- element types -------------------------------------------------------------------------------

struct Half {
  uint16_t x = 0;
  Half() = default;
  Half(float f);
  operator float() const;
};
struct BFloat16 {
  uint16_t x = 0;
  BFloat16() = default;
  BFloat16(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    const bool nan = (u & 0x7fffffff) > 0x7f800000;
    x = static_cast<uint16_t>(nan ? (u >> 16) | 0x40 : (u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  operator float() const {
    const uint32_t u = static_cast<uint32_t>(x) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
};

inline Half::operator float() const {
  const uint32_t sign = (x & 0x8000u) << 16, exponent = (x >> 10) & 31, part = x & 1023u;
  float f;
  uint32_t u;
  if (exponent == 0) {  // 0 and the smallest: multiples of 2^-24
    f = static_cast<float>(part) * 0x1p-24f;
    std::memcpy(&u, &f, 4);
    u |= sign;
  } else {
    u = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | part << 13;
  }
  std::memcpy(&f, &u, 4);
  return f;
}
inline Half::Half(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) {
    x = sign | 0x7e00;
  } else if (u >= 0x477ff000u) {  // what rounds past the largest
    x = sign | 0x7c00;
  } else if (u < 0x38800000u) {  // below the least normal: adding 1/2 rounds to a multiple of 2^-24
    float magnitude;
    std::memcpy(&magnitude, &u, 4);
    magnitude += 0.5f;
    std::memcpy(&u, &magnitude, 4);
    x = static_cast<uint16_t>(sign | (u - 0x3f000000u));
  } else {
    u += 0xc8000fffu + ((u >> 13) & 1);  // the exponent from 127 to 15; half to even
    x = static_cast<uint16_t>(sign | u >> 13);
  }
}

template <class T>
using complex = std::complex<T>;

// (number, C++ type, name)
#define RL_FORALL_TYPES(_)                  \
  _(0, uint8_t, Byte)                       \
  _(1, int8_t, Char)                        \
  _(2, int16_t, Short)                      \
  _(3, int32_t, Int)                        \
  _(4, int64_t, Long)                       \
  _(5, ::c10::Half, Half)                   \
  _(6, float, Float)                        \
  _(7, double, Double)                      \
  _(9, ::c10::complex<float>, ComplexFloat) \
  _(10, ::c10::complex<double>, ComplexDouble) \
  _(11, bool, Bool)                         \
  _(15, ::c10::BFloat16, BFloat16)          \
  _(27, uint16_t, UInt16)                   \
  _(28, uint32_t, UInt32)                   \
  _(29, uint64_t, UInt64)

enum class ScalarType : int8_t {
#define RL_ONE(number, type, name) name = number,
  RL_FORALL_TYPES(RL_ONE)
#undef RL_ONE
      ComplexHalf = 8,
  Float8_e5m2 = 23,
  Float8_e4m3fn = 24,
  Float8_e5m2fnuz = 25,
  Float8_e4m3fnuz = 26,
  Float8_e8m0fnu = 44,
  Undefined = 46,
};

inline const char* toString(ScalarType t) {
  switch (t) {
#define RL_ONE(number, type, name) \
  case ScalarType::name:           \
    return #name;
    RL_FORALL_TYPES(RL_ONE)
#undef RL_ONE
    default:
      return "UNKNOWN_SCALAR";
  }
}
inline std::ostream& operator<<(std::ostream& out, ScalarType t) { return out << toString(t); }

template <class T>
struct CppTypeToScalarType;
#define RL_ONE(number, type, name)                       \
  template <>                                            \
  struct CppTypeToScalarType<type> {                     \
    static constexpr ScalarType value = ScalarType::name; \
  };
RL_FORALL_TYPES(RL_ONE)
#undef RL_ONE
template <ScalarType t>
struct ScalarTypeToCppType;
#define RL_ONE(number, type_, name)             \
  template <>                                   \
  struct ScalarTypeToCppType<ScalarType::name> { \
    using type = type_;                         \
  };
RL_FORALL_TYPES(RL_ONE)
#undef RL_ONE

inline bool isFloatingType(ScalarType t) {
  return t == ScalarType::Half || t == ScalarType::Float || t == ScalarType::Double ||
         t == ScalarType::BFloat16;
}
inline bool isComplexType(ScalarType t) {
  return t == ScalarType::ComplexFloat || t == ScalarType::ComplexDouble;
}
inline bool isIntegralType(ScalarType t, bool includeBool = false) {
  return t <= ScalarType::Long || t == ScalarType::UInt16 || t == ScalarType::UInt32 ||
         t == ScalarType::UInt64 || (includeBool && t == ScalarType::Bool);
}

#define RL_ONE(number, type, name) constexpr ScalarType k##name = ScalarType::name;
RL_FORALL_TYPES(RL_ONE)
#undef RL_ONE
constexpr ScalarType kUInt8 = kByte, kInt8 = kChar, kInt16 = kShort, kInt32 = kInt, kInt64 = kLong,
                     kFloat16 = kHalf, kFloat32 = kFloat, kFloat64 = kDouble,
                     kComplexFloat64 = kComplexDouble;
constexpr ScalarType kF16 = kHalf, kF32 = kFloat, kF64 = kDouble, kI32 = kInt, kI64 = kLong;

// -- devices and layouts -------------------------------------------------------------------------

enum class DeviceType : int8_t { CPU = 0, CUDA = 1, XPU = 12, MPS = 13, Meta = 14 };
constexpr DeviceType kCPU = DeviceType::CPU, kCUDA = DeviceType::CUDA, kMeta = DeviceType::Meta;
using DeviceIndex = int8_t;

struct Device {
  DeviceType kind = DeviceType::CPU;
  DeviceIndex number = -1;
  Device() = default;
  Device(DeviceType type, DeviceIndex index = -1) : kind(type), number(index) {}
  Device(const std::string& text) {
    const size_t colon = text.find(':');
    const std::string name = text.substr(0, colon);
    kind = name == "cuda"   ? DeviceType::CUDA
           : name == "meta" ? DeviceType::Meta
           : name == "mps"  ? DeviceType::MPS
           : name == "xpu"  ? DeviceType::XPU
                            : DeviceType::CPU;
    TORCH_CHECK(kind != DeviceType::CPU || name == "cpu", "Invalid device string: '", text, "'");
    if (colon != std::string::npos)
      number = static_cast<DeviceIndex>(std::stoi(text.substr(colon + 1)));
  }
  DeviceType type() const { return kind; }
  DeviceIndex index() const { return number; }
  bool has_index() const { return number >= 0; }
  bool is_cpu() const { return kind == DeviceType::CPU; }
  bool is_cuda() const { return kind == DeviceType::CUDA; }
  bool operator==(const Device& o) const { return kind == o.kind && number == o.number; }
  bool operator!=(const Device& o) const { return !(*this == o); }
  std::string str() const {
    const char* name = kind == DeviceType::CUDA   ? "cuda"
                       : kind == DeviceType::Meta ? "meta"
                       : kind == DeviceType::MPS  ? "mps"
                       : kind == DeviceType::XPU  ? "xpu"
                                                  : "cpu";
    return number < 0 ? name : name + (":" + std::to_string(number));
  }
};
inline std::ostream& operator<<(std::ostream& out, const Device& d) { return out << d.str(); }

enum class Layout : int8_t { Strided = 0, Sparse = 1 };
constexpr Layout kStrided = Layout::Strided;
enum class MemoryFormat : int8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };

using std::nullopt;
using std::nullopt_t;
using std::optional;
template <class T>
using OptionalRef = std::optional<T>;
using string_view = std::string_view;

// -- lists ---------------------------------------------------------------------------------------

// A list that belongs to somebody else, for as long as the call lasts.
template <class T>
class ArrayRef {
  const T* data_ = nullptr;
  size_t size_ = 0;

 public:
  using value_type = T;
  using iterator = const T*;
  ArrayRef() = default;
  ArrayRef(const T& one) : data_(&one), size_(1) {}
  ArrayRef(const T* data, size_t size) : data_(data), size_(size) {}
  ArrayRef(const T* begin, const T* end) : data_(begin), size_(static_cast<size_t>(end - begin)) {}
  ArrayRef(const std::vector<T>& v) : data_(v.data()), size_(v.size()) {}
  template <size_t N>
  ArrayRef(const T (&array)[N]) : data_(array), size_(N) {}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
  ArrayRef(const std::initializer_list<T>& list) : data_(list.begin()), size_(list.size()) {}
#pragma GCC diagnostic pop
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T& front() const { return data_[0]; }
  const T& back() const { return data_[size_ - 1]; }
  const T& operator[](size_t i) const { return data_[i]; }
  const T& at(size_t i) const {
    TORCH_CHECK(i < size_, "ArrayRef: invalid index Index = ", i, "; Length = ", size_);
    return data_[i];
  }
  ArrayRef slice(size_t start, size_t count) const { return {data_ + start, count}; }
  std::vector<T> vec() const { return std::vector<T>(begin(), end()); }
  bool equals(ArrayRef o) const { return size_ == o.size_ && std::equal(begin(), end(), o.begin()); }
};
template <class T>
bool operator==(ArrayRef<T> a, ArrayRef<T> b) {
  return a.equals(b);
}
template <class T>
bool operator!=(ArrayRef<T> a, ArrayRef<T> b) {
  return !a.equals(b);
}
template <class T>
std::ostream& operator<<(std::ostream& out, ArrayRef<T> list) {
  out << '[';
  for (size_t i = 0; i < list.size(); ++i) out << (i ? ", " : "") << list[i];
  return out << ']';
}
using IntArrayRef = ArrayRef<int64_t>;

// -- one number ----------------------------------------------------------------------------------

class Scalar {
 public:
  enum class Kind { Int, Double, Bool, Complex };
  Scalar() : Scalar(int64_t{0}) {}
  Scalar(bool v) : kind_(Kind::Bool), i_(v), d_(v) {}
  Scalar(double v) : kind_(Kind::Double), i_(static_cast<int64_t>(v)), d_(v) {}
  Scalar(float v) : Scalar(static_cast<double>(v)) {}
  Scalar(Half v) : Scalar(static_cast<double>(v)) {}
  Scalar(BFloat16 v) : Scalar(static_cast<double>(v)) {}
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Scalar(T v) : kind_(Kind::Int), i_(static_cast<int64_t>(v)), d_(static_cast<double>(v)) {}
  Scalar(std::complex<double> v) : kind_(Kind::Complex), i_(0), d_(v.real()), imaginary_(v.imag()) {}
  bool isFloatingPoint() const { return kind_ == Kind::Double; }
  bool isIntegral(bool includeBool = false) const {
    return kind_ == Kind::Int || (includeBool && kind_ == Kind::Bool);
  }
  bool isBoolean() const { return kind_ == Kind::Bool; }
  bool isComplex() const { return kind_ == Kind::Complex; }
  Kind kind() const { return kind_; }
  double toDouble() const { return d_; }
  float toFloat() const { return static_cast<float>(d_); }
  int64_t toLong() const { return kind_ == Kind::Double ? static_cast<int64_t>(d_) : i_; }
  int toInt() const { return static_cast<int>(toLong()); }
  bool toBool() const { return d_ != 0 || i_ != 0; }
  std::complex<double> toComplexDouble() const { return {d_, imaginary_}; }
  template <class T>
  T to() const {
    if constexpr (std::is_same_v<T, bool>) return toBool();
    else if constexpr (std::is_integral_v<T>) return static_cast<T>(toLong());
    else if constexpr (std::is_same_v<T, std::complex<double>> ||
                       std::is_same_v<T, std::complex<float>>)
      return T(toComplexDouble());
    else return static_cast<T>(d_);
  }

 private:
  Kind kind_;
  int64_t i_;
  double d_;
  double imaginary_ = 0;
};

}  // namespace c10

namespace at {
using namespace c10;
}
namespace torch {
using namespace c10;
using Dtype = c10::ScalarType;
}  // namespace torch
