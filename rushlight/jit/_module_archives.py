"""Compiled modules in archives, under the names of PyTorch's bindings."""

from __future__ import annotations

import io
from typing import Any

from ..serialization._containers import SerializationStorageContext


def import_ir_module(
    unit: Any,
    filename: str,
    map_location: Any = None,
    extra_files: dict | None = None,
    restore_shapes: bool = False,
):
    """The compiled module of an archive, as the object that graphs run on."""
    from ._archive import load

    return load(filename, map_location, extra_files)._c


def import_ir_module_from_buffer(
    unit: Any,
    buffer: bytes | str,
    map_location: Any = None,
    extra_files: dict | None = None,
    restore_shapes: bool = False,
):
    """The compiled module of an archive that is given as bytes."""
    from ._archive import load

    data = buffer.encode("latin-1") if isinstance(buffer, str) else buffer
    return load(io.BytesIO(data), map_location, extra_files)._c


class LiteScriptModule:
    """A compiled module that is only run: its methods by name, with tuples of inputs."""

    __module__ = "torch"

    def __init__(self, module: Any, unit: Any = None) -> None:
        self._module = module

    def find_method(self, method_name: str) -> bool:
        """Whether there is a method of this name."""
        return method_name in self._module._jit_type.methods

    def run_method(self, method_name: str, input_tuple: tuple):
        """Call a method."""
        if not self.find_method(method_name):
            raise RuntimeError(f"Method '{method_name}' is not defined.")
        return getattr(self._module, method_name)(*input_tuple)

    def forward(self, input_tuple: tuple):
        """Call `forward`."""
        return self.run_method("forward", input_tuple)


class DeepCopyMemoTable:
    """What a deep copy has copied already: copies of one storage share one."""

    __module__ = "torch"

    def __init__(self, memo: dict | None = None) -> None:
        self.memo: dict = {} if memo is None else memo


class ScriptModuleSerializer:
    """Writes several compiled modules to one archive: code and tensors that they share go once."""

    __module__ = "torch"

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._context = SerializationStorageContext()
        self._modules: list[Any] = []
        self._written = 0
        self._storages: list[Any] = []
        self._keys: dict = {}

    def storage_context(self) -> SerializationStorageContext:
        """The storages that have been written."""
        return self._context

    def serialize(self, module: Any, number: int) -> None:
        """Write the values of a module: `.data/ts_code/<number>/data.pkl`."""
        from ._archive_write import _Pickle

        module = getattr(module, "_module", module)
        data = _Pickle(self._storages, self._keys)
        data.value(module, module._jit_type)
        self._put(f".data/ts_code/{number}/data.pkl", data.finish())
        self._put_storages()
        self._modules.append(module)

    def write_files(self, code_dir: str = ".data/ts_code/code/") -> None:
        """Write the source of all classes, and the tensors that it names."""
        from ._archive_write import _code_files, _Pickle

        constants: list[Any] = []
        texts: dict[str, str] = {}
        for module in self._modules:
            files, values = _code_files(module._jit_type)
            texts |= files
            constants += values
        for name, text in texts.items():
            self._put(code_dir + name, text.encode())
        data = _Pickle(self._storages, self._keys)
        data.value(tuple(constants), None)
        self._put(".data/ts_code/constants.pkl", data.finish())
        self._put_storages()

    def _put_storages(self) -> None:
        from ._archive_write import _bytes_of

        for tensor in self._storages[self._written :]:
            number = self._context.get_or_add_storage(tensor.untyped_storage())
            self._put(f".data/{number}.storage", _bytes_of(tensor))
        self._written = len(self._storages)

    def _put(self, name: str, data: Any) -> None:
        content = bytes(data)
        self._writer.write_record(name, content, len(content))
