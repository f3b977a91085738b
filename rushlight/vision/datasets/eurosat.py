"""Land seen from space."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import default_loader
from .photographs import Folders


class EuroSAT(Folders):
    """27,000 satellite images in 10 classes of land use (Helber et al., 2019)."""

    _URL = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
        "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )
    _MD5 = "c8fa014336c82ac7804f0398fcb19387"

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        base = Path(os.path.expanduser(root)) / "eurosat"
        options = {"transform": transform, "target_transform": target_transform, "loader": loader}
        self._bring(root, base / "2750", base, download, **options)
