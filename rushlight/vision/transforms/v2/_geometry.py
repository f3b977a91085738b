"""Transforms of sizes and places."""

from __future__ import annotations

from typing import Any

from .. import transforms as first
from .._arguments import angles, check_sequence, uniform
from .._chance_maps import check_affine_ranges, number_pair
from . import functional as F
from ._transform import (
    BILINEAR,
    NEAREST,
    RandomApplyTransform,
    Transform,
    check_fill,
    fill_for,
    query_size,
)
from .functional import _images


class RandomHorizontalFlip(RandomApplyTransform):
    """Left and right change places, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mirror image."""
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(RandomApplyTransform):
    """Above and below change places, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image upside down."""
        return self._call_kernel(F.vertical_flip, inpt)


class RandomRotation(Transform):
    """A turn by a random angle."""

    get_params = staticmethod(first.RandomRotation.get_params)

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        self._fill = check_fill(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle."""
        return {"angle": uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The turned input."""
        return self._call_kernel(
            F.rotate,
            inpt,
            **params,
            interpolation=self.interpolation,
            expand=self.expand,
            center=self.center,
            fill=fill_for(self._fill, inpt),
        )


class RandomAffine(Transform):
    """A random turn, move, scale and shear."""

    get_params = staticmethod(first.RandomAffine.get_params)

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = NEAREST,
        fill: Any = 0,
        center: Any = None,
    ) -> None:
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        check_affine_ranges(translate, scale)
        self.translate = translate
        self.scale = scale
        self.shear = shear if shear is None else angles(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill = fill
        self._fill = check_fill(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The map."""
        height, width = query_size(flat_inputs)
        ranges = (self.degrees, self.translate, self.scale, self.shear)
        drawn = first.RandomAffine.get_params(*ranges, [width, height])
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mapped input."""
        return self._call_kernel(
            F.affine,
            inpt,
            **params,
            interpolation=self.interpolation,
            fill=fill_for(self._fill, inpt),
            center=self.center,
        )


class RandomPerspective(RandomApplyTransform):
    """The corners move inward by up to `distortion_scale` of half the image."""

    get_params = staticmethod(first.RandomPerspective.get_params)

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill
        self._fill = check_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The map."""
        height, width = query_size(flat_inputs)
        points = first.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"coefficients": _images._warp.perspective_coefficients(*points)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mapped input."""
        return self._call_kernel(
            F.perspective,
            inpt,
            startpoints=None,
            endpoints=None,
            fill=fill_for(self._fill, inpt),
            interpolation=self.interpolation,
            **params,
        )


class ElasticTransform(Transform):
    """Every pixel moves by smooth noise."""

    get_params = staticmethod(first.ElasticTransform.get_params)

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = number_pair(float(alpha) if isinstance(alpha, int) else alpha, "alpha")
        self.sigma = number_pair(float(sigma) if isinstance(sigma, int) else sigma, "sigma")
        self.interpolation = interpolation
        self.fill = fill
        self._fill = check_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The displacement."""
        size = list(query_size(flat_inputs))
        return {"displacement": first.ElasticTransform.get_params(self.alpha, self.sigma, size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mapped input."""
        return self._call_kernel(
            F.elastic,
            inpt,
            **params,
            fill=fill_for(self._fill, inpt),
            interpolation=self.interpolation,
        )
