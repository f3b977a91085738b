# ruff: noqa: UP007, UP045, B007 (as users of the language write)
"""Programs that the tests of scripting compile: under rushlight, and under PyTorch where it is.

`CASES` names each function and arguments for it; what the compiled one gives must be what Python
gives. The file is run once for each library, with `torch` standing for it.
"""

import enum
import math
from collections import namedtuple
from typing import Any, NamedTuple, Optional, Union

import rushlight as torch

Tensor = torch.Tensor


class Point(NamedTuple):
    x: Tensor
    y: int = 3
    z: Optional[list[int]] = None


Both = namedtuple("Both", ["a", "b"])


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Pair:
    first: int

    def __init__(self, a: int, b: Tensor):
        self.first = a
        self.second = b

    def total(self, k: int = 2) -> Tensor:
        return self.second + self.first * k

    @staticmethod
    def make(a: int):
        return Pair(a, torch.zeros(2))

    @property
    def doubled(self) -> int:
        return self.first * 2

    def __add__(self, other: int) -> int:
        return self.first + other

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> int:
        return i

    def __eq__(self, o: "Pair") -> bool:
        return self.first == o.first


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


def containers(x: list[int], d: dict[str, int]):
    s = 0
    for v in x:
        s += v
    for k in d:
        s += d[k]
    for k, v in d.items():
        s += v
    t = torch.tensor(s)
    t += 1
    x[1] = 5
    d["a"] = 4
    w = t[None, ...]
    q = x[1:]
    c = 3 if s > 2 else 4
    e = s > 1 and s < 4 or not s == 3
    return w, q, c, e, 1 < s < 3, f"{s} a {t}", -s, float(s) ** 2, s / 2, s // 2, [1, 2] + x, s in x


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


def tensor_operators(x, y: int):
    a = x // 2
    b = x % 3
    a[1] += 3
    a[a > 0] = 4.0
    a[a > 0] += 1
    c = (1, "a", x)
    d = c[1]
    e = c[-1]
    (q, r), s = (x, x), c
    return a, b, d, e, q, r, s, c[0:2], x.sum().item(), x**2, 1 / x, 2 - x, x @ x.T


def indexing(x, y: int):
    i = torch.tensor([0, 1])
    return (
        x[..., 0], x[..., 1:, None], x[0, ..., 1], x[x > 0], x[:, i], x[1, 2:3], x[None], x[[1, 0]],
        x[-1], x[y, y:],
    )  # fmt: skip


def builtins(x, y: int):
    s = "abc".upper()
    z = [s, "d"]
    w = [i for i in range(10)]  # noqa: C416
    v = {k: 1 for k in z}  # noqa: C420
    m, i = torch.max(x, 1)
    u = torch.max(x, dim=1)
    return (
        ",".join(z), w, v, m, u.values, u[0], len(z), min(1, 2), max(w), sorted(w), x.max(),
        abs(-3), sum(w), z + z, list(range(3)), z[0:1], x.new_zeros(2, 3),
        x.sum(dim=[1]), x.to("cpu"), x.to(torch.float32), x.permute(1, 0), x.flatten(1), x.ndim,
    )  # fmt: skip


def named_tuples(x: Point):
    p = Point(x.x, 4)
    return p.x, p.y, p.z, p


def old_named_tuples(x, y):
    q = Both(x, y)
    a, b = q
    return q.a + b, q


def enums(c: Color, i: int):
    if c == Color.RED:
        return c.value
    return Color.BLUE.value + len(c.name)


def classes(x):
    p = Pair(3, x)
    p.first += 1
    p.first = 5
    z = Pair.make(3)
    return p.total(), p.doubled, p + 3, len(p), p[2], p == z


def helper(x: int, y: int = 2) -> int:
    return x * y


def calls(x: int):
    return helper(x) + helper(y=x, x=3)


