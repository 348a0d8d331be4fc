"""Makes Ax's client for the search space, and calls it on one thread and without warnings."""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from mp09.tuning.space import CHOICES, METRIC, RANGES, Trial

if TYPE_CHECKING:
    from ax.api.client import Client

RESTARTS, SAMPLES = 4, 64  # starting points and samples with which Ax looks for the next trial
Returned = TypeVar("Returned")


def client_for(seed: int, known: Sequence[Trial]) -> "Client":
    """Return Ax's client for the search space, which is told about the trials that are known."""
    from ax.api.client import Client  # imported here, as that takes seconds
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
    from ax.api.utils.generation_strategy_dispatch import choose_generation_strategy
    from ax.api.utils.structs import GenerationStrategyDispatchStruct
    from ax.utils.common.logger import set_stderr_log_level

    set_stderr_log_level(logging.ERROR)
    client = Client(random_seed=seed)
    client.configure_experiment(
        [
            *(ChoiceParameterConfig(name, values, "str", is_ordered=False) for name, values in CHOICES.items()),
            *(RangeParameterConfig(name, bounds, "float", scaling="log") for name, bounds in RANGES.items()),
        ]
    )
    client.configure_optimization(METRIC)
    start = GenerationStrategyDispatchStruct(
        initialization_random_seed=seed,
        initialize_with_center=not known,
        allow_exceeding_initialization_budget=True,  # with many at a time, more may begin before the first ones end
    )
    strategy = choose_generation_strategy(start)
    # With Ax's own settings, the choice of a trial takes several seconds, which is longer than training the head.
    thoroughness = {"model_gen_options": {"optimizer_kwargs": {"num_restarts": RESTARTS, "raw_samples": SAMPLES}}}
    strategy.nodes_by_name["MBM"].generator_specs[0].generator_gen_kwargs.update(thoroughness)
    client.set_generation_strategy(strategy)
    for trial in known:
        tell(client, client.attach_trial(trial.parameters), trial)
    return client


def tell(client: "Client", index: int, trial: Trial) -> None:
    """Tell Ax how its trial of this index ended. One that failed would fail again, and is not proposed once more."""
    if trial.accuracy is None:
        client.mark_trial_abandoned(index)
    else:
        client.complete_trial(index, {METRIC: trial.accuracy})


def quietly(call: Callable[..., Returned], *args: Any) -> Returned:
    """Let Ax compute without warnings and on one thread, which is 3 times as fast because its matrices are small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about GPyTorch's numerics and coming changes of Ax
            return call(*args)
    finally:
        torch.set_num_threads(threads)
