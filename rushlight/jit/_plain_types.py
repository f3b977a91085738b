"""Types of a TorchScript graph: numbers, texts, containers, unions; which type fits where.

`str(type)` is the annotation of the language (`List[int]`); `type.str()` what graphs and schemas
print (`int[]`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Type:
    """The base of all types: equal by what they say, not by identity."""

    __slots__ = ("__weakref__",)
    is_union = False

    def kind(self) -> str:
        """The name of the class of types: IntType, ListType, ..."""
        return type(self).__name__

    def str(self) -> str:
        """As graphs and schemas print it."""
        raise TypeError("Type: only its subclasses are types of values")

    @property
    def annotation_str(self) -> str:
        """As source code writes it."""
        return self.str()

    def containedTypes(self) -> list[Type]:
        """The types that this one is made of."""
        return []

    def containedTypes_full(self) -> list[Type]:
        """The members of a union, None included; of another type, itself."""
        return [self]

    def with_contained(self, contained: Sequence[Type]) -> Type:
        """The same kind of type made of others."""
        return self

    def unshaped(self) -> Type:
        """The type with nothing said about its tensors."""
        inner = self.containedTypes()
        return self.with_contained([t.unshaped() for t in inner]) if inner else self

    def isSubtypeOf(self, other: Type) -> bool:
        """Whether a value of this type may stand where `other` is expected."""
        return self == other or isinstance(other, AnyType) or is_member(self, other)

    def is_interface_type(self) -> bool:
        """Whether this is the type of an interface."""
        return False

    def __eq__(self, other) -> bool:
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def _key(self):
        return tuple(self.containedTypes())

    def __repr__(self) -> str:
        return self.annotation_str

    def _tensor(self, *_) -> None:
        """What only tensor types know."""
        raise RuntimeError(
            f"Type {self.kind()}: only tensor types have sizes, strides, a dtype and a device"
        )

    dim = sizes = strides = scalarType = device = dtype = requires_grad = undefined = _tensor
    symbolic_sizes = varyingSizes = contiguous = with_sizes = with_dtype = with_device = _tensor


def is_member(one: Type, other: Type) -> bool:
    """Whether `other` is a union (or an Optional) that takes every member of `one`."""
    if not other.is_union:
        return False
    members = other.containedTypes_full()
    return all(any(m.isSubtypeOf(t) for t in members) for m in one.containedTypes_full())


class _Single(Type):
    """A type of which there is one."""

    __slots__ = ()
    text = ""
    wider: tuple = ()

    @classmethod
    def get(cls):
        """The type."""
        return _SINGLES[cls]

    def str(self) -> str:
        return self.text

    def isSubtypeOf(self, other: Type) -> bool:
        return Type.isSubtypeOf(self, other) or type(other).__name__ in self.wider

    def __reduce__(self):
        return type(self).get, ()


def _single(name: str, text: str, wider: str = "", annotation: str | None = None) -> type:
    space = {"text": text, "wider": tuple(wider.split()), "__slots__": ()}
    space["__doc__"] = f"The type `{annotation or text}`."
    if annotation is not None:
        space["annotation_str"] = property(lambda self: annotation)
    return type(name, (_Single,), space)


AnyType = _single("AnyType", "Any")
NoneType = _single("NoneType", "NoneType")
NumberType = _single("NumberType", "Scalar", "", "number")
IntType = _single("IntType", "int", "NumberType")
FloatType = _single("FloatType", "float", "NumberType")
ComplexType = _single("ComplexType", "complex", "NumberType")
BoolType = _single("BoolType", "bool")
StringType = _single("StringType", "str")
DeviceObjType = _single("DeviceObjType", "Device")
StreamObjType = _single("StreamObjType", "Stream")
PyObjectType = _single("PyObjectType", "PyObject")
SymIntType = _single("SymIntType", "SymInt", "IntType NumberType", "int")
SymFloatType = _single("SymFloatType", "SymFloat", "FloatType NumberType", "float")
SymBoolType = _single("SymBoolType", "SymBool", "BoolType", "bool")
GeneratorType = _single("GeneratorType", "Generator")
StorageType = _single("StorageType", "Storage")
QSchemeType = _single("QSchemeType", "QScheme")
LayoutType = _single("LayoutType", "Layout")
ScalarTypeType = _single("ScalarTypeType", "ScalarType")
MemoryFormatType = _single("MemoryFormatType", "MemoryFormat")
Capsule = _single("Capsule", "Capsule")
AnyListType = _single("AnyListType", "list")
AnyTupleType = _single("AnyTupleType", "tuple")
AnyEnumType = _single("AnyEnumType", "AnyEnumType")
AnyClassType = _single("AnyClassType", "AnyClassType")
_SINGLES = {cls: cls() for cls in _Single.__subclasses__()}
for _cls in _SINGLES:
    globals()[_cls.__name__] = _cls


class VarType(Type):
    """A type variable of a schema: `t`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def str(self) -> str:
        return self.name

    def _key(self):
        return self.name


class _Wrapper(Type):
    """A type made of one other."""

    __slots__ = ("element",)
    ir, source = "{}", "{}"

    def __init__(self, element: Type) -> None:
        self.element = expect(element, type(self).__name__)

    def str(self) -> str:
        return self.ir.format(self.element.str())

    @property
    def annotation_str(self) -> str:
        return self.source.format(self.element.annotation_str)

    def getElementType(self) -> Type:
        """The type of what it holds."""
        return self.element

    def containedTypes(self) -> list[Type]:
        return [self.element]

    def with_contained(self, contained: Sequence[Type]) -> Type:
        return type(self)(contained[0])

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other):
            return True
        return type(other) is type(self) and self.element.isSubtypeOf(other.element)  # type: ignore[attr-defined]


