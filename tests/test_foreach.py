"""torch._foreach_* and torch._check*: lists of tensors, and conditions of library code."""

import pytest

import rushlight as torch


def lists():
    torch.manual_seed(0)
    return [torch.rand(2) + 0.5, torch.rand(3, 2) + 0.5]


@pytest.mark.parametrize("name", ["abs", "exp", "sqrt", "neg", "sigmoid", "lgamma", "trunc"])
def test_one_operator_over_a_list(name):
    a = lists()
    want = [getattr(torch, name)(t) for t in a]
    for got, w in zip(getattr(torch, f"_foreach_{name}")(a), want, strict=True):
        assert torch.equal(got, w)
    assert getattr(torch, f"_foreach_{name}_")(a) is a
    assert all(torch.equal(x, w) for x, w in zip(a, want, strict=True))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "maximum", "clamp_max"])
@pytest.mark.parametrize("other", [2, [2, 3], "tensors"])
def test_operands_for_all_or_for_each(name, other):
    a = lists()
    other = [t * 2 for t in a] if other == "tensors" else other
    each = other if isinstance(other, list) else [other, other]
    call = {"maximum": torch.clamp_min}.get(name) or getattr(torch, name)
    for got, t, o in zip(getattr(torch, f"_foreach_{name}")(a, other), a, each, strict=True):
        assert torch.equal(got, call(t, o))


def test_three_operands_and_norms():
    a, b = lists(), [t * 3 for t in lists()]
    for got, x, y, v in zip(torch._foreach_addcdiv(a, a, b, [2, 3]), a, b, [2, 3], strict=True):
        assert torch.equal(got, torch.addcdiv(x, x, y, value=v))
    for got, x, y in zip(torch._foreach_addcmul(a, a, b, value=2), a, b, strict=True):
        assert torch.equal(got, torch.addcmul(x, x, y, value=2))
    assert torch.equal(torch._foreach_lerp(a, b, 0.25)[0], torch.lerp(a[0], b[0], 0.25))
    assert torch.equal(torch._foreach_norm(a)[1], a[1].norm())
    torch._foreach_zero_(a)
    assert not a[0].any() and not a[1].any()
    torch._foreach_copy_(a, b)
    assert torch.equal(a[1], b[1])


def test_lists_that_do_not_match():
    a = lists()
    with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
        torch._foreach_add(a, a[:1])
    with pytest.raises(RuntimeError, match="same number of elements as scalar list"):
        torch._foreach_add(a, [1])
    with pytest.raises(RuntimeError, match="at least one tensor"):
        torch._foreach_add([], 1)
    with pytest.raises(RuntimeError, match="expected to be 0 dim but it has 1 dimensions"):
        torch._foreach_add(a, a[0])
    with pytest.raises(AttributeError):
        _ = torch._foreach_clone_


@pytest.mark.parametrize(
    "check, kind",
    [("_check", RuntimeError), ("_check_index", IndexError), ("_check_value", ValueError),
     ("_check_type", TypeError), ("_check_not_implemented", NotImplementedError)],
)  # fmt: skip
def test_conditions(check, kind):
    check = getattr(torch, check)
    check(True)
    with pytest.raises(kind, match="too small: 3"):
        check(False, lambda: f"too small: {3}")
    with pytest.raises(TypeError, match="cond must be a bool"):
        check(3)


def test_conditions_on_tensors():
    torch._assert_async(torch.tensor(1))
    with pytest.raises(RuntimeError, match="nonzero value, but got zero"):
        torch._assert_async(torch.tensor(0))
    with pytest.raises(RuntimeError, match="more than one value"):
        torch._assert_async(torch.ones(2))
    with pytest.raises(RuntimeError):
        torch._check_tensor_all(torch.tensor([True, False]))
    with pytest.raises(AssertionError, match="odd"):
        torch._assert(False, "odd")
