"""ImageNet, in the module that torchvision has it in."""

from .annotated import (
    ImageNet,
    load_meta_file,
    parse_devkit_archive,
    parse_train_archive,
    parse_val_archive,
)

__all__ = [
    "ImageNet",
    "load_meta_file",
    "parse_devkit_archive",
    "parse_train_archive",
    "parse_val_archive",
]
