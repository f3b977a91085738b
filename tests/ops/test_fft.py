"""torch.fft, stft and istft: values against NumPy, gradients, arguments and their errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight as torch

FFT = torch.fft
ONE_DIM = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
NORMS = (None, "backward", "ortho", "forward")
# Powers of two, radices 3 to 31 and their products, primes beyond, both sides of every limit.
LENGTHS = (
    *range(1, 35), 36, 37, 48, 60, 61, 62, 63, 64, 66, 67, 74, 77, 96, 100, 121, 127, 128, 131, 143,
    169, 243, 255, 256, 257, 289, 320, 361, 509, 512, 625, 841, 961, 1000, 1009, 1024, 1155, 2046,
    2048, 2049, 3072, 4096, 4099, 6561, 10007, 16384, 65537, 131072, 177147,
)  # fmt: skip


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def close(got, want, eps):
    """Within 30 roundings of the largest value."""
    assert got.shape == torch.Size(want.shape)
    got = got.numpy()
    assert got.real.dtype == (np.float32 if eps > 1e-10 else np.float64)
    assert np.abs(got - want).max() <= 30 * eps * max(np.abs(want).max(), 1e-30)


@pytest.mark.parametrize("precision", ("single", "double"))
@pytest.mark.parametrize("name", ONE_DIM)
def test_every_length_agrees_with_numpy(name, precision):
    eps = 6e-8 if precision == "single" else 1.2e-16
    real, wide = ("f4", "c8") if precision == "single" else ("f8", "c16")
    numpy_function = getattr(np.fft, name)
    for n in LENGTHS:
        rows = 3 if n > 600 else 35
        x = numbers((rows, n), real if name in ("rfft", "ihfft") else wide)
        exact = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
        size = n if name not in ("irfft", "hfft") else 2 * n - 1 - (n % 2 and n > 1)
        want = numpy_function(exact, size)
        close(getattr(FFT, name)(torch.from_numpy(x), size), want, eps)
        if n <= 600:  # the transformed dim outside, and in the middle
            over_rows = getattr(FFT, name)(torch.from_numpy(x).t().contiguous(), size, 0)
            close(over_rows, want.T, eps)
            folded = torch.from_numpy(x).view(7, 5, n).transpose(1, 2).contiguous()
            middle = want.reshape(7, 5, -1).transpose(0, 2, 1)
            close(getattr(FFT, name)(folded, size, 1), middle, eps)


def test_a_real_tensor_has_a_whole_spectrum_too():
    for n in (1, 2, 5, 8, 67, 100, 1024, 1009, 4096):
        x = numbers((20, n), "f8")
        close(FFT.fft(torch.from_numpy(x)), np.fft.fft(x), 1.2e-16)
        close(FFT.ifft(torch.from_numpy(x)), np.fft.ifft(x), 1.2e-16)


def test_any_strides_in():
    x = torch.from_numpy(numbers((6, 10, 12), "c16"))
    for view in (x[::2], x[:, 1::3], x[..., ::2], x.permute(2, 0, 1), x[:1].expand(4, 10, 12)):
        for dim in range(3):
            close(FFT.fft(view, dim=dim), np.fft.fft(view.numpy(), axis=dim), 1.2e-16)
            real = view.real
            close(FFT.rfft(real, dim=dim), np.fft.rfft(real.numpy(), axis=dim), 1.2e-16)
            close(FFT.irfft(view, dim=dim), np.fft.irfft(view.numpy(), axis=dim), 1.2e-16)


@pytest.mark.parametrize("norm", NORMS)
def test_several_dims_and_norms(norm):
    x = numbers((4, 6, 5, 3), "c16")
    t = torch.from_numpy(x)
    for dim in (None, (0,), (1, 3), (3, 0, 1), (-1, -2)):
        axes = tuple(range(4)) if dim is None else dim
        for name in ("fftn", "ifftn", "irfftn"):
            want = getattr(np.fft, name)(x, axes=axes, norm=norm)
            close(getattr(FFT, name)(t, dim=dim, norm=norm), want, 1e-15)
        want = np.fft.rfftn(x.real, axes=axes, norm=norm)
        close(FFT.rfftn(t.real, dim=dim, norm=norm), want, 1e-15)
        halves = FFT.ihfftn(t.real, dim=dim, norm=norm)
        last = t.shape[axes[-1]]
        back = FFT.hfftn(halves, s=[t.shape[a] for a in axes[:-1]] + [last], dim=axes, norm=norm)
        close(back, x.real, 1e-14)
    for name in ("fft2", "ifft2", "irfft2"):
        close(
            getattr(FFT, name)(t, (7, 4), norm=norm),
            getattr(np.fft, name)(x, (7, 4), norm=norm),
            1e-15,
        )
    close(FFT.rfft2(t.real, norm=norm), np.fft.rfft2(x.real, norm=norm), 1e-15)
    close(FFT.ihfft2(t.real, norm=norm), halves_of(x.real, norm), 1e-15)
    close(FFT.hfft2(t, norm=norm), FFT.irfft2(t.conj(), norm=flipped(norm)).numpy(), 1e-15)


def flipped(norm):
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def halves_of(x, norm):
    return np.conj(np.fft.rfft2(x, norm=flipped(norm)))


def test_sizes_cut_and_pad():
    x = torch.from_numpy(numbers((3, 8), "c16"))
    for n in (1, 5, 8, 13):
        close(FFT.fft(x, n), np.fft.fft(x.numpy(), n), 1.2e-16)
    close(FFT.fftn(x, (5, -1)), np.fft.fftn(x.numpy(), (5, 8), (0, 1)), 1.2e-16)
    close(FFT.fftn(x, 4), np.fft.fft(x.numpy(), 4), 1.2e-16)
    assert FFT.fftn(x, dim=()).equal(x)
    assert FFT.fft(torch.ones(0), n=3).tolist() == [0, 0, 0]
    assert FFT.fft(torch.ones(0, 3)).shape == (0, 3)


def test_dtypes():
    for dtype in (torch.int64, torch.uint8, torch.bool):
        assert FFT.fft(torch.ones(4, dtype=dtype)).dtype is torch.complex64
        assert FFT.irfft(torch.ones(4, dtype=dtype)).dtype is torch.float32
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(RuntimeError, match="Unsupported dtype"):
            FFT.fft(torch.ones(4, dtype=dtype))


def test_imaginary_parts_of_the_ends_do_not_count():
    x = numbers(5, "c16")
    y = x.copy()
    y.imag[0] = y.imag[-1] = 0
    assert torch.equal(FFT.irfft(torch.from_numpy(x)), FFT.irfft(torch.from_numpy(y)))
    y = x.copy()
    y.imag[0] = 0
    assert torch.equal(FFT.irfft(torch.from_numpy(x), 9), FFT.irfft(torch.from_numpy(y), 9))


def test_threads_compute_the_same():
    x = torch.from_numpy(numbers((64, 1024), "c8"))
    long = torch.from_numpy(numbers(1 << 18, "f4"))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = FFT.fft(x), FFT.rfft(long), FFT.irfft(FFT.rfft(long))
        torch.set_num_threads(3)
        three = FFT.fft(x), FFT.rfft(long), FFT.irfft(FFT.rfft(long))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


@pytest.mark.parametrize("name", (*ONE_DIM, "fftn", "ifftn", "rfftn", "irfftn", "hfft2", "ihfft2"))
def test_gradients(name):
    real = name in ("rfft", "ihfft", "rfftn", "ihfft2")
    for shape in ((4, 5), (3, 6)):
        x = torch.from_numpy(numbers(shape, "f8" if real else "c16")).requires_grad_()
        for norm in (None, "ortho"):
            function = lambda t, n=norm: getattr(FFT, name)(t, norm=n)  # noqa: E731
            assert torch.autograd.gradcheck(function, (x,))
            assert torch.autograd.gradgradcheck(function, (x,))
    x = torch.ones(4, requires_grad=True)
    assert FFT.fft(x + 0j).grad_fn.name() == "FftC2CBackward0"
    assert FFT.rfft(x).grad_fn.name() == "FftR2CBackward0"
    assert FFT.irfft(x).grad_fn.name() == "FftC2RBackward0"


def test_out():
    x = torch.randn(3, 8)
    out = torch.empty(0, dtype=torch.complex64)
    assert FFT.rfft(x, out=out) is out and torch.equal(out, FFT.rfft(x))
    wide = torch.empty(3, 8, dtype=torch.complex128)
    FFT.fft(x, out=wide)
    assert torch.allclose(wide, FFT.fft(x).to(torch.complex128))
    with pytest.raises(RuntimeError, match="complex output"):
        FFT.fft(x, out=torch.empty(3, 8))
    with pytest.raises(RuntimeError, match="floating point output"):
        FFT.irfft(x, out=out)


@pytest.mark.parametrize(
    "error,call",
    [
        (RuntimeError, lambda x: FFT.fft(x, 0)),
        (RuntimeError, lambda x: FFT.fft(x, -1)),
        (TypeError, lambda x: FFT.fft(x, 2.5)),
        (TypeError, lambda x: FFT.fft(x, dim=(0,))),
        (IndexError, lambda x: FFT.fft(x, dim=2)),
        (IndexError, lambda x: FFT.fft(x[0, 0])),
        (IndexError, lambda x: FFT.fft2(x[0])),
        (RuntimeError, lambda x: FFT.fft(x, norm="no")),
        (RuntimeError, lambda x: FFT.fft(x[:, :0])),
        (RuntimeError, lambda x: FFT.rfft(x + 0j)),
        (RuntimeError, lambda x: FFT.ihfftn(x + 0j)),
        (RuntimeError, lambda x: FFT.irfft(x[:, :1])),
        (RuntimeError, lambda x: FFT.fftn(x, (1, 2, 3))),
        (RuntimeError, lambda x: FFT.fftn(x, (1, 2), (0,))),
        (RuntimeError, lambda x: FFT.fftn(x, dim=(0, -2))),
        (RuntimeError, lambda x: FFT.rfftn(x, dim=())),
        (RuntimeError, lambda x: FFT.irfftn(x, dim=())),
        (RuntimeError, lambda x: FFT.fftfreq(4, dtype=torch.int64)),
        (TypeError, lambda x: FFT.fftfreq(4.0)),
    ],
)
def test_wrong_arguments(error, call):
    with pytest.raises(error):
        call(torch.ones(3, 4))


def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        for d in (1.0, 0.25):
            np.testing.assert_allclose(FFT.fftfreq(n, d).numpy(), np.fft.fftfreq(n, d), rtol=1e-6)
            np.testing.assert_allclose(FFT.rfftfreq(n, d).numpy(), np.fft.rfftfreq(n, d), rtol=1e-6)
    assert FFT.fftfreq(4, dtype=torch.float64, requires_grad=True).requires_grad
    x = numbers((4, 5), "f8")
    for dim in (None, 0, (0, 1), [-1]):
        axes = tuple(dim) if isinstance(dim, list) else dim
        assert (FFT.fftshift(torch.from_numpy(x), dim).numpy() == np.fft.fftshift(x, axes)).all()
        assert (FFT.ifftshift(torch.from_numpy(x), dim).numpy() == np.fft.ifftshift(x, axes)).all()


# -- stft ---------------------------------------------------------------------------------------


def frames_by_hand(x, n_fft, hop, window):
    count = 1 + (len(x) - n_fft) // hop
    return np.stack([np.fft.rfft(x[i * hop : i * hop + n_fft] * window) for i in range(count)], -1)


def test_stft_is_the_transform_of_every_frame():
    x = numbers(200, "f8")
    window = np.hanning(32)
    t, w = torch.from_numpy(x), torch.from_numpy(window)
    got = torch.stft(t, 32, 9, window=w, center=False, return_complex=True)
    np.testing.assert_allclose(got.numpy(), frames_by_hand(x, 32, 9, window), atol=1e-12)
    centered = torch.stft(t, 32, 9, window=w, return_complex=True)
    wide = np.pad(x, 16, mode="reflect")
    np.testing.assert_allclose(centered.numpy(), frames_by_hand(wide, 32, 9, window), atol=1e-12)
    both = torch.stft(t, 32, 9, window=w, onesided=False, return_complex=True)
    np.testing.assert_allclose(both[:17].numpy(), centered.numpy(), atol=1e-12)
    unit = torch.stft(t, 32, 9, window=w, normalized=True, return_complex=True)
    np.testing.assert_allclose(unit.numpy() * 32**0.5, centered.numpy(), atol=1e-12)
    short = torch.stft(t, 32, 9, 20, w[:20], center=False, return_complex=True)
    padded = np.pad(window[:20], 6)
    np.testing.assert_allclose(short.numpy(), frames_by_hand(x, 32, 9, padded), atol=1e-12)
    aligned = torch.stft(
        t, 32, 9, 20, w[:20], center=False, return_complex=True, align_to_window=True
    )
    wide = np.pad(x, 6)
    np.testing.assert_allclose(aligned.numpy(), frames_by_hand(wide, 32, 9, padded), atol=1e-12)


@pytest.mark.parametrize("n_fft,hop,length", [(64, 16, 500), (50, 12, 333), (33, 11, 200)])
def test_istft_inverts(n_fft, hop, length):
    x = torch.from_numpy(numbers((3, length), "f8"))
    w = torch.hann_window(n_fft, dtype=torch.float64)
    for kwargs in ({}, {"normalized": True}, {"onesided": False}):
        s = torch.stft(x, n_fft, hop, window=w, return_complex=True, **kwargs)
        back = torch.istft(s, n_fft, hop, window=w, length=length, **kwargs)
        assert back.shape == x.shape and torch.allclose(back, x, atol=1e-12)
    z = x + 1j * x.flip(1)
    s = z.stft(n_fft, hop, window=w, onesided=False, return_complex=True)
    back = s.istft(n_fft, hop, window=w, length=length, return_complex=True)
    assert torch.allclose(back, z, atol=1e-12)


def test_stft_gradients():
    x = torch.from_numpy(numbers(40, "f8")).requires_grad_()
    w = torch.hann_window(12, dtype=torch.float64).requires_grad_()
    transform = lambda x, w: torch.stft(x, 12, 4, window=w, return_complex=True)  # noqa: E731
    assert torch.autograd.gradcheck(transform, (x, w))
    assert torch.autograd.gradgradcheck(transform, (x, w))
    s = transform(x, w).detach().requires_grad_()
    w = (torch.hann_window(12, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, w: torch.istft(s, 12, 4, window=w), (s, w))


@pytest.mark.parametrize(
    "error,call",
    [
        (RuntimeError, lambda x, w: torch.stft(x, 100, window=w)),
        (RuntimeError, lambda x, w: torch.stft(x, 0, return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x, 100, 0, window=w, return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x, 100, win_length=80, window=w,
                                               return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x, 900, return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x[None, None], 100, window=w, return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x.long(), 100, window=w, return_complex=True)),
        (RuntimeError, lambda x, w: torch.stft(x + 0j, 100, window=w, onesided=True)),
        (RuntimeError, lambda x, w: torch.stft(x, 100, window=w, align_to_window=True,
                                               return_complex=True)),
        (NotImplementedError, lambda x, w: torch.stft(x, 100, window=w, pad_mode="no",
                                                      return_complex=True)),
        (TypeError, lambda x, w: torch.stft(x, 100.0, return_complex=True)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 5), 100, window=w)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(50, 5) + 0j, 100, window=w)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 5) + 0j, 100, window=w,
                                                center=False)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 5) + 0j, 100, window=w * 0)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 5) + 0j, 100, 200, window=w)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 0) + 0j, 100, window=w)),
        (RuntimeError, lambda x, w: torch.istft(torch.ones(51, 5) + 0j, 100, window=w,
                                                return_complex=True)),
        (IndexError, lambda x, w: torch.istft(torch.ones(51) + 0j, 100, window=w)),
    ],
)  # fmt: skip
def test_wrong_arguments_of_stft(error, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error):
            call(torch.ones(400), torch.hann_window(100))


def test_istft_warns_of_missing_samples():
    w = torch.hann_window(100)
    s = torch.stft(torch.ones(2, 400), 100, window=w, return_complex=True)
    with pytest.warns(UserWarning, match="shorter than the length"):
        got = torch.istft(s, 100, window=w, length=500)
    assert got.shape == (2, 500) and (got[:, 460:] == 0).all()


def test_frames_are_a_view_until_the_window():
    """One batched transform of overlapping frames: no copy of the signal a frame."""
    x = torch.randn(4, 4000)
    got = torch.stft(x, 400, 100, window=torch.ones(400), center=False, return_complex=True)
    assert got.shape == (4, 201, 37) and got.stride() == (201 * 37, 1, 201)


@pytest.mark.parametrize("mode", ("constant", "reflect", "replicate", "circular"))
def test_stft_agrees_with_torch(mode):
    oracle = pytest.importorskip("torch")
    x = numbers((2, 300), "f4")
    for n_fft, hop, win in ((64, 16, 64), (50, 7, 31), (100, None, None)):
        results = []
        for m in (oracle, torch):
            w = m.hann_window(win or n_fft)
            s = m.stft(m.from_numpy(x), n_fft, hop, win, w, pad_mode=mode, return_complex=True)
            results.append((s.numpy(), m.istft(s, n_fft, hop, win, w, length=290).numpy()))
        for theirs, ours in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-4)
