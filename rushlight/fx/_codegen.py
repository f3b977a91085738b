"""From a graph to the source of a function that does the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..utils import _pytree as pytree
from . import _pytree as fx_pytree
from ._code_types import Globals
from ._graph_checks import users_of
from ._namespace import _Namespace
from .node import Argument, _get_qualified_name

reflectable_magic_methods = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "floordiv": "{} // {}",
    "truediv": "{} / {}",
    "div": "{} / {}",
    "mod": "{} % {}",
    "pow": "{} ** {}",
    "lshift": "{} << {}",
    "rshift": "{} >> {}",
    "and_": "{} & {}",
    "or_": "{} | {}",
    "xor": "{} ^ {}",
    "getitem": "{}[{}]",
    "matmul": "{} @ {}",
}
magic_methods = {
    "eq": "{} == {}",
    "ne": "{} != {}",
    "lt": "{} < {}",
    "gt": "{} > {}",
    "le": "{} <= {}",
    "ge": "{} >= {}",
    "pos": "+{}",
    "neg": "-{}",
    "invert": "~{}",
    **reflectable_magic_methods,
}
inplace_methods = {
    f"i{name}": f"{{}} {sign}= {{}}"
    for name, sign in {
        "add": "+", "and": "&", "floordiv": "//", "lshift": "<<", "mod": "%", "mul": "*",
        "matmul": "@", "or": "|", "pow": "**", "rshift": ">>", "sub": "-", "truediv": "/",
        "xor": "^",
    }.items()
} | {"setitem": "{}[{}] = {}"}  # fmt: skip


class PythonCode:
    """Source, the globals that it wants, and which node each line came from."""

    def __init__(
        self,
        src: str,
        globals: dict[str, Any],
        _lineno_map: dict[int, int | None] | None = None,
        _prologue_start: int = 0,
    ) -> None:
        self.src, self.globals = src, globals
        self._lineno_map, self._prologue_start = _lineno_map, _prologue_start


class _PyTreeInfo(NamedTuple):
    """The containers in which callers give arguments and get results."""

    orig_args: list[str]
    in_spec: pytree.TreeSpec
    out_spec: pytree.TreeSpec | None


def argument_text(arg: Any) -> str:
    """An argument as code writes it."""
    if isinstance(arg, tuple) and hasattr(arg, "_fields"):
        name = _get_qualified_name(type(arg))
        return f"{name}({', '.join(argument_text(a) for a in arg)})"
    if isinstance(arg, tuple):
        inside = ", ".join(argument_text(a) for a in arg)
        return f"({inside},)" if len(arg) == 1 else f"({inside})"
    if isinstance(arg, list):
        return f"[{', '.join(argument_text(a) for a in arg)}]"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k!r}: {argument_text(v)}" for k, v in arg.items()) + "}"
    if isinstance(arg, slice):
        parts = ", ".join(argument_text(a) for a in (arg.start, arg.stop, arg.step))
        return f"slice({parts})"
    return repr(arg)


def attribute_text(base: str, target: str) -> str:
    """The reading of base.a.b, where parts are no identifiers by getattr."""
    text = base
    for name in target.split("."):
        text = f"{text}.{name}" if name.isidentifier() else f'getattr({text}, "{name}")'
    return text


class CodeGen:
    """Writes the code of a graph; subclasses change how arguments and results are passed."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(
        self,
        free_vars: list[str],
        maybe_return_annotation: str,
        *,
        expanded_def: bool = False,
    ) -> str:
        """The line that opens the function."""
        names = [v.split(":")[0].split("=")[0].strip() for v in free_vars]
        if "self" not in names:
            free_vars.insert(0, "self")
        inside = (
            "\n    " + ",\n    ".join(free_vars) + ",\n" if expanded_def else ", ".join(free_vars)
        )
        return f"def {self._func_name}({inside}){maybe_return_annotation}:"

    def generate_output(
        self,
        output_args: Argument,
        *,
        descs: Sequence[str] | None = None,
        repr_fn: Callable[[Any], str] | None = None,
    ) -> str:
        """The line that returns the result."""
        return f"return {(repr_fn or repr)(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """Arguments of a caller as the placeholders take them."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """The result as callers get it."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Names that the code of every graph may use, with their values."""
        return []

    def _gen_python_code(
        self,
        nodes: Any,
        root_module: str,
        namespace: _Namespace,
        *,
        verbose: bool = False,
        include_stride: bool = False,
        include_device: bool = False,
        expanded_def: bool = False,
    ) -> PythonCode:
        writer = _Writer(self, nodes, root_module, namespace)
        if verbose:
            from ._readable import Notes

            writer.notes = Notes(include_stride, include_device)
        for i, node in enumerate(nodes):
            writer.lines.append(f"# COUNTER: {i}\n")
            writer.write(node)
        return writer.code(expanded_def)


