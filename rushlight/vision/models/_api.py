"""Published weights, the register of model builders, and what a builder does besides building."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import ModuleType
from typing import Any

from ... import nn
from ...hub import load_state_dict_from_url
from ._meta import weight_facts
from ._utils import _ovewrite_named_param, handle_legacy_interface

__all__ = [
    "WeightsEnum",
    "Weights",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
]

BUILTIN_MODELS: dict[str, Callable[..., nn.Module]] = {}


class Weights:
    """One published set of weights: where it is, the transforms it expects, and facts about it."""

    def __init__(self, url: str, transforms: Callable, meta: dict[str, Any]) -> None:
        self.url = url
        self.transforms = transforms
        self.meta = meta

    def __repr__(self) -> str:
        return f"Weights(url={self.url!r}, transforms={self.transforms!r}, meta={self.meta!r})"

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Weights):
            return NotImplemented
        if self.url != other.url or self.meta != other.meta:
            return False
        mine, others = self.transforms, other.transforms
        if isinstance(mine, functools.partial) and isinstance(others, functools.partial):
            return (mine.func, mine.args, mine.keywords) == (
                others.func,
                others.args,
                others.keywords,
            )
        return mine == others

    __hash__ = None  # type: ignore[assignment]


class WeightsEnum(Enum):
    """The sets of weights of one model; each member's value is a `Weights`."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member that `obj` is or names; None stays None, anything else is a TypeError."""
        if isinstance(obj, str):
            return cls[obj.replace(f"{cls.__name__}.", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{obj.__class__.__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Download the weights, or take them from the cache: `hub.load_state_dict_from_url`."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}.{self._name_}"

    @property
    def url(self) -> str:
        """Where the file is."""
        return self.value.url

    @property
    def transforms(self) -> Callable:
        """Makes the preprocessing that the weights were trained with."""
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """Categories, number of parameters, metrics and other facts."""
        return self.value.meta


def weights_enum(name: str) -> type[WeightsEnum]:
    """The enumeration `name` of the module that asks, from the table of published weights."""
    from ..transforms import _presets
    from ..transforms.functional import InterpolationMode

    members: dict[str, Weights] = {}
    for member, facts in weight_facts(name).items():
        if isinstance(facts, str):  # another name of the same weights
            members[member] = members[facts]
            continue
        preset, *rest = facts["transforms"]
        keywords = dict(rest[0]) if rest else {}
        if "interpolation" in keywords:
            keywords["interpolation"] = InterpolationMode(keywords["interpolation"])
        keywords = {k: tuple(v) if type(v) is list else v for k, v in keywords.items()}
        make = getattr(_presets, preset)
        make = functools.partial(make, **keywords) if keywords else make
        members[member] = Weights(facts["url"], make, facts["meta"])
    module = sys._getframe(1).f_globals["__name__"]
    return WeightsEnum(name, members, module=module)  # type: ignore[return-value]


# -- the register ----------------------------------------------------------------------------


def register_model(name: str | None = None) -> Callable[[Callable], Callable]:
    """A decorator: make a builder known to `get_model` as `name` (default: its own name)."""

    def register(function: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        key = name if name is not None else function.__name__
        if key in BUILTIN_MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILTIN_MODELS[key] = function
        return function

    return register


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model `name`; ValueError for unknown ones."""
    found = BUILTIN_MODELS.get(name.lower())
    if found is None:
        raise ValueError(f"Unknown model {name.lower()}")
    return found


def get_model(name: str, **config: Any) -> nn.Module:
    """Build the model `name` with the keyword arguments of its builder."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> type[WeightsEnum]:
    """The enumeration of weights of a model, given its name or its builder."""
    builder = get_model_builder(name) if isinstance(name, str) else name
    parameters = inspect.signature(builder, eval_str=True).parameters.values()
    for parameter in sorted(parameters, key=lambda p: p.name != "weights"):
        kinds = getattr(parameter.annotation, "__args__", ()) or (parameter.annotation,)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, WeightsEnum):
                return kind
    raise ValueError(
        "The WeightsEnum class for the specific method couldn't be retrieved. Make sure the "
        "typing info is correct."
    )


def get_weight(name: str) -> WeightsEnum:
    """The weights named "ResNet50_Weights.IMAGENET1K_V2" or the like."""
    kind_name, dot, member = name.partition(".")
    if not dot:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    base = __name__.rpartition(".")[0]
    for module_name, module in list(sys.modules.items()):
        if module_name == base or module_name.startswith(base + "."):
            kind = getattr(module, kind_name, None)
            if isinstance(kind, type) and issubclass(kind, WeightsEnum):
                return kind[member]
    raise ValueError(
        f"The weight enum '{kind_name}' for the specific method couldn't be retrieved."
    )


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the registered models in order.

    `module` keeps one sub-package's, `include` and `exclude` are shell patterns like "resnet*".
    """
    names = {
        name
        for name, function in BUILTIN_MODELS.items()
        if module is None or function.__module__.rpartition(".")[0] == module.__name__
    }
    if include:
        patterns = [include] if isinstance(include, str) else include
        names = {n for p in patterns for n in fnmatch.filter(names, p)}
    if exclude:
        patterns = [exclude] if isinstance(exclude, str) else exclude
        names -= {n for p in patterns for n in fnmatch.filter(names, p)}
    return sorted(names)


# -- builders --------------------------------------------------------------------------------


def load_into(
    model: nn.Module, weights: WeightsEnum | None, progress: bool, rename: Callable | None = None
) -> nn.Module:
    """Put published weights (None: no change) into a model; returns it.

    `rename` gets the downloaded state and returns the one to load.
    """
    if weights is not None:
        state = weights.get_state_dict(progress=progress, check_hash=True)
        model.load_state_dict(state if rename is None else rename(state))
    return model


def with_classes_of(weights: WeightsEnum | None, kwargs: dict[str, Any]) -> None:
    """Set num_classes to what the weights were trained for; ValueError if it says otherwise."""
    if weights is not None:
        _ovewrite_named_param(kwargs, "num_classes", len(weights.meta["categories"]))


def model_builder(
    kind: type[WeightsEnum],
    legacy: str | None = "IMAGENET1K_V1",
    *,
    loads: bool = False,
    rename: Callable | None = None,
    checks: Callable | None = None,
    **fixed: Any,
) -> Callable[[Callable], Callable]:
    """A decorator: a function that makes a model from keywords also gets `weights`, `progress`.

    `legacy` is the member that `pretrained=True` meant (None: there was none). `fixed` are
    arguments of the model, which may not be given otherwise; `checks(weights, kwargs)` may add
    some where weights are given. `loads` says that the function takes weights and progress
    itself.
    """

    def decorate(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        def build(*, weights=None, progress=True, **kwargs):
            weights = kind.verify(weights)
            for name, value in fixed.items():
                _ovewrite_named_param(kwargs, name, value)
            if loads:
                return make(weights, progress, **kwargs)
            with_classes_of(weights, kwargs)
            if weights is not None and checks is not None:
                checks(weights, kwargs)
            return load_into(make(**kwargs), weights, progress, rename)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(build, name, getattr(make, name))
        returns = make.__annotations__.get("return", nn.Module)
        build.__annotations__ = {
            "weights": kind | None,
            "progress": bool,
            "kwargs": Any,
            "return": make.__globals__.get(returns, returns),
        }
        default = kind[legacy] if legacy else None
        return register_model()(handle_legacy_interface(weights=("pretrained", default))(build))

    return decorate
