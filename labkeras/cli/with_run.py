"""The words of verbs that begin with a run: `run=RUN`, settings of the verb, and overrides of the run's config."""

from collections.abc import Mapping, Sequence

from labkeras.errors import ConfigError
from labkeras.experiment.runs.directory import RunDirectory, find_run
from labkeras.plugins import manager
from labkeras.plugins.choice import Choice

__all__ = ["run_named", "words_of"]


def run_named(name: str) -> RunDirectory:
    """The folder of a run, as `find_run` finds it; the local plugins that it was made with are used here too.

    Raises:
        RunDirectoryError: if there is no such run.
    """
    folder = find_run(name)
    made_with = folder.record().get("plugins") or []
    local = {str(plugin["distribution"]): None for plugin in made_with if plugin.get("local")}
    manager.use_plugins([name for name in local if name not in Choice.of_environment().named])
    return folder


def words_of(
    arguments: Sequence[str], verb: str, settings: Mapping[str, tuple[str, ...]], required: bool = True
) -> tuple[RunDirectory | None, dict[str, str], list[str]]:
    """The run, the verb's own settings and the overrides in what was typed.

    Args:
        arguments: words of the form `key=value`.
        verb: of the command, for errors.
        settings: key → the values that it may have; none listed: any.
        required: whether a run must be named.

    Raises:
        ConfigError: naming everything that is wrong.
        RunDirectoryError: if there is no such run.
    """
    run: str | None = None
    found: dict[str, str] = {}
    overrides: list[str] = []
    faults: list[str] = []
    for word in arguments:
        key, sign, value = word.partition("=")
        if key == "run" and sign:
            run = value
        elif key in settings and sign:
            found[key] = value
            if settings[key] and value not in settings[key]:
                faults.append(f"{word}: expected {' or '.join(settings[key])}")
        else:
            overrides.append(word)
    if run is None and required:
        faults.append(f"name the run: labkeras {verb} run=latest")
    if faults:
        raise ConfigError(faults)
    return None if run is None else run_named(run), found, overrides
