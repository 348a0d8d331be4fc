"""CNN Image Classifier is a transfer-learning assignment with its autograder and four labs.

These names are for labs, notebooks and programs of your own: `from mp09 import backbone, fit`. Each is imported when it
is first used, so `import mp09` alone waits for no library.

Images. `ImageSet` holds labelled images in memory. `open_data` opens the images of a folder for training, validation
and test. `prepare_tiny_imagenet` makes Tiny ImageNet ready for that. `crop_and_flip` changes training images at random.

Models. `backbone` loads a published model and cuts off its head. `make_head` makes a new head, and `Classifier` joins
the two into one model that takes images as they are and of which any part may be frozen.

Training. `fit` trains any model on any batches, as `FitOptions` says, and `Batches` cuts batches out of data in memory.
`trainer` is the short form of `fit` that the course's lecture uses. `plots` draws curves, confusion matrices and
mistakes.

Features. `extract` computes what a frozen backbone makes of images, as `ExtractOptions` says, and can keep it.
`train_head` and `logistic_regression` learn from such features. `tuning` searches for the best settings of a head.

Whole runs. `train` does what the command train does: it takes the images of `open_data`, `ModelOptions`, `FitOptions`
and `InputOptions`, and leaves checkpoints and plots in a folder. `load_trained` loads the model of such a folder.
`export_run` writes a model as one file for other programs, and `load_exported` loads it.

Models at work. `predictor` is a model that says what is on one image. `classify` gives it the frames of a camera, a
video or a folder, which `open_source` opens. `compare_models` measures models side by side, as `CompareOptions` says.
`stream_images` sends a `Stream` of images through a model in improv, as `StreamOptions` says.

Everything. `choose_device` finds the fastest device. `seed_everything` makes what is random repeat. `Mp09Error` is the
base of the errors that this package raises for its users to read.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that editors and type checkers know the names of the table below
    from mp09 import tuning as tuning
    from mp09.data.imageset import ImageSet as ImageSet
    from mp09.data.tiny_prepare import prepare_tiny_imagenet as prepare_tiny_imagenet
    from mp09.device import choose_device as choose_device
    from mp09.device import seed_everything as seed_everything
    from mp09.errors import Mp09Error as Mp09Error
    from mp09.features.extract import ExtractOptions as ExtractOptions
    from mp09.features.extract import extract as extract
    from mp09.features.heads import logistic_regression as logistic_regression
    from mp09.features.heads import train_head as train_head
    from mp09.inference.frames import open_source as open_source
    from mp09.nets.backbones import backbone as backbone
    from mp09.nets.classifier import Classifier as Classifier
    from mp09.nets.classifier import make_head as make_head
    from mp09.nets.export import load_exported as load_exported
    from mp09.recipes.classify import classify as classify
    from mp09.recipes.classify import predictor as predictor
    from mp09.recipes.comparison import CompareOptions as CompareOptions
    from mp09.recipes.comparison import compare_models as compare_models
    from mp09.recipes.datasets import open_data as open_data
    from mp09.recipes.export_run import export_run as export_run
    from mp09.recipes.input_options import InputOptions as InputOptions
    from mp09.recipes.model_options import ModelOptions as ModelOptions
    from mp09.recipes.train import load_trained as load_trained
    from mp09.recipes.train import train as train
    from mp09.streaming.image_folder import Stream as Stream
    from mp09.streaming.run import StreamOptions as StreamOptions
    from mp09.streaming.run import stream_images as stream_images
    from mp09.training import plots as plots
    from mp09.training.augment import crop_and_flip as crop_and_flip
    from mp09.training.batches import Batches as Batches
    from mp09.training.fit import fit as fit
    from mp09.training.options import FitOptions as FitOptions
    from mp09.training.trainer import trainer as trainer

__version__ = "1.0.0"

_MODULES = {
    "ImageSet": "mp09.data.imageset",
    "open_data": "mp09.recipes.datasets",
    "prepare_tiny_imagenet": "mp09.data.tiny_prepare",
    "crop_and_flip": "mp09.training.augment",
    "backbone": "mp09.nets.backbones",
    "make_head": "mp09.nets.classifier",
    "Classifier": "mp09.nets.classifier",
    "Batches": "mp09.training.batches",
    "FitOptions": "mp09.training.options",
    "fit": "mp09.training.fit",
    "trainer": "mp09.training.trainer",
    "plots": "mp09.training.plots",
    "ExtractOptions": "mp09.features.extract",
    "extract": "mp09.features.extract",
    "train_head": "mp09.features.heads",
    "logistic_regression": "mp09.features.heads",
    "tuning": "mp09.tuning",
    "ModelOptions": "mp09.recipes.model_options",
    "InputOptions": "mp09.recipes.input_options",
    "train": "mp09.recipes.train",
    "load_trained": "mp09.recipes.train",
    "export_run": "mp09.recipes.export_run",
    "load_exported": "mp09.nets.export",
    "open_source": "mp09.inference.frames",
    "predictor": "mp09.recipes.classify",
    "classify": "mp09.recipes.classify",
    "CompareOptions": "mp09.recipes.comparison",
    "compare_models": "mp09.recipes.comparison",
    "Stream": "mp09.streaming.image_folder",
    "StreamOptions": "mp09.streaming.run",
    "stream_images": "mp09.streaming.run",
    "choose_device": "mp09.device",
    "seed_everything": "mp09.device",
    "Mp09Error": "mp09.errors",
}
__all__ = list(_MODULES)

if not TYPE_CHECKING:  # a type checker that knew this function would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(_MODULES[name])
        value = getattr(module, name, module)  # plots and tuning are modules themselves
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
