"""Gradients through sparse tensors, into sparse leaves, and from embeddings into optimizers."""

from __future__ import annotations

import pytest
from layouts import LAYOUTS, close, matrix, scattered

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

WEIGHTS = matrix(share=1.0, seed=7)

THROUGH = {
    "to_dense": lambda s, d: s.to_dense() * WEIGHTS,
    "unmasked": lambda s, d: s.to_dense(masked_grad=False) * WEIGHTS,
    "values": lambda s, d: s.to_sparse_coo().coalesce().values() ** 2,
    "mm": lambda s, d: s @ d,
    "reversed": lambda s, d: d.t() @ s.t(),
    "sparse.mm": lambda s, d: torch.sparse.mm(s, d),
    "addmm": lambda s, d: torch.sparse.addmm(torch.ones(4, 3).double(), s, d, alpha=2),
    "mv": lambda s, d: s @ d[:, 0],
    "square": lambda s, d: torch.sparse.mm(s.to_sparse_coo(), s.to_sparse_coo().t()).to_dense(),
    "sum": lambda s, d: torch.sparse.sum(s.to_sparse_coo()),
    "sum rows": lambda s, d: torch.sparse.sum(s.to_sparse_coo(), 0).to_dense() ** 2,
    "softmax": lambda s, d: torch.sparse.softmax(s.to_sparse_coo(), 1).to_dense() * WEIGHTS,
    "log_softmax": lambda s, d: torch.sparse.log_softmax(s.to_sparse_coo(), 0).to_dense() * WEIGHTS,
    "mul": lambda s, d: (s * s).to_dense(),
    "mul dense": lambda s, d: (s * (d @ d.t())[:4]).to_dense(),
    "add": lambda s, d: (s + s * 3).to_dense() * WEIGHTS,
    "add dense": lambda s, d: d @ d.t() @ WEIGHTS.t() + s.to_dense().t(),
    "sin": lambda s, d: s.sin().to_dense() * WEIGHTS,
    "power": lambda s, d: (s**3 / 2).to_dense(),
    "layouts": lambda s, d: s.to_sparse_coo().to_sparse_csc().to_sparse_coo().to_dense() * WEIGHTS,
    "linear": lambda s, d: torch.nn.functional.linear(d.t(), s),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", THROUGH)
def test_through_values(case, layout):
    """The derivative with respect to what is stored, by finite differences; and the second."""
    made = matrix().to_sparse(**LAYOUTS[layout])
    pattern, dense = made._pattern, matrix(6, 3, 1.0, seed=3).requires_grad_()
    values = made._held.clone().requires_grad_()

    def function(v, d):
        from rushlight.sparse.tensor import construct

        return THROUGH[case](construct(pattern, v, True), d)

    assert gradcheck(function, (values, dense))
    if layout in ("coo", "csr"):
        assert gradgradcheck(function, (values, dense))


@pytest.mark.parametrize("case", ["mm", "mul", "sparse.mm", "mv", "power", "values", "square"])
def test_through_complex_values(case):
    made = matrix().to_sparse()
    pattern = made._pattern
    values = torch.complex(made._held, made._held.flip(0)).requires_grad_()
    dense = torch.complex(matrix(6, 3, 1.0, seed=3), matrix(6, 3, 1.0, seed=4)).requires_grad_()

    def function(v, d):
        from rushlight.sparse.tensor import construct

        return THROUGH[case](construct(pattern, v, True), d)

    assert gradcheck(function, (values, dense))


def test_scaling_by_frequency_needs_dense_gradients():
    table = torch.ones(5, 2, requires_grad=True)
    rows = torch.nn.functional.embedding(
        torch.tensor([0, 0]), table, sparse=True, scale_grad_by_freq=True
    )
    with pytest.raises(RuntimeError, match="not supported with sparse gradients"):
        rows.sum().backward()


def test_to_sparse_passes_whole_gradients_back():
    x = matrix().requires_grad_()
    other = matrix(seed=1)
    (other + x.to_sparse()).sum().backward()
    assert close(x.grad, torch.ones(4, 6))
    x.grad = None
    (x.to_sparse().to_dense() * WEIGHTS).sum().backward()
    assert close(x.grad, WEIGHTS * (x.detach() != 0))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_of_a_sparse_leaf(layout):
    leaf = matrix().to_sparse(**LAYOUTS[layout]).requires_grad_()
    for _ in range(2):
        (leaf.to_dense() * WEIGHTS).sum().backward()
    assert leaf.grad.layout is leaf.layout
    assert close(leaf.grad, (2 * WEIGHTS).sparse_mask(leaf.detach()))
    leaf.grad = None
    torch.sparse.mm(leaf, torch.ones(6, 2).double()).sum().backward()
    assert leaf.grad.layout is leaf.layout
    (leaf @ torch.ones(6, 2).double()).sum().backward()
    assert leaf.grad.layout is torch.strided  # dense + sparse: `@` gives a full gradient


def test_duplicates_share_their_gradient():
    s = scattered(grad=False).requires_grad_()
    (s.to_dense() * torch.arange(6.0).view(2, 3).double()).sum().backward()
    assert close(s.grad, [[0, 0, 2], [3, 0, 5]])
    values = torch.ones(4, dtype=torch.float64, requires_grad=True)
    torch.sparse_coo_tensor([[1, 0, 1, 0], [0, 2, 2, 2]], values, (2, 3)).to_dense()[
        0, 2
    ].backward()
    assert values.grad.tolist() == [0, 1, 0, 1]


def test_sums_of_sparse_and_dense_gradients():
    table = torch.ones(5, 2, dtype=torch.float64, requires_grad=True)
    lookup = lambda ids: torch.nn.functional.embedding(torch.tensor(ids), table, sparse=True)  # noqa: E731
    (lookup([1, 1, 4]).sum() + lookup([4]).sum()).backward()
    assert table.grad.is_sparse
    expected = torch.tensor([0.0, 2, 0, 0, 2]).double().unsqueeze(1).expand(5, 2)
    assert close(table.grad, expected)
    lookup([0]).sum().backward()
    assert close(table.grad, expected + torch.eye(5, 1).double())
    table.sum().backward()
    assert not table.grad.is_sparse
    assert close(table.grad, expected + torch.eye(5, 1).double() + 1)
    lookup([0]).sum().backward()
    assert close(table.grad, expected + 2 * torch.eye(5, 1).double() + 1)
    table.grad = None
    (lookup([2]).sum() + (table * 3).sum()).backward()
    assert table.grad[:, 0].tolist() == [3, 3, 4, 3, 3]


def test_in_place_writes_and_history():
    x = matrix().requires_grad_()
    s = x.to_sparse() * 1
    s.mul_(3).add_(matrix(seed=1).to_sparse())
    (s.to_dense() * WEIGHTS).sum().backward()
    stored = (x.detach() != 0) | (matrix(seed=1) != 0)
    assert close(x.grad, 3 * WEIGHTS * stored)
    leaf = matrix().to_sparse().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        leaf.mul_(2)
    target = torch.zeros(4, 6, dtype=torch.float64)
    weights = matrix(seed=2).requires_grad_()
    target.add_(weights.to_sparse(), alpha=2)
    (target * WEIGHTS).sum().backward()
    assert close(weights.grad, 2 * WEIGHTS)


def test_hooks_and_retained_gradients():
    x = matrix().requires_grad_()
    s = x.to_sparse()
    s.retain_grad()
    seen = []
    s.register_hook(lambda g: seen.append(g) or g * 2)
    (s.to_dense() * WEIGHTS).sum().backward()
    assert close(seen[0], WEIGHTS * (x.detach() != 0))
    assert close(x.grad, 2 * WEIGHTS * (x.detach() != 0))
    with pytest.raises(RuntimeError, match="a second time"):
        s.to_dense().sum().backward()


def test_forward_mode_is_refused():
    from rushlight.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(matrix(), matrix(seed=1))
        with pytest.raises(NotImplementedError, match="forward AD"):
            dual.to_sparse()


def test_as_sparse_gradcheck():
    check = torch.sparse.as_sparse_gradcheck(gradcheck)
    leaf = matrix().to_sparse().requires_grad_()
    assert check(lambda s: s.to_dense(masked_grad=True), (leaf,), masked=True)
    assert check(lambda s: s.to_dense(masked_grad=False), (leaf,), masked=False)
    with pytest.raises(RuntimeError):
        check(lambda s: s.to_dense() * s.detach().to_dense(), (leaf,), masked=True)


# -- optimizers -----------------------------------------------------------------------------------


def trained(sparse, optimizer, steps=6, **module):
    kind = torch.nn.EmbeddingBag if "mode" in module else torch.nn.Embedding
    layer = kind(9, 4, sparse=sparse, dtype=torch.float64, **module)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, 36).reshape(9, 4))
    stepper = optimizer(layer.parameters())
    for k in range(steps):
        stepper.zero_grad(set_to_none=k % 2 == 0)
        ids = torch.tensor([[(3 * k + i * j) % 9 for j in range(4)] for i in range(3)])
        (layer(ids) ** 2).sum().backward()
        assert layer.weight.grad.is_sparse == sparse
        stepper.step()
    return layer.weight


