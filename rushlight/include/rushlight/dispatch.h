// AT_DISPATCH_*: code for the element type that a tensor has, as the name `scalar_t`.
#pragma once
#include "tensor.h"

#define AT_DISPATCH_CASE(enum_type, ...)                                 \
  case enum_type: {                                                      \
    using scalar_t = ::c10::ScalarTypeToCppType<enum_type>::type;        \
    return __VA_ARGS__();                                                \
  }
#define AT_DISPATCH_SWITCH(TYPE, NAME, ...)                                                   \
  [&] {                                                                                       \
    const ::c10::ScalarType rl_type = static_cast<::c10::ScalarType>(TYPE);                   \
    switch (rl_type) {                                                                        \
      __VA_ARGS__                                                                             \
      default:                                                                                \
        throw ::c10::NotImplementedError(                                                     \
            ::c10::str('"', NAME, "\" not implemented for '", ::c10::toString(rl_type), "'")); \
    }                                                                                         \
  }()

#define RL_FLOATING(...)                                        \
  AT_DISPATCH_CASE(::c10::ScalarType::Double, __VA_ARGS__)      \
  AT_DISPATCH_CASE(::c10::ScalarType::Float, __VA_ARGS__)
#define RL_INTEGRAL(...)                                        \
  AT_DISPATCH_CASE(::c10::ScalarType::Byte, __VA_ARGS__)        \
  AT_DISPATCH_CASE(::c10::ScalarType::Char, __VA_ARGS__)        \
  AT_DISPATCH_CASE(::c10::ScalarType::Int, __VA_ARGS__)         \
  AT_DISPATCH_CASE(::c10::ScalarType::Long, __VA_ARGS__)        \
  AT_DISPATCH_CASE(::c10::ScalarType::Short, __VA_ARGS__)
#define RL_COMPLEX(...)                                         \
  AT_DISPATCH_CASE(::c10::ScalarType::ComplexDouble, __VA_ARGS__) \
  AT_DISPATCH_CASE(::c10::ScalarType::ComplexFloat, __VA_ARGS__)
#define RL_REDUCED(...)                                         \
  AT_DISPATCH_CASE(::c10::ScalarType::Half, __VA_ARGS__)        \
  AT_DISPATCH_CASE(::c10::ScalarType::BFloat16, __VA_ARGS__)

#define AT_DISPATCH_CASE_FLOATING_TYPES(...) RL_FLOATING(__VA_ARGS__)
#define AT_DISPATCH_CASE_INTEGRAL_TYPES(...) RL_INTEGRAL(__VA_ARGS__)
#define AT_DISPATCH_CASE_COMPLEX_TYPES(...) RL_COMPLEX(__VA_ARGS__)
#define AT_DISPATCH_CASE_REDUCED_FLOATING_TYPES(...) RL_REDUCED(__VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES(...) RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__)

#define AT_DISPATCH_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_FLOATING(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND_HALF(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME,                             \
                     RL_FLOATING(__VA_ARGS__)                \
                         AT_DISPATCH_CASE(::c10::ScalarType::Half, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND(EXTRA, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_FLOATING(__VA_ARGS__) AT_DISPATCH_CASE(EXTRA, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND2(EXTRA1, EXTRA2, TYPE, NAME, ...)                  \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                          \
                     RL_FLOATING(__VA_ARGS__) AT_DISPATCH_CASE(EXTRA1, __VA_ARGS__)       \
                         AT_DISPATCH_CASE(EXTRA2, __VA_ARGS__))
#define AT_DISPATCH_REDUCED_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_REDUCED(__VA_ARGS__))
#define AT_DISPATCH_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_COMPLEX(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_FLOATING(__VA_ARGS__) RL_COMPLEX(__VA_ARGS__))
#define AT_DISPATCH_INTEGRAL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_INTEGRAL(__VA_ARGS__))
#define AT_DISPATCH_INTEGRAL_TYPES_AND(EXTRA, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_INTEGRAL(__VA_ARGS__) AT_DISPATCH_CASE(EXTRA, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND(EXTRA, TYPE, NAME, ...)                              \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                       \
                     RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__)                 \
                         AT_DISPATCH_CASE(EXTRA, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND2(EXTRA1, EXTRA2, TYPE, NAME, ...)                    \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                       \
                     RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__)                 \
                         AT_DISPATCH_CASE(EXTRA1, __VA_ARGS__)                         \
                             AT_DISPATCH_CASE(EXTRA2, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND3(EXTRA1, EXTRA2, EXTRA3, TYPE, NAME, ...)            \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                       \
                     RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__)                 \
                         AT_DISPATCH_CASE(EXTRA1, __VA_ARGS__)                         \
                             AT_DISPATCH_CASE(EXTRA2, __VA_ARGS__)                     \
                                 AT_DISPATCH_CASE(EXTRA3, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME,                           \
                     RL_INTEGRAL(__VA_ARGS__) RL_FLOATING(__VA_ARGS__) RL_COMPLEX(__VA_ARGS__))
#define AT_DISPATCH_INDEX_TYPES(TYPE, NAME, ...)                                            \
  [&] {                                                                                     \
    const ::c10::ScalarType rl_type = static_cast<::c10::ScalarType>(TYPE);                 \
    TORCH_CHECK(rl_type == ::c10::kInt || rl_type == ::c10::kLong, '"', NAME,               \
                "\" not implemented for '", ::c10::toString(rl_type), "'");                 \
    if (rl_type == ::c10::kInt) {                                                           \
      using index_t = int32_t;                                                              \
      return __VA_ARGS__();                                                                 \
    }                                                                                       \
    using index_t = int64_t;                                                                \
    return __VA_ARGS__();                                                                   \
  }()
