"""Random tensors for operators of one argument."""

from __future__ import annotations

from .... import float32
from ..utils.fuzzer import FuzzedParameter, FuzzedTensor, Fuzzer
from ._common import MAX_ELEMENTS, sizes, steps


class UnaryOpFuzzer(Fuzzer):
    """Tensors `x` of one to three dims, up to 32 million elements."""

    def __init__(self, seed, dtype=float32, cuda: bool = False):
        dims = {1: 0.3, 2: 0.4, 3: 0.3}
        super().__init__(
            parameters=[
                FuzzedParameter("dim", distribution=dims, strict=True),
                *sizes("k", 16 * 1024**2),
                steps("x"),
                FuzzedParameter("random_value", 0, 2**32 - 1, distribution="uniform"),
            ],
            tensors=[
                FuzzedTensor(
                    name="x", size=("k0", "k1", "k2"), steps=("x_step_0", "x_step_1", "x_step_2"),
                    probability_contiguous=0.75, min_elements=4 * 1024, max_elements=MAX_ELEMENTS,
                    max_allocation_bytes=2 * 1024**3, dim_parameter="dim", dtype=dtype, cuda=cuda,
                )
            ],
            seed=seed,
        )  # fmt: skip
