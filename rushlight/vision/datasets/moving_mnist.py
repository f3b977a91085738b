"""Moving MNIST: two digits that bounce around."""

from __future__ import annotations

import os
from collections.abc import Callable

import rushlight as torch

from ..._lazy import np
from .utils import check_integrity, download_url, verify_str_arg
from .vision import VisionDataset


class MovingMNIST(VisionDataset):
    """10,000 films of 20 frames, uint8 tensors (T, 1, 64, 64) (Srivastava et al., 2015).

    `split` "train" takes the first `split_ratio` frames of each, "test" the others, None all.
    """

    _URL = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
    _MD5 = "be083ec986bfe91a449d63653c411eb2"

    def __init__(
        self,
        root: str | os.PathLike,
        split: str | None = None,
        split_ratio: int = 10,
        download: bool = False,
        transform: Callable | None = None,
    ) -> None:
        super().__init__(root, transform=transform)
        self._base_folder = os.path.join(self.root, type(self).__name__)
        self._filename = os.path.basename(self._URL)
        if split is not None:
            verify_str_arg(split, "split", ("train", "test"))
        self.split = split
        if not isinstance(split_ratio, int):
            raise TypeError(f"`split_ratio` should be an integer, but got {type(split_ratio)}")
        if not 1 <= split_ratio <= 19:
            raise ValueError(
                f"`split_ratio` should be `1 <= split_ratio <= 19`, but got {split_ratio} instead."
            )
        self.split_ratio = split_ratio
        if download:
            self.download()
        path = os.path.join(self._base_folder, self._filename)
        if not check_integrity(path):
            raise RuntimeError("Dataset not found. You can use download=True to download it.")
        films = torch.from_numpy(np.load(path))
        parts = {"train": films[:split_ratio], "test": films[split_ratio:]}
        self.data = parts.get(split, films).transpose(0, 1).unsqueeze(2).contiguous()

    def __getitem__(self, idx: int) -> torch.Tensor:
        film = self.data[idx]
        return film if self.transform is None else self.transform(film)

    def __len__(self) -> int:
        return len(self.data)

    def download(self) -> None:
        """Bring the file, unless it is here."""
        download_url(self._URL, self._base_folder, filename=self._filename, md5=self._MD5)
