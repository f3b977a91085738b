// Depthwise convolutions, in the memory order of the tensors: forward of 1 to 3 dims, both
// gradients of 1 and 2.
//
//   y[n, o, p]  = bias[o] + sum over t of w[o, t] * x[n, o / m, p * stride - pad + t * dilation]
//   gx[n, c, i] = sum over o of c, t of w[o, t] * gy[n, o, p], i = p * stride - pad + t * dilation
//   gw[o, t]    = sum over n, p of gy[n, o, p] * x[n, o / m, p * stride - pad + t * dilation]
//
// A plane is laid out in cache with its zeros around it and its rows end to end, one copy for each
// remainder of the stride. A tap is then an offset into it, and y is a sum of shifted runs without
// edges: vectors go over whole planes, whatever their width; what falls between the rows is not
// copied out. x and gy are read once and y and gx written once.
#include "depthwise.h"

#include <cstring>
#include <vector>

#include "gemm_tile.h"

namespace rl {
namespace {

using V = Vector<float>::type;
constexpr int kLanes = Vector<float>::lanes;
constexpr int64_t kStep = 4 * kLanes;  // elements whose sums stay in registers
constexpr int kBuffer = 1;             // of the thread's work buffers

// Rows end to end, `pitch` apart, one such block for each remainder of the stride.
struct Layout {
  int64_t rows, pitch, slices = 1;  // of a volume, one behind another
  int64_t slice() const { return rows * pitch; }
  int64_t block() const { return slices * slice(); }
};

struct Tap {
  int64_t slice, row, col;  // offset among the rows of its block
  int64_t phase;            // which block
};

struct Window {
  const ConvShape& s;
  std::vector<Tap> taps;
  int64_t sd, sh, sw;
  // How far taps reach beyond their own slice, row and column.
  int64_t reach_slices, reach_rows, reach_cols;

  explicit Window(const ConvShape& shape)
      : s(shape), sd(s.stride[0]), sh(s.stride[1]), sw(s.stride[2]) {
    for (int64_t k = 0; k < s.kernel[0]; ++k)
      for (int64_t i = 0; i < s.kernel[1]; ++i)
        for (int64_t j = 0; j < s.kernel[2]; ++j) {
          const int64_t z = k * s.dilation[0], r = i * s.dilation[1], c = j * s.dilation[2];
          taps.push_back({z / sd, r / sh, c / sw, (z % sd * sh + r % sh) * sw + c % sw});
        }
    reach_slices = (s.kernel[0] - 1) * s.dilation[0] / sd;
    reach_rows = (s.kernel[1] - 1) * s.dilation[1] / sh;
    reach_cols = (s.kernel[2] - 1) * s.dilation[2] / sw;
  }
  int64_t phases() const { return sd * sh * sw; }
  int64_t count() const { return static_cast<int64_t>(taps.size()); }
  int64_t planes_per_input() const { return s.y_channels / s.x_channels; }

