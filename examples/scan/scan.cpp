// y[t] = a y[t - 1] + x[t] along the last dim: a loop that no chain of tensor operators does in one
// pass. Backward is the same loop from the end: g[t] += a g[t + 1].
#include <torch/extension.h>

template <class T>
void run(const T* from, T* to, int64_t rows, int64_t length, T a, bool reversed) {
  at::parallel_for(0, rows, 4096 / (length + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T carried = 0;
      for (int64_t step = 0; step < length; ++step) {
        const int64_t at = row * length + (reversed ? length - 1 - step : step);
        carried = a * carried + from[at];
        to[at] = carried;
      }
    }
  });
}

torch::Tensor scan(torch::Tensor x, double a, bool reversed) {
  TORCH_CHECK_VALUE(x.dim() >= 1, "scan: expected at least one dim, got a tensor without any");
  x = x.contiguous();
  auto y = torch::empty_like(x);
  const int64_t length = x.size(-1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "scan", [&] {
    run<scalar_t>(x.data_ptr<scalar_t>(), y.data_ptr<scalar_t>(),
                  x.numel() / std::max<int64_t>(length, 1), length, static_cast<scalar_t>(a),
                  reversed);
  });
  return y;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("scan", &scan, "y[t] = a y[t - 1] + x[t]", py::arg("x"), py::arg("a"),
        py::arg("reversed") = false);
}