def expect(value, where: str) -> Type:
    """`value`, which must be a type."""
    if not isinstance(value, Type):
        raise TypeError(
            f"{where}: incompatible constructor arguments: got {type(value).__name__}, "
            "expected a torch._C.Type"
        )
    return value


class ListType(_Wrapper):
    """List[element]."""

    __slots__ = ()
    ir, source = "{}[]", "List[{}]"

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other) or isinstance(other, AnyListType):
            return True
        # Elements may be written through either name, so that only a tensor's details may vary.
        if not isinstance(other, ListType):
            return False
        return self.unshaped() == other.unshaped()

    @classmethod
    def ofTensors(cls) -> ListType:
        """List[Tensor]."""
        from ._tensor_type import TensorType

        return cls(TensorType.get())

    @classmethod
    def ofInts(cls) -> ListType:
        """List[int]."""
        return cls(IntType.get())

    @classmethod
    def ofFloats(cls) -> ListType:
        """List[float]."""
        return cls(FloatType.get())

    @classmethod
    def ofComplexDoubles(cls) -> ListType:
        """List[complex]."""
        return cls(ComplexType.get())

    @classmethod
    def ofBools(cls) -> ListType:
        """List[bool]."""
        return cls(BoolType.get())

    @classmethod
    def ofStrings(cls) -> ListType:
        """List[str]."""
        return cls(StringType.get())


class FutureType(_Wrapper):
    """What fork gives: Future[element]."""

    __slots__ = ()
    ir = source = "Future[{}]"

    def str(self) -> str:
        return f"Future[{self.element.annotation_str}]"


class AwaitType(_Wrapper):
    """A value that is computed when it is waited for."""

    __slots__ = ()
    ir, source = "Await({})", "Await[{}]"


class RRefType(_Wrapper):
    """A reference to a value of another process."""

    __slots__ = ()
    ir = source = "RRef[{}]"

    def str(self) -> str:
        return f"RRef[{self.element.annotation_str}]"


class DictType(Type):
    """Dict[key, value]; keys are int, bool, float, complex, str or Tensor."""

    __slots__ = ("key", "value")

    def __init__(self, key: Type, value: Type) -> None:
        self.key = expect(key, "DictType")
        self.value = expect(value, "DictType")
        if key.kind() not in _KEYS:
            raise RuntimeError(
                f"Cannot create dict for key type '{key.str()}', only int, float, complex, "
                "Tensor, device and string keys are supported"
            )

    def str(self) -> str:
        return f"Dict({self.key.str()}, {self.value.str()})"

    @property
    def annotation_str(self) -> str:
        return f"Dict[{self.key.annotation_str}, {self.value.annotation_str}]"

    def getKeyType(self) -> Type:
        """The type of the keys."""
        return self.key

    def getValueType(self) -> Type:
        """The type of the values."""
        return self.value

    def containedTypes(self) -> list[Type]:
        return [self.key, self.value]

    def with_contained(self, contained: Sequence[Type]) -> Type:
        return DictType(*contained)

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other):
            return True
        return isinstance(other, DictType) and self.unshaped() == other.unshaped()


_KEYS = set(
    "IntType BoolType FloatType ComplexType StringType TensorType DeviceObjType SymIntType "
    "AnyType VarType".split()
)


class TupleType(Type):
    """Tuple[elements], or a named tuple with the names of its fields and their defaults."""

    __slots__ = ("defaults", "elements_", "fields", "name")

    def __init__(
        self,
        elements: Iterable[Type],
        name: str | None = None,
        fields: Sequence[str] = (),
        defaults: dict | None = None,
    ) -> None:
        self.elements_ = [expect(e, "TupleType") for e in elements]
        self.name = name
        self.fields = tuple(fields)
        self.defaults = defaults or {}

    def str(self) -> str:
        inner = [e.str() for e in self.elements_]
        if self.fields:
            from ._ir_print import literal

            said = []
            for name, text in zip(self.fields, inner, strict=True):
                usual = f" = {literal(self.defaults[name])}" if name in self.defaults else ""
                said.append(f"{name} : {text}{usual}")
            return f"NamedTuple({', '.join(said)})"
        return f"({', '.join(inner)})"

    @property
    def annotation_str(self) -> str:
        if self.name:
            return self.name
        return f"Tuple[{', '.join(e.annotation_str for e in self.elements_) or '()'}]"

    def elements(self) -> list[Type]:
        """The types of the elements."""
        return list(self.elements_)

    containedTypes = elements

    def with_contained(self, contained: Sequence[Type]) -> Type:
        return TupleType(contained, self.name, self.fields, self.defaults)

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other) or isinstance(other, AnyTupleType):
            return True
        if not isinstance(other, TupleType) or len(self.elements_) != len(other.elements_):
            return False
        if other.fields and (self.fields != other.fields or self.name != other.name):
            return False
        return all(a.isSubtypeOf(b) for a, b in zip(self.elements_, other.elements_, strict=True))

    def _key(self):
        return tuple(self.elements_), self.name, self.fields
