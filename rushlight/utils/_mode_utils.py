"""Helpers of modes."""

from __future__ import annotations

from .. import _C


class no_dispatch:  # noqa: N801 (PyTorch spells it so)
    """Within the block neither modes nor classes carry calls out below the tape."""

    def __enter__(self):
        self._before = _C.set_torch_dispatch(False)
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _C.set_torch_dispatch(self._before)


def all_same_mode(modes) -> bool:
    """Whether all of a sequence is the same mode."""
    return all(mode == modes[0] for mode in modes)
