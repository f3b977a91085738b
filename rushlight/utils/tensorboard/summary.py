"""Summaries: one thing to show, in the form that TensorBoard stores."""

from __future__ import annotations

import io
import json
import struct
import wave
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from ... import Tensor
from ._convert_np import make_np
from ._hparams import hparams  # noqa: F401 (PyTorch has it here)
from ._utils import _prepare_video, convert_to_HWC

_LEAST = 1e-7  # below it a count is none


def half_to_int(f: float) -> int:
    """The bits of a number in 32-bit form, as a whole number."""
    return struct.unpack("i", struct.pack("f", f))[0]


def int_to_half(i: int) -> float:
    """The number whose 32-bit form these bits are."""
    return struct.unpack("f", struct.pack("i", i))[0]


def _plugin(name: str, content: bytes = b"") -> SummaryMetadata:
    data = SummaryMetadata.PluginData(plugin_name=name, content=content)
    return SummaryMetadata(plugin_data=data)


def _shape(sizes) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


def _one(**value: Any) -> Summary:
    return Summary(value=[Summary.Value(**value)])


def scalar(
    name: str, tensor, collections=None, new_style: bool = False, double_precision: bool = False
) -> Summary:
    """A number; AssertionError when `tensor` has several."""
    value = make_np(tensor).squeeze()
    if value.ndim != 0:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions). "
            f"            Was given size: {value.size} and {value.ndim} dimensions."
        )
    number = float(value)
    if not new_style:
        return _one(tag=name, simple_value=number)
    proto = TensorProto(float_val=[number], dtype="DT_FLOAT")
    if double_precision:
        proto = TensorProto(double_val=[number], dtype="DT_DOUBLE")
    return _one(tag=name, tensor=proto, metadata=_plugin("scalars"))


_KINDS = {
    "float16": ("DT_HALF", "half_val"),
    "bfloat16": ("DT_BFLOAT16", "half_val"),
    "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"),
    "int8": ("DT_INT8", "int_val"),
    "uint8": ("DT_UINT8", "int_val"),
    "int16": ("DT_INT16", "int_val"),
    "int32": ("DT_INT32", "int_val"),
    "int64": ("DT_INT64", "int64_val"),
    "complex64": ("DT_COMPLEX64", "scomplex_val"),
    "complex128": ("DT_COMPLEX128", "dcomplex_val"),
    "bool": ("DT_BOOL", "bool_val"),
}


def tensor_proto(tag: str, tensor: Tensor) -> Summary:
    """A tensor as it is; ValueError for an element type that TensorBoard does not know."""
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _KINDS:
        raise ValueError(f"{tag} has unsupported tensor dtype {tensor.dtype}")
    kind, field = _KINDS[name]
    values: Any = tensor.detach().flatten()
    if field == "half_val":
        values = [half_to_int(v) for v in values.float().tolist()]
    elif name.startswith("complex"):
        values = [part for v in values.tolist() for part in (v.real, v.imag)]
    else:
        values = values.tolist()
    proto = TensorProto(dtype=kind, tensor_shape=_shape(tensor.shape), **{field: values})
    return _one(tag=tag, tensor=proto, metadata=_plugin("tensor"))


def histogram_raw(
    name: str, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
) -> Summary:
    """A histogram that is counted already; `bucket_limits` are the upper ends."""
    proto = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares,
        bucket_limit=bucket_limits, bucket=bucket_counts,
    )  # fmt: skip
    return _one(tag=name, histo=proto)


def histogram(name: str, values, bins, max_bins: int | None = None) -> Summary:
    """A histogram of values; `bins` as numpy.histogram takes them."""
    return _one(tag=name, histo=make_histogram(make_np(values).astype(float), bins, max_bins))


def make_histogram(values: np.ndarray, bins, max_bins: int | None = None) -> HistogramProto:
    """Count values; buckets without any at either end are left out."""
    if values.size == 0:
        raise ValueError("The input has no element.")
    values = values.reshape(-1)
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        limits = np.append(limits[:-1:step], limits[-1])
    filled = np.flatnonzero(counts)
    if counts.size == 0 or limits.size == 0 or not filled.size:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = filled[0], filled[-1]  # what is below the first limit is a bucket of its own
    return HistogramProto(
        min=values.min(), max=values.max(), num=len(values), sum=values.sum(),
        sum_squares=values.dot(values),
        bucket_limit=limits[first : last + 2].tolist(),
        bucket=[0, *counts[first : last + 1].tolist()],
    )  # fmt: skip


