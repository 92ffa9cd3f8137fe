"""Initializers: the start values of weights, by Keras's names."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.initializers.constants import Constant as Constant
    from labkeras.initializers.constants import Identity as Identity
    from labkeras.initializers.constants import IdentityInitializer as IdentityInitializer
    from labkeras.initializers.constants import Ones as Ones
    from labkeras.initializers.constants import Zeros as Zeros
    from labkeras.initializers.constants import constant as constant
    from labkeras.initializers.constants import identity as identity
    from labkeras.initializers.constants import ones as ones
    from labkeras.initializers.constants import zeros as zeros
    from labkeras.initializers.fan_scaling import GlorotNormal as GlorotNormal
    from labkeras.initializers.fan_scaling import GlorotUniform as GlorotUniform
    from labkeras.initializers.fan_scaling import HeNormal as HeNormal
    from labkeras.initializers.fan_scaling import HeUniform as HeUniform
    from labkeras.initializers.fan_scaling import LecunNormal as LecunNormal
    from labkeras.initializers.fan_scaling import LecunUniform as LecunUniform
    from labkeras.initializers.fan_scaling import VarianceScaling as VarianceScaling
    from labkeras.initializers.fan_scaling import glorot_normal as glorot_normal
    from labkeras.initializers.fan_scaling import glorot_uniform as glorot_uniform
    from labkeras.initializers.fan_scaling import he_normal as he_normal
    from labkeras.initializers.fan_scaling import he_uniform as he_uniform
    from labkeras.initializers.fan_scaling import lecun_normal as lecun_normal
    from labkeras.initializers.fan_scaling import lecun_uniform as lecun_uniform
    from labkeras.initializers.fan_scaling import variance_scaling as variance_scaling
    from labkeras.initializers.fourier import STFT as STFT
    from labkeras.initializers.fourier import STFTInitializer as STFTInitializer
    from labkeras.initializers.fourier import stft as stft
    from labkeras.initializers.initializer import Initializer as Initializer
    from labkeras.initializers.lookup import deserialize as deserialize
    from labkeras.initializers.lookup import get as get
    from labkeras.initializers.lookup import serialize as serialize
    from labkeras.initializers.random_values import RandomNormal as RandomNormal
    from labkeras.initializers.random_values import RandomUniform as RandomUniform
    from labkeras.initializers.random_values import TruncatedNormal as TruncatedNormal
    from labkeras.initializers.random_values import random_normal as random_normal
    from labkeras.initializers.random_values import random_uniform as random_uniform
    from labkeras.initializers.random_values import truncated_normal as truncated_normal
    from labkeras.initializers.rotations import Orthogonal as Orthogonal
    from labkeras.initializers.rotations import OrthogonalInitializer as OrthogonalInitializer
    from labkeras.initializers.rotations import orthogonal as orthogonal

ALIASES = {"normal": "RandomNormal", "one": "Ones", "uniform": "RandomUniform", "zero": "Zeros"}

__all__, __getattr__, __dir__ = exports(__name__)
