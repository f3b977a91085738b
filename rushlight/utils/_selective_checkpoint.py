"""Checkpointing that keeps the results of chosen operators instead of computing them again."""

from __future__ import annotations

from collections import defaultdict, deque
from enum import Enum

from .. import _C, Tensor
from .._aten import OpOverload, overload_of


class CheckpointPolicy(Enum):
    """What to do with the result of an operator; PREFER means the same as MUST."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_SAVED = (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)
_OFFLOADED = (CheckpointPolicy.MUST_CPU_OFFLOAD, CheckpointPolicy.PREFER_CPU_OFFLOAD)
# Operators that policies are not asked about: questions about shapes are no operators here.
SAC_IGNORED_OPS: set = set()


# Attention has a name for each kind of device; whoever keeps one means attention.
_ATTENTION = {
    f"_scaled_dot_product_{kind}"
    for kind in (
        "flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention"
    )
}  # fmt: skip


def _operator(overload: OpOverload) -> str:
    """What a list of operators to keep names: one operator, whichever overload."""
    name = overload.overloadpacket.__name__
    return "attention" if name in _ATTENTION else name


class SelectiveCheckpointContext:
    """What a policy is told besides the operator and its arguments."""

    def __init__(self, *, is_recompute: bool, op_output=None):
        self.is_recompute = is_recompute
        self.op_output = op_output


class _Interpreter:
    """Base of contexts that see every operator of a `with` block."""

    def __enter__(self):
        _C.push_interpreter(self)
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _C.pop_interpreter()


def _map(value, function):
    if isinstance(value, Tensor):
        return function(value)
    if type(value) in (tuple, list):
        return type(value)([_map(item, function) for item in value])
    return value


class _Caching(_Interpreter):
    """The first run: keeps what the policy says, in order of the calls of each operator."""

    def __init__(self, policy, kept):
        self._policy = policy
        self._kept = kept

    def process(self, op, args, kwargs):
        """Run an operator. One whose result is kept saves its tensors itself, unlike the others."""
        name = overload_of(op)
        if name in SAC_IGNORED_OPS:
            return op(*args, **kwargs)
        decision = self._decide(name, args, kwargs)
        if decision not in _SAVED + _OFFLOADED:
            self._kept[op].append(None)
            return op(*args, **kwargs)
        hooks = _C.set_saved_hooks(None)
        try:
            output = op(*args, **kwargs)
        finally:
            _C.set_saved_hooks(hooks)
        offload = decision in _OFFLOADED
        kept = _map(output, lambda t: _Kept(t.cpu() if offload else t, t))
        self._kept[op].append((kept,))
        return output

    def _decide(self, op, args, kwargs):
        context = SelectiveCheckpointContext(is_recompute=False)
        decision = self._policy(context, op, *args, **kwargs)
        if isinstance(decision, bool):
            return CheckpointPolicy.MUST_SAVE if decision else CheckpointPolicy.PREFER_RECOMPUTE
        return decision


class _Kept:
    """The value of a result, its version, where it was, and whether it asked for a gradient."""

    def __init__(self, value: Tensor, result: Tensor):
        self.value = value.detach()
        self.version = self.value._version
        self.device = result.device
        self.requires_grad = result.requires_grad


class _Restored(_C.Node):
    """The history of a result that was kept; no gradient of the second run ever gets there."""

    def apply(self, *grads):
        """Nothing comes before a kept result."""
        return ()


class _Cached(_Interpreter):
    """The second run: gives back what was kept."""

    def __init__(self, kept, allow_mutation: bool):
        self._kept = kept
        self._allow_mutation = allow_mutation

    def process(self, op, args, kwargs):
        """The kept result of this call, or a new one."""
        if op not in self._kept:
            return op(*args, **kwargs)
        if not self._kept[op]:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any "
                "region computed under selective activation checkpoint."
            )
        kept = self._kept[op].popleft()
        if kept is None:
            return op(*args, **kwargs)
        return self._restore(kept[0])

    def _restore(self, kept):
        if isinstance(kept, _Kept):
            if kept.value._version != kept.version and not self._allow_mutation:
                raise RuntimeError(
                    "Tensor cached during selective activation checkpoint has been mutated: pass "
                    "allow_cache_entry_mutation=True if that is intended"
                )
            value = kept.value.detach().to(kept.device)
            if kept.requires_grad:  # no leaf: what follows may write into it
                _C.connect(_Restored(), (), (value,))
            return value
        if type(kept) in (tuple, list):
            return type(kept)([self._restore(item) for item in kept])
        return kept


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """The two contexts for `checkpoint(context_fn=...)` that keep some results.

    Give a list of operators whose results are kept (`torch.ops.aten.mm.default`, ...), or a
    function `(context, op, *args, **kwargs) -> CheckpointPolicy or bool`; it sees operators under
    these names too.
    """
    policy = policy_fn_or_list
    if isinstance(policy_fn_or_list, list):
        for op in policy_fn_or_list:
            if not isinstance(op, OpOverload):
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {op} of type "
                    f"{type(op)}. Name a PyTorch operator, as in torch.ops.aten.mm.default"
                )
        chosen = {_operator(op) for op in policy_fn_or_list}

        def policy(context, op, *args, **kwargs):
            return _operator(op) in chosen

    elif not callable(policy_fn_or_list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    kept: dict = defaultdict(deque)
    return _Caching(policy, kept), _Cached(kept, allow_cache_entry_mutation)


class OperatorLog(_Interpreter):
    """The names of the operators that run in a `with` block."""

    def __init__(self):
        self.names: list[str] = []

    def process(self, op, args, kwargs):
        """Note the operator and run it."""
        self.names.append(op.__name__)
        return op(*args, **kwargs)
