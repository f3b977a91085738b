# ruff: noqa: UP007, UP045, B007 (as users of the language write)
"""Programs of branches, loops, returns and types that they refine (see script_programs)."""

from typing import Any, Optional, Union

import rushlight as torch

Tensor = torch.Tensor


def loops(x, n: int, b: bool = True):
    y = []
    for i in range(n):
        if i > 3:
            continue
        y.append(x * i)
        if b:
            break
    while n > 0:
        n -= 1
    if len(y) == 0:
        raise ValueError("nothing")
    a, c = x.shape
    return torch.cat(y).sum() + a


def early_returns(x: Optional[int], y: list[int]):
    if x is not None:
        return x + 1
    for i, (a, b) in enumerate(zip(y, y)):
        if a == b:
            return i
    return 3


def branches(z: int, m: int, b: int, x: bool):
    if x:
        z = 1
        b = 2
        m = 3
    else:
        m = 4
        z = 5
        b = 6
    return z + m + b


def none_or_not(x: bool):
    if x:
        y = 1
    else:
        y = None
    return y


def no_return_at_the_end(x: bool):
    if x:
        return 1


def assertions(x: int):
    assert x > 3, f"bad {x}"
    assert x > 4
    return x


def refined(x: int):
    if x > 30:
        raise RuntimeError(f"bad {x}")
    y = x if x > 4 else None
    if y is None:
        y = 3
    return y


def while_or(x: Optional[int], z: Union[int, str]):
    y = 0
    if isinstance(z, int):
        y += z
    while x is None or x > 3:
        x = 4
        if y > 3:
            break
        y += 1
    return x, y


def type_comment(x, y):
    # type: (Tensor, Optional[int]) -> Tuple[Tensor, int]
    if y is None:
        y = 1
    else:
        y = y + 1
    return x + y, y


def without_grad(x: Tensor, y):
    with torch.no_grad():
        z = x + y
        if bool(z.sum() > 0):
            return z
    return x


def anything(x: Any):
    if isinstance(x, int):
        return x + 1
    elif isinstance(x, str):
        return len(x)
    return 0


def unions(x: Union[int, list[int], None]):
    if x is None:
        return 0
    if isinstance(x, list):
        return sum(x)
    return x


def nested_loops(n: int):
    total = 0
    for i in range(n):
        for j in range(i):
            if j % 2 == 0:
                continue
            if j > 5:
                break
            total += j
        if total > 100:
            return total
    more = 3
    return total + more


def both_optional(x: Optional[Tensor], y: Optional[Tensor]):
    if x is not None and y is not None:
        return x + y
    elif x is not None or y is None:
        return torch.zeros(1)
    else:
        return y


def left_within(h: int, w: int, k: int):
    if k > w:
        h = h + k
        w = w * 2
        if w == k:
            return h
    a = h - k
    b = w - k
    return a + b


def forever(x: Tensor, n: int) -> Tensor:
    while True:
        x = x * 2
        n -= 1
        if n < 0:
            break
    return x


def boxes(box: Tensor, scores: Tensor, threshold: float, limits: Optional[list[int]] = None):
    """Detection post-processing: filter, sort, pick greedily."""
    kept: list[int] = []
    if limits is not None:
        box = box.clamp(min=0, max=limits[0])
    order = scores.argsort(descending=True)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    while order.numel() > 0:
        i = int(order[0].item())
        kept.append(i)
        if order.numel() == 1:
            break
        rest = order[1:]
        left = torch.max(box[i, :2], box[rest, :2])
        right = torch.min(box[i, 2:], box[rest, 2:])
        size = (right - left).clamp(min=0)
        shared = size[:, 0] * size[:, 1]
        order = rest[shared / (area[i] + area[rest] - shared) <= threshold]
    results: dict[str, Tensor] = {"keep": torch.tensor(kept)}
    results["scores"] = scores[results["keep"]]
    return results, len(kept)


def filling(n: int) -> list[int]:
    res = [0] * n
    for i in range(n):
        if i == 0:
            res[i] = 1
        elif i % 2 == 0:
            continue
        else:
            res[i] = res[i - 1] + i
            if res[i] > 10:
                break
    return res


def recurrence(x: Tensor):
    h = torch.zeros(3)
    outs = []
    for t in range(x.size(0)):
        h = torch.tanh(x[t] + h)
        outs.append(h)
    return torch.stack(outs), h


def looking_inside(x: Any) -> int:
    if torch.jit.isinstance(x, list[int]):
        return x[0]
    if torch.jit.isinstance(x, tuple[int, str]):
        return x[0] + len(x[1])
    return 0


def tensors():
    """What the cases take."""
    torch.manual_seed(0)
    return torch.randn(3, 3), torch.randn(3, 3)


X, Y = tensors()
BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 9, 9]])

CASES = {
    "loops": (loops, [(X, 3), (X, 6, False)]),
    "early_returns": (early_returns, [(3, [1]), (None, [1, 2]), (None, [])]),
    "branches": (branches, [(0, 0, 0, True), (0, 0, 0, False)]),
    "none_or_not": (none_or_not, [(True,), (False,)]),
    "no_return_at_the_end": (no_return_at_the_end, [(True,), (False,)]),
    "assertions": (assertions, [(5,)]),
    "refined": (refined, [(3,), (9,)]),
    "while_or": (while_or, [(None, 9), (1, "a"), (9, 2)]),
    "type_comment": (type_comment, [(X, None), (X, 3)]),
    "without_grad": (without_grad, [(X, Y), (X, -Y)]),
    "anything": (anything, [(3,), ("abc",), (1.5,)]),
    "unions": (unions, [(None,), ([1, 2],), (3,)]),
    "nested_loops": (nested_loops, [(3,), (9,), (40,)]),
    "both_optional": (both_optional, [(X, Y), (X, None), (None, Y), (None, None)]),
    "left_within": (left_within, [(1, 2, 3), (1, 2, 4), (5, 4, 3)]),
    "forever": (forever, [(X, 3)]),
    "filling": (filling, [(3,), (12,)]),
    "recurrence": (recurrence, [(X,)]),
    "looking_inside": (looking_inside, [([3],), ((1, "ab"),), ("a",)]),
    "boxes": (boxes, [(BOXES, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5, [25])]),
}