class _BoxedCodeGen(CodeGen):
    """Takes the arguments as one list, and empties it."""

    def gen_fn_def(
        self,
        free_vars: list[str],
        maybe_return_annotation: str,
        *,
        expanded_def: bool = False,
    ) -> str:
        """The opening line, and the lines that take the list apart."""
        head = f"def {self._func_name}(self, args_list){maybe_return_annotation}:"
        if not free_vars:
            return head
        names = ", ".join(v.split(":")[0].split("=")[0].strip() for v in free_vars)
        return f"{head}\n    {names}, = args_list\n    args_list.clear()"


class _PyTreeCodeGen(CodeGen):
    """Takes containers apart before the first node, and puts the result into its own."""

    def __init__(self, pytree_info: _PyTreeInfo) -> None:
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        """The leaves of the arguments."""
        return pytree.arg_tree_leaves(*inputs)

    def process_outputs(self, out: Any) -> Any:
        """The result in its containers."""
        if not isinstance(out, (list, tuple)):
            out = [out]
        spec = self.pytree_info.out_spec
        if spec is None:
            raise AssertionError("out_spec must not be None")
        return pytree.tree_unflatten(list(out), spec)

    def gen_fn_def(
        self,
        free_vars: list[str],
        maybe_return_annotation: str,
        *,
        expanded_def: bool = False,
    ) -> str:
        """The opening line, and the line that takes the arguments apart."""
        names, spec = list(self.pytree_info.orig_args), self.pytree_info.in_spec
        head = super().gen_fn_def(list(names), maybe_return_annotation, expanded_def=expanded_def)
        if not free_vars:
            return head
        bare = [v.split(":")[0].split("=")[0].strip() for v in free_vars]
        if names[:1] == ["self"]:
            bare.insert(0, "self")
        typed = [v for v in free_vars if ":" in v]
        given = self._given(names, spec)
        taken = f"    {', '.join(bare)}, = fx_pytree.tree_flatten_spec({given}, self._in_spec)"
        lines = [head, taken]
        lines += [f"    {v.split('=')[0].strip()}" for v in typed]
        return "\n".join(lines)

    def _given(self, names, spec):
        """The arguments in the containers of `spec`."""
        apart = spec.type is tuple and spec.num_children == 2
        if not apart or spec.child(0).type is not tuple or spec.child(1).type is not dict:
            return f"[{', '.join(names)}]"
        plain = [name for name in names if name != "self"]
        count = spec.child(0).num_children
        named = zip(spec.child(1).context, plain[count:], strict=False)
        pairs = ", ".join(f"'{key}':{name}" for key, name in named)
        return f"([{', '.join(plain[:count])}], {{{pairs}}})"

    def generate_output(
        self,
        output_args: Argument,
        *,
        descs: Sequence[str] | None = None,
        repr_fn: Callable[[Any], str] | None = None,
    ) -> str:
        """The line that puts the result together."""
        text = (repr_fn or repr)(output_args)
        if self.pytree_info.out_spec is None:
            return f"return {text}"
        return f"return pytree.tree_unflatten({text}, self._out_spec)"

    def additional_globals(self) -> list[tuple[str, Any]]:
        """The modules that know containers."""
        return [("fx_pytree", fx_pytree), ("pytree", pytree)]


def _as_it_takes(method, *args, **options):
    """A call of a generator's method, with those options that its own form takes."""
    from inspect import signature

    names = signature(method).parameters
    return method(*args, **{k: v for k, v in options.items() if k in names})


