"""Tests that published models are cut cleanly, and that weights which are missing or don't fit are refused."""

import re

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as zoo

from models import resnet18
from mp09.errors import ModelError
from mp09.nets.backbones import OURS, backbone, names, read_state
from mp09.nets.published import published
from selftests.nets.test_preprocess import assert_prepared_as_published

# These are one model of each family in torchvision.
FAMILIES = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_32",
    "wide_resnet50_2",
]


@pytest.mark.parametrize("name", [OURS, *FAMILIES])
def test_a_body_gives_features_of_the_width_it_says(name):
    made = backbone(name, "none")
    x = torch.randint(256, (1, 3, 40, 48), dtype=torch.uint8)
    assert made.body.eval()(made.preprocess(x)).shape == (1, made.width)
    assert made.head is None or (made.head.in_features == made.width and made.head not in made.body.modules())


def test_the_families_are_all_there_are():
    def family(name: str) -> str:
        return name.rstrip("0123456789").split("_")[0].rstrip("0123456789")

    assert {family(name) for name in names()} == {family(name) for name in [OURS, *FAMILIES]}


def test_body_and_head_together_are_the_course_model():
    made, whole = backbone(OURS), resnet18(pretrained=True).eval()
    x = torch.rand(4, 3, 32, 32)
    assert torch.equal(made.head(made.body.eval()(x)), whole(x))
    assert made.classes[3] == "cat"


def publish(state: dict, weights, folder, monkeypatch) -> None:
    """Save a state dict where PyTorch looks for these weights before it downloads them."""
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(state, folder / "hub" / "checkpoints" / weights.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(folder))


def test_weights_of_the_registry_are_taken_with_their_preprocessing(tmp_path, monkeypatch):
    chosen = zoo.AlexNet_Weights.IMAGENET1K_V1
    whole = zoo.alexnet().eval()
    publish(whole.state_dict(), chosen, tmp_path, monkeypatch)
    made = backbone("alexnet", "IMAGENET1K_V1")
    x = torch.randint(256, (2, 3, 300, 260), dtype=torch.uint8)
    ready = made.preprocess(x)
    assert_prepared_as_published(ready, chosen, x)
    torch.testing.assert_close(made.head(made.body.eval()(ready)), whole(ready))
    assert made.classes[1] == "goldfish"


def test_a_file_of_torchvision_s_is_known_by_its_name(tmp_path):
    chosen = zoo.ResNet50_Weights.IMAGENET1K_V1  # the default weights have another preprocessing
    file = tmp_path / chosen.url.rpartition("/")[2]
    torch.save(zoo.resnet50().state_dict(), file)
    made = published("resnet50", file)
    assert (made.weights, made.file) == (str(chosen), file)
    x = torch.randint(256, (2, 3, 300, 260), dtype=torch.uint8)
    assert_prepared_as_published(made.preprocess(x), chosen, x)


def test_a_vision_transformer_s_weights_tell_its_size(tmp_path):
    torch.save(zoo.vit_b_32(image_size=96).state_dict(), tmp_path / "small.pt")
    made = published("vit_b_32", tmp_path / "small.pt")
    assert made.preprocess.size == 96
    assert made.net(torch.rand(1, 3, 96, 96)).shape == (1, 1000)


