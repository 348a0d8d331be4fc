"""Makes the forms of a model in which it computes features fastest."""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from mp09.errors import FeatureError


def fast_form(body: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy a model for inference, with BatchNorm folded into the convolutions before it, channels last, in `dtype`.

    A model that can't be traced keeps its BatchNorm layers.
    """
    body = copy.deepcopy(body).eval().requires_grad_(False)
    try:
        body = fuse(body, inplace=True)
    except (fx.proxy.TraceError, TypeError, RuntimeError):  # a model that decides by its input can't be traced
        pass
    return body.to(dtype).to(memory_format=torch.channels_last)


@torch.inference_mode()
def int8_form(body: nn.Module, inputs: Sequence[Tensor]) -> nn.Module:
    """Copy a model so that it computes in 8-bit whole numbers on a processor.

    The steps between these numbers are chosen by the values that occur in the model when it gets `inputs`. The result
    is coarser: with the course's model, the accuracy of a linear head changes by less than 0.1 percentage points, and
    other models may lose more.

    This uses PyTorch's own quantizer, and PyTorch is pinned for that. It is deprecated in favour of torchao, but the
    latter's form for processors needs a C++ compiler wherever it runs.

    Args:
        body: The model; it stays as it is.
        inputs: Preprocessed batches, float (n, 3, S, S).

    Raises:
        FeatureError: The model can't be traced.
    """
    body = copy.deepcopy(body).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import get_default_qconfig_mapping
        from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

        try:
            body = prepare_fx(body, get_default_qconfig_mapping("x86"), (inputs[0],))
        except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
            raise FeatureError(f"int8: this model can't be traced ({error}). Use another precision.") from error
        for x in inputs:
            body(x)
        return convert_fx(body)
