"""Datasets of two cameras: by how many pixels each point is displaced between their images."""

from __future__ import annotations

import json
import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

from ..._lazy import np
from ._fields import read_pfm
from .folder import open_image
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

__all__ = [
    "CREStereo",
    "CarlaStereo",
    "ETH3DStereo",
    "FallingThingsStereo",
    "InStereo2k",
    "Kitti2012Stereo",
    "Kitti2015Stereo",
    "Middlebury2014Stereo",
    "SceneFlowStereo",
    "SintelStereo",
]


class StereoMatchingDataset(ABC, VisionDataset):
    """Items (left image, right image, disparity), or with a fourth part: where it is known.

    Disparity is an array (1, H, W), None where nobody has published it. `transforms` is called
    with three pairs: images, disparities and masks of the left and the right camera.
    """

    _has_built_in_disparity_mask = False

    def __init__(self, root: str | os.PathLike, transforms: Callable | None = None) -> None:
        super().__init__(root=root)
        self.transforms = transforms
        self._images: list[tuple[str, str | None]] = []
        self._disparities: list[tuple[str, str | None]] = []

    def _read_img(self, file_path: str | os.PathLike) -> Any:
        return open_image(file_path, "RGB")

    def _scan_pairs(
        self, left: str | os.PathLike, right: str | os.PathLike | None = None
    ) -> list[tuple[str, str | None]]:
        """The files that match two patterns, side by side; None for those without a pattern."""
        lefts = sorted(glob(str(left)))
        rights = sorted(glob(str(right))) if right else [None] * len(lefts)
        for pattern, found in ((left, lefts), (right, rights)):
            if not found:
                raise FileNotFoundError(
                    f"Could not find any files matching the patterns: {pattern}"
                )
        if len(lefts) != len(rights):
            raise ValueError(
                f"Found {len(lefts)} left files but {len(rights)} right files using:\n left "
                f"pattern: {left}\nright pattern: {right}\n"
            )
        return list(zip(lefts, rights, strict=True))

    @abstractmethod
    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        """The disparity of a file and where it is known, or None."""

    def _field(self, path: str | None) -> tuple[Any, Any]:
        return (None, None) if path is None else self._read_disparity(path)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        images = tuple(self._read_img(path) for path in self._images[index])
        paths = self._disparities[index] if self._disparities else (None, None)
        fields = [self._field(path) for path in paths]
        disparities, masks = (tuple(field[i] for field in fields) for i in (0, 1))
        if self.transforms is not None:
            images, disparities, masks = self.transforms(images, disparities, masks)
        if self._has_built_in_disparity_mask or masks[0] is not None:
            return images[0], images[1], disparities[0], masks[0]
        return images[0], images[1], disparities[0]

    def __len__(self) -> int:
        return len(self._images)


def _floats(path: str) -> Any:
    return np.abs(read_pfm(path, 1))  # some files count to the left


def _pixels(path: str, scale: float, dtype: Any = None) -> Any:
    return np.asarray(open_image(path), dtype)[None] / scale


class CarlaStereo(StereoMatchingDataset):
    """Rendered streets of a driving simulator (Li et al., 2022)."""

    def __init__(self, root: str | os.PathLike, transforms: Callable | None = None) -> None:
        super().__init__(root, transforms)
        scenes = Path(self.root) / "carla-highres" / "trainingF" / "*"
        self._images = self._scan_pairs(scenes / "im0.png", scenes / "im1.png")
        self._disparities = self._scan_pairs(scenes / "disp0GT.pfm", scenes / "disp1GT.pfm")

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _floats(file_path), None