  // x as y's sums read it.
  Layout wide() const { return {s.y[1] + reach_rows, s.y[2] + reach_cols, s.y[0] + reach_slices}; }
  std::vector<int64_t> wide_offsets() const {
    const Layout at = wide();
    std::vector<int64_t> offsets;
    for (const Tap& t : taps)
      offsets.push_back(t.phase * at.block() + t.slice * at.slice() + t.row * at.pitch + t.col);
    return offsets;
  }
  // gy as gx's sums read it: a block of gx has `rows - reach_rows` rows.
  Layout narrow() const {
    return {(s.x[1] - 1 + s.pad[1]) / sh + 1 + reach_rows,
            (s.x[2] - 1 + s.pad[2]) / sw + 1 + reach_cols};
  }
};

inline int64_t up_to_step(int64_t n) { return (n + kStep - 1) / kStep * kStep; }

// Memory for `blocks` elements laid out and for what the last vectors read behind them.
inline int64_t room(const Window& win, int64_t blocks) {
  return up_to_step(blocks + win.reach_cols + kStep);
}

// dst (rows, pitch) of block (a, b) of a plane: pixel (r * sh + a - pad, c * sw + b - pad) or zero.
void lay_out(const Window& win, const float* plane, const Layout& at, int64_t a, int64_t b,
             float* dst) {
  const ConvShape& s = win.s;
  const int64_t width = s.x[2], left = s.pad[2] - b;
  const int64_t c0 = std::min(at.pitch, left > 0 ? (left + win.sw - 1) / win.sw : 0);
  const int64_t past = width - 1 + left;  // of the last pixel, times the stride
  const int64_t c1 = std::max(c0, past < 0 ? c0 : std::min(at.pitch, past / win.sw + 1));
  for (int64_t r = 0; r < at.rows; ++r, dst += at.pitch) {
    const int64_t i = r * win.sh + a - s.pad[1];
    if (i < 0 || i >= s.x[1]) {
      std::fill(dst, dst + at.pitch, 0.0f);
      continue;
    }
    const float* row = plane + i * width - left;
    std::fill(dst, dst + c0, 0.0f);
    if (win.sw == 1)
      std::memcpy(dst + c0, row + c0, static_cast<size_t>(c1 - c0) * sizeof(float));
    else if (win.sw == 2)
      for (int64_t c = c0; c < c1; ++c) dst[c] = row[c * 2];
    else
      for (int64_t c = c0; c < c1; ++c) dst[c] = row[c * win.sw];
    std::fill(dst + c1, dst + at.pitch, 0.0f);
  }
}

void lay_out_all(const Window& win, const float* volume, const Layout& at, float* dst) {
  const ConvShape& s = win.s;
  for (int64_t phase = 0; phase < win.phases(); ++phase)
    for (int64_t z = 0; z < at.slices; ++z, dst += at.slice()) {
      const int64_t i = z * win.sd + phase / (win.sh * win.sw) - s.pad[0];
      if (i < 0 || i >= s.x[0])
        std::fill(dst, dst + at.slice(), 0.0f);
      else
        lay_out(win, volume + i * s.x[1] * s.x[2], at, phase / win.sw % win.sh, phase % win.sw,
                dst);
    }
}

// Vectors vectors of out[q] = start + sum over t of w[t] * from[q + offsets[t]].
template <int Vectors>
inline void shifted_sum(const float* from, const int64_t* offsets, const float* w, int64_t taps,
                        float start, float* out) {
  V sum[Vectors];
  for (int i = 0; i < Vectors; ++i) sum[i] = V{} + start;
  for (int64_t t = 0; t < taps; ++t) {
    const float* p = from + offsets[t];
    const float x = w[t];
#pragma GCC unroll 4
    for (int i = 0; i < Vectors; ++i) sum[i] += load<float>(p + i * kLanes) * x;
  }
  for (int i = 0; i < Vectors; ++i) store<float>(out + i * kLanes, sum[i]);
}

// n sums, rounded up to whole vectors.
void shifted_sums(const float* from, const int64_t* offsets, const float* w, int64_t taps,
                  float start, int64_t n, float* out) {
  int64_t q = 0;
  for (; q + 3 * kLanes < n; q += 4 * kLanes)
    shifted_sum<4>(from + q, offsets, w, taps, start, out + q);
  for (; q + kLanes < n; q += 2 * kLanes)
    shifted_sum<2>(from + q, offsets, w, taps, start, out + q);
  if (q < n) shifted_sum<1>(from + q, offsets, w, taps, start, out + q);
}

// sums[t] += sum over q < n of g[q] * from[q + offsets[t]], for up to Taps taps.
template <int Taps>
void shifted_products(const float* from, const int64_t* offsets, const float* g, int64_t n,
                      double* sums) {
  V acc[Taps];
  const float* p[Taps];
  for (int t = 0; t < Taps; ++t) acc[t] = V{}, p[t] = from + offsets[t];
  for (int64_t q = 0; q < n; q += kLanes) {
    const V x = load<float>(g + q);
#pragma GCC unroll 8
    for (int t = 0; t < Taps; ++t) acc[t] += x * load<float>(p[t] + q);
  }
  for (int t = 0; t < Taps; ++t)
    for (int l = 0; l < kLanes; ++l) sums[t] += static_cast<double>(acc[t][l]);
}

// to (rows, cols): the sums of rows `pitch` apart. Wide rows go straight to memory: what the last
// vector of one writes beyond it, the next row writes over. `sums` has room for all of them.
void sum_rows(const float* from, const int64_t* offsets, const float* w, int64_t taps, float start,
              int64_t pitch, int64_t rows, int64_t cols, float* sums, float* to) {
  const auto copy = [&](const float* row, int64_t r) {
    std::memcpy(to + r * cols, row, static_cast<size_t>(cols) * sizeof(float));
  };
  if (cols < 2 * kLanes) {
    shifted_sums(from, offsets, w, taps, start, (rows - 1) * pitch + cols, sums);
    for (int64_t r = 0; r < rows; ++r) copy(sums + r * pitch, r);
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const bool last = (rows - r) * cols < (cols + kLanes - 1) / kLanes * kLanes;
    shifted_sums(from + r * pitch, offsets, w, taps, start, cols, last ? sums : to + r * cols);
    if (last) copy(sums, r);
  }
}

float* buffer(int64_t floats) {
  return static_cast<float*>(thread_buffer(kBuffer, static_cast<size_t>(floats) * sizeof(float)));
}

// Planes of `flops` multiply-adds each that are worth a thread.
int64_t grain(int64_t flops) { return grain_of(20 + 0.03 * static_cast<double>(flops)); }

void forward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y) {
  const Window win(s);
  const Layout at = win.wide();
  const std::vector<int64_t> offsets = win.wide_offsets();
  const int64_t taps = win.count(), run = s.y[1] * at.pitch, each = win.planes_per_input();
  const int64_t blocks = win.phases() * at.block(), held = room(win, blocks);
  const int64_t area = s.y[1] * s.y[2];
  parallel_for(s.n * s.x_channels, grain(each * s.y[0] * run * taps),
               [&](int64_t begin, int64_t end) {
                 float* const from = buffer(held + up_to_step(run));
                 float* const sums = from + held;
                 std::fill(from + blocks, from + held, 0.0f);
                 for (int64_t i = begin; i < end; ++i) {
                   lay_out_all(win, x + i * s.x_size(), at, from);
                   for (int64_t j = 0; j < each; ++j) {
                     const int64_t o = i % s.x_channels * each + j;
                     for (int64_t z = 0; z < s.y[0]; ++z)
                       sum_rows(from + z * at.slice(), offsets.data(), w + o * taps, taps,
                                bias ? bias[o] : 0, at.pitch, s.y[1], s.y[2], sums,
                                y + ((i * each + j) * s.y[0] + z) * area);
                   }
                 }
               });
}

// The taps of one block of gx, over the planes of gy that its channel feeds.
struct Gather {
  std::vector<int64_t> offsets, taps;  // into the laid out gy; into the weights of the channel
};

Gather gather_of(const Window& win, const Layout& at, int64_t phase) {
  Gather g;
  for (int64_t j = 0; j < win.planes_per_input(); ++j)
    for (int64_t t = 0; t < win.count(); ++t) {
      const Tap& tap = win.taps[static_cast<size_t>(t)];
      if (tap.phase != phase) continue;
      g.offsets.push_back(j * at.block() + (win.reach_rows - tap.row) * at.pitch + win.reach_cols -
                          tap.col);
      g.taps.push_back(j * win.count() + t);
    }
  return g;
}

// A plane of gy behind `reach` rows and columns of zeros.
void lay_out_gradient(const Window& win, const float* plane, const Layout& at, float* dst) {
  const ConvShape& s = win.s;
  const int64_t rows = std::min(s.y[1], at.rows - win.reach_rows),
                cols = std::min(s.y[2], at.pitch - win.reach_cols);
  std::fill(dst, dst + win.reach_rows * at.pitch, 0.0f);
  for (int64_t r = 0; r < at.rows - win.reach_rows; ++r) {
    float* row = dst + (r + win.reach_rows) * at.pitch;
    const int64_t wanted = r < rows ? cols : 0;
    std::fill(row, row + win.reach_cols, 0.0f);
    std::copy(plane + r * s.y[2], plane + r * s.y[2] + wanted, row + win.reach_cols);
    std::fill(row + win.reach_cols + wanted, row + at.pitch, 0.0f);
  }
}

// The sums of a block go to the pixels that are of its phase.
void put_block(const Window& win, const float* sums, const Layout& at, int64_t phase, float* gx) {
  const ConvShape& s = win.s;
  const int64_t a = phase / win.sw - s.pad[1], b = phase % win.sw - s.pad[2];
  const int64_t c0 = b < 0 ? (-b + win.sw - 1) / win.sw : 0;
  const int64_t c1 = std::min(at.pitch - win.reach_cols, (s.x[2] - b + win.sw - 1) / win.sw);
  for (int64_t r = 0; r < at.rows - win.reach_rows; ++r) {
    const int64_t i = r * win.sh + a;
    if (i < 0 || i >= s.x[1]) continue;
    const float* from = sums + r * at.pitch;
    float* to = gx + i * s.x[2] + b;
    if (win.sw == 1)
      std::copy(from + c0, from + std::max(c0, c1), to + c0);
    else
      for (int64_t c = c0; c < c1; ++c) to[c * win.sw] = from[c];
  }
}

void data(const ConvShape& s, float* gx, const float* w, const float* gy) {
  const Window win(s);
  const Layout at = win.narrow();
  const int64_t each = win.planes_per_input(), taps = win.count(), area = s.y_size();
  const int64_t run = (at.rows - win.reach_rows) * at.pitch;
  const int64_t blocks = each * at.block(), held = room(win, blocks);
  std::vector<Gather> gathers;
  for (int64_t p = 0; p < win.phases(); ++p) gathers.push_back(gather_of(win, at, p));
  parallel_for(s.n * s.x_channels, grain(each * run * taps), [&](int64_t begin, int64_t end) {
    float* const from = buffer(held + up_to_step(run) + each * taps);
    float *const sums = from + held, *const weights = sums + up_to_step(run);
    std::fill(from + blocks, from + held, 0.0f);
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < each; ++j)
        lay_out_gradient(win, gy + (i * each + j) * area, at, from + j * at.block());
      const float* own = w + i % s.x_channels * each * taps;
      for (int64_t p = 0; p < win.phases(); ++p) {
        const Gather& g = gathers[static_cast<size_t>(p)];
        const int64_t n = static_cast<int64_t>(g.taps.size());
        for (int64_t t = 0; t < n; ++t) weights[t] = own[g.taps[static_cast<size_t>(t)]];
        float* to = gx + i * s.x_size();
        if (win.phases() == 1) {
          sum_rows(from + s.pad[1] * at.pitch + s.pad[2], g.offsets.data(), weights, n, 0, at.pitch,
                   s.x[1], s.x[2], sums, to);
          continue;
        }
        shifted_sums(from, g.offsets.data(), weights, n, 0, run, sums);
        put_block(win, sums, at, p, to);
      }
    }
  });
}

