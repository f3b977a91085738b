// torch::name(...): functions of the namespaces torch and torch.nn.functional under their names.
#pragma once
#include "tensor.h"

namespace at {

namespace detail {

// The function of that name: in torch, in torch.nn.functional, or a method of tensors.
inline py::handle function(const char* name) {
  py::module_ root = py::module_::import("rushlight");
  if (py::hasattr(root, name)) return py::object(root.attr(name)).release();  // kept for ever
  for (const char* space : {"nn.functional", "Tensor", "linalg", "special"}) {
    py::object found = root;
    for (const py::handle part : py::str(space).attr("split")("."))
      found = found.attr(part.cast<py::str>());
    if (py::hasattr(found, name)) return py::object(found.attr(name)).release();
  }
  throw c10::NotImplementedError(c10::str("torch::", name, ": rushlight has no such function"));
}

template <class R, class... A>
R call(py::handle f, A&&... args) {
  return from_python<R>(py::reinterpret_borrow<py::object>(f)(to_python(std::forward<A>(args))...));
}

template <class R, class... A>
R make(py::handle f, const TensorOptions& options, A&&... args) {
  const py::dict words = options.keywords();
  return from_python<R>(
      py::reinterpret_borrow<py::object>(f)(to_python(std::forward<A>(args))..., **words));
}

}  // namespace detail

#define RL_BODY(R, name, ...)                                      \
  detail::Gil gil;                                                 \
  static const py::handle f = detail::function(#name);             \
  return detail::call<R>(f, __VA_ARGS__);
#define RL_FUNCTION(name)                                          \
  template <class... A>                                            \
  Tensor name(const Tensor& self, A&&... args) {                   \
    RL_BODY(Tensor, name, self, std::forward<A>(args)...)          \
  }
RL_FUNCTION(abs) RL_FUNCTION(acos) RL_FUNCTION(asin) RL_FUNCTION(atan) RL_FUNCTION(atan2)
RL_FUNCTION(ceil) RL_FUNCTION(cos) RL_FUNCTION(cosh) RL_FUNCTION(erf) RL_FUNCTION(erfc)
RL_FUNCTION(exp) RL_FUNCTION(expm1) RL_FUNCTION(floor) RL_FUNCTION(log) RL_FUNCTION(log10)
RL_FUNCTION(log1p) RL_FUNCTION(log2) RL_FUNCTION(neg) RL_FUNCTION(pow) RL_FUNCTION(reciprocal)
RL_FUNCTION(relu) RL_FUNCTION(relu_) RL_FUNCTION(round) RL_FUNCTION(rsqrt) RL_FUNCTION(sigmoid)
RL_FUNCTION(sign) RL_FUNCTION(sin) RL_FUNCTION(sinh) RL_FUNCTION(sqrt) RL_FUNCTION(square)
RL_FUNCTION(tan) RL_FUNCTION(tanh) RL_FUNCTION(trunc) RL_FUNCTION(mul) RL_FUNCTION(div)
RL_FUNCTION(elu) RL_FUNCTION(selu) RL_FUNCTION(celu) RL_FUNCTION(gelu) RL_FUNCTION(silu)
RL_FUNCTION(leaky_relu) RL_FUNCTION(softplus) RL_FUNCTION(hardtanh) RL_FUNCTION(mish)
RL_FUNCTION(log_sigmoid) RL_FUNCTION(prelu) RL_FUNCTION(glu) RL_FUNCTION(eq) RL_FUNCTION(ne)
RL_FUNCTION(lt) RL_FUNCTION(le) RL_FUNCTION(gt) RL_FUNCTION(ge) RL_FUNCTION(logical_and)
RL_FUNCTION(logical_or) RL_FUNCTION(logical_not) RL_FUNCTION(isnan) RL_FUNCTION(isinf)
RL_FUNCTION(isfinite) RL_FUNCTION(maximum) RL_FUNCTION(minimum) RL_FUNCTION(fmod)
RL_FUNCTION(remainder) RL_FUNCTION(clamp) RL_FUNCTION(clamp_min) RL_FUNCTION(clamp_max)
RL_FUNCTION(lerp) RL_FUNCTION(mm) RL_FUNCTION(bmm) RL_FUNCTION(mv) RL_FUNCTION(dot)
RL_FUNCTION(matmul) RL_FUNCTION(outer) RL_FUNCTION(t) RL_FUNCTION(transpose) RL_FUNCTION(squeeze)
RL_FUNCTION(unsqueeze) RL_FUNCTION(flatten) RL_FUNCTION(clone) RL_FUNCTION(index_select)
RL_FUNCTION(gather) RL_FUNCTION(scatter) RL_FUNCTION(scatter_add) RL_FUNCTION(masked_select)
RL_FUNCTION(masked_fill) RL_FUNCTION(nonzero) RL_FUNCTION(cumsum) RL_FUNCTION(cumprod)
RL_FUNCTION(softmax) RL_FUNCTION(log_softmax) RL_FUNCTION(norm) RL_FUNCTION(argmax)
RL_FUNCTION(argmin) RL_FUNCTION(argsort) RL_FUNCTION(triu) RL_FUNCTION(tril) RL_FUNCTION(diag)
RL_FUNCTION(diagonal) RL_FUNCTION(inverse) RL_FUNCTION(det) RL_FUNCTION(where) RL_FUNCTION(linear)
RL_FUNCTION(bitwise_and) RL_FUNCTION(bitwise_or) RL_FUNCTION(bitwise_not) RL_FUNCTION(embedding)
RL_FUNCTION(dropout) RL_FUNCTION(one_hot) RL_FUNCTION(bincount) RL_FUNCTION(searchsorted)
RL_FUNCTION(prod) RL_FUNCTION(mse_loss) RL_FUNCTION(l1_loss) RL_FUNCTION(conv1d)
RL_FUNCTION(conv2d) RL_FUNCTION(conv3d) RL_FUNCTION(layer_norm) RL_FUNCTION(cdist)
RL_FUNCTION(cross) RL_FUNCTION(std) RL_FUNCTION(var) RL_FUNCTION(median) RL_FUNCTION(select)
RL_FUNCTION(narrow) RL_FUNCTION(logsumexp) RL_FUNCTION(repeat_interleave) RL_FUNCTION(kron)
#undef RL_FUNCTION

// Lists in braces.
#define RL_SIZES(name) \
  inline Tensor name(const Tensor& self, c10::IntArrayRef sizes) { RL_BODY(Tensor, name, self, sizes) }
RL_SIZES(reshape) RL_SIZES(permute) RL_SIZES(flip) RL_SIZES(tile) RL_SIZES(broadcast_to)
#undef RL_SIZES
#define RL_DIMS(name)                                                                      \
  inline Tensor name(const Tensor& self) { RL_BODY(Tensor, name, self) }                   \
  inline Tensor name(const Tensor& self, c10::IntArrayRef dims, bool keepdim = false) {    \
    RL_BODY(Tensor, name, self, dims, keepdim)                                             \
  }                                                                                        \
  inline Tensor name(const Tensor& self, int64_t dim, bool keepdim = false) {              \
    RL_BODY(Tensor, name, self, dim, keepdim)                                              \
  }
RL_DIMS(sum) RL_DIMS(mean) RL_DIMS(amax) RL_DIMS(amin) RL_DIMS(all) RL_DIMS(any)
#undef RL_DIMS

// Several results.
#define RL_PAIR(name)                                                                           \
  inline Tensor name(const Tensor& self) { RL_BODY(Tensor, name, self) }                        \
  inline Tensor name(const Tensor& self, const Tensor& other) { RL_BODY(Tensor, name, self, other) } \
  inline std::tuple<Tensor, Tensor> name(const Tensor& self, int64_t dim, bool keepdim = false) { \
    using R = std::tuple<Tensor, Tensor>;                                                       \
    RL_BODY(R, name, self, dim, keepdim)                                                        \
  }
RL_PAIR(max) RL_PAIR(min)
#undef RL_PAIR
inline std::tuple<Tensor, Tensor> sort(const Tensor& self, int64_t dim = -1, bool down = false) {
  return self.sort(dim, down);
}
inline std::tuple<Tensor, Tensor> topk(const Tensor& self, int64_t k, int64_t dim = -1,
                                       bool largest = true, bool sorted = true) {
  return self.topk(k, dim, largest, sorted);
}
#define RL_LIST(name)                                                    \
  template <class... A>                                                  \
  std::vector<Tensor> name(const Tensor& self, A&&... args) {            \
    RL_BODY(std::vector<Tensor>, name, self, std::forward<A>(args)...)   \
  }
RL_LIST(chunk) RL_LIST(split) RL_LIST(unbind) RL_LIST(tensor_split)
#undef RL_LIST

// Of lists of tensors.
#define RL_JOIN(name) \
  inline Tensor name(TensorList tensors, int64_t dim = 0) { RL_BODY(Tensor, name, tensors, dim) }
RL_JOIN(cat) RL_JOIN(concat) RL_JOIN(stack)
#undef RL_JOIN
inline Tensor einsum(const std::string& equation, TensorList tensors) {
  RL_BODY(Tensor, einsum, equation, tensors)
}

// Whose last parameters Python takes by name only.
#define RL_ALPHA(name)                                                                        \
  inline Tensor name(const Tensor& a, const Tensor& b, const c10::Scalar& alpha = 1) {        \
    detail::Gil gil;                                                                          \
    static const py::handle f = detail::function(#name);                                      \
    return f(a, b, py::arg("alpha") = alpha).cast<Tensor>();                                  \
  }                                                                                           \
  inline Tensor name(const Tensor& a, const c10::Scalar& b) { RL_BODY(Tensor, name, a, b) }
RL_ALPHA(add) RL_ALPHA(sub)
#undef RL_ALPHA
#define RL_BETA(name)                                                                         \
  inline Tensor name(const Tensor& self, const Tensor& a, const Tensor& b,                    \
                     const c10::Scalar& beta = 1, const c10::Scalar& alpha = 1) {             \
    detail::Gil gil;                                                                          \
    static const py::handle f = detail::function(#name);                                      \
    return f(self, a, b, py::arg("beta") = beta, py::arg("alpha") = alpha).cast<Tensor>();    \
  }
RL_BETA(addmm) RL_BETA(addmv) RL_BETA(baddbmm) RL_BETA(addbmm) RL_BETA(addr)
#undef RL_BETA
inline Tensor where(const Tensor& c, const c10::Scalar& a, const Tensor& b) {
  RL_BODY(Tensor, where, c, a, b)
}
inline bool equal(const Tensor& a, const Tensor& b) { return a.equal(b); }
inline bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8) {
  return a.allclose(b, rtol, atol);
}

// -- new tensors ---------------------------------------------------------------------------------

#define RL_MAKE(name, options, ...)                        \
  detail::Gil gil;                                         \
  static const py::handle f = detail::function(#name);     \
  return detail::make<Tensor>(f, options, __VA_ARGS__);
#define RL_FACTORY(name)                                                                      \
  inline Tensor name(c10::IntArrayRef sizes, const TensorOptions& o = {}) {                   \
    RL_MAKE(name, o, sizes)                                                                   \
  }
RL_FACTORY(zeros) RL_FACTORY(ones) RL_FACTORY(rand) RL_FACTORY(randn)
#undef RL_FACTORY
inline Tensor empty(c10::IntArrayRef sizes, const TensorOptions& o = {}) {
  if (o.has_dtype() && !o.requires_grad() && o.device().is_cpu()) {  // straight from the core
    detail::Gil gil;
    PyObject* made = detail::api().empty(static_cast<int32_t>(o.dtype()),
                                         static_cast<int32_t>(sizes.size()), sizes.data());
    if (!made) throw py::error_already_set();
    return Tensor::steal(made);
  }
  RL_MAKE(empty, o, sizes)
}
#define RL_LIKE(name)                                                              \
  inline Tensor name(const Tensor& self, const TensorOptions& o = {}) {            \
    RL_MAKE(name, o, self)                                                         \
  }
RL_LIKE(zeros_like) RL_LIKE(ones_like) RL_LIKE(empty_like) RL_LIKE(rand_like) RL_LIKE(randn_like)
#undef RL_LIKE
inline Tensor full(c10::IntArrayRef sizes, const c10::Scalar& v, const TensorOptions& o = {}) {
  RL_MAKE(full, o, sizes, v)
}
inline Tensor full_like(const Tensor& self, const c10::Scalar& v, const TensorOptions& o = {}) {
  RL_MAKE(full_like, o, self, v)
}
inline Tensor arange(const c10::Scalar& end, const TensorOptions& o = {}) { RL_MAKE(arange, o, end) }
inline Tensor arange(const c10::Scalar& start, const c10::Scalar& end, const TensorOptions& o = {}) {
  RL_MAKE(arange, o, start, end)
}
inline Tensor arange(const c10::Scalar& start, const c10::Scalar& end, const c10::Scalar& step,
                     const TensorOptions& o = {}) {
  RL_MAKE(arange, o, start, end, step)
}
inline Tensor linspace(const c10::Scalar& start, const c10::Scalar& end, int64_t steps,
                       const TensorOptions& o = {}) {
  RL_MAKE(linspace, o, start, end, steps)
}
inline Tensor eye(int64_t n, const TensorOptions& o = {}) { RL_MAKE(eye, o, n) }
inline Tensor randint(int64_t high, c10::IntArrayRef sizes, const TensorOptions& o = {}) {
  RL_MAKE(randint, o, high, sizes)
}
inline Tensor randint(int64_t low, int64_t high, c10::IntArrayRef sizes, const TensorOptions& o = {}) {
  RL_MAKE(randint, o, low, high, sizes)
}
inline Tensor randperm(int64_t n, const TensorOptions& o = {}) { RL_MAKE(randperm, o, n) }
// Numbers that are written out: whole ones are int64, others of the default type.
template <class T>
TensorOptions options_of_literal(const TensorOptions& o) {
  if (o.has_dtype()) return o;
  if constexpr (std::is_same_v<T, bool>) return o.dtype(c10::kBool);
  if constexpr (std::is_integral_v<T>) return o.dtype(c10::kLong);
  return o;
}
template <class T>
Tensor tensor(c10::ArrayRef<T> values, const TensorOptions& o = {}) {
  RL_MAKE(tensor, o.has_dtype() ? o : o.dtype(c10::CppTypeToScalarType<T>::value), values)
}
template <class T>
Tensor tensor(std::initializer_list<T> values, const TensorOptions& o = {}) {
  RL_MAKE(tensor, options_of_literal<T>(o), std::vector<T>(values))
}
template <class T>
Tensor tensor(const std::vector<T>& values, const TensorOptions& o = {}) {
  return tensor(c10::ArrayRef<T>(values), o);
}
template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
Tensor tensor(T value, const TensorOptions& o = {}) {
  RL_MAKE(tensor, options_of_literal<T>(o), value)
}
inline Tensor scalar_tensor(const c10::Scalar& v, const TensorOptions& o = {}) {
  RL_MAKE(scalar_tensor, o, v)
}

// Memory of the caller's: it must outlive the tensor, or `deleter` frees it with the tensor.
inline Tensor from_blob(void* data, c10::IntArrayRef sizes, const TensorOptions& o = {}) {
  detail::Gil gil;
  int64_t count = 1;
  for (int64_t n : sizes) count *= n;
  const Tensor like = empty({0}, TensorOptions(o.dtype()));
  auto memory = py::memoryview::from_memory(data, count * like.element_size());
  static const py::handle f = detail::function("frombuffer");
  if (!count) return empty(sizes, TensorOptions(o.dtype()));
  return f(memory, py::arg("dtype") = o.dtype()).cast<Tensor>().view(sizes);
}
template <class F, std::enable_if_t<std::is_invocable_v<F, void*>, int> = 0>
Tensor from_blob(void* data, c10::IntArrayRef sizes, F deleter, const TensorOptions& o = {}) {
  Tensor made = from_blob(data, sizes, o);
  detail::Gil gil;
  py::module_::import("weakref").attr("finalize")(
      py::cast(made).attr("untyped_storage")(),
      py::cpp_function([data, deleter] { deleter(data); }));
  return made;
}
#undef RL_MAKE
#undef RL_BODY

// -- modes, threads and chance -------------------------------------------------------------------

// Whether operators record history, from construction to destruction.
class AutoGradMode {
  bool before_;

 public:
  explicit AutoGradMode(bool on) {
    detail::Gil gil;
    before_ = core("set_grad_enabled")(on).cast<bool>();
  }
  ~AutoGradMode() {
    detail::Gil gil;
    core("set_grad_enabled")(before_);
  }
  AutoGradMode(const AutoGradMode&) = delete;
  static bool is_enabled() {
    detail::Gil gil;
    return core("is_grad_enabled")().cast<bool>();
  }

 private:
  static py::object core(const char* name) {
    return py::module_::import("rushlight._C").attr(name);
  }
};
struct NoGradGuard : AutoGradMode {
  NoGradGuard() : AutoGradMode(false) {}
};
struct AutoDispatchBelowADInplaceOrView : NoGradGuard {};
struct AutoDispatchBelowAutograd : NoGradGuard {};
struct AutoNonVariableTypeMode : NoGradGuard {
  explicit AutoNonVariableTypeMode(bool = true) {}
};
struct GradMode {
  static bool is_enabled() { return AutoGradMode::is_enabled(); }
};

inline void manual_seed(uint64_t seed) {
  detail::Gil gil;
  py::module_::import("rushlight").attr("manual_seed")(seed);
}
inline int get_num_threads() {
  detail::Gil gil;
  return py::module_::import("rushlight").attr("get_num_threads")().cast<int>();
}

namespace internal {
constexpr int64_t GRAIN_SIZE = 32768;
}
// f(begin, end) over parts of the range, on several threads where the extension is compiled with
// -fopenmp. What f throws is thrown again when all threads are done.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain_size, const F& f) {
  if (begin >= end) return;
#ifdef _OPENMP
  const int64_t grain = grain_size > 0 ? grain_size : 1;
  const int64_t threads = std::min<int64_t>(get_num_threads(), (end - begin + grain - 1) / grain);
  if (threads > 1) {
    std::exception_ptr failure;
#pragma omp parallel for num_threads(static_cast<int>(threads)) schedule(static)
    for (int64_t k = 0; k < threads; ++k) {
      const int64_t a = begin + (end - begin) * k / threads;
      const int64_t b = begin + (end - begin) * (k + 1) / threads;
      try {
        f(a, b);
      } catch (...) {
#pragma omp critical
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    return;
  }
#endif
  (void)grain_size;
  f(begin, end);
}

}  // namespace at

namespace torch {
using namespace at;
namespace nn::functional {
using namespace at;
}
}  // namespace torch

#define TORCH_WARN(...)                                                                 \
  do {                                                                                  \
    ::at::detail::Gil gil;                                                              \
    if (PyErr_WarnEx(PyExc_UserWarning, ::c10::str(__VA_ARGS__).c_str(), 1) < 0)        \
      throw ::pybind11::error_already_set();                                            \
  } while (false)
