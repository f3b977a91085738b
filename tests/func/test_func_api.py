"""torch.func: values that can be worked out by hand, arguments, and what is refused."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.func import (
    functional_call,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    rearrange,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
    vmap,
)
from rushlight.testing import assert_close

X = torch.tensor([0.5, -1.0, 2.0])
M = torch.arange(6.0).reshape(3, 2) + 1


def cube(x):
    return (x**3).sum()


# -- grad ----------------------------------------------------------------------------------------


def test_gradients_of_any_order():
    assert_close(grad(cube)(X), 3 * X**2)
    f = lambda x: x**5  # noqa: E731
    for expected in (80.0, 160.0, 240.0, 240.0, 120.0, 0.0):
        f = grad(f)
        assert_close(f(torch.tensor(2.0)), torch.tensor(expected))


def test_grad_by_some_of_the_arguments():
    def f(a, b, *, scale=1.0):
        return (a * b["x"] ** 2).sum() * scale

    b = {"x": 2 * X}
    assert_close(grad(f)(X, b), 4 * X**2)
    assert_close(grad(f, argnums=1)(X, b, scale=2.0), {"x": 8 * X * X})
    assert_close(grad(f, argnums=(0, -1))(X, b), (4 * X**2, {"x": 4 * X * X}))


def test_values_and_auxiliary_results_come_along():
    gradient, value = grad_and_value(cube)(X)
    assert_close((gradient, value), (3 * X**2, cube(X)))
    gradient, (value, aux) = grad_and_value(lambda x: (cube(x), [x * 2]), has_aux=True)(X)
    assert_close(aux, [2 * X])
    assert not (gradient.requires_grad or value.requires_grad or aux[0].requires_grad)
    assert_close(grad(lambda x: (cube(x), x + 1), has_aux=True)(X)[1], X + 1)


def test_inputs_that_do_not_matter_have_zeros():
    assert_close(grad(lambda a, b: a.sum(), argnums=(0, 1))(X, M), (torch.ones(3), M * 0))
    assert_close(grad(lambda a: torch.tensor(1.0))(X), X * 0)


def test_grad_modes_inside_and_outside():
    def part(x):
        with torch.no_grad():
            constant = x**2
        return (x**2 - constant).sum()

    assert_close(grad(part)(X), 2 * X)
    assert_close(grad(lambda x: (x * x.detach()).sum())(X), X)
    leaf = X.clone().requires_grad_()
    assert grad(cube)(leaf).requires_grad
    with torch.no_grad():
        gradient = grad(cube)(leaf)
    assert not gradient.requires_grad
    assert_close(gradient, 3 * X**2)
    with torch.inference_mode():
        assert_close(grad(cube)(torch.ones(3)), torch.full((3,), 3.0))


def test_inference_mode_around_transforms_and_inference_tensors_in_them():
    with torch.inference_mode():
        constant = torch.full((3,), 3.0)
        assert_close(grad(cube)(constant), 3 * constant**2)
    softmax = lambda x: x.softmax(0)  # noqa: E731
    expected = jacrev(softmax)(X)
    with torch.inference_mode():
        for jacobian in (jacrev, jacfwd):
            assert_close(jacobian(softmax)(X), expected)
        assert_close(jvp(softmax, (X,), (X,))[1], expected @ X)
        assert_close(hessian(cube)(X), torch.diag(6 * X))
    assert_close(grad(lambda x: (x * constant).sum())(X), constant)
    assert_close(jvp(lambda x: (x * constant).softmax(0), (X,), (X * 0,))[1], X * 0)


def test_the_tape_outside_goes_on():
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    gradient = grad(lambda x: (x**2 * w).sum())(X)
    assert_close(torch.autograd.grad(gradient.sum(), w)[0], 2 * X)
    lanes = vmap(grad(lambda x: (x**2 * w).sum()))(torch.stack([X, X]))
    assert_close(torch.autograd.grad(lanes.sum(), w)[0], 4 * X)
    tangent = jvp(lambda x: x**2 * w, (X,), (X,))[1]
    assert_close(torch.autograd.grad(tangent.sum(), w)[0], 2 * X**2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: grad(lambda x: x)(X), RuntimeError, "return a scalar Tensor, got tensor with 1 d"),
        (lambda: grad(lambda x: 3.0)(X), RuntimeError, "to return a Tensor, got <class 'float'>"),
        (lambda: grad(cube)(3.0), ValueError, "Thing passed to transform API must be Tensor"),
        (lambda: grad(cube)(torch.ones(2, dtype=torch.int64)), RuntimeError, "floating point"),
        (lambda: grad(cube, argnums=2)(X), RuntimeError, "argnum=2, but only 1 positional inputs"),
        (lambda: grad(cube, argnums=())(X), RuntimeError, "argnums must be non-empty"),
        (lambda: grad(cube, argnums=(0, 0))(X), RuntimeError, "elements must be unique"),
        (lambda: grad(cube, argnums=(0, -1))(X), RuntimeError, "elements must be unique"),
        (lambda: grad(cube, argnums="0")(X), RuntimeError, "must be int or Tuple"),
        (lambda: grad(cube, has_aux=True)(X), RuntimeError, r"a tuple: \(output, aux\)"),
        (lambda: grad(lambda x: (cube(x), 3), has_aux=True)(X), RuntimeError, "Expected tensors"),
        (lambda: grad(lambda x: cube(x.requires_grad_()))(X), RuntimeError, "requires_grad_()"),
        (lambda: grad(lambda x: x.sum().backward())(X), RuntimeError, "backward() called inside"),
        (lambda: grad(lambda x: x.mul_(2).sum())(X.clone()), RuntimeError, "leaf Variable"),
    ],
)
def test_grad_refuses(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words.replace("\\", "") in str(caught.value)
    assert torch._C.transforms() == 0


# -- vjp, jvp, linearize -------------------------------------------------------------------------


def test_vjp_can_be_called_again_and_takes_trees():
    outputs, back = vjp(lambda a, b: {"p": a * b, "s": [a.sum()]}, X, 2 * X)
    assert_close(outputs, {"p": 2 * X * X, "s": [X.sum()]})
    cotangents = {"p": torch.ones(3), "s": [torch.tensor(1.0)]}
    for _ in range(2):
        assert_close(back(cotangents), (2 * X + 1, X))
    _, back, aux = vjp(lambda a: (a**2, a + 1), X, has_aux=True)
    assert_close((back(X), aux), ((2 * X * X,), X + 1))


def test_jvp():
    assert_close(jvp(lambda x: x**2, (X,), (X,)), (X**2, 2 * X**2))
    value, tangent, aux = jvp(lambda a, b: ([a * b], a), (X, X), (X, 0 * X), has_aux=True)
    assert_close((value, tangent, aux), ([X * X], [X * X], X))
    assert_close(jvp(lambda x: torch.ones(2), (X,), (X,))[1], torch.zeros(2))


def test_directions_of_two_levels_stay_apart():
    one = torch.tensor(1.0)

    def inner(a):
        return a * jvp(lambda b: a + b, (one,), (one,))[1]

    assert_close(jvp(inner, (one,), (one,)), (one, one))
    assert_close(grad(lambda a: a * grad(lambda b: a + b)(one))(one), one)
    f = lambda x: jvp(torch.sin, (x,), (one,))[1]  # noqa: E731
    assert_close(jvp(f, (one,), (one,))[1], -torch.sin(one))


def test_linearize_runs_the_function_once():
    runs = []

    def f(a, b):
        runs.append(1)
        return {"y": a**2 * b.sum()}

    value, push = linearize(f, X, M)
    assert_close(value, {"y": X**2 * M.sum()})
    for scale in (1.0, 3.0):
        expected = jvp(f, (X, M), (scale * X, 0 * M))[1]
        assert_close(push(scale * X, 0 * M), expected)
    assert len(runs) == 3  # one of them linearize's
    with pytest.raises(RuntimeError, match="doesn't match the shape"):
        push(M, M)
    with pytest.raises(RuntimeError, match="same argspec"):
        push(X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vjp(lambda: 3), "to return only tensors, got unsupported type <class 'int'>"),
        (lambda: vjp(lambda x: (), X), "non-empty output"),
        (lambda: vjp(lambda x: x, X)[1]((X,)), "Expected pytree structure of cotangents"),
        (lambda: vjp(lambda x: x, X)[1](M), "Mismatch in shape"),
        (lambda: jvp(cube, [X], (X,)), "Expected primals to be a tuple"),
        (lambda: jvp(cube, (X,), (X, X)), "to have the same python structure"),
        (lambda: jvp(cube, (X,), (M,)), "different size than that of the original"),
        (lambda: jvp(cube, (), ()), "to contain at least one Tensor"),
        (lambda: jvp(cube, (3.0,), (1.0,)), "to only contain Tensors, got <class 'float'>"),
        (lambda: jvp(lambda x: 3, (X,), (X,)), "only tensors"),
        (lambda: jvp(lambda x: M, (X,), (X,), strict=True), "independent of the inputs"),
    ],
)
def test_vjp_and_jvp_refuse(call, words):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert words in str(caught.value)


# -- Jacobians -----------------------------------------------------------------------------------

JACOBIANS = {
    "rows": jacrev,
    "columns": jacfwd,
    "chunks": lambda f, argnums=0: jacrev(f, argnums, chunk_size=2),
    "one by one": lambda f, argnums=0: jacrev(f, argnums, chunk_size=1),
}


@pytest.mark.parametrize("how", JACOBIANS)
def test_jacobians(how):
    jacobian = JACOBIANS[how]
    assert_close(jacobian(lambda x: x**2)(X), torch.diag(2 * X))
    assert_close(jacobian(cube)(X), 3 * X**2)
    got = jacobian(lambda a, b: (a * b.sum(), {"m": b.mean()}), argnums=(0, 1))(X, M)
    eye = torch.eye(3)
    expected = (
        (eye * M.sum(), X[:, None, None].expand(3, 3, 2)),
        {"m": (X * 0, torch.full((3, 2), 1 / 6))},
    )
    assert_close(got, expected)
    assert_close(jacobian(lambda d: d["x"] * 2)({"x": X}), {"x": 2 * eye})


def test_jacobians_with_auxiliary_results():
    for jacobian in (jacrev, jacfwd):
        got, aux = jacobian(lambda x: (x**2, {"x": x + 1}), has_aux=True)(X)
        assert_close((got, aux), (torch.diag(2 * X), {"x": X + 1}))
    with pytest.raises(ValueError, match="`chunk_size` should be greater than 0"):
        jacrev(cube, chunk_size=0)


def test_hessian():
    assert_close(hessian(cube)(X), torch.diag(6 * X))
    got = hessian(lambda a, b: a.sum() * (b**2).sum(), argnums=(0, 1))(X, M)
    assert_close(got[0], (torch.zeros(3, 3), (2 * M).expand(3, 3, 2)))
    assert_close(got[1][1], torch.eye(6).reshape(3, 2, 3, 2) * 2 * X.sum())


# -- vmap ----------------------------------------------------------------------------------------


def test_dims_in_and_out():
    dot = vmap(lambda a, b: (a * b).sum(), in_dims=(1, None))
    assert_close(dot(M, X), M.T @ X)
    assert_close(vmap(lambda x: x * 2, in_dims=-1, out_dims=1)(M), 2 * M)
    outputs = vmap(lambda x: {"a": x, "b": (x.sum(), x)}, out_dims={"a": 1, "b": (0, -1)})(M)
    assert_close(outputs, {"a": M.T, "b": (M.sum(1), M.T)})
    assert_close(vmap(lambda x: torch.ones(2), out_dims=None)(M), torch.ones(2))
    assert_close(vmap(lambda x: torch.ones(2))(M), torch.ones(3, 2))
    assert_close(vmap(lambda x, k=None: x + k)(M, k=M), M[:, None] + M)
    assert_close(vmap(lambda x: (x, 3), out_dims=(0, None))(M)[1], 3)


def test_nesting_and_chunks():
    assert_close(vmap(lambda a: vmap(lambda b: a @ b)(M))(M), M @ M.T)
    assert_close(vmap(vmap(torch.mul, (None, 0)), (0, None))(X, X), torch.outer(X, X))
    for size in (1, 2, 3, 7):
        got = vmap(lambda x: (x * 2, x.sum()), out_dims=(1, 0), chunk_size=size)(M)
        assert_close(got, (2 * M.T, M.sum(1)))
    assert vmap(lambda x: x * 2)(torch.zeros(0, 2)).shape == (0, 2)


def test_lanes_see_their_own_shape():
    def look(x):
        assert (x.shape, x.ndim, len(x), x.stride()) == ((2,), 1, 2, (1,))
        assert x.is_leaf and not x.requires_grad and x.dtype is torch.float32
        assert isinstance(x, torch.Tensor) and type(x) is torch.Tensor
        return x

    vmap(look)(M)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: vmap(lambda: M)(), ValueError, "got no inputs"),
        (lambda: vmap(cube, in_dims=[0])(M), ValueError, "expected `in_dims` to be int or a"),
        (lambda: vmap(cube, in_dims=(0, 0))(M), ValueError, "not compatible with the structure"),
        (lambda: vmap(cube, in_dims=(0.5,))(M), ValueError, "either an integer dimension or None"),
        (lambda: vmap(cube, in_dims=2)(M), ValueError, "expected in_dim to satisfy -2 <= in_dim"),
        (lambda: vmap(cube, in_dims=(None,))(M), ValueError, "at least one Tensor to vmap over"),
        (lambda: vmap(torch.add)(M, 3), ValueError, "cannot vmap over non-Tensor arguments"),
        (lambda: vmap(torch.add)(M, M[:2]), ValueError, "got sizes [3, 2] for the mapped"),
        (lambda: vmap(lambda x: 3)(M), ValueError, "must only return Tensors, got type"),
        (lambda: vmap(lambda x: x, out_dims=None)(M), ValueError, "can not return a BatchedTensor"),
        (lambda: vmap(lambda x: x, out_dims="a")(M), ValueError, "`out_dims` must be an int, None"),
        (lambda: vmap(lambda x: (x, x), out_dims=(0,))(M), ValueError, "structure of `outputs`"),
        (lambda: vmap(lambda x: x, out_dims=5)(M), IndexError, "Dimension out of range"),
        (lambda: vmap(cube, randomness="no"), RuntimeError, "Only allowed values for randomness"),
        (lambda: vmap(cube, chunk_size=0), ValueError, "None or greater than 0"),
        (lambda: vmap(lambda x: x.sum().item())(M), RuntimeError, "calling .item() on a Tensor"),
        (lambda: vmap(lambda x: float(x.sum()))(M), RuntimeError, "calling .item() on a Tensor"),
        (lambda: vmap(lambda x: x if x.sum() > 0 else -x)(M), RuntimeError, "control flow"),
        (lambda: vmap(lambda x: x.tolist())(M), RuntimeError, "Cannot access data pointer"),
        (lambda: vmap(lambda x: x.numpy())(M), RuntimeError, "Cannot access data pointer"),
        (lambda: vmap(lambda x: x.data)(M), RuntimeError, "accessing `data` under vmap"),
        (lambda: vmap(lambda x: M[0].clone().add_(x))(M), RuntimeError, "inplace arithmetic"),
        (lambda: vmap(lambda x: x.sum().backward())(M), RuntimeError, "backward() called inside"),
    ],
)
def test_vmap_refuses(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
    assert torch._C.transforms() == 0
    assert_close(M + 1, torch.add(M, 1))


def test_lanes_can_be_indexed_by_lanes():
    rows = torch.tensor([1, 0, 1])
    assert_close(vmap(lambda x, i: x[i])(M, rows), M[torch.arange(3), rows])
    written = vmap(lambda x, i: x.clone().index_fill_(0, i[None], 0.0))(M, rows)
    assert_close(written.sum(1), M[torch.arange(3), 1 - rows])


def test_in_place_views_of_lanes():
    assert vmap(lambda x: x.clone().unsqueeze_(0).transpose_(0, 1))(M).shape == (3, 2, 1)
    doubled = M.clone()
    vmap(lambda x: x.mul_(2))(doubled)
    assert_close(doubled, 2 * M)


# -- modules -------------------------------------------------------------------------------------


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))


def test_per_sample_gradients_of_a_module():
    net = network()
    parameters = {k: p.detach() for k, p in net.named_parameters()}

    def loss(parameters, x):
        return functional_call(net, parameters, (x,)).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0))(parameters, M)
    for i in range(3):
        expected = torch.autograd.grad(net(M[i]).square().sum(), list(net.parameters()))
        assert_close([g[i] for g in found.values()], list(expected))
    assert all(p.grad is None for p in net.parameters())


def test_an_ensemble():
    nets = [network() for _ in range(2)]
    torch.nn.init.zeros_(nets[1][2].weight)
    parameters, buffers = stack_module_state(nets)
    assert parameters["0.weight"].shape == (2, 3, 2) and parameters["0.weight"].is_leaf
    call = lambda p, b, x: functional_call(nets[0], (p, b), (x,))  # noqa: E731
    got = vmap(call, in_dims=(0, 0, None))(parameters, buffers, M)
    assert_close(got, torch.stack([net(M) for net in nets]))
    got.sum().backward()
    assert parameters["2.bias"].grad.shape == (2, 1)


def test_modules_are_refused():
    net = network()
    for bad, words in (
        (3, "to be a dict, or a list/tuple of dicts"),
        ((3,), "to be dictionaries"),
        (({"0.bias": X}, {"0.bias": X}), "appeared in multiple dictionaries"),
    ):
        with pytest.raises(ValueError, match=words):
            functional_call(net, bad, (M,))
    with pytest.raises(RuntimeError, match="at least one model, got 0"):
        stack_module_state([])
    with pytest.raises(RuntimeError, match="same training/eval mode"):
        stack_module_state([network(), network().eval()])
    with pytest.raises(RuntimeError, match="of the same class"):
        stack_module_state([network(), torch.nn.Tanh()])


def test_batch_norm_under_vmap_keeps_no_statistics():
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    replace_all_batch_norm_modules_(net)
    batches = torch.stack([M, 2 * M])
    assert_close(vmap(net)(batches), torch.stack([net(b) for b in batches]))
    assert net[0].running_mean is None


def test_functionalize_gives_the_same_results():
    def f(x):
        y = x.clone()
        y[0] = 5.0
        return y.mul_(2)

    assert_close(functionalize(f)(X), f(X))
    assert_close(vmap(functionalize(f, remove="mutations_and_views"))(M), vmap(f)(M))
    with pytest.raises(RuntimeError, match="Invalid value"):
        functionalize(f, remove="all")


def test_rearrange():
    x = torch.arange(24).reshape(2, 3, 4)
    assert_close(rearrange(x, "a b c -> c (a b)"), x.permute(2, 0, 1).reshape(4, 6))
    assert_close(rearrange(x, "a b (c d) -> (a c) d b", d=2).shape, torch.Size([4, 2, 3]))
    assert_close(rearrange(x, "a ... -> (...) 1 a"), x.reshape(2, 12).T[:, None])
    assert_close(rearrange([x, x], "l a b c -> a l b c"), torch.stack([x, x], 1))
    assert_close(vmap(lambda t: rearrange(t, "b c -> c b"))(x), x.mT)
    for pattern, words in (
        ("a b -> b a", "must be equal to the number of dimensions in the tensor"),
        ("a b c -> a b", "Identifiers only on one side"),
        ("a a c -> a c", "duplicate dimension 'a'"),
        ("a b c", "single '->' separator"),
        ("a (b (c)) -> a b c", "brackets inside brackets"),
        ("a b (c -> a b c", "Imbalanced parentheses"),
        ("a (...) -> a ...", "Ellipsis is parenthesis in the left side"),
        ("a b c -> a 2 b c", "unnamed axes of size 1"),
        ("a b _c -> a b _c", "Invalid axis identifier: _c"),
    ):
        with pytest.raises(ValueError) as caught:
            rearrange(x, pattern)
        assert words in str(caught.value)
    with pytest.raises(Exception, match="does not evenly fit"):
        rearrange(x, "a b (c d) -> a b c d", c=3)


def test_gradients_in_batches():
    x = X.clone().requires_grad_()
    rows = torch.autograd.grad(x**2, x, torch.eye(3), is_grads_batched=True)[0]
    assert_close(rows, torch.diag(2 * X))
    first = torch.autograd.grad(x**3, x, torch.eye(3), is_grads_batched=True, create_graph=True)[0]
    assert_close(torch.autograd.grad(first.sum(), x)[0], 6 * X)