class Kitti2012Stereo(StereoMatchingDataset):
    """Streets as a car's cameras see them (Geiger et al., 2012)."""

    _has_built_in_disparity_mask = True

    def __init__(
        self, root: str | os.PathLike, split: str = "train", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        part = Path(self.root) / "Kitti2012" / f"{split}ing"
        pattern = "*_10.png"
        self._images = self._scan_pairs(part / "colored_0" / pattern, part / "colored_1" / pattern)
        if split == "train":
            self._disparities = self._scan_pairs(part / "disp_noc" / "*.png")

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _pixels(file_path, 256.0), None


class Kitti2015Stereo(StereoMatchingDataset):
    """Streets as a car's cameras see them (Menze and Geiger, 2015)."""

    _has_built_in_disparity_mask = True

    def __init__(
        self, root: str | os.PathLike, split: str = "train", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        part = Path(self.root) / "Kitti2015" / f"{split}ing"
        self._images = self._scan_pairs(part / "image_2" / "*.png", part / "image_3" / "*.png")
        if split == "train":
            names = ("disp_occ_0", "disp_occ_1")
            self._disparities = self._scan_pairs(*(part / name / "*.png" for name in names))

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _pixels(file_path, 256.0), None


class Middlebury2014Stereo(StereoMatchingDataset):
    """Rooms and still lifes (Scharstein et al., 2014).

    `split`: "train", "additional" or "test"; `calibration`: "perfect", "imperfect", "both", and
    None for the test part. With `use_ambient_views` the right image is one of several lightings,
    drawn at random.
    """

    splits = {
        "train": "Adirondack Jadeplant Motorcycle Piano Pipes Playroom Playtable Recycle Shelves "
        "Vintage".split(),
        "additional": "Backpack Bicycle1 Cable Classroom1 Couch Flowers Mask Shopvac Sticks "
        "Storage Sword1 Sword2 Umbrella".split(),
        "test": "Plants Classroom2E Classroom2 Australia DjembeL CrusadeP Crusade Hoops Bicycle2 "
        "Staircase Newkuba AustraliaP Djembe Livingroom Computer".split(),
    }
    _has_built_in_disparity_mask = True

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        calibration: str | None = "perfect",
        use_ambient_views: bool = False,
        transforms: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "test", "additional"))
        self.split = split
        if calibration is not None:
            verify_str_arg(calibration, "calibration", ("perfect", "imperfect", "both"))
            if split == "test":
                raise ValueError(
                    "Split 'test' has only no calibration settings, please set `calibration=None`."
                )
        elif split != "test":
            raise ValueError(
                f"Split '{split}' has calibration settings, however None was provided as an "
                f"argument.\nSetting calibration to 'perfect' for split '{split}'. "
                "Available calibration settings are: 'perfect', 'imperfect', 'both'."
            )
        base = Path(self.root) / "Middlebury2014"
        if download:
            self._download_dataset(base)
        scenes = base / split
        if not scenes.exists():
            raise FileNotFoundError(
                f"The {split} directory was not found in the provided root directory"
            )
        if not any(path.name.split("-")[0] in self.splits[split] for path in scenes.iterdir()):
            raise FileNotFoundError(
                f"Provided root folder does not contain any scenes from the {split} split."
            )
        self.use_ambient_views = use_ambient_views
        endings = {None: [""], "both": ["-perfect", "-imperfect"]}.get(
            calibration, [f"-{calibration}"]
        )
        for ending in endings:
            pairs = self._scan_pairs(
                scenes / f"*{ending}" / "im0.png", scenes / f"*{ending}" / "im1.png"
            )
            self._images += pairs
            if split != "test":
                fields = (scenes / f"*{ending}" / f"disp{i}.pfm" for i in (0, 1))
                self._disparities += self._scan_pairs(*fields)

    def _download_dataset(self, root: Path) -> None:
        url = "https://vision.middlebury.edu/stereo/data/scenes2014/zip"
        folder = root / self.split
        if self.split != "test":
            for scene in self.splits[self.split]:
                for ending in ("perfect", "imperfect"):
                    name = f"{scene}-{ending}"
                    if not (folder / name).exists():
                        download_and_extract_archive(
                            f"{url}/{name}.zip", str(folder), remove_finished=True
                        )
        elif any(not (folder / scene).exists() for scene in self.splits["test"]):
            url = "https://vision.middlebury.edu/stereo/submit3/zip/MiddEval3-data-F.zip"
            download_and_extract_archive(url, str(root), remove_finished=True)
            folder.mkdir(parents=True, exist_ok=True)
            for path in (root / "MiddEval3" / "testF").iterdir():
                shutil.move(str(path), str(folder))
            shutil.rmtree(str(root / "MiddEval3"))

    def _read_img(self, file_path: str | os.PathLike) -> Any:
        path = Path(file_path)
        if path.name == "im1.png" and self.use_ambient_views:
            views = (path.with_name(name) for name in ("im1E.png", "im1L.png"))
            path = random.choice([*(view for view in views if view.exists()), path])
        return super()._read_img(path)

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        if not os.path.exists(file_path):  # some scenes have only one
            return None, None
        disparity = _floats(file_path)
        disparity[disparity == np.inf] = 0  # not known
        return disparity, (disparity > 0).squeeze(0)


class CREStereo(StereoMatchingDataset):
    """Rendered shapes (Li et al., 2022)."""

    _has_built_in_disparity_mask = True

    def __init__(self, root: str | os.PathLike, transforms: Callable | None = None) -> None:
        super().__init__(root, transforms)
        for name in ("shapenet", "reflective", "tree", "hole"):
            part = Path(self.root) / "CREStereo" / name
            self._images += self._scan_pairs(part / "*_left.jpg", part / "*_right.jpg")
            fields = (part / f"*_{side}.disp.png" for side in ("left", "right"))
            self._disparities += self._scan_pairs(*fields)

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _pixels(file_path, 32.0, np.float32), None


