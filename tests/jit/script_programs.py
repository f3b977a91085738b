# ruff: noqa: UP007, UP045, B007 (as users of the language write)
"""Programs that the tests of scripting compile: under rushlight, and under PyTorch where it is.

`CASES` names each function and arguments for it; what the compiled one gives must be what Python
gives. The file is run once for each library, with `torch` standing for it.
"""

import enum
import math
from collections import namedtuple
from typing import NamedTuple, Optional

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


def other_names(x):
    return torch.nn.functional.logsigmoid(x)


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


def pairs(x: list[tuple[int, str]]):
    out: list[str] = []
    for _, (_, s) in enumerate(x):
        out += [s]
    a = {n: s for n, s in x}  # noqa: C416
    for _, v in a.items():
        out.append(v)
    return out, a, [n for n, s in x], sorted([n for n, s in x])


def starred(x: Tensor):
    a, *b = x, 2, 3
    c, *d = (x, 1, 2)
    return a, b, c, d


def writing(x: Tensor, idx: list[int]) -> Tensor:
    y = x[idx]
    y[0] = x[1] + 1
    y[:, 1] += 2
    y[y > 3] = 0
    return y


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


def tensors():
    """What the cases take."""
    torch.manual_seed(0)
    return torch.randn(3, 3), torch.randn(3, 3)


X, Y = tensors()


def spelt_slices(x, numbers: list[int], three: tuple[int, float, str]):
    i, j = 1, 2
    x[slice(0, i)] += 1
    return (
        x[slice(1, None, None)], x.shape[slice(None, -1, None)], x[(slice(None, None, None), 1)],
        x[..., slice(i, j)], numbers[slice(2)], numbers[slice(i, None, 1)], three[slice(0, 2)],
        three[1:], three[::2],
    )  # fmt: skip


def names_of_other_types(x: Tensor, y: Tensor):
    z: Tensor = x + y
    w = z * 2
    x = None
    z = None
    y = 3
    if y > 2:
        y = 4
    return w, y


CASES = {
    "names_of_other_types": (names_of_other_types, [(X, Y)]),
    "spelt_slices": (spelt_slices, [(X, [1, 2, 3], (1, 2.0, "a"))]),
    "containers": (containers, [([1, 2, 3], {"a": 1, "b": 2})]),
    "tensor_operators": (tensor_operators, [(X, 1)]),
    "indexing": (indexing, [(X, 1)]),
    "builtins": (builtins, [(X, 1)]),
    "named_tuples": (named_tuples, [(Point(X),)]),
    "old_named_tuples": (old_named_tuples, [(X, Y)]),
    "enums": (enums, [(Color.RED, 1), (Color.BLUE, 1)]),
    "classes": (classes, [(X,)]),
    "other_names": (other_names, [(X,)]),
    "calls": (calls, [(3,)]),
    "dictionaries": (dictionaries, [({"a": X, "b": Y}, ["a", "z", "b"])]),
    "lists": (lists, [(X,)]),
    "strings": (strings, [("a,b", 3)]),
    "numbers": (numbers, [(5, 1.5, True), (2, 7.5, False)]),
    "mathematics": (mathematics, [(2.5, 9)]),
    "making_tensors": (making_tensors, [(X,)]),
    "pairs": (pairs, [([(2, "a"), (1, "b")],)]),
    "starred": (starred, [(X,)]),
    "writing": (writing, [(X, [1, 0])]),
    "nested_tuples": (nested_tuples, [((X, (2, Y)),), ((X, (2, None)),)]),
    "nested_lists": (nested_lists, [([[1, 2], [3]],)]),
    "optional_elements": (optional_elements, [([X, None, Y],)]),
}
