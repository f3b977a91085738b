"""Pruning: a parameter becomes `name_orig` times a buffer `name_mask`, before every forward."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable

import rushlight as torch
from rushlight import Tensor

from ..modules.module import Module

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way to choose a mask, and the hook that applies it.

    A subclass defines `compute_mask` and `PRUNING_TYPE`: "unstructured" (single elements),
    "structured" (slices along its `dim`) or "global".
    """

    _tensor_name: str

    def __call__(self, module: Module, inputs) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of scores `t`; where `default_mask` is 0 it must be 0 too."""

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter times its mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module: Module, name: str, *args, importance_scores=None, **kwargs):
        """Prune a parameter on top of whatever pruning it already has; the hook in charge.

        Scores decide what goes; they are the parameter itself unless given.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        key, earlier = _hook_of(module, name)
        tensor = getattr(module, name)
        if importance_scores is None:
            scores = tensor
        else:
            scores = importance_scores
            _check_scores(scores, tensor, f"parameter {name} of {module}")
        if earlier is None:
            default = torch.ones_like(tensor)
        else:
            default = getattr(module, name + "_mask").detach().clone()
            joined = PruningContainer()
            joined._tensor_name = name
            parts = earlier if isinstance(earlier, PruningContainer) else (earlier,)
            joined._pruning_methods = (*parts, method)
            method = joined
        mask = method.compute_mask(scores, default_mask=default)
        # Nothing can fail from here on, so that a bad argument leaves the module as it was.
        if earlier is None:
            original = module._parameters[name]
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        else:
            del module._forward_pre_hooks[key]
            if isinstance(earlier, PruningContainer):
                earlier._pruning_methods = method._pruning_methods
                method = earlier
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """A tensor times the mask that this method chooses for it."""
        if importance_scores is None:
            importance_scores = t
        else:
            _check_scores(importance_scores, t, "tensor t")
        if default_mask is None:
            default_mask = torch.ones_like(t)
        return t * self.compute_mask(importance_scores, default_mask=default_mask)

    def remove(self, module: Module) -> None:
        """Make the masked values the parameter's own."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _check_scores(scores, tensor, what):
    if scores.shape != tensor.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {what}, got {scores.shape} vs "
            f"{tensor.shape}"
        )


def _hook_of(module, name):
    """(key, method) of the pruning of a parameter, or two None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


class PruningContainer(BasePruningMethod):
    """Several methods used one after another on the same parameter."""

    def __init__(self, *args) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Add a method for the same parameter."""
        if method is None:
            return
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The default mask, and what the newest method drops of the part still alive."""
        method = self._pruning_methods[-1]
        alive = self._alive(method, default_mask)
        mask = default_mask.clone()
        chosen = method.compute_mask(t[alive], default_mask=default_mask[alive])
        mask[alive] = chosen.to(dtype=mask.dtype)
        return mask

    @staticmethod
    def _alive(method, mask):
        """The index of what earlier methods have left for a method of this type."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        if method.PRUNING_TYPE == "global":
            return (slice(None),) * mask.dim()
        if method.PRUNING_TYPE != "structured":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        if not hasattr(method, "dim"):
            raise AttributeError(
                "Pruning methods of PRUNING_TYPE 'structured' need to have the attribute `dim` "
                "defined."
            )
        dim = method.dim % mask.dim()
        others = [d for d in range(mask.dim()) if d != dim]
        index = [slice(None)] * mask.dim()
        index[dim] = mask.sum(dim=others) != 0
        return tuple(index)


class Identity(BasePruningMethod):
    """Prunes nothing, but brings the parameter into the form of a pruned one."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str):
        """Give a parameter a mask of ones."""
        return super().apply(module, name)