class FallingThingsStereo(StereoMatchingDataset):
    """Household things that fall (Tremblay et al., 2018); `variant`: "single", "mixed", "both"."""

    def __init__(
        self, root: str | os.PathLike, variant: str = "single", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(variant, "variant", valid_values=("single", "mixed", "both"))
        depths = {"single": ["single/*"], "mixed": ["mixed"], "both": ["single/*", "mixed"]}
        for folder in depths[variant]:
            scenes = Path(self.root) / "FallingThings" / folder / "*"
            self._images += self._scan_pairs(scenes / "*.left.jpg", scenes / "*.right.jpg")
            fields = (scenes / f"*.{side}.depth.png" for side in ("left", "right"))
            self._disparities += self._scan_pairs(*fields)

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        depth = np.asarray(open_image(file_path))
        with open(Path(file_path).parent / "_camera_settings.json") as file:
            settings = json.load(file)["camera_settings"][0]
        # Six centimetres between the cameras, and depth in tenths of millimetres.
        focal = settings["intrinsic_settings"]["fx"]
        return (6 * focal * 100) / depth[None].astype(np.float32), None


class SceneFlowStereo(StereoMatchingDataset):
    """Rendered scenes (Mayer et al., 2016).

    `variant`: "FlyingThings3D", "Monkaa" or "Driving"; `pass_name`: "clean", "final" or "both".
    """

    def __init__(
        self,
        root: str | os.PathLike,
        variant: str = "FlyingThings3D",
        pass_name: str = "clean",
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(variant, "variant", valid_values=("FlyingThings3D", "Driving", "Monkaa"))
        verify_str_arg(pass_name, "pass_name", valid_values=("clean", "final", "both"))
        base = Path(self.root) / "SceneFlow" / variant
        # How deep the scenes lie: Driving sorts them by lens, direction and speed.
        inside = {"Monkaa": "*", "FlyingThings3D": "*/*/*", "Driving": "*/*/*"}[variant]
        for name in ["clean", "final"] if pass_name == "both" else [pass_name]:
            frames, fields = base / f"frames_{name}pass" / inside, base / "disparity" / inside
            self._images += self._scan_pairs(frames / "left/*.png", frames / "right/*.png")
            self._disparities += self._scan_pairs(fields / "left/*.pfm", fields / "right/*.pfm")

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _floats(file_path), None


class SintelStereo(StereoMatchingDataset):
    """Scenes of an animated film (Butler et al., 2012); `pass_name`: "final", "clean", "both"."""

    _has_built_in_disparity_mask = True

    def __init__(
        self, root: str | os.PathLike, pass_name: str = "final", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(pass_name, "pass_name", valid_values=("final", "clean", "both"))
        base = Path(self.root) / "Sintel" / "training"
        for name in ["final", "clean"] if pass_name == "both" else [pass_name]:
            sides = (base / f"{name}_{side}" / "*" / "*.png" for side in ("left", "right"))
            self._images += self._scan_pairs(*sides)
            self._disparities += self._scan_pairs(base / "disparities" / "*" / "*.png")

    def _get_occlussion_mask_paths(self, file_path: str) -> tuple[str, str]:
        """The images of what the other camera does not see: hidden, and out of its frame."""
        path = Path(file_path)
        base, scene = path.parents[2], path.parent.name
        found = [base / name / scene / path.name for name in ("occlusions", "outofframe")]
        for mask in found:
            if not mask.exists():
                raise FileNotFoundError(f"Occlusion mask {mask} does not exist")
        return str(found[0]), str(found[1])

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        # Fixed-point numbers, spread over the bytes of a colour.
        red, green, blue = np.split(np.asarray(open_image(file_path), np.float32), 3, axis=-1)
        disparity = (red * 4 + green / 2**6 + blue / 2**14).transpose(2, 0, 1)
        hidden, outside = self._get_occlussion_mask_paths(file_path)
        mask = (np.asarray(open_image(hidden)) == 0) & (np.asarray(open_image(outside)) == 0)
        return disparity, mask


class InStereo2k(StereoMatchingDataset):
    """Rooms (Bao et al., 2020)."""

    def __init__(
        self, root: str | os.PathLike, split: str = "train", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        scenes = Path(self.root) / "InStereo2k" / split / "*"
        self._images = self._scan_pairs(scenes / "left.png", scenes / "right.png")
        self._disparities = self._scan_pairs(scenes / "left_disp.png", scenes / "right_disp.png")

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        return _pixels(file_path, 1024.0, np.float32), None


class ETH3DStereo(StereoMatchingDataset):
    """Buildings and rooms (Schoeps et al., 2017)."""

    _has_built_in_disparity_mask = True

    def __init__(
        self, root: str | os.PathLike, split: str = "train", transforms: Callable | None = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", valid_values=("train", "test"))
        base = Path(self.root) / "ETH3D"
        scenes = base / ("two_view_training" if split == "train" else "two_view_test") / "*"
        self._images = self._scan_pairs(scenes / "im0.png", scenes / "im1.png")
        if split == "train":
            fields = base / "two_view_training_gt" / "*" / "disp0GT.pfm"
            self._disparities = self._scan_pairs(fields)

    def _read_disparity(self, file_path: str) -> tuple[Any, Any]:
        mask = open_image(Path(file_path).parent / "mask0nocc.png")
        return _floats(file_path), np.asarray(mask).astype(bool)
