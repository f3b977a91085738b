"""Functions of nn.functional and layers, traced: the operators that PyTorch records, and values."""

import warnings

import pytest
import traced_calls as calls

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn

FUNCTIONS = calls.FUNCTIONS.strip().splitlines()
LAYERS = calls.LAYERS.strip().splitlines()
RANDOM = ("gumbel", "dropout1d", "dropout2d", "fractional", "Transformer", "Fractional")


def trace(lib, program, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lib.jit.trace(program, inputs, check_trace=False)


def leaves(found):
    return [t for f in found for t in leaves(f)] if isinstance(found, tuple | list) else [found]


def same(one, other):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("call", FUNCTIONS)
def test_traced_functions_give_what_the_program_gives(call):
    program, inputs = calls.function(torch, call)
    made = trace(torch, program, inputs)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = program(*inputs)
    torch.manual_seed(0)
    same(made(*inputs), expected)


@pytest.mark.parametrize("line", [n for n in LAYERS if not n.startswith("nn.Transformer")])
def test_traced_layers_give_what_the_layer_gives(line):
    module, inputs = calls.layer(torch, line)
    module.eval()
    made = trace(torch, module, inputs)
    torch.manual_seed(0)
    expected = module(*inputs)
    torch.manual_seed(0)
    same(made(*inputs), expected)


@pytest.mark.parametrize(
    "call, operators",
    [
        ("F.mse_loss(m, n)", "broadcast_tensors mse_loss"),
        ("F.kl_div(m, n, reduction='batchmean')", "kl_div size div"),
        ("F.max_pool2d(i, 2, return_indices=True)", "max_pool2d_with_indices"),
        ("F.conv2d(i, w, padding='same')", "_convolution_mode"),
        ("F.normalize(m)", "linalg_vector_norm clamp_min expand_as div"),
        ("F.embedding(y, m, max_norm=1.0)", "contiguous detach embedding_renorm_ embedding"),
        ("F.adaptive_avg_pool2d(i, (None, 2))", "size Int adaptive_avg_pool2d"),
    ],
)
def test_what_is_recorded_of_a_function(call, operators):
    made = trace(torch, *calls.function(torch, call))
    found = [k.partition("::")[2] for k in calls.kinds(made)[0] if k.startswith("aten::")]
    assert found == operators.split()


def test_a_class_of_a_program_may_build_on_a_layer():
    class Last(nn.LSTM):
        def forward(self, input, hx=None):
            output, _ = super().forward(input, hx)
            return output[-1] * 2

    net = Last(4, 3)
    made = trace(torch, net, (torch.randn(5, 2, 4),))
    x = torch.randn(5, 7, 4)
    same(made(x), net(x))
    assert "aten::lstm" in calls.kinds(made)[0] and nn.LSTM.forward is nn.RNN.forward


@pytest.mark.parametrize("mode", ["area", "bilinear"])
def test_scaled_sizes_are_followed(mode):
    def shrink(x):
        again = None if mode == "area" else True
        return F.interpolate(x, scale_factor=(0.5, 0.7), mode=mode, recompute_scale_factor=again)

    made = trace(torch, shrink, (torch.randn(1, 2, 8, 10),))
    x = torch.randn(1, 2, 11, 17)
    same(made(x), shrink(x))


class Called(torch.overrides.TorchFunctionMode):
    """Notes the names of the functions that are called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_sizes_are_calculated_with_as_numbers():
    made = trace(
        torch, lambda x: x.view(x.shape[0] * 2, -1)[: x.shape[1] // 3], (m := torch.ones(4, 6),)
    )
    both = trace(torch, lambda x: x.view(x.shape[0] * 2, -1) * (x.shape[0] * 2), (m,))
    assert "aten::mul" in calls.kinds(made)[0]
    for program, wanted, products in ((made, (2, 3), 0), (both, (8, 3), 2)):
        with Called() as called:
            found = program(m)
        assert found.shape == wanted and called.names.count("mul") == products
    assert both(m)[0, 0] == 8


def test_packed_sequences():
    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 3)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])[0]

    net, lengths = Ends(), torch.tensor([3, 5])
    made = trace(torch, net, (torch.randn(5, 2, 4), lengths))
    x = torch.randn(5, 2, 4)
    same(made(x, lengths), net(x, lengths))


@pytest.mark.parametrize("line", LAYERS)
def test_layers_are_recorded_as_pytorch_records_them(line):
    theirs = pytest.importorskip("torch")
    mine = trace(torch, *calls.layer(torch, line))
    assert calls.kinds(mine) == calls.kinds(trace(theirs, *calls.layer(theirs, line)))


@pytest.mark.parametrize("call", FUNCTIONS)
def test_functions_are_recorded_as_pytorch_records_them(call):
    theirs = pytest.importorskip("torch")
    mine = trace(torch, *calls.function(torch, call))
    assert calls.kinds(mine) == calls.kinds(trace(theirs, *calls.function(theirs, call)))
