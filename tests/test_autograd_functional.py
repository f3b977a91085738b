"""autograd.functional: Jacobians, Hessians and products, strict mode, ways to compute them."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd import functional as F


def cubes(x):
    return x**3


def total(x):
    return (x**3).sum()


x = torch.tensor([1.0, 2.0, 3.0])
v = torch.tensor([1.0, 0.0, 2.0])
diagonal = [[3.0, 0.0, 0.0], [0.0, 12.0, 0.0], [0.0, 0.0, 27.0]]
ways = pytest.mark.parametrize(
    "options",
    [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}],
    ids=["rows", "all rows at once", "all columns at once"],
)


@ways
def test_jacobian(options):
    assert F.jacobian(cubes, x, **options).tolist() == diagonal

    def two(a, b):
        return a * b, a.sum()

    found = F.jacobian(two, (x, x + 1), **options)
    assert [[tuple(block.shape) for block in row] for row in found] == [
        [(3, 3), (3, 3)],
        [(3,), (3,)],
    ]
    assert found[0][1].tolist() == torch.diag(x).tolist()
    assert found[1][0].tolist() == [1.0] * 3 and found[1][1].tolist() == [0.0] * 3
    matrix = torch.arange(6.0).view(2, 3)
    assert F.jacobian(lambda m: m.sum(0), matrix, **options).shape == (3, 2, 3)
    assert F.jacobian(lambda m: m.sum(), matrix, **options).shape == (2, 3)


@pytest.mark.parametrize("vectorize", [False, True])
@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_hessian(vectorize, strategy):
    options = {"vectorize": vectorize, "outer_jacobian_strategy": strategy}
    if strategy == "forward-mode" and not vectorize:
        with pytest.raises(NotImplementedError, match="only implemented for `vectorize=True`"):
            F.hessian(total, x, **options)
        return
    assert F.hessian(total, x, **options).tolist() == torch.diag(6 * x).tolist()
    found = F.hessian(lambda a, b: (a**2 * b).sum(), (x, x + 1), **options)
    assert found[0][1].tolist() == torch.diag(2 * x).tolist()
    assert found[1][1].tolist() == torch.zeros(3, 3).tolist()


def test_products():
    output, product = F.vjp(cubes, x, v)
    assert output.tolist() == [1.0, 8.0, 27.0] and product.tolist() == [3.0, 0.0, 54.0]
    assert F.jvp(cubes, x, v)[1].tolist() == [3.0, 0.0, 54.0]
    assert F.hvp(total, x, v)[1].tolist() == [6.0, 0.0, 36.0]
    assert F.vhp(total, x, v)[1].tolist() == [6.0, 0.0, 36.0]
    for product in (F.vjp, F.jvp, F.hvp, F.vhp):
        output, found = product(total, torch.tensor([2.0]))
        assert output.item() == 8.0 and found.item() == 12.0


def test_create_graph_connects_inputs_and_vectors():
    a, u = x.clone().requires_grad_(), v.clone().requires_grad_()
    for product, function in ((F.vjp, cubes), (F.jvp, cubes), (F.hvp, total), (F.vhp, total)):
        _, found = product(function, a, u, create_graph=True)
        by_input, by_vector = torch.autograd.grad(found.sum(), (a, u))
        order = 2 if product in (F.vjp, F.jvp) else 3
        slope = 6 * a * u if order == 2 else 6 * u
        assert torch.equal(by_input, slope.detach())
        assert torch.equal(by_vector, (3 * a**2 if order == 2 else 6 * a).detach())
        assert not product(function, a, u)[1].requires_grad
    for jacobian, power in ((F.jacobian(cubes, a, create_graph=True), 6 * a),):
        (found,) = torch.autograd.grad(jacobian.sum(), a)
        assert torch.equal(found, power.detach())


constant = torch.ones(2, requires_grad=True)
INDEPENDENT = "is independent of input"


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: F.jacobian(lambda a: a.detach(), x, strict=True), "does not require gradients"),
        (
            lambda: F.jacobian(lambda a: (a, constant * 2), x, strict=True),
            f"Output 1 of the user-provided function {INDEPENDENT} 0",
        ),
        (
            lambda: F.jacobian(lambda a: a * 2, x, strict=True, create_graph=True),
            f"The jacobian of the user-provided function {INDEPENDENT} 0",
        ),
        (
            lambda: F.vjp(lambda a, b: a.sum(), (x, x), strict=True),
            f"The output of the user-provided function {INDEPENDENT} 1",
        ),
        (
            lambda: F.jvp(lambda a: (a, constant * 2), x, v, strict=True),
            "independent of entry 1 in the grad_outputs when using the double backward trick",
        ),
        (lambda: F.hessian(lambda a: a.sum(), x, strict=True), "While computing the hessian"),
        (lambda: F.hvp(lambda a: a.sum(), x, v, strict=True), "While computing the hessian"),
        (
            lambda: F.vhp(lambda a, b: (a**2).sum(), (x, x), (v, v), strict=True),
            f"The output of the user-provided function {INDEPENDENT} 1",
        ),
    ],
)
def test_strict_mode(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def test_without_strict_mode_there_are_zeros():
    assert F.jacobian(lambda a: constant * 2, x).tolist() == [[0.0] * 3] * 2
    assert F.vjp(lambda a, b: a.sum(), (x, x))[1][1].tolist() == [0.0] * 3
    assert F.hessian(lambda a: a.sum(), x).tolist() == [[0.0] * 3] * 3
    assert F.hvp(lambda a: a.detach().sum(), x, v)[1].tolist() == [0.0] * 3


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: F.jacobian(cubes, [x]), TypeError, "inputs given to jacobian must be either a"),
        (lambda: F.jacobian(cubes, (x, 3)), TypeError, "value at index 1 has type <class 'int'>"),
        (lambda: F.jacobian(lambda a: 3, x), TypeError, "given outputs of the user-provided"),
        (lambda: F.jacobian(cubes, x, strategy="x"), AssertionError, "Expected strategy to be"),
        (
            lambda: F.jacobian(cubes, x, strict=True, vectorize=True),
            RuntimeError,
            "`strict=True` and `vectorized=True` are not supported together",
        ),
        (
            lambda: F.jacobian(
                cubes, x, create_graph=True, vectorize=True, strategy="forward-mode"
            ),
            NotImplementedError,
            '`create_graph=True` and `strategy="forward-mode"` are not supported together',
        ),
        (lambda: F.hessian(cubes, x), RuntimeError, "given to hessian should contain a single"),
        (
            lambda: F.hvp(lambda a: (a, a), x, v),
            RuntimeError,
            "given to hvp should return a single",
        ),
        (lambda: F.vjp(cubes, x), RuntimeError, "vector v can only be None if the user-provided"),
        (lambda: F.jvp(cubes, x), RuntimeError, "v can only be None if the input to the user"),
        (lambda: F.vjp(cubes, x, (v, v)), RuntimeError, "given v should contain a single Tensor"),
        (lambda: F.jvp(cubes, x, torch.ones(2)), RuntimeError, "v has invalid size: should be"),
        (
            lambda: F.jvp(cubes, (x,), (torch.ones(2),)),
            RuntimeError,
            "Entry 0 in v has invalid size",
        ),
        (lambda: F.hvp(total, x, 3), TypeError, "v given to hvp must be either a Tensor or a"),
    ],
)
def test_arguments_are_checked(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_pieces_that_libraries_build_jacobians_with():
    pieces = torch.autograd.functional
    x, y = torch.ones(2, 1), torch.ones(3, dtype=torch.float64)
    first, second = pieces._construct_standard_basis_for((x, y), (2, 3))
    assert second.dtype is torch.float64
    assert torch.equal(torch.cat([first, second], 1), torch.eye(5, dtype=torch.float64))
    assert pieces._as_tuple(x, "inputs", "f") == (False, (x,))
    assert pieces._as_tuple((x, y), "inputs", "f") == (True, (x, y))
    with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
        pieces._as_tuple(1, "inputs", "f")
    rows = ((x,), (y,))
    assert pieces._tuple_postprocess(rows, (True, False)) == (x, y)
    assert pieces._tuple_postprocess(rows[:1], (False, False)) is x
    assert pieces._tuple_postprocess((x,), True) == (x,)
    history = torch.ones(1, requires_grad=True) * 2
    assert pieces._grad_postprocess(((history,),), False)[0][0].grad_fn is None
    assert pieces._grad_postprocess((history,), True)[0] is history
