"""A sound archive, and a place for one that is not."""

import zipfile
from pathlib import Path

import pytest

from tests.helpers.hostile import sound_model


@pytest.fixture
def members(tmp_path: Path) -> dict[str, bytes]:
    """The members of a sound archive."""
    path = tmp_path / "sound.keras"
    sound_model().save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hostile.keras"
