"""Everything that is wrong with a config, found before anything is built or read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from omegaconf import OmegaConf

from labkeras.errors import ConfigError, did_you_mean
from labkeras.experiment.config.components import BY_SHAPE, MISSING, complete
from labkeras.experiment.config.manifest import keywords_of
from labkeras.experiment.config.node_checks import check_arguments, check_node
from labkeras.experiment.config.resolving import plain, referred_keys
from labkeras.experiment.config.schema import Parameter
from labkeras.experiment.config.words import nearest
from labkeras.experiment.model.plan import Plan, check_model, names_in

__all__ = ["checked", "validate"]

_SETTINGS = {
    "name": Parameter("name", str | None, None, "the folder of the runs below runs/"),
    "run_dir": Parameter("run_dir", str | None, None, "the folder of this run"),
    "seed": Parameter("seed", int | None, None, "of weights, data order and dropout"),
    "monitor": Parameter("monitor", str | None, None, "the metric that tells the best epoch"),
    "mode": Parameter("mode", Literal["auto", "max", "min"], "auto"),
}
_GROUPS = ("data", "model", "optimizer", "loss", "metrics", "trainer", "callbacks", "logger", "fit", "compile")
_REQUIRED = ("data", "model", "optimizer", "fit")
# What the config has elsewhere, or what is no plain value.
_NOT_OF_FIT = ("x", "y", "callbacks", "validation_data", "sample_weight", "trainer")
_NOT_OF_COMPILE = ("optimizer", "loss", "metrics", "weighted_metrics")
_USUAL_OF_TRAINER = ("accelerator", "devices", "precision", "strategy")
_NOT_OF_TRAINER = ("callbacks", "logger", "max_epochs", "max_steps", "default_root_dir")


def validate(config: Any) -> list[str]:
    """All faults of a config, a sentence each; an empty list if there are none.

    Args:
        config: what `compose` returned, or a plain mapping of the same form.

    Example:
        >>> validate({"optimizer": {"optimizer": "adamm"}})[0]
        'data is missing: choose an option of the group, as in `data=…`'
    """
    return examine(config)[1]


def checked(config: Any) -> dict[str, Any]:
    """A config as plain values, with all arguments of all nodes.

    Raises:
        ConfigError: naming all faults, if there are any.
    """
    complete_config, faults = examine(config)
    if faults:
        raise ConfigError(faults)
    return complete_config


def examine(config: Any) -> tuple[dict[str, Any], list[str]]:
    """A config as plain values, and its faults."""
    faults: list[str] = []
    config = config if OmegaConf.is_config(config) else OmegaConf.create(dict(config))
    values: dict[str, Any] = complete(plain(config, faults), is_whole=True)
    variables = referred_keys(config)
    faults += [
        f"{path}: `_target_` is not read; components are named, as in `layer: dense`" for path in _targets(values)
    ]
    for key in values:
        if key not in _SETTINGS and key not in _GROUPS and not _is_variable(str(key), variables):
            faults.append(
                f"{key}={values[key]!r}: there is no such key.{did_you_mean(str(key), [*_SETTINGS, *_GROUPS])}"
            )
    for key in _REQUIRED:
        if values.get(key) is None or values[key] == MISSING:
            faults.append(f"{key} is missing: choose an option of the group, as in `{key}=…`")
    settings = {key: values[key] for key in _SETTINGS if key in values}
    _check_settings(settings, faults)
    _check_groups(values, variables, faults)
    return values, faults


def _check_groups(values: Mapping[str, Any], variables: set[str], faults: list[str]) -> None:
    plan = None
    if isinstance(values.get("model"), Mapping):
        own = [key for key in values["model"] if _is_variable(f"model.{key}", variables)]
        plan = check_model(values["model"], faults, own)
    if values.get("data") is not None:
        check_node("datasets", values["data"], "data", faults)
    if values.get("optimizer") is not None:
        check_node("optimizers", values["optimizer"], "optimizer", faults)
    _check_losses(values.get("loss"), plan, faults)
    _check_metrics(values.get("metrics") or {}, plan, faults)
    for group in ("callbacks", "logger"):
        for path, node in _items(values.get(group) or {}, group, faults):
            check_node("callbacks", node, path, faults)
    _check_keywords("fit", values.get("fit") or {}, keywords_of("fit"), _NOT_OF_FIT, faults)
    _check_keywords("compile", values.get("compile") or {}, keywords_of("compile"), _NOT_OF_COMPILE, faults)
    if _is_of_note(values.get("trainer")):
        _check_keywords("trainer", values["trainer"], keywords_of("trainer"), _NOT_OF_TRAINER, faults)
    _check_fit(values.get("fit"), faults)
    _check_monitor(values, plan, faults)


def _targets(value: Any, path: str = "") -> Iterator[str]:
    """The full keys called `_target_`."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        inner = f"{path}.{key}" if path else str(key)
        if key == "_target_":
            yield f"{inner}={item!r}"
        yield from _targets(item, inner)


def _is_variable(path: str, variables: set[str]) -> bool:
    return any(key == path or key.startswith(f"{path}.") for key in variables)


