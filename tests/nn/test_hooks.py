"""Hooks around module calls and their backward."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.modules import module as registry


def test_forward_hooks_replace_arguments_and_results_in_order():
    m, seen = nn.Identity(), []
    m.register_forward_pre_hook(lambda mod, args: (seen.append("pre"), args[0] + 1)[1])
    m.register_forward_pre_hook(lambda mod, args: seen.append("first"), prepend=True)
    m.register_forward_hook(lambda mod, args, out: out * 10)
    m.register_forward_hook(lambda mod, args, out: seen.append((args, out)), prepend=True)
    assert m(1) == 20
    assert seen == ["first", "pre", ((2,), 2)]


def test_hooks_with_kwargs_see_and_change_them():
    class Sum(nn.Module):
        def forward(self, a, b=0):
            return a + b

    m = Sum()
    pre = m.register_forward_pre_hook(
        lambda mod, args, kwargs: (args, {"b": kwargs["b"] + 1}), with_kwargs=True
    )
    post = m.register_forward_hook(lambda mod, args, kwargs, out: (out, kwargs), with_kwargs=True)
    assert m(1, b=2) == (4, {"b": 3})
    pre.remove()
    post.remove()
    assert m(1, b=2) == 3
    m.register_forward_pre_hook(lambda mod, args, kwargs: 5, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        m(1, b=2)


def test_handles_remove_and_work_as_contexts():
    m = nn.Identity()
    with m.register_forward_hook(lambda *a: 7):
        assert m(1) == 7
    assert m(1) == 1


def test_always_called_hooks_run_after_an_error():
    class Fail(nn.Module):
        def forward(self):
            raise ValueError("broken")

    m, seen = Fail(), []
    m.register_forward_hook(lambda *a: seen.append("usual"))
    m.register_forward_hook(lambda mod, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        m()
    assert seen == [None]
    m.register_forward_hook(lambda *a: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(ValueError, match="broken"):
        m()


def test_full_backward_hooks_see_and_change_gradients():
    m, seen = nn.Linear(2, 3), []
    x = torch.ones(4, 2, requires_grad=True)
    expected = m.weight.sum(0).detach()

    def double(module, grad_input, grad_output):
        assert module is m
        seen.append((grad_input[0].shape, grad_output[0].shape))
        return (grad_input[0] * 2,)

    m.register_full_backward_hook(double)
    m(x).sum().backward()
    assert seen == [((4, 2), (4, 3))]
    assert torch.allclose(x.grad, expected.expand(4, 2) * 2)
    assert torch.equal(m.bias.grad, torch.full((3,), 4.0))


def test_full_backward_pre_hooks_change_what_arrives():
    m = nn.Linear(1, 1)
    m.register_full_backward_pre_hook(lambda mod, grad_output: (grad_output[0] * 3,))
    m(torch.ones(2, 1)).sum().backward()
    assert m.bias.grad.item() == 6


def test_backward_hook_without_input_gradient_gets_none():
    m, seen = nn.Linear(1, 1), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go[0].shape)))
    with pytest.warns(UserWarning, match="Full backward hook is firing when gradients"):
        m(torch.ones(2, 1)).sum().backward()
    assert seen == [((None,), (2, 1))]


def test_backward_hooks_keep_places_of_several_inputs_and_outputs():
    class Two(nn.Module):
        def forward(self, a, flag, b):
            return a * 2, flag, b * 3

    m, seen = Two(), []
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go)))
    out = m(a, "text", b)
    assert out[1] == "text"
    (out[0].sum() + out[2].sum()).backward()
    ((gi, go),) = seen
    assert gi[0].tolist() == [2, 2] and gi[1] is None and gi[2].tolist() == [3, 3]
    assert go[0].tolist() == [1, 1] and go[1] is None


def test_a_wrong_number_of_gradients_is_refused():
    m = nn.Linear(1, 1)
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_input"):
        m(torch.ones(1, 1, requires_grad=True)).sum().backward()


def test_kinds_of_backward_hooks_do_not_mix():
    m = nn.Linear(1, 1)
    m.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full"):
        m.register_backward_hook(lambda *a: None)


def test_global_hooks_reach_every_module_until_removed():
    m, seen = nn.Sequential(nn.Identity(), nn.Identity()), []
    handles = [
        registry.register_module_forward_pre_hook(lambda mod, args: seen.append("pre")),
        registry.register_module_forward_hook(lambda mod, args, out: seen.append("post")),
    ]
    m(1)
    for handle in handles:
        handle.remove()
    m(1)
    assert seen == ["pre"] * 2 + ["post"] + ["pre", "post", "post"]


def test_global_backward_hooks_run():
    seen = []
    with registry.register_module_full_backward_hook(lambda m, gi, go: seen.append(type(m))):
        nn.Linear(1, 1)(torch.ones(1, 1, requires_grad=True)).sum().backward()
    registry._hooks.full_backward = None
    assert seen == [nn.Linear]


def test_registration_hooks_see_names():
    seen = []
    handles = [
        getattr(registry, f"register_module_{kind}_registration_hook")(
            lambda module, name, value: seen.append(name)
        )
        for kind in ("parameter", "buffer", "module")
    ]
    nn.Sequential(nn.BatchNorm1d(1))
    for handle in handles:
        handle.remove()
    assert seen == [
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked", "0",
    ]  # fmt: skip


def test_hooks_of_a_copy_are_its_own():
    import copy

    m = nn.Identity()
    handle = m.register_forward_hook(lambda *a: 7)
    twin = copy.deepcopy(m)
    handle.remove()
    assert m(1) == 1 and twin(1) == 7


def test_lazy_modules_become_ordinary_and_quick():
    m = nn.LazyLinear(3)
    assert repr(m) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert m(torch.ones(2, 4)).shape == (2, 3)
    assert type(m) is nn.Linear and m.weight.shape == (3, 4) and type(m.weight) is nn.Parameter
    assert not m._forward_pre_hooks or not list(m._forward_pre_hooks)


@pytest.mark.parametrize(
    ("make", "shape", "becomes"),
    [
        (lambda: nn.LazyConv2d(3, 2), (1, 4, 5, 5), "Conv2d"),
        (lambda: nn.LazyConvTranspose1d(3, 2), (2, 4, 5), "ConvTranspose1d"),
        (lambda: nn.LazyBatchNorm1d(), (3, 4), "BatchNorm1d"),
        (lambda: nn.LazyInstanceNorm2d(), (2, 4, 5, 5), "InstanceNorm2d"),
    ],
)
def test_lazy_layers_learn_their_channels(make, shape, becomes):
    m = make()
    m(torch.ones(shape))
    assert type(m).__name__ == becomes
    assert not any(isinstance(p, nn.UninitializedParameter) for p in m.parameters())


def test_lazy_state_loads_before_the_first_call():
    source, target = nn.Linear(4, 3), nn.LazyLinear(3)
    target.load_state_dict(source.state_dict())
    x = torch.ones(1, 4)
    assert torch.equal(target(x), source(x))


def test_uninitialized_parameters_refuse_arithmetic():
    u = nn.UninitializedParameter()
    for use in (lambda: u * 2, lambda: torch.ones(1) + u, lambda: u.sum()):
        with pytest.raises(ValueError, match="uninitialized parameter"):
            use()
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        u.shape  # noqa: B018 (the access itself raises)
    u.materialize((2, 3))
    assert type(u) is nn.Parameter and u.shape == (2, 3)


def test_the_data_of_an_uninitialized_parameter_are_an_ordinary_empty_tensor():
    u = nn.LazyLinear(3).weight
    assert type(u.data) is torch.Tensor and u.data.shape == (0,)
    u.data.normal_(0, 0.01)  # as programs do that initialise every layer
    u.data = torch.empty(0, dtype=torch.float64)
    assert u.dtype is torch.float64 and type(u) is nn.UninitializedParameter


def test_lazy_norms_move_and_cast_before_the_first_call():
    m = nn.LazyBatchNorm1d(affine=False).double()
    assert type(m.running_mean) is nn.UninitializedBuffer
    assert m(torch.ones(2, 3, dtype=torch.float64)).dtype is torch.float64
    away = nn.LazyBatchNorm2d().to("meta")
    assert away.weight.device.type == away.running_mean.device.type == "meta"


@pytest.fixture(autouse=True)
def _lazy_warnings():
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Lazy modules")
        yield
