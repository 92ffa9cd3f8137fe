"""The compiled model of a run, from its config."""

from collections.abc import Callable, Mapping
from typing import Any

from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import build, node_kind
from labkeras.experiment.model.building import build_model
from labkeras.models.model import Model
from labkeras.plugins import hooks

__all__ = ["compiled_model", "given"]


def compiled_model(config: Mapping[str, Any]) -> Model:
    """The model, with optimizer, loss and metrics.

    Args:
        config: a whole config, checked.

    Raises:
        ConfigError: naming all that any of them refuses.
    """
    faults: list[str] = []
    model = _try(faults, lambda: build_model(config["model"]))
    optimizer = _try(faults, lambda: build("optimizers", config["optimizer"], "optimizer"))
    loss = _try(faults, lambda: _loss(config.get("loss")))
    metrics = _try(faults, lambda: _metrics(config.get("metrics") or {}))
    if faults:
        raise ConfigError(faults)
    try:
        model.compile(optimizer=optimizer, loss=loss, metrics=metrics, **given(config.get("compile")))
    except LabkerasError as error:
        raise ConfigError([f"compile: {error}"]) from error
    hooks.ask("labkeras_model_built", model=model, config=config)
    return model  # type: ignore[no-any-return]


def given(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments that are set: null and "auto" are the defaults where `fit`, `compile` and `Trainer` take them."""
    return {key: value for key, value in (arguments or {}).items() if value is not None and value != "auto"}


def _try(faults: list[str], make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ConfigError as error:
        faults += error.faults
        return None


def _loss(loss: Any) -> Any:
    if loss is None or node_kind(loss) == "losses":
        return loss and build("losses", loss, "loss")
    return {output: build("losses", node, f"loss.{output}") for output, node in loss.items()}


def _metrics(metrics: Mapping[str, Any]) -> Any:
    nested = {key: node for key, node in metrics.items() if node_kind(node) != "metrics"}
    if not nested:
        return [build("metrics", node, f"metrics.{name}", name=name) for name, node in metrics.items()]
    return {
        output: [build("metrics", node, f"metrics.{output}.{name}", name=name) for name, node in nodes.items()]
        for output, nodes in nested.items()
    }
