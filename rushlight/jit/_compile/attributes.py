"""Attributes of values of the graph: fields, methods, properties."""

from __future__ import annotations

from .. import _types as T
from .calling import fail
from .python_values import Builtin, Method
from .values import Arg, Simple, Sugared

_TENSOR_FIELDS = {
    "dtype": ("prim::dtype", T.IntType), "device": ("prim::device", T.DeviceObjType),
    "layout": ("prim::layout", T.IntType), "grad": ("prim::grad", T.TensorType),
    "data": ("prim::data", T.TensorType), "is_cuda": ("prim::is_cuda", T.BoolType),
    "is_cpu": ("prim::is_cpu", T.BoolType), "is_sparse": ("prim::is_sparse", T.BoolType),
    "is_mkldnn": ("prim::is_mkldnn", T.BoolType), "is_meta": ("prim::is_meta", T.BoolType),
    "is_quantized": ("prim::is_quantized", T.BoolType), "is_mps": ("prim::is_mps", T.BoolType),
    "is_sparse_csr": ("prim::is_sparse_csr", T.BoolType), "is_xpu": ("prim::is_xpu", T.BoolType),
    "is_nested": ("prim::is_nested", T.BoolType), "is_vulkan": ("prim::is_vulkan", T.BoolType),
    "is_ipu": ("prim::is_ipu", T.BoolType), "requires_grad": ("prim::requires_grad", T.BoolType),
    "itemsize": ("prim::itemsize", T.IntType), "nbytes": ("prim::nbytes", T.IntType),
    "name": ("prim::name", None), "is_leaf": ("aten::is_leaf", T.BoolType),
}  # fmt: skip
_TENSOR_PROPERTIES = {
    "T": "aten::numpy_T", "mT": "aten::mT", "H": "aten::matrix_H", "mH": "aten::mH",
    "shape": "aten::size", "ndim": "aten::dim", "real": "aten::real", "imag": "aten::imag",
    "retains_grad": "aten::retains_grad", "output_nr": "aten::output_nr",
    "_version": "aten::_version",
}  # fmt: skip
_OPTIONAL_FIELDS = {"name": T.StringType}


def attribute(b, at, value, name: str) -> Sugared:
    """`value.name`."""
    t = value.type()
    if isinstance(t, T.TensorType):
        return _of_tensor(b, at, value, name)
    if isinstance(t, T.ClassType):
        return _of_object(b, at, value, t, name)
    if isinstance(t, T.InterfaceType):
        schema = t.getMethod(name)
        if schema is None:
            fail(at, f"'{t}' object has no attribute or method '{name}'.")
        return Method(value, _Declared(schema), name)
    if isinstance(t, T.TupleType) and t.fields:
        if name in t.fields:
            index = t.fields.index(name)
            wanted = t.elements()[index]
            inputs = [value, b.constant(index, at)]
            return Simple(b.emit1("prim::TupleIndex", inputs, wanted, at))
        fail(at, f"{t} has no attribute '{name}'")
    if isinstance(t, T.EnumType) and name in ("name", "value"):
        kind, found = ("prim::EnumName", T.StringType.get()) if name == "name" else (
            "prim::EnumValue", t.getValueType())  # fmt: skip
        return Simple(b.emit1(kind, [value], found, at))
    return _of_plain(b, at, value, t, name)


_NUMBERS = T.IntType | T.FloatType | T.ComplexType | T.BoolType  # have no methods


class _Declared:
    """A method of which only the schema is known."""

    def __init__(self, schema) -> None:
        self.schema = schema


def _of_tensor(b, at, value, name: str) -> Sugared:
    from .. import _schema
    from .builtin_functions import scripted

    field = _TENSOR_FIELDS.get(name)
    if field is not None:
        kind, t = field
        found = T.OptionalType(_OPTIONAL_FIELDS[name].get()) if t is None else t.get()
        return Simple(b.emit1(kind, [value], found, at))
    if name in _TENSOR_PROPERTIES:
        return Simple(b.builtin(_TENSOR_PROPERTIES[name], at, [value]))
    if name == "tolist":
        return _ToList(value)
    full = "aten::" + name
    if any(s.argument("self") for s in _schema.schemas_of(full)) or scripted(full):
        return Builtin(full, value)
    said = "Tensor (inferred)" if getattr(value.type(), "inferred", False) else "Tensor"
    fail(at, f"'{said}' object has no attribute or method '{name}'.")
    raise AssertionError


