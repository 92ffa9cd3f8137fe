"""Everything that is wrong with a config, found before anything is read, trained or written.

First names, keys, types and what contradicts what; this needs no torch. Where model, data, optimizer, loss and metrics
are right so far, they are then built and put together without values (`labkeras.experiment.model.rehearsal`).
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf

from labkeras.errors import ConfigError, PluginError, did_you_mean
from labkeras.experiment.config.components import MISSING, complete
from labkeras.experiment.config.device_checks import check_devices
from labkeras.experiment.config.manifest import keywords_of
from labkeras.experiment.config.node_checks import check_arguments, check_node
from labkeras.experiment.config.preferring import KEY as PREFER
from labkeras.experiment.config.resolving import plain, referred_keys
from labkeras.experiment.config.run_checks import SETTINGS, check_fit, check_folders, check_monitors, check_settings
from labkeras.experiment.config.schema import Parameter, schema_of
from labkeras.experiment.config.words import nearest
from labkeras.experiment.model.plan import Plan, check_model, names_in
from labkeras.plugins import hooks
from labkeras.registry import prefer

__all__ = ["CHECKS", "OPTIONS", "Validator", "checked", "validate"]

OPTIONS = {
    "checkpoint": "labkeras.experiment.runs.checkpointing:CheckpointOptions",
    "pictures": "labkeras.experiment.boards.picture_options:PictureOptions",
}
"""Groups that describe no component → the class whose arguments they are."""

CHECKS = {
    "launcher": "labkeras.experiment.launchers.options:check_launcher",
    "sweeper": "labkeras.experiment.sweeps.options:check_sweeper",
}
"""Groups whose keys hang on one another → the function that says what is wrong with them."""

_GROUPS = ("data", "model", "optimizer", "loss", "metrics", "trainer", "callbacks", "logger", "fit", "compile")
_REQUIRED = ("data", "model", "optimizer", "fit")
_REHEARSED = ("model", "data", "optimizer", "loss", "metrics", "callbacks", "logger")
# What the config has elsewhere, or what is no plain value.
_NOT_OF_FIT = ("x", "y", "callbacks", "validation_data", "sample_weight", "trainer")
_NOT_OF_COMPILE = ("optimizer", "loss", "metrics", "weighted_metrics")
_USUAL_OF_TRAINER = ("accelerator", "devices", "precision", "strategy")
_NOT_OF_TRAINER = ("callbacks", "logger", "max_epochs", "max_steps", "default_root_dir")
# Launchers whose runs start on other machines, which may have other devices.
_ELSEWHERE = ("ray", "submitit")


def validate(config: Any) -> list[str]:
    """All faults of a config, a sentence each; an empty list if there are none.

    Args:
        config: what `compose` returned, or a plain mapping of the same form.

    Example:
        >>> validate({"optimizer": {"optimizer": "adamm"}})[0]
        'data is missing: choose an option of the group, as in `data=…`'
    """
    return Validator().examine(config)[1]


def checked(config: Any) -> dict[str, Any]:
    """A config as plain values, with all arguments of all nodes.

    Raises:
        ConfigError: naming all faults, if there are any.
    """
    values, faults = Validator().examine(config)
    if faults:
        raise ConfigError(faults)
    return values


class Validator:
    """Validates configs that have much in common, such as the trials of a sweep: each part that is alike once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, list[str]]] = {}
        self._rehearsal: Any = None

    def examine(self, config: Any) -> tuple[dict[str, Any], list[str]]:
        """A config as plain values with all arguments of all nodes, and its faults.

        Args:
            config: what `compose` returned, or a plain mapping of the same form.
        """
        faults: list[str] = []
        config = config if OmegaConf.is_config(config) else OmegaConf.create(dict(config))
        prefer([str(name) for name in config.get(PREFER) or []])
        values: dict[str, Any] = complete(plain(config, faults), is_whole=True)
        return values, [*faults, *self.faults(values, referred_keys(config))]

    def faults(self, values: Mapping[str, Any], variables: set[str]) -> list[str]:
        """What is wrong with a config.

        Args:
            values: it, as plain values with all arguments of all nodes.
            variables: the full keys that its interpolations refer to.
        """
        faults: list[str] = []
        _check_keys(values, variables, faults)
        for key, value in values.items():
            self._once(_check_targets, faults, key, value)
        settings = {key: values[key] for key in SETTINGS if key in values}
        self._once(check_settings, faults, settings)
        check_folders(values.get("run_dir"), values.get("sweep_dir"), faults)
        found: list[str] = []
        plan = self._components(values, variables, found)
        faults += found
        not_of_fit = len(faults)
        self._once(_check_fit, faults, values.get("fit"), values.get("compile"))
        fit = values.get("fit") if len(faults) == not_of_fit else {}
        self._once(_check_trainer, faults, values.get("trainer"), values.get("launcher"))
        metrics, loss = values.get("metrics") or {}, values.get("loss")
        self._once(check_monitors, faults, _monitored(values), metrics, values.get("fit"), plan, loss)
        for group in (*OPTIONS, *CHECKS):
            if values.get(group) is not None:
                self._once(_check_options, faults, group, values[group])
        if not found and all(isinstance(values.get(key), Mapping) for key in _REQUIRED):
            rehearsed = {key: values.get(key) for key in _REHEARSED}
            faults += self._rehearse({**rehearsed, "fit": fit}, plan)
        if not faults:  # plugins need not know what a config looks like that makes no sense
            faults += _faults_of_plugins(values)
        return list(dict.fromkeys(faults))

    def _components(self, values: Mapping[str, Any], variables: set[str], faults: list[str]) -> Plan | None:
        """Checks what names components; returns what the model does, if that can be told."""
        plan = None
        if isinstance(values.get("model"), Mapping):
            own = [key for key in values["model"] if _is_variable(f"model.{key}", variables)]
            plan = self._once(_check_model, faults, values["model"], own)
        self._once(_check_node, faults, "datasets", values.get("data"), "data")
        self._once(_check_node, faults, "optimizers", values.get("optimizer"), "optimizer")
        outputs = None if plan is None else _output_names(plan)
        self._once(_check_losses, faults, values.get("loss"), outputs)
        self._once(_check_metrics, faults, values.get("metrics") or {}, outputs)
        for group in ("callbacks", "logger"):
            self._once(_check_callbacks, faults, group, values.get(group) or {})
        return plan

    def _rehearse(self, values: Mapping[str, Any], plan: Plan | None) -> list[str]:
        # The plan is no part of the key: it follows from the model.
        key = f"rehearsal{values!r}"
        if key not in self._known:
            if self._rehearsal is None:
                # By name: it needs torch, which takes a second to import and is not there for what fails before.
                self._rehearsal = importlib.import_module("labkeras.experiment.model.rehearsal").Rehearsal()
            self._known[key] = None, self._rehearsal.faults(values, plan)
        return self._known[key][1]

    def _once(self, check: Callable[..., Any], faults: list[str], *parts: Any) -> Any:
        """The result of a check, which adds to the faults; for equal parts it is made once."""
        key = f"{check.__name__}{parts!r}"
        if key not in self._known:
            found: list[str] = []
            result = check(*parts, found)
            self._known[key] = result, found
        result, found = self._known[key]
        faults += found
        return result


