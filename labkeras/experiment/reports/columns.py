"""The columns of a sweep in TensorBoard: its folder opens as one experiment, a line for each run.

Without them TensorBoard makes columns of whatever any run has written. They lie in `tb/` in the sweep's folder; values
and states come from the runs' own event files.
"""

import contextlib
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer.record_writer import RecordWriter

from labkeras.experiment.reports.parameters import Parameter
from labkeras.experiment.reports.study import Study
from labkeras.files import atomic_write

__all__ = ["columns_file", "events"]

# TensorBoard takes every file with "tfevents" in its name; one name, so that it is written over.
_NAME = "events.out.tfevents.0000000000.columns"


def columns_file(study: Study, folder: Path) -> None:
    """Writes the columns, unless they are there already; nothing as long as there is nothing to tell apart.

    Args:
        study: whose parameters and metrics become columns.
        folder: of the sweep.
    """
    if not study.parameters:
        return
    experiment = Experiment(
        name=study.name,
        time_created_secs=_created(study),
        hparam_infos=[_parameter_info(parameter) for parameter in study.parameters],
        metric_infos=[_metric_info(tag) for tag in _tags(study)],
    )
    data = events(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment), experiment.time_created_secs)
    path = folder / "tb" / _NAME
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path, "wb", durable=False) as file:
        file.write(data)


def events(tag: str, content: Any, seconds: float) -> bytes:
    """An event file with one summary for the HParams tab.

    Args:
        tag: of the summary.
        content: of the HParams plugin.
        seconds: when, since 1970.
    """
    summary = Summary()
    summary.value.add(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)
    stream = io.BytesIO()
    records = RecordWriter(stream)
    for event in (Event(wall_time=seconds, file_version="brain.Event:2"), Event(wall_time=seconds, summary=summary)):
        records.write(event.SerializeToString(deterministic=True))
    return stream.getvalue()


def _created(study: Study) -> float:
    created = study.trials[0].created if study.trials else None
    try:
        return datetime.fromisoformat(created or "").timestamp()
    except ValueError:
        return 0.0


def _tags(study: Study) -> Sequence[str]:
    """What is sought, the results of tests, and how long was trained: a pruned trial has fewer epochs than others."""
    tags = dict.fromkeys(objective.monitor for objective in study.objectives)
    for trial in study.trials:
        tags |= dict.fromkeys(name for name in sorted(trial.metrics) if name.startswith("test_"))
    return [*tags, "epochs"]


def _metric_info(tag: str) -> MetricInfo:
    return MetricInfo(name=MetricName(group="", tag=tag), display_name=tag)


def _parameter_info(parameter: Parameter) -> HParamInfo:
    info = HParamInfo(name=parameter.key, display_name=parameter.key)
    if parameter.is_number:
        info.type = DATA_TYPE_FLOAT64
        if parameter.is_interval:
            info.domain_interval.min_value = parameter.low
            info.domain_interval.max_value = parameter.high
        else:
            info.domain_discrete.extend(list(parameter.values))
    elif all(isinstance(value, bool) for value in parameter.values):
        info.type = DATA_TYPE_BOOL
        info.domain_discrete.extend(list(parameter.values))
    else:
        info.type = DATA_TYPE_STRING
        # As the run itself writes it: a list as its text.
        info.domain_discrete.extend([_as_written(value) for value in parameter.values])
    return info


def _as_written(value: Any) -> bool | float | str:
    if isinstance(value, bool | int | float):
        return value
    text = "null" if value is None else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be written
