"""Levels under hostile use: escaped tensors, levels left open, exceptions, threads, odd calls."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import pytest

import rushlight as torch
from rushlight import _C
from rushlight.autograd import forward_ad
from rushlight.func import debug_unwrap, grad, jvp, vmap
from rushlight.testing import assert_close

M = torch.arange(6.0).reshape(3, 2)


@pytest.fixture(autouse=True)
def clean_state():
    yield
    assert _C.transforms() == 0
    with pytest.raises(RuntimeError):
        _C.pop_interpreter()


@pytest.fixture
def escaped():
    kept = []
    vmap(lambda x: kept.append(x) or x)(M)
    return kept[0]


DOORS = [
    lambda e: e + 1,
    lambda e: M + e,
    lambda e: M[0].clone().add_(e),
    lambda e: torch.add(M[0], M[0], out=e),
    lambda e: e.sum(),
    lambda e: e[0],
    lambda e: M[e.long()],
    lambda e: e.__setitem__(0, 1.0),
    lambda e: e.zero_(),
    lambda e: e.t_(),
    lambda e: e.resize_(7),
    lambda e: torch.stack([e, e]),
    lambda e: torch.nn.functional.linear(M, e[None]),
    lambda e: vmap(lambda x: x + e)(M),
    lambda e: grad(lambda x: (x + e).sum())(M[0]),
    lambda e: vmap(torch.sin)(e),
    lambda e: e.numpy(),
    lambda e: e.tolist(),
    lambda e: e.item(),
    lambda e: bool(e),
    lambda e: list(e),
    lambda e: e.data,
    lambda e: setattr(e, "data", M),
    lambda e: setattr(M.clone(), "data", e),
    lambda e: e.data_ptr(),
    lambda e: e.untyped_storage(),
    lambda e: copy.deepcopy(e),
    lambda e: pickle.dumps(e),
    lambda e: _C.buffer(e),
    lambda e: _C.tensor_from_storage(e, torch.float32, 0, [1], [1]),
]


@pytest.mark.parametrize("door", range(len(DOORS)))
def test_an_escaped_tensor_opens_no_door(escaped, door):
    with pytest.raises((RuntimeError, ValueError)):
        DOORS[door](escaped)
    assert_close(M, torch.arange(6.0).reshape(3, 2))


def test_an_escaped_tensor_still_prints(escaped):
    assert repr(escaped).startswith("BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[0., 1.]")
    assert escaped.shape == (2,)
    assert_close(debug_unwrap(escaped), M)


def test_a_constant_may_be_kept():
    kept = {}

    def f(x):
        if not kept:
            kept["c"] = torch.arange(2.0) + 1
        return x * kept["c"]

    expected = M * torch.tensor([1.0, 2.0])
    for call in (vmap(f), f, lambda m: vmap(vmap(f))(m[None])[0]):
        assert_close(call(M), expected)
    constant = kept["c"]
    assert repr(constant) == "tensor([1., 2.])" and constant.tolist() == [1.0, 2.0]
    assert_close(torch.stack([constant, constant.data]).sum(), torch.tensor(6.0))
    assert_close(constant.add_(1), torch.tensor([2.0, 3.0]))
    assert_close(vmap(grad(lambda x: f(x).sum()))(M), constant.expand(3, 2).clone())


def test_printing_and_unwrapping_inside():
    texts = []

    def inner(x):
        texts.append(repr(x))
        assert debug_unwrap(x, recurse=False).shape == (2,)
        assert_close(debug_unwrap(x), M)
        return x

    vmap(vmap(inner))(M)
    assert texts[0].splitlines()[:2] == [
        "BatchedTensor(lvl=2, bdim=0, value=",
        "    BatchedTensor(lvl=1, bdim=0, value=",
    ]


def test_exceptions_close_the_levels():
    def fail(x):
        raise ValueError("no")

    for call in (
        lambda: vmap(fail)(M),
        lambda: grad(fail)(M),
        lambda: jvp(fail, (M,), (M,)),
        lambda: vmap(grad(lambda x: vmap(fail)(x[None])))(M),
    ):
        with pytest.raises(ValueError, match="no"):
            call()
    assert_close((M + 1).sum(), torch.tensor(21.0))


def test_levels_may_end_in_any_order():
    def opens(x):
        forward_ad.enter_dual_level()
        return x * 2

    assert_close(vmap(opens)(M), 2 * M)
    assert_close(forward_ad.make_dual(M, M) * 2, 2 * M)
    forward_ad.exit_dual_level()

    def closes(x):
        forward_ad.exit_dual_level()
        return x * 2

    forward_ad.enter_dual_level()
    assert_close(vmap(closes)(M), 2 * M)
    with pytest.raises(RuntimeError):
        forward_ad.exit_dual_level()


def test_a_level_taken_off_the_stack():
    def pops(x):
        _C.pop_interpreter()
        return x * 2

    with pytest.raises(RuntimeError, match="escaped"):
        vmap(pops)(M)


def test_a_generator_outlives_its_vmap():
    kept = []

    def numbers(x):
        yield x * 2

    vmap(lambda x: kept.append(numbers(x)) or x)(M)
    with pytest.raises(RuntimeError, match="escaped"):
        next(kept[0])


def test_threads_have_levels_of_their_own():
    seen = []

    def other(x):
        def work():
            try:
                seen.append(x * 2)
            except RuntimeError as error:
                seen.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x

    vmap(other)(M)
    assert "another thread" in seen[0]

    results = {}

    def run(i):
        results[i] = vmap(grad(lambda x: (x * i).pow(2).sum()))(M)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        assert_close(results[i], 2 * i * i * M)


def test_many_levels():
    f = torch.sin
    for _ in range(30):
        f = (lambda g: lambda x: vmap(g)(x[None])[0])(f)
    assert_close(f(M), torch.sin(M))
    too_many = f
    for _ in range(60):
        too_many = (lambda g: lambda x: vmap(g)(x[None])[0])(too_many)
    with pytest.raises(RuntimeError, match="too many"):
        too_many(M)


def test_wrong_arguments_of_the_core():
    level = _C.Level(True)
    for call in (
        lambda: _C.wrap_lanes(3, M, True),
        lambda: _C.wrap_lanes(level, torch.tensor(1.0), True),
        lambda: _C.wrap_lanes(),
        lambda: _C.lower(1, 2, 3, 4),
        lambda: _C.set_tangent(M, level, 3),
        lambda: _C.set_tangent(M, level, M),
        lambda: _C.fresh_input(3, True),
        lambda: _C.graph_is_live((3,), (4,)),
        lambda: _C.assume(M, 3),
        lambda: _C.call_outside(level),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()


@pytest.mark.parametrize("answer", [3, None, (M, 3), (M, M, M), [M], "text"])
def test_a_level_that_answers_nonsense(answer):
    class Odd(_C.Level):
        def process(self, op, args, kwargs):
            return answer

    level = Odd(True)
    wrapped = _C.wrap_lanes(level, M, True)
    _C.push_interpreter(level)
    try:
        for call in (torch.sin, torch.Tensor.exp_, lambda x: x.max(0), lambda x: x.view(2)):
            call(wrapped)
        wrapped.clone = None
    finally:
        _C.close_level(level)
    gc.collect()


def test_nothing_is_kept_alive():
    import weakref

    kept = []

    class Marked(torch.Tensor):
        pass

    def f(x):
        mark = torch.ones(2).as_subclass(Marked)
        kept.append(weakref.ref(mark))
        return (x * mark).sum()

    vmap(grad(f))(M)
    jvp(grad(f), (M[0],), (M[0],))
    gc.collect()
    assert [ref() for ref in kept] == [None, None]


def test_subclasses_and_parameters_in_lanes():
    class Own(torch.Tensor):
        pass

    def f(x):
        own = x.as_subclass(Own)
        assert type(own) is Own and type(own * 2) is Own
        return (torch.nn.Parameter(x) * own).as_subclass(torch.Tensor)

    assert_close(vmap(f)(M), M * M)
    assert_close(vmap(grad(lambda x: f(x).sum()))(M), M)


def test_in_place_shapes_keep_the_history():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    version = y._version
    y.unsqueeze_(0)
    assert (y.shape, y._version, y._base) == ((1, 3), version + 1, None)
    z = x * 2
    part = z[:2]
    part.unsqueeze_(0).mul_(3)
    assert part._base is z
    (y.sum() + z.sum()).backward()
    assert_close(x.grad, torch.tensor([8.0, 8.0, 4.0]))
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.unsqueeze_(0)


def test_optimizers_refuse_lanes():
    def step(x):
        weight = x.clone()
        weight.grad = x * 1
        torch.optim.SGD([weight], lr=1.0).step()
        return weight

    with pytest.raises(RuntimeError, match="vmap"):
        vmap(step)(M)
