// Exceptions of extensions as Python's: TORCH_CHECK_VALUE raises ValueError, and so on.
#pragma once
#include "types.h"
#include <pybind11/pybind11.h>

namespace torch::detail {

inline void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const c10::ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const c10::TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const c10::IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const c10::NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const c10::Error& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

// When the extension is loaded; pybind11 keeps one list for each.
inline const bool translates = [] {
  pybind11::gil_scoped_acquire gil;
  pybind11::register_local_exception_translator(&translate);
  return true;
}();

}  // namespace torch::detail
