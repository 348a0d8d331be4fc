"""Tests that a model is evaluated with what is changed, and is afterwards the same as before."""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import Compose, ToTensor

from mp09.data.cifar import read_batch
from mp09.grading.interventions import BY_KEY
from mp09.grading.sandbox.evaluation import Evaluation, dataset_of, linear_head
from mp09.grading.sandbox.isolation import Confined
from mp09.grading.sandbox.plain_values import Refused
from mp09.grading.sandbox.session import Norm, Session
from mp09.grading.sandbox.training_watch import TrainingWatch, untouched

TRAIN = "data_batch_1"


class Items(torch.utils.data.Dataset):
    """Gives the images and labels of a batch file."""

    def __init__(self, file, transform):
        self.truth, self.transform = read_batch(file), transform

    def __len__(self):
        return len(self.truth)

    def __getitem__(self, index):
        image = self.truth.images[index].transpose(1, 2, 0)
        return (self.transform(image) if self.transform else image), int(self.truth.labels[index])


class Model(nn.Module):
    """Looks at the means of the colours, after a BatchNorm."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm2d(3), nn.Linear(3, 8)

    def forward(self, images):
        return self.head(self.norm(images).mean((2, 3)))


@pytest.fixture
def session():
    session = Session(0, Confined())
    session.module = ModuleType("submitted")
    session.module.build_dataset = lambda files, transform=None: Items(files[0], transform)
    session.module.get_preprocess_transform = lambda mode: ToTensor()
    session.model = Model().eval()
    parts = (torch.ones(3), torch.zeros(3), torch.tensor([0.5, 0.4, 0.3]), torch.full((3,), 0.1))
    session.norms = [Norm(*parts)]
    return session


def answers(session, small_data, *keys, count=40):
    file = str(small_data / "test_batch")
    with Evaluation(session, file, count, 16, [str(small_data / TRAIN)]) as evaluation:
        for key in keys:
            BY_KEY[key].change(evaluation)
        return evaluation.classes()


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("key", BY_KEY)
def test_the_model_is_the_same_afterwards(session, small_data, key):
    before, plain = state(session.model), answers(session, small_data)
    answers(session, small_data, key)
    assert all(torch.equal(tensor, before[name]) for name, tensor in session.model.state_dict().items())
    assert not session.model.training
    assert np.array_equal(answers(session, small_data), plain)


def test_statistics_are_those_of_the_checkpoint(session, small_data):
    session.model.norm.running_mean.fill_(7.0)
    with Evaluation(session, str(small_data / "test_batch"), 4, 4) as evaluation:
        evaluation.restore_statistics()
        assert torch.equal(session.model.norm.running_mean, session.norms[0].mean)
        assert torch.equal(session.model.norm.running_var, session.norms[0].variance)
    assert session.model.norm.running_mean.eq(7.0).all()


def test_a_layer_with_other_weights_is_not_the_checkpoints(session, small_data):
    nn.init.constant_(session.model.norm.weight, 2.0)
    with pytest.raises(Refused, match="no BatchNorm layer of the checkpoint"):
        answers(session, small_data, "cause-statistics")


def inputs(session, small_data, *keys):
    seen = []
    hook = session.model.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    answers(session, small_data, *keys)
    hook.remove()
    return torch.cat(seen)


def test_images_come_from_the_file_and_not_from_the_dataset(session, small_data):
    truth = torch.from_numpy(read_batch(small_data / "test_batch").images[:40]) / 255
    session.module.build_dataset = None
    assert torch.allclose(inputs(session, small_data, "cause-not-normalised"), truth)
    assert torch.allclose(inputs(session, small_data, "cause-half"), truth * 2 - 1, atol=1e-6)
    assert torch.allclose(inputs(session, small_data, "cause-bytes"), truth * 255)


def test_scrambling_and_putting_in_order_are_opposites(session, small_data):
    plain = inputs(session, small_data)
    scrambled = inputs(session, small_data, "cause-reshaped")
    assert not torch.allclose(scrambled, plain)
    session.module.get_preprocess_transform = lambda mode: (
        lambda image: torch.from_numpy(image.transpose(2, 0, 1).reshape(32, 32, 3).transpose(2, 0, 1) / np.float32(255))
    )
    assert torch.allclose(inputs(session, small_data, "cause-unscrambled"), plain)


def test_the_transform_for_training_is_used(session, small_data):
    transforms = {"test": ToTensor(), "train": lambda image: ToTensor()(image) - 1}
    session.module.get_preprocess_transform = transforms.__getitem__
    difference = inputs(session, small_data, "cause-train-transform") - inputs(session, small_data)
    assert torch.allclose(difference, torch.tensor(-1.0))


def test_layers_that_stay_in_train_mode_are_put_into_eval_mode(session, small_data):
    seen = []
    session.model.eval = lambda: session.model.train()
    session.model.norm.register_forward_pre_hook(lambda norm, _: seen.append(norm.training))
    answers(session, small_data, count=16)
    answers(session, small_data, "cause-eval-mode", count=16)
    assert seen == [True, False]


def test_a_transform_for_training_that_does_not_fit_is_refused(session, small_data):
    session.module.get_preprocess_transform = lambda mode: None
    with pytest.raises(Refused, match="the transform for training"):
        answers(session, small_data, "cause-train-transform")


def test_a_new_head_learns_from_the_training_images(session, small_data):
    nn.init.zeros_(session.model.head.weight)
    labels = read_batch(small_data / "test_batch").labels[:200]
    old, new = (answers(session, small_data, *keys, count=200) == labels for keys in ([], ["refit"]))
    assert new.mean() > old.mean() + 0.1


def test_units_that_give_nothing_are_counted(session, small_data):
    session.model.norm = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    nn.init.zeros_(session.model.norm[0].weight)
    nn.init.constant_(session.model.norm[0].bias, -1.0)
    file = str(small_data / "test_batch")
    assert Evaluation(session, file, 40, 40).outputs_in_short() == (False, 1.0)
    session.model.norm[0].bias.data[0] = 1.0
    assert Evaluation(session, file, 40, 40).outputs_in_short()[1] == pytest.approx(2 / 3)


def test_a_head_is_fitted():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 8
    centres, noise = torch.randn(8, 20, generator=generator), 0.1 * torch.randn(400, 20, generator=generator)
    features = centres[labels] + noise
    with torch.no_grad():  # some submissions switch gradients off for good
        logits = linear_head(features[:200], labels[:200])(features[200:])
    assert (logits.argmax(1) == labels[200:]).float().mean() > 0.95


def fails(image):
    raise TypeError("does not fit")


@pytest.mark.parametrize(("own", "name"), [(ToTensor(), "test"), (None, "ToTensor()"), (fails, "ToTensor()")])
def test_the_first_transform_that_fits_is_used(session, small_data, own, name):
    session.module.get_preprocess_transform = lambda mode: own
    assert dataset_of(session, str(small_data / "test_batch"), "test")[1] == name


def test_a_dataset_that_gives_tensors_by_itself_needs_no_transform(session, small_data):
    """It is as if a student had put ToTensor() into the dataset: a second one fails."""
    session.module.build_dataset = lambda files, transform=None: Items(
        files[0], Compose([ToTensor(), transform]) if transform else ToTensor()
    )
    dataset, name, problem = dataset_of(session, str(small_data / "test_batch"), "test")
    assert (name, dataset[0][0].shape) == ("none", (3, 32, 32))
    assert problem.startswith("TypeError: pic should be PIL Image or ndarray")


def test_without_a_transform_that_fits_the_first_error_is_told(session, small_data):
    session.module.get_preprocess_transform = lambda mode: fails
    session.module.build_dataset = lambda files, transform=None: Items(files[0], transform and fails)
    with pytest.raises(TypeError, match="does not fit"):
        dataset_of(session, str(small_data / "test_batch"), "test")


# Watching a training


def trained(model, steps, *, backward=True, rate=0.1):
    watch, optimizer = TrainingWatch(), torch.optim.SGD(model.parameters(), lr=rate)
    with watch:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(torch.ones(4, 5)), torch.zeros(4, dtype=torch.long))
            if backward:
                loss.backward()
            optimizer.step()
    return watch


def test_steps_and_losses_are_seen():
    model = nn.Linear(5, 8)
    facts = trained(model, 30).facts(model, [model], sums_to_one=False, idle=0.0)
    assert (facts.steps, facts.without_gradient, facts.optimizer, facts.rate) == (30, 0, "SGD", 0.1)
    assert facts.first_loss > facts.last_loss == facts.least_loss > 0
    assert not facts.other_parameters


def test_what_is_missing_is_seen():
    model = nn.Linear(5, 8)
    facts = trained(model, 3, backward=False).facts(nn.Linear(5, 8), [nn.Linear(5, 8)], sums_to_one=True, idle=0.0)
    assert (facts.steps, facts.without_gradient, facts.first_loss) == (3, 3, None)
    assert facts.other_parameters
    assert facts.sums_to_one


def test_nothing_is_watched_afterwards():
    before = torch.Tensor.backward
    watch = trained(nn.Linear(5, 8), 1)
    assert torch.Tensor.backward is before
    torch.optim.SGD([torch.zeros(1, requires_grad=True)]).step()
    assert watch.facts(nn.Identity(), [], sums_to_one=False, idle=0.0).steps == 1


def test_a_weight_that_is_no_number_is_none():
    model = nn.Linear(5, 8)
    nn.init.constant_(model.weight, torch.nan)
    facts = TrainingWatch().facts(model, [model], sums_to_one=False, idle=0.0)
    assert (facts.largest_weight, facts.steps, facts.rate) == (None, 0, None)


def test_a_layer_as_it_was_made_is_told_from_a_trained_one():
    layer = nn.Linear(512, 8)
    assert untouched(layer)
    with torch.no_grad():
        layer.weight += 0.01 * torch.randn(8, 512)
    assert not untouched(layer)
