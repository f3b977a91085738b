"""Flickr8k and Flickr30k: photographs with five captions each."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from .folder import default_loader
from .vision import VisionDataset


class Flickr8kParser(HTMLParser):
    """Reads the page of captions: a table whose cells hold a link to an image and a list."""

    def __init__(self, root: str | os.PathLike) -> None:
        super().__init__()
        self.root = root
        self.annotations: dict[str, list[str]] = {}
        self.in_table = False
        self.current_tag: str | None = None
        self.current_img: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where we are."""
        self.current_tag = tag
        self.in_table = self.in_table or tag == "table"

    def handle_endtag(self, tag: str) -> None:
        """Note what has ended."""
        self.current_tag = None
        self.in_table = self.in_table and tag != "table"

    def handle_data(self, data: str) -> None:
        """Take an address or a caption."""
        if not self.in_table:
            return
        if data == "Image Not Found":
            self.current_img = None
        elif self.current_tag == "a":
            number = data.split("/")[-2]
            path = os.path.join(self.root, f"{number}_*.jpg")
            self.current_img = glob.glob(path)[0]
            self.annotations[self.current_img] = []
        elif self.current_tag == "li" and self.current_img:
            self.annotations[self.current_img].append(data.strip())


class _Captioned(VisionDataset):
    def __init__(
        self,
        root: str | os.PathLike,
        ann_file: str,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.ann_file = os.path.expanduser(ann_file)
        self.loader = loader
        self.annotations = self._captions()
        self.ids = sorted(self.annotations)

    def _captions(self) -> dict[str, list[str]]:
        raise NotImplementedError(f"{type(self).__name__}._captions")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name = self.ids[index]
        image = self.loader(os.path.join(self.root, name))
        return self._changed(image, self.annotations[name])

    def __len__(self) -> int:
        return len(self.ids)


class Flickr8k(_Captioned):
    """8,000 photographs (Hodosh et al., 2013): items (image, captions)."""

    def _captions(self) -> dict[str, list[str]]:
        parser = Flickr8kParser(self.root)
        with open(self.ann_file) as file:
            parser.feed(file.read())
        return parser.annotations


class Flickr30k(_Captioned):
    """31,783 photographs (Young et al., 2014): items (image, captions)."""

    def _captions(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        with open(self.ann_file) as file:
            for line in file:  # 1000092795.jpg#0 <tab> Two young guys ...
                name, caption = line.strip().split("\t")
                found[name[:-2]].append(caption)
        return found