class _ToList(Sugared):
    """`tensor.tolist()`: what it gives, an annotation must say."""

    said = "tolist"

    def __init__(self, value) -> None:
        self.tensor = value

    def call(self, b, at, args, kwargs) -> Sugared:
        return self

    def value(self, b, at):
        fail(at, "Expected type hint for result of tolist()")

    def value_as(self, b, at, t: T.Type):
        """The nested list of a declared type."""
        dim, inner = 0, t
        while isinstance(inner, T.ListType):
            dim, inner = dim + 1, inner.getElementType()
        kinds = {"IntType": 0, "FloatType": 1, "BoolType": 3, "ComplexType": 2}
        if inner.kind() not in kinds:
            fail(
                at,
                f"{inner} is not one of the supported element types for tolist: int, float, "
                "complex, bool",
            )
        inputs = [self.tensor, b.constant(dim, at), b.constant(kinds[inner.kind()], at)]
        return b.emit1("prim::tolist", inputs, t, at)


def _of_plain(b, at, value, t: T.Type, name: str) -> Sugared:
    from .. import _schema

    if isinstance(t, T.DeviceObjType) and name in ("type", "index"):
        found = T.StringType.get() if name == "type" else T.OptionalType(T.IntType.get())
        return Simple(b.emit1(f"prim::{name}", [value], found, at))
    full = "aten::" + name
    schemas = () if isinstance(t, T.NumberType | _NUMBERS) else _schema.schemas_of(full)
    if any(_takes(s, t) for s in schemas):
        return Builtin(full, value) if _has_self(schemas, t) else Leading(full, value)
    hint = ""
    if isinstance(t, T.OptionalType):
        inner = t.getElementType()
        hint = f" {t} may be None: check with `if x is not None` first to use it as {inner}"
    fail(at, f"'{t}' object has no attribute or method '{name}'.{hint}")
    raise AssertionError


def _takes(schema, t: T.Type) -> bool:
    if not schema.arguments:
        return False
    formal = schema.arguments[0].type
    return not T.bind_variables(formal, t, {}) if T.has_free_variables(formal) else (
        t.isSubtypeOf(formal) and not isinstance(formal, T.AnyType)
    )  # fmt: skip


def _has_self(schemas, t: T.Type) -> bool:
    return all(s.arguments[0].name == "self" for s in schemas if _takes(s, t))


class Leading(Builtin):
    """An operator whose first argument the object is, under another name than self."""

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        me = self.me
        return Builtin(self.name).call(b, at, [Arg(Simple(me), at), *args], kwargs)


# -- objects ---------------------------------------------------------------------------------


def _of_object(b, at, value, t: T.ClassType, name: str) -> Sugared:
    if name in t.properties:
        getter = t.properties[name][0]
        return Method(value, getter, getter.name).call(b, at, [], [])
    if name in t.methods:
        return Method(value, t.methods[name], name)
    if name in t.static_methods:
        from .python_values import Function

        return Function(t.static_methods[name])
    if name in t.constants:
        from .python_values import python_value

        return python_value(b, t.constants[name], at, constant=True, said=name)
    found = t.attributes.get(name)
    if found is None:
        said = f"'{t.name()}' object has no attribute or method '{name}'."
        fail(at, said + _hint(t, name))
    assert found is not None
    return Simple(get_attribute(b, at, value, name, found))


def get_attribute(b, at, value, name: str, t: T.Type):
    """A prim::GetAttr; its value."""
    node = b.node("prim::GetAttr", [value], at, 1)
    node.s_("name", name)
    output = node.output().setType(t)
    if name.isidentifier():
        output.setDebugName(name)
    return output


def _hint(t: T.ClassType, name: str) -> str:
    if not t.is_module and not any(m == "__init__" for m in t.methods):
        return ""
    return " Did you forget to initialize an attribute in __init__()?" if not t.is_module else ""


def set_attribute(b, at, value, name: str, given) -> None:
    """`value.name = given`."""
    t = value.type()
    if not isinstance(t, T.ClassType):
        fail(at, f"Tried to set an attribute: {name} on a non-class: {t}")
    if name in t.properties and t.properties[name][1] is not None:
        setter = t.properties[name][1]
        Method(value, setter, setter.name).call(b, at, [Arg(Simple(given), at)], [])
        return
    wanted = t.attributes.get(name)
    if wanted is None:
        if b.making is t and name not in t.constants:
            wanted = t.attributes[name] = given.type().unshaped()
        elif name in t.constants:
            fail(at, f"Cannot assign to a constant: '{name}' of {t.name()}")
        else:
            fail(
                at,
                f"Tried to set nonexistent attribute: {name}. Did you forget to initialize "
                "it in __init__()?",
            )
    given = _converted(b, at, given, wanted, name, t)
    node = b.node("prim::SetAttr", [value, given], at)
    node.s_("name", name)


def _converted(b, at, given, wanted, name: str, t: T.ClassType):
    from .match import convert_to

    made = convert_to(b, given, wanted, at, False)
    if made is None:
        fail(at, f"Wrong type for attribute assignment. Expected {wanted} but got {given.type()}")
    return made()