class _Unstructured(BasePruningMethod):
    """Drops `amount` (a share, or a number) of the elements with the lowest `_order`."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        size = t.nelement()
        count = _compute_nparams_toprune(self.amount, size)
        _validate_pruning_amount(count, size)
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._lowest(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Drops elements at random."""

    def _lowest(self, t, count):
        return torch.topk(torch.rand_like(t).view(-1), k=count).indices

    @classmethod
    def apply(cls, module: Module, name: str, amount):
        """Drop `amount` elements of a parameter at random."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Unstructured):
    """Drops the elements of least magnitude."""

    def _lowest(self, t, count):
        return torch.topk(torch.abs(t).reshape(-1), k=count, largest=False).indices

    @classmethod
    def apply(cls, module: Module, name: str, amount, importance_scores=None):
        """Drop the `amount` elements of a parameter that are least by magnitude or score."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(BasePruningMethod):
    """Drops `amount` of the slices along `dim`."""

    PRUNING_TYPE = "structured"

    def _count(self, t):
        """(slices to drop, slices there are)."""
        _validate_structured_pruning(t)
        _validate_pruning_dim(t, self.dim)
        size = t.shape[self.dim]
        count = _compute_nparams_toprune(self.amount, size)
        _validate_pruning_amount(count, size)
        return count, size

    def _spread(self, t, kept):
        """A mask of slices as a mask of all elements."""
        mask = torch.zeros_like(t)
        index = [slice(None)] * t.dim()
        index[self.dim] = kept
        mask[tuple(index)] = 1
        return mask


class RandomStructured(_Structured):
    """Drops slices at random."""

    def __init__(self, amount, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count, size = self._count(t)
        if count == 0:
            return default_mask
        luck = torch.rand(size)
        kept = luck > torch.kthvalue(luck, k=count).values
        mask = self._spread(t, kept.to(t.device))
        return mask.mul_(default_mask.to(dtype=mask.dtype))

    @classmethod
    def apply(cls, module: Module, name: str, amount, dim: int = -1):
        """Drop `amount` slices of a parameter at random."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Drops the slices with the least norm of order `n`."""

    def __init__(self, amount, n, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count, size = self._count(t)
        norms = _compute_norm(t, self.n, self.dim)
        if count == 0:
            return default_mask
        kept = torch.topk(norms, k=size - count, largest=True).indices
        mask = self._spread(t, kept)
        return mask.mul_(default_mask.to(dtype=mask.dtype))

    @classmethod
    def apply(cls, module: Module, name: str, amount, n, dim: int, importance_scores=None):
        """Drop the `amount` slices of a parameter that are least by norm."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Keeps what a given mask keeps."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor):
        """Prune a parameter with a mask."""
        return super().apply(module, name, mask=mask)


def identity(module: Module, name: str) -> Module:
    """Give a parameter a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount) -> Module:
    """Drop `amount` (a share or a number) elements of a parameter at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount, importance_scores=None) -> Module:
    """Drop the `amount` elements of a parameter that are least by magnitude or score."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount, dim: int) -> Module:
    """Drop `amount` slices of a parameter along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount, n, dim: int, importance_scores=None) -> Module:
    """Drop the `amount` slices of a parameter along `dim` that are least by norm of order `n`."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune a parameter with a mask."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs) -> None:
    """Prune (module, name) pairs as if their parameters were one vector.

    `importance_scores` maps pairs to scores; a parameter without one is its own score.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    parameters = list(parameters)
    importance_scores = {} if importance_scores is None else importance_scores
    if not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    tensors = [getattr(module, name) for module, name in parameters]
    scores, masks = [], []
    for (module, name), tensor in zip(parameters, tensors, strict=True):
        scores.append(importance_scores.get((module, name), tensor).reshape(-1))
        mask = getattr(module, name + "_mask", None)
        masks.append((torch.ones_like(tensor) if mask is None else mask).reshape(-1))
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    mask = container.compute_mask(torch.cat(scores), torch.cat(masks))
    parts = mask.split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, part in zip(parameters, tensors, parts, strict=True):
        custom_from_mask(module, name, mask=part.view_as(tensor))


def remove(module: Module, name: str) -> Module:
    """Make the pruned values of a parameter its own, and forget how it was pruned."""
    key, hook = _hook_of(module, name)
    if hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of this module or of one below it is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )


def _validate_pruning_amount_init(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or not isinstance(amount, numbers.Integral) and amount > 1:
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _validate_pruning_amount(amount, tensor_size):
    if isinstance(amount, numbers.Integral) and amount > tensor_size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to "
            f"prune={tensor_size}"
        )


def _validate_structured_pruning(t):
    if t.dim() <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.dim()} dims"
        )


def _compute_nparams_toprune(amount, tensor_size):
    """A number out of a number or a share."""
    if isinstance(amount, numbers.Integral):
        return int(amount)
    return round(amount * tensor_size)


def _validate_pruning_dim(t, dim):
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _compute_norm(t, n, dim):
    """Norms of order `n` of the slices along `dim`."""
    others = [d for d in range(t.dim()) if d != dim % t.dim()]
    return torch.norm(t, p=n, dim=others)
