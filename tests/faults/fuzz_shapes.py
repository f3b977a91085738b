"""Recipes of indexing, of shapes and of products."""

from __future__ import annotations

import math

from fuzz_catalogue import DTYPES, FLAG, dim_of, operand, options, recipe
from fuzz_tensors import COMPLEX, EVERY, FLOATS, INTEGERS, Named, indices, number, shape_of, tensor

FORMATS = ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")

# -- indexing ---------------------------------------------------------------------------------


def indexed(rng, least=0):
    """A tensor, one of its dims and the dim's size."""
    x = tensor(rng, shape_of(rng, least), dtypes=EVERY)
    dim = dim_of(rng, len(x.shape))
    size = x.shape[dim] if x.shape and -len(x.shape) <= dim < len(x.shape) else 1
    return x, dim, size


@recipe("index_select")
def index_select(rng):
    x, dim, size = indexed(rng)
    return [x, dim, indices(rng, rng.choice(((), (0,), (1,), (4,))), size)], {}


@recipe("gather")
def gather(rng):
    x, dim, size = indexed(rng)
    shape = tuple(rng.randint(0, n) if rng.random() < 0.2 else n for n in x.shape)
    return [x, dim, indices(rng, shape, size)], {}


@recipe("take_along_dim")
def take_along_dim(rng):
    x, dim, size = indexed(rng)
    return [x, indices(rng, x.shape, size), dim], {}


@recipe("scatter scatter_add Tensor.scatter_ Tensor.scatter_add_")
def scatter(rng):
    x, dim, size = indexed(rng)
    dtype = x.dtype if rng.random() < 0.95 else rng.choice(EVERY)
    shape = tuple(rng.randint(0, n) if rng.random() < 0.2 else n for n in x.shape)
    return [x, dim, indices(rng, shape, size), tensor(rng, x.shape, dtype)], {}


@recipe("scatter_reduce Tensor.scatter_reduce_")
def scatter_reduce(rng):
    args, _ = scatter(rng)
    return [*args, rng.choice(("sum", "prod", "mean", "amax", "amin"))], options(
        rng, include_self=FLAG
    )


@recipe("index_add index_copy Tensor.index_add_ Tensor.index_copy_")
def index_add(rng):
    x, dim, size = indexed(rng)
    count = rng.choice((0, 1, 3))
    shape = list(x.shape)
    if shape and -len(shape) <= dim < len(shape):
        shape[dim] = count
    return [x, dim, indices(rng, (count,), size), tensor(rng, shape, x.dtype)], {}


@recipe("index_fill Tensor.index_fill_")
def index_fill(rng):
    x, dim, size = indexed(rng)
    return [
        x,
        dim,
        indices(rng, rng.choice(((), (1,), (3,))), size),
        operand(rng, (), (x.dtype,)),
    ], {}


@recipe("index_put Tensor.index_put_")
def index_put(rng):
    x = tensor(rng, shape_of(rng, 1), dtypes=EVERY)
    count = rng.choice((0, 1, 3))
    where = [indices(rng, (count,), n) for n in x.shape[: rng.randint(1, len(x.shape))]]
    shape = (count, *x.shape[len(where) :]) if rng.random() < 0.6 else ()
    return [x, where, tensor(rng, shape, x.dtype)], options(rng, accumulate=FLAG)


@recipe("Tensor.__getitem__")
def getitem(rng):
    x = tensor(rng, shape_of(rng), dtypes=EVERY)
    return [x, tuple(key(rng, n) for n in x.shape[: rng.randint(0, len(x.shape))])], {}


def key(rng, n):
    kind = rng.random()
    if kind < 0.25:
        return slice(
            *(rng.choice((None, 0, 1, -1, 2, 5)) for _ in range(2)), rng.choice((None, 1, 2))
        )
    if kind < 0.4:
        return rng.choice((0, -1, n - 1, n))
    if kind < 0.5:
        return rng.choice((None, ...))
    if kind < 0.6:
        return [0, -1]
    if kind < 0.7:
        return tensor(rng, (n,), "bool")
    return indices(rng, rng.choice(((), (1,), (3,), (2, 3))), n)


@recipe("Tensor.__setitem__")
def setitem(rng):
    args, _ = getitem(rng)
    return [*args, operand(rng, (), (args[0].dtype,))], {}


