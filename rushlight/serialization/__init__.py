"""`save` and `load`: PyTorch's file format, read by code that can only build data.

`_zip` holds the container, `_unpickle` the restricted reader, `_names` what files may name, `_save`
and `_load` the two directions, `_legacy` the format before PyTorch 1.6.
"""

from __future__ import annotations

from ._load import (
    default_restore_location,
    get_unsafe_globals_in_checkpoint,
    load,
    validate_cuda_device,
)
from ._names import (
    _get_layout,  # noqa: F401 (files name it here)
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from ._save import (
    DEFAULT_PROTOCOL,
    get_crc32_options,
    location_tag,
    save,
    set_crc32_options,
)

__all__ = [
    "DEFAULT_PROTOCOL",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "safe_globals",
    "save",
    "set_crc32_options",
    "validate_cuda_device",
]
