"""Masks by blocks: which blocks of the scores take part, and a function for those in between."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

_DEFAULT_SIZE = 128


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask function that hides nothing."""
    return batch.new_ones((), dtype=torch.bool)


def _sliced_mask_mod_error(batch, head, token_q, token_kv):
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask: the positions it would get are those of the "
        "slice. Set its mask_mod to one made from the mask_mod of the whole BlockMask."
    )


def block_sizes(size) -> tuple[int, int]:
    """Sizes of a block along the queries and the keys."""
    return (size, size) if isinstance(size, int) else tuple(size)


def _blocks(length, size):
    return -(-length // size)


def to_ordered(dense: Tensor) -> tuple[Tensor, Tensor]:
    """(number of ones of each row, all columns with those of the ones first)."""
    dense = dense.to(torch.int32)
    order = torch.argsort(dense, dim=-1, descending=True, stable=True)
    return dense.sum(-1).to(torch.int32), order.to(torch.int32).contiguous()


def to_dense(counts: Tensor, order: Tensor) -> Tensor:
    """What `to_ordered` was made from."""
    columns = order.shape[-1]
    present = torch.arange(columns, device=order.device) < counts.unsqueeze(-1)
    dense = torch.zeros(order.shape, dtype=torch.int32, device=order.device)
    return dense.scatter_(-1, order.to(torch.int64), present.to(torch.int32))


class BlockMask:
    """A mask of the scores (B, H, Q, KV), kept by blocks of BLOCK_SIZE.

    kv_num_blocks (B, H, rows) and kv_indices (B, H, rows, columns) name the blocks of each row
    that `mask_mod` decides within; full_kv_* those that take part as a whole. q_* and full_q_*
    say the same by columns.
    """

    _TENSORS = (
        "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices",
        "q_num_blocks", "q_indices", "full_q_num_blocks", "full_q_indices",
        "dq_write_order", "dq_write_order_full", "dq_kv_order",
    )  # fmt: skip

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        q_num_blocks: Tensor | None,
        q_indices: Tensor | None,
        full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (_DEFAULT_SIZE, _DEFAULT_SIZE),
        mask_mod=noop_mask,
        *,
        dq_write_order: Tensor | None = None,
        dq_write_order_full: Tensor | None = None,
        dq_kv_order: Tensor | None = None,
        dq_kv_order_spt: bool | None = None,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        for first, second in (
            ("full_kv_num_blocks", "full_kv_indices"),
            ("q_num_blocks", "q_indices"),
            ("full_q_num_blocks", "full_q_indices"),
        ):
            given = locals()
            if (given[first] is None) != (given[second] is None):
                raise AssertionError(f"{first} and {second} must be both provided or omitted")
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod
        # Orders of writing for one kernel on GPUs: kept for those who read them, never used.
        self.dq_write_order, self.dq_write_order_full = dq_write_order, dq_write_order_full
        self.dq_kv_order, self.dq_kv_order_spt = dq_kv_order, dq_kv_order_spt

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SIZE,
        mask_mod=None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
        *,
        dq_write_order: Tensor | None = None,
        dq_write_order_full: Tensor | None = None,
        dq_kv_order: Tensor | bool | None = None,
    ):
        """A mask from the blocks by rows; those by columns are found when asked for."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(
                "full_kv_num_blocks and full_kv_indices must be both provided or omitted"
            )
        size = block_sizes(BLOCK_SIZE)
        by_columns = [None] * 4
        if compute_q_blocks:
            by_columns[:2] = _transposed(kv_num_blocks, kv_indices)
            if full_kv_num_blocks is not None:
                by_columns[2:] = _transposed(full_kv_num_blocks, full_kv_indices)
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices,
            *by_columns, size, noop_mask if mask_mod is None else mask_mod,
            dq_write_order=dq_write_order, dq_write_order_full=dq_write_order_full,
            dq_kv_order=dq_kv_order if isinstance(dq_kv_order, Tensor) else None,
            dq_kv_order_spt=dq_kv_order if isinstance(dq_kv_order, bool) else None,
        )  # fmt: skip

    def as_tuple(self, flatten: bool = True) -> tuple:
        """Everything of the mask in a fixed order; `flatten` opens the pairs of sizes."""
        tensors = [getattr(self, name) for name in self._TENSORS]
        size = self.BLOCK_SIZE if flatten else (self.BLOCK_SIZE,)
        lengths = self.seq_lengths if flatten else (self.seq_lengths,)
        return (*lengths, *tensors, self.dq_kv_order_spt, *size, self.mask_mod)

    @property
    def shape(self) -> tuple:
        """Sizes of the scores."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of scores."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    def sparsity(self) -> float:
        """The share of the scores, in percent, in blocks that take no part."""
        area = self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        blocks = self.kv_num_blocks.sum()
        if self.full_kv_num_blocks is not None:
            blocks = blocks + self.full_kv_num_blocks.sum()
        return 100 * (1 - blocks.item() * area / self.numel())

    def to_dense(self) -> Tensor:
        """1 for each block that takes part, 0 for the others."""
        dense = to_dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is not None:
            dense = dense | to_dense(self.full_kv_num_blocks, self.full_kv_indices)
        return dense

    def allowed(self, q: Tensor, kv: Tensor, decided: Tensor) -> Tensor:
        """What the blocks leave of `decided`, the values of mask_mod at these positions."""
        rows = q.reshape(-1).to(torch.int64) // self.BLOCK_SIZE[0]
        columns = kv.reshape(-1).to(torch.int64) // self.BLOCK_SIZE[1]

        def spread(counts, order):
            return to_dense(counts, order)[..., rows, :][..., columns] != 0

        result = spread(self.kv_num_blocks, self.kv_indices) & decided
        if self.full_kv_num_blocks is not None:
            result = result | spread(self.full_kv_num_blocks, self.full_kv_indices)
        return result

    def __getitem__(self, index):
        """A part of the batch, the heads or the rows of blocks; no dimension goes away."""
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in [i for i in index if not isinstance(i, Tensor)]:
            place = [i is Ellipsis for i in index].index(True)
            fill = (slice(None),) * max(0, self.kv_num_blocks.dim() - len(index) + 1)
            index = index[:place] + fill + index[place + 1 :]
        index = tuple(
            (slice(i, i + 1) if i != -1 else slice(i, None)) if isinstance(i, int) else i
            for i in index[: self.kv_num_blocks.dim()]
        )

        def part(tensor):
            return None if tensor is None else tensor[index]

        return type(self).from_kv_blocks(
            part(self.kv_num_blocks),
            part(self.kv_indices),
            part(self.full_kv_num_blocks),
            part(self.full_kv_indices),
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=_sliced_mask_mod_error,
            seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )

    def _adjust(self, new_q_len: int, new_kv_len: int):
        """The same mask for fewer queries and keys."""
        rows = _blocks(new_q_len, self.BLOCK_SIZE[0])
        columns = _blocks(new_kv_len, self.BLOCK_SIZE[1])

        def cut(counts, order):
            if counts is None:
                return None, None
            return to_ordered(to_dense(counts, order)[..., :rows, :columns])

        return type(self).from_kv_blocks(
            *cut(self.kv_num_blocks, self.kv_indices),
            *cut(self.full_kv_num_blocks, self.full_kv_indices),
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=self.mask_mod,
            seq_lengths=(new_q_len, new_kv_len),
            compute_q_blocks=self.q_indices is not None,
        )

    def to(self, device) -> BlockMask:
        """The same mask with its tensors on another device."""
        moved = {
            name: None if tensor is None else tensor.to(device)
            for name, tensor in ((name, getattr(self, name)) for name in self._TENSORS)
        }
        return BlockMask(
            self.seq_lengths,
            **moved,
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=self.mask_mod,
            dq_kv_order_spt=self.dq_kv_order_spt,
        )

    def __repr__(self) -> str:
        def described(name):
            tensor = getattr(self, name)
            return f"{name}={None if tensor is None else tensor.shape}"

        lines = [described(name) for name in self._TENSORS[:8]]
        lines += [
            f"BLOCK_SIZE={self.BLOCK_SIZE}",
            f"shape={self.shape}",
            f"sparsity={self.sparsity():.2f}%",
            f"mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}",
        ]
        return "BlockMask(\n    " + ",\n    ".join(lines) + "\n)"

    def __str__(self) -> str:
        picture = self.to_string().rstrip("\n")
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{picture}\n)"

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A drawing of the blocks: full, in part and empty. A grid of -1 draws every block."""
        dense = self.to_dense()
        shape = dense.shape[:-2]
        flat = dense.reshape(-1, *dense.shape[-2:]).tolist()
        parts = []
        for i, picture in enumerate(flat):
            if i == limit:
                parts.append(
                    "...\nTo print out more, set BlockMask.to_string(limit=N)\nYou can also index "
                    "(BlockMask[batch, head]) to choose a specific batch or head"
                )
                break
            place, rest = [], i
            for size in reversed(shape):
                place.insert(0, rest % size)
                rest //= size
            parts.append(f"{tuple(place)}\n{_drawing(picture, grid_size)}\n")
        return "\n".join(parts)


def _drawing(picture, grid_size):
    """A character pair for each cell of the grid over a matrix of 0 and 1."""
    rows, columns = len(picture), len(picture[0])
    if grid_size == -1:
        grid_size = (rows, columns)
    grid = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
    high = max(1, _blocks(rows, grid[0]))
    wide = max(1, _blocks(columns, grid[1]))
    lines = []
    for top in range(0, rows, high):
        line = ""
        for left in range(0, columns, wide):
            cells = [v for row in picture[top : top + high] for v in row[left : left + wide]]
            share = sum(cells) / len(cells)
            line += "  " if share == 0 else "██" if share == 1 else "░░"
        lines.append(line)
    return "\n".join(lines)


def _transposed(counts, order):
    """The blocks by columns."""
    return to_ordered(to_dense(counts, order).transpose(-2, -1))
