"""ExpectedCalibrationError: how far confidences are from what comes true."""

from typing import Any, Literal

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.metrics import Metric
from labkeras.ops.conversion import to_tensor
from labkeras.ops.ranks import align_weights
from labkeras.ops.weighting import apply_mask, keras_mask
from labkeras.ranges import PositiveInt
from labkeras_calibration.bins import Bins, error_of, grouped
from labkeras_calibration.predictions import is_binary, judged

__all__ = ["ExpectedCalibrationError"]

_BINNINGS, _NORMS = ("equal_width", "equal_mass"), ("l1", "l2", "max")
# Of bins of equal mass: so many that 15 of them are told apart where nine of ten confidences are above 0.99.
_CELLS = 10_000


class ExpectedCalibrationError(Metric):
    """The mean gap between confidence and accuracy: `Σ_b share_b · |accuracy_b - confidence_b|` over bins.

    A network whose confidences can be believed is right in 80 % of the cases of which it says so with 0.8. Samples are
    put into bins by confidence; in each, what was said is compared with what came true. Of several classes, the
    likeliest one counts; with one output, the probability of yes. The state are sums by bin: samples are not kept.

    The estimate depends on the bins, and is too high where they hold few samples: compare only what is measured alike.

    Args:
        bins: how many, a positive integer.
        from_logits: whether `y_pred` holds logits rather than probabilities.
        binning: "equal_width" divides [0, 1] evenly; "equal_mass" makes bins of about equally many samples, from
            10,000 narrow ones.
        norm: of the gaps: "l1" their mean, "l2" the root of their mean square, "max" the largest.
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Shapes:
        y_true: (batch, …) or (batch, …, 1), class numbers; or (batch, …, classes), one-hot; for yes or no 0 and 1
        y_pred: (batch, …, classes); for yes or no (batch, …, 1), or (batch,)
        sample_weight: (batch,), or (batch, …) as `y_true`

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        C. Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599

    Example:
        >>> ExpectedCalibrationError()([0, 1], [[0.75, 0.25], [0.75, 0.25]])  # half of them right, said with 0.75
        tensor(0.2500)
    """

    _direction = "down"

    def __init__(
        self,
        bins: PositiveInt = 15,
        from_logits: bool = False,
        binning: Literal["equal_width", "equal_mass"] = "equal_width",
        norm: Literal["l1", "l2", "max"] = "l1",
        name: str | None = "expected_calibration_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
            raise InvalidArgumentError(f"`bins` must be a positive integer. Received: bins={bins!r}")
        for argument, value, known in (("binning", binning, _BINNINGS), ("norm", norm, _NORMS)):
            if value not in known:
                raise InvalidArgumentError(f"`{argument}` must be one of {known}. Received: {argument}={value!r}")
        self.bins = bins
        self.from_logits = from_logits
        self.binning = binning
        self.norm = norm
        self.is_binary = False
        """Whether the last batch had one output for yes or no."""
        self._cells = bins if binning == "equal_width" else max(_CELLS, bins)
        for sums in Bins._fields:
            setattr(self, f"sum_{sums}", self.add_variable((self._cells,), "zeros", dtype=self.dtype, name=sums))

    sum_weight: Any
    sum_confidence: Any
    sum_came_true: Any

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes in a batch; a weight for each sample, or for each of its predictions, says how much it counts."""
        mask = keras_mask(y_pred)
        y_pred = to_tensor(y_pred, self._torch_dtype).detach()
        device = self._move_to(y_pred.device)
        y_pred = y_pred.to(device)
        self.is_binary = is_binary(y_pred)
        confidence, came_true = judged(to_tensor(y_true).to(device), y_pred, self.from_logits)
        weights = None if sample_weight is None else to_tensor(sample_weight, self._torch_dtype).to(device)
        weights = apply_mask(weights, mask, self._torch_dtype)
        if weights is None:
            weights = torch.ones_like(confidence)
        else:
            confidence, weights = align_weights(confidence, weights)
            weights = weights.expand_as(confidence)
        # As in the paper, a bin holds its upper end.
        places = ((confidence.detach() * self._cells).ceil().long() - 1).clamp(0, self._cells - 1).flatten()
        with torch.no_grad():
            for sums, values in (
                (self.sum_weight, weights),
                (self.sum_confidence, weights * confidence),
                (self.sum_came_true, weights * came_true.reshape(confidence.shape)),
            ):
                sums.index_add_(0, places, values.flatten())

    def result(self) -> Tensor:
        return error_of(self.binned(), self.norm)

    def binned(self) -> Bins:
        """The bins of what was taken in so far, for whoever draws them."""
        sums = Bins(*(getattr(self, f"sum_{name}").detach().as_subclass(Tensor) for name in Bins._fields))
        return sums if self.binning == "equal_width" else grouped(sums, self.bins)

    def get_config(self) -> dict[str, Any]:
        own = {"bins": self.bins, "from_logits": self.from_logits, "binning": self.binning, "norm": self.norm}
        return {**super().get_config(), **own}
