"""Apple's Metal, which this implementation does not use."""

from __future__ import annotations


def is_available() -> bool:
    """Whether work can run on an Apple GPU."""
    return False


def is_built() -> bool:
    """Whether this build can use Metal."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Whether the system is macOS `major.minor` or newer."""
    import platform

    version = platform.mac_ver()[0]
    if not version:
        return False
    parts = [int(part) for part in version.split(".")] + [0]
    return (parts[0], parts[1]) >= (major, minor)
