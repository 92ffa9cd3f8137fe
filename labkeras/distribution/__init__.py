"""Distribution: several devices, in Keras's words; `fit` hands them on to Lightning's strategies."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.distribution.data_parallel import DataParallel as DataParallel
    from labkeras.distribution.device_mesh import DeviceMesh as DeviceMesh
    from labkeras.distribution.devices import get_device_count as get_device_count
    from labkeras.distribution.devices import list_devices as list_devices
    from labkeras.distribution.initialization import initialize as initialize
    from labkeras.distribution.layout_map import LayoutMap as LayoutMap
    from labkeras.distribution.model_parallel import ModelParallel as ModelParallel
    from labkeras.distribution.setting import distribution as distribution
    from labkeras.distribution.setting import set_distribution as set_distribution
    from labkeras.distribution.tensor_layout import TensorLayout as TensorLayout
    from labkeras.distribution.tensor_layout import distribute_tensor as distribute_tensor

__all__, __getattr__, __dir__ = exports(__name__)