@pytest.mark.parametrize("module", [{}, {"padding_idx": 2}, {"mode": "sum"}, {"mode": "mean"}])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=0.01, maximize=True),
    ],
)
def test_sparse_gradients_train_as_dense_ones(optimizer, module):
    assert close(trained(True, optimizer, **module), trained(False, optimizer, **module))


def test_sparse_adam_is_adam_where_every_row_has_a_gradient():
    weights = [torch.linspace(-1, 1, 12).reshape(4, 3).requires_grad_() for _ in range(2)]
    steppers = [
        torch.optim.SparseAdam([weights[0]], lr=0.1),
        torch.optim.Adam([weights[1]], lr=0.1),
    ]
    for k in range(5):
        g = torch.arange(12.0).reshape(4, 3).sin() + k
        weights[0].grad, weights[1].grad = g.to_sparse(1), g
        for stepper in steppers:
            stepper.step()
    assert close(*weights, 1e-5)


def test_sparse_adam_leaves_other_rows_alone():
    w = torch.ones(5, 2, requires_grad=True)
    stepper = torch.optim.SparseAdam([w], lr=0.1)
    w.grad = torch.sparse_coo_tensor([[1, 1, 3]], torch.ones(3, 2), (5, 2))
    stepper.step()
    state = stepper.state[w]
    for t in (w.detach() - 1, state["exp_avg"], state["exp_avg_sq"]):
        assert (t.abs().sum(1) > 0).tolist() == [False, True, False, True, False]
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        w.grad = torch.ones(5, 2)
        stepper.step()
    with pytest.raises(ValueError, match="requires dense parameter tensors"):
        torch.optim.SparseAdam([w, torch.eye(2).to_sparse().requires_grad_()])
    w.grad = torch.eye(5, 2).to_sparse()
    with pytest.raises(RuntimeError, match="consider SparseAdam instead"):
        torch.optim.Adam([w]).step()
    with pytest.raises(RuntimeError, match="weight_decay option is not compatible"):
        torch.optim.Adagrad([w], weight_decay=0.1).step()
