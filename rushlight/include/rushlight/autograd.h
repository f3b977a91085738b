// torch::autograd::Function: a function with a gradient of its own, both in C++.
#pragma once
#include "functions.h"

#include <map>
#include <memory>

namespace torch::autograd {

using Variable = at::Tensor;
using variable_list = std::vector<at::Tensor>;
using tensor_list = std::vector<at::Tensor>;

class AutogradContext {
  variable_list saved_;

 public:
  // What forward keeps for backward besides tensors.
  struct Value {
    pybind11::object object;
    template <class T>
    Value& operator=(T&& value) {
      object = at::to_python(std::forward<T>(value));
      return *this;
    }
    template <class T>
    T to() const {
      return object.cast<T>();
    }
    int64_t toInt() const { return to<int64_t>(); }
    double toDouble() const { return to<double>(); }
    bool toBool() const { return to<bool>(); }
    at::Tensor toTensor() const { return to<at::Tensor>(); }
    std::string toStringRef() const { return to<std::string>(); }
    std::vector<int64_t> toIntVector() const { return to<std::vector<int64_t>>(); }
  };
  std::map<std::string, Value> saved_data;
  std::vector<bool> needs;
  bool materialize = true;
  variable_list marked;
  void save_for_backward(variable_list tensors) { saved_ = std::move(tensors); }
  const variable_list& get_saved_variables() const { return saved_; }
  variable_list take_saved() { return std::exchange(saved_, {}); }
  void mark_non_differentiable(const variable_list& outputs) { marked = outputs; }
  void set_materialize_grads(bool on) { materialize = on; }
  bool needs_input_grad(size_t i) const { return i < needs.size() && needs[i]; }
};

namespace detail {

template <class T>
void collect(variable_list& out, const T& value) {
  if constexpr (std::is_same_v<T, at::Tensor>) {
    out.push_back(value);
  } else if constexpr (std::is_same_v<T, std::optional<at::Tensor>>) {
    out.push_back(value.value_or(at::Tensor()));
  } else if constexpr (std::is_same_v<T, variable_list>) {
    out.insert(out.end(), value.begin(), value.end());
  }
}
template <class T>
constexpr size_t places(const T& value) {  // of one argument among what backward returns
  if constexpr (std::is_same_v<T, variable_list>) return value.size();
  return 1;
}
template <class T>
constexpr bool holds_tensors = std::is_same_v<T, at::Tensor> ||
                               std::is_same_v<T, std::optional<at::Tensor>> ||
                               std::is_same_v<T, variable_list>;

}  // namespace detail

// struct Mine : Function<Mine> { static Tensor forward(AutogradContext*, ...);
//                                static variable_list backward(AutogradContext*, variable_list); }
template <class Derived>
struct Function {
  template <class... A>
  static auto apply(A&&... args) {
    at::detail::Gil gil;
    auto context = std::make_shared<AutogradContext>();
    variable_list inputs;
    std::vector<bool> places;  // of what backward returns: whether a tensor stood there
    ((detail::collect<std::decay_t<A>>(inputs, args),
      places.insert(places.end(), detail::places<std::decay_t<A>>(args),
                    detail::holds_tensors<std::decay_t<A>>)),
     ...);
    size_t next = 0;
    for (const bool tensor : places) {
      const bool wanted = tensor && inputs[next].defined() && inputs[next].requires_grad();
      context->needs.push_back(wanted);
      next += tensor;
    }
    auto outputs = [&] {
      at::NoGradGuard guard;
      return Derived::forward(context.get(), std::forward<A>(args)...);
    }();
    using Result = decltype(outputs);
    variable_list results;
    if constexpr (std::is_same_v<Result, at::Tensor>)
      results.push_back(outputs);
    else
      results = outputs;
    // The graph keeps what forward saved: it knows of changes, and of cycles through outputs.
    auto backward = [context, places](variable_list gradients, variable_list saved) {
      context->save_for_backward(std::move(saved));
      variable_list all = Derived::backward(context.get(), std::move(gradients)), found;
      context->take_saved();
      TORCH_CHECK(all.size() >= places.size(), "function returned an incorrect number of gradients "
                  "(expected ", places.size(), ", got ", all.size(), ")");
      for (size_t i = 0; i < places.size(); ++i)
        if (places[i]) found.push_back(all[i]);
      return found;
    };
    pybind11::object done = pybind11::module_::import("rushlight.utils._cpp_bridge")
                                .attr("connect")(pybind11::cpp_function(backward), inputs, results,
                                                 context->marked, context->take_saved(),
                                                 context->materialize);
    results = done.cast<variable_list>();
    if constexpr (std::is_same_v<Result, at::Tensor>)
      return results[0];
    else
      return results;
  }
};

inline variable_list grad(const variable_list& outputs, const variable_list& inputs,
                          const variable_list& grad_outputs = {},
                          std::optional<bool> retain_graph = std::nullopt,
                          bool create_graph = false, bool allow_unused = false) {
  at::detail::Gil gil;
  pybind11::object given = pybind11::none();
  if (!grad_outputs.empty()) given = at::to_python(grad_outputs);
  return pybind11::module_::import("rushlight")
      .attr("autograd")
      .attr("grad")(outputs, inputs, given, retain_graph, create_graph, allow_unused)
      .cast<variable_list>();
}

}  // namespace torch::autograd

namespace torch {
using autograd::Variable;
using at::NoGradGuard;
}  // namespace torch
