"""The REINFORCE example learns to balance its pole, and plays as it does under PyTorch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "reinforce.py"


def loaded(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def play(module, episodes, seed=0):
    module.torch.manual_seed(seed)
    return module.learn(module.network(2), module.network(1), episodes, 0.01)


def test_the_pole_learns_to_stand(capsys):
    module = loaded(SCRIPT, "reinforce_example")
    module.main(["--seed", "1"])
    said = capsys.readouterr().out
    assert "mean length of 20" in said
    _, first, last = (int(word) for word in said.splitlines()[-1].split() if word.isdigit())
    assert first < 100
    assert last >= 475


def test_the_same_episodes_are_played_under_torch(tmp_path):
    pytest.importorskip("torch")
    text = SCRIPT.read_text().replace("import rushlight as torch", "import torch")
    (tmp_path / SCRIPT.name).write_text(text)
    ours = play(loaded(SCRIPT, "reinforce_ours"), 15)
    theirs = play(loaded(tmp_path / SCRIPT.name, "reinforce_theirs"), 15)
    assert "torch" in sys.modules
    assert ours == theirs


def test_an_episode_follows_the_laws_of_motion():
    game = loaded(SCRIPT, "reinforce_game").CartPole()
    game.reset()
    game.state = [0.0, 0.0, 0.1, 0.0]
    state, over = game.step(True)
    # The first step moves by speeds alone; a push to the right turns the pole to the left.
    assert state[0] == 0.0 and state[2] == 0.1
    assert state[1] == pytest.approx(0.193556, abs=1e-5)
    assert state[3] == pytest.approx(-0.259533, abs=1e-5)
    assert not over
    game.state = [0.0, 0.0, 0.22, 0.0]
    assert game.step(False)[1]
