"""The version as text that compares as versions do: `torch.__version__ >= (2, 1)`."""

from __future__ import annotations

from .version import __version__ as _text

__all__ = ["TorchVersion"]

_PRE = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_LAST = (3, 0)  # a version without a suffix comes after its candidates


def _version_key(text: str) -> tuple:
    """What orders versions (PEP 440): epoch, release, pre-, post- and development number, local.

    ValueError for what is no version.
    """
    import re

    found = re.fullmatch(
        r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
        r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<prenumber>\d*))?"
        r"(?P<post>-(?P<bare>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<postnumber>\d*))?"
        r"(?P<dev>[-_.]?dev[-_.]?(?P<devnumber>\d*))?"
        r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
        text.lower(),
    )
    if found is None:
        raise ValueError(f"Invalid version: {text!r}")
    part = found.groupdict()
    release = [int(number) for number in part["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    post = int(part["bare"] or part["postnumber"] or 0) if part["post"] else -1
    development = int(part["devnumber"] or 0) if part["dev"] else None
    if part["pre"]:
        before = (_PRE[part["pre"]], int(part["prenumber"] or 0))
    else:
        before = (-1, 0) if development is not None and not part["post"] else _LAST
    local = re.split(r"[-_.]", part["local"]) if part["local"] else ()
    places = [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in local]
    late = (1, 0) if development is None else (0, development)
    return int(part["epoch"] or 0), release, before, post, late, bool(places), places


class TorchVersion(str):
    """A version as text, compared as versions with text, tuples, lists and `Version` objects.

    Text that is no version is compared letter by letter.
    """

    __slots__ = ()

    def _keys(self, other):
        """Both sides as keys; None when one of them is no version."""
        if not isinstance(other, str):
            if isinstance(other, (tuple, list)):
                other = ".".join(str(part) for part in other)
            elif type(other).__name__ == "Version":
                other = str(other)
            else:
                return None
        try:
            return _version_key(str(self)), _version_key(other)
        except ValueError:
            return None


def _comparison(name: str):
    by_letters = getattr(str, name)

    def compare(self, other):
        keys = self._keys(other)
        return by_letters(self, other) if keys is None else getattr(keys[0], name)(keys[1])

    compare.__name__ = name
    return compare


# After the class, so that it keeps the hash of text.
for _name in ("__gt__", "__lt__", "__eq__", "__ge__", "__le__"):
    setattr(TorchVersion, _name, _comparison(_name))

__version__ = TorchVersion(_text)
