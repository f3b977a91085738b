// oneDNN's functions, looked up when the first is needed: loading the library takes 11 MB and some
// milliseconds, which a program without large products and convolutions never pays.
#pragma once
#include <oneapi/dnnl/dnnl.h>

namespace rl {

struct OneDnn {
  bool complete = true;  // every function was found
  decltype(&dnnl_convolution_backward_data_primitive_desc_create)
      convolution_backward_data_primitive_desc_create =
          found("dnnl_convolution_backward_data_primitive_desc_create");
  decltype(&dnnl_convolution_backward_weights_primitive_desc_create)
      convolution_backward_weights_primitive_desc_create =
          found("dnnl_convolution_backward_weights_primitive_desc_create");
  decltype(&dnnl_convolution_forward_primitive_desc_create)
      convolution_forward_primitive_desc_create =
          found("dnnl_convolution_forward_primitive_desc_create");
  decltype(&dnnl_engine_create) engine_create = found("dnnl_engine_create");
  decltype(&dnnl_matmul_primitive_desc_create) matmul_primitive_desc_create =
      found("dnnl_matmul_primitive_desc_create");
  decltype(&dnnl_memory_create) memory_create = found("dnnl_memory_create");
  decltype(&dnnl_memory_desc_create_with_strides) memory_desc_create_with_strides =
      found("dnnl_memory_desc_create_with_strides");
  decltype(&dnnl_memory_desc_create_with_tag) memory_desc_create_with_tag =
      found("dnnl_memory_desc_create_with_tag");
  decltype(&dnnl_memory_desc_destroy) memory_desc_destroy = found("dnnl_memory_desc_destroy");
  decltype(&dnnl_memory_desc_equal) memory_desc_equal = found("dnnl_memory_desc_equal");
  decltype(&dnnl_memory_desc_get_size) memory_desc_get_size = found("dnnl_memory_desc_get_size");
  decltype(&dnnl_memory_destroy) memory_destroy = found("dnnl_memory_destroy");
  decltype(&dnnl_memory_get_data_handle) memory_get_data_handle =
      found("dnnl_memory_get_data_handle");
  decltype(&dnnl_memory_set_data_handle) memory_set_data_handle =
      found("dnnl_memory_set_data_handle");
  decltype(&dnnl_post_ops_append_eltwise) post_ops_append_eltwise =
      found("dnnl_post_ops_append_eltwise");
  decltype(&dnnl_post_ops_append_sum) post_ops_append_sum = found("dnnl_post_ops_append_sum");
  decltype(&dnnl_post_ops_create) post_ops_create = found("dnnl_post_ops_create");
  decltype(&dnnl_post_ops_destroy) post_ops_destroy = found("dnnl_post_ops_destroy");
  decltype(&dnnl_primitive_attr_create) primitive_attr_create = found("dnnl_primitive_attr_create");
  decltype(&dnnl_primitive_attr_destroy) primitive_attr_destroy =
      found("dnnl_primitive_attr_destroy");
  decltype(&dnnl_primitive_attr_set_fpmath_mode) primitive_attr_set_fpmath_mode =
      found("dnnl_primitive_attr_set_fpmath_mode");
  decltype(&dnnl_primitive_attr_set_post_ops) primitive_attr_set_post_ops =
      found("dnnl_primitive_attr_set_post_ops");
  decltype(&dnnl_primitive_attr_set_scratchpad_mode) primitive_attr_set_scratchpad_mode =
      found("dnnl_primitive_attr_set_scratchpad_mode");
  decltype(&dnnl_primitive_create) primitive_create = found("dnnl_primitive_create");
  decltype(&dnnl_primitive_desc_destroy) primitive_desc_destroy =
      found("dnnl_primitive_desc_destroy");
  decltype(&dnnl_primitive_desc_query) primitive_desc_query = found("dnnl_primitive_desc_query");
  decltype(&dnnl_primitive_desc_query_md) primitive_desc_query_md =
      found("dnnl_primitive_desc_query_md");
  decltype(&dnnl_primitive_destroy) primitive_destroy = found("dnnl_primitive_destroy");
  decltype(&dnnl_primitive_execute) primitive_execute = found("dnnl_primitive_execute");
  decltype(&dnnl_reorder_primitive_desc_create) reorder_primitive_desc_create =
      found("dnnl_reorder_primitive_desc_create");
  decltype(&dnnl_set_primitive_cache_capacity) set_primitive_cache_capacity =
      found("dnnl_set_primitive_cache_capacity");
  decltype(&dnnl_stream_create) stream_create = found("dnnl_stream_create");

 private:
  struct Found {
    void* address;
    template <class F>
    operator F*() const {
      return reinterpret_cast<F*>(address);
    }
  };
  Found found(const char* name);
};

// The library, opened by the first call; held by the GIL, as its callers are.
const OneDnn& dnn();
bool dnn_available();

}  // namespace rl
