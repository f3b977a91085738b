// log(1 + exp(x)), for the activations and the losses that are made of it.
#pragma once
#include "vecmath.h"

namespace rl {
namespace {

// log(1 + x) for 0 <= x <= 1; floats to 2 ULP.
inline float log1p_of_part(float x) {
  const float y = 2 * x - 1;
  float p = -6.11613898e-07f;
  p = p * y + 1.98865715e-06f;
  p = p * y - 4.67807331e-06f;
  p = p * y + 1.55496683e-05f;
  p = p * y - 5.43615695e-05f;
  p = p * y + 0.000185226715f;
  p = p * y - 0.00064212643f;
  p = p * y + 0.00228816393f;
  p = p * y - 0.00846108248f;
  p = p * y + 0.033152445f;
  p = p * y - 0.14426355f;
  p = p * y + 0.810930216f;
  return x * p;
}
inline double log1p_of_part(double x) { return vlog1p(x); }

// The C++ library's log1p(exp(x)) would overflow: max(x, 0) + log1p(exp(-|x|)).
template <class T>
inline T soft_plus(T x) {
  const T high = x < 0 ? T(0) : x;
  return high + log1p_of_part(vexp(-std::fabs(x)));
}

}  // namespace
}  // namespace rl