def dictionaries(x: dict[str, Tensor], keys: list[str]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for k in keys:
        if k in x:
            out[k] = x[k]
        elif k == "z":
            continue
        else:
            raise KeyError(k)
    for k in list(out.keys()):
        v = out.pop(k)
        out[k + "_"] = v
    return out


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


def lists(x):
    a: list[Tensor] = []
    b = []
    a.append(x)
    b.append(x)
    c = [a, b]
    d = (1, 2.0, "x")
    e, (g, h) = 1, (2, 3)
    a.extend(b)
    a.insert(0, x)
    a.reverse()
    i = a.pop()
    a.clear()
    first = a[0] if len(a) > 0 else x
    return c, d, e + g + h, i, a.copy(), len(a), torch.stack(b), not a, first


def strings(s: str, i: int):
    return (
        s.split(","), s.strip(), s.replace("a", "b"), s.startswith("a"), s[0], s[1:], s + "b",
        s == "a", "a" in s, "{} {}".format(s, i), "%s %d" % (s, i),  # noqa: UP031, UP032
        s.join(["a"]), ord(s[0]), s.lower(), s < "b",
    )  # fmt: skip


def numbers(x: int, y: float, z: bool):
    return (
        x + y, x * y, x / 2, x // 2, x % 2, y**2, -x, -y, not z, x & 1, x | 1, x ^ 1, x << 1,
        x >> 1, abs(x), max(x, 3), min(y, 2.0), float(x), int(y), bool(x), x == y, x < y,
        z and x > 3, x if z else 3,
    )  # fmt: skip


def mathematics(x: float, i: int):
    return (
        math.sqrt(x), math.pi, math.floor(x), math.ceil(x), math.exp(x), math.log(x),
        math.pow(x, 2), math.isnan(x), math.inf, math.sin(i), math.fabs(x), math.gcd(i, 3),
    )  # fmt: skip


def making_tensors(x):
    z = torch.zeros_like(x)
    w = torch.arange(10)
    v = torch.full((2, 3), 1.5)
    u = torch.tensor([1, 2, 3])
    t = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    s = torch.ones([2], dtype=x.dtype, device="cpu")
    return z, w, v, u, t, s, x.double(), x.long(), x.device.type, x.dtype == torch.float32


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


def pairs(x: list[tuple[int, str]]):
    out: list[str] = []
    for _, (_, s) in enumerate(x):
        out += [s]
    a = {n: s for n, s in x}  # noqa: C416
    for _, v in a.items():
        out.append(v)
    return out, a, [n for n, s in x], sorted([n for n, s in x])


def forever(x: Tensor, n: int) -> Tensor:
    while True:
        x = x * 2
        n -= 1
        if n < 0:
            break
    return x


def starred(x: Tensor):
    a, *b = x, 2, 3
    c, *d = (x, 1, 2)
    return a, b, c, d


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


def writing(x: Tensor, idx: list[int]) -> Tensor:
    y = x[idx]
    y[0] = x[1] + 1
    y[:, 1] += 2
    y[y > 3] = 0
    return y


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


def nested_tuples(x: tuple[Tensor, tuple[int, Optional[Tensor]]]):
    a, (b, c) = x
    if c is not None:
        a = a + c
    return a * b


def nested_lists(x: list[list[int]]) -> int:
    s = 0
    for row in x:
        for v in row:
            s += v
    return s + max([max(r) for r in x]) + sum([len(r) for r in x])


def optional_elements(xs: list[Optional[Tensor]]):
    found: list[Tensor] = []
    for x in xs:
        if x is not None:
            found.append(x)
    return torch.cat(found)


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
    "containers": (containers, [([1, 2, 3], {"a": 1, "b": 2})]),
    "none_or_not": (none_or_not, [(True,), (False,)]),
    "no_return_at_the_end": (no_return_at_the_end, [(True,), (False,)]),
    "assertions": (assertions, [(5,)]),
    "refined": (refined, [(3,), (9,)]),
    "while_or": (while_or, [(None, 9), (1, "a"), (9, 2)]),
    "tensor_operators": (tensor_operators, [(X, 1)]),
    "indexing": (indexing, [(X, 1)]),
    "builtins": (builtins, [(X, 1)]),
    "named_tuples": (named_tuples, [(Point(X),)]),
    "old_named_tuples": (old_named_tuples, [(X, Y)]),
    "enums": (enums, [(Color.RED, 1), (Color.BLUE, 1)]),
    "classes": (classes, [(X,)]),
    "calls": (calls, [(3,)]),
    "dictionaries": (dictionaries, [({"a": X, "b": Y}, ["a", "z", "b"])]),
    "type_comment": (type_comment, [(X, None), (X, 3)]),
    "without_grad": (without_grad, [(X, Y), (X, -Y)]),
    "anything": (anything, [(3,), ("abc",), (1.5,)]),
    "unions": (unions, [(None,), ([1, 2],), (3,)]),
    "nested_loops": (nested_loops, [(3,), (9,), (40,)]),
    "lists": (lists, [(X,)]),
    "strings": (strings, [("a,b", 3)]),
    "numbers": (numbers, [(5, 1.5, True), (2, 7.5, False)]),
    "mathematics": (mathematics, [(2.5, 9)]),
    "making_tensors": (making_tensors, [(X,)]),
    "both_optional": (both_optional, [(X, Y), (X, None), (None, Y), (None, None)]),
    "left_within": (left_within, [(1, 2, 3), (1, 2, 4), (5, 4, 3)]),
    "pairs": (pairs, [([(2, "a"), (1, "b")],)]),
    "forever": (forever, [(X, 3)]),
    "starred": (starred, [(X,)]),
    "writing": (writing, [(X, [1, 0])]),
    "filling": (filling, [(3,), (12,)]),
    "recurrence": (recurrence, [(X,)]),
    "nested_tuples": (nested_tuples, [((X, (2, Y)),), ((X, (2, None)),)]),
    "nested_lists": (nested_lists, [([[1, 2], [3]],)]),
    "optional_elements": (optional_elements, [([X, None, Y],)]),
    "looking_inside": (looking_inside, [([3],), ((1, "ab"),), ("a",)]),
    "boxes": (boxes, [(BOXES, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5, [25])]),
}
