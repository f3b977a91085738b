"""The meta device: where tensors are made, what they refuse, modules, files and optimizers."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest

import rushlight as torch

nn = torch.nn


def empty(*shape, **kwargs):
    return torch.empty(*shape, device="meta", **kwargs)


MAKERS = {
    "zeros": lambda **k: torch.zeros(2, **k),
    "ones": lambda **k: torch.ones((2,), **k),
    "empty": lambda **k: torch.empty(2, **k),
    "full": lambda **k: torch.full((2,), 3.0, **k),
    "tensor": lambda **k: torch.tensor([1.0, 2.0], **k),
    "as_tensor": lambda **k: torch.as_tensor([1.0, 2.0], **k),
    "arange": lambda **k: torch.arange(2, **k),
    "linspace": lambda **k: torch.linspace(0, 1, 2, **k),
    "eye": lambda **k: torch.eye(2, **k),
    "rand": lambda **k: torch.rand(2, **k),
    "randn": lambda **k: torch.randn(2, **k),
    "randint": lambda **k: torch.randint(5, (2,), **k),
    "randperm": lambda **k: torch.randperm(2, **k),
    "tril_indices": lambda **k: torch.tril_indices(2, 2, **k),
    "hann_window": lambda **k: torch.hann_window(2, **k),
    "fftfreq": lambda **k: torch.fft.fftfreq(2, **k),
    "empty_strided": lambda **k: torch.empty_strided((2,), (1,), **k),
    "zeros_like": lambda **k: torch.zeros_like(torch.zeros(2, device="cpu"), **k),
    "new_zeros": lambda **k: torch.zeros(2, device="cpu").new_zeros(2, **k),
    "new_tensor": lambda **k: torch.zeros(2, device="cpu").new_tensor([1.0], **k),
}
BESIDE = {"zeros_like", "new_zeros", "new_tensor"}


@pytest.mark.parametrize("name", MAKERS)
def test_where_new_tensors_go(name):
    make = MAKERS[name]
    assert make(device="meta").is_meta and make(device=torch.device("meta", 0)).is_meta
    assert not make().is_meta and make().is_cpu
    with torch.device("meta"):
        assert make().is_meta is (name not in BESIDE)
        assert not make(device="cpu").is_meta
    torch.set_default_device("meta")
    try:
        assert make().device == torch.device("meta") or name in BESIDE
    finally:
        torch.set_default_device(None)
    assert not make().is_meta


def test_what_is_made_beside_a_meta_tensor():
    x = empty(2, 3)
    for made in (
        x.new_zeros(2),
        x.new_tensor([1]),
        torch.ones_like(x),
        x.new_empty_strided((2,), (1,)),
    ):
        assert made.is_meta
    assert not torch.zeros_like(x, device="cpu").is_meta
    assert not x.new_full((2,), 1.0, device="cpu").is_meta
    assert torch.equal(torch.zeros_like(x, device="cpu"), torch.zeros(2, 3))


@pytest.mark.parametrize(
    "make,text",
    [
        (lambda: empty(2, 3), "tensor(..., device='meta', size=(2, 3))"),
        (lambda: empty(()), "tensor(..., device='meta', size=())"),
        (
            lambda: empty(2, dtype=torch.int64),
            "tensor(..., device='meta', size=(2,), dtype=torch.int64)",
        ),
        (
            lambda: empty(2, requires_grad=True),
            "tensor(..., device='meta', size=(2,), requires_grad=True)",
        ),
        (
            lambda: empty(2, requires_grad=True) * 2,
            "tensor(..., device='meta', size=(2,), grad_fn=<MulBackward0>)",
        ),
        (
            lambda: nn.Parameter(empty(2)),
            "Parameter containing:\ntensor(..., device='meta', size=(2,), requires_grad=True)",
        ),
        (
            lambda: empty(3).untyped_storage(),
            "...\n[torch.storage.UntypedStorage(device=meta) of size 12]",
        ),
    ],
)
def test_printing(make, text):
    assert repr(make()) == text
    assert f"{make()}" == text


READS = [
    (lambda x: x[0].item(), RuntimeError, "Tensor.item() cannot be called on meta tensors"),
    (lambda x: bool(x[0]), RuntimeError, "Tensor.item() cannot be called on meta tensors"),
    (lambda x: float(x[0]), RuntimeError, "Tensor.item() cannot be called on meta tensors"),
    (lambda x: torch.allclose(x, x), RuntimeError, "Tensor.item() cannot be called"),
    (lambda x: x.tolist(), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    (lambda x: x.cpu(), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    (lambda x: x.to("cpu"), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    (lambda x: torch.zeros(3).copy_(x), NotImplementedError, "Cannot copy out of meta tensor"),
    (lambda x: x.numpy(), TypeError, "can't convert meta device type tensor to numpy"),
    (lambda x: x.__array__(), TypeError, "can't convert meta device type tensor to numpy"),
    (lambda x: x.__dlpack__(), BufferError, "Cannot pack tensors on meta"),
    (lambda x: x.share_memory_(), RuntimeError, "only available on CPU"),
    (lambda x: torch.equal(x, x), NotImplementedError, "aten::equal"),
    (lambda x: x[x > 0], NotImplementedError, "Meta tensors"),
    (lambda x: x.unique(), NotImplementedError, "Meta tensors"),
    (lambda x: memoryview(torch._C.buffer(x)), NotImplementedError, "Cannot copy out"),
    (lambda x: bytes(x.untyped_storage()), NotImplementedError, "Cannot copy out"),
    (lambda x: x.untyped_storage().tolist(), NotImplementedError, "Cannot copy out"),
    (lambda x: x.repeat_interleave(x.long()), RuntimeError, "without output_size"),
    (lambda x: torch.arange(x[0]), RuntimeError, "Tensor.item() cannot be called"),
    (lambda x: x + torch.ones(3), RuntimeError, "Expected all tensors to be on the same device"),
    (
        lambda x: torch.ones(3).add_(x),
        RuntimeError,
        "Expected all tensors to be on the same device",
    ),
    (lambda x: torch.cat([x, torch.ones(3)]), RuntimeError, "on the same device"),
    (lambda x: x.view(2, 2), RuntimeError, "shape '[2, 2]' is invalid for input of size 3"),
    (lambda x: x @ empty(4, 4), RuntimeError, "mat1 and mat2 shapes cannot be multiplied"),
    (lambda x: x.sum(5), IndexError, "Dimension out of range"),
]


@pytest.mark.parametrize("case", range(len(READS)))
def test_reads_raise(case):
    read, kind, words = READS[case]
    with pytest.raises(kind) as caught:
        read(empty(3))
    assert words in str(caught.value)


def test_numbers_and_indices_of_the_cpu_may_stand_beside_meta_tensors():
    x = empty(3)
    for made in (x + 2, x + torch.ones(()), torch.ones(()) * x, x[torch.tensor([0, 2])]):
        assert made.is_meta
    assert x.copy_(torch.ones(3)) is x
    assert x.index_select(0, torch.tensor([0])).shape == (1,)
    assert x.data_ptr() == 0 and x.untyped_storage().nbytes() == 12


def test_views_in_place_writes_and_versions():
    x = empty(4, 4)
    part = x[1:]
    part.add_(1)
    assert x._version == 1 and part._base is x and part.storage_offset() == 4
    assert x.t().stride() == (1, 4)
    assert x.resize_(2, 2).shape == (2, 2)
    x.data = torch.ones(2)
    assert not x.is_meta and torch.equal(x, torch.ones(2))


def test_a_network_forward_and_backward():
    with torch.device("meta"):
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
        )
        images = torch.randn(2, 3, 8, 8)
    out = net(images)
    assert out.is_meta and out.shape == (2, 10)
    out.sum().backward()
    for p in net.parameters():
        assert p.grad.is_meta and p.grad.shape == p.shape


OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("how", [{}, {"foreach": True}, {"foreach": False}], ids=str)
def test_optimizers_step(name, how):
    layer = nn.Linear(3, 4, device="meta")
    optimizer = getattr(torch.optim, name)(layer.parameters(), lr=0.1, **how)
    for _ in range(2):
        optimizer.zero_grad()
        layer(empty(2, 3)).sum().backward()
        optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values()]
    assert all(t.is_meta for t in state if isinstance(t, torch.Tensor) and t.ndim)


def test_initialisation_draws_nothing():
    before = torch.get_rng_state()
    for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_normal_", "trunc_normal_"):
        assert getattr(nn.init, name)(empty(3, 4)).is_meta
    nn.TransformerEncoderLayer(16, 2, 16, device="meta")
    nn.functional.dropout(empty(100))
    torch.distributions.Normal(empty(3), empty(3), validate_args=False).sample()
    assert torch.equal(torch.get_rng_state(), before)


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_modules_to_and_from_meta():
    net = network()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    weight = net[0].weight
    net.to("meta")
    assert net[0].weight.is_meta and not weight.is_meta
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        net.to("cpu")
    with pytest.warns(UserWarning, match="which is a no-op"):
        net.load_state_dict(state)
    assert net[0].weight.is_meta
    net.load_state_dict(state, assign=True)
    assert torch.equal(net[0].weight, state["0.weight"]) and net[0].weight.requires_grad
    again = network().to("meta").to_empty(device="cpu")
    assert not any(t.is_meta for t in again.state_dict().values())
    again.load_state_dict(state)
    assert torch.equal(again[0].weight, state["0.weight"])
    assert copy.deepcopy(net.to("meta"))[0].weight.is_meta


def test_skip_init():
    before = torch.get_rng_state()
    layer = nn.utils.skip_init(nn.Linear, 3, 4)
    assert layer.weight.shape == (4, 3) and not layer.weight.is_meta
    assert nn.utils.skip_init(nn.Linear, 3, 4, device="meta").weight.is_meta
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("where", ["meta", torch.device("meta")])
def test_loading_onto_meta(tmp_path, where, mmap):
    path = tmp_path / "net.pt"
    torch.save(network().state_dict(), path)
    loaded = torch.load(path, map_location=where, mmap=mmap)
    assert all(t.is_meta for t in loaded.values()) and loaded["0.weight"].shape == (4, 3)
    torch.save(loaded, path)
    assert torch.load(path)["0.weight"].is_meta


def test_meta_tensors_are_pickled():
    x = empty(2, 3).t()
    for made in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert made.is_meta and made.stride() == (1, 3)
    with pytest.raises(NotImplementedError, match="no data"):
        torch.save(x.untyped_storage(), io.BytesIO())


def test_transforms():
    x = empty(3)
    assert torch.func.vmap(lambda a: a * 2)(x).is_meta
    assert torch.func.grad(lambda a: (a * a).sum())(x).is_meta
    assert torch.func.jacrev(lambda a: a * a)(x).shape == (3, 3)


def test_history_crosses_to_meta_and_not_back():
    x = torch.ones(3, requires_grad=True)
    y = x.to("meta")
    assert y.is_meta and y.requires_grad and not y.is_leaf
    with pytest.raises(NotImplementedError, match="no data"):
        (y * 2).sum().backward()


def test_subclasses():
    class Mine(torch.Tensor):
        pass

    x = empty(2).as_subclass(Mine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert type(x + 1) is Mine and (x + 1).is_meta
    real = torch.ones(2).as_subclass(Mine)
    made = (
        torch.zeros_like(real, device="meta"),
        torch.rand_like(real, device="meta"),
        real.new_empty(3, device="meta"),
        real.to("meta"),
    )
    assert all(type(t) is Mine and t.is_meta for t in made)
    assert not torch.zeros_like(made[0], device="cpu").is_meta


def test_functions_stay_with_their_tensors_whatever_the_default_device_is():
    x, mask = torch.rand(4, 4), torch.rand(4, 4) > 0.5
    with torch.device("meta"):
        for made in (
            torch.combinations(x[0]),
            torch.histogram(x, 5)[0],
            torch.repeat_interleave(x[0], torch.tensor([1, 2, 0, 1], device="cpu")),
            nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None]),
            torch.masked.mean(x, 0, mask=mask),
            nn.functional.rrelu(x, training=True),
            torch.quantile(x, 0.5),
            torch.linalg.lu(x)[0],
            torch.geqrf(x)[0],
            x[[0, 1]],
        ):
            assert not made.is_meta
        x[0] = 1.0
        x[[1]] = 2.0
        assert torch.ones(2).is_meta
    assert x[0].sum() == 4 and x[1].sum() == 8
