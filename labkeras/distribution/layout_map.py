"""LayoutMap: regular expressions for the paths of variables → their layouts."""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from labkeras.distribution.device_mesh import DeviceMesh
from labkeras.distribution.tensor_layout import TensorLayout
from labkeras.errors import InvalidArgumentError

__all__ = ["LayoutMap"]


class LayoutMap(MutableMapping[str, Any]):
    """Layouts by regular expressions, of which at most one may match the whole of a path.

    `"<path of a layer>/output"` stands for what the layer returns.

    Args:
        device_mesh: the mesh that layouts without one get.

    Raises:
        InvalidArgumentError: for a key that is there already, a value that is no layout, or, on looking up, a path that
            several expressions match.

    Example:
        >>> layouts = LayoutMap(DeviceMesh((2,), ["model"], ["cpu:0", "cpu:1"]))
        >>> layouts[".*dense.*kernel"] = (None, "model")
        >>> layouts["net/dense_1/kernel"].axes
        (None, 'model')
        >>> layouts["net/dense_1/bias"] is None
        True
    """

    def __init__(self, device_mesh: DeviceMesh | None) -> None:
        self._layouts: dict[str, TensorLayout] = {}
        self._device_mesh = device_mesh

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh of the layouts."""
        return self._device_mesh

    def __getitem__(self, key: str) -> TensorLayout | None:
        if key in self._layouts:
            return self._layouts[key]
        matching = [pattern for pattern in self._layouts if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise InvalidArgumentError(
                f"only one expression of a LayoutMap may match a path, but these match {key!r}. Received: {matching}"
            )
        return self._layouts[matching[0]] if matching else None

    def __setitem__(self, key: str, layout: TensorLayout | tuple[str | None, ...]) -> None:
        if key in self._layouts:
            raise InvalidArgumentError(
                f"the LayoutMap has a layout for {key!r} already, {self._layouts[key]}. Received: layout={layout}"
            )
        if isinstance(layout, tuple):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            raise InvalidArgumentError(
                "a layout must be a TensorLayout, or a tuple of axis names and None. "
                f"Received: layout={layout!r} of type {type(layout).__name__}"
            )
        if layout.device_mesh is None and self._device_mesh is not None:
            layout.device_mesh = self._device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)
