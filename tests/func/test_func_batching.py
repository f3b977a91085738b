"""vmap's rules: what the columns of the operator matrix cannot say."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.func._batching import rule_of, rules
from rushlight.func._batching.fallback import loop
from rushlight.op import operators

F, func, vmap = torch.nn.functional, torch.func, torch.vmap


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


# -- the table -----------------------------------------------------------------------------------

ONE_BY_ONE = {  # rare, or with results whose shape depends on values
    "row_order", "bincount", "histc", "embedding_renorm", "fake_quantize", "csr_matmul",
    "csr_sampled", "csr_product", "unique_runs", "embedding_bags",
    "embedding_bags_backward",
}  # fmt: skip


def test_few_operators_are_run_lane_by_lane():
    found = {
        name
        for name, op in operators.items()
        if rule_of(op) is loop and not getattr(op.declaration, "random", False)
    }
    assert found == ONE_BY_ONE


def test_every_rule_is_of_an_operator():
    assert not set(rules) - set(operators)


# -- gradients of single samples -----------------------------------------------------------------


def attention_layer():
    layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    return layer, lambda call, x: call(x, x, x, need_weights=False)[0]


def only(layer):
    return layer, lambda call, x: call(x)


def first(layer):
    return layer, lambda call, x: call(x)[0]


LAYERS = {
    "linear": (lambda: only(torch.nn.Linear(5, 3)), (5,)),
    "linear of rows": (lambda: only(torch.nn.Linear(5, 3)), (4, 5)),
    "conv1d": (lambda: only(torch.nn.Conv1d(2, 4, 3, padding=1)), (2, 7)),
    "conv2d": (lambda: only(torch.nn.Conv2d(2, 4, 3, stride=2)), (2, 7, 6)),
    "conv2d in groups": (lambda: only(torch.nn.Conv2d(4, 4, 3, groups=2)), (4, 6, 6)),
    "conv3d": (lambda: only(torch.nn.Conv3d(2, 3, 2)), (2, 4, 4, 4)),
    "transposed conv2d": (lambda: only(torch.nn.ConvTranspose2d(3, 2, 3, stride=2)), (3, 4, 4)),
    "layer norm": (lambda: only(torch.nn.LayerNorm(6)), (4, 6)),
    "group norm": (lambda: only(torch.nn.GroupNorm(2, 4)), (4, 5, 5)),
    "batch norm": (lambda: only(torch.nn.BatchNorm2d(3).eval()), (3, 5, 5)),
    "attention": (attention_layer, (6, 8)),
    "lstm": (lambda: first(torch.nn.LSTM(4, 3, batch_first=True)), (5, 4)),
    "gru": (lambda: first(torch.nn.GRU(4, 3, batch_first=True, bidirectional=True)), (5, 4)),
    "lstm cell": (lambda: first(torch.nn.LSTMCell(4, 3)), (4,)),
    "gru cell": (lambda: only(torch.nn.GRUCell(4, 3)), (4,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_single_samples(name):
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer, run = make()
    layer = layer.double()
    params = {k: p.detach() for k, p in layer.named_parameters()}
    buffers = dict(layer.named_buffers())
    x = torch.randn(3, *shape, dtype=torch.float64)

    def loss(params, sample):
        call = lambda *a, **k: func.functional_call(layer, (params, buffers), a, k)  # noqa: E731
        return (run(call, sample.unsqueeze(0)) ** 3).sum()

    got = vmap(func.grad(loss), in_dims=(None, 0))(params, x)
    alone = [func.grad(loss)(params, sample) for sample in x]
    for key in params:
        close(got[key], torch.stack([g[key] for g in alone]))
    # Their sum is the gradient of the batch, by the ordinary tape.
    for p in layer.parameters():
        p.grad = None
    (run(layer, x) ** 3).sum().backward()
    for key, p in layer.named_parameters():
        close(got[key].sum(0), p.grad)


def test_gradients_of_single_samples_of_an_embedding_and_a_loss():
    torch.manual_seed(0)
    table, w = torch.randn(7, 4, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    ids, target = torch.randint(0, 7, (6, 3)), torch.randint(0, 5, (6,))

    def loss(table, w, ids, target):
        return F.cross_entropy(F.embedding(ids, table, padding_idx=2).mean(0) @ w, target)

    got = vmap(func.grad(loss, argnums=(0, 1)), in_dims=(None, None, 0, 0))(table, w, ids, target)
    for i in range(6):
        alone = func.grad(loss, argnums=(0, 1))(table, w, ids[i], target[i])
        close(got[0][i], alone[0])
        close(got[1][i], alone[1])
    assert not got[0][:, 2].any()


def test_an_ensemble_of_networks():
    torch.manual_seed(0)
    nets = [
        torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
        for _ in range(4)
    ]
    params, buffers = func.stack_module_state(nets)
    x = torch.randn(5, 4, dtype=torch.float64)
    call = lambda p, b, x: func.functional_call(nets[0], (p, b), (x,))  # noqa: E731
    close(vmap(call, in_dims=(0, 0, None))(params, buffers, x), torch.stack([n(x) for n in nets]))
    own = torch.randn(4, 5, 4, dtype=torch.float64)
    wanted = torch.stack([n(t) for n, t in zip(nets, own, strict=True)])
    close(vmap(call)(params, buffers, own), wanted)


@pytest.mark.parametrize("function", [torch.linalg.svdvals, torch.linalg.eigvalsh])
def test_the_tape_below_a_vmap_sees_what_the_lanes_left_out(function):
    """Values alone are computed inside; the gradient, outside, needs the vectors too."""
    a = torch.randn(3, 4, 4, dtype=torch.float64)
    a = a + a.mT
    got = func.grad(lambda x: vmap(lambda t: function(t).square().sum())(x).sum())(a)
    close(got, 2 * a)


# -- views and writes ----------------------------------------------------------------------------


def test_views_of_lanes_are_views_of_the_batch():
    x = torch.arange(24.0).reshape(2, 3, 4)
    y = vmap(lambda t: t.t()[1:].unsqueeze(0))(x)
    assert y.shape == (2, 1, 3, 3) and y.data_ptr() == x[0, 0, 1:].data_ptr()
    y.zero_()
    assert x.sum() == x[:, :, 0].sum()


def test_writes_through_views_reach_the_input():
    x = torch.zeros(2, 3, 4)

    def write(t, v):
        t[0].add_(v)
        t[1, 2:] = v
        t.select(1, 0).mul_(2)
        return t

    vmap(write)(x, torch.tensor([1.0, 2.0]))
    assert x[0].tolist() == [[2, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert x[1].tolist() == [[4, 2, 2, 2], [0, 0, 2, 2], [0, 0, 0, 0]]


def test_writes_of_lanes_into_what_all_share_are_refused():
    shared = torch.zeros(3)
    for write in (
        lambda v: shared.add_(v),
        lambda v: shared.copy_(v),
        lambda v: shared.index_add_(0, torch.tensor([0]), v[:1]),
        lambda v: shared.__setitem__(0, v[0]),
    ):
        with pytest.raises(RuntimeError, match="has more elements than `self`"):
            vmap(write)(torch.ones(2, 3))
    assert not shared.any()
    made = vmap(lambda v: v.new_zeros(3).add_(v))(torch.ones(2, 3))  # of each lane's own
    assert made.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_what_depends_on_values_is_refused():
    x = torch.rand(2, 3) - 0.5
    for function, words in (
        (lambda t: t.nonzero(), "dynamic shape"),
        (lambda t: t[t > 0], "dynamic shape"),
        (lambda t: torch.masked_select(t, t > 0), "differently shaped"),
        (lambda t: t.sum().item(), r"\.item\(\)"),
        (lambda t: t if t.sum() > 0 else -t, "data-dependent control flow"),
        (lambda t: F.one_hot(t.long()), "num_classes"),
    ):
        with pytest.raises(RuntimeError, match=words):
            vmap(function)(x)


# -- operands ------------------------------------------------------------------------------------


def test_lanes_without_dims_count_for_little_in_promotion():
    wide = torch.tensor([1.5, 2.5], dtype=torch.float64)
    row = torch.ones(3)
    assert vmap(lambda s: s * row)(wide).dtype is torch.float32
    assert vmap(lambda s: s * 2)(torch.arange(2)).dtype is torch.int64
    assert vmap(lambda s: torch.ones(2, dtype=torch.int64) + s)(wide).dtype is torch.float64
    assert vmap(lambda s: torch.where(s > 2, s, row))(wide).dtype is torch.float32
    assert vmap(lambda s: s + torch.ones((), dtype=torch.float64))(wide.float()).dtype is (
        torch.float64
    )


def test_lists_of_lanes_and_of_what_they_share():
    a, b = torch.arange(6.0).reshape(2, 3), torch.arange(3.0)
    assert vmap(lambda t: torch.cat([t, b, t]))(a).shape == (2, 9)
    assert vmap(lambda t: torch.stack([b, t], -1))(a)[1].tolist() == [[0, 3], [1, 4], [2, 5]]
    table = torch.arange(24.0).reshape(2, 3, 4)
    at = torch.tensor([[0, 2], [1, 1]])
    got = vmap(lambda i: table[:, i, [0, 3]])(at)
    for k in range(2):
        close(got[k], table[:, at[k], [0, 3]])


def test_results_with_names_keep_them():
    def check(t):
        values, indices = pair = t.max(0)
        assert type(pair) is torch.return_types.max and pair.values is values
        return values, indices

    values, indices = vmap(check)(torch.tensor([[1.0, 3.0], [5.0, 2.0]]))
    assert values.tolist() == [3, 5] and indices.tolist() == [1, 0]


NESTED = {
    "mul": lambda a, b: (a * b).sum(),
    "matmul": lambda a, b: a @ b.t(),
    "outer": lambda a, b: a.reshape(-1).outer(b[0]),
    "gather": lambda a, b: a.gather(0, (b > 0).long()),
    "index": lambda a, b: a[(b[0] > 0).long()],
    "where": lambda a, b: torch.where(a > b, a, b.sum()),
    "sort": lambda a, b: (a + b).sort(1).values,
    "softmax": lambda a, b: a.softmax(0) @ b.mT,
    "linear": lambda a, b: F.linear(a, b, b.sum(1)),
    "conv": lambda a, b: F.conv1d(a, b.unsqueeze(0).repeat(4, 1, 1), padding=1),
    "norm": lambda a, b: F.layer_norm(a, (3,), b[0], b[1]),
}


@pytest.mark.parametrize("name", NESTED)
def test_maps_in_maps(name):
    f = NESTED[name]
    a = torch.randn(4, 2, 3, dtype=torch.float64)
    b = torch.randn(5, 2, 3, dtype=torch.float64)
    got = vmap(vmap(f, in_dims=(None, 0)), in_dims=(0, None))(a, b)
    close(got, torch.stack([torch.stack([f(x, y) for y in b]) for x in a]))
    turned = vmap(vmap(f, in_dims=(0, None)), in_dims=(None, 0), out_dims=1)(a, b)
    close(turned, got)


@pytest.mark.parametrize("name", NESTED)
def test_no_lanes_at_all(name):
    f = NESTED[name]
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    want = f(a, b).shape
    none = vmap(f, in_dims=(0, None))(torch.zeros(0, 2, 3), b)
    assert none.shape == (0, *want)
    assert vmap(f)(torch.zeros(0, 2, 3), torch.zeros(0, 2, 3)).shape == (0, *want)


# -- random numbers ------------------------------------------------------------------------------

DRAWS = {
    "rand": lambda x: torch.rand(4),
    "randn_like": lambda x: torch.randn_like(x),
    "uniform_": lambda x: x.clone().uniform_(),
    "dropout": lambda x: F.dropout(x + 1),
    "randint": lambda x: torch.randint(0, 9, (4,)),
    "randperm": lambda x: torch.randperm(4),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_by_the_randomness_asked_for(name):
    draw, x = DRAWS[name], torch.zeros(3, 4)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(draw)(x)
    torch.manual_seed(3)
    same = vmap(draw, randomness="same")(x)
    assert (same == same[0]).all()
    torch.manual_seed(3)
    alone = draw(x[0])
    close(same[0], alone)
    different = vmap(draw, randomness="different")(torch.zeros(20, 4))
    assert not (different == different[0]).all()


def test_lanes_draw_as_one_batch_would():
    torch.manual_seed(5)
    want = torch.rand(3, 4)
    torch.manual_seed(5)
    close(vmap(lambda x: torch.rand(4), randomness="different")(torch.zeros(3)), want)
    with pytest.raises(RuntimeError, match="same randomness with a batched tensor input"):
        vmap(torch.bernoulli, randomness="same")(want)
    with pytest.raises(RuntimeError, match="different inplace randomness on an unbatched tensor"):
        vmap(lambda x: want.clone().uniform_(), randomness="different")(torch.zeros(3))


def test_ctc_losses_of_lanes_with_lengths_of_their_own():
    torch.manual_seed(0)
    scores = torch.randn(3, 7, 5, dtype=torch.float64)
    labels = torch.randint(1, 5, (3, 4))
    steps, counts = torch.tensor([7, 6, 5]), torch.tensor([4, 2, 3])

    def loss(scores, labels, steps, counts):
        return F.ctc_loss(scores.log_softmax(-1), labels, steps, counts)

    value = vmap(loss)(scores, labels, steps, counts)
    slope = vmap(func.grad(loss))(scores, labels, steps, counts)
    for i in range(3):
        own = scores[i], labels[i, : counts[i]], steps[i : i + 1], counts[i : i + 1]
        close(value[i], loss(*own))
        close(slope[i], func.grad(loss)(*own))


def test_functions_may_fill_tensors_that_they_make():
    """What is made inside a transform is its own: writes to it are recorded."""

    def assembled(x):
        y = torch.zeros(3, dtype=x.dtype)
        y[0] = x[0] * x[1]
        y[1:] = x[:2] ** 3
        z = torch.tensor([1.0, 2.0], dtype=x.dtype)
        z[1] = y.sum()
        return z * y[0]

    direct = lambda x: torch.stack(  # noqa: E731
        [x[0] * x[1], (x[0] * x[1] + x[0] ** 3 + x[1] ** 3) * x[0] * x[1]]
    )
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    for transform in (func.jacrev, func.jacfwd, func.hessian):
        close(transform(assembled)(x), transform(direct)(x))
    close(func.jacrev(func.jacfwd(assembled))(x), func.hessian(direct)(x))
    with pytest.raises(RuntimeError, match="has more elements than `self`"):
        vmap(assembled)(torch.stack([x, x]))  # in PyTorch too: all lanes share what zeros makes


def test_bags_and_repeats_of_lanes_with_places_of_their_own():
    torch.manual_seed(0)
    table, ids = torch.randn(9, 3, dtype=torch.float64), torch.randint(0, 9, (2, 6))
    starts = torch.tensor([[0, 2, 5], [0, 4, 4]])
    for mode in ("sum", "mean", "max"):
        bags = lambda i, s, mode=mode: F.embedding_bag(i, table, s, mode=mode)  # noqa: E731
        got = vmap(bags)(ids, starts)
        close(got, torch.stack([bags(i, s) for i, s in zip(ids, starts, strict=True)]))
    times = torch.tensor([[1, 2, 0], [0, 0, 3]])
    got = vmap(lambda n: table[:3].repeat_interleave(n, 0))(times)
    close(got, torch.stack([table[[0, 1, 1]], table[[2, 2, 2]]]))
    with pytest.raises(RuntimeError, match="differ from lane to lane"):
        vmap(lambda n: table[:3].repeat_interleave(n, 0))(times + torch.tensor([[1], [0]]))
