"""Experiments: from a config to a run, and what it leaves behind.

`compose(overrides)` makes a config, `validate(config)` says what is wrong with it, `explain(key, overrides)` who set a
key, `forecast(config)` what will run, and `run(config)` trains and returns the results.
"""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.experiment.config.about import about as about
    from labkeras.experiment.config.composition import compose as compose
    from labkeras.experiment.config.explaining import explain as explain
    from labkeras.experiment.config.loading import instantiate as instantiate
    from labkeras.experiment.config.loading import load_config as load_config
    from labkeras.experiment.config.schema import schema_of as schema_of
    from labkeras.experiment.config.validation import validate as validate
    from labkeras.experiment.model.building import build_model as build_model
    from labkeras.experiment.model.forecast import forecast as forecast
    from labkeras.experiment.runs.one_run import run as run
    from labkeras.experiment.sweeps.request import SweepRequest as SweepRequest
    from labkeras.experiment.sweeps.request import SweepResult as SweepResult
    from labkeras.experiment.sweeps.sweep import sweep as sweep

__all__, __getattr__, __dir__ = exports(__name__)
