"""Where PyTorch keeps the code generator of torch.compile: here its settings."""

from __future__ import annotations

from . import config

__all__ = ["config", "list_mode_options", "list_options"]

_MODES: dict[str, dict[str, bool]] = {
    "default": {},
    "reduce-overhead": {"triton.cudagraphs": True},
    "max-autotune-no-cudagraphs": {"max_autotune": True, "coordinate_descent_tuning": True},
    "max-autotune": {
        "max_autotune": True, "triton.cudagraphs": True, "coordinate_descent_tuning": True,
    },
}  # fmt: skip


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict:
    """The settings that a mode of torch.compile stands for; those of every mode for None."""
    if mode is None:
        return {name: dict(options) for name, options in _MODES.items()}
    if mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    return dict(_MODES[mode])


def list_options() -> list[str]:
    """The settings that torch.compile takes as `options`."""
    return list(config.shallow_copy_dict())  # type: ignore[attr-defined]
