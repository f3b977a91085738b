"""torch.binomial: counts of events among independent trials."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .random import _unit53

_NAMES = {_C.float32: "Float", _C.float64: "Double", _C.float16: "Half", _C.bfloat16: "BFloat16"}


@op("", kernel="binomial", node="Binomial", name="binomial")
class _binomial:
    """Counts for operands of one shape and dtype."""

    random = True

    def forward(count, prob, generator=None):
        # The law is the kernel's, the draws are not: a uniform for every trial.
        flat = zip(count.reshape(-1), prob.reshape(-1), strict=True)
        drawn = [(_unit53(generator, int(n)) < p).sum() for n, p in flat]
        return np.array(drawn, count.dtype).reshape(count.shape)

    def grad_count(g):
        return g * 0

    def grad_prob(g):
        return g * 0

    def samples(make):
        yield make(3, 5, low=0, high=40), make(3, 5, low=0)


@public("torch.binomial")
def binomial(count, prob, generator=None):
    """How many of `count` trials succeed, each with probability `prob`; operands broadcast."""
    for name, t in (("count", count), ("prob", prob)):
        if not isinstance(t, _C.Tensor):
            raise TypeError(f"binomial(): argument '{name}' must be Tensor, not {type(t).__name__}")
        if not t.dtype.is_floating_point:
            kind = t.type().rpartition(".")[2].removesuffix("Tensor")
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {kind}"
            )
    if prob.dtype is not count.dtype:
        raise RuntimeError(f"Found dtype {_NAMES[prob.dtype]} but expected {_NAMES[count.dtype]}")
    if count.dtype not in (_C.float32, _C.float64):
        raise NotImplementedError(f"\"binomial_cpu\" not implemented for '{_NAMES[count.dtype]}'")
    from .. import broadcast_tensors

    return _binomial(*broadcast_tensors(count, prob), generator)
