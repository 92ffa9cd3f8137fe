"""What TensorBoard's HParams tab shows of a run: the choices it was made with, its test results, how it ended."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata, summary_v2
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from torch.utils.tensorboard import SummaryWriter

from labkeras.experiment.config.components import KEY_OF_KIND, node_kind, parameters_of, plain_default

__all__ = ["HParams", "choices"]

_STATUS = dict.fromkeys(("done", "pruned"), "STATUS_SUCCESS")
# Interesting whether changed or not, so that runs with and without a change share a column.
_ALWAYS = ("learning_rate",)
_SETTINGS = ("seed", "fit", "optimizer", "loss", "model", "data")


class HParams:
    """One session in the HParams tab.

    TensorBoard takes `folder` for the session, and the folders below it, such as `train` and `validation`, for its
    curves, which become columns as well. No list of columns is written: without one TensorBoard joins those of all
    runs that it shows. A sweep writes one for all its runs.

    Args:
        folder: where the event files of the run are.
        name: the run's name.
        values: what was chosen, by the full key.
    """

    def __init__(self, folder: Path, name: str, values: Mapping[str, Any]) -> None:
        self._writer = SummaryWriter(str(folder))
        self._write(summary_v2.hparams_pb(dict(values), trial_id=name))

    def close(self, state: str, results: Mapping[str, float]) -> None:
        """Writes how the run ended, and what came out.

        Args:
            state: of the run: "done", "pruned", "failed", "interrupted" or "preempted".
            results: name → value, such as `test_accuracy`.
        """
        for name, value in results.items():
            self._writer.add_scalar(name, value)
        status = Status.Value(_STATUS.get(state, "STATUS_FAILURE"))
        info = SessionEndInfo(status=status, end_time_secs=time.time())
        content = metadata.create_summary_metadata(HParamsPluginData(session_end_info=info))
        summary = Summary()
        summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=content, tensor=metadata.NULL_TENSOR)
        self._write(summary)
        self._writer.close()

    def _write(self, summary: Summary) -> None:
        # SummaryWriter has methods for values only; they too end in this call.
        self._writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]  # torch's, without types
        self._writer.flush()


def choices(config: Mapping[str, Any], overridden: Mapping[str, str]) -> dict[str, bool | float | str]:
    """The values that somebody chose, by the full key: numbers, truth values and strings.

    An argument that has its default is none of them, unless it is the learning rate or was named on the command line: a
    model has hundreds. A group that was chosen there counts as a choice by its own name, as in a sweep over it.

    Args:
        config: the whole config, as plain values.
        overridden: full keys that were given on the command line, each with the text that was given.
    """
    found: dict[str, bool | float | str] = {
        key: text.strip("'\"") for key, text in overridden.items() if isinstance(config.get(key), Mapping)
    }
    for key in config:
        if key in _SETTINGS or any(name == key or name.startswith(f"{key}.") for name in overridden):
            _collect(config[key], key, found, overridden, wanted=key in _SETTINGS)
    return found


def _collect(value: Any, path: str, found: dict[str, Any], overridden: Mapping[str, str], wanted: bool) -> None:
    if isinstance(value, Mapping):
        defaults = _defaults(value)
        for key, item in value.items():
            chosen = wanted and (key in _ALWAYS or key not in defaults or defaults[key] != item)
            _collect(item, f"{path}.{key}", found, overridden, chosen)
    elif path in overridden or (wanted and value is not None):
        # A null that was chosen is a choice like others; TensorBoard has no value for it.
        plain = "null" if value is None else value
        found[path] = plain if isinstance(plain, bool | int | float | str) else str(plain)


def _defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    kind = node_kind(node)
    if kind is None:
        return {}
    return {key: plain_default(parameter) for key, parameter in parameters_of(kind, node[KEY_OF_KIND[kind]]).items()}
