"""The transforms of PIL images, by Pillow's own functions."""

from __future__ import annotations

from ..._lazy import np
from ._image import Image, ImageEnhance, ImageOps, require_pil


def hflip(image):
    """Left and right change places."""
    require_pil(image)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image):
    """Above and below change places."""
    require_pil(image)
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def _enhancer(name: str):
    def enhance(image, factor: float):
        require_pil(image)
        return getattr(ImageEnhance, name)(image).enhance(factor)

    enhance.__doc__ = f"Pillow's enhancement {name}: 1 leaves the image as it is."
    return enhance


adjust_brightness = _enhancer("Brightness")
adjust_contrast = _enhancer("Contrast")
adjust_saturation = _enhancer("Color")
adjust_sharpness = _enhancer("Sharpness")


def adjust_hue(image, hue_factor: float):
    """Turn the wheel of colours by a part of -0.5 to 0.5 of it."""
    require_pil(image)
    if image.mode in ("L", "1", "I", "F"):
        return image
    h, s, v = image.convert("HSV").split()
    turned = np.array(h, dtype=np.uint8)
    # Bytes wrap around, as hues do.
    turned += np.array(hue_factor * 255).astype(np.int64).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert(image.mode)


def adjust_gamma(image, gamma: float, gain: float = 1.0):
    """255 * gain * (value / 255) ** gamma, of each channel."""
    require_pil(image)
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
    colours = image.convert("RGB")
    return colours.point(table * 3).convert(image.mode)


def pad(image, padding, fill=0, padding_mode: str = "constant"):
    """Widen by (left, top, right, bottom) pixels; negative numbers cut off."""
    require_pil(image)
    left, top, right, bottom = padding
    if padding_mode == "constant":
        fill = _fill(fill, image, "fill")
        if image.mode == "P":
            widened = ImageOps.expand(image, border=tuple(padding), fill=fill)
            widened.putpalette(image.getpalette())
            return widened
        return ImageOps.expand(image, border=tuple(padding), fill=fill)
    if min(padding) < 0:
        cut = [max(-side, 0) for side in padding]
        image = image.crop((cut[0], cut[1], image.width - cut[2], image.height - cut[3]))
        left, top, right, bottom = (max(side, 0) for side in padding)
    array = np.asarray(image)
    sides = ((top, bottom), (left, right), (0, 0))[: array.ndim]
    widened = Image.fromarray(np.pad(array, sides, mode=padding_mode))
    if image.mode == "P":
        widened = Image.fromarray(np.pad(array, sides, mode=padding_mode), mode="L")
        widened.putpalette(image.getpalette())
    return widened


def _fill(fill, image, name: str):
    """A colour that Pillow accepts for the image: one number a channel."""
    bands = len(image.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)) and bands > 1:
        fill = (fill,) * bands
    if isinstance(fill, (list, tuple)):
        if len(fill) == 1:
            fill = tuple(fill) * bands
        elif len(fill) != bands:
            raise ValueError(
                f"The number of elements in 'fill' does not match the number of channels of the "
                f"image ({len(fill)} != {bands})"
            )
        fill = tuple(fill)
    if image.mode != "F":
        fill = tuple(int(x) for x in fill) if isinstance(fill, tuple) else int(fill)
        if isinstance(fill, tuple) and bands == 1:
            fill = fill[0]
    return fill


def crop(image, top: int, left: int, height: int, width: int):
    """The part that begins at (top, left)."""
    require_pil(image)
    return image.crop((left, top, left + width, top + height))


def resize(image, size, interpolation):
    """The image in another size, (height, width)."""
    require_pil(image)
    if not (isinstance(size, (list, tuple)) and len(size) == 2):
        raise TypeError(f"Got inappropriate size arg: {size}")
    return image.resize(tuple(size[::-1]), interpolation)


def affine(image, matrix, interpolation, fill=None):
    """Each pixel from where the affine matrix says."""
    require_pil(image)
    colour = _fill(fill, image, "fillcolor")
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, interpolation, fillcolor=colour
    )


def rotate(image, angle: float, interpolation, expand=False, center=None, fill=None):
    """Turned against the clock by `angle` degrees."""
    require_pil(image)
    colour = _fill(fill, image, "fillcolor")
    return image.rotate(angle, interpolation, expand, center, fillcolor=colour)


def perspective(image, coefficients, interpolation, fill=None):
    """Each pixel from where the eight coefficients say."""
    require_pil(image)
    colour = _fill(fill, image, "fillcolor")
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, coefficients, interpolation, fillcolor=colour
    )


def to_grayscale(image, num_output_channels: int = 1):
    """Brightness alone, in one channel or three equal ones."""
    require_pil(image)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    grey = image.convert("L")
    return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))


def invert(image):
    """The negative."""
    require_pil(image)
    return ImageOps.invert(image)


def posterize(image, bits: int):
    """Only the first `bits` bits of every channel are kept."""
    require_pil(image)
    return ImageOps.posterize(image, bits)


def solarize(image, threshold: float):
    """Values from `threshold` on are inverted."""
    require_pil(image)
    return ImageOps.solarize(image, threshold)


def autocontrast(image):
    """Stretched so that the darkest pixel is black and the lightest white."""
    require_pil(image)
    return ImageOps.autocontrast(image)


def equalize(image):
    """Every brightness about equally frequent."""
    require_pil(image)
    return ImageOps.equalize(image)
