"""How values are written in reports: numbers, intervals, durations, lists of trials."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["duration", "fixed", "number", "places", "plus_minus", "printable", "ranges", "single_line", "value_text"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, and no more characters than it needs.

    Example:
        >>> number(0.98123), number(1e-05), number(1500000), number(3.0)
        ('0.9812', '1e-5', '1.5e6', '3')
    """
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    power = int(exponent)
    return f"{value:.0f}" if 0 <= power < 6 else f"{mantissa}e{power}"


def places(values: Iterable[float | None], digits: int = 4) -> int | None:
    """How many decimals show a column's greatest number with so many digits; None where only exponents would do."""
    greatest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    if greatest == 0:
        return 1
    power = math.floor(math.log10(greatest))
    return None if power < -4 or power > 6 else max(0, min(6, digits - 1 - power))


def fixed(value: float | None, decimals: int | None) -> str:
    """A number of a column, as `places` found its decimals; "–" for none."""
    if value is None:
        return "–"
    return number(value) if decimals is None or not math.isfinite(value) else f"{value:.{decimals}f}"


def plus_minus(mean: float | None, half: float | None, decimals: int | None) -> str:
    """A mean and half of its confidence interval: "0.9812 ± 0.0021"."""
    text = fixed(mean, decimals)
    return text if half is None or mean is None else f"{text} ± {fixed(half, decimals)}"


def duration(seconds: float) -> str:
    """A time span in its two greatest units.

    Example:
        >>> duration(0.25), duration(75), duration(7380), duration(200000)
        ('0.25 s', '1 min 15 s', '2 h 3 min', '2 d 7 h')
    """
    if seconds < 59.5:
        return f"{number(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def value_text(value: Any) -> str:
    """A parameter's value as people read it: numbers short, the rest as in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value)
    return printable(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def ranges(numbers: Sequence[int]) -> str:
    """Whole numbers, neighbours drawn together.

    Example:
        >>> ranges([0, 1, 2, 5, 7, 8])
        '0–2, 5, 7–8'
    """
    runs: list[list[int]] = []
    for one in sorted(set(numbers)):
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def single_line(text: str, longest: int = 160) -> str:
    """The first line of a text that is not empty, cut to a length."""
    line = printable(next((line.strip() for line in text.splitlines() if line.strip()), ""))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def printable(text: str) -> str:
    """A text without characters that steer a terminal, as an error message may hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
