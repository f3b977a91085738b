// What an element-wise call refuses before it runs.
#pragma once
#include "op.h"

namespace rl {

// Parameter i of a call as the double that loops take: None is NaN; TypeError for what is no
// number.
double param_value(const OpSpec& spec, PyObject* o, int i);
// RuntimeError for a parameter that the computation's dtype does not hold.
void check_param(const OpSpec& spec, DType t, double v);
// RuntimeError for the bools that PyTorch refuses in sums and differences.
void check_bools(const OpSpec& spec, PyObject* const* args, DType result);

}  // namespace rl
