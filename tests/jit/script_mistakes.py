# ruff: noqa: UP007, UP045 (as users of the language write)
"""Programs that the compiler refuses, with words that its error has under both libraries."""

from typing import Optional

import rushlight as torch

Tensor = torch.Tensor


def two_types(x: bool):
    if x:
        y = 1
    else:
        y = "a"
    return y


def one_branch(x: bool):
    if x:
        y = 1
    return y


def other_type_in_a_loop(x: bool):
    y = 1
    y = "a"
    for _ in range(3):
        y = 1
    return y


def unknown_name(x):
    return unheard_of(x)  # noqa: F821


def wrong_argument(x):
    return torch.cat(x, 3.5)


def tries(x):
    try:
        x = 1
    except ValueError:
        pass
    return x


def two_returns(x: bool):
    if x:
        return 1
    else:
        return "a"


def lambdas(x):
    y = lambda z: z  # noqa: E731
    return y(x)


def unknown_method(x):
    x.foo()
    return x


def variadic(x, *args):
    return x


def keyword_default(x, *, k: int = 2):
    return x


def annotated(x: int):
    y: float = x
    return y


def optional_used(x: Optional[Tensor]):
    return x + 1


def wrong_return(x: int) -> str:
    return x


def missing_argument(x: int):
    return helper(x)


def helper(x: int, y: int) -> int:
    return x * y


def recursive(n: int) -> int:
    return recursive(n - 1)


def generator(x: int):
    yield x


def comprehension(x: list[int]):
    return [i for i in x if i > 3]


def tuple_index(x: tuple[int, str], i: int):
    return x[i]


def not_iterable(x: int):
    for i in x:
        print(i)


def set_literal(x: int):
    return {x}


def delegates(x):
    return unknown_method(x)


def no_operator(x):
    return torch.svd_lowrank(x, 2)


CASES = {
    "no_operator": "Unknown builtin op: aten::svd_lowrank",
    "two_types": "y is set to type int in the true branch and type str in the false branch",
    "one_branch": "y is not defined in the false branch",
    "other_type_in_a_loop": "Variable 'y' previously had type str but is now being assigned to a",
    "unknown_name": "undefined value unheard_of",
    "wrong_argument": "Expected a value of type 'List[Tensor]' for argument 'tensors'",
    "tries": "try blocks aren't supported",
    "two_returns": "Previous return statement returned a value of type int but this return",
    "lambdas": "Lambda aren't supported",
    "unknown_method": "'Tensor (inferred)' object has no attribute or method 'foo'.",
    "variadic": "Compiled functions can't take variable number of arguments",
    "keyword_default": "use keyword-only arguments with defaults",
    "annotated": "Variable 'y' is annotated with type float but is being assigned to a value",
    "optional_used": "Expected a value of type 'Tensor' for argument",
    "wrong_return": "Return value was annotated as having type str but is actually of type int",
    "missing_argument": "Argument y not provided.",
    "recursive": "is called recursively. Recursive calls are not supported",
    "generator": "Yield aren't supported",
    "comprehension": "Comprehension ifs are not supported yet",
    "tuple_index": "Cannot index into a Tuple[int, str] with a non-integer literal",
    "not_iterable": "'int' object is not iterable",
    "set_literal": "Set aren't supported",
    "delegates": "'unknown_method' is being compiled since it was called from 'delegates'",
}
