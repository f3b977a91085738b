# ruff: noqa: F403
"""Models that find objects, their masks and keypoints in images."""

from .faster_rcnn import *
from .fcos import *
from .keypoint_rcnn import *
from .mask_rcnn import *
from .retinanet import *
from .ssd import *
from .ssdlite import *
