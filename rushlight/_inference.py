"""Models made ready for inference: batch normalisations folded away, weights packed once."""

from __future__ import annotations

import copy

from . import _C
from .autograd.grad_mode import no_grad
from .nn import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Identity,
    Linear,
)
from .nn.modules.batchnorm import _BatchNorm
from .nn.modules.conv import _ConvNd
from .nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from .nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from .random import fork_rng
from .tensor import Tensor
from .utils._pytree import tree_leaves, tree_map

_DIMS = {
    Conv1d: 1,
    Conv2d: 2,
    Conv3d: 3,
    ConvTranspose1d: 1,
    ConvTranspose2d: 2,
    ConvTranspose3d: 3,
}


def optimize_for_inference(model, example_inputs=None):
    """A copy of `model` that computes the same faster; the model itself stays as it is.

    Every BatchNorm that follows a convolution or a Linear, where nothing else reads what lies
    between, is folded into it: outputs agree within float rounding. The weights of convolutions and
    Linears are packed for their kernels at the first call and stay so while nobody writes to them.
    Parameters of the copy do not require gradients.

    What follows what is learned by running the model once: on `example_inputs` (a tensor or a tuple
    of the positional arguments) or else on the inputs of the first call; a model whose control flow
    depends on the data should not be given. Raises RuntimeError for a model in training mode.
    """
    training = [name for name, module in model.named_modules() if module.training]
    if training:
        raise RuntimeError(
            "optimize_for_inference: the model must be in evaluation mode: got "
            f"{training[0] or type(model).__name__!r} in training mode; call model.eval() first"
        )
    fast = copy.deepcopy(model).requires_grad_(False)
    if example_inputs is None:
        _fold_at_first_call(fast)
    else:
        given = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
        _fold(fast, given, {})
    return fast


def _fold_at_first_call(model) -> None:
    handle = None

    def fold(module, args, kwargs):
        handle.remove()
        _fold(module, args, kwargs)

    handle = model.register_forward_pre_hook(fold, with_kwargs=True)


class _Uses:
    """Counts the calls that each tensor is given to, and sees which layer feeds which norm."""

    def __init__(self):
        self.counts: dict[int, int] = {}  # calls that read a tensor, by its id
        self.calls: dict[int, int] = {}  # calls of a module
        self.made: dict[int, tuple] = {}  # by the output's id: the layer and the output, kept alive
        self.pairs: list[tuple] = []  # (layer, norm, what lies between)

    def process(self, function, args, kwargs):
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor):
                self.counts[id(value)] = self.counts.get(id(value), 0) + 1
        return function(*args, **kwargs)

    def enter(self, module, args) -> None:
        self.calls[id(module)] = self.calls.get(id(module), 0) + 1
        if isinstance(module, _BatchNorm) and args and id(args[0]) in self.made:
            layer, between = self.made[id(args[0])]
            self.pairs.append((layer, module, between))

    def leave(self, module, args, output) -> None:
        if isinstance(module, (_ConvNd, Linear)) and isinstance(output, Tensor):
            self.made[id(output)] = module, output
            self.counts[id(output)] = 0  # the id may have been another's

    def follow(self, model, args, kwargs) -> list[tuple]:
        """Runs the model; the pairs of a layer and the norm that may be folded into it."""
        handles = [
            register_module_forward_pre_hook(self.enter),
            register_module_forward_hook(self.leave),
        ]
        _C.push_interpreter(self)
        try:
            with no_grad():
                results = model(*args, **kwargs)
        finally:
            _C.pop_interpreter()
            for handle in handles:
                handle.remove()
        seen = {id(value) for value in tree_leaves(results)}
        return [
            (layer, norm)
            for layer, norm, between in self.pairs
            if self.calls[id(layer)] == self.calls[id(norm)] == 1
            and self.counts[id(between)] == 1
            and id(between) not in seen
            and _fits(layer, norm, between)
        ]


def _plain(module) -> bool:
    """Whether calling the module is its class's forward and nothing else."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _fits(layer, norm, between) -> bool:
    if not (_plain(layer) and _plain(norm)) or norm.running_mean is None:
        return False
    if type(layer) is Linear:
        return type(norm) is BatchNorm1d and between.ndim == 2
    dims = _DIMS.get(type(layer))
    if type(norm) not in (BatchNorm1d, BatchNorm2d, BatchNorm3d) or dims is None:
        return False
    return between.ndim == dims + 2 and (layer.groups == 1 or not layer.transposed)


def _fold(model, args, kwargs) -> None:
    """Folds what may be folded, and announces the weights of convolutions and Linears."""
    copies = tree_map(
        lambda value: value.clone() if isinstance(value, Tensor) else value, (args, kwargs)
    )
    with fork_rng():  # a model that draws numbers draws them again in the call proper
        pairs = _Uses().follow(model, *copies)
    replaced = {}
    for layer, norm in pairs:
        if type(layer) is Linear:
            replaced[id(layer)] = fuse_linear_bn_eval(layer, norm)
        else:
            replaced[id(layer)] = fuse_conv_bn_eval(layer, norm, layer.transposed)
        replaced[id(norm)] = Identity().eval()
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if id(child) in replaced:
                module._modules[name] = replaced[id(child)]
    for module in model.modules():
        if type(module) is Linear or type(module) in _DIMS:
            _C.keep_packed(module.weight.requires_grad_(False))
