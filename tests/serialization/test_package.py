"""Packages: writing, reading, and what is refused."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import textwrap
import zipfile

import pytest

import rushlight as torch
from rushlight.package import (
    EmptyMatchError,
    GlobGroup,
    PackageExporter,
    PackageImporter,
    PackagingError,
    analyze,
    is_from_package,
    sys_importer,
)

FILES = {
    "__init__.py": "",
    "net.py": """
        import math
        import rushlight as torch
        from . import parts
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(3, 2)
                self.size = parts.SIZE
            class Inner:
                pass
            def forward(self, x):
                return self.layer(x) * parts.scale()
        """,
    "parts.py": "import os.path\nSIZE = 5\ndef scale():\n    return 2.0\n",
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package of Python modules that this process can import."""
    folder = tmp_path / "packed_library"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("packed_library.net").net
    for name in [n for n in sys.modules if n.startswith("packed_library")]:
        del sys.modules[name]


def packed(write, **options) -> io.BytesIO:
    file = io.BytesIO()
    with PackageExporter(file, **options) as exporter:
        write(exporter)
    file.seek(0)
    return file


def model_package(net) -> io.BytesIO:
    def write(exporter):
        exporter.extern(["rushlight.**", "rushlight"])
        exporter.intern("packed_library.**")
        exporter.save_pickle("model", "model.pkl", net)
        exporter.save_text("words", "hello.txt", "hello")
        exporter.save_binary("words", "two.bin", b"\0\1")
        assert exporter.interned_modules() == ["packed_library.net", "packed_library.parts"]
        assert {"os.path", "math", "rushlight"} <= set(exporter.externed_modules())
        assert exporter.get_rdeps("packed_library.parts") == ["packed_library.net"]
        path = exporter.all_paths("packed_library.net", "packed_library.parts")
        assert '"packed_library.net" -> "packed_library.parts";' in path

    return packed(write)


def test_models_come_back_with_code_of_their_own(library):
    torch.manual_seed(0)
    net = library.Net()
    importer = PackageImporter(model_package(net))
    back = importer.load_pickle("model", "model.pkl")
    x = torch.randn(4, 3)
    assert torch.equal(back(x), net(x)) and back.size == 5
    assert type(back) is not library.Net and is_from_package(back) and not is_from_package(net)
    assert type(back).__module__ == f"{importer.id()}.packed_library.net"
    assert importer.load_text("words", "hello.txt") == "hello"
    assert importer.load_binary("words", "two.bin") == b"\0\1"
    parts = importer.import_module("packed_library.parts")
    assert parts is not sys.modules["packed_library.parts"] and parts.scale() == 2.0
    assert "packed_library/net.py" in "/".join(importer._files)
    tree = importer.file_structure(include="**/*.py")
    assert tree.has_file("packed_library/net.py") and not tree.has_file("words/hello.txt")
    assert str(tree).splitlines()[1:] == [
        "    └── packed_library", "        ├── net.py", "        └── parts.py",
    ]  # fmt: skip
    reader = importer.get_resource_reader("words")
    assert reader.open_resource("two.bin").read() == b"\0\1"


def test_packing_again_needs_both_importers(library):
    importer = PackageImporter(model_package(library.Net()))
    back = importer.load_pickle("model", "model.pkl")

    def write(exporter):
        exporter.extern(["rushlight.**", "rushlight"])
        exporter.intern("packed_library.**")
        exporter.save_pickle("model", "model.pkl", back)

    again = PackageImporter(packed(write, importer=(importer, sys_importer)))
    net = again.load_pickle("model", "model.pkl")
    assert type(net).__module__ == f"{again.id()}.packed_library.net" != type(back).__module__
    with pytest.raises(pickle.PicklingError, match="is another object"):
        packed(write)


def test_storages_are_shared_in_a_file_and_apart_between_loads():
    x = torch.arange(6.0)

    def write(exporter):
        exporter.save_pickle("t", "views.pkl", {"whole": x, "part": x[2:]})
        exporter.save_pickle("t", "whole.pkl", x)

    file = packed(write)
    names = zipfile.ZipFile(file).namelist()
    assert [n for n in names if n.endswith(".storage")] == ["archive/.data/0.storage"]
    file.seek(0)
    importer = PackageImporter(file)
    views = importer.load_pickle("t", "views.pkl")
    views["part"][0] = 50
    assert views["whole"][2] == 50 and importer.load_pickle("t", "whole.pkl")[2] == 2


