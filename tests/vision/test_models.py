"""Models: their parameters, weights and outputs, against figures of torchvision 0.28 and itself.

models_golden.json holds for each model of torchvision the number of parameters, of entries of its
state, and CRC-32s of their names and shapes and of its repr.
"""

from __future__ import annotations

import inspect
import json
import random
import zlib
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import models

GOLDEN = json.loads(Path(__file__).with_name("models_golden.json").read_text())
SEED = random.randrange(1 << 30)
SMALL = [n for n, (parameters, *_) in GOLDEN.items() if parameters < 9e6]
pytestmark = pytest.mark.filterwarnings("ignore:The default weight initialization")


def built(name, library=models):
    builder = library.get_model_builder(name)
    keywords = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        keywords["weights_backbone"] = None
    return builder(**keywords)


def test_every_model_of_torchvision_is_there():
    assert models.list_models() == sorted(GOLDEN)


def test_models_have_torchvisions_names_and_shapes():
    print("seed", SEED)
    chosen = random.Random(SEED).sample(SMALL, 8)
    for name in {*chosen, "resnet18", "squeezenet1_1"}:
        model = built(name)
        state = model.state_dict()
        text = "\n".join(f"{k} {tuple(v.shape)}" for k, v in state.items())
        found = [sum(p.numel() for p in model.parameters()), len(state), zlib.crc32(text.encode())]
        assert [*found, zlib.crc32(repr(model).encode())] == GOLDEN[name], name


# Sum and mean of squares of the outputs that torchvision gives with seed 0 for the image below.
OUTPUTS = {
    "mobilenet_v3_small": [7.859896276364575e-09, 3.9473655541591627e-20],
    "squeezenet1_1": [45.93147907539969, 0.0053647421135755435],
    "regnet_y_400mf": [0.4169611945399083, 0.00016222247719802286],
    "resnet18": [31.087396213319153, 0.22472268318218175],
}


def image(size=64):
    places = np.arange(3 * size * size, dtype="f").reshape(1, 3, size, size)
    return np.sin(places * 0.37).astype("f")


@pytest.mark.parametrize("name", OUTPUTS)
def test_seeded_models_give_torchvisions_outputs(name):
    torch.manual_seed(0)
    model = built(name).eval()
    with torch.no_grad():
        out = model(torch.from_numpy(image())).double()
    found = [out.sum().item(), out.pow(2).mean().item()]
    np.testing.assert_allclose(found, OUTPUTS[name], rtol=2e-4, atol=1e-12)


def test_every_parameter_of_a_model_learns():
    model = models.lenet()
    loss = model(torch.rand(4, 1, 32, 32)).pow(2).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_intermediate_layers_come_by_name():
    from rushlight.vision.models._utils import IntermediateLayerGetter

    model = models.resnet18().eval()
    getter = IntermediateLayerGetter(model, {"layer1": "fine", "layer3": "coarse"})
    out = getter(torch.rand(1, 3, 64, 64))
    assert [(k, tuple(v.shape)) for k, v in out.items()] == [
        ("fine", (1, 64, 16, 16)),
        ("coarse", (1, 256, 4, 4)),
    ]
    assert "layer4" not in dict(getter.named_children())
    with pytest.raises(ValueError, match="return_layers are not present"):
        IntermediateLayerGetter(model, {"layer9": "x"})


@pytest.fixture(scope="module")
def oracle():
    pytest.importorskip("torch")
    try:
        import torchvision.models as found
    except (ImportError, RuntimeError):
        pytest.skip("torchvision is absent or does not load")
    print("seed", SEED)
    return found


SIZES = {"s3d": 0, "raft": 0, "vit": 0, "maxvit": 0, "ssdlite": 0, "deeplab": 0, "lraspp": 0}
PLAIN = [n for n in SMALL if not n.startswith(tuple(SIZES)) and "rcnn" not in n]


def test_models_are_torchvisions_bit_for_bit_and_agree(oracle):
    import torch as original

    for name in random.Random(SEED).sample(PLAIN, 3):
        original.manual_seed(0), torch.manual_seed(0)
        want, got = built(name, oracle), built(name)
        states = want.state_dict(), got.state_dict()
        for key in states[0]:
            assert np.array_equal(states[0][key].numpy(), states[1][key].numpy()), (name, key)
        want, got = want.double().eval(), got.double().eval()
        x = image().astype("f8")
        a = want(original.from_numpy(x))
        b = got(torch.from_numpy(x))
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-7, atol=1e-9)
        a.pow(2).sum().backward(), b.pow(2).sum().backward()
        pairs = zip(want.parameters(), got.parameters(), strict=True)
        for p, q in pairs:
            scale = max(p.grad.abs().max().item(), 1e-12)
            error = np.abs(p.grad.numpy() - q.grad.numpy()).max() / scale
            assert error < 1e-5 or scale < 1e-9, name


def test_features_of_inner_layers_come_by_name():
    from rushlight.vision.models.feature_extraction import create_feature_extractor

    model = models.resnet18().eval()
    extractor = create_feature_extractor(model, {"layer1": "a", "layer2.0.conv1": "b"})
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        out = extractor(x)
        stem = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        assert torch.equal(out["a"], model.layer1(stem))
    assert list(out) == ["a", "b"] and out["b"].shape == (1, 128, 8, 8)
    used = extractor.state_dict()  # of what runs, and shared
    assert [k for k in model.state_dict() if k in used] == list(used) and "fc.weight" not in used
    assert extractor.conv1.weight is model.conv1.weight
    assert extractor.train() is extractor and extractor.bn1.training and not model.training
    assert not model.layer1._forward_hooks
    with pytest.raises(ValueError, match="not present in model"):
        create_feature_extractor(model, ["layer9"])
    with pytest.raises(ValueError, match="should be specified"):
        create_feature_extractor(model)
