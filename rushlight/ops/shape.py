"""Views of a whole tensor: the same storage with another shape or order of dims."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public
from ._integers import integers


@op("Tensor.alias", view=True)
class alias:
    """The whole tensor as a view of itself."""

    def forward(input):
        return input

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)


@op("Tensor.view", view=True, varargs="size")
class view:
    """The same elements with another shape, or seen as another dtype; never copies."""

    def forward(input, size):
        return input.reshape(size)

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield make(12), (3, 4)
        yield make(12), (2, -1)
        yield make(1), ()


@op("torch.reshape Tensor.reshape", view=True, varargs="shape", node="View")
class reshape:
    """The same elements with another shape: a view when strides allow, else a copy."""

    def forward(input, shape):
        return input.reshape(shape)

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield make(2, 6), (3, 4)
        yield make(2, 3, 4), (-1, 4)


@op("torch.flatten Tensor.flatten", view=True, node="View")
class flatten:
    """Join the dims from `start_dim` to `end_dim` into one."""

    def forward(input, start_dim=0, end_dim=-1):
        n = max(input.ndim, 1)
        start, end = start_dim % n, end_dim % n
        shape = input.shape or (1,)
        return input.reshape(
            *shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]
        )

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield (make(2, 3, 4),)
        yield make(2, 3, 4), 1


@op(
    "torch.transpose torch.swapaxes torch.swapdims "
    "Tensor.transpose Tensor.swapaxes Tensor.swapdims",
    view=True,
)
class transpose:
    """Exchange two dims."""

    def forward(input, dim0, dim1):
        return np.swapaxes(input, dim0, dim1) if input.ndim else input

    def grad_input(g, dim0, dim1):
        return g.transpose(dim0, dim1)

    def samples(make):
        yield make(2, 3, 4), 0, 2
        yield make(2, 3), -1, -2


@op("torch.t Tensor.t", view=True)
class t:
    """Transpose a matrix; tensors of fewer dims stay as they are."""

    def forward(input):
        return input.T

    def grad_input(g):
        return g.t()

    def samples(make):
        yield (make(2, 3),)
        yield (make(3),)


@op("torch.permute Tensor.permute", view=True, varargs="dims")
class permute:
    """Reorder dims."""

    def forward(input, dims):
        return input.transpose(dims)

    def grad_input(g, dims):
        back = [0] * len(dims)
        for i, d in enumerate(dims):
            back[d] = i
        return g.permute(back)

    def samples(make):
        yield make(2, 3, 4), (2, 0, 1)
        yield make(2, 3, 4), (-1, 0, 1)


@op("Tensor.expand", view=True, varargs="size")
class expand:
    """Repeat dims of size 1 without copying; -1 keeps a size."""

    def forward(input, size, *, implicit=False):
        lead = len(size) - input.ndim
        shape = [input.shape[i - lead] if s == -1 else s for i, s in enumerate(size)]
        return np.broadcast_to(input, shape)

    def grad_input(g):
        return g  # the engine sums to the input's shape

    def samples(make):
        yield make(3, 1), (3, 4)
        yield make(1), (2, -1)


@op("torch.unsqueeze Tensor.unsqueeze", view=True)
class unsqueeze:
    """Insert a dim of size 1."""

    def forward(input, dim):
        return np.expand_dims(input, dim)

    def grad_input(g, dim):
        return g.squeeze(dim)

    def samples(make):
        yield make(2, 3), 1
        yield make(2, 3), -1


@op("torch.squeeze Tensor.squeeze", view=True)
class squeeze:
    """Drop dims of size 1: all, or those named by `dim`."""

    def forward(input, dim=None):
        if dim is None:
            return np.squeeze(input)
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        return np.squeeze(input, tuple(d for d in dims if input.ndim and input.shape[d] == 1))

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield (make(2, 1, 3),)
        yield make(1, 3), 0
        yield make(1, 3), 1


@public("torch.movedim torch.moveaxis Tensor.movedim Tensor.moveaxis")
def movedim(input, source, destination):
    """Move dims to new places; the others keep their order."""
    n = max(input.ndim, 1)
    if type(source) is type(destination) is int and -n <= source < n and -n <= destination < n:
        if input.ndim < 2:
            return input.alias()
        order = list(range(n))
        order.insert(destination % n, order.pop(source))
        return input.permute(order)
    sources, targets = integers(source), integers(destination)
    places = {
        d % n: s % n for s, d in zip(sources, targets, strict=False) if -n <= s < n and -n <= d < n
    }
    moved = set(places.values())
    if not len(sources) == len(targets) == len(places) == len(moved):
        _refuse_move(list(sources), list(targets), n)
    if input.ndim == 0:
        return input.alias()
    rest = iter([d for d in range(n) if d not in moved])
    return input.permute([places[d] if d in places else next(rest) for d in range(n)])


def _refuse_move(sources, targets, n):
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({sources} dims) should contain the same number of dims as destination "
            f"({targets} dims)"
        )
    for dims, what in ((sources, "source"), (targets, "destination")):
        for d in dims:
            if not -n <= d < n:
                raise IndexError(
                    f"movedim: Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
                    f"but got {d})"
                )
        if len({d % n for d in dims}) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({dims})")


@public("torch.unflatten Tensor.unflatten")
def unflatten(input, dim, sizes):
    """Split `dim` into the given sizes (one may be -1)."""
    n = max(input.ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"unflatten: Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
            f"but got {dim})"
        )
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    dim %= n
    known = 1
    for s in sizes:
        known *= s if s != -1 else 1
    total = input.shape[dim]
    inferred, product = tuple(sizes), known
    if -1 in inferred:
        inferred = tuple([(total // known if known else 0) if s == -1 else s for s in sizes])
        product = known * (total // known if known else 0)
    if product != total or inferred.count(-1) or list(sizes).count(-1) > 1:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({total}) in the input tensor"
        )
    return input.view((*input.shape[:dim], *inferred, *input.shape[dim + 1 :]))


@public("torch.ravel Tensor.ravel")
def ravel(input):
    """All elements in one dim."""
    return input.contiguous().view(-1)


@public("torch.adjoint Tensor.adjoint")
def adjoint(input):
    """The conjugate transpose of the last two dims."""
    return input.mH
