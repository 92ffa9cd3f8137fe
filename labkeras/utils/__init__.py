"""Keras's public utilities. Nothing within labkeras belongs here."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.callbacks.progbar import Progbar as Progbar
    from labkeras.models.plotting import model_to_dot as model_to_dot
    from labkeras.models.plotting import plot_model as plot_model
    from labkeras.random import set_random_seed as set_random_seed
    from labkeras.serialization import CustomObjectScope as CustomObjectScope
    from labkeras.serialization import custom_object_scope as custom_object_scope
    from labkeras.serialization import deserialize_keras_object as deserialize_keras_object
    from labkeras.serialization import get_custom_objects as get_custom_objects
    from labkeras.serialization import get_registered_name as get_registered_name
    from labkeras.serialization import get_registered_object as get_registered_object
    from labkeras.serialization import register_keras_serializable as register_keras_serializable
    from labkeras.serialization import serialize_keras_object as serialize_keras_object
    from labkeras.utils.numeric import normalize as normalize
    from labkeras.utils.numeric import to_categorical as to_categorical
    from labkeras.utils.py_dataset import PyDataset as PyDataset
    from labkeras.utils.py_dataset import Sequence as Sequence
    from labkeras.utils.session import clear_session as clear_session

__all__, __getattr__, __dir__ = exports(__name__)
