"""Models and weights in files: the `.keras` archive and `.weights.h5`, as Keras 3 writes and reads them."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.saving.checkpoint_file import Checkpoint as Checkpoint
    from labkeras.saving.checkpoint_file import load_checkpoint as load_checkpoint
    from labkeras.saving.model_file import load_model as load_model
    from labkeras.saving.model_file import save_model as save_model
    from labkeras.saving.weights_file import load_weights as load_weights
    from labkeras.saving.weights_file import save_weights as save_weights
    from labkeras.serialization.reading import deserialize_keras_object as deserialize_keras_object
    from labkeras.serialization.registration import CustomObjectScope as CustomObjectScope
    from labkeras.serialization.registration import custom_object_scope as custom_object_scope
    from labkeras.serialization.registration import get_custom_objects as get_custom_objects
    from labkeras.serialization.registration import get_registered_name as get_registered_name
    from labkeras.serialization.registration import get_registered_object as get_registered_object
    from labkeras.serialization.registration import register_keras_serializable as register_keras_serializable
    from labkeras.serialization.writing import serialize_keras_object as serialize_keras_object

__all__, __getattr__, __dir__ = exports(__name__)
