// Errors inside the core are C++ exceptions; op_call and the other entry points turn them
// into Python exceptions, so that none crosses the C boundary.
#pragma once
#include <cstdarg>
#include <stdexcept>
#include <string>

namespace rl {

enum class ErrorType { Runtime, Type, Value, Index, NotImplemented, Overflow, Memory, LinAlg };

struct Error : std::exception {
  ErrorType type;
  std::string message;
  Error(ErrorType t, std::string m) : type(t), message(std::move(m)) {}
  const char* what() const noexcept override { return message.c_str(); }
};

// Somebody wants the elements of a meta tensor.
struct NoElements : Error {
  NoElements() : Error(ErrorType::NotImplemented, "Cannot copy out of meta tensor; no data!") {}
};

// A Python exception is already set; just unwind.
struct PythonError : std::exception {};

[[noreturn]] void fail(ErrorType type, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

[[noreturn]] void stay_for_ever();  // of a daemon thread that outlives the interpreter

// Turns the exception in flight into a Python exception. Call inside catch (...).
void translate_exception();

}  // namespace rl
