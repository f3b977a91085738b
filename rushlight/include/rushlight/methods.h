// Inside class Tensor: methods that Python's tensors have under the same name. Lists in braces need
// parameters with types; whatever else a method takes, Python's binding of arguments decides.
#define RL_METHOD(name)                                                      \
  template <class... A>                                                      \
  Tensor name(A&&... args) const {                                           \
    return call<Tensor>(#name, std::forward<A>(args)...);     \
  }
#define RL_INPLACE(name)                                     \
  template <class... A>                                      \
  Tensor& name(A&&... args) const {                          \
    return write(#name, std::forward<A>(args)...);           \
  }
#define RL_SIZES(name)                                                 \
  Tensor name(c10::IntArrayRef sizes) const {                          \
    return call<Tensor>(#name, sizes);                  \
  }
#define RL_DIMS(name)                                                                  \
  Tensor name() const { return call<Tensor>(#name); }                 \
  Tensor name(c10::IntArrayRef dims, bool keepdim = false) const {                     \
    return call<Tensor>(#name, dims, keepdim);                          \
  }                                                                                    \
  Tensor name(int64_t dim, bool keepdim = false) const {                               \
    return call<Tensor>(#name, dim, keepdim);                           \
  }
#define RL_PAIR(name)                                                                        \
  std::tuple<Tensor, Tensor> name(int64_t dim, bool keepdim = false) const {                 \
    return call<std::tuple<Tensor, Tensor>>(#name, dim, keepdim);             \
  }
#define RL_LIST(name)                                                                         \
  template <class... A>                                                                       \
  std::vector<Tensor> name(A&&... args) const {                                               \
    return call<std::vector<Tensor>>(#name, std::forward<A>(args)...);         \
  }
RL_METHOD(abs) RL_METHOD(acos) RL_METHOD(asin) RL_METHOD(atan) RL_METHOD(atan2) RL_METHOD(ceil)
RL_METHOD(cos) RL_METHOD(cosh) RL_METHOD(erf) RL_METHOD(exp) RL_METHOD(expm1) RL_METHOD(floor)
RL_METHOD(log) RL_METHOD(log10) RL_METHOD(log1p) RL_METHOD(log2) RL_METHOD(neg) RL_METHOD(pow)
RL_METHOD(reciprocal) RL_METHOD(relu) RL_METHOD(round) RL_METHOD(rsqrt) RL_METHOD(sigmoid)
RL_METHOD(sign) RL_METHOD(sin) RL_METHOD(sinh) RL_METHOD(sqrt) RL_METHOD(square) RL_METHOD(tan)
RL_METHOD(tanh) RL_METHOD(trunc) RL_METHOD(add) RL_METHOD(sub) RL_METHOD(mul) RL_METHOD(div)
RL_METHOD(eq) RL_METHOD(ne) RL_METHOD(lt) RL_METHOD(le) RL_METHOD(gt) RL_METHOD(ge)
RL_METHOD(logical_and) RL_METHOD(logical_or) RL_METHOD(logical_not) RL_METHOD(isnan)
RL_METHOD(isfinite) RL_METHOD(isinf) RL_METHOD(maximum) RL_METHOD(minimum) RL_METHOD(fmod)
RL_METHOD(remainder) RL_METHOD(clamp) RL_METHOD(clamp_min) RL_METHOD(clamp_max) RL_METHOD(lerp)
RL_METHOD(mm) RL_METHOD(bmm) RL_METHOD(mv) RL_METHOD(dot) RL_METHOD(matmul) RL_METHOD(outer)
RL_METHOD(t) RL_METHOD(transpose) RL_METHOD(squeeze) RL_METHOD(unsqueeze) RL_METHOD(flatten)
RL_METHOD(select) RL_METHOD(narrow) RL_METHOD(contiguous) RL_METHOD(clone) RL_METHOD(detach)
RL_METHOD(cpu) RL_METHOD(cuda) RL_METHOD(view_as) RL_METHOD(reshape_as) RL_METHOD(expand_as)
RL_METHOD(type_as) RL_METHOD(index_select) RL_METHOD(gather) RL_METHOD(scatter) RL_METHOD(scatter_add)
RL_METHOD(index_add) RL_METHOD(masked_select) RL_METHOD(masked_fill) RL_METHOD(nonzero)
RL_METHOD(cumsum) RL_METHOD(cumprod) RL_METHOD(softmax) RL_METHOD(log_softmax) RL_METHOD(norm)
RL_METHOD(argmax) RL_METHOD(argmin) RL_METHOD(argsort) RL_METHOD(triu) RL_METHOD(tril) RL_METHOD(diag)
RL_METHOD(diagonal) RL_METHOD(inverse) RL_METHOD(det) RL_METHOD(repeat_interleave) RL_METHOD(unfold)
RL_METHOD(conj) RL_METHOD(real) RL_METHOD(imag) RL_METHOD(bitwise_and) RL_METHOD(bitwise_or)
RL_METHOD(bitwise_not) RL_METHOD(where) RL_METHOD(prod) RL_METHOD(slice_scatter)
RL_METHOD(to_dense) RL_METHOD(coalesce) RL_METHOD(std) RL_METHOD(var) RL_METHOD(median)
RL_INPLACE(abs_) RL_INPLACE(exp_) RL_INPLACE(log_) RL_INPLACE(neg_) RL_INPLACE(relu_)
RL_INPLACE(sigmoid_) RL_INPLACE(sqrt_) RL_INPLACE(tanh_) RL_INPLACE(zero_) RL_INPLACE(mul_)
RL_INPLACE(div_) RL_INPLACE(clamp_) RL_INPLACE(clamp_min_) RL_INPLACE(clamp_max_) RL_INPLACE(pow_)
RL_INPLACE(fill_) RL_INPLACE(copy_) RL_INPLACE(detach_) RL_INPLACE(requires_grad_)
RL_INPLACE(masked_fill_) RL_INPLACE(scatter_) RL_INPLACE(scatter_add_) RL_INPLACE(index_add_)
RL_INPLACE(index_copy_) RL_INPLACE(index_fill_) RL_INPLACE(normal_) RL_INPLACE(uniform_)
RL_INPLACE(random_) RL_INPLACE(bernoulli_) RL_INPLACE(transpose_) RL_INPLACE(unsqueeze_)
RL_INPLACE(squeeze_) RL_INPLACE(t_) RL_INPLACE(sub_) RL_INPLACE(floor_) RL_INPLACE(round_)
RL_METHOD(view) RL_METHOD(reshape) RL_METHOD(expand) RL_METHOD(permute) RL_METHOD(repeat)
RL_METHOD(flip) RL_METHOD(new_zeros) RL_METHOD(new_ones) RL_METHOD(new_empty)
RL_SIZES(view) RL_SIZES(reshape) RL_SIZES(expand) RL_SIZES(permute) RL_SIZES(repeat) RL_SIZES(flip)
RL_SIZES(new_zeros) RL_SIZES(new_ones) RL_SIZES(new_empty)
RL_DIMS(sum) RL_DIMS(mean) RL_DIMS(amax) RL_DIMS(amin) RL_DIMS(logsumexp) RL_DIMS(all) RL_DIMS(any)
RL_PAIR(max) RL_PAIR(min) RL_PAIR(mode) RL_PAIR(cummax) RL_PAIR(cummin)
RL_LIST(chunk) RL_LIST(split) RL_LIST(unbind) RL_LIST(split_with_sizes) RL_LIST(tensor_split)
Tensor max() const { return call<Tensor>("max"); }
Tensor min() const { return call<Tensor>("min"); }
Tensor max(const Tensor& o) const { return call<Tensor>("max", o); }
Tensor min(const Tensor& o) const { return call<Tensor>("min", o); }
Tensor sum(c10::ScalarType t) const { return sum().to(t); }
Tensor& add_(const Tensor& o, const c10::Scalar& alpha = 1) const {
  detail::Gil gil;
  attribute("add_")(o, py::arg("alpha") = to_python(alpha));
  return const_cast<Tensor&>(*this);
}
Tensor& add_(const c10::Scalar& o) const { return write("add_", o); }
std::tuple<Tensor, Tensor> sort(int64_t dim = -1, bool descending = false) const {
  return call<std::tuple<Tensor, Tensor>>("sort", dim, descending);
}
std::tuple<Tensor, Tensor> topk(int64_t k, int64_t dim = -1, bool largest = true,
                                bool sorted = true) const {
  return call<std::tuple<Tensor, Tensor>>("topk", k, dim, largest, sorted);
}
Tensor slice(int64_t dim, std::optional<int64_t> start = 0,
             std::optional<int64_t> stop = std::nullopt, int64_t step = 1) const;
Tensor to(c10::ScalarType t, bool non_blocking = false, bool copy = false) const {
  return call<Tensor>("to", t, non_blocking, copy);
}
Tensor to(c10::Device d, bool non_blocking = false, bool copy = false) const {
  return call<Tensor>("to", d, non_blocking, copy);
}
Tensor to(c10::Device d, c10::ScalarType t, bool non_blocking = false, bool copy = false) const {
  return call<Tensor>("to", d, t, non_blocking, copy);
}
Tensor to(const TensorOptions& o, bool non_blocking = false, bool copy = false) const {
  return to(o.device(), o.has_dtype() ? o.dtype() : scalar_type(), non_blocking, copy);
}
Tensor toType(c10::ScalarType t) const { return to(t); }
bool equal(const Tensor& o) const { return call<bool>("equal", o); }
bool allclose(const Tensor& o, double rtol = 1e-5, double atol = 1e-8) const {
  return call<bool>("allclose", o, rtol, atol);
}
#undef RL_METHOD
#undef RL_INPLACE
#undef RL_SIZES
#undef RL_DIMS
#undef RL_PAIR
#undef RL_LIST
