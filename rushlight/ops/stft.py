"""Short-time Fourier transforms: frames of a signal, each under a window, and back again."""

from __future__ import annotations

import warnings

from .. import _C
from ..op import public
from ._integers import whole
from ._lanes import some
from .fft import fft_c2c, fft_c2r, fft_r2c, overlap_add

Tensor = _C.Tensor

_NO_WINDOW = (
    "A window was not provided. A rectangular window will be applied, which is known to cause "
    "spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are "
    "recommended to reduce spectral leakage. To suppress this warning and use a rectangular "
    "window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
_warned = set()


def warn_once(message):
    """A UserWarning, the first time in this process."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, UserWarning, stacklevel=3)


def check_lengths(name, n_fft, hop, win, window):
    """The three lengths as integers, RuntimeError unless they and the window fit together."""
    n_fft = whole(name, "n_fft", n_fft)
    hop = n_fft // 4 if hop is None else whole(name, "hop_length", hop)
    win = n_fft if win is None else whole(name, "win_length", win)
    if n_fft < 1:
        raise RuntimeError(f"{name}: expected n_fft > 0, but got n_fft={n_fft}")
    if hop < 1:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win <= n_fft:
        raise RuntimeError(
            f"{name}: expected 0 < win_length <= n_fft, but got win_length={win}, n_fft={n_fft}"
        )
    if window is not None and (window.ndim != 1 or window.shape[0] != win):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={win}, "
            f"but got window with size {list(window.shape)}"
        )
    return n_fft, hop, win


def centered(window, n_fft):
    """The window with zeros on both sides, n_fft long."""
    if window.shape[0] == n_fft:
        return window
    left = (n_fft - window.shape[0]) // 2
    wide = window.new_zeros(n_fft)
    if _C.any_requires_grad((window,)):
        from .join import cat

        return cat((wide[:left], window, wide[left + window.shape[0] :]))
    wide[left : left + window.shape[0]] = window
    return wide


def padded(input, n_fft, pad_mode):
    """Half a frame more on both sides, which centres frame t at t * hop."""
    from ..nn.functional import pad

    shape = input.shape
    if input.ndim > 2:
        raise RuntimeError(
            f"stft: expected a 1D or 2D tensor with optional batch, but got {list(shape)}"
        )
    flat = input.reshape(1, *([1] * (2 - input.ndim)), *shape)
    if flat.numel() == 0 or (pad_mode == "reflect" and n_fft // 2 >= flat.shape[-1]):
        raise RuntimeError(
            "stft: padding size should be less than the corresponding input dimension, but got: "
            f"padding {n_fft // 2} and input of shape {list(shape)}"
        )
    return pad(flat, [n_fft // 2, n_fft // 2], pad_mode).reshape(*shape[:-1], -1)


@public("torch.stft Tensor.stft")
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The transform of overlapping frames of a (batch of) signal: (batch, frequencies, frames).

    hop_length: n_fft // 4 by default. Real results come as (..., 2) with return_complex False.
    """
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if window is None:
        warn_once(_NO_WINDOW)
    n_fft = whole("stft", "n_fft", n_fft)
    if center and n_fft > 0:
        input = padded(input, n_fft, pad_mode)
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if not return_complex:
        warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will "
            "return complex tensors for all inputs, and return_complex=False will raise an error.\n"
            "Note: you can still call torch.view_as_real on the complex output to recover the old "
            "return format."
        )
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    n_fft, hop, win = check_lengths("stft", n_fft, hop_length, win_length, window)
    frames = _frames(input, n_fft, hop, win, align_to_window)
    if window is not None:
        frames = frames * centered(window, n_fft)
    elif win < n_fft:
        frames = frames * centered(input.new_ones(win), n_fft)
    got = _spectrum(frames, normalized, not is_complex if onesided is None else onesided)
    got = got.transpose(-2, -1)
    if return_complex:
        return got
    from .complex import view_as_real

    return view_as_real(got)