def old_densenet(state: dict) -> dict:
    names = {key: re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key) for key in state}
    return {names[key]: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def test_the_published_densenet_has_old_names(tmp_path, monkeypatch):
    net = zoo.densenet121().eval()
    publish(old_densenet(net.state_dict()), zoo.DenseNet121_Weights.IMAGENET1K_V1, tmp_path, monkeypatch)
    torch.save(old_densenet(net.state_dict()), tmp_path / "fetched.pth")
    x = torch.rand(1, 3, 64, 64)
    for weights in ("default", tmp_path / "fetched.pth"):
        made = backbone("densenet121", weights)
        torch.testing.assert_close(made.head(made.body.eval()(x)), net(x))


def test_the_published_googlenet_normalises_in_its_own_way(tmp_path, monkeypatch):
    net = zoo.googlenet(transform_input=True, aux_logits=True, init_weights=False).eval()
    publish(net.state_dict(), zoo.GoogLeNet_Weights.IMAGENET1K_V1, tmp_path, monkeypatch)
    torch.save(net.state_dict(), tmp_path / "fetched.pth")
    x = torch.rand(2, 3, 64, 64)
    for weights in ("default", tmp_path / "fetched.pth"):
        made = backbone("googlenet", weights)
        torch.testing.assert_close(made.head(made.body.eval()(x)), net(x))
        assert made.body.train()(x).shape == (2, 1024)


def test_tensors_that_a_layer_renames_are_found(tmp_path):
    net = zoo.vit_b_32()
    state = net.state_dict()
    old = {re.sub(r"mlp\.(0|3)\.", lambda m: f"mlp.linear_{1 + int(m[1]) // 3}.", key): v for key, v in state.items()}
    state = type(state)(old)
    state._metadata = {"": {"version": 1}}
    torch.save(state, tmp_path / "vit.pth")
    assert torch.equal(backbone("vit_b_32", tmp_path / "vit.pth").body.conv_proj.weight, net.conv_proj.weight)


@pytest.mark.parametrize("name", ["mnasnet0_5", "squeezenet1_0"])
def test_a_file_without_versions_and_with_another_number_of_classes_fits(name, tmp_path):
    net = zoo.get_model(name, num_classes=7)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    x = torch.rand(1, 3, 64, 64)
    made = backbone(name, tmp_path / "net.safetensors")
    assert made.head is None or made.head.out_features == 7
    assert made.body.eval()(x).shape == (1, made.width)


def test_a_file_may_have_another_number_of_classes(tmp_path):
    save_file(resnet18(num_classes=200).state_dict(), tmp_path / "tiny.safetensors")
    made = backbone(OURS, tmp_path / "tiny.safetensors")
    assert made.head.out_features == 200
    assert made.classes == ()


def test_a_parallel_run_leaves_a_prefix(tmp_path):
    net = resnet18()
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "net.pt")
    assert torch.equal(backbone(OURS, tmp_path / "net.pt").body.conv1.weight, net.conv1.weight)


def test_an_unknown_model_gets_the_nearest_names():
    with pytest.raises(ModelError, match=r"resnet51: no such model. Did you mean .*resnet50"):
        backbone("resnet51")


def test_a_name_like_no_other_gets_examples():
    with pytest.raises(ModelError, match="Known: resnet18-32, alexnet"):
        backbone("§§§§")


def test_unknown_weights_get_the_nearest_names():
    with pytest.raises(ModelError, match=r"IMAGENET1K_V3: no such weights. Did you mean IMAGENET1K_V[12]"):
        backbone("resnet50", "IMAGENET1K_V3")


def test_weights_that_do_not_fit_name_the_tensors(tmp_path):
    torch.save(zoo.squeezenet1_1().state_dict(), tmp_path / "squeeze.pt")
    with pytest.raises(ModelError, match=r"squeeze.pt: the weights don't fit .* missing \(conv1.weight, .*unknown"):
        backbone("resnet18", tmp_path / "squeeze.pt")


def test_tensors_of_another_shape_are_named(tmp_path):
    torch.save(zoo.resnet18().state_dict(), tmp_path / "big.pt")
    with pytest.raises(ModelError, match=r"conv1.weight is \(64, 3, 7, 7\) and should be \(64, 3, 3, 3\)"):
        backbone(OURS, tmp_path / "big.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01."])
def test_a_file_without_weights_is_refused(tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"bad.pt: could not be read as weights"):
        read_state(tmp_path / "bad.pt")


def test_a_whole_model_in_a_file_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"holds more than tensors. Save those alone: torch.save\(net.state_dict"):
        read_state(tmp_path / "net.pt")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"none.pt: could not be read as weights: No such file or directory$"):
        backbone(OURS, tmp_path / "none.pt")


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match=r"expected a state dict .* got list"):
        read_state(tmp_path / "list.pt")


def test_a_download_that_fails_says_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"could not be fetched from https://download.pytorch.org/.*Fetch that file"):
        backbone("alexnet", "IMAGENET1K_V1")
