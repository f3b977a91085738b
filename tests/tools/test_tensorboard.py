"""SummaryWriter: everything it writes, read back by the tensorboard package."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch

pytest.importorskip("tensorboard", reason="tensorboard is not installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.hparams import plugin_data_pb2

from rushlight.utils.tensorboard import FileWriter, RecordWriter, SummaryWriter


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance=dict.fromkeys(
        ("scalars", "images", "audio", "histograms", "tensors"), 0))  # fmt: skip
    return accumulator.Reload()


def values(folder):
    """Every summary value of a folder's files, by tag; the last one wins."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if "tfevents" in name:
            for raw in RawEventFileLoader(os.path.join(folder, name)).Load():
                found.update({v.tag: v for v in Event.FromString(raw).summary.value})
    return found


@pytest.fixture
def writer(tmp_path):
    with SummaryWriter(tmp_path / "run", filename_suffix=".mine") as made:
        yield made


def test_scalars_keep_step_and_time(writer):
    for step in range(5):
        writer.add_scalar("loss", torch.tensor(2.0**-step), step, walltime=100.0 + step)
    writer.add_scalar("new", 3, 7, new_style=True)
    writer.add_scalar("exact", 0.1, 7, new_style=True, double_precision=True)
    writer.flush()
    events = read(writer.log_dir).Scalars("loss")
    assert [e.value for e in events] == [1, 0.5, 0.25, 0.125, 0.0625]
    assert [e.step for e in events] == list(range(5))
    assert [e.wall_time for e in events] == [100, 101, 102, 103, 104]
    found = values(writer.log_dir)
    assert found["new"].tensor.float_val == [3.0]
    assert found["exact"].tensor.double_val == [0.1]
    assert any(name.endswith(".mine") for name in os.listdir(writer.log_dir))


def test_add_scalars_writes_one_run_for_each(writer):
    writer.add_scalars("both/of", {"a": 1.0, "b": torch.tensor(2.0)}, 3)
    writer.close()
    for name, value in (("a", 1.0), ("b", 2.0)):
        (event,) = read(os.path.join(writer.log_dir, f"both_of_{name}")).Scalars("both/of")
        assert (event.value, event.step) == (value, 3)


@pytest.mark.parametrize("form, shape", [("CHW", (3, 4, 6)), ("HWC", (4, 6, 3)), ("HW", (4, 6))])
def test_images_come_back_pixel_for_pixel(writer, form, shape):
    from io import BytesIO

    from PIL import Image

    picture = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    writer.add_image("picture", picture, 1, dataformats=form)
    writer.flush()
    (event,) = read(writer.log_dir).Images("picture")
    back = np.asarray(Image.open(BytesIO(event.encoded_image_string)))
    expected = (picture.numpy() * 255).astype(np.uint8)
    if form == "CHW":
        expected = expected.transpose(1, 2, 0)
    elif form == "HW":
        expected = np.stack([expected] * 3, 2)
    assert (event.height, event.width) == (4, 6)
    np.testing.assert_array_equal(back, expected)


def test_batches_boxes_figures_and_videos(writer):
    from io import BytesIO

    import matplotlib
    from PIL import Image

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    writer.add_images("grid", torch.rand(10, 1, 4, 6), 0)
    writer.add_image_with_boxes("boxes", torch.zeros(3, 8, 9), [[1, 1, 4, 5]] @ np.eye(4))
    figures = [plt.figure(figsize=(1, 1)) for _ in range(2)]
    writer.add_figure("figures", figures, 0)
    writer.add_video("video", torch.rand(1, 4, 3, 5, 5), fps=4)
    writer.flush()
    found = values(writer.log_dir)
    assert (found["grid"].image.height, found["grid"].image.width) == (8, 48)
    assert found["figures"].image.width == 200
    boxes = np.asarray(Image.open(BytesIO(found["boxes"].image.encoded_image_string)))
    assert boxes[1, 2].tolist() == [255, 0, 0] and boxes[7, 8].tolist() == [0, 0, 0]
    video = Image.open(BytesIO(found["video"].image.encoded_image_string))
    assert (video.format, video.n_frames, video.info["duration"]) == ("GIF", 4, 250)
    assert not plt.get_fignums()


def test_histograms(writer):
    writer.add_histogram("all", torch.arange(100.0), 1)
    writer.add_histogram("few", np.array([0.0, 1, 1, 2, 9]), 1, bins=9, max_bins=3)
    writer.add_histogram_raw("raw", 0.0, 3.0, 4, 6.0, 14.0, [1.0, 3.0], [2, 2], 1)
    writer.flush()
    back = read(writer.log_dir)
    whole = back.Histograms("all")[0].histogram_value
    assert (whole.num, whole.sum, whole.sum_squares) == (100, 4950, 328350)
    assert sum(whole.bucket) == 100 and len(whole.bucket) == len(whole.bucket_limit)
    few = back.Histograms("few")[0].histogram_value
    assert list(few.bucket) == [0, 4, 0, 1] and list(few.bucket_limit) == [0, 3, 6, 9]
    assert list(back.Histograms("raw")[0].histogram_value.bucket) == [2, 2]
    with pytest.raises(ValueError, match="The input has no element"):
        writer.add_histogram("none", np.array([]))


