"""The type of tensors: plain, or with what is known of dtype, device, shape and strides."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _C
from ._plain_types import Type

DTYPE_NAMES = {d._scalar_name: d for d in _C.dtypes}


class TensorType(Type):
    """Tensor; `sizes_` is None where not even the rank is known, an unknown size is None."""

    __slots__ = ("device_", "dtype_", "inferred", "requires_grad_", "sizes_", "strides_")

    def __init__(
        self,
        dtype=None,
        device=None,
        sizes: Sequence[int | None] | None = None,
        strides: Sequence[int | None] | None = None,
        requires_grad: bool | None = None,
        inferred: bool = False,
    ) -> None:
        self.dtype_, self.device_ = dtype, device
        self.sizes_ = None if sizes is None else tuple(sizes)
        self.strides_ = None if strides is None else tuple(strides)
        self.requires_grad_ = requires_grad
        self.inferred = inferred

    @classmethod
    def get(cls) -> TensorType:
        """Tensor, nothing more."""
        return _PLAIN

    @classmethod
    def getInferred(cls) -> TensorType:
        """Tensor where no annotation says so."""
        return _INFERRED

    @classmethod
    def create_from_tensor(cls, tensor) -> TensorType:
        """All that can be said of one tensor."""
        return cls(
            tensor.dtype,
            tensor.device,
            tuple(tensor.shape),
            tuple(tensor.stride()),
            tensor.requires_grad,
        )

    def str(self) -> str:
        details = self._details()
        if self.dtype_ is None and not details:
            return "Tensor"
        name = "Tensor" if self.dtype_ is None else self.dtype_._scalar_name
        return f"{name}({', '.join(details)})" if details or self.sizes_ == () else name

    def _details(self) -> list[str]:
        details = [_size(n) for n in self.sizes_ or ()]
        if self.strides_ is not None and None not in self.strides_ and self.strides_:
            details.append(f"strides=[{', '.join(map(_size, self.strides_))}]")
        if self.requires_grad_ is not None:
            details.append(f"requires_grad={int(self.requires_grad_)}")
        if self.device_ is not None:
            details.append(f"device={self.device_}")
        return details

    @property
    def annotation_str(self) -> str:
        return "Tensor"

    def _key(self):
        return self.dtype_, str(self.device_), self.sizes_, self.strides_, self.requires_grad_

    def unshaped(self) -> Type:
        return _PLAIN

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other):
            return True
        return isinstance(other, TensorType) and merge(self, other)._key() == other._key()

    def isComplete(self) -> bool:
        """Whether dtype, device, sizes and strides are all known."""
        known = self.dtype_ is not None and self.device_ is not None
        shape = (self.sizes_, self.strides_)
        return known and all(s is not None and None not in s for s in shape)

    def dim(self) -> int | None:
        """The rank, if known."""
        return None if self.sizes_ is None else len(self.sizes_)

    def sizes(self) -> list[int] | None:
        """The shape, if all of it is known."""
        return None if self.sizes_ is None or None in self.sizes_ else list(self.sizes_)  # type: ignore[arg-type]

    def varyingSizes(self) -> list[int | None] | None:
        """The shape with None for sizes that are unknown; None for an unknown rank."""
        return None if self.sizes_ is None else list(self.sizes_)

    def symbolic_sizes(self) -> list[int] | None:
        """The shape with a negative number for sizes that are unknown."""
        if self.sizes_ is None:
            return None
        return [-(i + 1) if n is None else n for i, n in enumerate(self.sizes_)]

    def strides(self) -> list[int] | None:
        """The strides, if all are known."""
        return None if self.strides_ is None or None in self.strides_ else list(self.strides_)  # type: ignore[arg-type]

    def scalarType(self) -> str | None:
        """The name of the dtype as graphs print it: Float, Long."""
        return None if self.dtype_ is None else self.dtype_._scalar_name

    def dtype(self):
        """The dtype, if known."""
        return self.dtype_

    def device(self):
        """The device, if known."""
        return self.device_

    def requires_grad(self) -> bool:
        """Whether it may require grad: yes where nothing is known."""
        return self.requires_grad_ is not False

    def undefined(self) -> bool | None:
        """Whether there is no tensor at all: not known."""
        return None if self.sizes_ is None else False

    def contiguous(self) -> TensorType:
        """The same type with the strides of a contiguous tensor."""
        strides, step = [], 1
        for n in reversed(self.sizes_ or ()):
            strides.insert(0, step)
            step *= max(n or 1, 1)
        return self._with(strides_=tuple(strides))

    def with_sizes(self, sizes: Sequence[int | None] | None) -> TensorType:
        """The same type with other sizes, the strides unknown."""
        return self._with(sizes_=None if sizes is None else tuple(sizes), strides_=None)

    def with_dtype(self, dtype) -> TensorType:
        """The same type with another dtype."""
        return self._with(dtype_=dtype)

    def with_device(self, device) -> TensorType:
        """The same type on another device."""
        return self._with(device_=device)

    def _with(self, **changes) -> TensorType:
        made = TensorType(
            self.dtype_, self.device_, self.sizes_, self.strides_, self.requires_grad_
        )
        for name, value in changes.items():
            setattr(made, name, value)
        return made


def _size(n: int | None) -> str:
    return "*" if n is None else str(n)


def merge(a: TensorType, b: TensorType) -> TensorType:
    """What holds of both."""

    def agreed(x, y):
        return x if x == y else None

    def each(x, y):
        if x is None or y is None or len(x) != len(y):
            return None
        return tuple(map(agreed, x, y))

    return TensorType(
        agreed(a.dtype_, b.dtype_),
        a.device_ if str(a.device_) == str(b.device_) else None,
        each(a.sizes_, b.sizes_),
        each(a.strides_, b.strides_),
        agreed(a.requires_grad_, b.requires_grad_),
    )


_PLAIN = TensorType()
_INFERRED = TensorType(inferred=True)
