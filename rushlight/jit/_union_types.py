"""Unions of types, and the Optional among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._plain_types import NoneType, Type, expect


class UnionType(Type):
    """Union[members]: none of them a subtype of another."""

    __slots__ = ("members",)
    is_union = True

    def __new__(cls, members: Iterable[Type] = ()):
        found = flatten(members)
        two = cls is UnionType and len(found) == 2
        optional = two and any(isinstance(t, NoneType) for t in found)
        return super().__new__(OptionalType if optional else cls)

    def __init__(self, members: Iterable[Type]) -> None:
        members = list(members)
        self.members = flatten(members)
        if len(self.members) == 1:
            raise RuntimeError(
                "UnionType: after type unification was performed, the Union with the original "
                f"types {{{' '.join(t.annotation_str for t in members)}}} has the single type "
                f"{self.members[0]}. Use the common supertype instead of creating a Uniontype"
            )

    def str(self) -> str:
        return f"Union({', '.join(t.str() for t in self.members)})"

    @property
    def annotation_str(self) -> str:
        return f"Union[{', '.join(t.annotation_str for t in self.members)}]"

    def containedTypes(self) -> list[Type]:
        return list(self.members)

    containedTypes_full = containedTypes

    def with_contained(self, contained: Sequence[Type]) -> Type:
        return UnionType(contained)

    def isSubtypeOf(self, other: Type) -> bool:
        return Type.isSubtypeOf(self, other) or (
            all(m.isSubtypeOf(other) for m in self.containedTypes_full())
        )

    def _key(self):
        return frozenset(self.members)


def flatten(members: Iterable[Type]) -> list[Type]:
    """The members of a union, inner unions opened, those that others include left out."""
    flat: list[Type] = []
    for t in members:
        flat += expect(t, "UnionType").containedTypes_full()
    kept: list[Type] = []
    for t in flat:
        if any(t.isSubtypeOf(k) for k in kept):
            continue
        kept = [k for k in kept if not k.isSubtypeOf(t)] + [t]
    return sorted(kept, key=lambda t: _ORDER.get(t.kind(), len(_ORDER)))


# The order in which unions name their members.
_ORDER = {
    name + "Type": i
    for i, name in enumerate(
        "Any Enum AnyEnum Tensor Storage Tuple List Dict Number Float Complex Future Await RRef "
        "Int None String Generator Bool DeviceObj Stream Interface Class".split()
    )
}


class OptionalType(UnionType):
    """Optional[element]: the union of a type and None."""

    __slots__ = ("element",)

    def __new__(cls, element: Type):
        return Type.__new__(cls)

    def __init__(self, given: Type | Iterable[Type]) -> None:
        if isinstance(given, Type):
            element = given
        else:  # the members of a union of two
            element = next(t for t in flatten(given) if not isinstance(t, NoneType))
        while isinstance(element, OptionalType):
            element = element.element
        self.element = element
        self.members = [element]
        if isinstance(element, NoneType):
            raise RuntimeError("OptionalType: the element is NoneType, expected another type")

    def str(self) -> str:
        return self.element.str() + "?"

    @property
    def annotation_str(self) -> str:
        return f"Optional[{self.element.annotation_str}]"

    @classmethod
    def ofTensor(cls) -> OptionalType:
        """Optional[Tensor]."""
        from ._tensor_type import TensorType

        return cls(TensorType.get())

    def getElementType(self) -> Type:
        """The type of what may be there."""
        return self.element

    def containedTypes_full(self) -> list[Type]:
        """The members of the union: the element and None."""
        return [*self.element.containedTypes_full(), NoneType.get()]

    def with_contained(self, contained: Sequence[Type]) -> Type:
        return OptionalType(contained[0])
