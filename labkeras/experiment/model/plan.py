"""Models written in YAML: what such a description says, step by step, and what is wrong with it.

Three kinds. A sequential model is a mapping of layers by name:

    kind: sequential
    input: {shape: [64]}
    layers:
      hidden: {layer: dense, units: 32, activation: relu}
      out:    {layer: dense, units: 10}

A functional model has named inputs, nodes and outputs. A node takes what the node before it returns, or what `from`
names: one node, a list (an argument that is a list, as of `Concatenate`) or a mapping (arguments by name). `call:
conv` applies the layer of the node `conv` once more:

    kind: functional
    inputs:  {image: {shape: [8, 8, 1]}, extra: {shape: [4]}}
    nodes:
      conv:  {layer: conv2d, filters: 8, kernel_size: 3, from: image}
      pool:  {layer: global_average_pooling2d}
      both:  {layer: concatenate, from: [pool, extra]}
      out:   {layer: dense, units: 10}
    outputs: out

In both, `after: NAME` moves a node, for one that is added on the command line; and `repeat: 3` makes three of a node,
or of a block (a node that holds `layers` or `nodes` of its own), with `{i}` in its values standing for 1, 2, 3. Those
of `block` are called `block_1`, `block_2`, `block_3`; of `block{i}`, `block1` and so on. Within a block `block_input`
is what comes into it; outside, `block_1` is its last node, and `block_1_conv` the node `conv` in it.

A subclassed model is a registered class with its arguments:

    kind: subclass
    model: resnet
    depth: 50
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkeras.errors import did_you_mean
from labkeras.experiment.config.manifest import keywords_of
from labkeras.experiment.config.node_checks import check_arguments, check_node
from labkeras.experiment.config.words import nearest

__all__ = ["Plan", "Step", "check_model", "names_in", "read_plan"]

Takes = str | list[str] | dict[str, str]
"""Names of steps and inputs: one, several in one list, or by the argument's name."""

