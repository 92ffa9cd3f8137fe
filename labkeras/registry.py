"""Names → components, and who provided each.

There is one `Registry` a kind. Nothing is imported to fill it: the core and the plugins file either the component
itself or its address, `"module:Name"`, which is imported when somebody asks for the component. The first lookup of any
name finds the installed plugins (`labkeras.plugins.manager`).
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkeras.errors import AmbiguousComponentError, InvalidArgumentError, UnknownComponentError, did_you_mean
from labkeras.naming import normalize

__all__ = [
    "CORE",
    "Entry",
    "KINDS",
    "Registry",
    "activations",
    "callbacks",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "prefer",
    "providers",
    "registry_of",
    "regularizers",
    "schedules",
]

CORE = "labkeras"
"""The provider of everything that labkeras itself offers."""


@dataclass
class Entry:
    """One component under one name.

    Args:
        kind: what it is, one of `KINDS`.
        name: the name it is listed under, in snake case.
        provider: the distribution that provides it.
        address: "module:Name" of the component, or the component itself.
        is_remembered: whether this is what a plugin offered when it was last asked; the plugin is asked again before
            anything is imported.
    """

    kind: str
    name: str
    provider: str
    address: Any = field(repr=False)
    is_remembered: bool = field(default=False, repr=False, compare=False)
    _imported: Any = field(default=None, init=False, repr=False, compare=False)

    @property
    def qualified_name(self) -> str:
        """`provider/name`, which finds this entry whatever else bears the name."""
        return f"{self.provider}/{self.name}"

    @property
    def location(self) -> str:
        """ "module:Name" of the component, without importing it."""
        if isinstance(self.address, str):
            return self.address
        return f"{self.address.__module__}:{self.address.__qualname__}"

    def load(self) -> Any:
        """The component, imported now if it was filed by its address."""
        if self.is_remembered:
            _manager().load_plugins()
            return registry_of(self.kind).entry(self.qualified_name).load()
        if not isinstance(self.address, str):
            return self.address
        if self._imported is None:
            module, _, attribute = self.address.partition(":")
            try:
                self._imported = getattr(importlib.import_module(module), attribute)
            except Exception as error:
                raise UnknownComponentError(
                    f"the {self.kind} {self.name!r} of {self.provider!r} could not be imported from "
                    f"{self.address!r}: {type(error).__name__}: {error}"
                ) from error
        return self._imported


class Registry:
    """The components of one kind, by name.

    Names are compared without case and underscores, so that "max_pooling2d", "MaxPooling2D" and "maxpooling2d" find one
    entry. A name of the core keeps its meaning whatever plugins offer under it; where two plugins offer one name, the
    bare name is an error that names both. Every entry is always found as "distribution/name".

    Args:
        kind: what the components are, in the singular: "layer".
        discover: called before a lookup, to file what the core and the plugins offer; it must do its work once.
    """

    def __init__(self, kind: str, discover: Callable[[], object]) -> None:
        self.kind = kind
        self._discover = discover
        self._entries: dict[str, list[Entry]] = {}

    def add(self, name: str, component: Any, provider: str = "user") -> Entry:
        """Files a component.

        Args:
            name: the name to list it under; snake case.
            component: a class or function, or its address "module:Name", imported on first use.
            provider: the distribution that offers it.

        Raises:
            InvalidArgumentError: if the name is not an identifier, or this provider uses it for another component.
        """
        if not (isinstance(name, str) and name.isidentifier()):
            raise InvalidArgumentError(
                f"the name of a {self.kind} must be an identifier, such as 'gated_dense'. "
                f"Received: name={name!r} from {provider!r}"
            )
        if isinstance(component, str) and component.count(":") != 1:
            raise InvalidArgumentError(
                f"the address of a component must be 'module:Name'. Received: {component!r} for the {self.kind} "
                f"{name!r} of {provider!r}"
            )
        entry = Entry(self.kind, name, provider, component)
        same_name = self._entries.setdefault(normalize(name), [])
        for other in same_name:
            if other.provider == provider:
                if other.location == entry.location:
                    other.address = component
                    return other
                raise InvalidArgumentError(
                    f"{provider!r} already provides a {self.kind} named {name!r}: {other.location}. "
                    f"Received: {entry.location}"
                )
        same_name.append(entry)
        return entry

    def discard(self, entry: Entry) -> None:
        """Takes out one entry, if it is there."""
        key = normalize(entry.name)
        rest = [other for other in self._entries.get(key, []) if other is not entry]
        if rest:
            self._entries[key] = rest
        else:
            self._entries.pop(key, None)

    def get(self, name: str) -> Any:
        """The component of a name, its class name, or "distribution/name".

        Raises:
            UnknownComponentError: if there is none; the message has the nearest names and plugins that were set aside.
            AmbiguousComponentError: if two plugins provide the name.
        """
        return self.entry(name).load()

    def entry(self, name: str) -> Entry:
        """The entry of a name; raises as `get` does, but imports nothing."""
        entry = self.find(name)
        if entry is None:
            raise UnknownComponentError(self._unknown(name))
        return entry

    def find(self, name: str) -> Entry | None:
        """The entry of a name, or None; two plugins under one bare name are an error here too."""
        self._discover()
        provider, _, bare = name.rpartition("/")
        candidates = self._entries.get(normalize(bare), [])
        if provider:
            return next((entry for entry in candidates if entry.provider == provider), None)
        if len(candidates) > 1:
            chosen = _chosen(candidates)
            if chosen is not None:
                return chosen
            choices = " or ".join(repr(entry.qualified_name) for entry in candidates)
            raise AmbiguousComponentError(
                f"the {self.kind} {name!r} is provided by {len(candidates)} distributions. Say which: {choices}; or "
                f"whose names are meant in all places: prefer=[{candidates[0].provider}]"
            )
        return candidates[0] if candidates else None

    def entries(self) -> list[Entry]:
        """All entries, by name and then by provider, the core first."""
        self._discover()
        entries = [entry for same_name in self._entries.values() for entry in same_name]
        return sorted(entries, key=lambda entry: (entry.name, entry.provider != CORE, entry.provider))

    def entries_named(self, name: str) -> list[Entry]:
        """All entries of one bare name, whoever provides them; finds only what is filed by now."""
        return list(self._entries.get(normalize(name), []))

    def names(self) -> list[str]:
        """The names that `get` takes: bare where they are clear, "distribution/name" where they are not."""
        names = []
        for entry in self.entries():
            same_name = self._entries[normalize(entry.name)]
            clear = len(same_name) == 1 or entry is _chosen(same_name)
            names.append(entry.name if clear else entry.qualified_name)
        return names

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.entries())

    def __repr__(self) -> str:
        return f"<Registry of {len(self._entries)} {self.kind} names>"

    def _unknown(self, name: str) -> str:
        suggestion = did_you_mean(name, self.names())
        if not suggestion:
            suggestion = f" Known: {', '.join(self.names()) or 'none'}."
        not_used = [*_manager().problems(), *_manager().left_out()]
        aside = "".join(f" Note that {problem}." for problem in not_used if problem.set_aside)
        return f"no {self.kind} is named {name!r}.{suggestion}{aside}"


def providers() -> list[str]:
    """The distributions that provide something, besides the core."""
    return sorted({entry.provider for kind in KINDS for entry in registry_of(kind).entries()} - {CORE})


def prefer(distributions: Sequence[str]) -> None:
    """Says whose component a bare name means where several plugins offer it; names of the core keep their meaning.

    Args:
        distributions: the first that has the name counts; takes the place of what was said before.
    """
    _preferred[:] = distributions


_preferred: list[str] = []


def _chosen(candidates: list[Entry]) -> Entry | None:
    """Which of several entries of one name the bare name means, if that is clear."""
    ranks = {provider: rank for rank, provider in enumerate([CORE, *_preferred])}
    known = [entry for entry in candidates if entry.provider in ranks]
    return min(known, key=lambda entry: ranks[entry.provider], default=None)


def _find_plugins() -> None:
    _manager().find_plugins()


def _manager() -> Any:
    # By name: the registry stands below the plugins, which file what they find in it.
    return importlib.import_module("labkeras.plugins.manager")


activations = Registry("activation", _find_plugins)
initializers = Registry("initializer", _find_plugins)
regularizers = Registry("regularizer", _find_plugins)
constraints = Registry("constraint", _find_plugins)
layers = Registry("layer", _find_plugins)
losses = Registry("loss", _find_plugins)
metrics = Registry("metric", _find_plugins)
optimizers = Registry("optimizer", _find_plugins)
schedules = Registry("schedule", _find_plugins)
callbacks = Registry("callback", _find_plugins)
datasets = Registry("dataset", _find_plugins)
models = Registry("model", _find_plugins)

_BY_PLURAL = {
    "activations": activations,
    "initializers": initializers,
    "regularizers": regularizers,
    "constraints": constraints,
    "layers": layers,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "schedules": schedules,
    "callbacks": callbacks,
    "datasets": datasets,
    "models": models,
}
KINDS = tuple(_BY_PLURAL)
"""The kinds of components, in the plural, as hooks and `labkeras list` name them."""


def registry_of(kind: str) -> Registry:
    """The registry of a kind, in the singular or the plural: "layer", "layers".

    Raises:
        InvalidArgumentError: if there is no such kind.
    """
    for plural, registry in _BY_PLURAL.items():
        if kind in (plural, registry.kind):
            return registry
    raise InvalidArgumentError(f"there is no kind {kind!r}.{did_you_mean(kind, KINDS)} Known: {', '.join(KINDS)}.")
