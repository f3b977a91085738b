"""Fuzzer: random sizes, layouts and element types, so that a benchmark tries many cases."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from .... import Tensor, float32
from ...._lazy import np

__all__ = ["FuzzedParameter", "FuzzedTensor", "Fuzzer", "ParameterAlias"]

_DISTRIBUTIONS = ("loguniform", "uniform")


class FuzzedParameter:
    """A random number: uniform or loguniform from `minval` to `maxval`, or one of a dict's keys.

    The dict's values are probabilities. `strict` refuses keys of another kind than numbers.
    """

    def __init__(
        self,
        name: str,
        minval: float | None = None,
        maxval: float | None = None,
        distribution: str | dict[Any, float] | None = None,
        strict: bool = False,
    ):
        self._name = name
        self._minval, self._maxval = minval, maxval
        self._distribution = self._check_distribution(distribution)
        self.strict = strict

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def _check_distribution(self, distribution):
        if isinstance(distribution, dict):
            total = sum(distribution.values())
            if abs(total - 1) > 1e-7:
                raise AssertionError("Distribution is not normalized")
            return distribution
        if distribution not in _DISTRIBUTIONS:
            raise AssertionError(f"Unknown distribution: {distribution}")
        if self._minval is None or self._maxval is None:
            raise ValueError(f"{distribution} needs minval and maxval")
        return distribution

    def sample(self, state) -> Any:
        """Draw one from a numpy.random.RandomState."""
        if isinstance(self._distribution, dict):
            return self._custom_distribution(state)
        return (
            self._loguniform(state) if self._distribution == "loguniform" else self._uniform(state)
        )

    def _loguniform(self, state):
        low, high = np.log2(self._minval), np.log2(self._maxval)
        drawn = 2 ** state.uniform(low, high)
        if isinstance(self._minval, int) and isinstance(self._maxval, int):
            return int(drawn)
        return drawn

    def _uniform(self, state):
        if isinstance(self._minval, int) and isinstance(self._maxval, int):
            return int(state.randint(self._minval, self._maxval + 1))
        return state.uniform(self._minval, self._maxval)

    def _custom_distribution(self, state):
        keys = list(self._distribution)
        drawn = keys[int(state.choice(len(keys), p=list(self._distribution.values())))]
        if self.strict and not isinstance(drawn, (int, float, bool, str, ParameterAlias)):
            raise ValueError(f"{self._name}: got {drawn!r}, expected a number or a text")
        return drawn


class ParameterAlias:
    """Among a parameter's choices: the value of another parameter."""

    def __init__(self, alias_to: str):
        self.alias_to = alias_to

    def __repr__(self) -> str:
        return f"ParameterAlias[alias_to: {self.alias_to}]"


def prod(values, base=1):
    """The product, in Python's numbers: it cannot overflow."""
    return functools.reduce(operator.mul, [int(v) for v in values], base)


