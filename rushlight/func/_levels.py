"""The level of a vmap: how an operator whose arguments differ from lane to lane is run."""

from __future__ import annotations

from .. import _C


class VmapLevel(_C.Level):
    """The interpreter of one vmap: lowers a call to its physical tensors, and wraps the results."""

    def __init__(self, size: int, randomness: str):
        super().__init__(True, _C.transforms())
        self.size = size
        self.randomness = randomness

    def process(self, op, args, kwargs):
        """Run an operator for all lanes at once."""
        from . import _batching

        lowered, named, batched = _C.lower(self, args, kwargs, _batching.Lanes)
        if op.random:
            from . import _random

            return _random.run(self, op, args, lowered, named, batched)
        if not batched:
            return _C.lift(self, op(*lowered, **named), args, False)
        if op.inplace and type(lowered[0]) is not _batching.Lanes:
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists "
                "a Tensor `other` in extra_args that has more elements than `self`. This happened "
                "due to `other` being vmapped over but `self` not being vmapped over in a vmap. "
                "Please try to use out-of-place operators instead of inplace arithmetic: "
                f"{op.__name__[:-1]} instead of {op.__name__}"
            )
        result = _batching.run(op, self.size, lowered, named)
        return args[0] if op.inplace else _C.lift(self, result, args, True)


class entered:
    """Counts a transform, and puts its level, if it has one, on the stack for a `with` block."""

    def __init__(self, make_level=None):
        self._make_level = make_level
        self.level = None

    def __enter__(self):
        _C.enter_transform()
        if self._make_level is not None:
            try:
                self.level = self._make_level()
                _C.push_interpreter(self.level)
            except BaseException:
                _C.leave_transform()
                raise
        return self.level

    def __exit__(self, *exc):
        if self.level is not None:
            _C.close_level(self.level)
        _C.leave_transform()
