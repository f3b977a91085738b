// What extensions include: tensors, operators, dispatch, autograd, registration, and pybind11.
#pragma once
#include "../rushlight/autograd.h"
#include "../rushlight/dispatch.h"
#include "../rushlight/errors.h"
#include "../rushlight/library.h"

namespace py = pybind11;

namespace torch {
// Exceptions become Python's by themselves here (errors.h).
template <class F>
F wrap_pybind_function(F f) {
  return f;
}
}  // namespace torch
