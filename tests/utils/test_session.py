"""clear_session."""

from labkeras.layers import Dense
from labkeras.utils import clear_session


def test_names_begin_again() -> None:
    assert [Dense(1).name, Dense(1).name] == ["dense", "dense_1"]
    clear_session()
    assert Dense(1).name == "dense"
