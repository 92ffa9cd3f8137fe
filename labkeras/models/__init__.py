"""Models: Sequential, functional and subclassed, with compile, fit, evaluate and predict."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.models.cloning import clone_model as clone_model
    from labkeras.models.json_config import model_from_json as model_from_json
    from labkeras.models.model import Model as Model
    from labkeras.models.sequential import Sequential as Sequential
    from labkeras.saving.model_file import load_model as load_model
    from labkeras.saving.model_file import save_model as save_model

__all__, __getattr__, __dir__ = exports(__name__)
