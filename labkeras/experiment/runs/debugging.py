"""What the `debug` presets do in a run: few samples learnt by heart, or steps under torch's profiler."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.layer_profile import LayerProfile
from labkeras.files import atomic_write

__all__ = ["LayerProfiler", "OVERFIT_SAMPLES", "overfit_verdict"]

OVERFIT_SAMPLES = 32
"""How many samples `debug=overfit` trains on."""

_WARM_UP = 5  # steps before the profiler looks
_STEPS = 10
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
        self._profile: LayerProfile | None = None

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if batch == _WARM_UP:
            self._profile = LayerProfile(self.model)
            self._profile.start()
        if self._profile is not None:
            self._profile.begin_step()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._profile is not None:
            self._profile.end_step()
        if batch == _WARM_UP + _STEPS - 1:
            self._write()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._write()

    def _write(self) -> None:
        seen, self._profile = self._profile, None
        if seen is None:
            return
        seen.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        seen.export(str(self.folder / "trace.json"))
        with atomic_write(self.folder / "layers.csv") as file:
            writer = csv.DictWriter(file, list(seen.rows[0]) if seen.rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(seen.rows)