def _frames(input, n_fft, hop, win, align_to_window):
    """A view (..., frames, n_fft) of the signal."""
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            f"stft: expected a tensor of floating point or complex values, got {input.dtype}"
        )
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.ndim}D")
    if n_fft > input.shape[-1]:
        raise RuntimeError(
            f"stft: expected 0 < n_fft <= {input.shape[-1]}, the length of the signal, "
            f"but got n_fft={n_fft}"
        )
    if align_to_window:  # the first window, not the first frame, starts at the first sample
        from ..nn.functional import pad

        left = (n_fft - win) // 2
        input = pad(input, [left, n_fft - win - left])
    return input.unfold(-1, n_fft, hop)


def _spectrum(frames, normalized, onesided):
    from .fft_functions import promoted

    frames = promoted(frames)
    scale = frames.shape[-1] ** -0.5 if normalized else 1.0
    if frames.dtype.is_complex:
        return fft_c2c(frames, [frames.ndim - 1], scale, True)
    return fft_r2c(frames, [frames.ndim - 1], scale, True, onesided)


@public("torch.istft Tensor.istft")
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is nearest: overlapping frames added up (Griffin and Lim, 1984).

    input: (batch, frequencies, frames), complex. length: of the result.
    """
    if window is None:
        warn_once(_NO_WINDOW.replace("which is known to cause spectral leakage", "please give the "
                  "same window to stft and istft"))  # fmt: skip
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    n_fft, hop, win = check_lengths("istft", n_fft, hop_length, win_length, window)
    onesided = _check_spectrum(input, n_fft, hop, win, onesided, return_complex, window)
    spectrum = input.transpose(-2, -1)
    real_window = window if window is not None else input.real.new_ones(win)
    wide = centered(real_window, n_fft)
    scale = n_fft**-0.5 if normalized else 1.0 / n_fft
    if return_complex:
        frames = fft_c2c(spectrum, [input.ndim - 1], scale, False)
    else:
        half = spectrum if onesided else spectrum.narrow(-1, 0, n_fft // 2 + 1)
        frames = fft_c2r(half, [input.ndim - 1], scale, False, n_fft)
    summed = overlap_add(frames * wide, hop)
    count = input.shape[-1]
    envelope = overlap_add((wide * wide).expand(count, n_fft), hop)
    return _trimmed(summed, envelope, n_fft, center, length)


def _check_spectrum(input, n_fft, hop, win, onesided, return_complex, window):
    """Whether the spectrum is one half of a mirrored one; errors for what cannot be inverted."""
    if input.numel() == 0:
        raise RuntimeError("istft: input tensor cannot be empty")
    if input.ndim < 2:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-2, 1], but got -3): istft "
            f"expects (batch, frequencies, frames), got {input.ndim}D"
        )
    if input.ndim > 3:
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, got {input.ndim}")
    if hop > win:
        raise RuntimeError(f"istft: expected hop_length <= win_length={win}, but got {hop}")
    bins = input.shape[-2]
    if onesided is None:
        onesided = bins != n_fft
    if return_complex:
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
    elif window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if bins != wanted:
        raise RuntimeError(
            f"istft: expected the frequency dimension (2nd to the last) of the input tensor to "
            f"match {'n_fft // 2 + 1' if onesided else 'n_fft'}={wanted}, but got {bins}"
        )
    return onesided


def _trimmed(summed, envelope, n_fft, center, length):
    """The sum of frames over the sum of squared windows, without the padding."""
    start = n_fft // 2 if center else 0
    end = summed.shape[-1] - start if length is None and center else summed.shape[-1]
    if length is not None:
        end = start + length
    y, weight = summed[..., start:end], envelope[start:end]
    if weight.numel() == 0 or some(weight.detach().abs() < 1e-11):
        raise RuntimeError(
            "istft: window overlap add min: 1; the windows must cover the whole result (NOLA): "
            "choose another window, a smaller hop_length, or center=True"
        )
    y = y / weight
    missing = 0 if length is None else length - y.shape[-1]
    if missing > 0:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded "
            "with zeros in the tail. Please check your center and hop_length settings.",
            UserWarning,
            stacklevel=3,
        )
        from .join import cat

        y = cat((y, y.new_zeros((*y.shape[:-1], missing))), -1)
    return y