def _check_keys(values: Mapping[str, Any], variables: set[str], faults: list[str]) -> None:
    known = [*SETTINGS, *_GROUPS, *OPTIONS, *CHECKS]
    for key in map(str, values):
        if key not in known and not _is_variable(key, variables):
            faults.append(f"{key}={values[key]!r}: there is no such key.{did_you_mean(key, known)}")
    for key in _REQUIRED:
        if values.get(key) is None or values[key] == MISSING:
            faults.append(f"{key} is missing: choose an option of the group, as in `{key}=…`")


def _check_targets(key: Any, value: Any, faults: list[str]) -> None:
    faults += [
        f"{path}: `_target_` is not read; components are named, as in `layer: dense`" for path in _targets({key: value})
    ]


def _targets(value: Any, path: str = "") -> Iterator[str]:
    """The full keys called `_target_`, with their values."""
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


def _check_model(model: Mapping[str, Any], own: list[str], faults: list[str]) -> Plan | None:
    return check_model(model, faults, own)


def _check_node(kind: str, node: Any, path: str, faults: list[str]) -> None:
    if node is not None and node != MISSING:
        check_node(kind, node, path, faults)


def _faults_of_plugins(values: Mapping[str, Any]) -> list[str]:
    faults: list[str] = []
    for plugin, sentences in hooks.ask("labkeras_validate", config=values):
        if isinstance(sentences, str) or not all(isinstance(one, str) for one in sentences):
            raise PluginError(
                f"labkeras_validate() of the plugin {plugin!r} must return a list of sentences. Received: {sentences!r}"
            )
        faults += [f"{sentence} (says {plugin})" for sentence in sentences]
    return faults


