// TORCH_LIBRARY and TORCH_LIBRARY_IMPL: operators that Python finds as torch.ops.<namespace>.<name>.
#pragma once
#include "functions.h"

namespace torch {

enum class DispatchKey { CPU, CUDA, Meta, Autograd, CompositeImplicitAutograd,
                         CompositeExplicitAutograd };

namespace detail {

// The schema's name of a C++ type.
template <class T>
struct TypeName;
#define RL_NAME(type, text)                      \
  template <>                                    \
  struct TypeName<type> {                        \
    static std::string get() { return text; }    \
  };
RL_NAME(at::Tensor, "Tensor")
RL_NAME(int64_t, "int")
RL_NAME(double, "float")
RL_NAME(bool, "bool")
RL_NAME(std::string, "str")
RL_NAME(c10::string_view, "str")
RL_NAME(c10::Scalar, "Scalar")
RL_NAME(c10::ScalarType, "ScalarType")
RL_NAME(c10::Device, "Device")
RL_NAME(void, "()")
#undef RL_NAME
template <class T>
struct TypeName<std::optional<T>> {
  static std::string get() { return TypeName<T>::get() + "?"; }
};
template <class T>
struct TypeName<std::vector<T>> {
  static std::string get() { return TypeName<T>::get() + "[]"; }
};
template <class T>
struct TypeName<c10::ArrayRef<T>> {
  static std::string get() { return TypeName<T>::get() + "[]"; }
};
template <class... T>
struct TypeName<std::tuple<T...>> {
  static std::string get() {
    std::string all;
    ((all += (all.empty() ? "" : ", ") + TypeName<T>::get()), ...);
    return "(" + all + ")";
  }
};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  static std::string schema(const std::string& name) {
    std::string text;
    int i = 0;
    ((text += (i ? ", " : "") + TypeName<std::decay_t<A>>::get() + " _" + std::to_string(i), ++i),
     ...);
    return name + "(" + text + ") -> " + TypeName<std::decay_t<R>>::get();
  }
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};

}  // namespace detail

// TORCH_FN(f) and TORCH_BOX: functions as they are.
template <class F>
F* dispatch_function(F* f) {
  return f;
}
#define TORCH_FN(f) ::torch::dispatch_function(&f)
#define TORCH_SELECTIVE_NAME(text) text
#define TORCH_SELECTIVE_SCHEMA(text) text

class Library {
  pybind11::object library_;
  std::string key_;

 public:
  Library(const char* space, const char* kind, const char* key) : key_(key) {
    library_ = pybind11::module_::import("rushlight.utils._cpp_bridge")
                   .attr("library")(space, kind, key);
  }
  Library& def(const std::string& schema) {
    library_.attr("define")(schema);
    return *this;
  }
  template <class F>
  Library& def(const std::string& schema, F&& f) {
    using Plain = std::decay_t<F>;
    const bool bare = schema.find('(') == std::string::npos;
    library_.attr("define")(bare ? detail::Signature<Plain>::schema(schema) : schema);
    const std::string name = schema.substr(0, schema.find('('));
    library_.attr("impl")(name, pybind11::cpp_function(std::forward<F>(f)),
                          "CompositeExplicitAutograd");
    return *this;
  }
  template <class F>
  Library& impl(const std::string& name, F&& f) {
    library_.attr("impl")(name, pybind11::cpp_function(std::forward<F>(f)), key_);
    return *this;
  }
  template <class F>
  Library& impl(const std::string& name, DispatchKey key, F&& f) {
    static const char* const names[] = {
        "CPU", "CUDA", "Meta", "Autograd", "CompositeImplicitAutograd", "CompositeExplicitAutograd"};
    library_.attr("impl")(name, pybind11::cpp_function(std::forward<F>(f)),
                          names[static_cast<int>(key)]);
    return *this;
  }
};

namespace detail {
// Runs a block of registrations when the extension is loaded.
struct Registration {
  Registration(const char* space, const char* kind, const char* key, void (*block)(Library&)) {
    at::detail::Gil gil;
    try {
      Library library(space, kind, key);
      block(library);
    } catch (pybind11::error_already_set& error) {
      pybind11::module_::import("rushlight.utils._cpp_bridge").attr("failed")(error.what());
    }
  }
};
}  // namespace detail

}  // namespace torch

#define RL_JOIN_NAMES_(a, b) a##b
#define RL_JOIN_NAMES(a, b) RL_JOIN_NAMES_(a, b)
#define RL_LIBRARY(space, kind, key, id) RL_LIBRARY_(space, kind, key, id)
#define RL_LIBRARY_(space, kind, key, id)                                              \
  static void RL_JOIN_NAMES(rl_library_, id)(::torch::Library&);                       \
  static const ::torch::detail::Registration RL_JOIN_NAMES(rl_registration_, id)(      \
      #space, kind, key, &RL_JOIN_NAMES(rl_library_, id));                             \
  static void RL_JOIN_NAMES(rl_library_, id)
#define TORCH_LIBRARY(ns, m) RL_LIBRARY(ns, "DEF", "", __COUNTER__)(::torch::Library & m)
#define TORCH_LIBRARY_FRAGMENT(ns, m) RL_LIBRARY(ns, "FRAGMENT", "", __COUNTER__)(::torch::Library & m)
#define TORCH_LIBRARY_IMPL(ns, k, m) RL_LIBRARY(ns, "IMPL", #k, __COUNTER__)(::torch::Library & m)
