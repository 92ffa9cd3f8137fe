"""The objects of `labkeras.distribution`, compared with Keras's."""

import inspect
import os
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import distribution, layers
from labkeras.distribution import (
    DataParallel,
    DeviceMesh,
    ModelParallel,
    TensorLayout,
    distribute_tensor,
    get_device_count,
    list_devices,
    set_distribution,
)
from labkeras.errors import InvalidArgumentError
from labkeras.training.devices import planned
from tests.helpers.processes import free_port, run_ranks

OURS, KERAS = distribution, keras.distribution
CPUS = [f"cpu:{index}" for index in range(8)]


def _mesh(library: Any) -> Any:
    return library.DeviceMesh((2, 4), ["batch", "model"], CPUS)


def _layout_map(library: Any) -> Any:
    layout_map = library.LayoutMap(_mesh(library))
    layout_map[".*dense.*kernel"] = (None, "model")
    layout_map[".*dense.*bias"] = library.TensorLayout(("model",))
    layout_map["net/dense_2/output"] = ("batch", "model")
    return layout_map


# --- as in Keras ---


def test_the_names_are_those_of_keras() -> None:
    assert {name for name in dir(KERAS) if not name.startswith("_")} == set(distribution.__all__)


@pytest.mark.parametrize("name", sorted(distribution.__all__))
def test_the_arguments_are_those_of_keras(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(library, name)) for library in (OURS, KERAS))
    assert [(p.name, p.default, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.default, p.kind) for p in theirs.parameters.values()
    ]


def test_a_mesh_arranges_devices() -> None:
    ours, theirs = _mesh(OURS), _mesh(KERAS)
    assert (ours.shape, ours.axis_names) == (theirs.shape, theirs.axis_names)
    np.testing.assert_array_equal(ours.devices, theirs.devices)


def test_a_layout_map_finds_layouts_by_expressions() -> None:
    ours, theirs = _layout_map(OURS), _layout_map(KERAS)
    for path in ("net/dense/kernel", "net/dense_1/bias", "net/dense_2/output", ".*dense.*bias"):
        assert ours[path].axes == theirs[path].axes
        assert ours[path].device_mesh is ours.device_mesh
    for path in ("net/conv/kernel", "kernel"):
        assert ours[path] is theirs[path] is None
    assert list(ours) == list(theirs)
    del ours[".*dense.*bias"]
    assert len(ours) == 2


