"""Schemas as JSON: what a manifest keeps of a component."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkeras.experiment.config.hint_text import hint_of, text_of
from labkeras.experiment.config.schema import REQUIRED, Parameter, Schema, plain_default

__all__ = ["Elsewhere", "parameters_in", "row_of", "rows_of_parameters", "schema_in"]


@dataclass(frozen=True)
class Elsewhere:
    """Stands for a default that JSON cannot hold; who needs it leaves the argument out.

    Args:
        text: how Python shows it.
    """

    text: str

    def __repr__(self) -> str:
        return self.text


def row_of(schema: Schema) -> dict[str, Any]:
    """A schema as JSON holds it; `schema_in` reads it."""
    return {"summary": schema.summary, "parameters": rows_of_parameters(schema.parameters)}


def rows_of_parameters(parameters: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
    """name → what JSON keeps of a parameter."""
    return {name: _row(parameter) for name, parameter in parameters.items()}


def schema_in(row: Any) -> Schema:
    """The schema that `row_of` wrote.

    Raises:
        ValueError: if the row is not of that form.
    """
    try:
        summary, parameters = row["summary"], row["parameters"]
    except (TypeError, LookupError) as error:
        raise ValueError(f"not the row of a component: {row!r:.100}") from error
    if not isinstance(summary, str):
        raise ValueError(f"not a summary: {summary!r:.100}")
    return Schema(parameters_in(parameters), summary)


def parameters_in(rows: Any) -> dict[str, Parameter]:
    """The parameters that `rows_of_parameters` wrote.

    Raises:
        ValueError: if the rows are not of that form.
    """
    try:
        return {name: _parameter(name, row) for name, row in rows.items()}
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"not the parameters of a component: {rows!r:.100}") from error


def _row(parameter: Parameter) -> dict[str, Any]:
    row: dict[str, Any] = {"hint": text_of(parameter.hint)}
    default = plain_default(parameter)
    if default is not REQUIRED and json.loads(json.dumps(default)) == default:
        row["default"] = default
    elif not parameter.required:
        row["elsewhere"] = repr(parameter.default)
    if parameter.summary:
        row["summary"] = parameter.summary
    return row


def _parameter(name: str, row: Mapping[str, Any]) -> Parameter:
    default = Elsewhere(row["elsewhere"]) if "elsewhere" in row else row.get("default", REQUIRED)
    return Parameter(name, hint_of(row["hint"]), default, row.get("summary", ""))
