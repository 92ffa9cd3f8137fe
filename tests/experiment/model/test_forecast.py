"""What a run will be, beside what it then is."""

from typing import Any

import numpy as np
import pytest
import torch

from labkeras.errors import ConfigError
from labkeras.experiment import build_model, compose
from labkeras.experiment.config.components import build
from labkeras.experiment.config.validation import checked
from labkeras.experiment.model.forecast import forecast


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adamw"])
def test_the_memory_of_weights_and_optimizer_is_what_training_takes(optimizer: str) -> None:
    config = checked(compose(["experiment=digits_mlp", f"optimizer={optimizer}"]))
    foreseen = forecast(config).memory
    model = build_model(config["model"])
    made: Any = build("optimizers", config["optimizer"], "optimizer")
    model.compile(optimizer=made, loss="sparse_categorical_crossentropy")
    model.fit(np.zeros((4, 8, 8), "float32"), np.zeros(4, "int64"), verbose=0)
    slots = [value for slot in made.state.values() for value in slot.values() if isinstance(value, torch.Tensor)]
    assert foreseen.weights == sum(weight.numel() * 4 for weight in model.weights)
    assert foreseen.gradients == foreseen.weights
    assert foreseen.optimizer == sum(value.numel() * value.element_size() for value in slots)


def test_activations_are_the_results_of_all_layers_for_a_batch() -> None:
    found = forecast(compose(["experiment=digits_mlp", "fit.batch_size=100"]))
    # The images, as they are, scaled and flat; hidden layers of 128 (twice: dropout) and 64; ten scores.
    assert found.memory.activations == 4 * 100 * (3 * 64 + 2 * 128 + 64 + 10)
    assert found.batch_size == 100
    assert found.samples == 1293
    assert found.batches == 13


def test_the_plan_is_plain_values_for_json() -> None:
    found = forecast(compose(["model=residual_cnn"])).as_dict()
    assert found["outputs"] == {"shape": [None, 10], "dtype": "float32"}
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["memory_bytes"]["total"] == sum(
        found["memory_bytes"][part] for part in ("weights", "gradients", "optimizer", "activations")
    )


def test_a_config_with_faults_has_no_forecast() -> None:
    with pytest.raises(ConfigError, match="scores for 9"):
        forecast(compose(["model.layers.out.units=9"]))