_KEYS = {
    "sequential": ("kind", "name", "input", "layers"),
    "functional": ("kind", "name", "inputs", "nodes", "outputs"),
}
_NODE_KEYS = ("from", "call", "repeat", "after")
_BLOCK_INPUT = "block_input"


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    Args:
        name: the name of the layer, or of this call of it.
        path: where the config has it: "model.layers.h1".
        node: the layer's node; empty if the step calls the layer of another one.
        calls: the step whose layer this one calls, itself as a rule.
        takes: what the layer is called on.
    """

    name: str
    path: str
    node: Mapping[str, Any]
    calls: str
    takes: Takes


@dataclass(frozen=True)
class Plan:
    """A sequential or functional model: steps in an order in which each finds what it takes.

    Args:
        kind: "sequential" or "functional".
        inputs: name → arguments of `Input`; of a sequential model at most one.
        steps: the calls.
        outputs: the steps whose results the model returns.
    """

    kind: str
    inputs: Mapping[str, Mapping[str, Any]]
    steps: list[Step]
    outputs: Takes


def check_model(model: Any, faults: list[str], variables: Iterable[str] = ()) -> Plan | None:
    """Adds to `faults` everything that is wrong with the config of a model.

    Args:
        model: the group `model` of a config, without interpolations.
        faults: sentences are added here.
        variables: keys of the group that other values refer to, and that need no other meaning.

    Returns:
        What the model does, unless it is a subclassed one or too many things are wrong.
    """
    kind = model.get("kind") if isinstance(model, Mapping) else None
    if kind == "subclass":
        check_node("models", model, "model", faults, extra=variables)
        return None
    if not isinstance(model, Mapping) or kind not in _KEYS:
        near = did_you_mean(str(kind), [*_KEYS, "subclass"])
        faults.append(f"model.kind={kind!r}: expected 'sequential', 'functional' or 'subclass'.{near}")
        return None
    for key in model:
        if key not in (*_KEYS[kind], *variables):
            near = did_you_mean(str(key), _KEYS[kind])
            faults.append(f"model.{key}={model[key]!r}: a {kind} model has no key {key!r}.{near}")
    plan = read_plan(model, faults)
    for path, arguments in _inputs_by_path(model):
        _check_input(path, arguments, faults)
    for path, node in {step.path: step.node for step in plan.steps if step.calls == step.name}.items():
        check_node("layers", node, path, faults, extra=_NODE_KEYS)
    return plan


def read_plan(model: Mapping[str, Any], faults: list[str]) -> Plan:
    """The steps of a sequential or functional model; what cannot be read is left out and added to `faults`."""
    kind = model["kind"]
    inputs = {path.rpartition(".")[2]: arguments for path, arguments in _inputs_by_path(model)}
    nodes_key = "layers" if kind == "sequential" else "nodes"
    nodes = model.get(nodes_key)
    if not isinstance(nodes, Mapping) or not nodes:
        faults.append(f"model.{nodes_key}={nodes!r}: expected a mapping from names to layers")
        nodes = {}
    unrolled = _Unrolled(kind, faults)
    entrances = ["input"] if kind == "sequential" else list(inputs)
    scope: _Scope = ChainMap({name: name for name in entrances})
    inflow = _Reference(entrances[0], scope) if len(entrances) == 1 else None
    last = unrolled.read(nodes, f"model.{nodes_key}", "", inflow, scope)
    steps = [step for entry in unrolled.entries if (step := _resolved(entry, faults)) is not None]
    steps = _in_order(steps, entrances, faults)
    outputs = _outputs(model, last, scope, faults)
    if kind == "functional":
        _check_use(steps, outputs, inputs, faults)
    return Plan(kind, inputs, steps, outputs)


def names_in(takes: Takes) -> list[str]:
    """The names in what a step takes or a model returns."""
    if isinstance(takes, str):
        return [takes]
    return list(takes.values() if isinstance(takes, dict) else takes)


def _inputs_by_path(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if model["kind"] == "sequential":
        if model.get("input") is not None:
            yield "model.input", model["input"]
    elif isinstance(model.get("inputs"), Mapping):
        yield from ((f"model.inputs.{name}", arguments) for name, arguments in model["inputs"].items())


def _check_input(path: str, arguments: Any, faults: list[str]) -> None:
    parameters = keywords_of("input")
    known = {name: parameters[name] for name in parameters if name not in ("name", "tensor")}
    if not isinstance(arguments, Mapping):
        faults.append(f"{path}={arguments!r}: expected a mapping such as {{shape: [8, 8, 1]}}")
        return
    if arguments.get("shape") is None and arguments.get("batch_shape") is None:
        near = did_you_mean("shape", [str(key) for key in arguments if key not in known])
        faults.append(f"{path}.shape is missing: it lists the sizes of the axes without the batch.{near}")
    check_arguments(known, arguments, path, faults, "an input")


# --- unrolling ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reference:
    """What a `from` says, and the names that are known where it says it."""

    says: Any
    scope: "_Scope"


_Scope = ChainMap[str, "str | _Reference"]


@dataclass(frozen=True)
class _Entry:
    """A step whose references are not looked up yet, since they may point forward."""

    name: str
    path: str
    node: Mapping[str, Any]
    takes: _Reference | None
    scope: _Scope


class _Unrolled:
    """The steps of nested and repeated nodes, in the order of the config."""

    def __init__(self, kind: str, faults: list[str]) -> None:
        self.entries: list[_Entry] = []
        self._kind = kind
        self._faults = faults

    def read(
        self, nodes: Mapping[str, Any], path: str, prefix: str, inflow: _Reference | None, scope: _Scope
    ) -> str | None:
        """Adds the steps of a mapping of nodes.

        Args:
            nodes: name → node or block.
            path: where the mapping stands.
            prefix: what comes before the names.
            inflow: what the first node takes.
            scope: the names known here; those of the nodes are added.

        Returns:
            The name of the last step, or None if there is none.
        """
        last = None
        for name, node in self._ordered(nodes, path).items():
            where = f"{path}.{name}"
            if not isinstance(node, Mapping):
                check_node("layers", node, where, self._faults)
                continue
            for short, copy in self._copies(str(name), node, where):
                taken = _Reference(copy["from"], scope) if copy.get("from") is not None else inflow
                known = len(self.entries)
                added = self._add(prefix + short, where, copy, taken, scope)
                # What is within a block is known outside by the block's name and its own.
                scope.update({entry.name.removeprefix(prefix): entry.name for entry in self.entries[known:]})
                if added is not None:
                    last = scope[short] = added
                    inflow = _Reference(added, ChainMap({added: added}))
        return last

    def _add(
        self, name: str, path: str, node: Mapping[str, Any], taken: _Reference | None, scope: _Scope
    ) -> str | None:
        """Adds one node or block; returns the name of its last step."""
        inner_key = next((key for key in ("layers", "nodes") if isinstance(node.get(key), Mapping)), None)
        if inner_key is not None and "layer" not in node:
            self._check_keys(path, node, {inner_key})
            inner: _Scope = scope.new_child({_BLOCK_INPUT: taken} if taken is not None else {})
            return self.read(node[inner_key], f"{path}.{inner_key}", f"{name}_", taken, inner)
        if any(entry.name == name for entry in self.entries):
            self._faults.append(
                f"{path}: a second node is named {name!r}; names are unique, repeated ones have '{{i}}' in them"
            )
            return None
        self._check_keys(path, node, None)
        self.entries.append(_Entry(name, path, node, taken, scope))
        return name

    def _check_keys(self, path: str, node: Mapping[str, Any], block_keys: set[str] | None) -> None:
        if self._kind == "sequential":
            for key in ("from", "call"):
                if node.get(key) is not None:
                    self._faults.append(
                        f"{path}.{key}={node[key]!r}: only a functional model (`kind: functional`) has {key!r}"
                    )
        if block_keys is not None:
            for key in set(node) - block_keys - set(_NODE_KEYS):
                self._faults.append(f"{path}.{key}={node[key]!r}: a block has no key {key!r}")
        elif node.get("call") is not None:
            for key in set(node) - set(_NODE_KEYS):
                self._faults.append(f"{path}.{key}={node[key]!r}: a node with `call` uses that layer as it is")

    def _copies(self, name: str, node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        count = node.get("repeat")
        if count is None:
            yield name, node
            return
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            self._faults.append(
                f"{path}.repeat={count!r}: expected how many times the node is to be repeated, an integer"
            )
            return
        pattern = name if "{i}" in name else f"{name}_{{i}}"
        for number in range(1, count + 1):
            yield pattern.replace("{i}", str(number)), {key: _numbered(value, number) for key, value in node.items()}

    def _ordered(self, nodes: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The nodes, those with `after` moved behind the one they name."""
        order = [
            name for name, node in nodes.items() if not (isinstance(node, Mapping) and node.get("after") is not None)
        ]
        waiting = {name: nodes[name]["after"] for name in nodes if name not in order}
        while waiting:
            placed = [name for name, target in waiting.items() if target in order]
            if not placed:
                for name, target in waiting.items():
                    near = nearest(target, [known for known in nodes if known != name])
                    self._faults.append(f"{path}.{name}.after={target!r}: no node there has this name.{near}")
                order += waiting
                break
            for name in placed:
                order.insert(order.index(waiting.pop(name)) + 1, name)
        return {name: nodes[name] for name in order}