void weights(const ConvShape& s, const float* x, float* gw, const float* gy) {
  const Window win(s);
  const Layout at = win.wide();
  const std::vector<int64_t> offsets = win.wide_offsets();
  const int64_t taps = win.count(), run = s.y[1] * at.pitch, each = win.planes_per_input();
  const int64_t blocks = win.phases() * at.block(), held = room(win, blocks);
  const int64_t padded = (run + kLanes - 1) / kLanes * kLanes;
  parallel_for(s.x_channels, grain(s.n * each * run * taps), [&](int64_t begin, int64_t end) {
    float* const from = buffer(held + padded);
    float* const g = from + held;
    std::fill(from + blocks, g + padded, 0.0f);  // and between g's rows
    std::vector<double> sums(static_cast<size_t>(each * taps));
    for (int64_t c = begin; c < end; ++c) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int64_t n = 0; n < s.n; ++n) {
        lay_out_all(win, x + (n * s.x_channels + c) * s.x_size(), at, from);
        for (int64_t j = 0; j < each; ++j) {
          const float* plane = gy + ((n * s.x_channels + c) * each + j) * s.y_size();
          for (int64_t r = 0; r < s.y[1]; ++r)
            std::copy(plane + r * s.y[2], plane + (r + 1) * s.y[2], g + r * at.pitch);
          double* to = sums.data() + j * taps;
          int64_t t = 0;
          for (; t + 8 <= taps; t += 8)
            shifted_products<8>(from, offsets.data() + t, g, run, to + t);
          for (; t + 3 <= taps; t += 3)
            shifted_products<3>(from, offsets.data() + t, g, run, to + t);
          for (; t < taps; ++t) shifted_products<1>(from, offsets.data() + t, g, run, to + t);
        }
      }
      for (int64_t t = 0; t < each * taps; ++t)
        gw[c * each * taps + t] = static_cast<float>(sums[static_cast<size_t>(t)]);
    }
  });
}

struct Registrar {
  Registrar() { register_depthwise(RL_LEVEL, {forward, data, weights}); }
} const registrar;

}  // namespace
}  // namespace rl
