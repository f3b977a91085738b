"""`save` and `load`: PyTorch's file format, read by code that can only build data.

`_zip` holds the container, `_unpickle` the restricted reader, `_names` what files may name, `_save`
and `_load` the two directions, `_legacy` the format before PyTorch 1.6.
"""

from __future__ import annotations

import pickle  # noqa: F401 (programs pass this one as `pickle_module`)
from collections.abc import Callable
from typing import Any, TypeAlias

from ._files import atomic_file  # noqa: F401 (other writers use it)
from ._load import get_unsafe_globals_in_checkpoint, load
from ._names import (
    StorageType,
    _get_layout,  # noqa: F401 (files name it here)
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from ._save import DEFAULT_PROTOCOL, save
from ._settings import (
    LoadEndianness,
    default_restore_location,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    location_tag,
    register_package,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
    validate_cuda_device,
    validate_hpu_device,
)
from ._versions import (
    SourceChangeWarning,
    check_module_version_greater_or_equal,
    normalize_storage_type,
    storage_to_tensor_type,
)

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

# What annotations elsewhere name.
MAP_LOCATION: TypeAlias = Callable[[Any, str], Any] | Any | str | dict[str, str] | None

__all__ = [
    "DEFAULT_PROTOCOL",
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]
for _name in __all__:  # public names say where the public finds them
    if hasattr(globals()[_name], "__qualname__"):
        globals()[_name].__module__ = __name__
