// The profiler's recorder: what ran, when, and what memory it took, of the thread that is profiled.
//
// While nothing is profiled a call pays one test of a pointer that the gate has at hand. While
// something is, an event is two readings of the clock and one entry of an array; what Python shows
// of it is made afterwards.
#pragma once
#include "op.h"

namespace rl {

struct Recorder;

// One event, from construction to destruction.
class ProfileScope {
 public:
  ProfileScope(PyObject* what, bool backward, PyObject* const* args, Py_ssize_t n);
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;

 private:
  Recorder* recorder_;
  int64_t number_ = 0;
  size_t index_ = 0;
};

void note_sequence(uint64_t sequence);  // the node that the innermost event runs

uint64_t peek_sequence();  // node.cpp: the number that the next node gets

bool init_profile(PyObject* module);

}  // namespace rl
