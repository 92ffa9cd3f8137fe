"""Activation functions: of a tensor, an array or a placeholder, by Keras's names."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.activations.basic import exponential as exponential
    from labkeras.activations.basic import linear as linear
    from labkeras.activations.exponential_linear import celu as celu
    from labkeras.activations.exponential_linear import elu as elu
    from labkeras.activations.exponential_linear import selu as selu
    from labkeras.activations.gated import gelu as gelu
    from labkeras.activations.gated import glu as glu
    from labkeras.activations.gated import hard_silu as hard_silu
    from labkeras.activations.gated import hard_swish as hard_swish
    from labkeras.activations.gated import mish as mish
    from labkeras.activations.gated import silu as silu
    from labkeras.activations.gated import swish as swish
    from labkeras.activations.lookup import deserialize as deserialize
    from labkeras.activations.lookup import get as get
    from labkeras.activations.lookup import serialize as serialize
    from labkeras.activations.probabilities import log_softmax as log_softmax
    from labkeras.activations.probabilities import softmax as softmax
    from labkeras.activations.probabilities import sparsemax as sparsemax
    from labkeras.activations.rectified import leaky_relu as leaky_relu
    from labkeras.activations.rectified import relu as relu
    from labkeras.activations.rectified import relu6 as relu6
    from labkeras.activations.rectified import threshold as threshold
    from labkeras.activations.shrinking import hard_shrink as hard_shrink
    from labkeras.activations.shrinking import soft_shrink as soft_shrink
    from labkeras.activations.shrinking import tanh_shrink as tanh_shrink
    from labkeras.activations.sigmoidal import hard_sigmoid as hard_sigmoid
    from labkeras.activations.sigmoidal import hard_tanh as hard_tanh
    from labkeras.activations.sigmoidal import log_sigmoid as log_sigmoid
    from labkeras.activations.sigmoidal import sigmoid as sigmoid
    from labkeras.activations.sigmoidal import softsign as softsign
    from labkeras.activations.sigmoidal import sparse_sigmoid as sparse_sigmoid
    from labkeras.activations.sigmoidal import tanh as tanh
    from labkeras.activations.smooth import softplus as softplus
    from labkeras.activations.smooth import sparse_plus as sparse_plus
    from labkeras.activations.smooth import squareplus as squareplus

__all__, __getattr__, __dir__ = exports(__name__)
