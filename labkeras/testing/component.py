"""Component: a class, how it is made, and what is looked at whatever its kind."""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from labkeras.registry import CORE
from labkeras.serialization import custom_object_scope, deserialize_keras_object, serialize_keras_object
from labkeras.serialization.names import entry_of
from labkeras.testing.properties import NotApplicable, expect
from labkeras.testing.sources import documented_arguments, imports_of, own_functions

__all__ = ["Component", "config", "docstring", "lightning", "need", "parameters_of", "plain", "serialization", "types"]

# What the bases of some kinds leave out of a config, as Keras does.
_NEVER_IN_CONFIGS = {"losses": {"dtype"}, "layers": {"weights", "autocast", "input_shape", "batch_shape", "batch_size"}}


@dataclass(frozen=True)
class Component:
    """A class of a kind, and the arguments that make it.

    Args:
        cls: the class, or for data sets the function.
        arguments: what it is made with.
        kind: its kind, in the plural.
    """

    cls: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{getattr(self.cls, '__name__', self.cls)}({given})"

    def made(self, **more: Any) -> Any:
        """A new one.

        Args:
            more: arguments beside or in place of its own.
        """
        return self.cls(**{**self.arguments, **more})

    def takes(self, argument: str) -> bool:
        """Whether it can be made with an argument of this name."""
        parameters = inspect.signature(self.cls).parameters.values()
        return any(each.name == argument or each.kind is each.VAR_KEYWORD for each in parameters)

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, configs find the class, whether a plugin offers it or not."""
        entry = entry_of(self.cls)
        known = entry is not None and entry.provider == CORE
        return nullcontext() if known else custom_object_scope({self.cls.__name__: self.cls})


def docstring(case: Component) -> None:
    """It has a docstring: a sentence, and each argument of its own under `Args:`.

    Write one as in the example plugin: what it computes in one sentence, then `Args:` with a line `name: what it is,
    its unit and range.` for each argument.
    """
    # Its own, without that of a base.
    text = None if case.cls.__doc__ is None else inspect.cleandoc(case.cls.__doc__)
    name = case.cls.__name__
    expect(text and text.strip(), f"the docstring of {name}", expected="a sentence", received=f"__doc__={text!r}")
    first = str(text).strip().split("\n\n")[0]
    expect(
        first.rstrip().endswith((".", ":", "`", "!", "?")),
        f"the first paragraph of the docstring of {name}",
        expected="a sentence that ends in a full stop",
        received=f"__doc__={first!r}",
    )
    arguments = parameters_of(case.cls) if _has_own_arguments(case.cls) else ()
    missing = [one for one in arguments if one not in documented_arguments(str(text))]
    expect(not missing, f"`Args:` in the docstring of {name}", expected=f"{missing} too", received=f"__doc__={text!r}")


def _has_own_arguments(thing: Any) -> bool:
    """Whether what it takes is said in its own package: else it takes what a base of somebody else's documents."""
    if not inspect.isclass(thing):
        return True
    owner = next(one for one in thing.__mro__ if "__init__" in vars(one))
    return owner.__module__.partition(".")[0] == thing.__module__.partition(".")[0]


def types(case: Component) -> None:
    """All arguments and results of its own functions are annotated.

    Annotate them; `mypy --strict` on the package finds the same and more.
    """
    for function in own_functions(case.cls):
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        if "." in function.__qualname__.rpartition("<locals>.")[2]:  # a method: the first is self or cls
            parameters = (
                parameters[1:] if parameters and parameters[0].annotation is inspect.Parameter.empty else parameters
            )
        bare = [one.name for one in parameters if one.annotation is inspect.Parameter.empty]
        bare += ["return"] if signature.return_annotation is inspect.Signature.empty else []
        expect(
            not bare,
            f"the signature of {function.__qualname__}",
            expected="an annotation for each argument and the result",
            received=f"none for {bare}",
        )


