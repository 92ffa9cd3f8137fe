"""`labkeras info KIND/NAME`: what a component takes, or what the YAML file of an option says."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap

from labkeras.errors import UnknownComponentError
from labkeras.experiment.config.about import Argument, Component, Found, Group, Option, about
from labkeras.plugins.cache import remembering

__all__ = ["main"]

_BAD_USAGE = 2
_WIDTH = 100


def main(arguments: Sequence[str]) -> int:
    """Prints what is known of a name; the exit code is 2 if nothing has it."""
    parser = argparse.ArgumentParser(
        "labkeras info",
        description="Shows what a component takes (labkeras info optimizer/adam), or what the file of an option says "
        "(labkeras info experiment/digits_mlp). A bare name is enough if only one thing has it.",
    )
    parser.add_argument("name", metavar="KIND/NAME", help="a component, an option of a group, or a group")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    remembering()
    try:
        found = about(options.name)
    except UnknownComponentError as error:
        print(f"labkeras info: {error}", file=sys.stderr)
        return _BAD_USAGE
    if options.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_in_colour(found)
    else:
        print(_text(found))
    return 0


def _text(found: Found) -> str:
    match found:
        case Component():
            return _component(found)
        case Option():
            command = _command(found.example)
            return f"{found.group}/{found.name}  {found.path}\n\n{found.text.rstrip()}\n\nExample:\n  {command}"
        case Group(group, options):
            width = max(map(len, options), default=0)
            lines = [f"  {name:{width}}  {summary}".rstrip() for name, summary in options.items()]
            return "\n".join([group, "", *(lines or ["  no options"])])


def _component(found: Component) -> str:
    title = f"{found.kind}/{found.name}  {found.provider} {found.version}".rstrip()
    parts = [f"{title}\n{found.address}", found.summary]
    if found.arguments:
        parts.append("Arguments:\n" + "\n".join(map(_argument, found.arguments)))
    if found.node is not None:
        parts.append(f"In a config:\n  {found.node}")
    if found.example:
        parts.append(f"Example:\n  {_command(found.example)}")
    return "\n\n".join(part for part in parts if part)


def _argument(argument: Argument) -> str:
    summary = "\n".join(wrap(argument.summary, _WIDTH, initial_indent="      ", subsequent_indent="      "))
    return f"  {_signature(argument)}" + (f"\n{summary}" if summary else "")


def _signature(argument: Argument) -> str:
    return f"{argument.name}: {argument.type}" + ("" if argument.required else f" = {argument.default!r}")


def _command(overrides: Sequence[str]) -> str:
    return f"labkeras train {shlex.join(overrides)}"


def _print_in_colour(found: Found) -> None:
    # Here, not above: what goes into a pipe or a file does without.
    from rich.console import Console
    from rich.markup import escape
    from rich.syntax import Syntax

    console = Console(highlight=False)
    if isinstance(found, Option):
        console.print(f"[bold]{escape(found.group)}/{escape(found.name)}[/]  [dim]{escape(found.path)}[/]\n")
        console.print(Syntax(found.text.rstrip(), "yaml", background_color="default"))
        console.print(f"\n[dim]Example:[/]\n  {escape(_command(found.example))}", soft_wrap=True)
        return
    if isinstance(found, Group):
        console.print(escape(_text(found)), soft_wrap=True)
        return
    for line in _text(found).splitlines():
        console.print(_marked(line, found), soft_wrap=True)


def _marked(line: str, found: Component) -> str:
    """A line of a component's text with the marks of colour."""
    from rich.markup import escape

    title = f"{found.kind}/{found.name}"
    if line.startswith(f"{title}  "):
        return f"[bold]{escape(title)}[/][dim]{escape(line.removeprefix(title))}[/]"
    if line in (found.address, "Arguments:", "In a config:", "Example:"):
        return f"[dim]{escape(line)}[/]"
    for argument in found.arguments:
        if line == f"  {_signature(argument)}":
            mark = "bold yellow" if argument.required else "bold"
            return f"  [{mark}]{argument.name}[/][cyan]{escape(line.removeprefix(f'  {argument.name}'))}[/]"
    return escape(line)
