"""Places in memory: what lies where, and which types of values have places."""

from __future__ import annotations

from collections.abc import Iterable

from . import _types as T


class Places:
    """Places and which of them are one, and what lies within each."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.inner: list[set[int]] = []

    def new(self) -> int:
        self.parents.append(len(self.parents))
        self.inner.append(set())
        return len(self.parents) - 1

    def root(self, place: int) -> int:
        while self.parents[place] != place:
            self.parents[place] = self.parents[self.parents[place]]
            place = self.parents[place]
        return place

    def join(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        if a != b:
            self.parents[b] = a
            self.inner[a] |= self.inner[b]

    def roots(self, places: Iterable[int]) -> set[int]:
        return {self.root(p) for p in places}

    def within(self, places: Iterable[int]) -> set[int]:
        """The places and all that lies within them."""
        found: set[int] = set()
        left = list(self.roots(places))
        while left:
            place = left.pop()
            if place not in found:
                found.add(place)
                left += self.roots(self.inner[place])
        return found


def is_mutable(t: T.Type) -> bool:
    """Whether a value of the type can be written, or holds one that can."""
    if isinstance(t, T.TupleType | T.UnionType):
        return any(is_mutable(i) for i in t.containedTypes())
    return isinstance(
        t,
        T.TensorType | T.ListType | T.DictType | T.ClassType | T.InterfaceType | T.AnyType
        | T.FutureType | T.VarType | T.PyObjectType | T.AwaitType | T.StorageType | T.GeneratorType
        | T.AnyListType | T.AnyTupleType | T.AnyClassType | T.RRefType,
    )  # fmt: skip
