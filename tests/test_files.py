"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from labkeras.errors import InvalidArgumentError
from labkeras.files import atomic_write, without_waiting


def test_text_is_written_in_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as file:
        file.write("α\nβ\n")
    assert (tmp_path / "a.txt").read_bytes() == "α\nβ\n".encode()


def test_bytes_can_be_positioned_and_read_back(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin", "wb") as file:
        file.write(b"123456")
        file.seek(2)
        assert file.read(2) == b"34"
        file.write(b"!!")
    assert (tmp_path / "a.bin").read_bytes() == b"1234!!"


def test_the_old_file_stands_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def write_half(path: Path, error: type[BaseException]) -> None:
    with atomic_write(path) as file:
        file.write("half")
        raise error


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as file:
        file.write("x")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_keeps_its_permissions_and_a_new_one_gets_the_usual(tmp_path: Path) -> None:
    old, new, usual = tmp_path / "old", tmp_path / "new", tmp_path / "usual"
    old.write_text("old")
    old.chmod(0o640)
    usual.write_text("usual")
    for path in (old, new):
        with atomic_write(path) as file:
            file.write("x")
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    with atomic_write(tmp_path / "link") as file:
        file.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "x"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_write(tmp_path / "nowhere" / "a.txt") as file:
        file.write("x")


def test_only_writing_modes_are_taken(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'w' or 'wb'\. Received: mode='a'"):
        atomic_write(tmp_path / "a.txt", "a")  # type: ignore[call-overload]


def test_what_is_only_copied_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    with without_waiting(), atomic_write(tmp_path / "a") as file:
        file.write("1")
    with atomic_write(tmp_path / "b", durable=False) as file:
        file.write("2")
    assert waited == []
    with atomic_write(tmp_path / "c") as file:
        file.write("3")
    assert len(waited) == 2
    assert [(tmp_path / name).read_text() for name in "abc"] == ["1", "2", "3"]
