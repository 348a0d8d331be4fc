"""Test that PyTorch Hub finds, explains and loads the course's model in this repository."""

import pickle
import shutil
import subprocess
import sys
import types

import pytest
import torch

from mp09.nets.published import published
from selftests.conftest import ROOT

REPOSITORY = "owner/name:main"


def load(**options) -> torch.nn.Module:
    return torch.hub.load(str(ROOT), "resnet18", source="local", **options)


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Copy the repository to where the hub leaves what it fetches from GitHub: `list` and `help` take nothing else."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "owner_name_main"
    folder.mkdir(parents=True)
    for name in ("hubconf.py", "models.py", "resnet18.pt"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_the_hub_lists_the_model_and_nothing_else(fetched):
    assert torch.hub.list(REPOSITORY, trust_repo=True) == ["resnet18"]


def test_the_hub_shows_its_docstring(fetched):
    text = torch.hub.help(REPOSITORY, "resnet18", trust_repo=True)
    assert text.startswith("ResNet-18 for 32x32 images")
    assert "pretrained: load resnet18.pt" in text


def test_what_the_hub_fetched_loads_with_its_weights(fetched):
    net = torch.hub.load(REPOSITORY, "resnet18", pretrained=True, trust_repo=True)
    assert torch.equal(net.conv1.weight, load(pretrained=True).conv1.weight)


def test_the_loaded_model_gives_the_outputs_of_our_own():
    ours = published("resnet18-32")
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    x = ours.preprocess(images)
    assert torch.equal(load(pretrained=True).eval()(x), ours.net.eval()(x))


def test_it_can_be_pickled_also_after_another_was_loaded():
    net = load()
    load()
    copy = pickle.loads(pickle.dumps(net))
    assert torch.equal(copy.conv1.weight, net.conv1.weight)


def test_it_is_built_as_asked():
    assert load(num_classes=200).fc.out_features == 200
    with pytest.raises(RuntimeError, match="size mismatch"):
        load(num_classes=200, pretrained=True)


def test_a_module_of_the_same_name_is_not_taken_for_ours(monkeypatch):
    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    assert sum(parameter.numel() for parameter in load().parameters()) == 11_173_962


def test_it_loads_from_another_folder_where_this_package_is_not_installed(tmp_path):
    """Packages that are installed from this folder are hidden: torch is all that is needed."""
    code = (
        "import sys, torch; sys.modules['mp09'] = sys.modules['torchvision'] = None\n"
        f"net = torch.hub.load({str(ROOT)!r}, 'resnet18', source='local', pretrained=True)\n"
        "print(tuple(net.eval()(torch.zeros(2, 3, 32, 32)).shape))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 10)\n"