def test_distributions_lay_out_data_weights_and_outputs() -> None:
    weight = layers.Dense(3, name="dense")
    weight.build((None, 4))
    for ours, theirs in (
        (DataParallel(devices=CPUS), KERAS.DataParallel(devices=CPUS)),
        (ModelParallel(layout_map=_layout_map(OURS)), KERAS.ModelParallel(layout_map=_layout_map(KERAS))),
        (
            ModelParallel(layout_map=_layout_map(OURS), batch_dim_name="model", auto_shard_dataset=False),
            KERAS.ModelParallel(layout_map=_layout_map(KERAS), batch_dim_name="model", auto_shard_dataset=False),
        ),
    ):
        for name in ("num_model_replicas", "num_processes", "data_shard_id", "batch_dim_name", "auto_shard_dataset"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.get_data_layout((8, 3, 3)).axes == theirs.get_data_layout((8, 3, 3)).axes
        for variable in (weight.kernel, weight.bias):
            assert ours.get_variable_layout(variable).axes == theirs.get_variable_layout(variable).axes
        found, expected = (each.get_tensor_layout("net/dense_2/output") for each in (ours, theirs))
        assert (found and found.axes) == (expected and expected.axes)


FAULTS: dict[str, Callable[[Any], Any]] = {
    "a mesh without axes": lambda library: library.DeviceMesh((), []),
    "axes without names": lambda library: library.DeviceMesh((2, 4), ["batch"], CPUS),
    "too few devices": lambda library: library.DeviceMesh((2, 4), ["batch", "model"], CPUS[:4]),
    "a layout on another axis": lambda library: library.TensorLayout((None, "other"), _mesh(library)),
    "a second mesh": lambda library: setattr(
        library.TensorLayout((None,), _mesh(library)), "device_mesh", _mesh(library)
    ),
    "a second layout": lambda library: _layout_map(library).__setitem__(".*dense.*bias", ("batch",)),
    "a layout that is a list": lambda library: _layout_map(library).__setitem__("a", ["batch"]),
    "a layout on an axis that is not there": lambda library: _layout_map(library).__setitem__("a", ("other",)),
    "two layouts that match": lambda library: [
        layout_map := _layout_map(library),
        layout_map.__setitem__(".*kernel", ("batch", None)),
        layout_map["net/dense/kernel"],
    ],
    "no layout map": lambda library: library.ModelParallel(),
    "a dict of layouts": lambda library: library.ModelParallel(layout_map={}),
    "a mesh that is a list": lambda library: library.DataParallel(device_mesh=CPUS),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_keras_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # in whatever words
        FAULTS[name](KERAS)
    with pytest.raises(InvalidArgumentError, match="Received: "):
        FAULTS[name](OURS)


def test_a_mesh_of_several_axes_splits_data_along_the_first() -> None:
    with pytest.warns(UserWarning, match="splits batches along the first axis"):
        assert DataParallel(device_mesh=_mesh(OURS)).batch_dim_name == "batch"


# --- which is set ---


def test_a_distribution_is_set_and_put_back() -> None:
    outer, inner = DataParallel(devices=CPUS), ModelParallel(layout_map=_layout_map(OURS))
    assert distribution.distribution() is None
    with outer.scope():
        with inner.scope():
            assert distribution.distribution() is inner
        assert distribution.distribution() is outer
        set_distribution(None)
        assert distribution.distribution() is None
    with pytest.raises(InvalidArgumentError, match="must be a DataParallel or a ModelParallel"):
        set_distribution("ddp")  # type: ignore[arg-type]  # that is the fault


def test_a_trainer_gets_the_devices_of_the_distribution() -> None:
    with DataParallel(devices=CPUS[:2]).scope():
        assert planned({}).arguments == {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
        assert planned({"strategy": "ddp_fork"}).arguments["strategy"] == "ddp_fork"
    with DataParallel(devices=["gpu:2", "gpu:3"]).scope():
        assert planned({}).arguments == {"accelerator": "gpu", "devices": [2, 3], "strategy": "ddp"}
    with ModelParallel(layout_map=_layout_map(OURS)).scope():
        assert type(planned({}).arguments["strategy"]).__name__ == "ModelParallelStrategy"
    assert planned({}).arguments == {}
    assert planned({"strategy": "fsdp", "accelerator": "cpu"}).arguments["strategy"] == "auto"


# --- devices ---


def test_devices_are_listed_by_type() -> None:
    assert list_devices("cpu") == ["cpu:0"]
    assert list_devices("tpu") == []
    assert get_device_count() == len(list_devices()) >= 1
    with pytest.raises(InvalidArgumentError, match="`device_type` must be one of"):
        list_devices("abacus")


def test_processes_that_were_started_together_list_all_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "3")
    assert list_devices("cpu") == CPUS[:4]
    assert planned({}).arguments == {"devices": 2, "num_nodes": 2, "strategy": "ddp"}
    parallel = DataParallel(devices=CPUS[:4])
    assert (parallel.num_processes, parallel.data_shard_id) == (4, 3)


def test_an_interactive_job_of_slurm_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_NNODES": "1"}.items():
        monkeypatch.setenv(name, value)
    assert planned({}).arguments == {"devices": 2, "num_nodes": 1, "strategy": "ddp"}
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    assert planned({}).arguments == {}


# --- initialize, distribute_tensor ---


def test_initialize_joins_processes_that_say_who_they_are() -> None:
    port = free_port()

    def joined() -> Any:

        rank = int(os.environ["RANK"])
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name)
        distribution.initialize(f"127.0.0.1:{port},127.0.0.1:1", 2, rank)
        mesh = DeviceMesh((2,), ["model"], CPUS[:2])
        tensor = torch.arange(6.0).reshape(2, 3)
        split = distribute_tensor(tensor, TensorLayout((None, "model"), mesh))
        again = distribute_tensor(split, TensorLayout(("model", None), mesh))
        listed = os.environ["LOCAL_RANK"], os.environ["LOCAL_WORLD_SIZE"], list_devices("cpu")
        return *listed, split.to_local().tolist(), again.to_local().tolist(), split.full_tensor().tolist()

    whole = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert run_ranks(joined) == [
        ("0", "2", CPUS[:2], [[0.0, 1.0], [3.0, 4.0]], [[0.0, 1.0, 2.0]], whole),
        ("1", "2", CPUS[:2], [[2.0], [5.0]], [[3.0, 4.0, 5.0]], whole),
    ]


def test_initialize_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    distribution.initialize()  # one process has nobody to join
    distribution.initialize(num_processes=1, process_id=0)
    with pytest.raises(InvalidArgumentError, match=re.escape("Received: num_processes=2, process_id=2")):
        distribution.initialize("127.0.0.1:1", 2, 2)
    with pytest.raises(InvalidArgumentError, match="address of the first process"):
        distribution.initialize(None, 2, 0)


def test_a_tensor_of_a_process_alone_stays_as_it_is() -> None:
    tensor = torch.ones(2)
    layout = TensorLayout(("model",), DeviceMesh((1,), ["model"], CPUS[:1]))
    assert distribute_tensor(tensor, layout) is tensor
    placeholder = layers.Input((3,))
    assert distribute_tensor(placeholder, layout) is placeholder
