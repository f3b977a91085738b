"""Hundreds of objects, saved and loaded by rushlight and by PyTorch: equal content and sharing.

`pytorch_zip.pt.xz` and `pytorch_old.pt.xz` were written by PyTorch 2.13 from the same table.
"""

import io
import lzma
import sys
from pathlib import Path

import pytest

import rushlight as torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from table import Content, by_name, trusted_by_name  # noqa: E402

try:
    import torch as theirs
except ImportError:
    theirs = None

FORMATS = {"zip": True, "old": False}
# PyTorch refuses to save these, or cannot read what it saved.
REFUSED = {
    "storage and tensor", "seen as other dtypes", "minus huge", "frozenset", "no bytes",
    "memory format contiguous_format", "memory format channels_last",
    "memory format preserve_format", "memory format channels_last_3d",
}  # fmt: skip
# The last bit of a float32 differs.
ROUNDED = {"optimizer Adadelta", "optimizer LBFGS"}
ONLY_ZIP = {"untyped storage", "empty storage"}


def saved(module, obj, new: bool) -> io.BytesIO:
    buffer = io.BytesIO()
    module.save(obj, buffer, _use_new_zipfile_serialization=new)
    buffer.seek(0)
    return buffer


def plain(description) -> str:
    text = repr(description).replace("rushlight", "torch").replace("relu_function", "relu")
    return text.replace("<built-in method relu of torch>", "<function relu")


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ours():
    return by_name(torch)


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_pytorch_are_read(ours, name):
    data = lzma.decompress((HERE / f"pytorch_{name}.pt.xz").read_bytes())
    loaded = torch.load(io.BytesIO(data))
    assert len(loaded) > 380
    for key, obj in loaded.items():
        assert plain(Content(torch)(obj)) == plain(Content(torch)(ours[key])), key


def test_modules_of_pytorch_are_read():
    data = lzma.decompress((HERE / "pytorch_modules.pt.xz").read_bytes())
    with pytest.raises(Exception, match="weights_only"):
        torch.load(io.BytesIO(data))
    loaded = torch.load(io.BytesIO(data), weights_only=False)
    wanted = trusted_by_name(torch)
    assert loaded.keys() == wanted.keys()
    for key, obj in loaded.items():
        assert plain(Content(torch)(obj)) == plain(Content(torch)(wanted[key])), key


@pytest.mark.parametrize("name", FORMATS)
def test_everything_comes_back(ours, name):
    refused = {"storage and tensor", "seen as other dtypes"}
    for key, obj in ours.items():
        if key in refused:
            with pytest.raises(RuntimeError, match="view the same data as different types"):
                saved(torch, obj, FORMATS[name])
        elif name == "zip" or key not in ONLY_ZIP:
            loaded = torch.load(saved(torch, obj, FORMATS[name]))
            assert plain(Content(torch)(loaded)) == plain(Content(torch)(obj)), key


def test_everything_comes_back_trusted(ours):
    for key, obj in (ours | trusted_by_name(torch)).items():
        if key not in REFUSED or key in ("frozenset", "no bytes", "minus huge"):
            loaded = torch.load(saved(torch, obj, True), weights_only=False)
            assert plain(Content(torch)(loaded)) == plain(Content(torch)(obj)), key


needs_pytorch = pytest.mark.skipif(theirs is None, reason="PyTorch is not installed")


@needs_pytorch
@pytest.mark.parametrize("name", FORMATS)
def test_pytorch_reads_everything_as_data(ours, name):
    for key, obj in ours.items():
        if key not in REFUSED | ONLY_ZIP:
            loaded = theirs.load(saved(torch, obj, FORMATS[name]), weights_only=True)
            assert plain(Content(theirs)(loaded)) == plain(Content(torch)(obj)), key


@needs_pytorch
def test_pytorch_reads_whole_modules():
    for key, obj in trusted_by_name(torch).items():
        loaded = theirs.load(saved(torch, obj, True), weights_only=False)
        assert plain(Content(theirs)(loaded)) == plain(Content(torch)(obj)), key


@needs_pytorch
def test_the_files_of_this_folder_are_todays(ours):
    """What PyTorch builds and saves now is what the files hold; run this file to write them."""
    for key, obj in by_name(theirs).items():
        if key not in REFUSED | ROUNDED:
            assert plain(Content(theirs)(obj)) == plain(Content(torch)(ours[key])), key


def write_files() -> None:
    everything = {k: v for k, v in by_name(theirs).items() if k not in REFUSED | ROUNDED}
    for name, new in FORMATS.items():
        data = saved(theirs, everything, new) if new else None
        if data is None:
            data = saved(theirs, {k: v for k, v in everything.items() if k not in ONLY_ZIP}, new)
        (HERE / f"pytorch_{name}.pt.xz").write_bytes(lzma.compress(data.getvalue(), preset=9))
    data = saved(theirs, trusted_by_name(theirs), True).getvalue()
    (HERE / "pytorch_modules.pt.xz").write_bytes(lzma.compress(data, preset=9))


if __name__ == "__main__":
    write_files()
