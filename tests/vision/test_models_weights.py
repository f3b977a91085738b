"""Published weights: their facts, old spellings, and loading from the cache."""

from __future__ import annotations

import pickle
import warnings

import pytest

import rushlight as torch
from rushlight.vision import models
from rushlight.vision.models import ResNet18_Weights, ResNet50_Weights, WeightsEnum
from rushlight.vision.models._api import BUILTIN_MODELS, register_model


def test_facts_of_weights():
    weights = ResNet50_Weights.DEFAULT
    assert weights is ResNet50_Weights.IMAGENET1K_V2
    assert repr(weights) == str(weights) == "ResNet50_Weights.IMAGENET1K_V2"
    assert weights.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    assert len(weights.meta["categories"]) == 1000
    assert weights.meta["categories"][0] == "tench"
    assert weights.meta["num_params"] == 25557032
    assert weights.meta["_metrics"] == {"ImageNet-1K": {"acc@1": 80.858, "acc@5": 95.434}}
    assert pickle.loads(pickle.dumps(weights)) is weights
    preset = weights.transforms()
    assert (preset.resize_size, preset.crop_size) == ([232], [224])
    out = preset(torch.zeros(3, 300, 260, dtype=torch.uint8))
    assert out.shape == (3, 224, 224)
    torch.testing.assert_close(out[:, 0, 0], -torch.tensor([0.485, 0.456, 0.406]) / torch.tensor([0.229, 0.224, 0.225]))  # fmt: skip  # noqa: E501


def test_each_model_knows_its_weights():
    for name, builder in BUILTIN_MODELS.items():
        kind = models.get_model_weights(name)
        assert issubclass(kind, WeightsEnum)
        assert models.get_model_weights(builder) is kind
        for weights in kind:
            facts = weights.meta
            assert weights.url.startswith("https://download.pytorch.org/models/")
            assert facts["num_params"] > 0 and facts["_metrics"] and "min_size" in facts
            assert weights.transforms() is not None
            assert models.get_weight(str(weights)) is weights


def test_wrong_names_of_weights():
    with pytest.raises(KeyError):
        models.resnet18(weights="IMAGENET1K_V7")
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet50_Weights"):
        models.resnet18(weights=ResNet50_Weights.DEFAULT)
    with pytest.raises(ValueError, match="Unknown model"):
        models.get_model("resnet19")
    with pytest.raises(ValueError, match="Invalid weight name"):
        models.get_weight("IMAGENET1K_V1")
    with pytest.raises(ValueError, match="couldn't be retrieved"):
        models.get_weight("ResNet19_Weights.DEFAULT")
    assert ResNet18_Weights.verify(None) is None
    assert ResNet18_Weights.verify("ResNet18_Weights.IMAGENET1K_V1") is ResNet18_Weights.DEFAULT


def test_models_are_found_by_pattern_and_module():
    assert models.list_models(include="resnet1*") == ["resnet101", "resnet152", "resnet18"]
    assert models.list_models(include=["alex*", "vgg1*"], exclude="*_bn") == [
        "alexnet", "vgg11", "vgg13", "vgg16", "vgg19",
    ]  # fmt: skip
    assert "fcn_resnet50" in models.list_models(models.segmentation)
    assert "resnet18" not in models.list_models(models.segmentation)


def test_own_models_can_be_registered():
    @register_model("of_this_test")
    def build(**kwargs):
        return torch.nn.Linear(2, **kwargs)

    try:
        assert models.get_model("of_this_test", out_features=3).out_features == 3
        with pytest.raises(ValueError, match="already registered"):
            register_model("of_this_test")(build)
    finally:
        del BUILTIN_MODELS["of_this_test"]


def words_of(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in found]


def test_old_spellings_warn():
    said = words_of(lambda: models.squeezenet1_1(pretrained=False))
    assert "'pretrained' is deprecated since 0.13" in said[0]
    assert "equivalent to passing `weights=None`" in said[1]
    said = words_of(lambda: models.squeezenet1_1(None, True, num_classes=3))
    assert len(said) == 1 and "'weights' and 'progress' as positional" in said[0]
    with pytest.raises(TypeError):
        models.squeezenet1_1(weights=None, pretrained=False)


def test_weights_load_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    model = models.squeezenet1_1()
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    torch.save(model.state_dict(), folder / weights.url.rpartition("/")[2])
    loaded = models.squeezenet1_1(weights="DEFAULT", progress=False)
    for a, b in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 3"):
        models.squeezenet1_1(weights=weights, num_classes=3)
    said = words_of(lambda: models.squeezenet1_1(pretrained=True, progress=False))
    assert "equivalent to passing `weights=SqueezeNet1_1_Weights.IMAGENET1K_V1`" in said[1]


def test_old_files_of_densenet_load():
    from rushlight.vision.models.densenet import _renamed

    key = "features.denseblock1.denselayer1.norm.1.weight"
    assert list(_renamed({key: 0, "classifier.weight": 1})) == [
        "features.denseblock1.denselayer1.norm1.weight",
        "classifier.weight",
    ]
