"""What the `debug` presets do in a run: few samples learnt by heart, or steps under torch's profiler."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch.profiler import profile, record_function, supported_activities

from labkeras.callbacks.callback import Callback, Logs
from labkeras.files import atomic_write

__all__ = ["LayerProfiler", "OVERFIT_SAMPLES", "overfit_verdict"]

OVERFIT_SAMPLES = 32
"""How many samples `debug=overfit` trains on."""

_WARM_UP = 5  # steps before the profiler looks
_STEPS = 10
_STEP = "step"
_LAYER = "layer "
_LEARNT = 0.05


def overfit_verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether a model learnt a handful of samples by heart, and a sentence that says so.

    Args:
        rows: of `metrics.jsonl`.

    Example:
        >>> overfit_verdict([{"loss": 2.3}, {"loss": 0.01}])[0]
        True
    """
    first, last = (float(rows[at].get("loss") or math.nan) if rows else math.nan for at in (0, -1))
    fell = f"on {OVERFIT_SAMPLES} samples the loss went from {first:.4g} to {last:.4g} in {len(rows)} epochs"
    if last <= _LEARNT * first:
        return True, f"{fell}: the model can learn"
    return False, (
        f"{fell}: a sound model learns so few by heart. Look at the learning rate, at the loss and what it is given "
        "(probabilities or logits, one-hot or numbers), at frozen layers, and at what the data is scaled to."
    )


class LayerProfiler(Callback):
    """Looks at some steps of training with torch's profiler.

    Writes `trace.json`, for chrome://tracing or Perfetto, and `layers.csv`: what each layer's forward pass takes, and
    what is left of the step: backward pass, optimizer, metrics and loop.

    Args:
        folder: for the files; it is made.
    """

    takes_tensor_logs: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        """Name, calls and milliseconds a step, the costliest first."""
        self._profile: Any = None
        self._step: Any = None
        self._hooks: list[Any] = []

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if batch == _WARM_UP:
            self._look_at_layers()
            self._profile = profile(activities=list(supported_activities()))  # type: ignore[no-untyped-call]
            self._profile.start()
        if self._profile is not None:
            self._step = record_function(_STEP)
            self._step.__enter__()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
        if batch == _WARM_UP + _STEPS - 1:
            self._stop()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._stop()

    def _look_at_layers(self) -> None:
        for layer in _layers_of(self.model):
            scopes: list[Any] = []
            self._hooks.append(layer.register_forward_pre_hook(_entering(layer.name, scopes)))
            self._hooks.append(layer.register_forward_hook(_leaving(scopes), always_call=True))

    def _stop(self) -> None:
        if self._profile is None:
            return
        self._profile.stop()
        for hook in self._hooks:
            hook.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._profile.export_chrome_trace(str(self.folder / "trace.json"))
        self.rows = _rows(self._profile)
        with atomic_write(self.folder / "layers.csv") as file:
            writer = csv.DictWriter(file, ["layer", "calls", "milliseconds", "share"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        self._profile = None


def _layers_of(model: Any) -> Iterator[Any]:
    """A model's layers, those of models within it one by one."""
    for layer in model.layers:
        if hasattr(layer, "layers") and layer.layers:
            yield from _layers_of(layer)
        else:
            yield layer


def _entering(name: str, scopes: list[Any]) -> Any:
    def enter(module: Any, inputs: Any) -> None:
        scope = record_function(_LAYER + name)
        scope.__enter__()  # type: ignore[no-untyped-call]  # torch's, without types
        scopes.append(scope)

    return enter


def _leaving(scopes: list[Any]) -> Any:
    def leave(module: Any, inputs: Any, outputs: Any) -> None:
        if scopes:
            scopes.pop().__exit__(None, None, None)

    return leave


def _rows(profiled: Any) -> list[dict[str, Any]]:
    found = {event.key: event for event in profiled.key_averages()}
    steps = found[_STEP].count
    whole = found[_STEP].cpu_time_total / steps / 1e3
    rows = [
        {
            "layer": key.removeprefix(_LAYER),
            "calls": event.count // steps,
            "milliseconds": event.cpu_time_total / steps / 1e3,
        }
        for key, event in found.items()
        if key.startswith(_LAYER)
    ]
    rows.sort(key=lambda row: -row["milliseconds"])
    rest = whole - sum(row["milliseconds"] for row in rows)
    rows.append({"layer": "(backward, optimizer, metrics, loop)", "calls": 1, "milliseconds": rest})
    return [
        {**row, "milliseconds": round(row["milliseconds"], 4), "share": round(row["milliseconds"] / whole, 4)}
        for row in rows
    ]
