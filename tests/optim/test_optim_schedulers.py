"""Schedules: sequences, resuming, warnings and averaged models, against PyTorch."""

from __future__ import annotations

import copy
import math
import warnings

import pytest

import rushlight
from rushlight.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR

MAKERS = {
    "LambdaLR": lambda s, o, **k: s.LambdaLR(o, lambda epoch: 0.9**epoch, **k),
    "MultiplicativeLR": lambda s, o, **k: s.MultiplicativeLR(o, lambda epoch: 0.8, **k),
    "StepLR": lambda s, o, **k: s.StepLR(o, 3, **k),
    "MultiStepLR": lambda s, o, **k: s.MultiStepLR(o, [2, 4, 4], **k),
    "ConstantLR": lambda s, o, **k: s.ConstantLR(o, 0.25, 4, **k),
    "LinearLR": lambda s, o, **k: s.LinearLR(o, 0.2, 0.8, 6, **k),
    "ExponentialLR": lambda s, o, **k: s.ExponentialLR(o, 0.9, **k),
    "CosineAnnealingLR": lambda s, o, **k: s.CosineAnnealingLR(o, 4, 0.01, **k),
    "PolynomialLR": lambda s, o, **k: s.PolynomialLR(o, 5, 2.0, **k),
    "CyclicLR": lambda s, o, **k: s.CyclicLR(o, 0.01, 0.2, 3, 2, mode="triangular2", **k),
    "CyclicLR exp": lambda s, o, **k: s.CyclicLR(o, 0.01, 0.2, 3, mode="exp_range", gamma=0.9, **k),
    "OneCycleLR": lambda s, o, **k: s.OneCycleLR(o, 0.5, total_steps=14, **k),
    "OneCycleLR three": lambda s, o, **k: s.OneCycleLR(
        o, 0.5, epochs=7, steps_per_epoch=2, three_phase=True, anneal_strategy="linear", **k
    ),
    "CosineAnnealingWarmRestarts": lambda s, o, **k: s.CosineAnnealingWarmRestarts(o, 3, 2, **k),
}
COMBINED = {
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.StepLR(o, 2), s.ExponentialLR(o, 0.5), s.CosineAnnealingLR(o, 3)], [2, 5]
    ),
    "SequentialLR nested": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.StepLR(o, 2), s.ExponentialLR(o, 0.5)], [2]), s.ConstantLR(o)],
        [4],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.StepLR(o, 2), s.LinearLR(o)]),
}


def optimizer_of(lib, **options):
    p = lib.nn.Parameter(lib.ones(2))
    groups = [{"params": [p]}, {"params": [lib.nn.Parameter(lib.ones(1))], "lr": 0.3}]
    return lib.optim.SGD(groups, **{"lr": 0.1, "momentum": 0.9, **options})


def rates(optimizer):
    return [(float(g["lr"]), g["momentum"]) for g in optimizer.param_groups]


def sequence(lib, make, steps=12, before=lambda optimizer: None, change=None, **options):
    """Rates and momenta over some steps, and the schedule's final state."""
    optimizer = optimizer_of(lib)
    before(optimizer)
    schedule = make(lib.optim.lr_scheduler, optimizer, **options)
    values = [rates(optimizer)]
    for i in range(steps):
        if i == 3 and change:
            change(optimizer)
        optimizer.step()
        schedule.step()
        assert schedule.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
        values.append(rates(optimizer))
    state = {
        k: v for k, v in schedule.state_dict().items() if k not in ("lr_lambdas", "_schedulers")
    }
    return values, state


