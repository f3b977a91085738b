"""Which clips of videos to take, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import rushlight as torch

from ....utils.data import Sampler
from ....utils.data.distributed import DistributedSampler as PlainDistributedSampler
from ..video_utils import VideoClips


class DistributedSampler(PlainDistributedSampler):
    """The part of one process, in groups of `group_size` indices that stay together."""

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = False,
        group_size: int = 1,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, shuffle)
        if len(dataset) % group_size != 0:
            raise ValueError(
                f"dataset length must be a multiplier of group size dataset length: "
                f"{len(dataset)}, group size: {group_size}"
            )
        self.group_size = group_size
        groups = len(dataset) // group_size
        self.num_group_samples = math.ceil(groups / self.num_replicas)
        self.num_samples = self.num_group_samples * group_size
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.epoch)
        count = len(self.dataset)
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        # Filled up from the beginning, so that each process gets as many.
        order = torch.cat((order, order[: self.total_size - count]))
        mine = order.reshape(-1, self.group_size)[self.rank :: self.num_replicas].flatten()
        if isinstance(self.dataset, Sampler):
            below = list(self.dataset)
            return iter([below[i] for i in mine.tolist()])
        return iter(mine.tolist())


class _ClipSampler(Sampler):
    def __init__(self, video_clips: VideoClips) -> None:
        if not isinstance(video_clips, VideoClips):
            raise TypeError(
                f"Expected video_clips to be an instance of VideoClips, got {type(video_clips)}"
            )
        self.video_clips = video_clips

    def _runs(self) -> list[tuple[int, int]]:
        """The first clip of each video that has any, and how many it has."""
        found, first = [], 0
        for clips in self.video_clips.clips:
            if len(clips):
                found.append((first, len(clips)))
            first += len(clips)
        return found


class UniformClipSampler(_ClipSampler):
    """As many clips of each video, equally spaced; of short videos some several times."""

    def __init__(self, video_clips: VideoClips, num_clips_per_video: int) -> None:
        super().__init__(video_clips)
        self.num_clips_per_video = num_clips_per_video

    def __iter__(self) -> Iterator[int]:
        found: list[int] = []
        for first, count in self._runs():
            places = torch.linspace(first, first + count - 1, steps=self.num_clips_per_video)
            found += places.floor().to(torch.int64).tolist()
        return iter(found)

    def __len__(self) -> int:
        return len(self._runs()) * self.num_clips_per_video


class RandomClipSampler(_ClipSampler):
    """At most so many clips of each video, all of them in random order."""

    def __init__(self, video_clips: VideoClips, max_clips_per_video: int) -> None:
        super().__init__(video_clips)
        self.max_clips_per_video = max_clips_per_video

    def __iter__(self) -> Iterator[int]:
        found = [
            torch.randperm(count)[: min(count, self.max_clips_per_video)] + first
            for first, count in self._runs()
        ]
        together = torch.cat(found)
        return iter(together[torch.randperm(len(together))].tolist())

    def __len__(self) -> int:
        return sum(min(count, self.max_clips_per_video) for _, count in self._runs())
