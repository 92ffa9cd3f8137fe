"""Nested structures go in Keras's order."""

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from keras.tree import flatten as keras_flatten
from keras.tree import map_structure as keras_map_structure
from keras.tree import pack_sequence_as as keras_pack

from labkeras.nest import flatten, map_structure, pack, same_structure

Point = namedtuple("Point", ["x", "y"])  # a plain namedtuple is what users have
STRUCTURES: list[Any] = [
    1,
    [1, 2],
    (1, [2, (3,)]),
    {"b": 1, "a": [2, 3]},
    OrderedDict([("z", 1), ("a", {"c": 2, "b": 3})]),
    [Point(1, {"k": 2}), []],
    [],
    {},
    None,
    [None, {"a": None}],
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_flatten_map_and_pack_are_keras(structure: Any) -> None:
    if not isinstance(structure, OrderedDict):  # whose own order Keras's tree keeps in flatten, and sorts nowhere
        assert flatten(structure) == keras_flatten(structure)
    leaves = [f"leaf {index}" for index in range(len(flatten(structure)))]
    packed = pack(structure, leaves)
    assert flatten(packed) == leaves
    assert type(packed) is (type(structure) if flatten(structure) != [structure] else str)
    if not isinstance(structure, OrderedDict):
        assert packed == keras_pack(structure, leaves)
        assert map_structure(str, structure) == keras_map_structure(str, structure)


def test_named_tuples_and_dicts_keep_their_types_and_order() -> None:
    assert map_structure(lambda x: x + 1, Point(1, [2])) == Point(2, [3])
    mapped = map_structure(str, OrderedDict([("b", 1), ("a", 2)]))
    assert isinstance(mapped, OrderedDict)
    assert list(mapped) == ["b", "a"]


def test_several_structures_are_mapped_together() -> None:
    assert map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"y": [20], "x": 10}) == {"x": 11, "y": [22]}
    with pytest.raises(ValueError, match=r"shorter|longer"):
        map_structure(lambda a, b: a, [1, 2], [1])


def test_same_structure_compares_containers_lengths_and_keys() -> None:
    assert same_structure([1, (2, 3)], (4, [5, 6]))
    assert same_structure({"a": 1, "b": [2]}, {"b": [3], "a": 4})
    assert not same_structure([1], [1, 2])
    assert not same_structure({"a": 1}, {"b": 1})
    assert not same_structure([1], 1)
    assert not same_structure({"a": 1}, [1])
