"""A network's fastest forms for computing features."""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from mp09.errors import FeatureError


def fast_form(body: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy for inference: BatchNorm folded into the convolutions before it, channels last, in `dtype`."""
    body = copy.deepcopy(body).eval().requires_grad_(False)
    try:
        body = fuse(body, inplace=True)
    except (fx.proxy.TraceError, TypeError, RuntimeError):  # a network that decides by its input can't be traced
        pass
    return body.to(dtype, memory_format=torch.channels_last)


@torch.inference_mode()
def int8_form(body: nn.Module, inputs: Sequence[Tensor]) -> nn.Module:
    """A copy that computes in 8-bit whole numbers on a processor, their steps chosen by the values that `inputs` give.

    Coarser: on the course's network a linear head's accuracy changes by less than 0.1 points, others may lose more.
    Raises FeatureError when the network can't be traced.

    PyTorch's own quantizer is deprecated in favour of torchao, whose form for processors needs a C++ compiler wherever
    it runs; PyTorch is pinned.
    """
    body = copy.deepcopy(body).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import get_default_qconfig_mapping
        from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

        try:
            body = prepare_fx(body, get_default_qconfig_mapping("x86"), (inputs[0],))
        except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
            raise FeatureError(f"int8: this network can't be traced ({error}). Use another precision.") from error
        for x in inputs:
            body(x)
        return convert_fx(body)
