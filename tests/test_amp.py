"""torch.amp on the CPU: what autocast casts, and how GradScaler adapts."""

import pickle
import threading
import warnings

import pytest

import rushlight as torch
import rushlight.nn.functional as F

bf16, f32 = torch.bfloat16, torch.float32


def x(*shape, dtype=f32):
    torch.manual_seed(0)
    return torch.randn(*shape).to(dtype)


LOWERED = {
    "matmul": lambda: x(3, 4) @ x(4, 5),
    "batched": lambda: torch.matmul(x(2, 3, 4), x(4, 5)),
    "mm": lambda: torch.mm(x(3, 4), x(4, 5)),
    "addmm": lambda: torch.addmm(x(3, 5), x(3, 4), x(4, 5)),
    "bmm": lambda: torch.bmm(x(2, 3, 4), x(2, 4, 5)),
    "einsum": lambda: torch.einsum("ij,jk->ik", x(3, 4), x(4, 5)),
    "linear": lambda: torch.nn.Linear(4, 5)(x(3, 4)),
    "conv": lambda: torch.nn.Conv2d(2, 3, 3)(x(1, 2, 5, 5)),
    "conv_transpose": lambda: torch.nn.ConvTranspose1d(2, 3, 3)(x(1, 2, 5)),
    "attention": lambda: F.scaled_dot_product_attention(*[x(1, 2, 3, 4)] * 3),
    "lstm": lambda: torch.nn.LSTM(3, 4)(x(5, 2, 3))[0],
    "prelu": lambda: F.prelu(x(3, 4), x(1)),
}
RAISED = {
    "mse_loss": lambda: F.mse_loss(x(3, dtype=bf16), x(3, dtype=bf16)),
    "cross_entropy": lambda: F.cross_entropy(x(3, 4, dtype=bf16), torch.tensor([0, 1, 2])),
    "hinge": lambda: F.hinge_embedding_loss(x(3, dtype=bf16), torch.tensor([1.0, -1, 1])),
    "prod": lambda: torch.prod(x(3, dtype=bf16)),
    "svd": lambda: torch.linalg.svd(x(3, 3, dtype=bf16))[1],
    "fft": lambda: torch.fft.rfft(x(8, dtype=bf16)).real,
    "solve": lambda: torch.linalg.solve(torch.eye(3, dtype=bf16), x(3, dtype=bf16)),
}
KEPT = {
    "add": lambda: x(3) + x(3),
    "softmax": lambda: F.softmax(x(3, dtype=bf16), 0).float(),
    "mv": lambda: torch.mv(x(3, 4), x(4)),
    "double": lambda: (x(3, 4).double() @ x(4, 5).double()).float(),
    "out": lambda: torch.mm(x(3, 4), x(4, 5), out=torch.empty(3, 5)),
    "gru": lambda: torch.nn.GRU(3, 4)(x(5, 2, 3))[0],
}


