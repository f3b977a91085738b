"""The operator matrix on meta tensors: shapes, dtypes and strides of the CPU, and no elements."""

from __future__ import annotations

import resource
import time
import warnings

import pytest
from matrix import cases, leaves, sample_of

import rushlight as torch
from rushlight.op import operators

F = torch.nn.functional
KINDS = (
    {"dtype": "float64"},
    {"dtype": "float32", "layout": "transposed"},
    {"dtype": "bfloat16", "layout": "sliced"},
    {"dtype": "int64"},
    {"dtype": "complex128"},
)
# What comes out depends on the elements.
UNKNOWN = {"bincount", "csr_product", "masked_select", "nonzero", "unique_runs"}
# Made by way of other types, in which LAPACK or NumPy leave other strides.
STRIDES_VARY = {("lstsq", "bfloat16"), ("overlap_add", "bfloat16"), ("linalg_pinv", "int64")}


def on_meta(tree):
    """The same arguments without elements, in the same memory order."""
    if isinstance(tree, torch.Tensor):
        made = torch.empty_strided(tree.shape, tree.stride(), dtype=tree.dtype, device="meta")
        return made.requires_grad_(tree.requires_grad)
    if isinstance(tree, (tuple, list)):
        return type(tree)(on_meta(item) for item in tree)
    if isinstance(tree, dict):
        return {key: on_meta(value) for key, value in tree.items()}
    return tree


def described(result):
    return [(tuple(t.shape), t.dtype, t.stride()) for t in leaves(result)]


def named(shape):
    return "-".join(str(value) for value in shape.values())


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("name", sorted({name for name, _ in cases()}))
def test_every_sample_gives_what_the_cpu_gives(name, kind):
    if name in UNKNOWN:
        pytest.skip("depends on the elements")
    for index in [i for n, i in cases() if n == name]:
        try:
            op, args, kwargs = sample_of(name, index, **kind)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want = described(op(*args, **kwargs))
        except (RuntimeError, TypeError, KeyError, ValueError):  # not for this dtype
            continue
        if (name, kind["dtype"]) in STRIDES_VARY or not leaves((args, kwargs)):
            continue
        before = torch.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = op(*on_meta(args), **on_meta(kwargs))
        assert described(made) == want
        assert all(t.is_meta for t in leaves(made))
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", sorted(UNKNOWN & set(operators)))
def test_what_depends_on_elements_says_so(name):
    op, args, kwargs = sample_of(name, 0)
    with pytest.raises(
        NotImplementedError, match="attempted to run this operator with Meta tensors"
    ):
        op(*on_meta(args), **on_meta(kwargs))


@pytest.mark.parametrize("name", sorted({name for name, _ in cases()} - UNKNOWN))
def test_gradients_are_meta_tensors_of_the_inputs_shapes(name):
    for index in [i for n, i in cases() if n == name]:
        op, args, kwargs = sample_of(name, index, grad=True)
        if not any(t.requires_grad for t in leaves((args, kwargs))):
            continue
        args, kwargs = on_meta(args), on_meta(kwargs)
        inputs = [t for t in leaves((args, kwargs)) if t.requires_grad]
        outputs = [t for t in leaves(op(*args, **kwargs)) if t.grad_fn is not None]
        if not outputs:
            continue
        given = [torch.ones_like(t) for t in outputs]
        try:
            found = torch.autograd.grad(outputs, inputs, given, allow_unused=True)
        except NotImplementedError:  # no derivative, or one that depends on the elements
            continue
        except RuntimeError as error:
            assert "derivative" in str(error), error
            continue
        for x, g in zip(inputs, found, strict=True):
            assert g is None or (g.is_meta and g.shape == x.shape and g.dtype is x.dtype)


def empty(*shape, dtype=None):
    return torch.empty(*shape, dtype=dtype, device="meta")


def index(*shape):
    return empty(*shape, dtype=torch.int64)


LARGE = {
    "sum": lambda: empty(10**6, 10**6).sum(0),
    "var": lambda: empty(10**6, 10**6).var(1),
    "median": lambda: empty(10**12).median(),
    "sort": lambda: empty(10**6, 10**6).sort(0),
    "cumsum": lambda: empty(10**6, 10**6).cumsum(0),
    "mm": lambda: empty(10**6, 10**6) @ empty(10**6, 10**6),
    "addmm": lambda: torch.addmm(empty(10**6), empty(10**6, 10**6), empty(10**6, 10**6)),
    "dot": lambda: empty(10**12).dot(empty(10**12)),
    "conv": lambda: F.conv2d(empty(64, 256, 4096, 4096), empty(256, 256, 3, 3), empty(256)),
    "transposed conv": lambda: F.conv_transpose2d(
        empty(64, 256, 2048, 2048), empty(256, 256, 3, 3)
    ),
    "batch_norm": lambda: F.batch_norm(
        empty(64, 256, 2048, 2048), empty(256), empty(256), empty(256), empty(256), True
    ),
    "layer_norm": lambda: F.layer_norm(empty(10**6, 10**6), (10**6,)),
    "max_pool": lambda: F.max_pool2d(empty(64, 256, 2048, 2048), 2),
    "interpolate": lambda: F.interpolate(empty(64, 256, 512, 512), scale_factor=2, mode="bilinear"),
    "attention": lambda: F.scaled_dot_product_attention(
        *(empty(8, 64, 65536, 128) for _ in range(3)), is_causal=True
    ),
    "cross_entropy": lambda: F.cross_entropy(empty(10**7, 50000), index(10**7)),
    "nll_loss": lambda: F.nll_loss(empty(10**7, 50000), index(10**7)),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(empty(10**10), empty(10**10)),
    "embedding": lambda: F.embedding(index(10**8), empty(10**6, 4096)),
    "index": lambda: empty(10**6, 10**6)[index(10**7)],
    "gather": lambda: empty(10**6, 10**6).gather(0, index(10**4, 10**6)),
    "where": lambda: torch.where(empty(10**10) > 0, empty(10**10), empty(10**10)),
    "masked_scatter": lambda: empty(10**10).masked_scatter(empty(10**10) > 0, empty(10**10)),
    "cat": lambda: torch.cat([empty(10**10), empty(10**10)]),
    "diag_embed": lambda: torch.diag_embed(empty(10**6)),
    "histc": lambda: empty(10**10).histc(),
    "frexp": lambda: empty(10**10).frexp(),
    "lstm": lambda: torch.nn.LSTM(4096, 4096, 2, device="meta")(empty(4096, 256, 4096)),
    "svd": lambda: torch.linalg.svd(empty(10**5, 10**5)),
    "solve": lambda: torch.linalg.solve(empty(10**5, 10**5), empty(10**5, 10**5)),
    "cholesky": lambda: torch.linalg.cholesky(empty(10**5, 10**5)),
    "det": lambda: torch.linalg.det(empty(10**5, 10**5)),
    "dropout": lambda: F.dropout(empty(10**12)),
    "bernoulli": lambda: torch.bernoulli(empty(10**12)),
    "poisson": lambda: torch.poisson(empty(10**12)),
    "multinomial": lambda: torch.multinomial(empty(10**4, 10**6), 5),
    "randperm": lambda: torch.randperm(10**12, device="meta"),
    "arange": lambda: torch.arange(10**15, device="meta"),
}


@pytest.mark.parametrize("name", LARGE)
def test_nothing_is_computed(name):
    torch.linalg.inv(torch.eye(2))  # what linear algebra loads when first used
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    LARGE[name]()
    assert time.process_time() - start < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64 << 10  # KiB
