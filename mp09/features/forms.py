"""Makes the forms of a backbone in which it computes features fastest.

A form maps preprocessed images to features, both on one device. On processors, it is OpenVINO's where the extra `fast`
is installed. Elsewhere PyTorch computes, with BatchNorm folded into the convolutions before it and the memory format
channels last.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mp09.errors import FeatureError
from mp09.features import openvino_form
from mp09.precision import BFLOAT16, INT8

PYTORCH = "PyTorch"


class _OneThread:
    """Is a context manager that keeps PyTorch to one thread, until the last of several blocks has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = self._threads = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._threads = torch.get_num_threads()
                torch.set_num_threads(1)
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                torch.set_num_threads(self._threads)


_one_thread = _OneThread()


@dataclass(frozen=True)
class Form:
    """A form of a backbone, which may be called from several threads.

    Attributes:
        features: Maps preprocessed images float32 (n, 3, S, S) to features float32 (n, D).
        engine: What computes them, PYTORCH or another.
    """

    features: Callable[[Tensor], Tensor]
    engine: str = PYTORCH

    def __call__(self, images: Tensor) -> Tensor:
        return self.features(images)

    def beside(self) -> AbstractContextManager[None]:
        """Return a block for what PyTorch does before and after, in which it keeps to one thread beside another engine.

        Its other threads would go on waiting busily for a while after each operation, and take cores from the engine.
        """
        return nullcontext() if self.engine == PYTORCH else _one_thread


def form_of(
    body: nn.Module,
    sample: Tensor,
    precision: str,
    device: torch.device,
    calibration: Sequence[Tensor] = (),
    *,
    fast: bool = True,
) -> Form:
    """Make the fastest form of a model on a device.

    int8 computes in 8-bit whole numbers. That is coarser: with the course's model, the accuracy of a linear head
    changes by about 0.1 percentage points, and other models may lose more.

    Args:
        body: Maps float (n, 3, S, S) to features (n, D); it stays as it is.
        sample: An input (2, 3, S, S).
        precision: "float32" or "bfloat16"; or "int8", for processors and with the extra `fast`.
        device: Where images are, and where their features will be.
        calibration: For int8, inputs by whose values the steps between whole numbers are chosen.
        fast: Whether another engine than PyTorch may compute it.

    Raises:
        FeatureError: int8 is not possible for this model, or the extra `fast` is not installed.
    """
    if fast and engine(device):
        try:
            return Form(openvino_form.openvino_form(body, sample.cpu(), precision, calibration), engine(device))
        except FeatureError:
            if precision == INT8:
                raise
    elif precision == INT8:
        raise FeatureError("int8 is computed by OpenVINO, which is not installed: pip install -e '.[fast]'")
    return pytorch_form(body, precision, device)


def engine(device: torch.device) -> str:
    """Return what computes forms on a device besides PyTorch, such as "OpenVINO 2026.4.1"; "" if nothing does."""
    version = openvino_form.version("openvino") if device.type == "cpu" else ""
    return f"OpenVINO {version}" if version else ""


def pytorch_form(body: nn.Module, precision: str, device: torch.device) -> Form:
    """Make the form of a model in which PyTorch computes, in "float32" or "bfloat16"; see `form_of`."""
    dtype = torch.bfloat16 if precision == BFLOAT16 else torch.float32
    folded = _folded(copy.deepcopy(body).eval().requires_grad_(False))
    fast = folded.to(device, dtype).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        return fast(images.to(dtype, memory_format=torch.channels_last)).float()

    return Form(features)


def _folded(body: nn.Module) -> nn.Module:
    """Fold each BatchNorm that follows a convolution into it. A model that can't be traced is returned as it is."""
    try:
        traced = fx.symbolic_trace(body)
    except (fx.proxy.TraceError, TypeError, RuntimeError):  # it decides by its input, for example
        return body
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        convolution, norm = modules[str(before.target)], modules[str(node.target)]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced
