"""nn.init: the draws are PyTorch's, bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight
from rushlight import nn

CALLS = {
    "uniform_": lambda i, t: i.uniform_(t, -0.3, 0.7),
    "normal_": lambda i, t: i.normal_(t, 1.0, 0.2),
    "constant_": lambda i, t: i.constant_(t, 1.5),
    "ones_": lambda i, t: i.ones_(t),
    "zeros_": lambda i, t: i.zeros_(t),
    "eye_": lambda i, t: i.eye_(t),
    "xavier_uniform_": lambda i, t: i.xavier_uniform_(t, gain=1.3),
    "xavier_normal_": lambda i, t: i.xavier_normal_(t),
    "kaiming_uniform_": lambda i, t: i.kaiming_uniform_(t, a=0.1, mode="fan_out"),
    "kaiming_normal_": lambda i, t: i.kaiming_normal_(t, nonlinearity="relu"),
    "sparse_": lambda i, t: i.sparse_(t, 0.4),
    "trunc_normal_": lambda i, t: i.trunc_normal_(t, std=0.8, a=-0.5, b=0.9),
    "trunc_normal_ far": lambda i, t: i.trunc_normal_(t, std=0.5, a=1.0, b=1.4),
}


@pytest.mark.parametrize("shape", [(7, 5), (3, 20)])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:mean is more than")
def test_draws_equal_pytorchs(name, shape):
    torch = pytest.importorskip("torch")
    results = []
    for framework in (rushlight, torch):
        framework.manual_seed(11)
        tensor = framework.empty(shape)
        assert CALLS[name](framework.nn.init, tensor) is tensor
        results.append((tensor.numpy(), framework.get_rng_state().numpy()))
    (ours, our_state), (theirs, their_state) = results
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(our_state, their_state)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (8, 2, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    w = nn.init.orthogonal_(rushlight.empty(shape), gain=2.0).reshape(shape[0], -1)
    gram = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
    assert rushlight.allclose(gram, 4 * rushlight.eye(gram.shape[0]), atol=1e-5)


def test_dirac_passes_channels_on():
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    nn.init.dirac_(conv.weight, groups=2)
    x = rushlight.randn(1, 4, 5, 5)
    assert rushlight.allclose(conv(x), x)


def test_parameters_are_filled_outside_the_graph():
    p = nn.Parameter(rushlight.ones(3, 3))
    for fill in (nn.init.xavier_uniform_, nn.init.orthogonal_, nn.init.eye_, nn.init.zeros_):
        assert fill(p) is p and p.is_leaf and p.requires_grad


def test_gains():
    gain = nn.init.calculate_gain
    assert gain("linear") == gain("conv2d") == gain("sigmoid") == 1
    assert gain("tanh") == 5 / 3 and gain("relu") == math.sqrt(2) and gain("selu") == 0.75
    assert gain("leaky_relu", 0.5) == math.sqrt(2 / 1.25)
    for bad in (("no such",), ("leaky_relu", True)):
        with pytest.raises(ValueError):
            gain(*bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.init.xavier_uniform_(rushlight.empty(3)),
        lambda: nn.init.kaiming_normal_(rushlight.empty(3)),
        lambda: nn.init.kaiming_normal_(rushlight.empty(3, 3), mode="sideways"),
        lambda: nn.init.eye_(rushlight.empty(2, 2, 2)),
        lambda: nn.init.dirac_(rushlight.empty(2, 2)),
        lambda: nn.init.dirac_(rushlight.empty(3, 2, 2), groups=2),
        lambda: nn.init.sparse_(rushlight.empty(3), 0.5),
        lambda: nn.init.orthogonal_(rushlight.empty(3)),
    ],
)
def test_unfit_shapes_are_value_errors(call):
    with pytest.raises(ValueError):
        call()


def test_a_generator_is_used():
    a, b = rushlight.empty(4, 4), rushlight.empty(4, 4)
    for t in (a, b):
        nn.init.xavier_normal_(t, generator=rushlight.Generator().manual_seed(5))
    assert rushlight.equal(a, b)


def test_empty_tensors_warn_and_stay():
    with pytest.warns(UserWarning, match="no-op"):
        nn.init.kaiming_uniform_(rushlight.empty(0, 3))


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="deprecated in favor of `nn.init.uniform_`"):
        nn.init.uniform(rushlight.empty(2))
