"""Writing archives of compiled modules in PyTorch's format.

An archive is a zip file: `data.pkl` holds the module and its attributes, `constants.pkl` the
tensors that the code names, `data/` and `constants/` the memory of tensors, `code/` the source of
every class and function, one file for each package.
"""

from __future__ import annotations

import pickle
from struct import pack
from typing import Any

from .. import _C
from .._storage import LEGACY_NAMES
from ..serialization._save import _content_id, _int_code, _tuple_code
from ..serialization._zip import ArchiveWriter
from . import _types as T
from ._class_types import ClassType
from ._emit import Constants, function_source
from ._emit_values import identifier, quoted
from ._function import ScriptFunction, ScriptMethod
from ._script import ScriptModule, value_of

_PICKLE_TYPES = "torch.jit._pickle"
_BUILT_LISTS = {
    T.IntType: "build_intlist",
    T.TensorType: "build_tensorlist",
    T.FloatType: "build_doublelist",
    T.BoolType: "build_boollist",
}
# Operators whose meaning changed: what says a lower number is read with the old one.
_VERSIONED = frozenset(
    "div div_ full gelu linspace logspace random_ random uniform_ uniform exponential_ hann_window "
    "stft istft trunc_divide quantile _resize_output view_as_complex".split()
)


class _Pickle:
    """A pickle of values with known types; tensors become records of the archive."""

    def __init__(self, storages: list, keys: dict) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[Any, int] = {}
        self.kept: list = []
        self.storages = storages
        self.keys = keys

    def finish(self) -> bytes:
        """The pickle."""
        return bytes(self.out) + b"."

    def _remembered(self, key, code: bytes) -> None:
        """Write a part, or refer to where it was written."""
        known = self.memo.get(key)
        if known is not None:
            self.out += self._reference(known)
            return
        self.out += code
        self._remember(key)

    def _remember(self, key) -> None:
        index = self.memo[key] = len(self.memo)
        self.out += b"q" + bytes((index,)) if index < 256 else b"r" + index.to_bytes(4, "little")

    @staticmethod
    def _reference(index: int) -> bytes:
        return b"h" + bytes((index,)) if index < 256 else b"j" + index.to_bytes(4, "little")

    def name(self, module: str, name: str) -> None:
        """A global name."""
        self._remembered(("global", module, name), f"c{module}\n{name}\n".encode())

    def text(self, text: str) -> None:
        """A string."""
        data = text.encode("utf-8", "surrogateescape")
        self._remembered(("text", text), b"X" + len(data).to_bytes(4, "little") + data)

    def value(self, item, of) -> None:
        """Any value of a type."""
        if isinstance(of, T.OptionalType):
            of = of.element if item is not None else of
        if item is None:
            self.out += b"N"
        elif isinstance(item, bool):
            self.out += b"\x88" if item else b"\x89"
        elif isinstance(item, int):
            self.out += _int_code(item) if item >= 0 else _negative(item)
        elif isinstance(item, float):
            self.out += b"G" + pack(">d", item)
        elif isinstance(item, str):
            self.text(item)
        elif isinstance(item, _C.Tensor):
            self.tensor(item)
        elif isinstance(item, complex):
            self.name("builtins", "complex")
            self.out += b"G" + pack(">d", item.real) + b"G" + pack(">d", item.imag) + b"\x86R"
        elif isinstance(item, list):
            self._list(item, of)
        elif isinstance(item, tuple):
            self._tuple(item, of)
        elif isinstance(item, dict):
            self._dict(item, of)
        elif type(item).__name__ == "device":
            self.name("torch", "device")
            self.text(str(item))
            self.out += b"\x85R"
        else:
            self._object(item, of)

    def _list(self, item: list, of) -> None:
        element = of.getElementType() if isinstance(of, T.ListType) else None
        built = _BUILT_LISTS.get(type(element))
        self.name(_PICKLE_TYPES, built or "restore_type_tag")
        self.out += b"(]" if built else b"]"
        if item:
            self.out += b"("
            for part in item:
                self.value(part, element)
            self.out += b"e"
        if built:
            self.out += b"tR"
        else:
            self.text(of.annotation_str if of is not None else "List[Any]")
            self.out += b"\x86R"

    def _tuple(self, item: tuple, of) -> None:
        kinds = of.elements() if isinstance(of, T.TupleType) else [None] * len(item)
        if len(item) > 3:
            self.out += b"("
        for part, kind in zip(item, kinds, strict=True):
            self.value(part, kind)
        self.out += (b")", b"\x85", b"\x86", b"\x87", b"t")[min(len(item), 4)]

    def _dict(self, item: dict, of) -> None:
        key, kind = (
            (of.getKeyType(), of.getValueType()) if isinstance(of, T.DictType) else (None, None)
        )
        self.name(_PICKLE_TYPES, "restore_type_tag")
        self.out += b"}"
        if item:
            self.out += b"("
            for k, v in item.items():
                self.value(k, key)
                self.value(v, kind)
            self.out += b"u"
        self.text(of.annotation_str if of is not None else "Dict[Any, Any]")
        self.out += b"\x86R"

    def tensor(self, tensor) -> None:
        """A tensor: how its memory is seen; the memory is a record of its own."""
        tensor = tensor.detach().requires_grad_(tensor.requires_grad) if _is_odd(tensor) else tensor
        if tensor.layout is not _strided() or tensor.is_meta:
            raise RuntimeError("save: only dense tensors with memory can be part of an archive")
        self.name("torch._utils", "_rebuild_tensor_v2")
        self.out += b"(("
        self.text("storage")
        self.name("torch", LEGACY_NAMES[tensor.dtype._name])
        self.text(self._key(tensor))
        self.text("cpu")
        self.out += _int_code(_C.storage_nbytes(tensor) // tensor.dtype.itemsize) + b"tQ"
        self.out += _int_code(tensor.storage_offset())
        self.out += _tuple_code(tensor.shape) + _tuple_code(tensor.stride())
        self.out += b"\x88" if tensor.requires_grad else b"\x89"
        self.name("collections", "OrderedDict")
        self.out += b")RtR"

    def _key(self, tensor) -> str:
        identity = tensor._storage_id()
        key = self.keys.get(identity)
        if key is None:
            key = self.keys[identity] = str(len(self.storages))
            self.storages.append(tensor.cpu())
        return key

    def _object(self, item, of) -> None:
        found = getattr(item, "_jit_type", of if isinstance(of, T.ClassType) else None)
        if found is None:
            if isinstance(of, T.EnumType) or hasattr(item, "value"):
                self._enum(item, of)
                return
            raise RuntimeError(f"save: {type(item).__name__} cannot be part of an archive")
        if id(item) in self.memo:
            self.out += self._reference(self.memo[id(item)])
            return
        self.kept.append(item)
        home, _, leaf = found.qualified_name().rpartition(".")
        self.name(home, leaf)
        self.out += b")\x81"
        if "__getstate__" in found.methods:
            method = found.methods["__getstate__"]
            self.value(method(item), method.schema.returns[0].type)
        else:
            self.out += b"}("
            for name, kind in found.attributes.items():
                self.text(name)
                self.value(attribute_of(item, name), kind)
            self.out += b"u"
        self.out += b"b"
        self._remember(id(item))

    def _enum(self, item, of) -> None:
        home, _, leaf = of.qualified_name().rpartition(".")
        self.name(home, leaf)
        self.value(item.value, of.getValueType())
        self.out += b"\x85R"


def _strided():
    from ..tensor import LAYOUTS

    return LAYOUTS["strided"]


def _is_odd(tensor) -> bool:
    return type(tensor) is not _C.Tensor and tensor.grad_fn is not None


def _negative(item: int) -> bytes:
    if item >= -(1 << 31):
        return b"J" + item.to_bytes(4, "little", signed=True)
    data = pickle.encode_long(item)
    return b"\x8a" + bytes((len(data),)) + data


def attribute_of(item, name: str):
    """The value of an attribute of a compiled module or object."""
    if isinstance(item, ScriptModule):
        return value_of(item, name)
    return item.__dict__[name]


# -- source ----------------------------------------------------------------------------------------


def class_source(of, constants: Constants) -> str:
    """The definition of a type in an archive."""
    if isinstance(of, T.EnumType):
        lines = [f"class {of.qualified_name().rpartition('.')[2]}(Enum):"]
        writer_type = of.getValueType()
        lines += [f"  {name} = {_literal(value, writer_type)}" for name, value in of.members]
        return "\n".join(lines) + "\n"
    if isinstance(of, T.TupleType):
        lines = [f"class {of.annotation_str.rpartition('.')[2]}(NamedTuple):"]
        for name, kind in zip(of.fields, of.elements(), strict=True):
            constants.need(kind)
            lines.append(f"  {name} : {kind.annotation_str}")
        return "\n".join(lines) + "\n"
    if isinstance(of, T.InterfaceType):
        return _interface_source(of, constants)
    if of.kind() == "FunctionType":
        function = of.function
        return _function_source(function, constants)
    return _class_source(of, constants)


def _function_source(function, constants, method: bool = False, level: int = 0) -> str:
    for node in function.graph.all_nodes():
        if node.kind() == "prim::PythonOp":
            raise RuntimeError(
                f"Could not export Python function call '{node.pyname()}'. Remove calls to Python "
                "functions before export. Did you forget to add @script or @script_method "
                "annotation? If this is a nn.ModuleList, add it to __constants__"
            )
    name, defaults = function.name, _defaults(function)
    return function_source(function.graph, name, constants, defaults, method, level)


def _literal(item, of) -> str:
    from ._emit import Writer

    return Writer().literal(item, of)


def _interface_source(of, constants: Constants) -> str:
    base = "ModuleInterface" if of.is_module else "Interface"
    lines = [f"class {of.name()}({base}):"]
    for name, schema in of.methods.items():
        parameters = ["self"]
        for argument in schema.arguments[1:]:
            constants.need(argument.type)
            parameters.append(f"{argument.name}: {argument.type.annotation_str}")
        result = schema.returns[0].type.annotation_str if schema.returns else "NoneType"
        lines += [f"  def {name}({', '.join(parameters)}) -> {result}:", "    pass"]
    return "\n".join(lines) + "\n"


def _class_source(of: ClassType, constants: Constants) -> str:
    lines = [f"class {of.name()}{'(Module)' if of.is_module else ''}:"]
    if of.is_module:
        for title, names in (("__parameters__", of.parameters), ("__buffers__", of.buffers)):
            listed = "".join(f'"{n}", ' for n in of.attributes if n in names)
            lines.append(f"  {title} = [{listed}]")
        for title, hooks in (
            ("__forward_pre_hooks__", of.forward_pre_hooks),
            ("__forward_hooks__", of.forward_hooks),
        ):
            if hooks:
                lines.append(f"  {title} = [{''.join(f'{quoted(h.name)}, ' for h in hooks)}]")
    for name, kind in of.attributes.items():
        constants.need(kind)
        text = kind.annotation_str
        plain = identifier(name)
        lines.append(f"  {name} : {text}" if plain else f'  __annotations__["{name}"] = {text}')
    for name, value in of.constants.items():
        text = _final(name, value)
        if text is not None:
            lines.append(text)
    body = "\n".join(lines) + "\n"
    hooks = [h for h in (*of.forward_pre_hooks, *of.forward_hooks) if h.name not in of.methods]
    for function in (*of.methods.values(), *hooks):
        body += _function_source(function, constants, True, 1)
    return body


def _final(name: str, value) -> str | None:
    from ._constants import as_ivalue, try_type_of

    found = try_type_of(value)
    if not found.success() or not identifier(name):
        return None
    of = found.type().unshaped()
    if isinstance(of, T.TensorType | T.ClassType | T.EnumType):
        return None
    return f"  {name} : Final[{of.annotation_str}] = {_literal(as_ivalue(value), of)}"


def _defaults(function: ScriptFunction) -> dict:
    return {
        i: a.spread_default
        for i, a in enumerate(function.schema.arguments)
        if a.has_default_value()
    }


def _code_files(root) -> tuple[dict[str, str], list]:
    """(the text of each package, the constants that they name)."""
    constants = Constants()
    constants.need(root)
    files: dict[str, list] = {}
    counts: dict[str, list] = {}
    done = 0
    while done < len(constants.needed):
        of = constants.needed[done]
        done += 1
        name = of.qualified_name() if hasattr(of, "qualified_name") else of.annotation_str
        home = name.rpartition(".")[0]
        constants.count = counts.setdefault(home, [0])
        files.setdefault(home, []).append(class_source(of, constants))
    texts = {home.replace(".", "/") + ".py": "".join(parts) for home, parts in files.items()}
    return texts, constants.values


def _version(files: dict[str, str]) -> bytes:
    """The lowest number that says what the operators mean."""
    for text in files.values():
        if any(f"torch.{name}(" in text for name in _VERSIONED):
            return b"10\n"
    return b"3\n"


# -- the whole -------------------------------------------------------------------------------------


def placeholder(function) -> ScriptModule:
    """A module whose forward is a function: what an archive of a function holds."""
    from ._script import RecursiveScriptModule

    of = ClassType("__torch__.PlaceholderModule", is_module=True)
    of.addAttribute("training", T.BoolType.get())
    plain = function._function if isinstance(function, ScriptMethod) else function
    graph = plain.graph.copy()
    value = graph.block().paramNode().addOutput().setType(of)
    value.setDebugName("self")
    count = len(list(graph.inputs()))
    graph.permuteInputs([count - 1, *range(count - 1)])
    from ._schema import Argument, FunctionSchema

    schema = plain.schema
    arguments = [Argument("self", of), *schema.arguments]
    of.methods["forward"] = ScriptFunction(
        "__torch__.PlaceholderModule.forward",
        graph,
        FunctionSchema("forward", "", arguments, schema.returns),
    )
    return RecursiveScriptModule._construct(of, {"training": True})


def write(module: ScriptModule, file, prefix: str, extra: dict) -> None:
    """Write the archive of a compiled module to an open binary file."""
    of = module._jit_type
    files, values = _code_files(of)
    archive = ArchiveWriter(file, prefix)
    for name, content in (extra or {}).items():
        data = content.encode() if isinstance(content, str) else bytes(content)
        archive.add(f"extra/{name}", data)
    storages: list = []
    data = _Pickle(storages, {})
    data.value(module, of)
    archive.add("data.pkl", data.finish())
    archive.add("byteorder", b"little")
    for key, tensor in enumerate(storages):
        archive.add(f"data/{key}", _bytes_of(tensor))
    for name, text in files.items():
        archive.add(f"code/{name}", text.encode())
    kept: list = []
    constants = _Pickle(kept, {})
    constants.value(tuple(values), None)
    archive.add("constants.pkl", constants.finish())
    for key, tensor in enumerate(kept):
        archive.add(f"constants/{key}", _bytes_of(tensor))
    archive.add("version", _version(files))
    archive.add(".data/serialization_id", _content_id(prefix, archive.checksums))
    archive.finish()


def _bytes_of(tensor):
    return _C.storage_bytes(tensor) if _C.storage_nbytes(tensor) else b""
