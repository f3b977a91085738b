"""Pack the published direction numbers of Sobol sequences into rushlight/data/sobol.bin.

    python tools/pack_sobol.py new-joe-kuo-6.21201

The file is that of S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
projections", SIAM J. Sci. Comput. 30, 2008: a line for each dimension from the second on, with
its number, the degree s of its primitive polynomial, the polynomial's inner coefficients a as one
number, and s odd numbers m_i < 2**i.

The result: the number of dimensions of each degree from 1 on (16 bits each, 0 ends the list), the
coefficients (a, s - 1 bits each), then (m_i - 1) / 2 in i - 1 bits for i = 2 to s.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def bits(values: np.ndarray, width: int) -> np.ndarray:
    """Each value as `width` bits, the highest first."""
    return (values[..., None] >> np.arange(width)[::-1]) & 1


def pack(lines: list[str]) -> bytes:
    """The packed form of the published lines."""
    rows = [list(map(int, line.split())) for line in lines if line.strip()[:1].isdigit()]
    degrees = [row[1] for row in rows]
    counts = [degrees.count(s) for s in range(1, max(degrees) + 1)]
    stream = []
    for s in range(1, max(degrees) + 1):
        group = [row for row in rows if row[1] == s]
        inner = np.array([row[2] for row in group])
        odd = np.array([row[3 : 3 + s] for row in group]) >> 1
        parts = [bits(inner, s - 1)] + [bits(odd[:, i], i) for i in range(1, s)]
        stream.append(np.concatenate(parts, axis=1).reshape(-1))
    head = np.array([*counts, 0], dtype="<u2").tobytes()
    return head + np.packbits(np.concatenate(stream).astype(np.uint8)).tobytes()


if __name__ == "__main__":
    target = Path(__file__).parent.parent / "rushlight" / "data" / "sobol.bin"
    target.write_bytes(pack(Path(sys.argv[1]).read_text().splitlines()))