def test_sounds(writer):
    import io
    import wave

    writer.add_audio("sound", torch.tensor([0.0, 0.5, -1.0, 1.0]), 0, sample_rate=8000)
    writer.flush()
    (event,) = read(writer.log_dir).Audio("sound")
    with wave.open(io.BytesIO(event.encoded_audio_string)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (8000, 1)
        assert struct.unpack("<4h", sound.readframes(4)) == (0, 16383, -32767, 32767)


def test_texts_curves_charts_meshes_and_tensors(writer):
    writer.add_text("words", "**bold**", 2)
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.4, 0.9, 0.8])
    writer.add_pr_curve("curve", labels, scores, 0, num_thresholds=3)
    writer.add_custom_scalars({"c": {"t": ["Margin", ["a", "b", "c"]]}})
    writer.add_mesh("mesh", torch.rand(1, 5, 3), faces=torch.zeros(1, 2, 3).int())
    writer.add_tensor("tensor", torch.arange(6).reshape(2, 3), 1)
    writer.flush()
    found = values(writer.log_dir)
    assert found["words/text_summary"].tensor.string_val == [b"**bold**"]
    curve = np.reshape(found["curve"].tensor.float_val, (6, 3))
    np.testing.assert_allclose(curve[0], [2, 1, 0])  # true positives at 0, 1/2 and 1
    np.testing.assert_allclose(curve[1], [2, 1, 0])
    np.testing.assert_allclose(curve[4], [0.5, 0.5, 0])
    assert b"Margin" not in found["custom_scalars__config__"].tensor.string_val[0]
    assert {"mesh_VERTEX", "mesh_FACE"} <= set(found)
    assert list(found["tensor"].tensor.int64_val) == list(range(6))


def test_hyperparameters(writer):
    writer.add_hparams({"lr": 0.1, "name": "adam"}, {"accuracy": 0.5}, run_name="first")
    found = values(os.path.join(writer.log_dir, "first"))
    data = plugin_data_pb2.HParamsPluginData.FromString(
        found["_hparams_/session_start_info"].metadata.plugin_data.content
    )
    assert data.session_start_info.hparams["lr"].number_value == 0.1
    assert data.session_start_info.hparams["name"].string_value == "adam"
    assert found["accuracy"].simple_value == 0.5
    with pytest.raises(ValueError, match="value should be one of"):
        writer.add_hparams({"lr": [1]}, {})


def test_embeddings(writer):
    points = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    writer.add_embedding(points, ["a", "b"], torch.rand(2, 3, 4, 4), global_step=1, tag="e/1")
    folder = os.path.join(writer.log_dir, "00001", "e%2f1")
    with open(os.path.join(folder, "tensors.tsv")) as file:
        assert file.read() == "1.0\t2.0\n3.0\t4.0\n"
    assert {"metadata.tsv", "sprite.png"} <= set(os.listdir(folder))
    with open(os.path.join(writer.log_dir, "projector_config.pbtxt")) as file:
        assert 'tensor_name: "e/1:00001"' in file.read()
    with pytest.raises(AssertionError, match="#labels should equal with #data points"):
        writer.add_embedding(points, ["a"], global_step=2)


def test_the_graph_of_a_module(writer):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())

        def forward(self, x):
            return self.body(x).sum(1) * 2

    net = Net()
    writer.add_graph(net, torch.randn(2, 3))
    writer.flush()
    nodes = {
        n.name: n
        for n in GraphDef.FromString(read(writer.log_dir).Graph().SerializeToString()).node
    }
    linear = nodes["Net/Sequential[body]/Linear[0]/linear"]
    assert linear.op == "aten::linear"
    assert list(linear.input) == ["input/x"] + [
        f"Net/Sequential[body]/Linear[0]/{p}" for p in ("weight", "bias")
    ]
    shape = linear.attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [2, 4]
    assert list(nodes["output/output.1"].input) == ["Net/mul"]
    assert net.training and not torch.nn.modules.module._global_forward_hooks


def test_purging_closing_and_going_on(tmp_path):
    writer = SummaryWriter(tmp_path, purge_step=3)
    writer.add_scalar("a", 1, 5)
    writer.close()
    writer.add_scalar("a", 2, 6)
    writer.close()
    files = [n for n in os.listdir(tmp_path) if "tfevents" in n]
    raw = RawEventFileLoader(str(tmp_path / sorted(files)[0])).Load()
    events = [Event.FromString(r) for r in raw]
    assert [e.step for e in events] == [0, 3, 3, 5]
    assert [e.value for e in read(tmp_path).Scalars("a")][-1] == 2


def test_wrong_values_say_so(writer):
    with pytest.raises(AssertionError, match="should contain one element"):
        writer.add_scalar("a", torch.ones(2))
    with pytest.raises(AssertionError, match="size of input tensor and input format"):
        writer.add_image("a", torch.ones(3, 2, 2), dataformats="HW")
    with pytest.raises(TypeError, match="should be dictionary"):
        writer.add_hparams([], {})


def test_the_public_names():
    import rushlight.utils.tensorboard as module

    assert module.__all__ == ["FileWriter", "RecordWriter", "SummaryWriter"]
    assert FileWriter.__name__ == "FileWriter" and RecordWriter.__name__ == "RecordWriter"


def test_without_the_package_the_error_says_how_to_get_it():
    code = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "try:\n    import rushlight.utils.tensorboard\n"
        "except ImportError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install rushlight[tensorboard]" in out.stdout
