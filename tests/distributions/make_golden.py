"""Writes golden.npz and words.json: what PyTorch 2.13 gives and says. Where it is installed:

python tests/distributions/make_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import distribution_cases
import numpy as np
import pair_cases
import word_cases

GOLDEN = Path(__file__).parent / "golden.npz"
WORDS = Path(__file__).parent / "words.json"


def collect(lib):
    """One flat dict: name to array of float64."""
    found = {}
    for case in distribution_cases.CASES:
        for dtype in distribution_cases.dtypes_of(case):
            for name, array in distribution_cases.measure(lib, case, dtype).items():
                found[f"{distribution_cases.name_of(case)} | {dtype} | {name}"] = array
    for part in (pair_cases.divergences, pair_cases.transformed, pair_cases.checked):
        for name, array in part(lib).items():
            found[f"{part.__name__} | {name}"] = array
    return found


def write(found):
    index = json.dumps([[name, array.shape] for name, array in found.items()]).encode()
    # Byte planes: the signs and exponents of neighbours compress well together.
    values = np.concatenate([array.reshape(-1) for array in found.values()])
    planes = values.view(np.uint8).reshape(-1, 8).T.copy()
    np.savez_compressed(GOLDEN, index=np.frombuffer(index, np.uint8), planes=planes)


def read():
    with np.load(GOLDEN) as file:
        index, planes = json.loads(file["index"].tobytes()), file["planes"]
    values, found, at = planes.T.copy().view(np.float64).reshape(-1), {}, 0
    for name, shape in index:
        size = int(np.prod(shape))
        found[name] = values[at : at + size].reshape(shape)
        at += size
    return found


if __name__ == "__main__":
    import torch

    write(collect(torch))
    words = {e: word_cases.said(torch, e) for e in word_cases.EXPRESSIONS}
    WORDS.write_text(json.dumps(words, indent=0))
