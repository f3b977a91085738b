"""Kinetics: human actions, from YouTube."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlparse

from .folder import find_classes, make_dataset
from .utils import download_and_extract_archive, download_url, verify_str_arg
from .video_utils import VideoClips
from .vision import VisionDataset

_BUCKET = "https://s3.amazonaws.com/kinetics"


class Kinetics(VisionDataset):
    """Videos of 400, 600 or 700 actions (Kay et al., 2017): items (frames, sound, class).

    They lie in `root/<split>/<class>/`. Needs PyAV.
    """

    _TAR_URLS = {
        "400": f"{_BUCKET}/400/{{split}}/k400_{{split}}_path.txt",
        "600": f"{_BUCKET}/600/{{split}}/k600_{{split}}_path.txt",
        "700": f"{_BUCKET}/700_2020/{{split}}/k700_2020_{{split}}_path.txt",
    }
    _ANNOTATION_URLS = {
        number: f"{_BUCKET}/{number}/annotations/{{split}}.csv" for number in ("400", "600")
    } | {"700": f"{_BUCKET}/700_2020/annotations/{{split}}.csv"}

    def __init__(
        self,
        root: str | os.PathLike,
        frames_per_clip: int,
        num_classes: str = "400",
        split: str = "train",
        frame_rate: int | None = None,
        step_between_clips: int = 1,
        transform: Callable | None = None,
        extensions: tuple[str, ...] = ("avi", "mp4"),
        download: bool = False,
        num_download_workers: int = 1,
        num_workers: int = 1,
        _precomputed_metadata: dict[str, Any] | None = None,
        _video_width: int = 0,
        _video_height: int = 0,
        _video_min_dimension: int = 0,
        _audio_samples: int = 0,
        _audio_channels: int = 0,
        _legacy: bool = False,
        output_format: str = "TCHW",
    ) -> None:
        self.num_classes = verify_str_arg(num_classes, "num_classes", ["400", "600", "700"])
        self.extensions = extensions
        self.num_download_workers = num_download_workers
        self.root = root
        self._legacy = _legacy
        if _legacy:  # as it was before there were parts: all videos in `root`
            self.split_folder = os.fspath(root)
            self.split = "unknown"
            output_format = "THWC"
            if download:
                raise ValueError("Cannot download the videos using legacy_structure.")
        else:
            self.split_folder = os.path.join(root, split)
            self.split = verify_str_arg(split, "split", ["train", "val", "test"])
        if download:
            self.download_and_process_videos()
        super().__init__(self.root)
        self.classes, class_to_idx = find_classes(self.split_folder)
        self.samples = make_dataset(self.split_folder, class_to_idx, extensions)
        self.video_clips = VideoClips(
            [path for path, _ in self.samples],
            frames_per_clip,
            step_between_clips,
            frame_rate,
            _precomputed_metadata,
            num_workers,
            output_format=output_format,
        )
        self.transform = transform

    def download_and_process_videos(self) -> None:
        """Bring all archives of the part, and sort their videos into folders of the classes."""
        self._download_videos()
        self._make_ds_structure()

    def _download_videos(self) -> None:
        if os.path.exists(self.split_folder):
            raise RuntimeError(
                f"The directory {self.split_folder} already exists. If you want to re-download or "
                "re-extract the images, delete the directory."
            )
        archives, lists = (os.path.join(self.root, name) for name in ("tars", "files"))
        url = self._TAR_URLS[self.num_classes].format(split=self.split)
        download_url(url, lists)
        with open(os.path.join(lists, os.path.basename(urlparse(url).path))) as file:
            urls = [line.strip() for line in file if line.strip()]

        def bring(each: str) -> None:
            download_and_extract_archive(each, archives, self.split_folder)

        with ThreadPoolExecutor(max(self.num_download_workers, 1)) as workers:
            list(workers.map(bring, urls))

    def _make_ds_structure(self) -> None:
        """Move the videos, which are all in one folder, to the classes that a table names."""
        lists = os.path.join(self.root, "annotations")
        url = self._ANNOTATION_URLS[self.num_classes].format(split=self.split)
        download_url(url, lists)
        with open(os.path.join(lists, f"{self.split}.csv"), newline="") as file:
            for row in csv.DictReader(file):
                start, end = int(row["time_start"]), int(row["time_end"])
                name = f"{row['youtube_id']}_{start:06}_{end:06}.mp4"
                label = row["label"].replace(" ", "_").replace("'", "")
                label = label.replace("(", "").replace(")", "")
                path = os.path.join(self.split_folder, name)
                if os.path.isfile(path):
                    os.makedirs(os.path.join(self.split_folder, label), exist_ok=True)
                    os.replace(path, os.path.join(self.split_folder, label, name))

    @property
    def metadata(self) -> dict[str, Any]:
        """What reading all videos has found, for `_precomputed_metadata`."""
        return self.video_clips.metadata

    def __len__(self) -> int:
        return self.video_clips.num_clips()

    def __getitem__(self, idx: int) -> tuple[Any, Any, int]:
        video, audio, _, number = self.video_clips.get_clip(idx)
        if self.transform is not None:
            video = self.transform(video)
        return video, audio, self.samples[number][1]
