"""Clips of videos: which there are, in which order, and reading them where PyAV is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import datasets
from rushlight.vision.datasets.samplers import (
    DistributedSampler,
    RandomClipSampler,
    UniformClipSampler,
)
from rushlight.vision.datasets.video_utils import VideoClips, unfold


def known(paths=("a", "b", "c"), lengths=(30, 3, 17)):
    """What reading videos of these lengths would find, a frame each 10 ticks."""
    ticks = [torch.arange(n) * 10 for n in lengths]
    return {"video_paths": list(paths), "video_pts": ticks, "video_fps": [30.0, 25.0, 10.0]}


def clips(*args):
    return VideoClips([], *args, _precomputed_metadata=known())


@pytest.mark.filterwarnings("ignore:There aren't enough frames")
def test_which_clips_there_are():
    data = clips(5, 1)
    assert [len(c) for c in data.clips] == [26, 0, 13] and len(data) == data.num_clips() == 39
    assert data.clips[0][1].tolist() == [10, 20, 30, 40, 50]
    assert data.get_clip_location(26) == (2, 0) and data.get_clip_location(25) == (0, 25)
    half = clips(4, 2, 15)  # half of the frames of the first video
    assert half.clips[0][0].tolist() == [0, 20, 40, 60]
    assert half.resampling_idxs[2][1].tolist() == [1, 2, 2, 3]  # and some twice of the last
    assert data.subset([2]).num_clips() == 13
    assert unfold(torch.arange(10), 3, 2, 2).tolist() == [[0, 2, 4], [2, 4, 6], [4, 6, 8]]
    with pytest.warns(UserWarning, match="There aren't enough frames"):
        clips(5, 5)


@pytest.mark.filterwarnings("ignore:There aren't enough frames")
def test_samplers():
    data = clips(4, 2)
    uniform = UniformClipSampler(data, 3)
    assert list(uniform) == [0, 6, 13, 14, 17, 20] and len(uniform) == 6
    torch.manual_seed(0)
    chosen = list(RandomClipSampler(data, 2))
    assert chosen == [3, 14, 4, 19]  # as torchvision's from this seed
    assert list(DistributedSampler(range(14), 4, 3, group_size=2)) == [6, 7, 0, 1]
    assert list(DistributedSampler(uniform, 2, 1, group_size=3)) == [14, 17, 20]
    shuffled = DistributedSampler(range(14), 4, 0, True, group_size=2)
    shuffled.set_epoch(3)
    assert list(shuffled) == [12, 7, 9, 13]
    with pytest.raises(ValueError, match="multiplier of group size"):
        DistributedSampler(range(5), 2, 0, group_size=2)


@pytest.fixture
def motions(tmp_path):
    for name in ("brush", "wave"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "videos" / name / f"{name}_{i}.avi").touch()
        rows = "".join(f"{name}_{i}.avi {i}\n" for i in range(3))
        (tmp_path / f"{name}_test_split1.txt").write_text(rows)
    (tmp_path / "trainlist01.txt").write_text("brush/brush_0.avi 1\nwave/wave_2.avi 2\n")
    (tmp_path / "testlist01.txt").write_text("wave/wave_1.avi\n")
    paths = sorted(str(path) for path in (tmp_path / "videos").rglob("*.avi"))
    metadata = {"video_paths": paths, "video_pts": [torch.arange(9)] * 6, "video_fps": [5.0] * 6}
    return str(tmp_path / "videos"), str(tmp_path), metadata


@pytest.mark.parametrize(
    ("name", "train", "chosen"),
    [
        ("HMDB51", True, [1, 4]),
        ("HMDB51", False, [2, 5]),
        ("UCF101", True, [0, 5]),
        ("UCF101", False, [4]),
    ],
)
def test_folds(motions, name, train, chosen):
    root, lists, metadata = motions
    kind = getattr(datasets, name)
    data = kind(root, lists, 4, train=train, _precomputed_metadata=metadata)
    assert data.indices == chosen and len(data) == 6 * len(chosen)
    assert data.metadata == metadata and data.classes == ["brush", "wave"]
    with pytest.raises(ValueError, match="fold should be between 1 and 3"):
        kind(root, lists, 4, fold=4)


def test_without_a_decoder(motions, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match="pip install av"):
        VideoClips([f"{motions[0]}/brush/brush_0.avi"])


def write_video(path, count):
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for i in range(count):
            pixels = np.full((32, 32, 3), 20 * i, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


def test_reading(tmp_path):
    write_video(tmp_path / "val" / "dance" / "a.mp4", 12)
    write_video(tmp_path / "val" / "sing" / "b.mp4", 7)
    data = datasets.Kinetics(tmp_path, 5, split="val", step_between_clips=2, num_workers=0)
    assert len(data) == 6 and [data[i][2] for i in range(6)] == [0, 0, 0, 0, 1, 1]
    video, audio, _ = data[1]
    assert video.shape == (5, 3, 32, 32) and video.dtype == torch.uint8 and audio.numel() == 0
    seen = video[:, 0, 5, 5].tolist()
    assert all(abs(found - 20 * i) < 6 for i, found in zip(range(2, 7), seen, strict=True))
    slow = VideoClips([str(tmp_path / "val" / "dance" / "a.mp4")], 3, 1, frame_rate=5)
    frames, _, info, number = slow.get_clip(1)
    assert frames.shape == (3, 32, 32, 3) and info == {"video_fps": 5} and number == 0
    assert all(abs(frames[i, 0, 0, 0].item() - 40 * (i + 1)) < 6 for i in range(3))
    with pytest.raises(IndexError):
        slow.get_clip(99)
