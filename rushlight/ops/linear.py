"""Linear layers: a product with a transposed weight, and a bias."""

from __future__ import annotations

from ..op import conj, op, public
from .matmul import _rows, addmm, matmul, mm


@op("", outputs="tuple", differentiable=("grad", "input", "weight"))
class linear_backward:
    """The wanted ones of the gradients of a linear map: input's, weight's and bias's."""

    def forward(grad, input, weight, need_input, need_weight, need_bias):
        rows = grad.reshape(-1, weight.shape[0])
        wanted = (
            (need_input, lambda: (rows @ weight).reshape(input.shape)),
            (need_weight, lambda: rows.T @ input.reshape(-1, weight.shape[1])),
            (need_bias, lambda: rows.sum(0)),
        )
        return tuple(make() for need, make in wanted if need)

    def backward(g, grad, input, weight, need_input, need_weight, need_bias, needs):
        parts = iter(g)
        gi = next(parts) if need_input else None
        gw = next(parts) if need_weight else None
        gb = next(parts) if need_bias else None
        to_grad = to_input = to_weight = None
        if needs[0]:
            terms = [linear(gi, conj(weight)) if gi is not None else None]
            terms += [linear(conj(input), gw) if gw is not None else None]
            terms += [gb.expand(grad.shape) if gb is not None else None]
            to_grad = _total(terms)
        if needs[1] and gw is not None:
            to_input = matmul(conj(grad), gw)
        if needs[2] and gi is not None:
            to_weight = mm(_rows(conj(grad)).t(), _rows(gi))
        return to_grad, to_input, to_weight

    def samples(make):
        yield make(3, 5), make(3, 4), make(5, 4), True, True, True
        yield make(2, 3, 5), make(2, 3, 4), make(5, 4), True, False, True
        yield make(5), make(4), make(5, 4), False, True, False


def _total(terms):
    terms = [t for t in terms if t is not None]
    if not terms:
        return None
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


def _declare_linear(own, node_name, biased):
    # The edges stand as those of PyTorch's addmm and mm do.
    edges = ("bias", "input", "weight") if biased else ("input", "weight")

    @op("", kernel="linear", node=node_name, name=own, differentiable=edges)
    class linear:
        """Multiply rows by the transposed weight and add the bias."""

        def forward(input, weight, bias=None):
            y = input @ weight.T
            return y if bias is None else y + bias

        def backward(g, input, weight, needs):
            need_bias = biased and needs[0]
            found = linear_backward(g, conj(input), conj(weight), needs[-2], needs[-1], need_bias)
            return (found[-1], *found[:-1]) if need_bias else found

        def samples(make):
            yield make(3, 4), make(5, 4), make(5) if biased else None
            yield make(2, 3, 4), make(5, 4), make(5) if biased else None
            yield make(4), make(5, 4), make(5) if biased else None

    return linear


# One operator, five names of its node: PyTorch composes `linear` differently by rank and bias.
_linear_addmm = _declare_linear("linear_addmm", "Addmm", True)


_linear_view = _declare_linear("linear_view", "View", True)


_linear_mm = _declare_linear("linear_mm", "Mm", False)


_linear_unsafe_view = _declare_linear("linear_unsafe_view", "UnsafeView", False)


_linear_row = _declare_linear("linear_row", "SqueezeBackward4", False)


def _with_broad_bias(input, weight, bias):
    if input.ndim == 2:
        return addmm(bias, input, weight.t())
    if bias.ndim == 2 and bias.shape[0] == 1:
        return linear(input, weight, bias.flatten())
    return linear(input, weight) + bias


@public("F.linear")
def linear(input, weight, bias=None):
    """Multiply `input` (..., in) by `weight` (out, in) transposed and add `bias` (out)."""
    try:
        ndim = input.ndim
        if bias is not None:
            if bias.ndim > 1:
                return _with_broad_bias(input, weight, bias)
            return (_linear_addmm if ndim == 2 else _linear_view)(input, weight, bias)
        flat = weight.ndim == 1
    except AttributeError:
        return _linear_addmm(input, weight, bias)  # the operator says what is wrong
    if flat and ndim:
        return matmul(input, weight)
    if ndim == 2:
        return _linear_mm(input, weight)
    return (_linear_unsafe_view if ndim != 1 else _linear_row)(input, weight)
