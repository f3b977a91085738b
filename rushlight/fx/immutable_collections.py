"""Lists and dictionaries that refuse changes: what the arguments of a node are kept in."""

from __future__ import annotations

from typing import Any, NoReturn

from ..utils._pytree import register_pytree_node

__all__ = ["immutable_list", "immutable_dict"]

_HELP = (
    "If you are attempting to modify the kwargs or args of a torch.fx.Node object,\n"
    "instead create a new copy of it and assign the copy to the node:\n\n"
    "    new_args = ...  # copy and mutate args\n"
    "    node.args = new_args"
)
_LIST_CHANGES = """
    __delitem__ __iadd__ __imul__ __setitem__ append clear extend insert pop remove reverse sort
""".split()
_DICT_CHANGES = """
    __delitem__ __ior__ __setitem__ clear pop popitem setdefault update
""".split()


def _no_mutation(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(f"'{type(self).__name__}' object does not support mutation. {_HELP}")


class immutable_list(list):
    """A list that cannot be changed; hashable as its elements are."""

    locals().update(dict.fromkeys(_LIST_CHANGES, _no_mutation))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self):
        return immutable_list, (tuple(self),)


class immutable_dict(dict):
    """A dictionary that cannot be changed; hashable as its items are."""

    locals().update(dict.fromkeys(_DICT_CHANGES, _no_mutation))

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __reduce__(self):
        return immutable_dict, (tuple(self.items()),)


register_pytree_node(
    immutable_list,
    lambda values: (list(values), None),
    lambda values, context: immutable_list(values),
    serialized_type_name="torch.fx.immutable_collections.immutable_list",
)
register_pytree_node(
    immutable_dict,
    lambda values: (list(values.values()), list(values)),
    lambda values, context: immutable_dict(zip(context, values, strict=True)),
    serialized_type_name="torch.fx.immutable_collections.immutable_dict",
)