def lightning(case: Component) -> None:
    """Its package imports `pytorch_lightning`, never `lightning`, which holds other classes of the same names.

    Import from `pytorch_lightning`: a callback or logger of the other package is refused by labkeras's Trainer.
    """
    strays = [f"{path.name}:{line}" for path, line, module in imports_of(case.cls.__module__) if module == "lightning"]
    expect(not strays, "imports", expected="no import of `lightning`", received=f"one in {', '.join(strays)}")


def config(case: Component) -> None:
    """`get_config` gives arguments that make an equal one.

    Return every argument of `__init__` from `get_config`, under its name and beside what `super().get_config()` gives,
    and keep in `__init__` what was given. A layer may do without `get_config`: its base notes the arguments.
    """
    made = case.made()
    found = made.get_config()
    expect(isinstance(found, dict), "get_config()", expected="a dict", received=repr(found))
    missing = [name for name in _needed(case) if name not in found]
    expect(not missing, "get_config()", expected=f"the keys {missing} too", received=f"keys={sorted(found)}")
    for name, value in case.arguments.items():
        # What is of another type was made into something: 3 into (3, 3), a name into an object.
        if isinstance(value, bool | int | float | str) and type(found.get(name)) is type(value):
            expect(
                found[name] == value,
                f"get_config()[{name!r}]",
                expected=repr(value),
                received=f"{name}={found[name]!r}",
            )
    again = case.cls.from_config(dict(found))
    expect(type(again) is case.cls, "from_config(config)", expected=case.cls.__name__, received=type(again).__name__)
    _expect_equal_configs(again.get_config(), found, "the config of what from_config(config) made")


def serialization(case: Component) -> None:
    """`labkeras.serialization` writes it as JSON, and makes an equal one from that.

    What `get_config` returns must be numbers, strings, None, and lists and dicts of them: write functions and objects
    with `serialize` of their package (`activations.serialize(self.activation)`), and read them by `get` in `__init__`.
    """
    made = case.made()
    with case.scope():
        written = serialize_keras_object(made)
        try:
            through_json = json.loads(json.dumps(written))
        except (TypeError, ValueError) as error:
            expect(False, "the config as JSON", expected="plain values", received=f"{error}; config={written!r}")
        again = deserialize_keras_object(through_json, kind=case.kind or None)
        rewritten = json.loads(json.dumps(serialize_keras_object(again)))
    expect(type(again) is case.cls, "what was read", expected=case.cls.__name__, received=type(again).__name__)
    _expect_equal_configs(rewritten["config"], through_json["config"], "the config of what was read")


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    """The named parameters of a function, or of a class's constructor."""
    parameters = inspect.signature(function).parameters
    return {name: one for name, one in parameters.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}


def plain(config: Any) -> Any:
    """A config as it comes out of a JSON file, with what cannot be in one as text."""
    return json.loads(json.dumps(config, default=repr))


def _needed(case: Component) -> Iterator[str]:
    for name, parameter in parameters_of(case.cls).items():
        # Keras leaves some arguments out while they are None.
        is_left_out = parameter.default is None and name not in case.arguments
        if not is_left_out and name not in _NEVER_IN_CONFIGS.get(case.kind, ()):
            yield name


def _expect_equal_configs(found: Any, expected: Any, what: str) -> None:
    found, expected = plain(found), plain(expected)
    only_one = sorted(found.keys() ^ expected.keys())
    expect(not only_one, f"{what}: keys", expected=sorted(expected), received=f"keys={sorted(found)}")
    for key, value in expected.items():
        expect(found[key] == value, f"{what}: {key!r}", expected=repr(value), received=f"{key}={found[key]!r}")


def need(holds: Any, reason: str) -> None:
    """Ends a property that means nothing for this component.

    Args:
        holds: whether it does mean something.
        reason: why not.
    """
    if not holds:
        raise NotApplicable(reason)
