"""Models made ready for inference: normalisations folded, activations joined, weights packed."""

from __future__ import annotations

import copy

from . import _C
from .autograd.grad_mode import no_grad
from .nn import (
    GELU,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Hardswish,
    Hardtanh,
    Identity,
    Linear,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Tanh,
    functional,
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
_LOOPS = {ReLU: "relu", SiLU: "silu", Hardswish: "hardswish", Sigmoid: "sigmoid", Tanh: "tanh"}


def _loop(activation) -> tuple | None:
    """The pointwise operator that an activation is, and its numbers; None where it is another."""
    kind = type(activation)
    if kind is GELU:
        return ("gelu" if activation.approximate == "none" else "gelu_tanh",)
    if kind in (Hardtanh, ReLU6):
        return "hardtanh", activation.min_val, activation.max_val
    return (_LOOPS[kind],) if kind in _LOOPS else None


class _ActivatedLinear(Linear):
    """A Linear and the activation behind it in one pass, unless something watches."""

    def __init__(self, layer, activation):
        super().__init__(layer.in_features, layer.out_features, False, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.activation = activation
        self._loop = _loop(activation)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters  # found without a lookup for each
        made = _C.linear_activated(input, own["weight"], own["bias"], *self._loop)
        if made is None:
            made = self.activation(functional.linear(input, self.weight, self.bias))
        return made


def optimize_for_inference(model, example_inputs=None):
    """A copy of `model` that computes the same faster; the model itself stays as it is.

    Every BatchNorm that follows a convolution or a Linear, where nothing else reads what lies
    between, is folded into it: outputs agree within float rounding. An activation that follows a
    Linear so is done in the same pass. The weights of convolutions and Linears are packed for their
    kernels at the first call and stay so while nobody writes to them. Parameters of the copy do not
    require gradients.

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
        module.__setstate__({})  # no trace of the hook: calls are quick again
        _fold(module, args, kwargs)

    handle = model.register_forward_pre_hook(fold, with_kwargs=True)


class _Uses:
    """Counts the calls that each tensor is given to, and sees which layer feeds which module."""

    def __init__(self):
        self.counts: dict[int, int] = {}  # calls that read a tensor, by its id
        self.calls: dict[int, int] = {}  # calls of a module
        self.made: dict[
            int, tuple
        ] = {}  # by the output's id: the module and the output, kept alive
        self.pairs: list[tuple] = []  # (layer or norm, norm or activation, what lies between)

    def process(self, function, args, kwargs):
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor):
                self.counts[id(value)] = self.counts.get(id(value), 0) + 1
        return function(*args, **kwargs)

    def enter(self, module, args) -> None:
        self.calls[id(module)] = self.calls.get(id(module), 0) + 1
        follows = isinstance(module, _BatchNorm) or _loop(module)
        if follows and args and id(args[0]) in self.made:
            layer, between = self.made[id(args[0])]
            self.pairs.append((layer, module, between))

    def leave(self, module, args, output) -> None:
        if isinstance(module, (_ConvNd, Linear, _BatchNorm)) and isinstance(output, Tensor):
            self.made[id(output)] = module, output
            self.counts[id(output)] = 0  # the id may have been another's
        elif self.pairs and self.pairs[-1][1] is module and self.pairs[-1][2] is output:
            # Worked in place: who reads the tensor from now on reads what comes out.
            first, second, between = self.pairs.pop()
            before = object()
            self.counts[id(before)] = self.counts[id(between)]
            self.pairs.append((first, second, before))

    def follow(self, model, args, kwargs) -> list[tuple]:
        """Runs the model; the pairs of modules that may become one, in the order they ran."""
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
            (first, second)
            for first, second, between in self.pairs
            if self.calls[id(first)] == self.calls[id(second)] == 1
            and self.counts[id(between)] == 1
            and id(between) not in seen
            and _plain(first)
            and _plain(second)
            and (_loop(second) or _fits(first, second, between))
        ]


def _plain(module) -> bool:
    """Whether calling the module is its class's forward and nothing else."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _fits(layer, norm, between) -> bool:
    if norm.running_mean is None:
        return False
    if type(layer) is Linear:
        return type(norm) is BatchNorm1d and between.ndim == 2
    dims = _DIMS.get(type(layer))
    if type(norm) not in (BatchNorm1d, BatchNorm2d, BatchNorm3d) or dims is None:
        return False
    return between.ndim == dims + 2 and (layer.groups == 1 or not layer.transposed)


def _with_norm(layer, norm):
    if type(layer) is Linear:
        return fuse_linear_bn_eval(layer, norm)
    return fuse_conv_bn_eval(layer, norm, layer.transposed)


def _fold(model, args, kwargs) -> None:
    """Joins what may be joined, and announces the weights of convolutions and Linears."""
    copies = tree_map(
        lambda value: value.clone() if isinstance(value, Tensor) else value, (args, kwargs)
    )
    with fork_rng():  # a model that draws numbers draws them again in the call proper
        pairs = _Uses().follow(model, *copies)
    replaced = {}  # by the id of a module: what stands in its place
    place = {}  # by the id of a norm that is gone: the layer that it went into
    for first, second in pairs:
        layer = place.get(id(first), first)
        now = replaced.get(id(layer), layer)
        if isinstance(second, _BatchNorm):
            joined = _with_norm(now, second)
        elif type(now) is Linear:
            joined = _ActivatedLinear(now, second)
        else:
            continue
        replaced[id(layer)], replaced[id(second)] = joined, Identity().eval()
        place[id(second)] = layer
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if id(child) in replaced:
                module._modules[name] = replaced[id(child)]
    for module in model.modules():
        if type(module) in (Linear, _ActivatedLinear) or type(module) in _DIMS:
            _C.keep_packed(module.weight.requires_grad_(False))
