"""What a pipe takes from, as nested dicts."""

from __future__ import annotations

__all__ = ["traverse", "traverse_dps"]


def traverse_dps(datapipe) -> dict:
    """{id: (pipe, {...})} with the pipes that it takes from in the inner dict."""
    from .graph_settings import sources

    return {
        id(datapipe): (
            datapipe,
            {k: v for s in sources(datapipe) for k, v in traverse_dps(s).items()},
        )
    }


def traverse(datapipe, only_datapipe: bool | None = None) -> dict:
    """The same as `traverse_dps`."""
    return traverse_dps(datapipe)
