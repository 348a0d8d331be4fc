"""Makes the forms of a backbone in which it computes features fastest.

A form is a function that maps preprocessed images float32 (n, 3, S, S) to features float32 (n, D), both on one device.
On processors, it is OpenVINO's where the extra `fast` is installed. Elsewhere PyTorch computes, with BatchNorm folded
into the convolutions before it and the memory format channels last.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mp09.errors import FeatureError
from mp09.features import openvino_form
from mp09.precision import BFLOAT16, INT8

Form = Callable[[Tensor], Tensor]


def form_of(
    body: nn.Module, sample: Tensor, precision: str, device: torch.device, calibration: Sequence[Tensor] = ()
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

    Raises:
        FeatureError: int8 is not possible for this model, or the extra `fast` is not installed.
    """
    if engine(device):
        try:
            return openvino_form.openvino_form(body, sample.cpu(), precision, calibration)
        except FeatureError:
            if precision == INT8:
                raise
    elif precision == INT8:
        raise FeatureError("int8 is computed by OpenVINO, which is not installed: pip install -e '.[fast]'")
    return pytorch_form(body, precision, device)


def engine(device: torch.device) -> str:
    """Return what computes forms on a device, such as "OpenVINO 2026.4.1"; "" for PyTorch."""
    version = openvino_form.version() if device.type == "cpu" else ""
    return f"OpenVINO {version}" if version else ""


@contextmanager
def one_thread_beside(device: torch.device) -> Iterator[None]:
    """Keep PyTorch to one thread within the block, where another engine computes a form on the device.

    PyTorch's other threads would go on waiting busily for a while after each operation, and take cores from the engine:
    ResNet-50 would classify 67 images a second instead of 95.
    """
    threads = torch.get_num_threads()
    if engine(device):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def pytorch_form(body: nn.Module, precision: str, device: torch.device) -> Form:
    """Make the form of a model in which PyTorch computes, in "float32" or "bfloat16"; see `form_of`."""
    dtype = torch.bfloat16 if precision == BFLOAT16 else torch.float32
    folded = _folded(copy.deepcopy(body).eval().requires_grad_(False))
    fast = folded.to(device, dtype).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        return fast(images.to(dtype, memory_format=torch.channels_last)).float()

    return features


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
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced
