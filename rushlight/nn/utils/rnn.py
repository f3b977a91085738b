"""Packing sequences of different lengths for recurrent layers."""

from __future__ import annotations

from collections import namedtuple

import rushlight as torch
from rushlight import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

PackedSequence_ = namedtuple(
    "PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"]
)
PackedSequence_.__qualname__ = PackedSequence_.__name__ = "PackedSequence_"


class PackedSequence(PackedSequence_):
    """Time steps of sorted sequences joined: `data` is (sum, *), `batch_sizes` rows per step.

    `sorted_indices` says how the batch was sorted, `unsorted_indices` how to undo it.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None and isinstance(data, (list, tuple)):  # unpacked as one argument
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is not None and batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never "
                "be created manually. They should be instantiated by functions like "
                "pack_sequence and pack_padded_sequences in nn.utils.rnn."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __repr__(self) -> str:
        pairs = zip(self._fields, self, strict=True)
        parts = ", ".join(f"{name}={value!r}" for name, value in pairs)
        return f"PackedSequence({parts})"

    def __getnewargs__(self):
        return tuple(self)

    def to(self, *args, **kwargs) -> PackedSequence:
        """The same with data (and orders) moved or cast."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        kwargs = {k: v for k, v in kwargs.items() if k not in ("device", "dtype")}
        orders = [
            None if order is None else order.to(data.device, **kwargs)
            for order in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *orders)

    def cuda(self, *args, **kwargs) -> PackedSequence:
        """The same on a GPU."""
        if not args and "device" not in kwargs:
            kwargs["device"] = "cuda"
        return self.to(*args, **kwargs)

    def cpu(self, *args, **kwargs) -> PackedSequence:
        """The same on the CPU."""
        return self.to(*args, device="cpu", **kwargs)

    def double(self) -> PackedSequence:
        """The same in float64."""
        return self.to(dtype=torch.double)

    def float(self) -> PackedSequence:
        """The same in float32."""
        return self.to(dtype=torch.float)

    def half(self) -> PackedSequence:
        """The same in float16."""
        return self.to(dtype=torch.half)

    def long(self) -> PackedSequence:
        """The same in int64."""
        return self.to(dtype=torch.long)

    def int(self) -> PackedSequence:
        """The same in int32."""
        return self.to(dtype=torch.int)

    def short(self) -> PackedSequence:
        """The same in int16."""
        return self.to(dtype=torch.short)

    def char(self) -> PackedSequence:
        """The same in int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> PackedSequence:
        """The same in uint8."""
        return self.to(dtype=torch.uint8)

    def pin_memory(self) -> PackedSequence:
        """The same in pinned memory."""
        parts = [
            None if part is None else part.pin_memory()
            for part in (self.data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(*parts)

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data are in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes an order."""
    if permutation is None:
        return None
    inverse = torch.empty_like(permutation)
    places = torch.arange(permutation.numel(), device=permutation.device)
    inverse.scatter_(0, permutation, places.to(permutation.dtype))
    return inverse


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | list[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack (T, N, *) sequences of the given lengths; (N, T, *) with batch_first."""
    if not isinstance(lengths, Tensor):
        lengths = torch.tensor(lengths, dtype=torch.int64)
    elif lengths.device.type != "cpu":
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.dim()}D {lengths.device} {lengths.dtype} tensor"
        )
    if not isinstance(input, Tensor):
        raise TypeError(
            f"pack_padded_sequence(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    lengths = lengths.to(torch.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    counts = lengths.tolist()
    _check_lengths(counts, input)
    sizes = [sum(1 for n in counts if n > t) for t in range(counts[0])]
    data = torch.cat([input[t, :size] for t, size in enumerate(sizes)])
    return PackedSequence(data, torch.tensor(sizes, dtype=torch.int64), sorted_indices, None)


def _check_lengths(counts, input):
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(counts) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={input.size(1)})"
        )
    if any(n <= 0 for n in counts):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in zip(counts, counts[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence "
            "to sidestep this requirement if you do not need ONNX exportability."
        )
    if counts[0] > input.size(0):
        raise RuntimeError(
            f"pack_padded_sequence: the longest length is {counts[0]}, but the input has only "
            f"{input.size(0)} time steps"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(padded (T, N, *) tensor, lengths) of packed sequences, in their original order."""
    sizes = sequence.batch_sizes.tolist()
    longest = len(sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being "
                f"{longest}"
            )
        longest = total_length
    data = sequence.data
    batch, rest = sizes[0], tuple(data.shape[1:])
    rows = []
    for part in data.split(sizes):
        missing = batch - part.shape[0]
        if missing:
            part = torch.cat((part, part.new_full((missing, *rest), padding_value)))
        rows.append(part)
    padded = torch.stack(rows)
    if longest > len(sizes):
        tail = data.new_full((longest - len(sizes), batch, *rest), padding_value)
        padded = torch.cat((padded, tail))
    lengths = torch.tensor([sum(1 for s in sizes if s > n) for n in range(batch)])
    if batch_first:
        padded = padded.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is not None:
        padded = padded.index_select(0 if batch_first else 1, order)
        lengths = lengths[order.cpu()]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | list[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack (L, *) tensors of different lengths into (T, N, *), padded at one side."""
    if not hasattr(sequences, "__iter__"):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    sequences = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    for s in sequences:
        if not isinstance(s, Tensor):
            raise TypeError(f"pad_sequence: expected Tensor as element, but got {type(s).__name__}")
    if any(s.dim() == 0 for s in sequences):
        raise RuntimeError("pad_sequence: sequences must have at least one dimension: got 0-d")
    longest = max(s.size(0) for s in sequences)
    first, rest = sequences[0], tuple(sequences[0].shape[1:])
    padded = []
    for s in sequences:
        missing = longest - s.size(0)
        if missing:
            filler = first.new_full((missing, *rest), padding_value)
            s = torch.cat((s, filler) if padding_side == "right" else (filler, s))
        padded.append(s)
    return torch.stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded (T, N, *) tensor as a list."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    counts = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    return [s[:n] for s, n in zip(padded_sequences.unbind(0), counts, strict=False)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of (L, *) tensors."""
    lengths = torch.tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a PackedSequence as a list."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
