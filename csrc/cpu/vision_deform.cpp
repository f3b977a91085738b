// The columns of a deformable convolution (Dai et al. 2017; with a mask: Zhu et al. 2019).
//
// x (N, C, H, W), offset (N, 2 G T, OH, OW), mask (N, G T, OH, OW) or none, T = KH KW taps, G
// groups of channels that share offsets, P = OH OW places; columns (N, C T, P):
//
//   columns[n, c T + t, p] = m x[n, c] at (v, u), bilinear, 0 outside, where
//   v = oy(p) stride - pad + ty(t) dilation + offset[n, 2 (g T + t), p], u likewise from the next
//
// The convolution is weight @ columns. The corners and weights of a block of places are found once
// for (n, g, t), then used for all channels of the group. gx: threads take planes; the gradients of
// offset and mask are sums over channels: threads take (n, g, t).
#include <cmath>

#include "../core/kernel.h"

namespace rl {
namespace {

constexpr int64_t kBlock = 256;

struct Problem {
  int64_t n, c, h, w, kh, kw, sh, sw, ph, pw, dh, dw, groups, oh, ow;
  int64_t taps() const { return kh * kw; }
  int64_t places() const { return oh * ow; }
  int64_t channels() const { return c / groups; }  // of one offset group
};

// A block of places of one tap: per place the four corners (index 0 and weight 0 where outside).
template <class C>
struct Block {
  int64_t index[4][kBlock];
  C weight[4][kBlock], valid[4][kBlock], part_y[kBlock], part_x[kBlock];
};

template <class C>
void prepare(const Problem& p, const C* offset, int64_t n, int64_t g, int64_t t, int64_t p0,
             int64_t count, Block<C>& b) {
  const C* dy = offset + ((n * p.groups + g) * p.taps() + t) * 2 * p.places();
  const C* dx = dy + p.places();
  const C ty = static_cast<C>(t / p.kw * p.dh - p.ph), tx = static_cast<C>(t % p.kw * p.dw - p.pw);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = p0 + i;
    const C y = static_cast<C>(at / p.ow * p.sh) + ty + dy[at];
    const C x = static_cast<C>(at % p.ow * p.sw) + tx + dx[at];
    const bool near = y > C(-1) && y < static_cast<C>(p.h) && x > C(-1) && x < static_cast<C>(p.w);
    const C fy = near ? std::floor(y) : C(0), fx = near ? std::floor(x) : C(0);
    const C ly = near ? y - fy : C(0), lx = near ? x - fx : C(0);
    b.part_y[i] = ly, b.part_x[i] = lx;
    const auto row = static_cast<int64_t>(fy), column = static_cast<int64_t>(fx);
    for (int q = 0; q < 4; ++q) {
      const int64_t r = row + q / 2, s = column + q % 2;
      const bool inside = near && r >= 0 && r < p.h && s >= 0 && s < p.w;
      b.valid[q][i] = inside ? C(1) : C(0);
      b.index[q][i] = inside ? r * p.w + s : 0;
      b.weight[q][i] = inside ? (q / 2 ? ly : 1 - ly) * (q % 2 ? lx : 1 - lx) : C(0);
    }
  }
}

template <class C>
inline C corner(const Block<C>& b, int q, const C* plane, int64_t i) {
  return b.valid[q][i] != 0 ? plane[b.index[q][i]] : C(0);
}

// f(block, n, g, t, first place, places) for all blocks of (n, g, t) in [from, to)
template <class C, class F>
void each_block(const Problem& p, const C* offset, int64_t from, int64_t to, F&& f) {
  Block<C> b;
  for (int64_t i = from; i < to; ++i) {
    const int64_t t = i % p.taps(), g = i / p.taps() % p.groups, n = i / p.taps() / p.groups;
    for (int64_t p0 = 0; p0 < p.places(); p0 += kBlock) {
      const int64_t count = std::min(kBlock, p.places() - p0);
      prepare(p, offset, n, g, t, p0, count, b);
      f(b, n, g, t, p0, count);
    }
  }
}

template <class C>
void forward(const Problem& p, const C* x, const C* offset, const C* mask, C* columns) {
  const int64_t tasks = p.n * p.groups * p.taps(), work = p.channels() * p.places() * 4 + 1;
  parallel_for(tasks, grain_of(0.3 * static_cast<double>(work)), [&](int64_t from, int64_t to) {
    each_block<C>(p, offset, from, to,
                  [&](Block<C>& b, int64_t n, int64_t g, int64_t t, int64_t p0, int64_t count) {
                    if (mask) {
                      const C* m = mask + ((n * p.groups + g) * p.taps() + t) * p.places() + p0;
                      for (int q = 0; q < 4; ++q)
                        for (int64_t i = 0; i < count; ++i) b.weight[q][i] *= m[i];
                    }
                    for (int64_t c = g * p.channels(); c < (g + 1) * p.channels(); ++c) {
                      const C* __restrict plane = x + (n * p.c + c) * p.h * p.w;
                      C* __restrict out =
                          columns + ((n * p.c + c) * p.taps() + t) * p.places() + p0;
#pragma omp simd
                      for (int64_t i = 0; i < count; ++i)
                        out[i] = b.weight[0][i] * corner(b, 0, plane, i) +
                                 b.weight[1][i] * corner(b, 1, plane, i) +
                                 b.weight[2][i] * corner(b, 2, plane, i) +
                                 b.weight[3][i] * corner(b, 3, plane, i);
                    }
                  });
  });
}

template <class C>
void input_gradient(const Problem& p, const C* gc, const C* offset, const C* mask, C* gx) {
  // Channels are shared out only where there are fewer (image, group) pairs than threads.
  const int64_t pairs = p.n * p.groups;
  const int64_t parts = std::clamp<int64_t>((num_threads() + pairs - 1) / pairs, 1, p.channels());
  const int64_t work = p.channels() * p.taps() * p.places() * 4 / parts + 1;
  parallel_for(
      pairs * parts, grain_of(0.3 * static_cast<double>(work)), [&](int64_t i0, int64_t i1) {
        for (int64_t i = i0; i < i1; ++i) {
          const int64_t pair = i / parts, part = i % parts, first = pair % p.groups * p.channels();
          const int64_t c0 = first + p.channels() * part / parts;
          const int64_t c1 = first + p.channels() * (part + 1) / parts;
          each_block<C>(
              p, offset, pair * p.taps(), (pair + 1) * p.taps(),
              [&](Block<C>& b, int64_t n, int64_t g, int64_t t, int64_t p0, int64_t count) {
                const C* m =
                    mask ? mask + ((n * p.groups + g) * p.taps() + t) * p.places() + p0 : nullptr;
                for (int64_t c = c0; c < c1; ++c) {
                  C* plane = gx + (n * p.c + c) * p.h * p.w;
                  const C* from = gc + ((n * p.c + c) * p.taps() + t) * p.places() + p0;
                  for (int64_t s = 0; s < count; ++s) {
                    const C v = m ? from[s] * m[s] : from[s];
                    for (int q = 0; q < 4; ++q)
                      if (b.valid[q][s] != 0) plane[b.index[q][s]] += b.weight[q][s] * v;
                  }
                }
              });
        }
      });
}

template <class C>
void place_gradient(const Problem& p, const C* gc, const C* x, const C* offset, const C* mask,
                    C* goffset, C* gmask) {
  const int64_t tasks = p.n * p.groups * p.taps(), work = p.channels() * p.places() * 8 + 1;
  parallel_for(tasks, grain_of(0.3 * static_cast<double>(work)), [&](int64_t from, int64_t to) {
    C sum_y[kBlock], sum_x[kBlock], sum_m[kBlock];
    each_block<C>(p, offset, from, to,
                  [&](Block<C>& b, int64_t n, int64_t g, int64_t t, int64_t p0, int64_t count) {
                    for (C* sum : {sum_y, sum_x, sum_m}) std::fill_n(sum, count, C(0));
                    for (int64_t c = g * p.channels(); c < (g + 1) * p.channels(); ++c) {
                      const C* __restrict plane = x + (n * p.c + c) * p.h * p.w;
                      const C* __restrict gs =
                          gc + ((n * p.c + c) * p.taps() + t) * p.places() + p0;
#pragma omp simd
                      for (int64_t i = 0; i < count; ++i) {
                        const C v0 = corner(b, 0, plane, i), v1 = corner(b, 1, plane, i);
                        const C v2 = corner(b, 2, plane, i), v3 = corner(b, 3, plane, i);
                        const C ly = b.part_y[i], lx = b.part_x[i];
                        sum_y[i] += gs[i] * ((1 - lx) * (v2 - v0) + lx * (v3 - v1));
                        sum_x[i] += gs[i] * ((1 - ly) * (v1 - v0) + ly * (v3 - v2));
                        sum_m[i] += gs[i] * (b.weight[0][i] * v0 + b.weight[1][i] * v1 +
                                             b.weight[2][i] * v2 + b.weight[3][i] * v3);
                      }
                    }
                    const int64_t at = ((n * p.groups + g) * p.taps() + t) * p.places();
                    for (int64_t i = 0; i < count; ++i) {
                      const C m = mask ? mask[at + p0 + i] : C(1);
                      goffset[2 * at + p0 + i] = sum_y[i] * m;
                      goffset[2 * at + p.places() + p0 + i] = sum_x[i] * m;
                      if (gmask) gmask[at + p0 + i] = sum_m[i];
                    }
                  });
  });
}

// Arguments from `at` on: input, offset, mask, kernel, stride, padding, dilation, groups.
struct Arguments {
  Array x, offset, mask;
  Problem p;
};

void need(bool ok, const char* what, const Array& a, int64_t expected) {
  if (!ok)
    fail(ErrorType::Runtime, "deform_conv2d: %s: got shape %s, expected %lld", what,
         shape_text(a.shape()).c_str(), static_cast<long long>(expected));
}

Arguments read(const Call& call, int at) {
  Arguments a{
      call.tensor(at).contiguous_copy(), call.tensor(at + 1).contiguous_copy(), Array(), {}};
  if (const Array* mask = call.tensor_or_null(at + 2)) a.mask = mask->contiguous_copy();
  need(a.x.ndim() == 4, "the input must have 4 dims", a.x, 4);
  need(a.offset.ndim() == 4, "the offset must have 4 dims", a.offset, 4);
  const IntList k = call.ints(at + 3, 2), s = call.ints(at + 4, 2), pad = call.ints(at + 5, 2),
                d = call.ints(at + 6, 2);
  const int64_t groups = call.integer(at + 7);
  for (int i = 0; i < 2; ++i) {
    const size_t j = static_cast<size_t>(i);
    if (k[j] <= 0 || s[j] <= 0 || d[j] <= 0 || pad[j] < 0 || groups <= 0)
      fail(ErrorType::Runtime,
           "deform_conv2d: got kernel size %lld, stride %lld, dilation %lld, padding %lld, %lld "
           "offset groups, expected positive ones and a padding of at least 0",
           static_cast<long long>(k[j]), static_cast<long long>(s[j]), static_cast<long long>(d[j]),
           static_cast<long long>(pad[j]), static_cast<long long>(groups));
    if (std::max({k[j], s[j], d[j], pad[j]}) > (1 << 24))
      fail(ErrorType::Runtime, "deform_conv2d: a size is too large");
  }
  const int64_t h = a.x.size(2), w = a.x.size(3);
  const int64_t oh = (h + 2 * pad[0] - (d[0] * (k[0] - 1) + 1)) / s[0] + 1;
  const int64_t ow = (w + 2 * pad[1] - (d[1] * (k[1] - 1) + 1)) / s[1] + 1;
  a.p = {a.x.size(0), a.x.size(1), h,    w,    k[0],   k[1], s[0], s[1],
         pad[0],      pad[1],      d[0], d[1], groups, oh,   ow};
  const Problem& p = a.p;
  if (oh <= 0 || ow <= 0)
    fail(ErrorType::Runtime,
         "deform_conv2d: Calculated output size too small - out_h: %lld out_w: "
         "%lld",
         static_cast<long long>(oh), static_cast<long long>(ow));
  need(p.c % groups == 0, "the channels must be a multiple of the offset groups", a.x, groups);
  const auto check = [&](const Array& m, const char* what, int64_t channels) {
    need(m.size(0) == p.n, "invalid batch size of offset or mask", m, p.n);
    need(m.size(1) == channels, what, m, channels);
    if (m.size(2) != oh || m.size(3) != ow)
      fail(ErrorType::Runtime,
           "deform_conv2d: offset output dims: (%lld, %lld) - computed output dims: (%lld, %lld)",
           static_cast<long long>(m.size(2)), static_cast<long long>(m.size(3)),
           static_cast<long long>(oh), static_cast<long long>(ow));
    if (m.dtype() != a.x.dtype())
      fail(ErrorType::Runtime, "deform_conv2d: expected scalar type %s but found %s",
           dtype_scalar_name(a.x.dtype()), dtype_scalar_name(m.dtype()));
  };
  check(a.offset, "offset.shape[1] is not valid", 2 * groups * p.taps());
  if (a.mask.defined()) {
    need(a.mask.ndim() == 4, "the mask must have 4 dims", a.mask, 4);
    check(a.mask, "mask.shape[1] is not valid", groups * p.taps());
  }
  if (a.x.dtype() != DType::F32 && a.x.dtype() != DType::F64) unsupported_dtype(a.x.dtype());
  return a;
}

template <class C>
const C* data_or_null(const Array& a) {
  return a.defined() ? a.data<C>() : nullptr;
}

RL_KERNEL(vision_deform_columns) {
  const Arguments a = read(call, 0);
  const Problem& p = a.p;
  checked_product(IntList{p.n, p.c, p.taps(), p.places()});
  Array y = Array::empty(a.x.dtype(), {p.n, p.c * p.taps(), p.places()});
  if (y.numel() > 0) {
    NoGil nogil(y.numel() * 4);
    if (y.dtype() == DType::F32)
      forward(p, a.x.data<float>(), a.offset.data<float>(), data_or_null<float>(a.mask),
              y.data<float>());
    else
      forward(p, a.x.data<double>(), a.offset.data<double>(), data_or_null<double>(a.mask),
              y.data<double>());
  }
  call.result(y);
}

template <class C>
void backward(const Arguments& a, const Array& g, const Array& gx, const Array& goffset,
              const Array& gmask) {
  const C *x = a.x.data<C>(), *offset = a.offset.data<C>(), *mask = data_or_null<C>(a.mask);
  input_gradient(a.p, g.data<C>(), offset, mask, gx.data<C>());
  place_gradient(a.p, g.data<C>(), x, offset, mask, goffset.data<C>(),
                 gmask.defined() ? gmask.data<C>() : nullptr);
}

RL_KERNEL(vision_deform_columns_backward) {
  const Array g = call.tensor(0).contiguous_copy();
  const Arguments a = read(call, 1);
  const Problem& p = a.p;
  const int64_t expected[] = {p.n, p.c * p.taps(), p.places()};
  if (g.ndim() != 3 || !std::equal(expected, expected + 3, g.sizes()) || g.dtype() != a.x.dtype())
    fail(ErrorType::Runtime, "deform_conv2d: a gradient of shape %s, expected %s",
         shape_text(g.shape()).c_str(), shape_text(Shape(expected, 3)).c_str());
  Array gx = Array::empty(g.dtype(), a.x.shape()),
        goffset = Array::empty(g.dtype(), a.offset.shape());
  Array gmask;
  if (a.mask.defined()) gmask = Array::empty(g.dtype(), a.mask.shape());
  for (const Array* m : {&gx, &goffset, &gmask})
    if (m->defined()) fill(*m, 0.0);
  if (g.numel() > 0) {
    NoGil nogil(g.numel() * 8);
    if (g.dtype() == DType::F32)
      backward<float>(a, g, gx, goffset, gmask);
    else
      backward<double>(a, g, gx, goffset, gmask);
  }
  call.result(gx);
  call.result(goffset);
  call.result(gmask.defined() ? gmask : Array::empty(g.dtype(), {0}));
}

}  // namespace
}  // namespace rl
