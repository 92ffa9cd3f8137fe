"""Configs made to do harm: one case or more for each known attack, with sound ones beside them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import labkeras
from labkeras import Sequential, layers
from labkeras.errors import SerializationError
from labkeras.models import clone_model, model_from_json
from labkeras.saving import deserialize_keras_object, register_keras_serializable
from tests.helpers.hostile import (
    DATA,
    as_function,
    compiled,
    core,
    harmless,
    layer,
    of_torch,
    refused,
    replacing,
    setting,
    sound_model,
    with_config,
    write,
)
from tests.helpers.saved_models import difference

LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAAAAA=\n", None, None]}}
CONFIGS: dict[str, tuple[Callable[[Any], Any], str]] = {
    # CVE-2024-3660, CVE-2025-9905: bytecode
    "lambda_layer": (
        replacing(**core("layers", "Lambda", name="first", function=LAMBDA)),
        "never runs code from a file",
    ),
    "lambda_as_activation": (setting("activation", LAMBDA), "bytecode of a lambda"),
    "lambda_deep_within": (setting("kernel_regularizer", {"a": [{"b": LAMBDA}]}), ""),
    # CVE-2025-1550: any function of any module, as a node
    "os_system": (replacing(module="os", class_name="system", config={"command": "touch /tmp/x"}), "'system'"),
    "os_system_as_function": (replacing(**as_function(module="os")), "'system'"),
    "builtins_exec": (replacing(module="builtins", class_name="exec", config={"source": "1"}), "'exec'"),
    "activation_of_os": (setting("activation", as_function(module="os")), "'system'"),
    "private_operation": (
        replacing(module="keras.src.ops.numpy", class_name="load", config={"name": "first"}),
        "numpy.load",
    ),
    "operation_by_path": (
        replacing(module="keras.src.ops.core", class_name="../../os.system", config={"name": "first"}),
        "does not read",
    ),
    "torch_function": (replacing(**of_torch("Function", function="torch.load")), "torch.load"),
    "torch_module": (
        replacing(**of_torch("Module", name="first", module_class="torch.nn.Module", arguments={})),
        "closed list",
    ),
    # CVE-2025-8747, CVE-2025-9906: Keras's own functions as tools
    "get_file": (
        replacing(**core("utils", "get_file", fname="x", origin="http://localhost:1")),
        "'get_file'",
    ),
    "unsafe_switch": (
        replacing(**as_function(module="keras.config", config="enable_unsafe_deserialization")),
        "enable_unsafe",
    ),
    "load_model_itself": (replacing(**as_function(module="keras.models", config="load_model")), "load_model"),
    "any_function_of_ours": (setting("activation", as_function(module="keras.activations", config="deserialize")), ""),
    # CVE-2025-49655, CVE-2026-1462, CVE-2025-12058: layers that open or unpickle
    "pickled_module": (
        replacing(module="keras.layers", class_name="TorchModuleWrapper", config={"module": "gASVAAAA"}),
        "pickled module",
    ),
    "saved_model": (replacing(**core("layers", "TFSMLayer", filepath="/x")), "SavedModel"),
    "vocabulary_file": (replacing(**core("layers", "StringLookup", vocabulary="/etc/passwd")), "StringLookup"),
    # trusted-prefix import
    "module_of_a_trusted_name": (replacing(module="keras_hub.evil", class_name="Thing", config={}), "'Thing'"),
    "module_of_keras": (replacing(module="keras.src.evil", class_name="Thing", config={}), "'Thing'"),
    "module_of_labkeras": (replacing(module="labkeras.files", class_name="atomic_write", config={"path": "x"}), ""),
    # objects of the wrong kind
    "optimizer_as_layer": (replacing(**core("optimizers", "Adam")), "where a layer belongs"),
    "callback_as_layer": (replacing(**core("callbacks", "CSVLogger")), ""),
    "layer_as_initializer": (
        setting("kernel_initializer", core("layers", "Dense", units=1)),
        "where an initializer belongs",
    ),
    "metric_as_regularizer": (
        setting("kernel_regularizer", core("metrics", "AUC")),
        "where a regularizer belongs",
    ),
    "object_in_build_config": (replacing(build_config={"input_shape": core("layers", "Dense")}), "only shapes"),
    "shared_object_of_another_kind": (
        lambda config: (
            layer(config)["config"]["kernel_initializer"].update(shared_object_id=7),
            layer(config, 2).update(shared_object_id=7),
        )[0],
        "share the id 7",
    ),
    # names that disagree
    "registered_name_of_a_core_layer": (replacing(registered_name="tests_hostile>Runner"), "names must agree"),
    "registered_name_of_an_operation": (
        replacing(module="keras.src.ops.nn", class_name="Relu", config={"name": "first"}, registered_name="Other"),
        "must agree",
    ),
    "no_layers": (lambda config: {**config, "config": {}}, "could not be made"),
    "not_a_model": (lambda config: core("losses", "MeanSquaredError"), "layer belongs"),
    "nothing": (lambda config: {"a": 1}, ""),
    # types
    "class_name_not_a_string": (replacing(class_name=["Dense"]), "must be a string"),
    "module_not_a_string": (replacing(module={"a": 1}), "must be a string"),
    "config_not_a_mapping": (replacing(config=[1, 2]), "must be a mapping"),
    "shared_id_not_a_number": (replacing(shared_object_id=[1]), "must be an integer"),
    "unknown_argument": (setting("nonsense", 1), "nonsense"),
    "units_of_text": (setting("units", "3"), "positive integer"),
    "path_as_name": (setting("name", "../../evil"), "without '/'"),
    "tensor_of_objects": (
        setting("bias_initializer", {"class_name": "__tensor__", "config": {"value": [1], "dtype": "object"}}),
        "dtype",
    ),
    "optimizer_of_lambda": (compiled(optimizer=LAMBDA), "bytecode"),
    "loss_of_os": (compiled(loss=as_function(module="os")), "'system'"),
    "metric_of_another_kind": (compiled(metrics=[core("layers", "Dense", units=1)]), "where a metric belongs"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_makes_nothing_but_parts_of_models(name: str, members: dict[str, bytes], path: Path) -> None:
    change, message = CONFIGS[name]
    refused(write(path, with_config(members, change)), message)


RAN: list[str] = []


@register_keras_serializable("tests_hostile")
class Runner(layers.Layer):
    def __init__(self, command: str = "", **options: Any) -> None:
        super().__init__(**options)
        RAN.append(command)

    def call(self, inputs: Any) -> Any:
        return inputs


def test_a_registered_class_is_not_made_under_another_name(members: dict[str, bytes], path: Path) -> None:
    # A scanner that reads `module` and `class_name` would see a Dropout.
    RAN.clear()
    for entry in (
        {"module": "keras.layers", "class_name": "Dropout"},
        {"module": "keras", "class_name": "Sequential"},
        {"module": None, "class_name": "Dropout"},
        {"module": "my.layers", "class_name": "Harmless"},
    ):
        change = replacing(**entry, registered_name="tests_hostile>Runner", config={"command": "x"})
        refused(write(path, with_config(members, change)), "agree")
    assert RAN == []
    sound = {"module": "any", "class_name": "Runner", "registered_name": "tests_hostile>Runner"}
    deserialize_keras_object({**sound, "config": {"command": "mine"}})
    assert RAN == ["mine"]


def test_a_class_of_another_kind_is_not_even_made(members: dict[str, bytes], path: Path) -> None:
    RAN.clear()
    entry = {
        "module": "any",
        "class_name": "Runner",
        "registered_name": "tests_hostile>Runner",
        "config": {"command": "x"},
    }
    refused(write(path, with_config(members, setting("kernel_initializer", entry))), "where an initializer belongs")
    assert RAN == []


def test_modules_that_a_file_names_are_not_imported(
    members: dict[str, bytes], path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("keras_hub", "keras_cv", "evil_module"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(str(tmp_path))
        refused(write(path, with_config(members, replacing(module=name, class_name="Thing", config={}))))
        refused(write(path, with_config(members, setting("activation", as_function(module=name, config="run")))))
        assert name not in sys.modules


LAMBDA_LAYER = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": LAMBDA, "name": "l"}}
OPEN_LISTS: list[Callable[[Any], Any]] = [
    deserialize_keras_object,
    lambda config: deserialize_keras_object(config, safe_mode=None),
    lambda config: labkeras.saving.deserialize_keras_object({"a": [config]}),
    lambda config: Sequential.from_config({"name": "s", "layers": [config]}),
    lambda config: model_from_json(json.dumps(config)),
    lambda config: labkeras.layers.Layer.from_config({"activity_regularizer": config}),
    lambda config: labkeras.activations.deserialize(config),
    lambda config: labkeras.losses.deserialize(config),
    lambda config: labkeras.metrics.deserialize(config),
    lambda config: labkeras.optimizers.deserialize(config),
    lambda config: labkeras.initializers.deserialize(config),
    lambda config: sound_model().compile_from_config({"optimizer": config}),
]  # fmt: skip


@pytest.mark.parametrize("entry", range(len(OPEN_LISTS)))
@pytest.mark.parametrize("config", [LAMBDA, LAMBDA_LAYER], ids=["lambda", "layer"])
def test_every_way_in_that_takes_a_config_is_safe(entry: int, config: Any) -> None:
    with harmless(), pytest.raises((SerializationError, labkeras.errors.LabkerasError)):
        OPEN_LISTS[entry](config)


def test_safety_cannot_be_switched_off() -> None:
    for unsafe in (False, 0, "no"):
        with pytest.raises(SerializationError, match="no unsafe mode"):
            deserialize_keras_object(LAMBDA, safe_mode=unsafe)  # type: ignore[arg-type]


def test_clones_are_made_of_what_is_there() -> None:
    assert difference(clone_model(sound_model())(DATA) * 0, sound_model()(DATA) * 0) == 0


BOMBS = """
import json, resource, sys, time, zipfile
import labkeras
from labkeras.errors import FileFormatError
from labkeras.saving import load_model
from tests.helpers import hostile
from tests.saving.test_hostile_configs import SIZES

