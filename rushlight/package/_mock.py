"""What stands in a package for modules that were mocked; its source is put into packages."""

from __future__ import annotations


def _refusing(name: str):
    def refuse(self, *args, **kwargs):
        raise NotImplementedError(
            f"Object '{self._name}' was mocked out during packaging but it is being used in {name}"
        )

    return refuse


class MockedObject:
    """Anything that is asked of a mocked module: it can be named, not used."""

    _name: str

    def __new__(cls, *args, **kwargs):
        if not kwargs.get("_suppress_err"):
            raise NotImplementedError(
                f"Object '{cls._name}' was mocked out during packaging but it is being used in "
                "'__new__'. If this error is happening during 'load_pickle', please ensure that "
                "your pickled object doesn't contain any mocked objects."
            )
        return super().__new__(cls)

    def __init__(self, name: str, _suppress_err: bool):
        self.__dict__["_name"] = name

    def __repr__(self):
        return f"MockedObject({self._name})"


for _name in (
    "__abs__ __add__ __and__ __call__ __contains__ __delattr__ __delitem__ __divmod__ __enter__ "
    "__exit__ __float__ __floordiv__ __ge__ __getattr__ __getitem__ __gt__ __iadd__ __imul__ "
    "__index__ __int__ __invert__ __isub__ __iter__ __le__ __len__ __lshift__ __lt__ __matmul__ "
    "__mod__ __mul__ __neg__ __next__ __or__ __pos__ __pow__ __radd__ __rand__ __reversed__ "
    "__rfloordiv__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rshift__ __rsub__ "
    "__rtruediv__ __rxor__ __setattr__ __setitem__ __sub__ __truediv__ __xor__"
).split():
    setattr(MockedObject, _name, _refusing(_name))
