"""Objects ↔ configs: `{"module", "class_name", "config", "registered_name"}`, as Keras 3 writes and reads them.

A config is data from a stranger. No module is ever imported because a config names it: a class or function is looked up
in the registries (the core's by Keras's module and class name, a plugin's and the user's by `registered_name`), and
what is found must be of the kind that the place asks for.
"""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.serialization.names import core_name as core_name
    from labkeras.serialization.reading import deserialize_keras_object as deserialize_keras_object
    from labkeras.serialization.reading import resolve as resolve
    from labkeras.serialization.registration import CustomObjectScope as CustomObjectScope
    from labkeras.serialization.registration import custom_object_scope as custom_object_scope
    from labkeras.serialization.registration import custom_objects as custom_objects
    from labkeras.serialization.registration import get_custom_objects as get_custom_objects
    from labkeras.serialization.registration import get_registered_name as get_registered_name
    from labkeras.serialization.registration import get_registered_object as get_registered_object
    from labkeras.serialization.registration import register_base as register_base
    from labkeras.serialization.registration import register_keras_serializable as register_keras_serializable
    from labkeras.serialization.registration import register_special as register_special
    from labkeras.serialization.shared_objects import sharing as sharing
    from labkeras.serialization.values import read_value as read_value
    from labkeras.serialization.writing import serialize_keras_object as serialize_keras_object
    from labkeras.serialization.writing import serialize_whole as serialize_whole

__all__, __getattr__, __dir__ = exports(__name__)
