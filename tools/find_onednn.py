"""Print "include-folder;library" of the installed oneDNN wheels, or exit with 1."""

from __future__ import annotations

import importlib.metadata
import sys


def find() -> tuple[str, str] | None:
    """Folder that holds oneapi/dnnl/dnnl.hpp, and the path of libdnnl.so.3."""
    include = library = None
    for name in ("onednn-devel-cpu-gomp", "onednn-cpu-gomp"):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            text = file.as_posix()
            if text.endswith("include/oneapi/dnnl/dnnl.hpp"):
                include = str(file.locate().resolve().parents[2])
            elif text.endswith("libdnnl.so.3"):
                library = str(file.locate().absolute())
    return (include, library) if include and library else None


if __name__ == "__main__":
    found = find()
    if not found:
        sys.exit(1)
    print(";".join(found))
