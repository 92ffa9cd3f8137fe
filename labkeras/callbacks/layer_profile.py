"""LayerProfile: some steps under torch's profiler, with the time that each layer takes."""

from collections.abc import Callable
from typing import Any

from torch.profiler import profile, record_function, supported_activities

from labkeras.callbacks.model_parts import named_layers

__all__ = ["LayerProfile"]

_STEP = "step"
_LAYER = "layer "
_REST = "(backward, optimizer, metrics, loop)"


class LayerProfile:
    """Looks at steps of training: `start`, `begin_step` and `end_step` around each, `stop`.

    In a step that runs as a compiled program there are no layers to be seen, only its operations.

    Args:
        model: the model, which has its weights by now.

    Attributes:
        rows: after `stop`: for each layer its name as "layer", the "calls" and "milliseconds" a step of its forward
            pass, and their "share" of the step; the costliest first, and at the end what is left of the step. On an
            accelerator the milliseconds are those of its kernels, or of launching them if that takes longer.
    """

    def __init__(self, model: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self._model = model
        self._profile: Any = profile(activities=list(supported_activities()))  # type: ignore[no-untyped-call]
        self._step: Any = None
        self._hooks: list[Any] = []

    def start(self) -> None:
        """Begins to look."""
        self._profile.start()
        for name, layer in named_layers(self._model).items():
            scopes: list[Any] = []
            self._hooks.append(layer.register_forward_pre_hook(_entering(name, scopes)))
            self._hooks.append(layer.register_forward_hook(_leaving(scopes), always_call=True))

    def begin_step(self) -> None:
        """Marks where a step begins."""
        self._step = record_function(_STEP)
        self._step.__enter__()

    def end_step(self) -> None:
        """Marks where it ends."""
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None

    def stop(self) -> None:
        """Ends looking, and fills `rows`."""
        self.end_step()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._profile.stop()
        self.rows = _rows(self._profile)

    def export(self, path: str) -> None:
        """Writes the trace, for TensorBoard, Perfetto or chrome://tracing.

        Args:
            path: of the file; compressed if it ends in ".gz".
        """
        self._profile.export_chrome_trace(path)


def _entering(name: str, scopes: list[Any]) -> Callable[[Any, Any], None]:
    def enter(module: Any, inputs: Any) -> None:
        scope = record_function(_LAYER + name)
        scope.__enter__()  # type: ignore[no-untyped-call]  # torch's, without types
        scopes.append(scope)

    return enter


def _leaving(scopes: list[Any]) -> Callable[[Any, Any, Any], None]:
    def leave(module: Any, inputs: Any, outputs: Any) -> None:
        if scopes:
            scopes.pop().__exit__(None, None, None)

    return leave


def _rows(profiled: Any) -> list[dict[str, Any]]:
    found = {event.key: event for event in profiled.key_averages()}
    if _STEP not in found:
        return []
    steps = found[_STEP].count
    whole = _milliseconds(found[_STEP]) / steps
    rows = [
        (key.removeprefix(_LAYER), event.count // steps, _milliseconds(event) / steps)
        for key, event in found.items()
        if key.startswith(_LAYER)
    ]
    rows.sort(key=lambda row: -row[2])
    rows.append((_REST, 1, whole - sum(milliseconds for _, _, milliseconds in rows)))
    return [
        {
            "layer": name,
            "calls": calls,
            "milliseconds": round(milliseconds, 4),
            "share": round(milliseconds / whole, 4),
        }
        for name, calls, milliseconds in rows
    ]


def _milliseconds(event: Any) -> float:
    return float(max(event.cpu_time_total, event.device_time_total)) / 1e3
