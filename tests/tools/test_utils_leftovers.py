"""Small tools of torch.utils, torch.nn.utils and torch.compiler."""

from __future__ import annotations

import io
import weakref

import pytest

import rushlight as torch
import rushlight._dynamo.config
import rushlight._inductor
from rushlight.nn.utils._per_sample_grad import call_for_per_sample_grads
from rushlight.utils import _config_module, _contextlib, swap_tensors
from rushlight.utils._functools import cache_method
from rushlight.utils._ordered_set import OrderedSet

F = torch.nn.functional


def test_swapping_tensors():
    a, b = torch.ones(2), torch.zeros(3, dtype=torch.int64)
    a.note = "a"
    swap_tensors(a, b)
    assert a.tolist() == [0, 0, 0] and b.tolist() == [1.0, 1.0]
    assert b.note == "a" and not hasattr(a, "note") and a.dtype is torch.int64
    p, plain = torch.nn.Parameter(torch.ones(2)), torch.zeros(1)
    p.grad = torch.full((2,), 5.0)
    swap_tensors(p, plain)
    assert isinstance(plain, torch.nn.Parameter) and type(p) is torch.Tensor
    assert plain.grad.tolist() == [5.0, 5.0] and p.grad is None
    held = weakref.ref(p)
    with pytest.raises(RuntimeError, match="Cannot swap t1 because it has weakref"):
        swap_tensors(p, plain)
    assert held() is p
    leaf = torch.ones(2, requires_grad=True)
    graph = leaf * 2
    with pytest.raises(RuntimeError, match="no history that leads to t1"):
        swap_tensors(leaf, torch.zeros(2))
    assert graph.requires_grad


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradients_of_each_sample(reduction):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LayerNorm(18),
        torch.nn.Linear(18, 3),
    )  # fmt: skip
    x, y = torch.randn(4, 1, 5, 5), torch.tensor([0, 1, 2, 0])
    out = call_for_per_sample_grads(net, loss_reduction=reduction)(x)
    torch.testing.assert_close(out, net(x))
    F.cross_entropy(out, y, reduction=reduction).backward()
    for i in range(4):
        one = torch.autograd.grad(
            F.cross_entropy(net(x[i : i + 1]), y[i : i + 1]), list(net.parameters())
        )
        for p, expected in zip(net.parameters(), one, strict=True):
            torch.testing.assert_close(p.grad_sample[i], expected)
            assert p.grad is None
    with pytest.raises(RuntimeError, match="clear out the grad_sample"):
        call_for_per_sample_grads(net)


def test_what_gradients_of_samples_refuse():
    net = torch.nn.Linear(4, 3)
    for options, words in (
        ({"loss_reduction": "x"}, "sum or mean, got x"), ({"batch_size": 0}, "must be positive"),
        ({"batch_size": "a"}, "None or an integer, got str"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=words):
            call_for_per_sample_grads(net, **options)
    with pytest.raises(RuntimeError, match="must be nn.Module, got int"):
        call_for_per_sample_grads(1)
    with pytest.raises(RuntimeError, match="batch size 5 and one with batch size 2"):
        call_for_per_sample_grads(net)(torch.ones(5, 4), torch.ones(2, 4))
    with pytest.raises(RuntimeError, match="Unable to find a tensor"):
        call_for_per_sample_grads(net)()


def test_choices_of_the_compiler():
    compiler = torch.compiler
    assert compiler.get_default_backend() == "inductor"
    compiler.set_default_backend("eager")
    assert compiler.get_default_backend() == "eager"
    compiler.set_default_backend(None)
    assert compiler.get_default_backend() == "inductor"
    assert compiler.save_cache_artifacts() is None
    assert compiler.nested_compile_region(torch.sin) is torch.sin
    assert compiler.skip_all_guards_unsafe([1, 2]) == [False, False]
    assert compiler.set_enable_guard_collectives(True) is False
    assert compiler.set_enable_guard_collectives(False) is True
    stand_in = compiler.substitute_in_graph(max)(lambda a, b: a)
    assert stand_in(1, 2) == 2
    with pytest.raises(RuntimeError, match="compiled for PyTorch"):
        compiler.load_compiled_function(io.BytesIO(b"x"))


def test_settings_for_a_while():
    config = torch._dynamo.config
    assert isinstance(config, _config_module.ConfigModule) and config.cache_size_limit == 8
    with (
        config.patch(cache_size_limit=3),
        torch._inductor.config.patch({"triton.cudagraphs": True}),
    ):
        assert config.cache_size_limit == 3 and torch._inductor.config.triton.cudagraphs

    @config.patch("suppress_errors", True)
    def inside():
        return config.suppress_errors

    assert inside() and not config.suppress_errors and config.cache_size_limit == 8
    assert "max_autotune" in torch._inductor.list_options()


def test_decorating_contexts():
    class Noting(_contextlib._DecoratorContextManager):
        entered: list = []

        def __enter__(self):
            self.entered.append(1)

        def __exit__(self, *exc):
            self.entered.append(0)

    @Noting()
    def function():
        return len(Noting.entered)

    assert function() == 1 and Noting.entered == [1, 0]


def test_ordered_sets_and_cached_methods():
    made = OrderedSet([3, 1, 3, 2])
    made.add(1)
    assert list(made) == [3, 1, 2] and list(made | OrderedSet([5])) == [3, 1, 2, 5]
    assert list(made.difference([1])) == [3, 2] and list(made.intersection([2, 3])) == [3, 2]

    class Counter:
        calls = 0

        @cache_method
        def square(self, x):
            self.calls += 1
            return x * x

    counter = Counter()
    assert [counter.square(3), counter.square(3)] == [9, 9] and counter.calls == 1


def test_rules_about_shapes():
    from rushlight import _prims_common as rules
    from rushlight._dynamo import utils

    assert rules.make_contiguous_strides_for((2, 3, 4)) == (12, 4, 1)
    assert rules.make_contiguous_strides_for((2, 0, 4)) == (4, 4, 1)
    assert rules.canonicalize_dims(3, (-1, 0)) == (2, 0)
    with pytest.raises(IndexError, match="out of range"):
        rules.canonicalize_dim(2, 2)
    x = torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last)
    assert rules.suggest_memory_format(x) is torch.channels_last
    assert rules.is_integer_dtype(torch.int8) and not rules.is_integer_dtype(torch.bool)
    assert rules.corresponding_real_dtype(torch.complex64) is torch.float32
    with pytest.warns(UserWarning, match="only this"):
        utils.warn_once("only this")
    utils.warn_once("only this")
    with utils.disable_cache_limit():
        assert torch._dynamo.config.recompile_limit > 1000
    assert utils.counters["stats"]["calls_captured"] == 0


def test_products_of_bytes():
    torch.manual_seed(0)
    a = torch.randint(-5, 5, (17, 8), dtype=torch.int8)
    b = torch.randint(-5, 5, (8, 16), dtype=torch.int8)
    out = torch._int_mm(a, b)
    assert out.dtype is torch.int32 and torch.equal(out, a.int() @ b.int())
    with pytest.raises(RuntimeError, match="Expected self dtype to be int8 or uint8"):
        torch._int_mm(a.float(), b)
    with pytest.raises(RuntimeError, match=r"size\(0\) but got 8 and 4"):
        torch._int_mm(a, b[:4])