@recipe("take")
def take(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, indices(rng, rng.choice(((), (3,), (2, 2))), math.prod(x.shape))], {}


@recipe("Tensor.put_")
def put(rng):
    args, _ = take(rng)
    return [*args, tensor(rng, args[1].shape, args[0].dtype)], options(rng, accumulate=FLAG)


@recipe("masked_fill Tensor.masked_fill_")
def masked_fill(rng):
    x = tensor(rng, dtypes=EVERY)
    return [
        x,
        tensor(rng, x.shape[rng.randint(0, len(x.shape)) :], "bool"),
        operand(rng, (), EVERY),
    ], {}


@recipe("masked_select")
def masked_select(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, tensor(rng, x.shape[rng.randint(0, len(x.shape)) :], "bool")], {}


@recipe("masked_scatter")
def masked_scatter(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, tensor(rng, x.shape, "bool"), tensor(rng, (60,), x.dtype)], {}


# -- shapes -----------------------------------------------------------------------------------


@recipe("cat stack")
def join(rng):
    shape = shape_of(rng, 1)
    dim = dim_of(rng, len(shape))
    mixed, dtype, layout = (
        rng.random() < 0.2,
        rng.choice(EVERY),
        rng.choice((None, "channels_last")),
    )
    pick = lambda: tensor(rng, shape, rng.choice(EVERY) if mixed else dtype, layout=layout)  # noqa: E731
    many = [pick() for _ in range(rng.choice((1, 2, 2, 3)))]
    return [many], options(rng, dim=(dim,))


recipe("hstack vstack dstack column_stack")(lambda rng: ([join(rng)[0][0]], {}))


@recipe("flip roll sum_to_size")
def flip(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, tuple(rng.sample(range(len(x.shape)), rng.randint(0, len(x.shape))))], {}


@recipe("squeeze unsqueeze unbind cumsum")
def with_dim(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, dim_of(rng, len(x.shape))], {}


@recipe("transpose movedim")
def swap(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, dim_of(rng, len(x.shape)), dim_of(rng, len(x.shape))], {}


@recipe("tril triu diag diagonal rot90 diagflat diag_embed")
def diagonal(rng):
    return [tensor(rng, shape_of(rng, 1), dtypes=EVERY), rng.choice((0, 1, -1, 3))], {}


@recipe("chunk split tensor_split")
def split(rng):
    x = tensor(rng, shape_of(rng, 1), dtypes=EVERY)
    return [x, rng.choice((1, 2, 3, 0))], options(rng, dim=(dim_of(rng, len(x.shape)),))


@recipe("repeat_interleave")
def repeat_interleave(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, rng.choice((0, 1, 2, 3))], options(rng, dim=(dim_of(rng, len(x.shape)),))


@recipe("tile Tensor.repeat Tensor.expand")
def repeat(rng):
    x = tensor(rng, shape_of(rng, 0, 3), dtypes=EVERY)
    return [x, tuple(rng.choice((1, 1, 2, 0, -1)) for _ in range(rng.randint(0, 4)))], {}


@recipe("reshape Tensor.view")
def reshape(rng):
    x = tensor(rng, dtypes=EVERY)
    shape = list(x.shape)
    rng.shuffle(shape)
    return [x, tuple(rng.choice((tuple(shape), (-1,), (*shape, 1), (2, -1), (0, -1))))], {}


@recipe("Tensor.unfold")
def unfold(rng):
    x = tensor(rng, shape_of(rng, 1), dtypes=EVERY)
    return [x, dim_of(rng, len(x.shape)), rng.choice((0, 1, 2, 3)), rng.choice((1, 2))], {}


@recipe("clone zeros_like ones_like Tensor.contiguous Tensor.clone")
def like(rng):
    return [tensor(rng, dtypes=EVERY)], options(
        rng, memory_format=tuple(Named(f) for f in FORMATS)
    ) if rng.random() < 0.5 else {}


@recipe("Tensor.to")
def convert(rng):
    x = tensor(rng, dtypes=EVERY, mode="ties")
    return [x, rng.choice(DTYPES)], options(
        rng, copy=FLAG, memory_format=tuple(map(Named, FORMATS))
    )