def _numbered(value: Any, number: int) -> Any:
    """A value with `{i}` replaced, but within what is itself repeated."""
    if isinstance(value, str):
        return value.replace("{i}", str(number))
    if isinstance(value, list):
        return [_numbered(item, number) for item in value]
    if isinstance(value, Mapping) and value.get("repeat") is None:
        return {_numbered(key, number): _numbered(item, number) for key, item in value.items()}
    return value


# --- references -----------------------------------------------------------------------------------------------------


def _resolved(entry: _Entry, faults: list[str]) -> Step | None:
    if entry.takes is None:
        faults.append(f"{entry.path}: the model has several inputs, or none: say with `from` what this node takes")
        return None
    takes = _look_up(entry.takes, f"{entry.path}.from", faults)
    calls = entry.name
    if entry.node.get("call") is not None:
        called = _look_up(_Reference(entry.node["call"], entry.scope), f"{entry.path}.call", faults)
        if called is None:
            return None
        calls = called if isinstance(called, str) else entry.name
    return None if takes is None else Step(entry.name, entry.path, entry.node, calls, takes)


def _look_up(reference: _Reference, path: str, faults: list[str]) -> Takes | None:
    """The full names of what a reference says, or None, with a fault, if a name is unknown."""
    says, scope = reference.says, reference.scope
    if isinstance(says, list | Mapping) and says:
        items = dict(enumerate(says)) if isinstance(says, list) else dict(says)
        found = {key: _look_up(_Reference(item, scope), path, faults) for key, item in items.items()}
        if not all(isinstance(one, str) for one in found.values()):
            return None
        names = {str(key): str(one) for key, one in found.items()}
        return list(names.values()) if isinstance(says, list) else names
    if not isinstance(says, str):
        faults.append(
            f"{path}={says!r}: expected the name of a node or an input, a list of names, or a mapping to names"
        )
        return None
    target = scope.get(says)
    if target is None:
        near = nearest(says, scope)
        faults.append(f"{path}={says!r}: no node or input has this name.{near}")
        return None
    return target if isinstance(target, str) else _look_up(target, path, faults)


def _outputs(model: Mapping[str, Any], last: str | None, scope: _Scope, faults: list[str]) -> Takes:
    says = model.get("outputs", last)
    found = _look_up(_Reference(says, scope), "model.outputs", faults) if says is not None else None
    return found if found is not None else (last or [])


def _in_order(steps: list[Step], inputs: Iterable[str], faults: list[str]) -> list[Step]:
    """The steps sorted so that each comes after what it takes; steps in a circle are left out."""
    ordered: list[Step] = []
    known, names = set(inputs), {step.name for step in steps}
    waiting = steps
    while waiting:
        ready = []
        for step in waiting:
            # What is no step at all has been reported already.
            if all(name in known or name not in names for name in names_in(step.takes)):
                known.add(step.name)
                ready.append(step)
        if not ready:
            circle = ", ".join(repr(step.name) for step in waiting)
            faults.append(f"model.nodes: the nodes {circle} wait for each other in a circle; change a `from`")
            break
        ordered += ready
        waiting = [step for step in waiting if step.name not in known]
    return ordered


def _check_use(steps: list[Step], outputs: Takes, inputs: Iterable[str], faults: list[str]) -> None:
    """A node or input that no output needs is a mistake more often than not."""
    takes = {step.name: names_in(step.takes) for step in steps}
    used, waiting = set(), names_in(outputs)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += takes.get(name, [])
    faults += [
        f"{step.path}: nothing uses the node {step.name!r}; name it in a `from` or in `model.outputs`, or take it out"
        for step in steps
        if step.name not in used
    ]
    faults += [f"model.inputs.{name}: nothing uses this input" for name in inputs if name not in used]