path = sys.argv[1]
load_model(path)  # everything that loading imports is there now
pages = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (pages + 2**30, pages + 2**30))
with zipfile.ZipFile(path) as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
outcomes = {}
for kind, change in SIZES.items():
    hostile.write(path, hostile.with_config(members, change))
    start = time.monotonic()
    try:
        load_model(path)
    except FileFormatError as error:
        outcomes[kind] = str(error), time.monotonic() - start
print(json.dumps(outcomes))
"""
BIG = 10**9
KERAS_TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 4], "dtype": "float32", "keras_history": ["x", 0, 0]},
}
SIZES: dict[str, Callable[[Any], Any]] = {
    "units": setting("units", BIG),
    "units_beyond_64_bits": setting("units", 10**30),
    "embedding": replacing(
        module="keras.layers", class_name="Embedding", config={"name": "first", "input_dim": BIG, "output_dim": 4}
    ),
    "build_shape": replacing(build_config={"input_shape": [None, BIG]}),
    "torch_linear": replacing(
        **of_torch(
            "Module", name="first", module_class="torch.nn.Linear", arguments={"in_features": 4, "out_features": BIG}
        )
    ),
    "metric": compiled(loss="mse", metrics=[core("metrics", "AUC", num_thresholds=BIG)]),
    "values_of_a_giant": replacing(
        **of_torch("Function", function="torch.repeat_interleave"),
        inbound_nodes=[{"args": [KERAS_TENSOR, BIG], "kwargs": {}}],
    ),
    "tries_of_a_giant": lambda config: (
        layer(config, 0)["config"].update(batch_shape=[None, BIG]),
        layer(config).update(
            **of_torch("Function", function="torch.nonzero"), inbound_nodes=[{"args": [KERAS_TENSOR], "kwargs": {}}]
        ),
    )[0],
    "many_layers": lambda config: config["config"].update(
        layers=config["config"]["layers"]
        + [
            {**layer(config), "name": f"d{i}", "config": {**layer(config)["config"], "units": 50_000}}
            for i in range(200)
        ]
    ),
}


@pytest.mark.slow
def test_sizes_are_compared_with_the_file_before_memory_is_taken(path: Path) -> None:
    sound_model().save(path)
    outcome = subprocess.run(
        [sys.executable, "-c", BOMBS, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    outcomes = json.loads(outcome.stdout)
    assert outcomes.keys() == SIZES.keys()
    for kind, (message, seconds) in outcomes.items():
        assert "MemoryError" not in message, kind
        assert seconds < 2, kind
