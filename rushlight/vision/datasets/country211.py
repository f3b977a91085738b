"""Photographs by country."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import default_loader
from .photographs import Folders
from .utils import verify_str_arg


class Country211(Folders):
    """63,300 photographs from 211 countries (Radford et al., 2021)."""

    _URL = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5 = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "valid", "test"))
        base = Path(os.path.expanduser(root))
        options = {"transform": transform, "target_transform": target_transform, "loader": loader}
        self._bring(root, base / "country211" / split, base, download, **options)
