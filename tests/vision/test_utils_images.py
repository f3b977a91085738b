"""make_grid, save_image, and what is drawn on images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import utils


def test_a_grid():
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 2, 3)
    grid = utils.make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 3 * 3 + 1, 2 * 4 + 1)
    assert grid[0, 1:3, 5:8].eq(1).all() and grid[:, 0].eq(9).all()
    assert grid[0, 7:9, 5:8].eq(9).all()  # the place of the sixth
    assert utils.make_grid(torch.rand(4, 5)).shape == (3, 4, 5)
    assert utils.make_grid([torch.rand(1, 4, 5)] * 2).shape == (3, 8, 16)
    with pytest.raises(TypeError, match="list of tensors expected"):
        utils.make_grid(3)


def test_a_normalized_grid():
    images = torch.tensor([[0.0, 2.0], [4.0, 8.0]]).view(2, 1, 1, 2)
    whole = utils.make_grid(images, padding=0, normalize=True)
    assert whole[0].tolist() == [[0.0, 0.25, 0.5, 1.0]]
    each = utils.make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    limited = utils.make_grid(images, padding=0, normalize=True, value_range=(0, 4))
    assert limited[0].tolist() == [[0.0, 0.5, 1.0, 1.0]]
    assert images.max() == 8  # the caller's images stay as they are


def test_a_saved_image():
    buffer = io.BytesIO()
    utils.save_image(torch.tensor([0.0, 0.5, 1.0, 2.0]).view(1, 1, 4), buffer, format="png")
    pixels = np.asarray(Image.open(buffer))
    assert pixels[0, :, 0].tolist() == [0, 128, 255, 255]


def test_boxes():
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    boxes = torch.tensor([[2, 3, 10, 12]])
    drawn = utils.draw_bounding_boxes(image, boxes, colors="red")
    assert drawn[0].sum() == 255 * 2 * (9 + 8) and drawn[1:].sum() == 0 and image.sum() == 0
    assert drawn[0, 3, 2:11].eq(255).all() and drawn[0, 3:13, 10].eq(255).all()
    filled = utils.draw_bounding_boxes(image, boxes, colors=[(255, 0, 0)], fill=True)
    assert filled[0, 6, 6] == 100
    labelled = utils.draw_bounding_boxes(image, boxes, labels=["a"], colors="red")
    assert labelled[0].sum() > drawn[0].sum()
    assert utils.draw_bounding_boxes(image / 255.0, boxes).dtype == torch.float32
    with pytest.raises(ValueError, match="xmin, ymin, xmax, ymax"):
        utils.draw_bounding_boxes(image, boxes.flip(-1))
    with pytest.raises(ValueError, match="and labels"):
        utils.draw_bounding_boxes(image, boxes, labels=["a", "b"])
    with pytest.warns(UserWarning, match="doesn't contain any box"):
        utils.draw_bounding_boxes(image, torch.zeros(0, 4))


def test_masks():
    image = torch.full((3, 2, 3), 100, dtype=torch.uint8)
    masks = torch.tensor([[[1, 1, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 1]]], dtype=torch.bool)
    drawn = utils.draw_segmentation_masks(image, masks, 0.5, [(200, 0, 0), (0, 0, 200)])
    assert drawn[:, 0, 0].tolist() == [150, 50, 50] and drawn[:, 1, 2].tolist() == [50, 50, 150]
    assert drawn[:, 0, 1].tolist() == [50, 50, 50]  # both
    assert drawn[:, 0, 2].tolist() == [100, 100, 100]
    with pytest.raises(ValueError, match="dtype bool"):
        utils.draw_segmentation_masks(image, masks.int())


def test_points():
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    points = torch.tensor([[[5.0, 5.0], [15.0, 15.0]]])
    drawn = utils.draw_keypoints(image, points, colors="red", radius=1)
    assert drawn[0, 5, 5] == 255 and drawn[0, 15, 15] == 255 and drawn[0, 10, 10] == 0
    joined = utils.draw_keypoints(image, points, connectivity=[(0, 1)], colors="red")
    assert joined[0, 10, 10] == 255
    hidden = utils.draw_keypoints(
        image, points, colors="red", visibility=torch.tensor([[True, False]])
    )
    assert hidden[0, 15, 15] == 0


def test_flow():
    flow = torch.zeros(2, 1, 3)
    flow[0, 0, 0], flow[0, 0, 1] = 1.0, -1.0  # to the right, to the left, nowhere
    image = utils.flow_to_image(flow)
    assert image.dtype == torch.uint8
    assert image[:, 0, 0].tolist() == [255, 0, 0] and image[:, 0, 2].tolist() == [255] * 3
    assert image[2, 0, 1] > image[0, 0, 1]
    with pytest.raises(ValueError, match="torch.float"):
        utils.flow_to_image(flow.double())
