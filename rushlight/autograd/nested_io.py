"""Functions whose inputs and outputs are nested; kept for old programs."""

from __future__ import annotations

from .function import Function


class NestedIOFunction(Function):
    """A Function that takes and returns nested tuples and lists of tensors."""

    @classmethod
    def apply(cls, *args):
        """Run on the flattened arguments and nest the results again."""
        flat: list = []
        structure = _flatten(args, flat)
        shape_of_result: list = []

        class Flat(Function):
            @staticmethod
            def forward(ctx, *tensors):
                result = cls.forward(ctx, *_nest(structure, iter(tensors)))
                outputs: list = []
                shape_of_result.append(_flatten(result, outputs))
                return tuple(outputs)

            @staticmethod
            def backward(ctx, *grads):
                nested = _nest(shape_of_result[0], iter(grads))
                results: list = []
                arguments = nested if isinstance(nested, tuple) else (nested,)
                _flatten(cls.backward(ctx, *arguments), results)
                return tuple(results)

        Flat.__name__ = cls.__name__
        outputs = Flat.apply(*flat)
        return _nest(shape_of_result[0], iter(outputs))


def _flatten(value, flat: list):
    """Append the leaves of nested tuples and lists to `flat`; the structure, to nest them again."""
    if isinstance(value, (tuple, list)):
        return type(value), [_flatten(item, flat) for item in value]
    flat.append(value)
    return None


def _nest(structure, leaves):
    if structure is None:
        return next(leaves)
    kind, parts = structure
    return kind([_nest(part, leaves) for part in parts])