def test_modules_that_are_mocked_or_denied(library):
    def mocked(exporter):
        exporter.extern(["rushlight.**", "rushlight"])
        exporter.mock("packed_library.parts")
        exporter.intern("packed_library.**")
        exporter.save_module("packed_library.net")
        assert exporter.mocked_modules() == ["packed_library.parts"]

    net = PackageImporter(packed(mocked)).import_module("packed_library.net")
    with pytest.raises(NotImplementedError, match="parts.scale' was mocked out"):
        net.parts.scale()

    def refused(pattern):
        def write(exporter):
            exporter.extern(["rushlight.**", "rushlight"])
            getattr(exporter, pattern)("packed_library.**")
            exporter.save_pickle("m", "m.pkl", library.Net())

        return write

    with pytest.raises(PackagingError, match="denied by a pattern.\n    packed_library.net"):
        packed(refused("deny"))
    with pytest.raises(PackagingError, match="mocked out, but is still being used"):
        packed(refused("mock"))


def test_every_module_needs_an_action(library):
    def write(exporter):
        exporter.extern(["rushlight.**", "rushlight"])
        exporter.intern("packed_library.net")
        exporter.save_pickle("m", "m.pkl", library.Net())

    with pytest.raises(PackagingError, match="did not match against any action") as caught:
        packed(write, debug=True)
    way = ["<m.m.pkl>", "packed_library.net", "packed_library.parts"]
    assert analyze.find_first_use_of_broken_modules(caught.value) == {way[-1]: way}
    assert " -> ".join(way) in str(caught.value)
    with pytest.raises(EmptyMatchError, match="allow_empty=False"):
        packed(lambda exporter: exporter.intern("nothing.**", allow_empty=False))
    with pytest.raises(PackagingError, match="C extension module"):
        packed(lambda exporter: exporter.save_module("rushlight._C"))


def test_source_hooks_and_externs():
    called = []

    def write(exporter):
        exporter.extern("numpy.**")
        exporter.register_extern_hook(lambda exporter, name: called.append(name))
        exporter.save_source_string("made.up", "import numpy.linalg\nfrom math import pi\nX = 6\n")
        exporter.save_source_string("made", "from .up import X\n", is_package=True)

    file = packed(write)
    assert called == ["numpy.linalg", "math"]
    importer = PackageImporter(file)
    assert importer.import_module("made").X == 6
    import numpy

    assert importer.import_module("made.up").numpy is numpy
    with pytest.raises(ModuleNotFoundError, match='No module named "json" in self-contained'):
        importer.import_module("json")
    file.seek(0)
    with pytest.raises(ImportError, match="'numpy.linalg' but that module has been disallowed"):
        PackageImporter(file, module_allowed=lambda name: name != "numpy.linalg")


def test_damaged_files_are_refused(library):
    data = model_package(library.Net()).getvalue()
    with pytest.raises(RuntimeError, match="failed reading zip archive"):
        PackageImporter(io.BytesIO(b"abc"))
    at = data.index(b"SIZE = 5")
    broken = data[:at] + b"SIZE = 6" + data[at + 8 :]
    with pytest.raises(RuntimeError, match="(?i)crc|checksum|corrupt"):
        PackageImporter(io.BytesIO(broken)).import_module("packed_library.parts")


def test_globs():
    group = GlobGroup(["a.**", "b.*"], exclude="a.c")
    names = ("a", "a.b.c", "b", "b.x", "a.c")
    assert [group.matches(n) for n in names] == [True, True, False, True, False]
    assert not GlobGroup("torch.**").matches("torchvision") and GlobGroup("a.*b").matches("a.xb")
    with pytest.raises(ValueError, match="entire path segment"):
        GlobGroup("a**")


def test_pytorch_reads_and_writes_the_same(tmp_path):
    pytest.importorskip("torch")
    program = """
        import sys, torch
        from torch.package import PackageExporter, PackageImporter
        if sys.argv[1] == "write":
            torch.manual_seed(0)
            with PackageExporter(sys.argv[2]) as exporter:
                exporter.save_pickle("m", "net.pkl", torch.nn.Linear(2, 1))
                exporter.save_source_string("code", "import torch\\nY = torch.ones(2)\\n")
        importer = PackageImporter(sys.argv[2])
        print(importer.load_pickle("m", "net.pkl").weight.tolist(),
              importer.import_module("code").Y.tolist())
    """
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    pytorch, ours = [sys.executable], [sys.executable, "-m", "rushlight"]
    for writer, reader in ((pytorch, ours), (ours, pytorch)):
        archive = str(tmp_path / f"{len(writer)}.pt")
        outputs = [
            subprocess.run([*who, str(script), what, archive], capture_output=True, text=True)
            for who, what in ((writer, "write"), (reader, "read"))
        ]
        assert outputs[0].stdout and outputs[0].stdout == outputs[1].stdout, outputs[1].stderr
