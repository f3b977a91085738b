/* What compiled extensions ask of rushlight's core: plain C, which later versions only add to.
 *
 * The table is the pointer in the capsule `rushlight._C._extension_api`. Functions want the GIL;
 * those that fail return -1 or null with a Python exception set. */
#ifndef RUSHLIGHT_API_H
#define RUSHLIGHT_API_H

#include <Python.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RL_EXTENSION_API "rushlight._C._extension_api"
#define RL_EXTENSION_VERSION 1

/* Where a tensor's elements are. `sizes` and `strides` (in elements) belong to the tensor and hold
 * as long as it lives and keeps its shape; `dtype` is PyTorch's number of the element type. */
typedef struct {
  void* data;
  const int64_t* sizes;
  const int64_t* strides;
  int64_t numel;
  int32_t ndim;
  int32_t dtype;
  int32_t device_type;
  int32_t requires_grad;
} rl_view;

typedef struct {
  uint32_t version;
  int (*is_tensor)(PyObject* object);
  int (*view)(PyObject* tensor, rl_view* out);
  PyObject* (*empty)(int32_t dtype, int32_t ndim, const int64_t* sizes);
  int (*written)(PyObject* tensor); /* its elements were changed: saved tensors must know */
  PyObject* (*dtype)(int32_t number);
  int32_t (*dtype_number)(PyObject* dtype); /* -1 without an exception: it is none */
} rl_api;

#ifdef __cplusplus
}
#endif
#endif
