"""What the trials of a sweep were made with, and where that differs, so that they cannot be compared."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkeras.experiment.reports.study import Study

__all__ = ["Difference", "differences", "made_with"]

_NOT_TELLING = ("branch", "untracked", "memory", "rows")  # they differ, and the numbers do not


@dataclass(frozen=True)
class Difference:
    """A thing that trials were made with different ones of.

    Args:
        what: "commit", "package torch", "cpu", …
        groups: which → the numbers of the trials, in the order of the first ones.
    """

    what: str
    groups: dict[str, list[int]]


def differences(study: Study) -> list[Difference]:
    """Where the provenance of the trials differs."""
    found: dict[str, dict[str, list[int]]] = {}
    known = _known(study)
    names = dict.fromkeys(name for _, values in known for name in values)
    for trial, values in known:
        for name in names:
            found.setdefault(name, {}).setdefault(values.get(name, "none"), []).append(trial)
    return [Difference(name, groups) for name, groups in found.items() if len(groups) > 1]


def made_with(study: Study) -> dict[str, str]:
    """What all trials share: the thing → which."""
    known = [values for _, values in _known(study)]
    if not known:
        return {}
    return {name: text for name, text in known[0].items() if all(values.get(name) == text for values in known)}


def _known(study: Study) -> list[tuple[int, dict[str, str]]]:
    """The numbers of the trials of which it is known what they were made with, and that."""
    known: list[tuple[int, dict[str, str]]] = []
    before: Mapping[str, Any] = {}
    for trial in study.trials:
        provenance = study.facts[trial.number].provenance
        if provenance:
            # Mostly the same as that of the trial before.
            values = known[-1][1] if known and provenance == before else dict(_flat(provenance))
            known.append((trial.number, values))
            before = provenance
    return known


def _flat(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    git = provenance.get("git")
    if isinstance(git, Mapping):
        yield "commit", str(git.get("commit") or "none")
        yield "uncommitted changes", "yes" if git.get("dirty") else "no"
    if "python" in provenance:
        yield "Python", str(provenance["python"])
    yield from _named("package", provenance.get("packages"))
    for plugin in provenance.get("plugins") or []:
        if isinstance(plugin, Mapping):
            yield f"plugin {plugin.get('distribution')}", str(plugin.get("version"))
    yield from _named("", provenance.get("hardware"))
    yield from _named("data", provenance.get("data"))


def _named(prefix: str, values: Any) -> Iterator[tuple[str, str]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key not in _NOT_TELLING:
                yield f"{prefix} {key}".strip(), _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, Mapping) and "name" in one for one in value):
        return ", ".join(str(one["name"]) for one in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
