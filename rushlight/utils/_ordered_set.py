"""A set that keeps the order in which it was filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from typing import TypeVar

T = TypeVar("T")


class OrderedSet(MutableSet[T]):
    """A set whose elements come in the order in which they were added."""

    __slots__ = ("_elements",)

    def __init__(self, iterable: Iterable[T] = ()):
        self._elements: dict[T, None] = dict.fromkeys(iterable)

    def __contains__(self, elem: object) -> bool:
        return elem in self._elements

    def __iter__(self) -> Iterator[T]:
        return iter(self._elements)

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._elements)

    def __len__(self) -> int:
        return len(self._elements)

    def __repr__(self) -> str:
        return f"OrderedSet({list(self)})"

    def add(self, elem: T) -> None:
        """Put an element in, at the end if it is new."""
        self._elements[elem] = None

    def discard(self, elem: T) -> None:
        """Take an element out if it is there."""
        self._elements.pop(elem, None)

    def update(self, *others: Iterable[T]) -> None:
        """Put the elements of others in."""
        for other in others:
            self._elements.update(dict.fromkeys(other))

    def copy(self) -> OrderedSet[T]:
        """Another set with the same elements."""
        return OrderedSet(self)

    def union(self, *others: Iterable[T]) -> OrderedSet[T]:
        """The elements of this and of others."""
        made = self.copy()
        made.update(*others)
        return made

    def intersection(self, *others: Iterable[T]) -> OrderedSet[T]:
        """The elements that all of them have."""
        kept = [set(other) for other in others]
        return OrderedSet(e for e in self if all(e in other for other in kept))

    def difference(self, *others: Iterable[T]) -> OrderedSet[T]:
        """The elements that none of the others has."""
        gone = {e for other in others for e in other}
        return OrderedSet(e for e in self if e not in gone)