@pytest.mark.parametrize("name", LOWERED)
def test_products_run_in_the_low_precision(name):
    for dtype in (bf16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            assert LOWERED[name]().dtype is dtype
    assert LOWERED[name]().dtype is f32


@pytest.mark.parametrize("name", [*RAISED, *KEPT])
def test_losses_and_transforms_run_in_float32(name):
    with torch.autocast("cpu"):
        assert (RAISED | KEPT)[name]().dtype is f32


def test_concatenation_takes_the_widest():
    with torch.autocast("cpu"):
        for join in (torch.cat, torch.stack):
            assert join([x(3), x(3, dtype=bf16)]).dtype is f32
            assert join([x(3, dtype=bf16)] * 2).dtype is bf16


def test_gradients_flow_through_the_casts_and_weights_are_cast_once():
    w = x(4, 4).requires_grad_()
    with torch.autocast("cpu"):
        first, second = x(2, 4) @ w, x(2, 4) @ w
        casts = [y.grad_fn.next_functions[1][0] for y in (first, second)]
    assert casts[0] is casts[1]
    (first.float().sum() + second.float().sum()).backward()
    want = 2 * x(2, 4).to(bf16).float().sum(0)[:, None].expand(4, 4)
    torch.testing.assert_close(w.grad, want, rtol=2e-2, atol=2e-2)
    with torch.autocast("cpu", cache_enabled=False):
        first, second = x(2, 4) @ w, x(2, 4) @ w
        casts = [y.grad_fn.next_functions[1][0] for y in (first, second)]
    assert casts[0] is not casts[1]


def test_a_changed_weight_is_cast_anew():
    w = x(4, 4).requires_grad_()
    for factor in (1.0, 3.0):
        with torch.no_grad():
            w.fill_(factor)
        with torch.autocast("cpu"):
            assert (torch.ones(1, 4) @ w)[0, 0] == 4 * factor


def test_blocks_nest_and_restore():
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled()
        with torch.autocast("cpu", enabled=False):
            assert not torch.is_autocast_enabled("cpu")
            assert (x(2, 2) @ x(2, 2)).dtype is f32
            with torch.autocast("cpu", dtype=torch.float16):
                assert torch.get_autocast_dtype("cpu") is torch.float16
                assert (x(2, 2) @ x(2, 2)).dtype is torch.float16
        assert torch.get_autocast_dtype("cpu") is bf16
        assert (x(2, 2) @ x(2, 2)).dtype is bf16
        with pytest.raises(KeyError):
            with torch.autocast("cpu", enabled=False):
                raise KeyError
        assert (x(2, 2) @ x(2, 2)).dtype is bf16
    assert (x(2, 2) @ x(2, 2)).dtype is f32


def test_decorated_functions_may_call_themselves():
    @torch.autocast("cpu")
    def deep(n):
        assert torch.is_autocast_enabled("cpu")
        return deep(n - 1) if n else x(2, 2) @ x(2, 2)

    assert deep(3).dtype is bf16
    assert not torch.is_autocast_enabled("cpu")


def test_threads_start_without_it():
    seen = []
    with torch.autocast("cpu"):
        worker = threading.Thread(target=lambda: seen.append((x(2, 2) @ x(2, 2)).dtype))
        worker.start()
        worker.join()
    assert seen == [f32]


def test_words():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not torch.autocast("cuda")._enabled
    with pytest.warns(UserWarning, match="target dtype is not supported. Disabling"):
        assert not torch.autocast("cpu", dtype=torch.float64)._enabled
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.autocast("toaster")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(torch.device("cpu"))
    with pytest.warns(DeprecationWarning, match=r"use torch.is_autocast_enabled\('cpu'\)"):
        assert not torch.is_autocast_cpu_enabled()
    with pytest.warns(FutureWarning, match="torch.cpu.amp.autocast"):
        torch.cpu.amp.autocast()


class Product(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=f32)
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        assert not torch.is_autocast_enabled("cpu")
        a, b = ctx.saved_tensors
        return g @ b.mT, a.mT @ g


def test_custom_functions_choose_their_dtype():
    a = x(2, 3, dtype=bf16).requires_grad_()
    with torch.autocast("cpu"):
        y = Product.apply(a, x(3, 2))
        assert y.dtype is f32
        y.sum().backward()
    assert a.grad.dtype is bf16


def problem():
    p = torch.ones(3, requires_grad=True)
    return p, torch.optim.SGD([p], lr=0.1)


def test_scaled_steps_are_the_plain_ones():
    p, optimizer = problem()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    for count in (1, 2):
        optimizer.zero_grad()
        scaler.scale((p * 2).sum()).backward()
        assert torch.equal(p.grad, torch.full((3,), 8.0))
        scaler.unscale_(optimizer)
        assert torch.equal(p.grad, torch.full((3,), 2.0))
        scaler.step(optimizer)
        scaler.update()
        torch.testing.assert_close(p.detach(), torch.full((3,), 1 - 0.2 * count))
    assert scaler.get_scale() == 8.0


def test_overflow_leaves_the_step_out_and_halves_the_scale():
    p, optimizer = problem()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale((p * float("inf")).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(p.detach(), torch.ones(3))
    assert scaler.get_scale() == 2.0


def test_the_order_of_calls_is_checked():
    p, optimizer = problem()
    scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="_scale is None"):
        scaler.update()
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled"):
        pickle.dumps(scaler)
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: 1)
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="unscale FP16 gradients"):
        scaler.unscale_(torch.optim.SGD([half], lr=0.1))


def test_its_state_is_kept_and_restored():
    p, optimizer = problem()
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=7)
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 7,
        "_growth_tracker": 1,
    }
    other = torch.amp.GradScaler("cpu")
    with pytest.raises(KeyError):
        other.load_state_dict({"scale": 3.0})
    assert other.get_scale() == 65536.0
    other.load_state_dict(state)
    assert other.state_dict() == state == pickle.loads(pickle.dumps(scaler)).state_dict()
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        other.load_state_dict({})


def test_without_cuda_everything_passes_through():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = torch.amp.GradScaler()
    p, optimizer = problem()
    assert scaler.scale(p) is p and scaler.state_dict() == {} and scaler.get_scale() == 1.0
    p.sum().backward()
    scaler.step(optimizer)
    scaler.update()
    torch.testing.assert_close(p.detach(), torch.full((3,), 0.9))


def test_a_network_learns_in_mixed_precision():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 32), torch.nn.ReLU(), torch.nn.LayerNorm(32), torch.nn.Linear(32, 1)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    scaler = torch.amp.GradScaler("cpu")
    inputs = torch.randn(128, 4)
    targets = inputs.prod(1, keepdim=True)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(120):
            optimizer.zero_grad()
            with torch.autocast("cpu"):
                loss = F.mse_loss(net(inputs), targets)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert all(p.grad.dtype is f32 for p in net.parameters())