def assert_same(make, **options):
    torch = pytest.importorskip("torch")
    ours, our_state = sequence(rushlight, make, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about nested sequences of its own making
        theirs, their_state = sequence(torch, make, **options)
    assert ours == theirs
    assert our_state == their_state


@pytest.mark.parametrize("name", [*MAKERS, *COMBINED])
def test_sequence_is_torchs_bit_for_bit(name):
    assert_same({**MAKERS, **COMBINED}[name])


@pytest.mark.parametrize("name", MAKERS)
def test_sequence_after_the_user_changed_a_rate(name):
    def change(optimizer):
        optimizer.param_groups[0]["lr"] = 0.07

    assert_same(MAKERS[name], change=change)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("last_epoch", [0, 2, 3, 4, 5])
def test_resuming_at_an_epoch(name, last_epoch):
    def before(optimizer):
        for group in optimizer.param_groups:
            group.update(initial_lr=0.2, max_lr=0.5, min_lr=0.001)
            group.update(base_momentum=0.8, max_momentum=0.95)

    assert_same(MAKERS[name], before=before, steps=5, last_epoch=last_epoch)


@pytest.mark.parametrize(
    "name",
    [
        "StepLR",
        "MultiStepLR",
        "ConstantLR",
        "LinearLR",
        "ExponentialLR",
        "CosineAnnealingLR",
        "PolynomialLR",
    ],
)
def test_the_closed_form_is_what_the_steps_lead_to(name):
    walked, jumped = optimizer_of(rushlight), optimizer_of(rushlight)
    scheduler = rushlight.optim.lr_scheduler
    walking, jumping = (MAKERS[name](scheduler, o) for o in (walked, jumped))
    jumped.step()
    for epoch in range(1, 12):
        walked.step()
        walking.step()
        with pytest.warns(UserWarning, match="closed form"):
            jumping.step(epoch)
        assert jumping.get_last_lr() == pytest.approx(walking.get_last_lr(), abs=1e-12)


@pytest.mark.parametrize("name", [*MAKERS, *COMBINED])
def test_state_dict_continues_a_schedule(name):
    make = {**MAKERS, **COMBINED}[name]
    scheduler = rushlight.optim.lr_scheduler
    first = optimizer_of(rushlight)
    schedule = make(scheduler, first)
    for _ in range(4):
        first.step()
        schedule.step()
    second = optimizer_of(rushlight)
    successor = make(scheduler, second)
    successor.load_state_dict(copy.deepcopy(schedule.state_dict()))
    second.load_state_dict(first.state_dict())
    for _ in range(5):
        for optimizer, each in ((first, schedule), (second, successor)):
            optimizer.step()
            each.step()
        assert rates(first) == rates(second)


def test_plateau_cuts_on_the_eleventh_bad_epoch():
    optimizer = optimizer_of(rushlight)
    schedule = ReduceLROnPlateau(optimizer)
    schedule.step(1.0)
    for _ in range(10):
        schedule.step(1.0)
        assert optimizer.param_groups[0]["lr"] == 0.1
    schedule.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 1, "cooldown": 2, "min_lr": [0.02, 0.001]},
        {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs"},
        {"mode": "max", "patience": 0, "threshold": 0.1},
    ],
    ids=str,
)
def test_plateau_follows_torch(options):
    torch = pytest.importorskip("torch")
    metrics = [3.0, 2.0, 2.0, 1.99999, 2.1, float("nan"), 1.0, 1.0, 1.0, 1.05, 1.2, 0.5, 0.5]
    seen = []
    for lib in (rushlight, torch):
        optimizer = optimizer_of(lib)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        values = []
        for metric in metrics:
            schedule.step(metric)
            values.append((rates(optimizer), schedule.num_bad_epochs, schedule.best))
        seen.append((values, schedule.state_dict()))
    assert seen[0] == seen[1]


def test_the_order_of_steps_is_watched():
    optimizer = optimizer_of(rushlight)
    schedule = StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    optimizer = optimizer_of(rushlight)
    schedule = StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        schedule.step()
    optimizer = optimizer_of(rushlight)
    schedule = StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        schedule.step()


def test_a_rate_that_is_a_tensor_stays_that_tensor():
    rate = rushlight.tensor(0.1)
    optimizer = rushlight.optim.SGD([rushlight.nn.Parameter(rushlight.ones(1))], lr=rate)
    schedule = CosineAnnealingLR(optimizer, 4)
    for epoch in range(1, 4):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == pytest.approx(0.05 * (1 + math.cos(math.pi * epoch / 4)), rel=1e-6)


