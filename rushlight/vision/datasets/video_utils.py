"""Clips of videos: which there are, and reading one."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from itertools import accumulate
from typing import Any

import rushlight as torch

from ..._lazy import np

Tensor = torch.Tensor


def _open(path: str) -> Any:
    """A video, opened by PyAV."""
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "videos are decoded by PyAV, which is not installed: pip install av"
        ) from error
    return av.open(path)


def _times(path: str) -> tuple[Tensor, float | None]:
    """When each frame of a video is shown, in ticks of its clock; and how many come in a second."""
    with _open(path) as video:
        if not video.streams.video:
            return torch.empty(0, dtype=torch.int64), None
        stream = video.streams.video[0]
        shown = sorted(packet.pts for packet in video.demux(stream) if packet.pts is not None)
        rate = stream.average_rate
        return torch.tensor(shown, dtype=torch.int64), None if rate is None else float(rate)


def _frames(path: str, first: int, last: int) -> tuple[Tensor, Tensor]:
    """The frames (T, H, W, C) shown from tick `first` to `last`, and the sound (K, L) meanwhile."""
    with _open(path) as video:
        stream = video.streams.video[0]
        video.seek(first, stream=stream, backward=True)
        frames = {}
        for frame in video.decode(stream):
            if frame.pts is not None and frame.pts >= first:
                if frame.pts > last:
                    break
                frames[frame.pts] = frame.to_ndarray(format="rgb24")
        begin, end = (float(tick * stream.time_base) for tick in (first, last))
    pictures = np.stack([frames[tick] for tick in sorted(frames)])
    return torch.from_numpy(pictures), _sound(path, begin, end)


def _sound(path: str, begin: float, end: float) -> Tensor:
    with _open(path) as video:
        if not video.streams.audio:
            return torch.empty(1, 0)
        stream = video.streams.audio[0]
        video.seek(int(begin / stream.time_base), stream=stream, backward=True)
        parts = []
        for frame in video.decode(stream):
            if frame.time is None or frame.time < begin:
                continue
            if frame.time > end:
                break
            parts.append(frame.to_ndarray().astype(np.float32))
    return torch.from_numpy(np.concatenate(parts, 1)) if parts else torch.empty(1, 0)


def unfold(tensor: Tensor, size: int, step: int, dilation: int = 1) -> Tensor:
    """All windows (n, size) of a 1-d tensor; `dilation` is the distance inside a window."""
    if tensor.dim() != 1:
        raise ValueError(f"tensor should have 1 dimension instead of {tensor.dim()}")
    reach = dilation * (size - 1) + 1
    count = max((tensor.numel() - reach) // step + 1, 0)
    stride = tensor.stride(0)
    return torch.as_strided(tensor, (count, size), (step * stride, dilation * stride))


class VideoClips:
    """All clips of some frames that follow each other in some videos; needs PyAV.

    `frame_rate` takes as many frames of a second, nearest in time. What the constructor has found
    is `metadata`; given as `_precomputed_metadata` it saves reading the videos again.
    """

    def __init__(
        self,
        video_paths: list[str],
        clip_length_in_frames: int = 16,
        frames_between_clips: int = 1,
        frame_rate: float | None = None,
        _precomputed_metadata: dict[str, Any] | None = None,
        num_workers: int = 0,
        _video_width: int = 0,
        _video_height: int = 0,
        _video_min_dimension: int = 0,
        _video_max_dimension: int = 0,
        _audio_samples: int = 0,
        _audio_channels: int = 0,
        output_format: str = "THWC",
    ) -> None:
        self.video_paths = video_paths
        self.num_workers = num_workers
        self.output_format = output_format.upper()
        if self.output_format not in ("THWC", "TCHW"):
            raise ValueError(
                f"output_format should be either 'THWC' or 'TCHW', got {output_format}."
            )
        if _precomputed_metadata is None:
            self._compute_frame_pts()
        else:
            self._init_from_metadata(_precomputed_metadata)
        self.compute_clips(clip_length_in_frames, frames_between_clips, frame_rate)

    def _compute_frame_pts(self) -> None:
        loader = torch.utils.data.DataLoader(
            _Times(self.video_paths), 16, num_workers=self.num_workers, collate_fn=list
        )
        found = [one for batch in loader for one in batch]
        self.video_pts = [ticks for ticks, _ in found]
        self.video_fps = [rate for _, rate in found]

    def _init_from_metadata(self, metadata: dict[str, Any]) -> None:
        self.video_paths = metadata["video_paths"]
        self.video_pts = metadata["video_pts"]
        self.video_fps = metadata["video_fps"]

    @property
    def metadata(self) -> dict[str, Any]:
        """Paths, times of all frames and frames a second, of each video."""
        names = ("video_paths", "video_pts", "video_fps")
        return {name: getattr(self, name) for name in names}

    def subset(self, indices: list[int]) -> VideoClips:
        """The clips of some of the videos."""
        metadata = {name: [values[i] for i in indices] for name, values in self.metadata.items()}
        return type(self)(
            metadata["video_paths"],
            self.num_frames,
            self.step,
            self.frame_rate,
            metadata,
            self.num_workers,
            output_format=self.output_format,
        )

    @staticmethod
    def compute_clips_for_video(
        video_pts: Tensor,
        num_frames: int,
        step: int,
        fps: float | None,
        frame_rate: float | None = None,
    ) -> tuple[Tensor, list[slice] | Tensor]:
        """The times (clips, frames) of the clips of one video, and which frames they take."""
        fps = 1 if fps is None else fps  # of a video without frames
        frame_rate = fps if frame_rate is None else frame_rate
        count = math.floor(len(video_pts) * frame_rate / fps)
        chosen = VideoClips._resample_video_idx(count, fps, frame_rate)
        clips = unfold(video_pts[chosen], num_frames, step)
        if not clips.numel():
            warnings.warn(
                "There aren't enough frames in the current video to get a clip for the given clip "
                "length and frames between clips. The video (and potentially others) will be "
                "skipped.",
                stacklevel=2,
            )
        if isinstance(chosen, slice):
            return clips, [chosen] * len(clips)
        return clips, unfold(chosen, num_frames, step)

    def compute_clips(self, num_frames: int, step: int, frame_rate: float | None = None) -> None:
        """Find the clips anew, of another length or at another distance."""
        self.num_frames, self.step, self.frame_rate = num_frames, step, frame_rate
        found = [
            self.compute_clips_for_video(ticks, num_frames, step, fps, frame_rate)
            for ticks, fps in zip(self.video_pts, self.video_fps, strict=True)
        ]
        self.clips = [clips for clips, _ in found]
        self.resampling_idxs = [chosen for _, chosen in found]
        self.cumulative_sizes = list(accumulate(len(clips) for clips in self.clips))

    @staticmethod
    def _resample_video_idx(num_frames: int, original_fps: float, new_fps: float) -> Any:
        """Which frames give `num_frames` at another rate."""
        step = original_fps / new_fps
        if float(step).is_integer():
            return slice(None, None, int(step))
        return (torch.arange(num_frames, dtype=torch.float32) * step).floor().to(torch.int64)

    def __len__(self) -> int:
        return self.num_clips()

    def num_videos(self) -> int:
        """How many videos there are."""
        return len(self.video_paths)

    def num_clips(self) -> int:
        """How many clips all videos have."""
        return self.cumulative_sizes[-1]

    def get_clip_location(self, idx: int) -> tuple[int, int]:
        """The video of a clip, and which of its clips it is."""
        video = bisect_right(self.cumulative_sizes, idx)
        return video, idx - (self.cumulative_sizes[video - 1] if video else 0)

    def get_clip(self, idx: int) -> tuple[Tensor, Tensor, dict[str, Any], int]:
        """A clip: frames, sound, {"video_fps": ...} and the number of its video."""
        if idx >= self.num_clips():
            raise IndexError(f"Index {idx} out of range ({self.num_clips()} number of clips)")
        number, clip = self.get_clip_location(idx)
        ticks = self.clips[number][clip]
        video, audio = _frames(self.video_paths[number], ticks[0].item(), ticks[-1].item())
        info = {"video_fps": self.video_fps[number]}
        if self.frame_rate is not None:
            chosen = self.resampling_idxs[number][clip]
            video = video[chosen - chosen[0] if isinstance(chosen, Tensor) else chosen]
            info["video_fps"] = self.frame_rate
        if len(video) != self.num_frames:
            raise RuntimeError(f"clip {idx}: expected {self.num_frames} frames, got {len(video)}")
        if self.output_format == "TCHW":
            video = video.permute(0, 3, 1, 2)
        return video, audio, info, number


class _Times(torch.utils.data.Dataset):
    """The times of the frames of each video, for the workers of a loader."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, float | None]:
        return _times(self.paths[index])
