"""LSUN: scenes in databases of LMDB."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

from ..transforms._image import Image
from .utils import iterable_to_str, verify_str_arg
from .vision import VisionDataset

_CATEGORIES = (
    "bedroom bridge church_outdoor classroom conference_room dining_room kitchen living_room "
    "restaurant tower"
).split()


class LSUNClass(VisionDataset):
    """One database: items (image, None); needs lmdb."""

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise ImportError("LSUN: its files are read by lmdb: pip install lmdb") from error
        super().__init__(root, transform=transform, target_transform=target_transform)
        options = {"max_readers": 1, "readonly": True, "lock": False, "readahead": False}
        self.env = lmdb.open(self.root, meminit=False, **options)
        with self.env.begin(write=False) as view:
            self.length = view.stat()["entries"]
            self.keys = list(view.cursor().iternext(keys=True, values=False))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with self.env.begin(write=False) as view:
            content = view.get(self.keys[index])
        return self._changed(Image.open(io.BytesIO(content)).convert("RGB"), None)

    def __len__(self) -> int:
        return self.length


class LSUN(VisionDataset):
    """Scenes of ten categories (Yu et al., 2015); needs lmdb.

    `classes`: "train", "val" or "test", or a list such as ["bedroom_train", "tower_val"].
    """

    def __init__(
        self,
        root: str | os.PathLike,
        classes: str | list[str] = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes = self._verify_classes(classes)
        folders = [os.path.join(self.root, f"{name}_lmdb") for name in self.classes]
        self.dbs = [LSUNClass(folder, transform) for folder in folders]
        self.indices = list(accumulate(len(db) for db in self.dbs))
        self.length = self.indices[-1] if self.indices else 0

    def _verify_classes(self, classes: str | Iterable[str]) -> list[str]:
        parts = ["train", "val", "test"]
        if isinstance(classes, str):
            verify_str_arg(classes, "classes", parts)
            if classes == "test":
                return [classes]
            return [f"{category}_{classes}" for category in _CATEGORIES]
        if not isinstance(classes, Iterable):
            raise ValueError(
                f"Expected type str or Iterable for argument classes, but got type {type(classes)}."
            )
        names = list(classes)
        for name in names:
            verify_str_arg(name, "classes")
            category, _, part = name.rpartition("_")
            _check("LSUN class", category, _CATEGORIES)
            _check("postfix", part, parts)
        return names

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = bisect_right(self.indices, index)
        before = self.indices[target - 1] if target else 0
        image, _ = self.dbs[target][index - before]
        return image, self.target_transform(target) if self.target_transform else target

    def __len__(self) -> int:
        return self.length

    def extra_repr(self) -> str:
        """Which databases."""
        return f"Classes: {self.classes}"


def _check(what: str, value: str, valid: list[str]) -> None:
    shown = iterable_to_str(valid)
    message = f"Unknown value '{value}' for {what}. Valid values are {{{shown}}}."
    verify_str_arg(value, valid_values=valid, custom_msg=message)
