"""Programs of torch.func's users, with PyTorch's results, exceptions and structures."""

from __future__ import annotations

import warnings

import pytest

import rushlight
import rushlight.func

oracle = pytest.importorskip("torch")

DATA = [[0.3, -1.2, 2.0], [1.0, 0.5, -0.7], [-0.4, 0.9, 1.6]]


def shown(m, result):
    if isinstance(result, m.Tensor):
        numbers = [round(v, 3) + 0.0 for v in result.detach().double().flatten().tolist()]
        return tuple(result.shape), str(result.dtype), numbers
    if isinstance(result, (tuple, list)):
        return [type(result).__name__.split(".")[-1], *[shown(m, r) for r in result]]
    if isinstance(result, dict):
        return {k: shown(m, v) for k, v in result.items()}
    return result


def network(m):
    net = m.nn.Sequential(m.nn.Linear(3, 4), m.nn.Tanh(), m.nn.Dropout(0.5), m.nn.Linear(4, 2))
    with m.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_((m.arange(p.numel()).reshape(p.shape) * (i + 1)).sin())
    return net, {k: p.detach() for k, p in net.named_parameters()}


def kernel(m, f, x):
    """The neural tangent kernel by products, without a Jacobian."""
    net, parameters = network(m)
    net.eval()

    def call(parameters, x):
        return f.functional_call(net, parameters, (x[None],))[0]

    def entry(a, b):
        output, back = f.vjp(lambda p: call(p, a), parameters)

        def row(v):
            return f.jvp(lambda p: call(p, b), (parameters,), back(v))[1]

        return f.vmap(row)(m.eye(output.numel()))

    return f.vmap(f.vmap(entry, (None, 0)), (0, None))(x, x)


def meta_learning(m, f, x):
    net, parameters = network(m)
    net.eval()

    def inner(parameters, x):
        return f.functional_call(net, parameters, (x,)).pow(2).mean()

    def outer(parameters, x):
        step = f.grad(inner)(parameters, x)
        return inner({k: p - 0.1 * step[k] for k, p in parameters.items()}, x * 2)

    return f.grad(lambda p: f.vmap(outer, (None, 0))(p, x[:, None]).sum())(parameters)


def per_sample(m, f, x):
    net, parameters = network(m)

    def loss(parameters, x):
        return f.functional_call(net, parameters, (x,)).square().sum()

    m.manual_seed(3)
    return f.vmap(f.grad_and_value(loss), (None, 0), randomness="different")(parameters, x)


PROGRAMS = {
    "kernel": kernel,
    "meta learning": meta_learning,
    "per sample": per_sample,
    "hessian of a module": lambda m, f, x: f.hessian(
        lambda p: f.functional_call(network(m)[0].eval(), p, (x,)).square().mean()
    )(network(m)[1]),
    "rows": lambda m, f, x: f.vmap(f.jacrev(lambda a: (a.sin() * a.sum(), {"n": a.norm()})))(x),
    "columns": lambda m, f, x: f.vmap(f.jacfwd(lambda a: a.outer(a), randomness="same"))(x),
    "hvp": lambda m, f, x: f.jvp(f.grad(lambda a: (x @ a).tanh().sum()), (x[0],), (x[1],)),
    "vhp": lambda m, f, x: f.vjp(f.grad(lambda a: (x @ a).tanh().sum()), x[0])[1](x[1]),
    "batched vjp": lambda m, f, x: f.vmap(f.vjp(lambda a: (x @ a).exp(), x[0])[1])(m.eye(3)),
    "named results": lambda m, f, x: f.vmap(lambda a: a.max(0))(x),
    "promotion": lambda m, f, x: f.vmap(lambda a, k: (a.sum() * k, k + 1.5, k * 2), (0, 0))(
        x, m.arange(3)
    ),
    "strange arguments": lambda m, f, x: f.vmap(lambda a: a)(x, 3),
    "no scalar": lambda m, f, x: f.grad(lambda a: a * 2)(x),
    "integers": lambda m, f, x: f.grad(lambda a: a.sum())(m.arange(3)),
    "structure": lambda m, f, x: f.vjp(lambda a: {"k": a}, x)[1](x),
    "noise refused": lambda m, f, x: f.vmap(lambda a: a + m.randn(3))(x),
    "noise": lambda m, f, x: (
        m.manual_seed(0),
        f.vmap(lambda a: m.randn(3) + 0 * a, randomness="different")(x),
        f.vmap(lambda a: m.rand_like(a), randomness="same")(x),
    )[1:],
    "mask": lambda m, f, x: f.vmap(lambda a: a[a > 0])(x),
    "in place": lambda m, f, x: f.vmap(lambda a: m.zeros(3).mul_(a))(x),
    "captured": lambda m, f, x: f.vmap(lambda a: a.new_zeros(3).add_(a).unsqueeze_(0))(x),
    "unknown names": lambda m, f, x: f.functional_call(network(m)[0].eval(), {"no": x}, (x,)),
    "missing names": lambda m, f, x: f.functional_call(network(m)[0], {}, (x,), strict=True),
    "linearize": lambda m, f, x: f.linearize(lambda a: a**3 * a.sum(), x)[1](x),
    "unwrapped": lambda m, f, x: (
        kept := [],
        f.vmap(lambda a: kept.append(f.debug_unwrap(a)) or a)(x),
        kept,
    )[1:],
    "gradients in batches": lambda m, f, x: m.autograd.grad(
        (a := x.clone().requires_grad_()).exp(), a, m.eye(9).reshape(9, 3, 3), is_grads_batched=True
    ),
    "vectorized": lambda m, f, x: m.autograd.functional.hessian(
        lambda a: a.pow(3).sum(), x[0], vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    program = PROGRAMS[name]
    outcomes = []
    for m in (rushlight, oracle):  # in this order: only the second may warn
        try:
            if m is oracle:
                warnings.simplefilter("ignore")  # of its own deprecations
            outcomes.append(shown(m, program(m, m.func, m.tensor(DATA))))
        except Exception as error:  # compared below
            outcomes.append(error)
    ours, theirs = outcomes
    if isinstance(theirs, Exception):
        assert type(ours).__name__ == type(theirs).__name__
        first = str(theirs).split("(")[0].split(".")[0][:25]
        assert first in str(ours)
    else:
        assert not isinstance(ours, Exception), ours
        assert repr(ours) == repr(theirs) or near(ours, theirs)


def near(a, b):
    """Whether two results differ by rounding alone."""
    if isinstance(a, float) or isinstance(b, float):
        return abs(a - b) <= 2e-3 * (1 + abs(b))
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(near(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(near(a[k], b[k]) for k in a)
    return a == b
