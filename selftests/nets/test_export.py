"""Tests that an exported model gives the numbers of the original, and that its file says what it is."""

import pytest
import torch

from mp09.errors import ModelError
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.nets.export import export, load_exported

CLASSES = ("airplane", "automobile", "bird")


def classifier(name: str = "resnet18-32") -> Classifier:
    base = backbone(name, "none")
    return Classifier(base, make_head(base.width, len(CLASSES), hidden=(20,))).eval()


@pytest.mark.parametrize("name", ["resnet18-32", "squeezenet1_1", "mobilenet_v3_small", "vit_b_32"])
def test_the_file_gives_features_and_logits(tmp_path, name):
    model = classifier(name)
    export(model, tmp_path / "net.pt", name=name, classes=CLASSES)
    images = torch.randint(256, (3, 3, 60, 50), dtype=torch.uint8)
    features, logits = load_exported(tmp_path / "net.pt").model(images)
    with torch.no_grad():
        torch.testing.assert_close(logits, model(images), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features, model.features(images), atol=1e-4, rtol=1e-4)


def test_probabilities_add_up_to_one(tmp_path):
    export(classifier(), tmp_path / "net.pt", name="x", softmax=True)
    _, scores = load_exported(tmp_path / "net.pt").model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))


def test_the_card_lies_in_the_file(tmp_path):
    export(classifier(), tmp_path / "net.pt", name="mine", classes=CLASSES)
    card = load_exported(tmp_path / "net.pt").card
    assert (card["name"], card["classes"], card["width"], card["softmax"]) == ("mine", list(CLASSES), 512, False)
    assert card["preprocess"]["mean"] == [0.4914, 0.4822, 0.4465]


def test_too_few_class_names_are_refused(tmp_path):
    with pytest.raises(ModelError, match="2 class names for 3 outputs"):
        export(classifier(), tmp_path / "net.pt", name="x", classes=CLASSES[:2])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="could not be written"):
        export(classifier(), tmp_path / "none" / "net.pt", name="x")


def test_a_model_that_decides_by_its_input_is_refused(tmp_path):
    class Fickle(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3)) * torch.rand(1)

    model = classifier()
    model.body, model.head = Fickle(), torch.nn.Linear(3, 3)
    (tmp_path / "net.pt").write_bytes(b"before")
    with pytest.raises(ModelError, match="its scores would differ"):
        export(model, tmp_path / "net.pt", name="x")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_one_logit_becomes_two_classes(tmp_path):
    base = backbone("resnet18-32", "none")
    model = Classifier(base, make_head(base.width, 1)).eval()
    export(model, tmp_path / "net.pt", name="x", classes=("cat", "dog"), softmax=True)
    images = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    _, scores = load_exported(tmp_path / "net.pt").model(images)
    with torch.no_grad():
        torch.testing.assert_close(scores[:, 1:], model(images).sigmoid(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("content", [None, b"hello"])
def test_another_file_is_refused(tmp_path, content):
    if content:
        (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"not a model exported by"):
        load_exported(tmp_path / "net.pt")


def test_a_damaged_file_is_refused(tmp_path):
    model = backbone("resnet18-32", "none")
    path = tmp_path / "net.pt"
    export(Classifier(model, make_head(model.width, 8)).eval(), path, name="x")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"\(.* in it is damaged\)"):
        load_exported(path)


def test_a_state_dict_is_no_exported_model(tmp_path):
    torch.save(backbone("resnet18-32", "none").body.state_dict(), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"\(it holds no card.json\)"):
        load_exported(tmp_path / "net.pt")
