"""The base class: groups, hooks, closures, state dicts, printing."""

from __future__ import annotations

import copy

import pytest

import rushlight as torch
from rushlight import optim
from rushlight.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values or (1.0, 2.0)))


def stepped(name="Adam", **options):
    p = parameter()
    optimizer = getattr(optim, name)([p], **options)
    p.grad = torch.ones(2)
    optimizer.step()
    return p, optimizer


def test_repr_lists_the_options_of_every_group_in_order():
    groups = [{"params": [parameter()], "lr": 0.5, "extra": "x"}, {"params": [parameter()]}]
    assert repr(optim.SGD(groups, lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n"
        "    extra: x\n    foreach: None\n    fused: None\n    lr: 0.5\n    maximize: False\n"
        "    momentum: 0\n    nesterov: False\n    weight_decay: 0\n\nParameter Group 1\n"
        "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n"
        "    weight_decay: 0\n)"
    )


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (lambda: parameter(), TypeError, "iterable of Tensors or dicts, but got torch.FloatTensor"),
        (list, ValueError, "optimizer got an empty parameter list"),
        (lambda: [parameter() * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: [3], TypeError, "can only optimize Tensors, but one of the params is int"),
        (lambda: [{"params": {parameter()}}], TypeError, "organized in ordered collections"),
        (lambda: [{"lr": 1}], KeyError, "params"),
        (lambda: [("a", parameter()), parameter()], ValueError, "Some param names are missing"),
    ],
)
def test_bad_parameters_are_refused(params, error, words):
    with pytest.raises(error, match=words):
        optim.SGD(params())


def test_a_parameter_belongs_to_one_group():
    p = parameter()
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": p}])
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        optim.SGD([p]).add_param_group([parameter()])


def test_groups_have_options_of_their_own():
    a, b = parameter(0.0), parameter(0.0)
    optimizer = optim.SGD([{"params": a, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": (p for p in [b])})
    a.grad = b.grad = torch.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == pytest.approx((-0.5, -0.1))


def test_an_option_may_be_required():
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Optimizer([parameter()], {"lr": required})


def test_named_parameters_are_remembered_and_saved():
    optimizer = optim.SGD([("w", parameter()), ("b", parameter())])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["w", "b"]
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [parameter()]})


def test_hooks_run_around_the_step_in_order():
    p, seen = parameter(), []
    optimizer = optim.SGD([p])
    handles = [
        register_optimizer_step_pre_hook(lambda o, a, k: seen.append("all before")),
        register_optimizer_step_post_hook(lambda o, a, k: seen.append("all after")),
        optimizer.register_step_pre_hook(lambda o, a, k: seen.append((o is a[0], len(a), k))),
        optimizer.register_step_post_hook(lambda o, a, k: seen.append("after")),
    ]
    optimizer.step()
    assert seen == ["all before", (True, 1, {}), "after", "all after"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4


def test_a_hook_may_replace_the_closure_but_nothing_else():
    optimizer = optim.SGD([parameter()])
    handle = optimizer.register_step_pre_hook(lambda o, a, k: ((o, lambda: 7), {}))
    assert optimizer.step() == 7
    handle.remove()
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_hooks_run_once_around_a_subclass_that_calls_super():
    class Counted(optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    seen = []
    optimizer = Counted([parameter()])
    optimizer.register_step_post_hook(lambda o, a, k: seen.append(1))
    optimizer.step()
    assert seen == [1]


def test_a_users_optimizer_needs_only_a_step():
    class Sign(Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.5})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(p.grad.sign(), alpha=group["lr"])

    p = parameter(1.0, 2.0)
    p.grad = torch.tensor([3.0, -3.0])
    Sign([p]).step()
    assert p.tolist() == [0.5, 2.5]
    with pytest.raises(NotImplementedError):
        Optimizer([p], {}).step()


def test_closures_record_gradients_and_their_value_is_returned():
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=1.0)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 9
    assert p.item() == -3


def test_zero_grad_forgets_or_fills():
    p, optimizer = stepped()
    gradient = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is gradient and (gradient == 0).all()
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.zero_grad()


def test_zero_grad_cuts_a_gradient_off_its_history():
    p = parameter(2.0)
    optimizer = optim.SGD([p])
    p.grad = p * p
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.grad_fn is None and not p.grad.requires_grad and p.grad.item() == 0


def test_state_dict_numbers_parameters_and_shares_tensors():
    p, optimizer = stepped()
    saved = optimizer.state_dict()
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][0]["exp_avg"] is optimizer.state[p]["exp_avg"]
    assert saved["param_groups"][0]["params"] == [0]
    step = saved["state"][0]["step"]
    assert step.dtype == torch.float32 and step.shape == () and step.item() == 1


