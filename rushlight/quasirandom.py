"""torch.quasirandom: Sobol sequences, points that fill a cube evenly."""

from __future__ import annotations

from . import Generator, Tensor, from_numpy, get_default_dtype, int64, randint
from ._lazy import np

__all__ = ["SobolEngine"]


def _bits_to_numbers(bits):
    """Rows of bits, the highest first, as numbers."""
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1], dtype=np.int64)[::-1])


def _direction_numbers(dimension: int, maxbit: int):
    """The matrix (dimension, maxbit) of direction numbers v_k = m_k 2**(maxbit - k).

    From those of S. Joe and F. Y. Kuo (2008), packed by tools/pack_sobol.py. A dimension whose
    polynomial has degree s and inner coefficients a_1 .. a_{s-1} goes on from its s first ones by
    m_k = 2 a_1 m_{k-1} ^ ... ^ 2**(s-1) a_{s-1} m_{k-s+1} ^ 2**s m_{k-s} ^ m_{k-s}.
    """
    import os

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sobol.bin")
    with open(path, "rb") as file:
        packed = np.frombuffer(file.read(), dtype=np.uint8)
    counts = packed.view("<u2")[:64] if len(packed) % 2 == 0 else packed[:-1].view("<u2")[:64]
    counts = counts[: int(np.argmin(counts != 0))].tolist()
    stream = np.unpackbits(packed[2 * len(counts) + 2 :])
    odd = np.ones((dimension, maxbit), dtype=np.int64)  # the first dimension: m_k = 1
    row, place = 1, 0
    for s, count in enumerate(counts, 1):
        width = s - 1 + s * (s - 1) // 2
        taken = min(count, dimension - row)
        if taken <= 0:
            break
        bits = stream[place : place + taken * width].reshape(taken, width)
        place += count * width
        m = odd[row : row + taken]
        start = s - 1
        for i in range(1, s):
            m[:, i] = 2 * _bits_to_numbers(bits[:, start : start + i]) + 1
            start += i
        for k in range(s, maxbit):
            new = m[:, k - s] ^ (m[:, k - s] << s)
            for j in range(1, s):
                new ^= bits[:, j - 1] * (m[:, k - j] << j)
            m[:, k] = new
        row += taken
    return odd << np.arange(maxbit - 1, -1, -1)


class SobolEngine:
    """Draws points of a scrambled or plain Sobol sequence in `dimension` dims, from 1 to 21201.

    `scramble` shuffles it by random matrices and a random shift, from `seed` where it is given.
    ValueError for other dimensions.
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None):
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.seed = seed
        self.scramble = scramble
        self.dimension = dimension
        self.sobolstate = from_numpy(_direction_numbers(dimension, self.MAXBIT))
        if scramble:
            self._scramble()
        else:
            self.shift = from_numpy(np.zeros(dimension, dtype=np.int64))
        self.quasi = self.shift.clone()
        self._first_point = (self.quasi / 2**self.MAXBIT).reshape(1, -1)
        self.num_generated = 0

    def draw(self, n: int = 1, out: Tensor | None = None, dtype=None) -> Tensor:
        """The next `n` points, (n, dimension), from 0 to 1."""
        dtype = get_default_dtype() if dtype is None else dtype
        begin = self.num_generated
        result = from_numpy(self._points(n)).to(dtype)
        # Rounded in the type itself, as 30 bits do not fit into float32.
        result = result * 2.0**-self.MAXBIT
        if begin == 0 and n:
            result[0] = self._first_point[0].to(dtype)
        if out is not None:
            return out.resize_(result.shape).copy_(result)
        return result

    def _points(self, n: int):
        """The next `n` points as whole numbers; the engine moves on."""
        if n <= 0:
            return np.zeros((0, self.dimension), dtype=np.int64)
        # Point k is the shift ^ the directions in the Gray code k ^ (k >> 1): linear in k's bits.
        state = self.sobolstate.numpy().T.astype(np.int32)
        steps = state ^ np.concatenate([np.zeros_like(state[:1]), state[:-1]])
        size = 1 << (n - 1).bit_length()
        block = np.zeros((size, self.dimension), dtype=np.int32)
        for bit in range((n - 1).bit_length()):
            np.bitwise_xor(block[: 1 << bit], steps[bit], out=block[1 << bit : 2 << bit])
        parts = []
        place, end = self.num_generated, self.num_generated + n
        while place < end:
            high, low = divmod(place, size)
            start = self.shift.numpy().astype(np.int32)
            for bit in range(self.MAXBIT):
                if high * size >> bit & 1:
                    start = start ^ steps[bit]
            parts.append(block[low : min(low + end - place, size)] ^ start)
            place += len(parts[-1])
        points = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self.quasi = from_numpy(points[-1].astype(np.int64))
        self.num_generated = end
        return points

    def draw_base2(self, m: int, out: Tensor | None = None, dtype=None) -> Tensor:
        """The next 2**m points; ValueError where all that were drawn are then no power of two."""
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1) != 0:
            raise ValueError(
                "The balance properties of Sobol' points require "
                f"n to be a power of 2. {self.num_generated} points have been "
                f"previously generated, then: n={self.num_generated}+2**{m}={total}. "
                "If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n=n, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Begin again; returns itself."""
        self.quasi = self.shift.clone()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out `n` points; returns itself."""
        if n > 0:
            self.num_generated += n - 1
            self._points(1)
        return self

    def _scramble(self) -> None:
        g = Generator() if self.seed is not None else None
        if g is not None:
            g.manual_seed(self.seed)
        bits = randint(2, (self.dimension, self.MAXBIT), generator=g, dtype=int64).numpy()
        weights = 1 << np.arange(self.MAXBIT, dtype=np.int64)
        self.shift = from_numpy(bits @ weights)
        # A random lower triangle of bits, with ones on the diagonal, for each dimension.
        shape = (self.dimension, self.MAXBIT, self.MAXBIT)
        lower = np.tril(randint(2, shape, generator=g, dtype=int64).numpy(), -1)
        lower += np.eye(self.MAXBIT, dtype=np.int64)
        old = self.sobolstate.numpy()
        high_first = np.arange(self.MAXBIT - 1, -1, -1)
        columns = (old[:, None, :] >> high_first[:, None]) & 1  # (dimension, bit, direction)
        mixed = (lower @ columns) & 1
        self.sobolstate = from_numpy((mixed << high_first[:, None]).sum(1))

    def __repr__(self) -> str:
        words = [f"dimension={self.dimension}"]
        words += ["scramble=True"] if self.scramble else []
        words += [f"seed={self.seed}"] if self.seed is not None else []
        return f"{type(self).__name__}({', '.join(words)})"
