// What the tests of torch.utils.cpp_extension compile: the pieces that extensions are made of.
#include <torch/extension.h>  // load_inline adds it too

// A gated cell, in the calls that such extensions make.
std::vector<at::Tensor> cell(torch::Tensor input, torch::Tensor weights, torch::Tensor bias,
                             torch::Tensor state) {
  auto joined = torch::cat({state, input}, /*dim=*/1);
  auto parts = torch::addmm(bias, joined, weights.transpose(0, 1)).chunk(3, /*dim=*/1);
  auto gate = torch::sigmoid(parts[0]);
  auto fresh = torch::elu(parts[1], /*alpha=*/1.0) * (1 - gate);
  auto next = torch::tanh(gate * state + fresh);
  next *= parts[2].exp() / (1 + torch::exp(parts[2]));
  return {next, torch::zeros_like(next) + next.sum(/*dim=*/0, /*keepdim=*/true)};
}
template <typename scalar_t>
void add_rows(const torch::TensorAccessor<scalar_t, 2>& x, torch::TensorAccessor<scalar_t, 2> y,
              double a) {
  for (int64_t i = 0; i < x.size(0); ++i)
    for (int64_t j = 0; j < x.size(1); ++j) y[i][j] += a * x[i][j];
}
torch::Tensor axpy(torch::Tensor x, torch::Tensor y, double a) {
  TORCH_CHECK(x.sizes() == y.sizes(), "sizes differ: ", x.sizes(), " and ", y.sizes());
  TORCH_CHECK_VALUE(x.dim() == 2, "need 2 dims");
  auto out = y.clone();
  AT_DISPATCH_FLOATING_TYPES(
      x.scalar_type(), "axpy",
      ([&] { add_rows<scalar_t>(x.accessor<scalar_t, 2>(), out.accessor<scalar_t, 2>(), a); }));
  return out;
}
torch::Tensor misc(torch::Tensor x) {
  pybind11::gil_scoped_release free;  // what needs it takes it
  auto opts =
      torch::TensorOptions().dtype(torch::kFloat64).device(torch::kCPU).requires_grad(false);
  auto z = torch::zeros({2, 3}, opts);
  z[0] = 5;
  z[1][2] = 7.5;
  z.index_put_({1, torch::indexing::Slice(0, 1)}, 9);
  auto e = torch::empty({2, 3}, torch::kFloat32);
  float* p = e.data_ptr<float>();
  at::parallel_for(0, 6, 1, [&](int64_t b, int64_t en) {
    for (int64_t i = b; i < en; ++i) p[i] = float(i);
  });
  float buf[6] = {1, 2, 3, 4, 5, 6};
  auto blob = torch::from_blob(buf, {2, 3}).clone();
  TORCH_CHECK(torch::tensor({1, 2}).dtype() == torch::kLong &&
              torch::tensor({1.5}).dtype() == torch::kFloat);
  auto [v, i] = torch::max(e, 1);
  TORCH_CHECK(v.size(0) == 2 && i.scalar_type() == torch::kLong);
  auto s = torch::stack({e.to(torch::kDouble), z, blob.to(torch::kDouble)});
  std::vector<torch::Tensor> l = {e, blob};
  auto c = torch::cat(l, 0).view({-1}).sum().item<float>();
  return s.sum({0}) + c + torch::tensor({1.0, 2.0, 3.0}, opts) + torch::arange(3, opts) + x.mean();
}
struct Square : public torch::autograd::Function<Square> {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, torch::Tensor x, double k) {
    auto y = x * x * k;
    ctx->save_for_backward({x, y});
    ctx->saved_data["k"] = k;
    return y;
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* ctx,
                                               torch::autograd::tensor_list g) {
    auto x = ctx->get_saved_variables()[0];
    return {g[0] * 2 * x * ctx->saved_data["k"].toDouble(), torch::Tensor()};
  }
};
torch::Tensor square(const torch::Tensor& x, double k) { return Square::apply(x, k); }
torch::Tensor myadd(const torch::Tensor& a, const torch::Tensor& b, int64_t n) { return a + b * n; }
torch::Tensor mymul_cpu(const torch::Tensor& a, const torch::Tensor& b) { return a * b; }
TORCH_LIBRARY(rl_test, m) {
  m.def("myadd", &myadd);
  m.def("mymul(Tensor a, Tensor b) -> Tensor");
}
TORCH_LIBRARY_IMPL(rl_test, CPU, m) { m.impl("mymul", &mymul_cpu); }
std::string show(torch::Tensor x, c10::optional<torch::Tensor> y, std::vector<int64_t> sizes,
                 at::IntArrayRef list, torch::ScalarType type) {
  std::ostringstream out;
  out << x << y.has_value() << sizes.size() << list << type << x.options().dtype() << x.device();
  return out.str();
}
