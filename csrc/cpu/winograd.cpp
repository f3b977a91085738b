// Convolutions of 3 x 3, stride 1, by F(2 x 2, 3 x 3): 16 multiplications in place of 36.
//
//   y tile (2, 2) = At [ (G w Gt) * (Bt x B) ] A       for each tile and pair of channels
//   gw (3, 3)     = Gt [ sum over tiles of (A gy At) * (Bt x B) ] G
//   Bt = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]   G = [1 0 0; .5 .5 .5; .5 -.5 .5; 0 0 1]
//   At = [1 1 1 0; 0 1 -1 -1]
//
// Vectors hold channels. A thread takes a few rows of tiles at a time (about 48 tiles: all that
// follows stays in its caches): it lays their pixels out with channels innermost, transforms them
// to V (16, tiles, inputs), multiplies each of the 16 with its matrix of transformed weights, and
// transforms and lays out the sums as y. x and y are read and written once, x's rows between tiles
// twice. The transforms are sums only and the weights' halves exact, so rounding stays float32's.
#include "winograd_pixels.h"

namespace rl {
namespace {

constexpr int kPoints = 16;
constexpr int kBuffer = 1;  // of the thread's work buffers

// Consecutive rows of tiles of one image.
struct Rows {
  int64_t image, first, count;
};

struct Tiling {
  WinogradShape s;
  int64_t down, across, rows;  // tiles of an image; rows of tiles in a block
  explicit Tiling(const WinogradShape& shape) : s(shape) {
    down = (s.out_height() + 1) / 2, across = (s.out_width() + 1) / 2;
    const int64_t wanted = std::clamp<int64_t>(8192 / s.inputs, 24, 48);
    rows = std::max<int64_t>(1, (wanted + across / 2) / across);
  }
  int64_t blocks() const { return (s.n * down + rows - 1) / rows; }
  int64_t tiles() const { return rows * across; }
  int64_t pitch(int64_t channels) const { return channels + kLanes; }  // spreads over cache sets

  // Calls f(rows, first tile) for the images that block b touches; gives its number of tiles.
  template <class F>
  int64_t each(int64_t b, F&& f) const {
    int64_t tile = 0;
    const int64_t end = std::min((b + 1) * rows, s.n * down);
    for (int64_t r = b * rows; r < end;) {
      const Rows part{r / down, r % down, std::min(end - r, down - r % down)};
      f(part, tile);
      tile += part.count * across;
      r += part.count;
    }
    return tile;
  }
};

// -- transforms -----------------------------------------------------------------------------------

// V (16, tiles, pitch) from x for one block.
void transform_input(const Tiling& t, int64_t block, const float* x, float* pixels, float* v) {
  const WinogradShape& s = t.s;
  const int64_t columns = 2 * t.across + 2, pitch = t.pitch(s.inputs), point = t.tiles() * pitch;
  t.each(block, [&](const Rows& part, int64_t first) {
    const float* image = x + part.image * s.inputs * s.height * s.width;
    for (int64_t channel = 0; channel < s.inputs; channel += kLanes) {
      gather_pixels(s, s.inputs, image, channel, s.height, s.width, 2 * part.first - s.pad,
                    2 * part.count + 2, s.pad, columns, pixels);
      for (int64_t i = 0; i < part.count * t.across; ++i) {
        const float* d = pixels + (i / t.across * 2 * columns + i % t.across * 2) * kLanes;
        float* to = v + (first + i) * pitch + channel;
        V m[4][4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r, d += columns * kLanes) {
          const V a = at(d), b = at(d + kLanes), c = at(d + 2 * kLanes), e = at(d + 3 * kLanes);
          m[r][0] = a - c, m[r][1] = b + c, m[r][2] = c - b, m[r][3] = b - e;
        }
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
          store<float>(to + q * point, m[0][q] - m[2][q]);
          store<float>(to + (4 + q) * point, m[1][q] + m[2][q]);
          store<float>(to + (8 + q) * point, m[2][q] - m[1][q]);
          store<float>(to + (12 + q) * point, m[1][q] - m[3][q]);
        }
      }
    }
  });
}

// (16, tiles, pitch) from gy for one block: A gy At.
void transform_gradient(const Tiling& t, int64_t block, const float* gy, float* pixels, float* g) {
  const WinogradShape& s = t.s;
  const int64_t columns = 2 * t.across, pitch = t.pitch(s.outputs), point = t.tiles() * pitch;
  t.each(block, [&](const Rows& part, int64_t first) {
    const float* image = gy + part.image * s.outputs * s.out_height() * s.out_width();
    for (int64_t channel = 0; channel < s.outputs; channel += kLanes) {
      gather_pixels(s, s.outputs, image, channel, s.out_height(), s.out_width(), 2 * part.first,
                    2 * part.count, 0, columns, pixels);
      for (int64_t i = 0; i < part.count * t.across; ++i) {
        const float* d = pixels + (i / t.across * 2 * columns + i % t.across * 2) * kLanes;
        float* to = g + (first + i) * pitch + channel;
        const V a = at(d), b = at(d + kLanes);
        d += columns * kLanes;
        const V c = at(d), e = at(d + kLanes);
        const V rows[4][2] = {{a, b}, {a + c, b + e}, {a - c, b - e}, {-c, -e}};
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r, to += 4 * point) {
          store<float>(to, rows[r][0]);
          store<float>(to + point, rows[r][0] + rows[r][1]);
          store<float>(to + 2 * point, rows[r][0] - rows[r][1]);
          store<float>(to + 3 * point, -rows[r][1]);
        }
      }
    }
  });
}

