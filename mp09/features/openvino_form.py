"""Computes a backbone with OpenVINO, which on processors is faster than PyTorch. It comes with the extra `fast`."""

import contextlib
import copy
import io
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from mp09.errors import FeatureError
from mp09.precision import BFLOAT16, INT8

NAMES = {BFLOAT16: "bf16"}  # what OpenVINO calls a precision; all others are float32, between layers of int8, too


@cache
def version(package: str) -> str:
    """Return the version of OpenVINO or of its quantizer NNCF, by their package; "" where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def openvino_form(
    body: nn.Module, sample: Tensor, precision: str, calibration: Sequence[Tensor] = ()
) -> Callable[[Tensor], Tensor]:
    """Compile a model.

    Args:
        body: Maps float (n, 3, S, S) to features (n, D); it stays as it is.
        sample: An input (2, 3, S, S).
        precision: "float32"; "bfloat16", which is for processors with arithmetic for it; or "int8".
        calibration: For int8, inputs by whose values the steps between whole numbers are chosen.

    Returns:
        A function that maps float32 (n, 3, S, S), of any n, to features float32 (n, D). Several threads may call it.

    Raises:
        FeatureError: OpenVINO can't be imported, or the model can't be exported or converted.
    """
    options = {
        "INFERENCE_PRECISION_HINT": NAMES.get(precision, "f32"),
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, on all threads
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # several processes may share the cores
    }
    try:
        openvino = _openvino()
        model = _converted(openvino, body, sample)
        if precision == INT8:
            model = _quantized(model, calibration)
        compiled = openvino.Core().compile_model(model, "CPU", options)
    except Exception as error:  # PyTorch and OpenVINO raise many kinds
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise FeatureError(f"OpenVINO can't compute this model ({reason}).") from error

    own = threading.local()  # a request serves one thread at a time

    def features(images: Tensor) -> Tensor:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return torch.from_numpy(own.request.infer([images.contiguous().numpy()], share_inputs=True)[0])

    return features


def _openvino() -> ModuleType:
    """Return the module. It would send usage data to its makers, and does not where its reporter can't be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _converted(openvino: ModuleType, body: nn.Module, sample: Tensor) -> Any:
    """Return OpenVINO's model of a body."""
    body = copy.deepcopy(body).cpu().float().eval().requires_grad_(False)
    program = torch.export.export(body, (sample,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False)
    model = openvino.convert_model(program)
    model.reshape([-1, *sample.shape[1:]])
    return model


def _quantized(model: Any, calibration: Sequence[Tensor]) -> Any:
    """Return a model that computes in 8-bit whole numbers where it can.

    The quantizer (Nagel et al., A White Paper on Neural Network Quantization, 2021) goes through the calibration once.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # it draws bars
        inputs = nncf.Dataset([x.numpy() for x in calibration])
        return nncf.quantize(model, inputs, subset_size=len(calibration))
