import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from labkeras.callbacks import CallbackList, History


def shown(**history: list[Any]) -> ElementTree.Element:
    callback = History()
    callbacks = CallbackList([callback])
    callbacks.on_train_begin()
    for epoch in range(max(map(len, history.values()), default=0)):
        callbacks.on_epoch_end(epoch, {name: values[epoch] for name, values in history.items() if epoch < len(values)})
    return ElementTree.fromstring(
        callback._repr_html_().replace("<br>", "<br/>").replace("http://www.w3.org/2000/svg", "")
    )


def captions(page: ElementTree.Element) -> list[str]:
    return ["".join(caption.itertext()) for caption in page.iter("figcaption")]


def points(page: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]  # type: ignore[misc]
        for line in page.iter("polyline")
    ]


def test_training_and_validation_of_a_metric_share_a_chart() -> None:
    page = shown(loss=[0.5, 0.25], accuracy=[0.1, 0.9], val_accuracy=[0.2, 0.8], val_loss=[0.75, 0.5], lr=[0.1, 0.01])
    assert captions(page) == ["accuracy: 0.9 · 0.8", "loss: 0.25 · 0.5", "lr: 0.01"]
    assert "2 epochs (training, validation)" in "".join(page.itertext())


def test_curves_lie_where_their_values_are() -> None:
    training, validation = points(shown(loss=[1.0, 0.5, 0.0], val_loss=[1.0, 1.0, 0.5]))
    left, middle, right = (x for x, _ in training)
    top, half, bottom = (y for _, y in training)
    assert (left, middle, right) == (8, 120, 232)
    assert (top, half, bottom) == (8, 60, 112)
    assert [y for _, y in validation] == [top, top, half]


def test_validation_after_each_other_epoch_lies_there() -> None:
    training, validation = points(shown(loss=[3.0, 2.0, 1.0, 0.0], val_loss=[2.0, 1.0]))
    assert [x for x, _ in validation] == [training[1][0], training[3][0]]


@pytest.mark.parametrize("hole", [math.nan, math.inf, "text"])
def test_curve_has_a_gap_where_there_is_no_number(hole: Any) -> None:
    page = shown(loss=[1.0, 0.5, hole, 0.25])
    assert [len(line) for line in points(page)] == [2]
    assert len(list(page.iter("circle"))) == 1


def test_one_epoch_is_a_dot_in_the_middle() -> None:
    page = shown(loss=[0.5])
    (dot,) = page.iter("circle")
    assert (dot.attrib["cx"], dot.attrib["cy"]) == ("120.0", "60.0")
    assert "1 epoch (training)" in "".join(page.itertext())


def test_nothing_to_draw_is_no_error() -> None:
    assert captions(shown()) == captions(shown(note=["text"])) == []


def test_names_are_no_markup() -> None:
    page = shown(**{"<script>&": [1.0, 2.0]})
    assert captions(page) == ["<script>&: 2"]


def test_nothing_is_loaded() -> None:
    history = History()
    history.history = {"loss": [1.0, 2.0]}
    text = history._repr_html_()
    assert not re.search(r"src=|href=|url\(|<script", text)
