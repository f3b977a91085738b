"""The files that TensorBoard's projector reads."""

from __future__ import annotations

import math
import os

import numpy as np

from ._convert_np import make_np
from ._utils import make_grid


def make_tsv(metadata, save_path: str, metadata_header=None) -> None:
    """Write the labels of the points, with several columns where there is a header."""
    if metadata_header:
        if len(metadata_header) != len(metadata[0]):
            raise AssertionError("len of header must be equal to the number of columns in metadata")
        lines = ["\t".join(map(str, row)) for row in [metadata_header, *metadata]]
    else:
        lines = [str(label) for label in metadata]
    with open(os.path.join(save_path, "metadata.tsv"), "wb") as file:
        file.write(("\n".join(lines) + "\n").encode())


def make_sprite(label_img, save_path: str) -> None:
    """Write the points' pictures as one square of pictures."""
    from PIL import Image

    pictures = make_np(label_img)
    side = math.ceil(math.sqrt(pictures.shape[0]))
    missing = side * side - pictures.shape[0]
    pictures = np.concatenate([pictures, np.zeros((missing, *pictures.shape[1:]))])
    grid = make_grid(pictures, ncols=side).transpose(1, 2, 0)
    Image.fromarray((grid * 255).astype(np.uint8)).save(os.path.join(save_path, "sprite.png"))


def get_embedding_info(metadata, label_img, subdir: str, global_step, tag: str):
    """What the projector is told of one set of points."""
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

    info = EmbeddingInfo()
    info.tensor_name = f"{tag}:{str(global_step).zfill(5)}"
    info.tensor_path = os.path.join(subdir, "tensors.tsv")
    if metadata is not None:
        info.metadata_path = os.path.join(subdir, "metadata.tsv")
    if label_img is not None:
        info.sprite.image_path = os.path.join(subdir, "sprite.png")
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])
    return info


def write_pbtxt(save_path: str, contents: str) -> None:
    """Write the projector's configuration."""
    with open(os.path.join(save_path, "projector_config.pbtxt"), "wb") as file:
        file.write(contents.encode())


def make_mat(matlist, save_path: str) -> None:
    """Write the points."""
    with open(os.path.join(save_path, "tensors.tsv"), "wb") as file:
        for row in matlist:
            file.write(("\t".join(str(x.item()) for x in row) + "\n").encode())
