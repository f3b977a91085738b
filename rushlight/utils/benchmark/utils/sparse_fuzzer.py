"""Random sparse tensors."""

from __future__ import annotations

from .... import Tensor, float32
from .fuzzer import FuzzedTensor


class FuzzedSparseTensor(FuzzedTensor):
    """A sparse tensor whose number of sparse dims, filling and duplicates are parameters."""

    def __init__(
        self,
        name: str,
        size: tuple[str | int, ...],
        min_elements: int | None = None,
        max_elements: int | None = None,
        dim_parameter: str | None = None,
        sparse_dim: str | None = None,
        nnz: str | None = None,
        density: str | None = None,
        coalesced: str | None = None,
        dtype=float32,
        cuda: bool = False,
    ):
        super().__init__(
            name=name, size=size, min_elements=min_elements, max_elements=max_elements,
            dim_parameter=dim_parameter, dtype=dtype, cuda=cuda,
        )  # fmt: skip
        self._density = density
        self._coalesced = coalesced
        self._sparse_dim = sparse_dim

    @staticmethod
    def sparse_tensor_constructor(size, dtype, sparse_dim, nnz, is_coalesced) -> Tensor:
        """`nnz` random elements in a sparse tensor, some of them twice unless it is coalesced."""
        import rushlight as torch

        if isinstance(size, (int, float)):
            size = [size] * sparse_dim
        if not (all(n > 0 for n in size[:sparse_dim]) or nnz == 0):
            raise AssertionError("invalid arguments")
        shape = [nnz, *size[sparse_dim:]]
        values = FuzzedTensor.default_tensor_constructor(tuple(shape), dtype)
        limits = torch.tensor(size[:sparse_dim], dtype=torch.float64).unsqueeze(1)
        indices = (torch.rand(sparse_dim, nnz, dtype=torch.float64) * limits).long()
        if not is_coalesced:
            values = torch.cat([values, values], dim=0)
            indices = torch.cat([indices, indices], dim=1)
        made = torch.sparse_coo_tensor(indices, values, torch.Size(size))
        return made.coalesce() if is_coalesced else made

    def _make_tensor(self, params, state):
        size, _, _ = self._get_size_and_steps(params)
        count = 1
        for n in size:
            count *= n
        density = params["density"]
        dims = params[self._sparse_dim] if self._sparse_dim else len(size)
        dims = min(dims, len(size))
        cells = 1
        for n in size[:dims]:
            cells *= n
        filled = max(int(cells * density), 1)
        coalesced = params[self._coalesced] if self._coalesced else True
        tensor = self.sparse_tensor_constructor(size, self._dtype, dims, filled, coalesced)
        if self._cuda:
            tensor = tensor.cuda()
        properties = {
            "numel": int(tensor.numel()),
            "shape": tensor.size(),
            "is_coalesced": tensor.is_coalesced(),
            "density": density,
            "sparsity": 1.0 - density,
            "sparse_dim": tensor.sparse_dim(),
            "dense_dim": tensor.dense_dim(),
            "is_hybrid": tensor.dense_dim() > 0,
            "dtype": str(self._dtype),
        }
        return tensor, properties
