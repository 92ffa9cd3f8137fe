"""All trials of a sweep, validated before the first one starts."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import CONFIG_NAME
from labkeras.experiment.config.validation import Validator

__all__ = ["Composer", "validate_points"]

_MOST_FAULTS = 20  # of those that differ; who has read so many knows what is wrong with the axis


def validate_points(
    base: Sequence[str],
    points: Sequence[Sequence[str]],
    *,
    config_name: str = CONFIG_NAME,
    config_dir: str | None = None,
) -> list[str]:
    """What is wrong with the trials of a sweep, before any starts: a sentence each, none said twice.

    Args:
        base: the overrides that all trials have.
        points: the overrides that each has beside them.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.

    Returns:
        The faults, with who set the value at fault. One that not all trials have names the first trial that has it. Of
        very many only the first are named.

    Example:
        >>> validate_points(["experiment=digits_mlp"], [["fit.epochs=1"], ["fit.epochs=0"]])
        ['fit.epochs=0: expected an integer of at least 1 [on the command line] (in 1 of 2 trials: fit.epochs=0)']
    """
    if not points:
        return ["the sweep has no trials: an axis has no values. Give each at least one, as in `seed=1,2`"]
    composer = Composer(base, config_name=config_name, config_dir=config_dir)
    validator = Validator()
    found: dict[str, list[int]] = {}
    folders: dict[Any, list[int]] = {}
    for number, point in enumerate(points):
        values, variables, faults = composer.values(point)
        if values is not None:
            faults = [*faults, *validator.faults(values, variables)]
            folders.setdefault(values.get("run_dir"), []).append(number)
        for fault in dict.fromkeys(faults):
            found.setdefault(fault, []).append(number)
    said = []
    for fault, at in islice(found.items(), _MOST_FAULTS):
        values = composer.values(points[at[0]])[0]
        said.append(_said(composer.origins(points[at[0]]).located(fault, values), at, points))
    if len(found) > _MOST_FAULTS:
        said.append(f"and {len(found) - _MOST_FAULTS} more faults of other trials")
    return [*said, *_shared(folders)]


def _said(fault: str, at: list[int], points: Sequence[Sequence[str]]) -> str:
    if len(at) == len(points):
        return fault
    first = "" if len(at) == 1 else ", the first"
    return f"{fault} (in {len(at)} of {len(points)} trials{first}: {' '.join(points[at[0]])})"


def _shared(folders: dict[Any, list[int]]) -> list[str]:
    return [
        f"run_dir={folder!r}: {len(at)} trials would share this folder. Leave it out: a sweep's trials have folders "
        "below sweep_dir"
        for folder, at in folders.items()
        if isinstance(folder, str) and len(at) > 1
    ]
