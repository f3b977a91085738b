"""What several pipes need."""

from __future__ import annotations


def length_of(pipe, source) -> int:
    """`len(source)`; TypeError in the pipe's name when it has none."""
    if hasattr(type(source), "__len__"):
        return len(source)
    raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length")


def check_callable(function) -> None:
    """TypeError for what cannot be called."""
    if not callable(function):
        raise TypeError(f"A callable function is expected, but {type(function)} is provided.")


def check_pipes(pipes: tuple, kind: type) -> tuple:
    """The pipes; ValueError where there is none, TypeError where one is of another kind."""
    if not pipes:
        raise ValueError("Expected at least one DataPipe, but got nothing")
    if not all(isinstance(pipe, kind) for pipe in pipes):
        raise TypeError(f"Expected all inputs to be `{kind.__name__}`")
    return pipes


def apply(function, data, input_col, output_col):
    """`function` of the whole item, or of the columns named, written back or appended."""
    if input_col is None and output_col is None:
        return function(data)
    several = isinstance(input_col, (list, tuple))
    result = function(*(data[c] for c in input_col)) if several else function(data[input_col])
    kind = type(data)
    data = dict(data) if isinstance(data, dict) else list(data)
    if output_col is None:
        place = input_col[0] if several else input_col
        data[place] = result
        for column in sorted(input_col[1:], reverse=True) if several else ():
            del data[column]
    elif output_col == -1 and isinstance(data, list):
        data.append(result)
    else:
        data[output_col] = result
    return tuple(data) if kind is tuple else data
