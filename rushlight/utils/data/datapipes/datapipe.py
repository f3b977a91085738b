"""The two kinds of pipes: streams (`IterDataPipe`) and sequences (`MapDataPipe`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, update_wrapper

from ..dataset import Dataset, IterableDataset


class _Chained:
    """Gives a pipe its methods: every pipe that is registered under a name is one."""

    functions: dict = {}

    def __getattr__(self, name: str):
        if name in type(self).functions:
            function = partial(type(self).functions[name], self)
            return update_wrapper(function, type(self).functions[name], assigned=("__doc__",))
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def register_function(cls, function_name: str, function) -> None:
        """Make `function(pipe, ...)` a method of all pipes of this kind."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register, enable_df_api_tracing: bool = False
    ) -> None:
        """Make a pipe's class a method of all pipes of this kind."""
        if function_name in cls.functions:
            raise Exception(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )

        def make(source, *args, **kwargs):
            return cls_to_register(source, *args, **kwargs)

        make.__doc__ = cls_to_register.__doc__
        cls.functions[function_name] = make

    def __getstate__(self):
        return self.__dict__

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return type(self).__qualname__

    def __dir__(self):
        return [*super().__dir__(), *type(self).functions]


class IterDataPipe(_Chained, IterableDataset):
    """A stream; `batch`, `map`, `shuffle` and others put streams together.

    One iterator at a time: a new one ends those before it. `reset`, where a pipe has it, runs at
    the beginning of each.
    """

    functions: dict = {}
    _is_iter_pipe = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__iter__" in cls.__dict__:
            cls.__iter__ = _one_at_a_time(cls.__dict__["__iter__"])

    def reset(self) -> None:
        """Begin anew; pipes with a state of their own define it."""


def _one_at_a_time(begin):
    def __iter__(self):  # noqa: N807
        number = self.__dict__.get("_iterators", 0) + 1
        self.__dict__["_iterators"] = number
        self.reset()
        return _Watched(self, begin(self), number)

    __iter__.__doc__ = begin.__doc__
    return __iter__


class _Watched(Iterator):
    """An iterator that stops working when its pipe has a newer one."""

    def __init__(self, pipe: IterDataPipe, inner: Iterator, number: int):
        self._pipe, self._inner, self._number = pipe, inner, number

    def __next__(self):
        if self._pipe.__dict__["_iterators"] != self._number:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created from "
                f"the same IterDataPipe: {self._pipe!r}. Only one iterator at a time is valid."
            )
        return next(self._inner)


class DFIterDataPipe(IterDataPipe):
    """A stream of data frames."""

    def _is_dfpipe(self) -> bool:
        return True

    def __iter__(self):
        """Its rows; a subclass defines them."""
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")


class MapDataPipe(_Chained, Dataset):
    """A sequence, or a mapping, whose items are made when asked for."""

    functions: dict = {}


class DataChunk(list):
    """A batch: a list that prints as one."""

    def __init__(self, items):
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The items in brackets."""
        return indent + "[" + ", ".join(str(item) for item in self) + "]"

    def __iter__(self):
        yield from super().__iter__()

    def raw_iterator(self):
        """The items as they are."""
        yield from self.items
