"""Every layer of the table against PyTorch: weights drawn, printing, values, gradients, state."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES
from layer_runs import array, build, run, second_gradients

import rushlight

torch = pytest.importorskip("torch", reason="parity needs the oracle")


# PyTorch's gradient of this layer sums over channels that are shifted by one.
GRADIENT_DIFFERS = {"CrossMapLRN2d"}


def close(got, want, what):
    assert (got is None) == (want is None), what
    if want is not None:
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9, err_msg=what)


@pytest.mark.parametrize("name", CASES)
def test_layer_is_drawn_and_printed_as_in_pytorch(name):
    make, _ = CASES[name]
    ours, theirs = build(rushlight, make), build(torch, make)
    assert repr(ours) == repr(theirs)
    got, want = ours.state_dict(), theirs.state_dict()
    assert list(got) == list(want)
    assert got._metadata == want._metadata
    for key, value in want.items():
        np.testing.assert_array_equal(array(got[key]), array(value), err_msg=key)
    assert np.array_equal(rushlight.get_rng_state().numpy(), torch.get_rng_state().numpy())


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_layer_computes_what_pytorch_computes(name, mode):
    make, arguments = CASES[name]
    got = run(rushlight, build(rushlight, make), arguments, mode)
    want = run(torch, build(torch, make), arguments, mode)
    for part, label in zip((0, 1), ("output", "input gradient"), strict=True):
        if part and name in GRADIENT_DIFFERS:
            continue
        assert len(got[part]) == len(want[part])
        for g, w in zip(got[part], want[part], strict=True):
            close(g, w, label)
    for part, label in zip((2, 3), ("parameter gradient", "state"), strict=True):
        assert list(got[part]) == list(want[part])
        for key, w in want[part].items():
            close(got[part][key], w, f"{label} {key}")


# PyTorch scales a second time by the inverse frequency only on one of the two ways.
SECOND_DIFFERS = {"Embedding"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in SECOND_DIFFERS])
@pytest.mark.filterwarnings("ignore")
def test_second_gradients_are_those_of_pytorch(name):
    make, arguments = CASES[name]
    try:
        want = second_gradients(torch, build(torch, make), arguments)
    except (NotImplementedError, RuntimeError) as error:
        assert "not implemented" in str(error) or "automatic differentiation" in str(error)
        pytest.skip("PyTorch has no second gradient here")
    got = second_gradients(rushlight, build(rushlight, make), arguments)
    for g, w in zip(got, want, strict=True):
        g, w = (np.zeros(1) if x is None else x for x in (g, w))
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-7)


def test_every_layer_of_pytorch_is_there():
    theirs = {n for n, v in vars(torch.nn).items() if isinstance(v, type)}
    assert not {n for n in theirs - {"DataParallel"} if not hasattr(rushlight.nn, n)}


def test_every_function_of_pytorch_is_there():
    import types

    kinds = (types.FunctionType, types.BuiltinFunctionType)
    skipped = {
        "boolean_dispatch", "handle_torch_function",
        "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
        "scaled_grouped_mm", "scaled_mm",
    }  # fmt: skip
    names = {
        n for n, v in vars(torch.nn.functional).items()
        if isinstance(v, kinds) and not n.startswith("_")
    }  # fmt: skip
    missing = {n for n in names - skipped if not hasattr(rushlight.nn.functional, n)}
    assert not missing


@pytest.mark.parametrize("left_aligned", [True, False])
@pytest.mark.parametrize("layer", [{}, {"norm_first": True}, {"activation": "gelu"}])
@pytest.mark.filterwarnings("ignore")
def test_padded_positions_come_out_as_in_pytorch(layer, left_aligned):
    results = []
    for framework in (rushlight, torch):
        framework.manual_seed(0)
        nn = framework.nn
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **layer), 2, nn.LayerNorm(8)
        ).eval()
        nn.init.ones_(encoder.norm.bias)
        hidden = [False, False, True, True] if left_aligned else [True, False, False, True]
        padding = framework.tensor([hidden, [False] * 4])
        x = framework.arange(64, dtype=framework.float32).reshape(2, 4, 8).sin()
        with framework.no_grad():
            results.append(encoder(x, src_key_padding_mask=padding).numpy())
        results.append(array(encoder(x, src_key_padding_mask=padding)))
    for ours, theirs in zip(results[:2], results[2:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_whole_modules_cross_between_the_frameworks(tmp_path):
    def make(nn):
        return nn.Sequential(
            nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.LSTM(4, 4, 2),
            nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0),
            nn.ParameterList([nn.Linear(1, 1).bias]),
        )  # fmt: skip

    for here, there in ((rushlight, torch), (torch, rushlight)):
        original = make(here.nn).eval()
        here.save(original, tmp_path / "module.pt")
        arrived = there.load(tmp_path / "module.pt", weights_only=False)
        assert repr(arrived) == repr(original)
        results = []
        for framework, net in ((here, original), (there, arrived)):
            x = framework.arange(20, dtype=framework.float32).reshape(2, 2, 5).sin()
            results.append(net[3](net[2](net[1](net[0](x)))[0]))
        np.testing.assert_allclose(array(results[0]), array(results[1]), rtol=1e-4, atol=1e-5)
