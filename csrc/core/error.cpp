#include "error.h"

#include <Python.h>
#include <unistd.h>

#include <cstdio>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif
#include <new>

namespace rl {

void fail(ErrorType type, const char* format, ...) {
  char text[2048];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  throw Error(type, text);
}

static PyObject* linalg_error() {
  static PyObject* cls = nullptr;
  if (!cls) {
    PyObject* m = PyImport_ImportModule("rushlight._errors");
    if (m) cls = PyObject_GetAttrString(m, "LinAlgError");
    Py_XDECREF(m);
    if (!cls) PyErr_Clear();
  }
  return cls ? cls : PyExc_RuntimeError;
}

void stay_for_ever() {
  for (;;) pause();
}

void translate_exception() {
  try {
    throw;
#ifdef __GLIBCXX__
  } catch (const abi::__forced_unwind&) {  // see take_gil
    stay_for_ever();
#endif
  } catch (const PythonError&) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_SystemError, "rushlight: error without an exception");
  } catch (const Error& e) {
    PyObject* cls = PyExc_RuntimeError;
    switch (e.type) {
      case ErrorType::Runtime: break;
      case ErrorType::Type: cls = PyExc_TypeError; break;
      case ErrorType::Value: cls = PyExc_ValueError; break;
      case ErrorType::Index: cls = PyExc_IndexError; break;
      case ErrorType::NotImplemented: cls = PyExc_NotImplementedError; break;
      case ErrorType::Overflow: cls = PyExc_OverflowError; break;
      case ErrorType::Memory: cls = PyExc_MemoryError; break;
      case ErrorType::LinAlg: cls = linalg_error(); break;
    }
    PyErr_SetString(cls, e.message.c_str());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_Format(PyExc_RuntimeError, "rushlight: %s", e.what());
  }
}

}  // namespace rl
