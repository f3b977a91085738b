"""What fuzzers of operators share: sizes often powers of two, steps often 1."""

from __future__ import annotations

from ..utils.fuzzer import FuzzedParameter, ParameterAlias

MIN_DIM, MAX_ELEMENTS = 1, 32 * 1024**2
POWERS = {2**i: 1 / 9 for i in range(4, 13)}


def sizes(prefix: str, limit: int) -> list[list[FuzzedParameter]]:
    """Three parameters: each a power of two in half of the cases, else any size."""
    found = []
    for i in range(3):
        any_size, power, name = (f"{prefix}_{kind}_{i}" for kind in ("any_size", "pow2_size", "")
                                 )  # fmt: skip
        name = f"{prefix}{i}"
        choices = {ParameterAlias(any_size): 0.8, ParameterAlias(power): 0.2}
        found.append(
            [
                FuzzedParameter(any_size, MIN_DIM, limit, distribution="loguniform"),
                FuzzedParameter(power, distribution=POWERS),
                FuzzedParameter(name, distribution=choices, strict=True),
            ]
        )
    return found


def steps(name: str) -> list[FuzzedParameter]:
    """Three steps of slices."""
    choices = {1: 0.8, 2: 0.06, 4: 0.06, 8: 0.04, 16: 0.04}
    return [FuzzedParameter(f"{name}_step_{i}", distribution=choices) for i in range(3)]
