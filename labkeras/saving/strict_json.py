"""JSON from a file, so read that every reader sees the same: no key twice, no NaN, limits of size and depth."""

import json
from typing import Any

from labkeras.errors import FileFormatError

__all__ = ["read_json"]

_LONGEST = 64 * 2**20
_DEEPEST = 200


def read_json(data: bytes, where: str) -> dict[str, Any]:
    """The object that JSON in UTF-8 holds.

    Args:
        data: the bytes.
        where: the file and member they are from, for messages.

    Raises:
        FileFormatError: if it is no JSON object, has a key twice or a NaN, or is longer than 64 MiB or deeper than 200.

    Example:
        >>> read_json(b'{"name": "dense"}', "config.json")
        {'name': 'dense'}
    """
    if len(data) > _LONGEST:
        raise FileFormatError(f"{where} is longer than {_LONGEST} bytes. Received: {len(data)} bytes")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{where} is not UTF-8: {error}.") from error
    except RecursionError:
        raise FileFormatError(f"{where} is nested more than {_DEEPEST} deep.") from None
    except ValueError as error:
        raise FileFormatError(f"{where} is no valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise FileFormatError(f"{where} must hold a JSON object. Received: a {type(value).__name__}")
    _check_depth(value, where)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"these keys appear twice in one object: {twice}")
    return found


def _constant(token: str) -> float:
    # Infinity is no JSON either, but Keras writes it, and attention masks are full of it.
    if token == "NaN":
        raise ValueError("it holds NaN, which JSON does not have")
    return float(token)


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for one in level for item in _items(one)]
        if not level:
            return
    raise FileFormatError(f"{where} is nested more than {_DEEPEST} deep.")


def _items(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict | list)]