def image(tag: str, tensor, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """A picture, or a batch in a grid: bytes from 0 to 255 or numbers from 0 to 1."""
    array = make_np(tensor)
    return _one(tag=tag, image=make_image(_to_bytes(array, dataformats), rescale=rescale))


def _to_bytes(array: np.ndarray, dataformats: str) -> np.ndarray:
    picture = convert_to_HWC(array, dataformats).astype(np.float32)
    return (picture * _calc_scale_factor(array)).clip(0, 255).astype(np.uint8)


def _calc_scale_factor(tensor) -> int:
    return 1 if tensor.dtype == np.uint8 else 255


def image_boxes(
    tag: str, tensor_image, tensor_boxes, rescale: float = 1, dataformats: str = "CHW", labels=None
) -> Summary:
    """A picture with boxes (x1, y1, x2, y2) in it, and a label at each."""
    picture = _to_bytes(make_np(tensor_image), dataformats)
    boxes = make_np(tensor_boxes)
    return _one(tag=tag, image=make_image(picture, rescale=rescale, rois=boxes, labels=labels))


def draw_boxes(disp_image, boxes, labels=None):
    """Draw boxes into a Pillow image, which is returned."""
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(disp_image)
    for number, (x1, y1, x2, y2) in enumerate(boxes[:, :4]):
        draw.line([(x1, y1), (x1, y2), (x2, y2), (x2, y1), (x1, y1)], width=2, fill="Red")
        if labels is None:
            continue
        words = labels[number]
        font = ImageFont.load_default()
        left, top, right, bottom = font.getbbox(words)
        margin = np.ceil(0.05 * (bottom - top))
        above = y2 - (bottom - top) - 2 * margin
        draw.rectangle([(x1, above), (x1 + right - left, y2)], fill="Red")
        draw.text((x1 + margin, above + margin), words, fill="black", font=font)
    return disp_image


def make_image(tensor: np.ndarray, rescale: float = 1, rois=None, labels=None):
    """A picture (height, width, channels) of bytes, compressed as PNG."""
    from PIL import Image

    height, width, channels = tensor.shape
    size = int(width * rescale), int(height * rescale)
    picture = Image.fromarray(tensor)
    if rois is not None:
        picture = draw_boxes(picture, rois, labels=labels)
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue()
    )


def video(tag: str, tensor, fps: float = 4) -> Summary:
    """A batch of videos (n, time, channels, height, width), side by side in one GIF."""
    array = make_np(tensor)
    frames = _prepare_video(array).astype(np.float32)
    scale = _calc_scale_factor(array) if array.dtype != np.uint8 else 255
    return _one(tag=tag, image=make_video((frames * scale).clip(0, 255).astype(np.uint8), fps))


def make_video(tensor: np.ndarray, fps: float):
    """Frames (time, height, width, channels) of bytes as a GIF that repeats."""
    from PIL import Image

    steps, height, width, channels = tensor.shape
    frames = [Image.fromarray(f[:, :, 0] if channels == 1 else f) for f in tensor]
    file = io.BytesIO()
    frames[0].save(
        file, format="GIF", save_all=True, append_images=frames[1:], duration=1000 / fps, loop=0
    )
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue()
    )