// y's pixels of one block and panel of outputs, from the sums m (16, tiles, kPanel).
void transform_output(const Tiling& t, int64_t block, const float* m, const float* bias,
                      int64_t channel, float* pixels, float* y) {
  const WinogradShape& s = t.s;
  const int64_t height = s.out_height(), width = s.out_width(), point = t.tiles() * kPanel;
  const int64_t wide = std::min<int64_t>(kPanel, s.outputs - channel);
  t.each(block, [&](const Rows& part, int64_t first) {
    for (int64_t i = 0; i < part.count * t.across; ++i) {
      const int64_t row = i / t.across * 2, column = i % t.across * 2;
      const bool right = column + 1 < width, below = 2 * part.first + row + 1 < height;
      for (int64_t l = 0; l < wide; l += kLanes) {
        const float* p = m + (first + i) * kPanel + l;
        const V add = bias ? at(bias + channel + l) : V{};
        V top[4], low[4];
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
          const V a = at(p + q * point), b = at(p + (4 + q) * point), c = at(p + (8 + q) * point),
                  d = at(p + (12 + q) * point);
          top[q] = a + (b + c), low[q] = (b - c) - d;
        }
        float* to = pixels + (row * width + column) * kPanel + l;
        store<float>(to, top[0] + (top[1] + top[2]) + add);
        if (right) store<float>(to + kPanel, (top[1] - top[2]) - top[3] + add);
        to += width * kPanel;
        if (below) store<float>(to, low[0] + (low[1] + low[2]) + add);
        if (below && right) store<float>(to + kPanel, (low[1] - low[2]) - low[3] + add);
      }
    }
    const int64_t rows = std::min(2 * part.count, height - 2 * part.first);
    scatter_pixels(s, pixels, rows * width, y + part.image * s.outputs * height * width, channel,
                   wide, 2 * part.first * width);
  });
}

// -- products -------------------------------------------------------------------------------------

template <int Rows, int Vectors>
inline void product_rows(int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
                         int64_t b_row, float* c, int64_t c_row, bool add, int64_t& i, int64_t n) {
  for (; i + Rows <= n; i += Rows) {
    V acc[Rows][kVectors];
    micro_kernel<float, Rows, Vectors>(k, a + i * a_row, a_row, a_col, b, b_row, acc);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vectors; ++v) {
        float* to = c + (i + r) * c_row + v * kLanes;
        store<float>(to, add ? at(to) + acc[r][v] : acc[r][v]);
      }
  }
}

// c (n, Vectors vectors) = or += a (n, k) b (k, Vectors vectors).
template <int Vectors>
[[gnu::noinline]] void product(int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col,
                               const float* b, int64_t b_row, float* c, int64_t c_row, bool add) {
  int64_t i = 0;
  product_rows<kRows, Vectors>(k, a, a_row, a_col, b, b_row, c, c_row, add, i, n);
  if constexpr (kRows > 8)
    product_rows<8, Vectors>(k, a, a_row, a_col, b, b_row, c, c_row, add, i, n);
  if constexpr (kRows > 4)
    product_rows<4, Vectors>(k, a, a_row, a_col, b, b_row, c, c_row, add, i, n);
  product_rows<1, Vectors>(k, a, a_row, a_col, b, b_row, c, c_row, add, i, n);
}

