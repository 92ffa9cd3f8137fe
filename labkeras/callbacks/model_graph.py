"""The graph of a model's layers, as TensorBoard's Graphs tab reads it."""

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from labkeras.serialization import serialize_keras_object

__all__ = ["as_operations", "model_graph"]

# TensorBoard knows a graph of layers by the name of this plugin, and its format by the version.
_PLUGIN = "graph_keras_model"
_VERSION = b"1"


def model_graph(model: Any) -> Any:
    """A TensorBoard summary with the layers of a sequential or functional model and what joins them.

    Args:
        model: the model.

    Returns:
        A `Summary`, or None for a model whose config does not list its layers.
    """
    if not hasattr(model, "get_config"):
        return None
    try:
        config = serialize_keras_object(model)
    except NotImplementedError:
        # A model that was written as a class need not say what it is made of.
        return None
    except Exception as error:
        # Not worth a training run: it is one layer's `get_config` that fails.
        warnings.warn(f"TensorBoard gets no graph of the model, whose config cannot be made: {error}", stacklevel=2)
        return None
    if not (
        isinstance(config, Mapping) and isinstance(config.get("config"), Mapping) and config["config"].get("layers")
    ):
        return None
    return _summary(json.dumps(_layer(config)))


def as_operations(graph: Any) -> Any:
    """A graph of layers once more, as the event of a graph of operations, each layer being one.

    The Graphs tab opens with that kind, and says that it failed where there is none, until somebody asks for the other.

    Args:
        graph: what `model_graph` returned.

    Returns:
        An `Event`.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

    model = json.loads(graph.value[0].tensor.string_val[0])
    operations = keras_model_to_graph_def(model)
    scope = f"{model['config']['name']}/"  # in which all would be one box, closed at first
    for node in operations.node:
        node.op = node.attr["keras_class"].s.decode()
        node.name = node.name.removeprefix(scope)
        inputs = [name.removeprefix(scope) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
    return Event(graph_def=operations.SerializeToString())


def _summary(text: str) -> Any:
    # Here, because it takes a second to import, and most programs that import callbacks don't write any.
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=_PLUGIN, content=_VERSION))
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    return Summary(value=[Summary.Value(tag="keras", tensor=tensor, metadata=metadata)])


def _layer(layer: Mapping[str, Any]) -> dict[str, Any]:
    """What TensorBoard reads of a layer's config.

    It fails on arguments of a call that are not tensors, so only the tensors are kept, in the place where it looks.
    """
    config = layer["config"]
    kept: dict[str, Any] = {"name": config.get("name") or layer.get("name"), "dtype": _dtype(config.get("dtype"))}
    if config.get("layers"):
        kept["layers"] = [_layer(inner) for inner in config["layers"]]
        _look_into_models(kept["layers"])
        for end in ("input_layers", "output_layers"):
            if config.get(end):
                kept[end] = [list(history) for history in _histories(config[end])]
        if "input_layers" in kept:
            kept["input_layers"] = [history[0] for history in kept["input_layers"]]
    result = {"class_name": layer["class_name"], "config": kept}
    if "inbound_nodes" in layer:
        arguments = [history for node in layer["inbound_nodes"] for history in _tensors(node)]
        result["inbound_nodes"] = [{"args": [{"config": {"keras_history": list(history)}} for history in arguments]}]
    return result


def _look_into_models(layers: list[dict[str, Any]]) -> None:
    """Has layers that use what a model returns come after the layer in it that made it.

    TensorBoard does so itself, but not if that is a model again, or what uses it is one.
    """
    by_name = {layer["config"]["name"]: layer for layer in layers}
    for layer in layers:
        for node in layer.get("inbound_nodes", ()):
            for argument in node["args"]:
                argument["config"]["keras_history"] = _maker(by_name, argument["config"]["keras_history"])


def _maker(by_name: Mapping[str, dict[str, Any]], history: list[Any]) -> list[Any]:
    name, _, index = history
    config = by_name[name]["config"] if name in by_name else {}
    if not config.get("layers"):
        return history
    inner = {layer["config"]["name"]: layer for layer in config["layers"]}
    ends = config.get("output_layers") or [[config["layers"][-1]["config"]["name"], 0, 0]]
    maker = _maker(inner, ends[min(index, len(ends) - 1)])
    return [f"{name}/{maker[0]}", 0, 0]


def _dtype(dtype: Any) -> str | None:
    name = dtype.get("config", {}).get("name") if isinstance(dtype, Mapping) else dtype
    # TensorBoard knows types of tensors, not policies such as "mixed_bfloat16".
    return name if isinstance(name, str) and not name.startswith("mixed") else None


def _histories(structure: Any) -> Iterator[list[Any]]:
    """The [layer, call, output] triples in nested lists and dicts."""
    if isinstance(structure, Mapping):
        for value in structure.values():
            yield from _histories(value)
    elif isinstance(structure, list | tuple):
        if len(structure) == 3 and isinstance(structure[0], str):
            yield list(structure)
        else:
            for item in structure:
                yield from _histories(item)


def _tensors(structure: Any) -> Iterator[list[Any]]:
    """The `keras_history` of each placeholder in the arguments of a call."""
    if isinstance(structure, Mapping):
        history = (
            structure.get("config", {}).get("keras_history") if isinstance(structure.get("config"), Mapping) else None
        )
        if history is not None:
            yield history
        else:
            for value in structure.values():
                yield from _tensors(value)
    elif isinstance(structure, list | tuple):
        for item in structure:
            yield from _tensors(item)
