"""Markup: elements of HTML and SVG, in which all text is escaped unless it was made here."""

import html
import re
from typing import Any

__all__ = ["Markup", "element", "joined"]

_EMPTY = {"br", "circle", "line", "link", "meta", "path", "polyline", "rect"}
# Not allowed in XML, whatever stands for them; an error message may hold the colours of a terminal.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_SPECIAL = re.compile(f"[&<>\"'{_CONTROL.pattern[1:-1]}]")


class Markup(str):
    """Text that is HTML already, and is not escaped again."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: Any) -> Markup:
    """An element.

    Args:
        tag: its name.
        *children: text, which is escaped, and markup, which is not.
        **attributes: `class_` stands for "class", `data_trial` for "data-trial"; None leaves one out.

    Example:
        >>> element("p", "1 < 2", class_="note")
        '<p class="note">1 &lt; 2</p>'
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else _escaped(str(value))
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{text}"')
    if tag in _EMPTY and not children:
        return Markup("".join([*parts, "/>"]))
    inner = [child if isinstance(child, Markup) else _escaped(child) for child in children]
    return Markup("".join([*parts, ">", *inner, f"</{tag}>"]))


def joined(parts: Any) -> Markup:
    """Markup, one piece after the other."""
    return Markup("".join(part if isinstance(part, Markup) else _escaped(part) for part in parts))


def _escaped(text: str) -> str:
    if not _SPECIAL.search(text):  # nearly all: numbers and names of classes
        return text
    return html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))