def _check_settings(settings: Mapping[str, Any], faults: list[str]) -> None:
    found: list[str] = []
    check_arguments(_SETTINGS, settings, "", found, "the config")
    faults += [fault.removeprefix(".") for fault in found]
    name, seed = settings.get("name"), settings.get("seed")
    if isinstance(name, str) and (not name.strip(". ") or set(name) & set('/\\:*?"<>|\0')):
        faults.append(f"name={name!r}: expected the name of a folder, without '/'")
    if isinstance(seed, int) and not isinstance(seed, bool) and not 0 <= seed < 2**32:
        faults.append(f"seed={seed!r}: expected an integer from 0 to 4294967295")


def _check_keywords(
    path: str, given: Any, parameters: Mapping[str, Parameter], left_out: Iterable[str], faults: list[str]
) -> None:
    if not isinstance(given, Mapping):
        faults.append(f"{path}={given!r}: expected a mapping of arguments")
        return
    offered = {name: parameter for name, parameter in parameters.items() if name not in left_out}
    check_arguments(offered, given, path, faults, f"`{path}`")


def _is_of_note(trainer: Any) -> bool:
    """Whether a trainer's arguments can be wrong at all: looking them up costs the import of Lightning, seconds."""
    if not isinstance(trainer, Mapping):
        return trainer is not None
    return any(key not in _USUAL_OF_TRAINER or value not in (None, "auto") for key, value in trainer.items())


def _check_fit(fit: Any, faults: list[str]) -> None:
    if not isinstance(fit, Mapping):
        return
    for key, least in (
        ("epochs", 1),
        ("batch_size", 1),
        ("initial_epoch", 0),
        ("steps_per_epoch", 1),
        ("validation_steps", 1),
    ):
        value = fit.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value < least:
            faults.append(f"fit.{key}={value!r}: expected an integer of at least {least}")
    split = fit.get("validation_split")
    if isinstance(split, int | float) and not 0 <= split < 1:
        faults.append(
            f"fit.validation_split={split!r}: expected the fraction of the training data to validate on, in [0, 1)"
        )


def _items(group: Any, path: str, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """The nodes of a group whose options are filed by name."""
    if not isinstance(group, Mapping):
        faults.append(f"{path}={group!r}: expected a mapping from names to components")
        return
    for name, node in group.items():
        yield f"{path}.{name}", node


def _check_losses(loss: Any, plan: Plan | None, faults: list[str]) -> None:
    if loss is None:
        return
    if not isinstance(loss, Mapping) or not isinstance(next(iter(loss.values()), None), Mapping) or "loss" in loss:
        check_node("losses", loss, "loss", faults)
        return
    for name, node in loss.items():
        _check_output("loss", name, plan, faults)
        check_node("losses", node, f"loss.{name}", faults)


def _check_metrics(metrics: Any, plan: Plan | None, faults: list[str]) -> None:
    for path, node in _items(metrics, "metrics", faults):
        if _holds_nodes(node):
            _check_output("metrics", path.rpartition(".")[2], plan, faults)
            for name, inner in node.items():
                check_node("metrics", inner, f"{path}.{name}", faults)
        else:
            check_node("metrics", node, path, faults)


def _holds_nodes(value: Any) -> bool:
    """Whether the metrics of one output are meant, by name."""
    return (
        isinstance(value, Mapping) and "metric" not in value and all(isinstance(one, Mapping) for one in value.values())
    )


def _check_output(group: str, name: str, plan: Plan | None, faults: list[str]) -> None:
    if plan is None:
        return
    known = list(plan.outputs) if isinstance(plan.outputs, dict) else names_in(plan.outputs)
    if name not in known:
        near = nearest(name, known, "Outputs")
        faults.append(f"{group}.{name}: the model has no output {name!r}.{near}")


def _check_monitor(values: Mapping[str, Any], plan: Plan | None, faults: list[str]) -> None:
    """The monitored value must be one that training logs, as far as that can be told."""
    monitor, metrics, fit = values.get("monitor"), values.get("metrics") or {}, values.get("fit")
    several = plan is None or len(names_in(plan.outputs)) > 1
    if not isinstance(monitor, str) or not isinstance(metrics, Mapping) or not isinstance(fit, Mapping):
        return
    if monitor.startswith("val_") and not fit.get("validation_split"):
        faults.append(
            f"monitor={monitor!r}: nothing is validated, since fit.validation_split={fit.get('validation_split')!r}. "
            f"Set it to 0.1, say, or monitor {monitor.removeprefix('val_')!r}."
        )
    names = ["loss", *(_logged_as(name, node) for name, node in metrics.items())]
    known = [*names, *(f"val_{name}" for name in names)]
    if not several and monitor not in known:
        near = nearest(monitor, known)
        faults.append(f"monitor={monitor!r}: no such value is logged.{near}")


def _logged_as(name: str, node: Any) -> str:
    metric = node.get("metric") if isinstance(node, Mapping) else None
    return str(metric) if metric in BY_SHAPE else name