def _output_names(plan: Plan) -> list[str]:
    return list(plan.outputs) if isinstance(plan.outputs, dict) else names_in(plan.outputs)


def _check_losses(loss: Any, outputs: list[str] | None, faults: list[str]) -> None:
    if loss is None:
        return
    if not isinstance(loss, Mapping) or not isinstance(next(iter(loss.values()), None), Mapping) or "loss" in loss:
        check_node("losses", loss, "loss", faults)
        return
    for name, node in loss.items():
        _check_output("loss", name, outputs, faults)
        check_node("losses", node, f"loss.{name}", faults)


def _check_metrics(metrics: Any, outputs: list[str] | None, faults: list[str]) -> None:
    for path, node in _items(metrics, "metrics", faults):
        if _holds_nodes(node):
            _check_output("metrics", path.rpartition(".")[2], outputs, faults)
            for name, inner in node.items():
                check_node("metrics", inner, f"{path}.{name}", faults)
        else:
            check_node("metrics", node, path, faults)


def _holds_nodes(value: Any) -> bool:
    """Whether the metrics of one output are meant, by name."""
    return (
        isinstance(value, Mapping) and "metric" not in value and all(isinstance(one, Mapping) for one in value.values())
    )


def _check_output(group: str, name: str, outputs: list[str] | None, faults: list[str]) -> None:
    if outputs is not None and name not in outputs:
        faults.append(f"{group}.{name}: the model has no output {name!r}.{nearest(name, outputs, 'Outputs')}")


def _check_callbacks(group: str, nodes: Any, faults: list[str]) -> None:
    for path, node in _items(nodes, group, faults):
        check_node("callbacks", node, path, faults)


def _items(group: Any, path: str, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """The nodes of a group whose options are filed by name."""
    if not isinstance(group, Mapping):
        faults.append(f"{path}={group!r}: expected a mapping from names to components")
        return
    for name, node in group.items():
        yield f"{path}.{name}", node


def _monitored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Full key → what is to be monitored there; a callback that follows the run's own key is not named beside it."""
    monitored = {"monitor": values.get("monitor")}
    for group in ("callbacks", "logger"):
        nodes = values.get(group)
        for name, node in nodes.items() if isinstance(nodes, Mapping) else ():
            monitor = node.get("monitor") if isinstance(node, Mapping) else None
            if monitor is not None and monitor != monitored["monitor"]:
                monitored[f"{group}.{name}.monitor"] = monitor
    return monitored


def _check_fit(fit: Any, options: Any, faults: list[str]) -> None:
    if fit is not None and fit != MISSING:
        _check_keywords("fit", fit, keywords_of("fit"), _NOT_OF_FIT, faults)
    _check_keywords("compile", options or {}, keywords_of("compile"), _NOT_OF_COMPILE, faults)
    check_fit(fit, options, faults)


def _check_trainer(trainer: Any, launcher: Any, faults: list[str]) -> None:
    if trainer is None:
        return
    if _is_of_note(trainer):
        _check_keywords("trainer", trainer, keywords_of("trainer"), _NOT_OF_TRAINER, faults)
    name = launcher.get("kind") if isinstance(launcher, Mapping) else None
    if not faults and name not in _ELSEWHERE:
        check_devices(trainer, faults)


def _check_keywords(
    path: str, given: Any, parameters: Mapping[str, Parameter], left_out: Iterable[str], faults: list[str]
) -> None:
    if not isinstance(given, Mapping):
        faults.append(f"{path}={given!r}: expected a mapping of arguments")
        return
    offered = {name: parameter for name, parameter in parameters.items() if name not in left_out}
    check_arguments(offered, given, path, faults, f"`{path}`")


def _is_of_note(trainer: Any) -> bool:
    """Whether a trainer's arguments can be wrong at all: looking them up may cost the import of Lightning, seconds."""
    if not isinstance(trainer, Mapping):
        return True
    return any(key not in _USUAL_OF_TRAINER or value not in (None, "auto") for key, value in trainer.items())


def _check_options(group: str, given: Any, faults: list[str]) -> None:
    # By name: what a group describes stands in a room above this one, or beside it.
    module, _, name = (OPTIONS | CHECKS)[group].partition(":")
    found = getattr(importlib.import_module(module), name)
    if group in CHECKS:
        faults += found(given)
    else:
        _check_keywords(group, given, schema_of(found).parameters, (), faults)