class FuzzedTensor:
    """A tensor of random size and layout; `size` and `steps` are numbers or parameters' names.

    `steps` > 1 take slices of a larger one; where it is not contiguous, its dims are permuted.
    """

    def __init__(
        self,
        name: str,
        size: tuple[str | int, ...],
        steps: tuple[str | int, ...] | None = None,
        probability_contiguous: float = 0.5,
        min_elements: int | None = None,
        max_elements: int | None = None,
        max_allocation_bytes: int | None = None,
        dim_parameter: str | None = None,
        roll_parameter: str | None = None,
        dtype=float32,
        cuda: bool = False,
        tensor_constructor: Callable | None = None,
    ):
        self._name = name
        self._size = size
        self._steps = steps
        self._probability_contiguous = probability_contiguous
        self._min_elements = min_elements
        self._max_elements = max_elements
        self._max_allocation_bytes = max_allocation_bytes
        self._dim_parameter = dim_parameter
        self._roll_parameter = roll_parameter
        self._dtype = dtype
        self._cuda = cuda
        self._tensor_constructor = tensor_constructor

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @staticmethod
    def default_tensor_constructor(size, dtype, **kwargs) -> Tensor:
        """Numbers from 0 to 1, or whole numbers from 1 to 126."""
        import rushlight as torch

        if dtype.is_floating_point or dtype.is_complex:
            return torch.rand(size=size, dtype=dtype, device="cpu")
        high = 2 if dtype is torch.bool else 127
        return torch.randint(0 if high == 2 else 1, high, size=size, dtype=dtype, device="cpu")

    def _get_size_and_steps(self, params):
        dim = params[self._dim_parameter] if self._dim_parameter is not None else len(self._size)

        def resolve(values):
            return tuple(int(params.get(v, v)) for v in values)[:dim]

        size = resolve(self._size)
        steps = resolve(self._steps or ()) + (1,) * dim
        allocation = tuple(n * step for n, step in zip(size, steps[:dim], strict=True))
        return size, steps[:dim], allocation

    def _make_tensor(self, params, state):
        size, steps, allocation = self._get_size_and_steps(params)
        make = self._tensor_constructor or self.default_tensor_constructor
        raw = make(size=allocation, dtype=self._dtype, **params)
        if self._cuda:
            raw = raw.cuda()
        order = np.arange(len(size))
        if params.get(self._roll_parameter) is not None:
            order = np.roll(order, params[self._roll_parameter])
        elif state.rand() > self._probability_contiguous:
            while len(size) > 1 and (order == np.arange(len(size))).all():
                order = state.permutation(len(size))
        # Contiguous in a permuted order of dims.
        raw = raw.permute(tuple(int(d) for d in order)).contiguous()
        raw = raw.permute(tuple(int(d) for d in np.argsort(order)))
        tensor = raw[tuple(slice(0, None, step) for step in steps)]
        properties = {
            "numel": int(tensor.numel()),
            "order": order,
            "steps": steps,
            "is_contiguous": tensor.is_contiguous(),
            "dtype": str(self._dtype),
        }
        return tensor, properties

    def satisfies_constraints(self, params) -> bool:
        """Whether it is neither too small nor too big."""
        size, _, allocation = self._get_size_and_steps(params)
        count, nbytes = prod(size), prod(allocation) * self._dtype.itemsize
        return (
            (self._min_elements is None or count >= self._min_elements)
            and (self._max_elements is None or count <= self._max_elements)
            and (self._max_allocation_bytes is None or nbytes <= self._max_allocation_bytes)
        )


class Fuzzer:
    """Draws parameters and the tensors that they describe, until the constraints hold."""

    def __init__(
        self,
        parameters: list,
        tensors: list,
        constraints: list[Callable] | None = None,
        seed: int | None = None,
    ):
        if seed is None:
            seed = int(np.random.RandomState().randint(0, 2**32 - 1, dtype=np.int64))
        self._seed = seed
        self._parameters = Fuzzer._unpack(parameters, FuzzedParameter)
        self._tensors = Fuzzer._unpack(tensors, FuzzedTensor)
        self._constraints = tuple(constraints or ())
        names = [thing.name for thing in (*self._parameters, *self._tensors)]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError("Parameter and tensor names must be unique: " + ", ".join(doubled))
        self._rejections = 0
        self._total_generated = 0

    @staticmethod
    def _unpack(values, cls) -> tuple:
        return tuple(
            itertools.chain.from_iterable([v] if isinstance(v, cls) else v for v in values)
        )

    def take(self, n: int) -> Iterator[tuple[dict, dict, dict]]:
        """`n` times: tensors by name, what they are like, the parameters."""
        import rushlight as torch

        state = np.random.RandomState(self._seed)
        torch.manual_seed(int(state.randint(0, 2**63, dtype=np.int64)))
        for _ in range(n):
            params = self._generate(state)
            tensors, properties = {}, {}
            for tensor in self._tensors:
                tensors[tensor.name], properties[tensor.name] = tensor._make_tensor(params, state)
            yield tensors, properties, params

    @property
    def rejection_rate(self) -> float:
        """The part of what was drawn that the constraints refused."""
        if not self._total_generated:
            return 0.0
        return self._rejections / self._total_generated

    def _generate(self, state) -> dict:
        strict: dict = {}
        for _ in range(1000):
            drawn: dict = {}
            for parameter in self._parameters:
                if parameter.strict:
                    if parameter.name not in strict:
                        strict[parameter.name] = parameter.sample(state)
                    drawn[parameter.name] = strict[parameter.name]
                else:
                    drawn[parameter.name] = parameter.sample(state)
            params = self._resolve_aliases(drawn)
            self._total_generated += 1
            if all(f(params) for f in self._constraints) and all(
                tensor.satisfies_constraints(params) for tensor in self._tensors
            ):
                return params
            self._rejections += 1
        raise ValueError("Failed to generate a set of valid parameters.")

    @staticmethod
    def _resolve_aliases(params: dict) -> dict:
        resolved = dict(params)
        for name, value in params.items():
            seen = {name}
            while isinstance(value, ParameterAlias):
                if value.alias_to in seen or value.alias_to not in params:
                    raise ValueError("ParameterAlias cycle detected\n" + repr(value))
                seen.add(value.alias_to)
                value = params[value.alias_to]
            resolved[name] = value
        return resolved
