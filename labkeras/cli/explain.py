"""`labkeras explain KEY`: why a key of a config has its value. It needs no torch."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from labkeras.cli.outcomes import outcome
from labkeras.experiment.config.explaining import Explanation, explain
from labkeras.experiment.config.hydra_session import CONFIG_NAME

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Explains a key, or the keys of a mapping.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="labkeras explain",
        description="why a key of a config has its value: who set it, one after the other",
        epilog="example: labkeras explain optimizer.learning_rate experiment=digits_mlp",
    )
    parser.add_argument("key", help="a full key, such as model.layers.h1.units, or that of a mapping, such as fit")
    parser.add_argument("overrides", nargs="*", help="as for labkeras train")
    parser.add_argument("--config-name", "-cn", default=CONFIG_NAME, help="the primary config")
    parser.add_argument("--config-dir", "-cd", help="a folder that is searched before all others")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(list(arguments))

    def show() -> int:
        found = explain(options.key, options.overrides, config_name=options.config_name, config_dir=options.config_dir)
        print(json.dumps(found.as_dict(), indent=2, default=str) if options.json else "\n".join(_lines(found)))
        return 0

    return outcome(show)


def _lines(found: Explanation, indent: str = "") -> Iterator[str]:
    if found.inner:
        yield from _table(found)
        return
    reference = f"  ({found.written})" if found.written is not None else ""
    yield f"{indent}{found.key} = {_text(found.value)}{reference}"
    width = max((len(_text(one.value)) for one in found.chain), default=0)
    for one in found.chain:
        yield f"{indent}  {_text(one.value):{width}}  {one.where}"
    for referred in found.referred:
        yield from _lines(referred, f"{indent}  ")


def _table(found: Explanation) -> Iterator[str]:
    """The leaves of a mapping, each with who set it last."""
    if found.chain:
        yield from (f"{found.key}: {_text(one.value)}  {one.where}" for one in found.chain if one.kind != "file")
    leaves = list(_leaves(found))
    width = max(len(f"{one.key} = {_text(one.value)}") for one in leaves)
    for one in leaves:
        where = one.chain[-1].where if one.chain else ""
        written = f" {one.written}" if one.written is not None else ""
        yield f"{f'{one.key} = {_text(one.value)}':{width}}  {where}{written}".rstrip()


def _leaves(found: Explanation) -> Iterator[Explanation]:
    if not found.inner:
        yield found
    for one in found.inner:
        yield from _leaves(one)


def _text(value: Any) -> str:
    """A value as YAML has it, on one line."""
    return str(yaml.safe_dump(value, default_flow_style=True, width=1_000_000)).removesuffix("...\n").strip()