def test_loading_casts_state_to_the_parameters_type_but_not_the_step():
    saved = stepped()[1].state_dict()
    wide = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = optim.Adam([wide])
    optimizer.load_state_dict(saved)
    state = optimizer.state[wide]
    assert state["exp_avg"].dtype == torch.float64 and state["step"].dtype == torch.float32


def test_old_checkpoints_load():
    p, optimizer = stepped()
    saved = copy.deepcopy(optimizer.state_dict())
    saved["state"][0]["step"] = 7
    for name in ("amsgrad", "maximize", "fused", "decoupled_weight_decay"):
        del saved["param_groups"][0][name]
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 8
    assert optimizer.param_groups[0]["amsgrad"] is False


def test_states_of_another_shape_are_refused():
    optimizer = optim.SGD([parameter()])
    two_groups = optim.SGD([{"params": [parameter()]}, {"params": [parameter()]}])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(two_groups.state_dict())
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(optim.SGD([parameter(), parameter()]).state_dict())


def test_state_dict_hooks_see_and_replace():
    _, optimizer = stepped()
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "note": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append(d["note"]))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["save", 1, "loaded"]


def test_capturable_needs_a_device():
    p = parameter()
    p.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="If capturable=True"):
        optim.Adam([p], capturable=True).step()


def test_lbfgs_takes_one_group_and_muon_only_matrices():
    with pytest.raises(ValueError, match="per-parameter options"):
        optim.LBFGS([{"params": [parameter()]}, {"params": [parameter()]}])
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        optim.Muon([parameter()])


def test_an_optimizer_may_act_on_other_tensors_for_a_while():
    p, optimizer = stepped()
    other, saved = p.detach().clone().requires_grad_(), copy.deepcopy(optimizer.state_dict())
    other.grad = torch.ones(2)
    before = p.detach().clone()
    with optim.swap_in_optimizer_params_and_state(optimizer, {"p": other}, saved):
        optimizer.step()
    assert torch.equal(p, before) and not torch.equal(other, before)
    assert saved["state"][0]["step"].item() == 2 and optimizer.state[p]["step"].item() == 1
    optimizer.step()
    assert torch.equal(p, other)


def test_tensors_are_grouped_for_optimizers_written_elsewhere():
    from rushlight.utils._foreach_utils import _group_tensors_by_device_and_dtype

    single, double = torch.ones(1), torch.ones(2, dtype=torch.float64)
    groups = _group_tensors_by_device_and_dtype(
        [[single, double, single], [None, single, double], []], with_indices=True
    )
    cpu = torch.device("cpu")
    (first, places), (second, others) = (
        groups[cpu, torch.float32],
        groups[cpu, torch.float64],
    )
    assert first[0] == [single, single] and first[1][0] is None and first[1][1] is double
    assert second[1][0] is single and first[2] == second[2] == []
    assert (places, others) == ([0, 2], [1])


def test_closures_reach_the_hooks_as_they_were_given():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p])
    seen = []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append((len(args), list(kwargs))))
    for call in (
        lambda: optimizer.step(),
        lambda: optimizer.step(lambda: 1),
        lambda: optimizer.step(closure=lambda: 2),
    ):
        call()
    assert seen == [(1, []), (2, []), (1, ["closure"])]


def test_a_subclass_without_a_rule_says_so():
    class Empty(torch.optim.Optimizer):
        """Has neither a step nor a rule."""

    with pytest.raises(NotImplementedError):
        Empty([torch.ones(1)], {}).step()