int64_t panels_of(int64_t outputs) { return (outputs + kPanel - 1) / kPanel; }

int64_t packed_size(int64_t outputs, int64_t inputs) {
  return panels_of(outputs) * kPoints * inputs * kPanel;
}

// (panels of outputs, 16, inputs, kPanel): G w Gt, with zeros behind the last output.
void pack(const WinogradShape& s, const WinogradWeights& w, float* packed) {
  const int64_t panels = panels_of(s.outputs), point = s.inputs * kPanel;
  parallel_for(panels * s.inputs, grain_of(100), [&](int64_t begin, int64_t end) {
    alignas(kVectorBytes) float taps[9][kPanel] = {};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / s.inputs, input = i % s.inputs, o0 = panel * kPanel;
      const int64_t wide = std::min<int64_t>(kPanel, s.outputs - o0);
      if (wide < kPanel) std::memset(taps, 0, sizeof taps);
      for (int64_t o = 0; o < wide; ++o) {
        const float* from = w.w + (o0 + o) * w.output + input * w.input;
        for (int j = 0; j < 9; ++j) taps[j][o] = from[j / 3 * w.row + j % 3 * w.column];
      }
      float* to = packed + panel * kPoints * point + input * kPanel;
      for (int l = 0; l < kPanel; l += kLanes) {
        V m[4][3];
#pragma GCC unroll 3
        for (int c = 0; c < 3; ++c) {
          const V a = at(taps[c] + l), b = at(taps[3 + c] + l), d = at(taps[6 + c] + l);
          const V sum = (a + d) * 0.5f, half = b * 0.5f;
          m[0][c] = a, m[1][c] = sum + half, m[2][c] = sum - half, m[3][c] = d;
        }
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r) {
          float* p = to + 4 * r * point + l;
          const V sum = (m[r][0] + m[r][2]) * 0.5f, half = m[r][1] * 0.5f;
          store<float>(p, m[r][0]);
          store<float>(p + point, sum + half);
          store<float>(p + 2 * point, sum - half);
          store<float>(p + 3 * point, m[r][2]);
        }
      }
    }
  });
}

void run(const WinogradShape& s, const float* x, const float* packed, const float* bias, float* y) {
  const Tiling t(s);
  const int64_t blocks = t.blocks(), panels = panels_of(s.outputs), pitch = t.pitch(s.inputs);
  const int64_t tiles = t.tiles();
  // Few blocks: their outputs are shared out too, and V made by each who needs it.
  const int64_t parts = std::clamp<int64_t>(num_threads() / blocks, 1, panels);
  const int64_t seen = (2 * t.rows + 2) * (2 * t.across + 2) * kLanes;
  const int64_t made = 2 * t.rows * 2 * t.across * kPanel;
  const int64_t size_v = kPoints * tiles * pitch, size_m = kPoints * tiles * kPanel;
  parallel_for(blocks * parts, 1, [&](int64_t begin, int64_t end) {
    float* v = static_cast<float*>(thread_buffer(
        kBuffer, static_cast<size_t>(size_v + size_m + std::max(seen, made)) * sizeof(float)));
    float *m = v + size_v, *pixels = m + size_m;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / parts, part = i % parts;
      transform_input(t, block, x, pixels, v);
      const int64_t used = t.each(block, [](const Rows&, int64_t) {});
      for (int64_t p = panels * part / parts; p < panels * (part + 1) / parts; ++p) {
        const bool half = s.outputs - p * kPanel <= kLanes;
        for (int64_t q = 0; q < kPoints; ++q) {
          const float* u = packed + (p * kPoints + q) * s.inputs * kPanel;
          const auto multiply = half ? product<1> : product<kVectors>;
          multiply(used, s.inputs, v + q * tiles * pitch, pitch, 1, u, kPanel,
                   m + q * tiles * kPanel, kPanel, false);
        }
        transform_output(t, block, m, bias, p * kPanel, pixels, y);
      }
    }
  });
}

// -- the gradient of the weights ------------------------------------------------------------------

// Each part of the tiles has its own sums (16, outputs, inputs): as many parts as threads, within
// 64 MB.
int64_t sum_parts(const WinogradShape& s) {
  const int64_t size = kPoints * s.outputs * s.inputs;
  return std::max<int64_t>(1, std::min<int64_t>(num_threads(), (int64_t{16} << 20) / size));
}