def audio(tag: str, tensor, sample_rate: int = 44100) -> Summary:
    """A sound, one channel of numbers from -1 to 1, as 16-bit samples."""
    array = make_np(tensor).squeeze()
    if abs(array).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        array = array.clip(-1, 1)
    if array.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (array * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(sample_rate)
        sound.writeframes(samples.data)
    proto = Summary.Audio(
        sample_rate=sample_rate, num_channels=1, length_frames=samples.shape[-1],
        encoded_audio_string=file.getvalue(), content_type="audio/wav",
    )  # fmt: skip
    return _one(tag=tag, audio=proto)


def custom_scalars(layout: dict) -> Summary:
    """Charts of several scalars: {category: {title: ["Multiline" or "Margin", tags]}}."""
    from tensorboard.plugins.custom_scalar import layout_pb2 as pb

    categories = []
    for category, charts in layout.items():
        made = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError(f"Expected 3 tags, got {len(tags)}")
                series = pb.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                made.append(pb.Chart(title=title, margin=pb.MarginChartContent(series=[series])))
            else:
                made.append(pb.Chart(title=title, multiline=pb.MultilineChartContent(tag=tags)))
        categories.append(pb.Category(title=category, chart=made))
    text = pb.Layout(category=categories).SerializeToString()
    proto = TensorProto(dtype="DT_STRING", string_val=[text], tensor_shape=TensorShapeProto())
    return _one(tag="custom_scalars__config__", tensor=proto, metadata=_plugin("custom_scalars"))


def text(tag: str, text: str) -> Summary:
    """A text in Markdown."""
    proto = TensorProto(
        dtype="DT_STRING", string_val=[text.encode(encoding="utf_8")], tensor_shape=_shape([1])
    )
    content = TextPluginData(version=0).SerializeToString()
    return _one(tag=tag + "/text_summary", tensor=proto, metadata=_plugin("text", content))


def _pr_summary(tag: str, data: np.ndarray, num_thresholds: int) -> Summary:
    content = PrCurvePluginData(version=0, num_thresholds=num_thresholds).SerializeToString()
    proto = TensorProto(
        dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=_shape(data.shape)
    )
    return _one(tag=tag, tensor=proto, metadata=_plugin("pr_curves", content))


def pr_curve_raw(
    tag: str, tp, fp, tn, fn, precision, recall, num_thresholds: int = 127, weights=None
) -> Summary:
    """A precision-recall curve that is computed already; at most 127 thresholds."""
    data = np.stack((tp, fp, tn, fn, precision, recall))
    return _pr_summary(tag, data, min(num_thresholds, 127))


def pr_curve(tag: str, labels, predictions, num_thresholds: int = 127, weights=None) -> Summary:
    """A precision-recall curve of predicted probabilities against labels 0 and 1."""
    thresholds = min(num_thresholds, 127)
    return _pr_summary(tag, compute_curve(labels, predictions, thresholds, weights), thresholds)


def compute_curve(labels, predictions, num_thresholds: int | None = None, weights=None):
    """(6, thresholds): true and false positives and negatives, precision, recall."""
    weights = 1.0 if weights is None else weights
    bucket = np.int32(np.floor(predictions * (num_thresholds - 1)))
    ends = (0, num_thresholds - 1)

    def reached(amount):  # the predictions at each threshold or above
        counts, _ = np.histogram(bucket, bins=num_thresholds, range=ends, weights=amount)
        return np.cumsum(counts[::-1])[::-1]

    amounts = labels.astype(float) * weights
    tp, fp = reached(amounts), reached((1.0 - labels.astype(float)) * weights)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(_LEAST, tp + fp)
    recall = tp / np.maximum(_LEAST, tp + fn)
    return np.stack((tp, fp, tn, fn, precision, recall))


def mesh(
    tag: str, vertices, colors, faces, config_dict, display_name=None, description=None
) -> Summary:
    """A cloud of points (batch, n, 3), or a mesh where faces (batch, m, 3) join them."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    kinds = MeshPluginData.ContentType
    parts = [
        (vertices, kinds.VERTEX),
        (faces, kinds.FACE),
        (colors, kinds.COLOR),
    ]
    given = [(tensor, kind) for tensor, kind in parts if tensor is not None]
    components = metadata.get_components_bitmask([kind for _, kind in given])
    values = []
    for tensor, kind in given:
        array = make_np(tensor)
        about = metadata.create_summary_metadata(
            tag, display_name, kind, components, array.shape, description,
            json_config=json.dumps(config_dict or {}, sort_keys=True),
        )  # fmt: skip
        proto = TensorProto(
            dtype="DT_FLOAT", float_val=array.reshape(-1).tolist(),
            tensor_shape=_shape(array.shape),
        )  # fmt: skip
        name = metadata.get_instance_name(tag, kind)
        values.append(Summary.Value(tag=name, tensor=proto, metadata=about))
    return Summary(value=values)
