"""Archives made to do harm: read by two readers in two ways, or larger than they look."""

import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from labkeras.errors import UnsupportedArgumentError
from labkeras.saving import load_model
from tests.helpers.hostile import DATA, WEIGHTS, harmless, refused, write


def test_the_sound_file_is_read(members: dict[str, bytes], path: Path) -> None:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        write(path, members, compression)
        with harmless():
            model = load_model(path)
        assert model(DATA).shape == (4, 2)


def test_the_watch_sees_what_it_is_for() -> None:
    with pytest.raises(AssertionError), harmless():
        subprocess.run(["true"], check=True)


def test_two_members_of_one_name_are_refused(members: dict[str, bytes], path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(write(path, members), "a") as archive:
        archive.writestr("config.json", "{}")
    refused(path, "two members 'config.json'")


def test_keys_that_appear_twice_are_refused(members: dict[str, bytes], path: Path) -> None:
    text = members["config.json"].replace(b'"config": {', b'"class_name": "Other", "config": {', 1)
    message = refused(write(path, {**members, "config.json": text}), "appear twice")
    assert "config.json" in message
    refused(write(path, {**members, "metadata.json": b'{"a": 1, "a": 2}'}), "metadata.json")


def test_names_that_readers_see_differently_are_refused(members: dict[str, bytes], path: Path) -> None:
    data = bytearray(write(path, members).read_bytes())
    place = data.index(b"config.json")  # in the local header, the first of two
    data[place : place + 6] = b"CONFIG"
    path.write_bytes(data)
    refused(path, "config.json")


@pytest.mark.parametrize("change", [lambda data: b"#!/bin/sh\n" + data, lambda data: data + b"PK\5\6 comment"])
def test_what_stands_around_an_archive_is_refused(
    change: Callable[[bytes], bytes], members: dict[str, bytes], path: Path
) -> None:
    path.write_bytes(change(write(path, members).read_bytes()))
    refused(path)


def test_a_comment_is_refused(members: dict[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(write(path, members), "a") as archive:
        archive.comment = b"another archive"
    refused(path, "before or behind")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "assets/../../evil", "a\\..\\evil", "C:evil"])
def test_names_that_lead_elsewhere_are_refused(name: str, members: dict[str, bytes], path: Path) -> None:
    refused(write(path, {**members, name: b"x"}), "leads elsewhere")


def test_other_members_are_passed_over(members: dict[str, bytes], path: Path) -> None:
    write(path, {**members, "assets/readme.txt": b"x"})
    with harmless():
        assert load_model(path)(DATA).shape == (4, 2)


@pytest.mark.parametrize("name", ["metadata.json", "config.json", WEIGHTS])
def test_a_missing_member_is_named(name: str, members: dict[str, bytes], path: Path) -> None:
    refused(write(path, {key: value for key, value in members.items() if key != name}), f"no member '{name}'")


@pytest.mark.parametrize("name", ["metadata.json", "config.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no valid JSON"),
        (b"[1]", "must hold a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"{'a': 1}", "no valid JSON"),
        (b'{"a": 1} {"b": 2}', "no valid JSON"),
        (b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "nested more than"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested more than"),
        (b'{"a": "' + b"x" * (65 * 2**20) + b'"}', "longer than"),
    ],
    ids=["empty", "list", "nan", "latin", "quotes", "two", "deep", "abyss", "long"],
)
def test_json_is_read_strictly(name: str, content: bytes, message: str, members: dict[str, bytes], path: Path) -> None:
    refused(write(path, {**members, name: content}), message)


def test_a_bomb_of_json_is_not_unpacked(members: dict[str, bytes], path: Path) -> None:
    bomb = b'{"a": "' + b"x" * (100 * 2**20) + b'"}'
    refused(write(path, {**members, "config.json": bomb}, zipfile.ZIP_DEFLATED), "would|grows|longer")
    assert path.stat().st_size < 2**20


def test_lies_about_lengths_are_refused(members: dict[str, bytes], path: Path) -> None:
    data = write(path, members).read_bytes()
    central = data.index(b"PK\x01\x02")
    for offset, value in ((20, 2**31), (24, 2**31), (24, 5)):  # compressed and plain length of the first member
        lie = bytearray(data)
        struct.pack_into("<I", lie, central + offset, value)
        path.write_bytes(lie)
        refused(path)


def test_encrypted_and_oddly_packed_members_are_refused(members: dict[str, bytes], path: Path) -> None:
    data = write(path, members).read_bytes()
    central = data.index(b"PK\x01\x02")
    for offset, value, message in ((8, 1, "encrypted"), (10, 99, "unknown way")):
        odd = bytearray(data)
        struct.pack_into("<H", odd, central + offset, value)
        path.write_bytes(odd)
        refused(path, message)
    refused(write(path, members, zipfile.ZIP_LZMA), "unknown way")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06" + b"\0" * 18, b"\x89HDF\r\n\x1a\n", b"\x80\x04K\x01.", b"x" * 1000]
)
def test_what_is_no_archive_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    refused(path)


def test_pickles_and_old_files_are_not_read(path: Path) -> None:
    for name in ("m.h5", "m.hdf5"):
        with pytest.raises(UnsupportedArgumentError):
            load_model(name, safe_mode=True)
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused(path)
