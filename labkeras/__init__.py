"""labkeras: the Keras way of building models, native on PyTorch.

Names are imported on first use: `import labkeras` alone imports neither torch nor Lightning.
"""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras import activations as activations
    from labkeras import callbacks as callbacks
    from labkeras import config as config
    from labkeras import constraints as constraints
    from labkeras import datasets as datasets
    from labkeras import distribution as distribution
    from labkeras import dtype_policies as dtype_policies
    from labkeras import initializers as initializers
    from labkeras import layers as layers
    from labkeras import losses as losses
    from labkeras import metrics as metrics
    from labkeras import mixed_precision as mixed_precision
    from labkeras import models as models
    from labkeras import optimizers as optimizers
    from labkeras import plugins as plugins
    from labkeras import random as random
    from labkeras import registry as registry
    from labkeras import regularizers as regularizers
    from labkeras import saving as saving
    from labkeras import utils as utils
    from labkeras.dtypes import DTypePolicy as DTypePolicy
    from labkeras.dtypes import DTypePolicy as FloatDTypePolicy  # noqa: F401  # a second name
    from labkeras.graph.input import Input as Input
    from labkeras.graph.symbolic import KerasTensor as KerasTensor
    from labkeras.initializers.initializer import Initializer as Initializer
    from labkeras.layers.input_spec import InputSpec as InputSpec
    from labkeras.layers.layer import Layer as Layer
    from labkeras.layers.remat import RematScope as RematScope
    from labkeras.layers.remat import remat as remat
    from labkeras.losses.loss import Loss as Loss
    from labkeras.metrics.metric import Metric as Metric
    from labkeras.models.model import Model as Model
    from labkeras.models.sequential import Sequential as Sequential
    from labkeras.optimizers.optimizer import Optimizer as Optimizer
    from labkeras.plugins.hookspecs import hookimpl as hookimpl
    from labkeras.regularizers.regularizer import Regularizer as Regularizer
    from labkeras.variable import Variable as Variable

__all__, __getattr__, __dir__ = exports(__name__)