int64_t partials_size(const WinogradShape& s) {
  return sum_parts(s) * kPoints * s.outputs * s.inputs;
}

// sums (16, outputs, inputs) = or += the products of one block.
void add_block(const Tiling& t, int64_t used, const float* v, const float* g, float* sums,
               bool add) {
  const WinogradShape& s = t.s;
  const int64_t pitch_v = t.pitch(s.inputs), pitch_g = t.pitch(s.outputs);
  for (int64_t q = 0; q < kPoints; ++q) {
    const float *b = v + q * t.tiles() * pitch_v, *a = g + q * t.tiles() * pitch_g;
    float* c = sums + q * s.outputs * s.inputs;
    for (int64_t j = 0; j < s.inputs; j += kPanel) {
      const auto multiply = s.inputs - j <= kLanes ? product<1> : product<kVectors>;
      multiply(s.outputs, used, a, 1, pitch_g, b + j, pitch_v, c + j, s.inputs, add);
    }
  }
}

// gw = Gt (the sum of the parts) G for some rows of outputs.
void finish_weights(const WinogradShape& s, const float* partials, int64_t parts, int64_t o0,
                    int64_t o1, float* gw) {
  const int64_t point = s.outputs * s.inputs, part = kPoints * point;
  const int64_t tap = s.channels_last ? s.inputs : 1, input = s.channels_last ? 1 : 9;
  alignas(kVectorBytes) float line[9][kLanes];
  for (int64_t o = o0; o < o1; ++o)
    for (int64_t i = 0; i < s.inputs; i += kLanes) {
      V m[4][4];
      for (int q = 0; q < kPoints; ++q) {
        const float* p = partials + q * point + o * s.inputs + i;
        V sum = at(p);
        for (int64_t k = 1; k < parts; ++k) sum += at(p + k * part);
        m[q / 4][q % 4] = sum;
      }
      V h[3][4];
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        const V sum = (m[1][c] + m[2][c]) * 0.5f;
        h[0][c] = m[0][c] + sum, h[1][c] = (m[1][c] - m[2][c]) * 0.5f, h[2][c] = sum + m[3][c];
      }
      for (int r = 0; r < 3; ++r) {
        const V sum = (h[r][1] + h[r][2]) * 0.5f;
        store<float>(line[3 * r], h[r][0] + sum);
        store<float>(line[3 * r + 1], (h[r][1] - h[r][2]) * 0.5f);
        store<float>(line[3 * r + 2], sum + h[r][3]);
      }
      float* to = gw + o * s.inputs * 9 + i * input;
      for (int j = 0; j < 9; ++j)
        for (int l = 0; l < kLanes; ++l) to[l * input + j * tap] = line[j][l];
    }
}

void weights(const WinogradShape& s, const float* x, const float* gy, float* partials, float* gw) {
  const Tiling t(s);
  const int64_t blocks = t.blocks(), parts = std::min(sum_parts(s), blocks), tiles = t.tiles();
  const int64_t size_v = kPoints * tiles * t.pitch(s.inputs),
                size_g = kPoints * tiles * t.pitch(s.outputs),
                seen = (2 * t.rows + 2) * (2 * t.across + 2) * kLanes;
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    float* v = static_cast<float*>(
        thread_buffer(kBuffer, static_cast<size_t>(size_v + size_g + seen) * sizeof(float)));
    float *g = v + size_v, *pixels = g + size_g;
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = blocks * part / parts, last = blocks * (part + 1) / parts;
      for (int64_t block = first; block < last; ++block) {
        transform_input(t, block, x, pixels, v);
        transform_gradient(t, block, gy, pixels, g);
        const int64_t used = t.each(block, [](const Rows&, int64_t) {});
        add_block(t, used, v, g, partials + part * kPoints * s.outputs * s.inputs, block > first);
      }
    }
  });
  parallel_for(s.outputs, grain_of(2 * static_cast<double>(s.inputs)),
               [&](int64_t o0, int64_t o1) { finish_weights(s, partials, parts, o0, o1, gw); });
}

const struct WinogradRegistrar {
  WinogradRegistrar() {
    register_winograd(RL_LEVEL, {packed_size, pack, run, partials_size, weights});
  }
} registrar;

}  // namespace
}  // namespace rl
