"""Files of MATLAB, which SciPy reads."""

from __future__ import annotations

from typing import Any


def load_matlab(path: Any, needed_by: str, **options: Any) -> dict[str, Any]:
    """The variables of a file; ImportError that names who needs SciPy where it is missing."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError(f"{needed_by}: its files are read by SciPy: pip install scipy") from error
    return loadmat(path, **options)
