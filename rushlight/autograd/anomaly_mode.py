"""Finding the operation whose gradient went wrong."""

from __future__ import annotations

import warnings

from .. import _C


class set_detect_anomaly:
    """Switch anomaly detection: at once as a plain call, or for a `with` block.

    While on, a failing backward names the operation and shows where its forward ran; with
    `check_nan` a gradient that contains nan raises RuntimeError.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self.prev = _C.is_anomaly()
        self.prev_check_nan = _settings["check_nan"]
        _set(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _set(self.prev, self.prev_check_nan)


class detect_anomaly(set_detect_anomaly):
    """Anomaly detection within a `with` block; slow, so for debugging only."""

    def __init__(self, check_nan: bool = True):
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only "
            "be enabled for debugging.",
            stacklevel=2,
        )
        self.check_nan = check_nan
        self.prev = _C.is_anomaly()
        self.prev_check_nan = _settings["check_nan"]

    def __enter__(self) -> None:
        self.prev = _C.is_anomaly()
        self.prev_check_nan = _settings["check_nan"]
        _set(True, self.check_nan)


_settings = {"check_nan": True}


def _set(mode: bool, check_nan: bool) -> None:
    _C.set_anomaly(mode, check_nan)
    _settings["check_nan"] = check_nan


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _C.is_anomaly()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection looks for nan."""
    return _settings["check_nan"]