REFUSED = {
    "resume": lambda s, o: s.StepLR(o, 1, last_epoch=3),
    "no optimizer": lambda s, o: s.StepLR(3, 1),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 1]),
    "constant": lambda s, o: s.ConstantLR(o, 2),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0),
    "plateau factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1),
    "plateau mode": lambda s, o: s.ReduceLROnPlateau(o, mode="x"),
    "plateau rates": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1]),
    "cyclic": lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    "cyclic mode": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="x"),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.1),
    "one cycle steps": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=1.5),
    "one cycle part": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=4, pct_start=2),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "restarts factor": lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 0),
    "sequence": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), s.StepLR(o, 2)], []),
    "plateau inside": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), s.ReduceLROnPlateau(o)], [3]),
    "chain": lambda s, o: s.ChainedScheduler([]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_arguments_are_refused_in_torchs_words(name):
    torch = pytest.importorskip("torch")
    errors = []
    for lib in (rushlight, torch):
        with pytest.raises((ValueError, TypeError, KeyError)) as caught:
            REFUSED[name](lib.optim.lr_scheduler, optimizer_of(lib))
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


# -- averaged models --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anneal_epochs": 3},
        {"anneal_epochs": 0},
        {"anneal_epochs": 3, "anneal_strategy": "linear"},
    ],
    ids=str,
)
def test_swalr_is_torchs(options):
    torch = pytest.importorskip("torch")
    seen = []
    for lib in (rushlight, torch):
        optimizer = optimizer_of(lib)
        schedule = lib.optim.swa_utils.SWALR(optimizer, [0.5, 0.01], **options)
        seen.append([rates(optimizer)])
        for _ in range(6):
            optimizer.step()
            schedule.step()
            seen[-1].append(rates(optimizer))
    for ours, theirs in zip(*seen, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a == pytest.approx(b, rel=1e-12)


@pytest.mark.parametrize("average", [None, "ema", "multi ema"])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averaged_model_averages(average, use_buffers):
    swa = rushlight.optim.swa_utils
    options = {
        None: {},
        "ema": {"avg_fn": swa.get_ema_avg_fn(0.75)},
        "multi ema": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.75)},
    }[average]
    model = rushlight.nn.Sequential(rushlight.nn.Linear(2, 2), rushlight.nn.BatchNorm1d(2))
    averaged = swa.AveragedModel(model, use_buffers=use_buffers, **options)
    history, means = [], []
    for i in range(4):
        with rushlight.no_grad():
            model[0].weight.fill_(float(i))
            model[1].running_mean.fill_(float(i))
        history.append(float(i))
        averaged.update_parameters(model)
        mean = sum(history) / len(history)
        means.append(mean if average is None or i == 0 else 0.75 * means[-1] + 0.25 * i)
    weight, buffer = averaged.module[0].weight, averaged.module[1].running_mean
    assert weight.detach().flatten().tolist() == pytest.approx([means[-1]] * 4)
    assert buffer.tolist() == pytest.approx([means[-1] if use_buffers else 3.0] * 2)
    assert averaged.n_averaged == 4
    x = rushlight.ones(3, 2)
    averaged.eval()
    assert rushlight.equal(averaged(x), averaged.module(x))


def test_update_bn_computes_statistics_of_all_batches():
    norm = rushlight.nn.BatchNorm1d(2, momentum=0.3)
    batches = [rushlight.randn(8, 2) + i for i in range(3)]
    norm.eval()
    rushlight.optim.swa_utils.update_bn([(batch, None) for batch in batches], norm)
    expected = sum(batch.mean(0) for batch in batches) / 3
    assert rushlight.allclose(norm.running_mean, expected, atol=1e-6)
    assert not norm.training and norm.momentum == 0.3