class _Writer:
    """The lines of one function as they are written."""

    def __init__(self, codegen, nodes, root_module, namespace):
        self.codegen, self.root, self.namespace = codegen, root_module, namespace
        self.globals = Globals(namespace)
        for name, value in codegen.additional_globals():
            self.globals.add(name, value)
        self.lines: list[str] = []
        self.free_vars: list[str] = []
        self.wrapped: dict[str, None] = {}
        self.returned = ""
        self.notes = None
        self.done = users_of(nodes.graph)

    def write(self, node):
        """One node, and the forgetting of what it used last."""
        if self.notes is not None and node.op not in ("placeholder", "output"):
            self.lines.extend(self.notes.before(node))
        if node.op == "placeholder":
            return self._placeholder(node)
        typed = self._typed(node)
        if node.op == "output":
            if node.type is not None:
                self.returned = f" -> {self.globals.type_text(node.type)}"
            generate = self.codegen.generate_output
            text = _as_it_takes(generate, node.args[0], repr_fn=argument_text)
            self.lines.append(f"{text}\n")
            return None
        name = repr(node)
        value = self._value(node, name, typed)
        self.lines.append(f"{value}{self._forget(node)}")
        return None

    def _placeholder(self, node):
        if not isinstance(node.target, str):
            raise AssertionError(f"Expected str, got {type(node.target)}")
        typed = self._typed(node)
        default = f" = {argument_text(node.args[0])}" if node.args else ""
        self.free_vars.append(f"{node.target}{typed}{default}")
        raw, name = node.target.replace("*", ""), repr(node)
        if raw != name:
            self.lines.append(f"{name} = {raw}\n")

    def _typed(self, node):
        known = self.notes.annotation(node) if self.notes is not None else ""
        if known or node.type is None:
            return known
        return f" : {self.globals.type_text(node.type)}"

    def _forget(self, node):
        unused = self.done.get(node, [])
        if node.op != "output" and not node.users:
            unused = [*unused, node]
        if not unused:
            return "\n"
        names = " = ".join([*map(repr, unused), "None"])
        return f";  {names}\n"

    def _value(self, node, name, typed):
        if node.op == "call_method":
            args = [argument_text(a) for a in node.args[1:]]
            call = self._arguments(args, node.kwargs)
            target = attribute_text(argument_text(node.args[0]), node.target)
            return f"{name}{typed} = {target}({call})"
        if node.op == "call_function":
            return self._function(node, name, typed)
        base = attribute_text(self.root, node.target)
        if node.op == "call_module":
            call = self._arguments(map(argument_text, node.args), node.kwargs)
            return f"{name}{typed} = {base}({call})"
        if node.op == "get_attr":
            return f"{name}{typed} = {base}"
        raise NotImplementedError(f"node: {node.op} {node.target}")

    def _function(self, node, name, typed):
        target = node.target
        args = [argument_text(a) for a in node.args]
        own = getattr(target, "__name__", "")
        if getattr(target, "__module__", None) == "_operator":
            if own in magic_methods:
                return f"{name}{typed} = {magic_methods[own].format(*args)}"
            if own in inplace_methods:
                text = inplace_methods[own].format(*args)
                return f"{text};  {name}{typed} = {args[0]}"
        if target is getattr and len(node.args) == 2 and isinstance(node.args[1], str):
            if node.args[1].isidentifier():
                return f"{name}{typed} = {attribute_text(args[0], node.args[1])}"
        known = self.globals.add(_get_qualified_name(target), target)
        if node.meta.get("is_wrapped", False):
            self.wrapped[known] = None
        return f"{name}{typed} = {known}({self._arguments(args, node.kwargs)})"

    def _arguments(self, args, kwargs):
        named = (f"{k} = {argument_text(v)}" for k, v in kwargs.items())
        return ", ".join([*args, *named])

    def code(self, expanded_def) -> PythonCode:
        """The whole function."""
        if not any(not line.startswith("# COUNTER") for line in self.lines):
            self.lines.append("pass\n")
        if self.codegen._body_transformer is not None:
            self.lines = self.codegen._body_transformer(self.lines)
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        define = self.codegen.gen_fn_def
        head = _as_it_takes(define, self.free_vars, self.returned, expanded_def=expanded_def)
        body, lineno = self._numbered(head.count("\n"))
        indented = "\n".join("    " + line for line in body.split("\n"))
        src = f"\n{wraps}\n\n{head}\n{indented}"
        return PythonCode(src, self.globals.values, lineno, len(wraps.split("\n")) + 1)

    def _numbered(self, head):
        """The body, and which node each of its lines came from."""
        lineno: dict[int, int | None] = {}
        current, kept = None, []
        at = head
        for line in "".join(self.lines).split("\n"):
            if line.startswith("# COUNTER: "):
                current = int(line[len("# COUNTER: ") :])
                continue
            at += 1
            lineno[at] = current
            kept.append(line)
        return "\n".join(kept).lstrip("\n"), lineno
