"""Random tensors for operators of two arguments."""

from __future__ import annotations

from .... import float32
from ..utils.fuzzer import FuzzedParameter, FuzzedTensor, Fuzzer, ParameterAlias
from ._common import MAX_ELEMENTS, sizes, steps


class BinaryOpFuzzer(Fuzzer):
    """Tensors `x` and `y` of one to three dims; y is broadcast against x in some cases."""

    def __init__(self, seed, dtype=float32, cuda: bool = False):
        dims = {1: 0.3, 2: 0.4, 3: 0.3}
        same_or_one = [
            FuzzedParameter(f"y_k{i}", distribution={ParameterAlias(f"k{i}"): 0.8, 1: 0.2},
                            strict=True)
            for i in range(3)
        ]  # fmt: skip
        shared = {"probability_contiguous": 0.75, "dim_parameter": "dim", "dtype": dtype,
                  "max_allocation_bytes": 2 * 1024**3, "cuda": cuda}  # fmt: skip
        super().__init__(
            parameters=[
                FuzzedParameter("dim", distribution=dims, strict=True),
                *sizes("k", 16 * 1024**2),
                same_or_one,
                steps("x"),
                steps("y"),
                FuzzedParameter("random_value", 0, 2**32 - 1, distribution="uniform"),
            ],
            tensors=[
                FuzzedTensor(
                    name="x", size=("k0", "k1", "k2"), steps=("x_step_0", "x_step_1", "x_step_2"),
                    min_elements=4 * 1024, max_elements=MAX_ELEMENTS, **shared,
                ),
                FuzzedTensor(
                    name="y", size=("y_k0", "y_k1", "y_k2"),
                    steps=("y_step_0", "y_step_1", "y_step_2"), **shared,
                ),
            ],
            seed=seed,
        )  # fmt: skip
