"""Pipes over files: their paths, the files opened, and their content."""

from __future__ import annotations

import os
from fnmatch import fnmatch

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from .single import IterableWrapperIterDataPipe


@functional_datapipe("list_files")
class FileListerIterDataPipe(IterDataPipe):
    """Paths of the files in folders, sorted, whose names match one of `masks`."""

    def __init__(
        self,
        root=".",
        masks="",
        *,
        recursive: bool = False,
        abspath: bool = False,
        non_deterministic: bool = False,
        length: int = -1,
    ) -> None:
        roots = [root] if isinstance(root, (str, os.PathLike)) else root
        is_pipe = isinstance(roots, IterDataPipe)
        self.datapipe = roots if is_pipe else IterableWrapperIterDataPipe(roots)
        self.masks = [masks] if isinstance(masks, str) else list(masks)
        self.recursive = recursive
        self.abspath = abspath
        self.length = length

    def _files(self, folder: str):
        for place, folders, names in os.walk(folder):
            folders.sort()
            if not self.recursive:
                folders.clear()
            for name in sorted(names):
                if any(not mask or fnmatch(name, mask) for mask in self.masks):
                    path = os.path.join(place, name)
                    yield os.path.abspath(path) if self.abspath else path

    def __iter__(self):
        for folder in self.datapipe:
            yield from self._files(os.fspath(folder))

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(IterDataPipe):
    """(path, open file) of every path."""

    def __init__(self, datapipe, mode: str = "r", encoding: str | None = None, length: int = -1):
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe = datapipe
        self.mode = mode if mode.startswith("r") else f"r{mode}"
        self.encoding = encoding
        self.length = length

    def __iter__(self):
        for path in self.datapipe:
            yield path, open(path, self.mode, encoding=self.encoding)  # noqa: SIM115 (the user's)

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """(path, content) of every (path, open file), whole or in chunks of some bytes."""

    def __init__(self, datapipe: IterDataPipe, chunk: int | None = None) -> None:
        self.datapipe = datapipe
        self.chunk = chunk

    def __iter__(self):
        for path, stream in self.datapipe:
            with stream:
                while part := stream.read(self.chunk):
                    yield path, part


FileLister = FileListerIterDataPipe
FileOpener = FileOpenerIterDataPipe
StreamReader = StreamReaderIterDataPipe
