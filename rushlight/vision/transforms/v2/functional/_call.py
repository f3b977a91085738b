"""One function for images, masks, boxes and points: the kernel for what the input is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from .... import tv_tensors
from ..._image import is_pil

Tensor = torch.Tensor

IMAGE, VIDEO = tv_tensors.Image, tv_tensors.Video
_KINDS = {
    "mask": (tv_tensors.Mask,),
    "boxes": (tv_tensors.BoundingBoxes,),
    "points": (tv_tensors.KeyPoints,),
}
# What a kernel for boxes or points may ask of its tensor.
_METADATA = ("format", "canvas_size", "clamping_mode")


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor that does not say what it holds."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def _names(function: Callable) -> tuple[str, ...]:
    """The names of a kernel's arguments after the first."""
    if hasattr(function, "argument_names"):
        return function.argument_names
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


def _kernel_of(function: Any, kind: type) -> tuple[Any, bool]:
    """(kernel, whether it wants plain tensors) for inputs of a type; (None, True) for none."""
    for base in kind.__mro__:
        if base in function._registered:
            return function._registered[base], False
        if base in function._kernels:
            return function._kernels[base], True
        if base is tv_tensors.TVTensor:  # a kind without a kernel is no plain tensor
            break
    return None, True


def supports(function: Any, inpt: Any) -> bool:
    """Whether the function has a kernel for the input."""
    if is_pil(inpt):
        return function._pil is not None
    return _kernel_of(function, type(inpt))[0] is not None


def functional(
    name: str,
    pil: Callable | None = None,
    kinds: tuple[type, ...] = (IMAGE, VIDEO),
    **kernels: Callable | None,
) -> Any:
    """A function of all the kinds of input that there are kernels for.

    `kinds` are those besides plain tensors that the kernel "image" is for. The function's further
    arguments are the image kernel's; another kernel gets those that it names, and of its tensor's
    metadata those that it names. A kernel returns a tensor, or (tensor, canvas size).
    """
    image = kernels["image"]
    assert image is not None
    names = _names(image)

    def call(inpt, *args, **kwargs):
        kwargs.update(zip(names, args))
        if is_pil(inpt) and pil is not None:
            return pil(inpt, **kwargs)
        kernel, plain = _kernel_of(call, type(inpt))
        if kernel is None:
            known = [*call._kernels, *call._registered]
            raise TypeError(
                f"Functional F.{name} supports inputs of type {known}, but got {type(inpt)} "
                "instead."
            )
        if not plain:
            return kernel(inpt, **kwargs)
        if type(inpt) is Tensor:
            return image(inpt, **kwargs)
        return _on_tensor(kernel, image, inpt, kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = image.__doc__
    call.__wrapped__ = image  # whose signature inspect shows
    call._kernels = {
        kind: kernel
        for group, kernel in kernels.items()
        if kernel is not None
        for kind in ((Tensor, *kinds) if group == "image" else _KINDS[group])
    }
    call._registered = {}
    call._pil = pil
    return call


def _on_tensor(kernel: Callable, image: Callable, inpt: Any, kwargs: dict) -> Any:
    """Call a kernel on the plain tensor of a TVTensor, and wrap what it returns."""
    if kernel is not image:
        wanted = _names(kernel)
        for name in _METADATA:
            if name in wanted and hasattr(inpt, name):
                kwargs.setdefault(name, getattr(inpt, name))
        kwargs = {key: value for key, value in kwargs.items() if key in wanted}
    like = inpt if isinstance(inpt, tv_tensors.TVTensor) else None
    result = kernel(inpt.as_subclass(Tensor), **kwargs)
    if like is None or not isinstance(result, (Tensor, tuple)):
        return result
    if isinstance(result, tuple):
        if len(result) == 2 and isinstance(result[1], tuple):
            return tv_tensors.wrap(result[0], like=like, canvas_size=result[1])
        return tuple(tv_tensors.wrap(one, like=like) for one in result)
    return tv_tensors.wrap(result, like=like)


def register_kernel(functional: Any, tv_tensor_cls: type) -> Callable:
    """Decorates the kernel that a function is to use for tensors of a class of the user's."""
    if not hasattr(functional, "_registered"):
        raise ValueError(
            f"Kernels can only be registered on functionals from the torchvision.transforms.v2."
            f"functional namespace, but got {functional}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError(
            "Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, "
            f"but got {tv_tensor_cls}."
        )
    if tv_tensor_cls in functional._kernels or tv_tensor_cls in functional._registered:
        raise ValueError(
            f"Functional {functional} already has a kernel registered for type {tv_tensor_cls}."
        )

    def decorate(kernel: Callable) -> Callable:
        functional._registered[tv_tensor_cls] = kernel
        return kernel

    return decorate
