"""2:4 semi-structured sparsity: it exists for CUDA devices only, and says so."""

from __future__ import annotations

from .. import _C


class SparseSemiStructuredTensor(_C.Tensor):
    """A matrix with two zeros in every four elements, in the form tensor cores read."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(
            f"{cls.__name__} needs a CUDA device of compute capability 8.0 or more: only CUDA "
            "tensors are currently supported."
        )

    @classmethod
    def from_dense(cls, original_tensor):
        """The semi-structured form of a dense CUDA matrix."""
        return to_sparse_semi_structured(original_tensor)


class SparseSemiStructuredTensorCUTLASS(SparseSemiStructuredTensor):
    """The form that CUTLASS kernels read."""

    BACKEND = "cutlass"


class SparseSemiStructuredTensorCUSPARSELT(SparseSemiStructuredTensor):
    """The form that cuSPARSELt reads."""

    BACKEND = "cusparselt"


def to_sparse_semi_structured(original_tensor, transposed: bool = False):
    """The semi-structured form of a dense CUDA matrix: RuntimeError for any other tensor."""
    raise RuntimeError(
        f"Error original_tensor.device= {original_tensor.device} is not supported! "
        "Only CUDA tensors are currently supported."
    )
