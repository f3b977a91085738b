"""Random fills and samples. Every number and the generator's state follow PyTorch bit for bit.

The forwards here say what is drawn, over NumPy arrays and in row-major order; the kernels
(csrc/cpu/random*.cpp) also visit strided tensors in the order of their memory.
"""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import inplace_form, op, public

_WORD_BITS = 32
_TWO_WORDS_FROM = 1 << 28  # spans from here on take two words a number


def words(generator, n):
    """The generator's next n 32-bit words, as int64."""
    return np.asarray(_C.buffer(_C.random_words(n, generator)))


def _pairs(generator, n):
    w = words(generator, 2 * n).astype(np.uint64)
    return (w[0::2] << np.uint64(_WORD_BITS)) | w[1::2]


def _unit24(generator, n):
    return ((words(generator, n) & 0xFFFFFF) * 2.0**-24).astype(np.float32)


def _unit53(generator, n):
    return (_pairs(generator, n) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53


def _shaped(values, like):
    return values.reshape(like.shape).astype(like.dtype)


def _normal_pairs(generator, n):
    u = _unit53(generator, 2 * ((n + 1) // 2))
    radius, angle = np.sqrt(-2 * np.log1p(-u[1::2])), 2 * np.pi * u[0::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:n]


def _normal_blocks(generator, n, wide):
    def blocks(u):
        u = u.astype(np.float64).reshape(-1, 2, 8)
        radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)

    draw = _unit53 if wide else _unit24
    z, rest = blocks(draw(generator, n)[: n // 16 * 16]), n % 16
    if rest:
        z = np.concatenate([z[: n - 16], blocks(draw(generator, 16))])
    return z


@op("Tensor.uniform_", kernel="uniform_fill", node="Uniform")
class uniform:
    """Fill with numbers spread evenly over [from_, to)."""

    random = True

    def forward(input, from_=0.0, to=1.0, *, generator=None):
        draw = _unit53 if input.dtype == np.float64 else _unit24
        values = draw(generator, input.size) * (to - from_) + from_
        return _shaped(np.where(values == to, from_, values), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(3, 5),)
        yield make(4, 4), -2.0, 3.0


@op("Tensor.normal_", kernel="normal_fill", node="Normal")
class normal:
    """Fill from the normal distribution, in pairs below 16 elements and in blocks of 16 above."""

    random = True

    def forward(input, mean=0.0, std=1.0, *, generator=None):
        n = input.size
        if n < 16:
            return _shaped(_normal_pairs(generator, n) * std + mean, input)
        return _shaped(_normal_blocks(generator, n, input.dtype == np.float64) * std + mean, input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(2, 2),)
        yield make(4, 5), 1.0, 0.5


@op("Tensor.exponential_", kernel="exponential_fill", node="Exponential")
class exponential:
    """Fill from the exponential distribution of rate `lambd`."""

    random = True

    def forward(input, lambd=1.0, *, generator=None):
        return _shaped((-1.0 / lambd) * np.log1p(-_unit53(generator, input.size)), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(3, 5),)
        yield make(7), 2.5


@op("Tensor.cauchy_", kernel="cauchy_fill", node="Cauchy")
class cauchy:
    """Fill from the Cauchy distribution."""

    random = True

    def forward(input, median=0.0, sigma=1.0, *, generator=None):
        angle = np.pi * (_unit53(generator, input.size) - 0.5)
        return _shaped(np.tan(angle) * sigma + median, input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(3, 5),)
        yield make(7), 1.0, 2.5


@op("Tensor.geometric_", kernel="geometric_fill", node="Geometric")
class geometric:
    """Fill with the number of trials up to the first success of probability p, from 1 on."""

    random = True

    def forward(input, p, *, generator=None):
        u = _unit53(generator, input.size)
        return _shaped(np.ceil(np.log(u) / np.log1p(-p)), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield make(3, 5), 0.3


@op("Tensor.log_normal_", kernel="log_normal_fill", node="LogNormal")
class log_normal:
    """Fill with the exponential of normal numbers; `mean` and `std` are those of the logarithm."""

    random = True

    def forward(input, mean=1.0, std=2.0, *, generator=None):
        return _shaped(np.exp(_normal_pairs(generator, input.size) * std + mean), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(2, 2),)
        yield make(4), 0.0, 0.5


@op("", kernel="random_fill", node="RandomBackward0")
class random:
    """Fill with integers of [from_, to); None for `to` means all that the type holds."""

    random = True

    def forward(input, from_=None, to=None, *, generator=None):
        low = 0 if from_ is None else from_
        high = np.iinfo(input.dtype).max + 1 if to is None else to
        two = high - low >= _TWO_WORDS_FROM and (to is not None or input.dtype == np.int64)
        drawn = _pairs(generator, input.size) if two else words(generator, input.size)
        rest = drawn.astype(np.uint64) % np.uint64(high - low)
        return _shaped(rest.astype(np.int64) + low, input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield make(3, 5), -2, 9
        yield make(7), 0, 2**20


@op("", kernel="bernoulli_fill", node="BernoulliBackward2", name="bernoulli")
class bernoulli_number:
    """Fill with ones of probability p, zeros otherwise."""

    random = True

    def forward(input, p=0.5, *, generator=None):
        return _shaped(_unit53(generator, input.size) < p, input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield make(3, 5), 0.3


@op("", kernel="bernoulli_tensor_fill", node="BernoulliBackward1")
class bernoulli_tensor:
    """Fill with ones of the probabilities in `p`, which broadcasts to the input."""

    random = True

    def forward(input, p, *, generator=None):
        draw = _unit53 if p.dtype == np.float64 else _unit24
        chance = np.broadcast_to(p, input.shape).reshape(-1)
        return _shaped(draw(generator, input.size) < chance, input)

    def grad_input(g):
        return g * 0

    def grad_p(g):
        return g * 0

    def samples(make):
        yield make(3, 5), make(5, low=0)


@op("", kernel="bernoulli", node="Bernoulli")
class bernoulli_sample:
    """Ones of the probabilities in `input`; row-major whatever the input's strides."""

    random = True

    def forward(input, *, generator=None):
        draw = _unit53 if input.dtype == np.float64 else _unit24
        return _shaped(draw(generator, input.size) < input.reshape(-1), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(3, 5, low=0),)


@op("torch.poisson", kernel="poisson", node="Poisson")
class poisson:
    """Counts of the rates in `input`, in its dtype."""

    random = True

    def forward(input, generator=None):
        return _shaped(np.array([_poisson(generator, rate) for rate in input.reshape(-1)]), input)

    def grad_input(g):
        return g * 0

    def samples(make):
        yield (make(3, 5, low=0, high=9),)


def _poisson(generator, rate):
    # Knuth's product of uniforms: the law is the kernel's, from rate 10 on the draws are not.
    limit, product, count = np.exp(-float(rate)), 1.0, 0
    while rate > 0:
        product *= _unit53(generator, 1)[0]
        if product <= limit:
            break
        count += 1
    return count


@op("", kernel="normal", node="NormalBackward3")
class normal_sample:
    """mean + std * z, each step rounded; at least one of the two is a tensor."""

    random = True

    def forward(mean, std, *, generator=None):
        shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
        like = np.zeros(shape, (mean if np.ndim(mean) else std).dtype)
        return _shaped(normal.declaration.forward(like, generator=generator) * std + mean, like)

    def grad_mean(g):
        return g * 0

    def grad_std(g):
        return g * 0

    def samples(make):
        yield make(4, 5), make(5, low=0)
        yield make(4, 5), 2.0
        yield 1.0, make(4, 5, low=0)


@op("torch.multinomial Tensor.multinomial", kernel="multinomial")
class multinomial:
    """Draw category numbers by the weights in the last dim of `input`, (n) or (rows, n)."""

    random = True

    def forward(input, num_samples, replacement=False, *, generator=None):
        if not replacement or num_samples == 1:
            race = input.reshape(-1) / -np.log1p(-_unit53(generator, input.size))
            return np.argsort(-race.reshape(input.shape), -1, kind="stable")[..., :num_samples]
        rows = np.atleast_2d(input)
        sums = np.cumsum(rows, 1) / rows.sum(1, keepdims=True)
        sums[:, -1] = 1
        drawn = [np.searchsorted(row, _unit53(generator, num_samples)) for row in sums]
        return np.array(drawn).reshape(input.shape[:-1] + (num_samples,))

    def samples(make):
        yield make(7, low=0.1, grad=False), 3
        yield make(2, 7, low=0.1, grad=False), 9, True


@op("", kernel="randperm", name="randperm")
class permutation:
    """The numbers 0 .. n-1 in random order."""

    random = True

    def forward(n, dtype=None, *, generator=None):
        order = np.arange(n)
        for i, word in enumerate(words(generator, max(n - 1, 0))):
            j = i + word % (n - i)
            order[i], order[j] = order[j], order[i]
        return order

    def samples(make):
        yield (9,)


# -- fronts ------------------------------------------------

random_inplace = inplace_form(random)
_bernoulli_inplace = inplace_form(bernoulli_number)
_bernoulli_tensor_inplace = inplace_form(bernoulli_tensor)
_ABSENT = object()


@public("Tensor.random_")
def random_(input, from_=_ABSENT, to=_ABSENT, *, generator=None):
    """Fill with whole numbers: random_(), random_(to) or random_(from, to)."""
    if from_ is _ABSENT:
        return random_inplace(input, None, None if to is _ABSENT else to, generator=generator)
    if to is _ABSENT:
        from_, to = 0, from_
    for value in (from_, to):
        if isinstance(value, (float, complex, str)):
            raise TypeError(
                "random_() received an invalid combination of arguments - got "
                f"({type(value).__name__}), expected whole numbers"
            )
    return random_inplace(input, from_, to, generator=generator)


@public("Tensor.bernoulli_")
def bernoulli_(input, p=0.5, *, generator=None):
    """Fill with ones of probability p (a number, or a tensor that broadcasts)."""
    fill = _bernoulli_tensor_inplace if isinstance(p, _C.Tensor) else _bernoulli_inplace
    return fill(input, p, generator=generator)


@public("torch.bernoulli Tensor.bernoulli")
def bernoulli(input, p=None, *, generator=None, out=None):
    """Ones of the probabilities in `input`, or of probability p in its shape and dtype."""
    if out is not None:
        _fit(out, input.shape)
        return bernoulli_(out, input if p is None else p, generator=generator)
    if p is None:
        return bernoulli_sample(input, generator=generator)
    like = input.detach().new_empty(input.shape)
    return bernoulli_(like, p, generator=generator)


def _fit(out, shape):
    if out.shape != shape:
        out.resize_(shape)
