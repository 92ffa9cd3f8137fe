"""What `pictures` in a config may hold: which of the things that are looked at after a run are made for TensorBoard."""

from dataclasses import dataclass
from typing import Annotated

from labkeras.ranges import Range

__all__ = ["PictureOptions"]


@dataclass(frozen=True)
class PictureOptions:
    """What a run with event files leaves there beside its curves, at its end.

    Args:
        samples: how many of the samples that the model was tested on, or else validated on, are looked at.
        text: whether config, command and summary of the model go into the Text tab.
        images: whether filters, a confusion matrix and samples that were taken for another class are drawn.
        curves: whether there is a precision-recall curve for each class.
        embeddings: how many samples the Projector tab shows as the last layer sees them; 0 for none.
    """

    samples: Annotated[int, Range(at_least=1)] = 1000
    text: bool = True
    images: bool = True
    curves: bool = True
    embeddings: Annotated[int, Range(at_least=0)] = 300
