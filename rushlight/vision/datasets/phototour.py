"""Photo Tourism: patches of photographs of three places, and which show the same point."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rushlight as torch

from ..._lazy import np
from .folder import open_image
from .utils import download_url, extract_archive
from .vision import VisionDataset

_HARRIS = "http://matthewalunbrown.com/patchdata/{}.zip"
_OTHER = "http://icvl.ee.ic.ac.uk/vbalnt/{}.zip"
# Name: address, MD5, mean, standard deviation, number of patches.
_FACTS = {
    "notredame_harris": (_HARRIS, "69f8c90f78e171349abdf0307afefe4d", 0.4854, 0.1864, 325295),
    "yosemite_harris": (_HARRIS, "a73253d1c6fbd3ba2613c45065c00d46", 0.4844, 0.1818, 450912),
    "liberty_harris": (_HARRIS, "c731fcfb3abb4091110d0ae8c7ba182c", 0.4437, 0.2019, 379587),
    "notredame": (_OTHER, "509eda8535847b8c0a90bbb210c83484", 0.4854, 0.1864, 468159),
    "yosemite": (_OTHER, "533b2e8eb7ede31be40abc317b2fd4f0", 0.4844, 0.1818, 633587),
    "liberty": (_OTHER, "fdd9152f138ea5ef2091746689176414", 0.4437, 0.2019, 450092),
}
_SIDE, _DOWN, _ACROSS = 64, 16, 16  # an image holds 16 x 16 patches


class PhotoTour(VisionDataset):
    """Patches of 64 x 64 (Winder and Brown, 2007), as uint8 tensors.

    For training item i is patch i; else (patch, patch, whether they show the same point).
    What has been read is kept in `root/<name>.pt`.
    """

    urls = {name: [f[0].format(name), f"{name}.zip", f[1]] for name, f in _FACTS.items()}
    means = {name: facts[2] for name, facts in _FACTS.items()}
    stds = {name: facts[3] for name, facts in _FACTS.items()}
    lens = {name: facts[4] for name, facts in _FACTS.items()}
    image_ext = "bmp"
    info_file = "info.txt"
    matches_files = "m50_100000_100000_0.txt"

    def __init__(
        self,
        root: str | os.PathLike,
        name: str,
        train: bool = True,
        transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform)
        self.name = name
        self.data_dir = os.path.join(self.root, name)
        self.data_down = os.path.join(self.root, f"{name}.zip")
        self.data_file = os.path.join(self.root, f"{name}.pt")
        self.train = train
        self.mean, self.std = self.means[name], self.stds[name]
        if download:
            self.download()
        if not os.path.exists(self.data_file):
            self.cache()
        self.data, self.labels, self.matches = torch.load(self.data_file, weights_only=True)

    def __getitem__(self, index: int) -> Any:
        def patch(i: Any) -> Any:
            return self.data[i] if self.transform is None else self.transform(self.data[i])

        if self.train:
            return patch(index)
        first, second, same = self.matches[index]
        return patch(first), patch(second), same

    def __len__(self) -> int:
        return len(self.data if self.train else self.matches)

    def download(self) -> None:
        """Bring the archive and unpack it, unless its patches have been read."""
        if os.path.exists(self.data_file):
            return
        if not os.path.exists(self.data_dir):
            url, name, md5 = self.urls[self.name]
            download_url(url, self.root, name, md5)
            extract_archive(self.data_down, self.data_dir)
            os.unlink(self.data_down)

    def cache(self) -> None:
        """Read patches, labels and pairs, and keep them in one file."""
        if not os.path.isdir(self.data_dir):
            raise FileNotFoundError(
                f"Dataset not found in {self.data_dir}. You can use download=True to download it"
            )
        kept = (
            read_image_file(self.data_dir, self.image_ext, self.lens[self.name]),
            read_info_file(self.data_dir, self.info_file),
            read_matches_files(self.data_dir, self.matches_files),
        )
        torch.save(kept, self.data_file)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"


def read_image_file(data_dir: str, image_ext: str, n: int) -> torch.Tensor:
    """The first n patches (n, 64, 64) of the images in a folder."""
    patches = []
    for path in sorted(Path(data_dir).glob(f"*.{image_ext}")):
        pixels = np.array(open_image(path, "L"), np.uint8)
        rows = pixels.reshape(_DOWN, _SIDE, _ACROSS, _SIDE)
        patches.append(rows.transpose(0, 2, 1, 3).reshape(-1, _SIDE, _SIDE))
    return torch.from_numpy(np.concatenate(patches)[:n])


def read_info_file(data_dir: str, info_file: str) -> torch.Tensor:
    """The point that each patch shows: the first number of each line."""
    with open(os.path.join(data_dir, info_file)) as file:
        return torch.tensor([int(line.split()[0]) for line in file], dtype=torch.int64)


def read_matches_files(data_dir: str, matches_file: str) -> torch.Tensor:
    """(patch, patch, 1 or 0) for each line; its numbers 1 and 4 are the points of 0 and 3."""
    with open(os.path.join(data_dir, matches_file)) as file:
        rows = [[int(word) for word in line.split()] for line in file]
    pairs = [[row[0], row[3], int(row[1] == row[4])] for row in rows]
    return torch.tensor(pairs, dtype=torch.int64)