@recipe("Tensor.type_as Tensor.copy_ Tensor.expand_as")
def like_other(rng):
    x = tensor(rng, dtypes=EVERY, mode="ties")
    return [x, tensor(rng, x.shape[rng.randint(0, len(x.shape)) :], dtypes=EVERY, mode="ties")], {}


@recipe("full")
def full(rng):
    return [shape_of(rng), number(rng)], options(rng, dtype=DTYPES)


@recipe("arange")
def arange(rng):
    ends = sorted(rng.choice((0, 1, -2, 5, 2.5, -0.5, 7)) for _ in range(2))
    return [*ends, rng.choice((1, 2, 0.5, 0.3))], options(
        rng, dtype=DTYPES
    ) if rng.random() < 0.3 else {}


@recipe("linspace logspace")
def linspace(rng):
    return [
        rng.choice((0, -1, 2.5)),
        rng.choice((1, 10, -3.5)),
        rng.choice((0, 1, 2, 5, 33)),
    ], options(rng, dtype=DTYPES)


# -- products ---------------------------------------------------------------------------------


def sizes(rng, count):
    return [
        rng.choice((0, 1, 2, 3, 4, 5, 9)) if rng.random() < 0.3 else rng.choice((2, 3, 5))
        for _ in range(count)
    ]


def alike(rng, *shapes, dtypes=(*FLOATS, *COMPLEX, *INTEGERS, "bool")):
    """Tensors of one dtype (now and then not)."""
    dtype = rng.choice(dtypes) if rng.random() < 0.5 else "float32"
    mode = rng.choice(("tame", "ties", "special"))
    return [tensor(rng, s, dtype if rng.random() < 0.98 else None, mode=mode) for s in shapes]


@recipe("matmul Tensor.__matmul__")
def matmul(rng):
    n, m, k, b = sizes(rng, 4)
    shapes = (
        ((n, k), (k, m)),
        ((k,), (k, m)),
        ((n, k), (k,)),
        ((b, n, k), (k, m)),
        ((b, n, k), (b, k, m)),
        ((k,), (k,)),
        ((n, k), (b, k, m)),
        ((2, b, n, k), (b, k, m)),
        ((b, n, k), (k,)),
        ((k,), (b, k, m)),
        ((1, n, k), (b, k, m)),
    )
    return alike(rng, *rng.choice(shapes)), {}


for _name, _shapes in {
    "mm": lambda n, m, k, b: ((n, k), (k, m)),
    "bmm": lambda n, m, k, b: ((b, n, k), (b, k, m)),
    "addmm": lambda n, m, k, b: ((n, m), (n, k), (k, m)),
    "baddbmm": lambda n, m, k, b: ((b, n, m), (b, n, k), (b, k, m)),
    "addbmm": lambda n, m, k, b: ((n, m), (b, n, k), (b, k, m)),
    "mv": lambda n, m, k, b: ((n, k), (k,)),
    "addmv": lambda n, m, k, b: ((n,), (n, k), (k,)),
    "dot": lambda n, m, k, b: ((k,), (k,)),
    "vdot": lambda n, m, k, b: ((k,), (k,)),
    "addr": lambda n, m, k, b: ((n, m), (n,), (m,)),
    "tensordot": lambda n, m, k, b: ((n, k, m), (k, m, b)),
    "nn.functional.linear": lambda n, m, k, b: ((b, n, k), (m, k), (m,)),
    "nn.functional.bilinear": lambda n, m, k, b: ((b, n), (b, m), (k, n, m), (k,)),
    "cdist": lambda n, m, k, b: ((b, n, k), (b, m, k)),
    "nn.functional.pairwise_distance": lambda n, m, k, b: ((n, k), (n, k)),
    "nn.functional.cosine_similarity": lambda n, m, k, b: ((n, k), (n, k)),
}.items():

    def _draw(rng, shapes=_shapes, name=_name):
        scaled = name in ("addmm", "baddbmm", "addbmm", "addmv", "addr")
        kwargs = options(rng, alpha=(1, 2, 0, 0.5), beta=(1, 0, 2, 0.5)) if scaled else {}
        return alike(rng, *shapes(*sizes(rng, 4))), kwargs

    recipe(_name)(_draw)
