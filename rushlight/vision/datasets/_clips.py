"""What datasets of video clips have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import find_classes, make_dataset
from .video_utils import VideoClips
from .vision import VisionDataset


class FoldedClips(VisionDataset):
    """Videos in a folder for each class, and lists which say what is for training and what not.

    Items are (frames, sound, class). `fold` is which of three lists to use.
    """

    def __init__(
        self,
        root: str,
        annotation_path: str,
        frames_per_clip: int,
        step_between_clips: int = 1,
        frame_rate: int | None = None,
        fold: int = 1,
        train: bool = True,
        transform: Callable | None = None,
        _precomputed_metadata: dict[str, Any] | None = None,
        num_workers: int = 1,
        _video_width: int = 0,
        _video_height: int = 0,
        _video_min_dimension: int = 0,
        _audio_samples: int = 0,
        output_format: str = "THWC",
    ) -> None:
        super().__init__(root)
        if not 1 <= fold <= 3:
            raise ValueError(f"fold should be between 1 and 3, got {fold}")
        self.fold = fold
        self.train = train
        self.transform = transform
        self.classes, class_to_idx = find_classes(self.root)
        self.samples = make_dataset(self.root, class_to_idx, ("avi",))
        paths = [path for path, _ in self.samples]
        clips = VideoClips(
            paths,
            frames_per_clip,
            step_between_clips,
            frame_rate,
            _precomputed_metadata,
            num_workers,
            output_format=output_format,
        )
        self.full_video_clips = clips
        self.indices = self._select_fold(paths, annotation_path, fold, train)
        self.video_clips = clips.subset(self.indices)

    def _select_fold(
        self, video_list: list[str], annotations_dir: str, fold: int, train: bool
    ) -> list[int]:
        """The places of the videos that the lists name."""
        raise NotImplementedError(f"{type(self).__name__}._select_fold")

    @property
    def metadata(self) -> dict[str, Any]:
        """What reading all videos has found, for `_precomputed_metadata`."""
        return self.full_video_clips.metadata

    def __len__(self) -> int:
        return self.video_clips.num_clips()

    def __getitem__(self, idx: int) -> tuple[Any, Any, int]:
        video, audio, _, number = self.video_clips.get_clip(idx)
        if self.transform is not None:
            video = self.transform(video)
        return video, audio, self.samples[self.indices[number]][1]


def words(path: str | os.PathLike) -> list[list[str]]:
    """The lines of a list, in words."""
    with open(path) as file:
        return [line.split() for line in file if line.strip()]
