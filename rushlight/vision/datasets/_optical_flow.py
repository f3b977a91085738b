"""Datasets of optical flow: where each pixel of an image is in the next one."""

from __future__ import annotations

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

from ..._lazy import np
from ...utils.data import ConcatDataset
from ._fields import read_flo, read_flow_png, read_pfm
from .folder import default_loader
from .utils import verify_str_arg
from .vision import VisionDataset

__all__ = ("KittiFlow", "Sintel", "FlyingThings3D", "FlyingChairs", "HD1K")


class FlowDataset(ABC, VisionDataset):
    """Items (image, next image, flow), or with a fourth part: where the flow is known.

    Flow is an array (2, H, W), None where nobody has published it. `transforms` is called with
    all four. `3 * dataset` repeats it.
    """

    _has_builtin_flow_mask = False

    def __init__(
        self,
        root: str | os.PathLike,
        transforms: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root=root)
        self.transforms = transforms
        self._loader = loader
        self._flow_list: list[str] = []
        self._image_list: list[list[str]] = []

    def _read_img(self, file_name: str) -> Any:
        return self._loader(file_name)

    @abstractmethod
    def _read_flow(self, file_name: str) -> Any:
        """The flow of a file, and where it is known if the dataset says so."""

    def _add(self, images: list[str], flows: list[str]) -> None:
        """Consecutive images are pairs."""
        self._image_list += [list(pair) for pair in itertools.pairwise(images)]
        self._flow_list += flows

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        first, second = (self._read_img(name) for name in self._image_list[index])
        flow = known = None
        if self._flow_list:
            flow = self._read_flow(self._flow_list[index])
            if self._has_builtin_flow_mask:
                flow, known = flow
        if self.transforms is not None:
            first, second, flow, known = self.transforms(first, second, flow, known)
        if self._has_builtin_flow_mask or known is not None:
            return first, second, flow, known
        return first, second, flow

    def __len__(self) -> int:
        return len(self._image_list)

    def __rmul__(self, v: int) -> ConcatDataset:
        return ConcatDataset([self] * v)


def _passes(pass_name: str) -> list[str]:
    verify_str_arg(pass_name, "pass_name", valid_values=("clean", "final", "both"))
    return ["clean", "final"] if pass_name == "both" else [pass_name]


class Sintel(FlowDataset):
    """Scenes of an animated film (Butler et al., 2012); `pass_name`: "clean", "final", "both"."""

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        pass_name: str = "clean",
        transforms: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        base = Path(self.root) / "Sintel"
        part = base / ("training" if split == "train" else split)
        for name in _passes(pass_name):
            for scene in os.listdir(part / name):
                flows = []
                if split == "train":
                    flows = sorted(glob(str(base / "training" / "flow" / scene / "*.flo")))
                self._add(sorted(glob(str(part / name / scene / "*.png"))), flows)

    def _read_flow(self, file_name: str) -> Any:
        return read_flo(file_name)


class KittiFlow(FlowDataset):
    """Streets as a car's camera sees them (Menze and Geiger, 2015)."""

    _has_builtin_flow_mask = True

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transforms: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        part = Path(self.root) / "KittiFlow" / f"{split}ing"
        firsts, seconds = (sorted(glob(str(part / "image_2" / f"*_{n}.png"))) for n in (10, 11))
        if not firsts or not seconds:
            raise FileNotFoundError(
                "Could not find the Kitti flow images. Please make sure the directory structure "
                "is correct."
            )
        self._image_list = [list(pair) for pair in zip(firsts, seconds, strict=False)]
        if split == "train":
            self._flow_list = sorted(glob(str(part / "flow_occ" / "*_10.png")))

    def _read_flow(self, file_name: str) -> Any:
        return read_flow_png(file_name)


class FlyingChairs(FlowDataset):
    """22,872 pairs of rendered chairs (Dosovitskiy et al., 2015)."""

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "val"))
        base = Path(self.root) / "FlyingChairs"
        images = sorted(glob(str(base / "data" / "*.ppm")))
        flows = sorted(glob(str(base / "data" / "*.flo")))
        listed = base / "FlyingChairs_train_val.txt"
        if not listed.exists():
            raise FileNotFoundError(
                "The FlyingChairs_train_val.txt file was not found - please download it from the "
                "dataset page (see docstring)."
            )
        wanted = 1 if split == "train" else 2
        for i, part in enumerate(np.loadtxt(listed, dtype=np.int32, ndmin=1)):
            if part == wanted:
                self._flow_list.append(flows[i])
                self._image_list.append(images[2 * i : 2 * i + 2])

    def _read_flow(self, file_name: str) -> Any:
        return read_flo(file_name)


class FlyingThings3D(FlowDataset):
    """Rendered things that fly about (Mayer et al., 2016).

    `pass_name`: "clean", "final" or "both"; `camera`: "left", "right" or "both".
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        pass_name: str = "clean",
        camera: str = "left",
        transforms: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        part = verify_str_arg(split, "split", valid_values=("train", "test")).upper()
        verify_str_arg(camera, "camera", valid_values=("left", "right", "both"))
        cameras = ["left", "right"] if camera == "both" else [camera]
        base = Path(self.root) / "FlyingThings3D"
        ways = ("into_future", "into_past")
        for name, side, way in itertools.product(_passes(pass_name), cameras, ways):
            scenes = sorted(glob(str(base / f"frames_{name}pass" / part / "*/*")))
            fields = sorted(glob(str(base / "optical_flow" / part / "*/*")))
            if not scenes or not fields:
                raise FileNotFoundError(
                    "Could not find the FlyingThings3D flow images. Please make sure the "
                    "directory structure is correct."
                )
            for scene, field in zip(scenes, fields, strict=False):
                images = sorted(glob(os.path.join(scene, side, "*.png")))
                flows = sorted(glob(os.path.join(field, way, side, "*.pfm")))
                self._scene(images, flows, way == "into_past")

    def _scene(self, images: list[str], flows: list[str], backwards: bool) -> None:
        for i in range(len(flows) - 1):
            pair = images[i : i + 2]
            self._image_list.append(pair[::-1] if backwards else pair)
            self._flow_list.append(flows[i + backwards])

    def _read_flow(self, file_name: str) -> Any:
        return read_pfm(file_name, 2)


class HD1K(FlowDataset):
    """Streets in high resolution (Kondermann et al., 2016)."""

    _has_builtin_flow_mask = True

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transforms: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        base = Path(self.root) / "hd1k"
        if split == "train":
            for number in range(36):  # of the scenes
                names = f"{number:06d}_*.png"
                flows = sorted(glob(str(base / "hd1k_flow_gt" / "flow_occ" / names)))
                images = sorted(glob(str(base / "hd1k_input" / "image_2" / names)))
                self._add(images[: len(flows)], flows[:-1])
        else:
            folder = base / "hd1k_challenge" / "image_2"
            pairs = (sorted(glob(str(folder / f"*{n}.png"))) for n in (10, 11))
            self._image_list = [list(pair) for pair in zip(*pairs, strict=False)]
        if not self._image_list:
            raise FileNotFoundError(
                "Could not find the HD1K images. Please make sure the directory structure is "
                "correct."
            )

    def _read_flow(self, file_name: str) -> Any:
        return read_flow_png(file_name)
