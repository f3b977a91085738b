"""`torch.__version__`: text that compares as versions do."""

import pickle

import pytest

import rushlight as torch
from rushlight.torch_version import TorchVersion, _version_key

ORDERED = (
    "0.9 1.0.dev1 1.0a1.dev2 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0+abc 1.0+abc.5 1.0+abc.7 1.0+5 "
    "1.0.post1.dev1 1.0.post1 1.0.1 1.1.dev0 1.1 1.10 2.0a0+git1234 2.0 2.1.0+cu118 1!0.1"
).split()


def test_versions_are_ordered():
    keys = [_version_key(text) for text in ORDERED]
    assert keys == sorted(keys) and all(a < b for a, b in zip(keys, keys[1:], strict=False))
    assert TorchVersion("1.0") == "1.0.0" == TorchVersion("v1") and TorchVersion("1.0-1") > "1.0"


@pytest.mark.parametrize("other", ["1.13", "2.12.9", (2, 0), (2, 13), [2, 13, 0], "2.13.0", "2"])
def test_this_version_is_at_least(other):
    version = torch.__version__
    assert version >= other and version > other and not version < other and not version <= other


def test_this_version_is_below_later_ones():
    version = torch.__version__
    assert version < "2.14" and version <= (3,) and version < "2.13.1a0"
    assert version.startswith("2.13.0+rushlight.") and isinstance(version, str)
    assert version == torch.version.__version__ and hash(version) == hash(str(version))
    assert type(torch.version.__version__) is str and torch.version.debug is False


def test_other_things_are_compared_as_text():
    assert TorchVersion("1.0") != "nightly" and TorchVersion("parrot") > "alpha"
    with pytest.raises(TypeError):
        torch.__version__ > 2  # noqa: B015
    assert torch.__version__ != 5


def test_versions_are_pickled():
    assert pickle.loads(pickle.dumps(torch.__version__)) == torch.__version__


def test_pytorch_agrees():
    theirs = pytest.importorskip("torch.torch_version").TorchVersion
    others = [*ORDERED, "nightly", (1, 0), (1, 0, 1), "1.0a"]
    for text in ORDERED:
        for other in others:
            for name in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__"):
                ours = getattr(TorchVersion(text), name)(other)
                assert ours == getattr(theirs(text), name)(other), (text, name, other)


def test_the_configuration_is_told_in_words():
    text = torch.__config__.show()
    assert torch.__version__ in text and "CPU capability" in text
    assert f"get_num_threads() : {torch.get_num_threads()}" in torch.__config__.parallel_info()
