"""Areas under curves, from counts at falling thresholds."""

import torch
from torch import Tensor

from labkeras.metrics.confusion import ConfusionCounts
from labkeras.ops.division import divide_no_nan

__all__ = ["area_under", "curve_points", "interpolated_pr_area"]


def curve_points(counts: ConfusionCounts, curve: str) -> tuple[Tensor, Tensor]:
    """x and y of a curve, a point for each threshold.

    Args:
        counts: of thresholds from the lowest up.
        curve: "ROC" (true positive rate over false positive rate), "PR" (precision over recall) or "PRGAIN" (precision
            gain over recall gain).

    Reference:
        PRGAIN: Flach and Kull, "Precision-Recall-Gain Curves: PR Analysis Done Right", NIPS 2015.
    """
    tp, fp, tn, fn = counts
    if curve == "PRGAIN":
        return _gains(counts)
    recall = divide_no_nan(tp, tp + fn)
    if curve == "ROC":
        return divide_no_nan(fp, fp + tn), recall
    return recall, divide_no_nan(tp, tp + fp)


def area_under(x: Tensor, y: Tensor, summation_method: str) -> Tensor:
    """The sum of the rectangles between neighbouring points.

    Args:
        x: falling.
        y: the height at each x.
        summation_method: the height of a rectangle: "interpolation" (the mean of its two ends), "minoring" (the lower
            one) or "majoring" (the higher one).

    Shapes:
        x, y: (thresholds, …)
        result: (…)
    """
    left, right = y[:-1], y[1:]
    if summation_method == "interpolation":
        heights = (left + right) / 2.0
    else:
        heights = torch.minimum(left, right) if summation_method == "minoring" else torch.maximum(left, right)
    return ((x[:-1] - x[1:]) * heights).sum(0)


def interpolated_pr_area(counts: ConfusionCounts) -> Tensor:
    """The area under the precision-recall curve, true and false positives being linear between thresholds.

    With P = TP + FP and TP = slope · P + intercept between two thresholds A and B, precision is TP / P, and its
    integral over recall is `slope · (ΔTP + intercept · log(P_A / P_B)) / (TP + FN)`.

    Reference:
        Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006.
    """
    tp, fp, _, fn = counts
    positive = tp + fp
    tp_step = tp[:-1] - tp[1:]
    positive_step = positive[:-1] - positive[1:]
    slope = divide_no_nan(tp_step, positive_step.clamp_min(0))
    intercept = tp[1:] - slope * positive[1:]
    both_positive = (positive[:-1] > 0) & (positive[1:] > 0)
    ratio = torch.where(both_positive, divide_no_nan(positive[:-1], positive[1:].clamp_min(0)), 1.0)
    steps = slope * (tp_step + intercept * ratio.log())
    return divide_no_nan(steps, (tp[1:] + fn[1:]).clamp_min(0)).sum(0)


def _gains(counts: ConfusionCounts) -> tuple[Tensor, Tensor]:
    tp, fp, tn, fn = counts
    odds = divide_no_nan(tp + fn, tn + fp)
    none_true = tp == 0
    # Without true positives both gains are infinite, and where recall is below chance its gain is negative. Both are
    # set to their bounds, as in Keras.
    recall_gain = torch.where(none_true, 0.0, 1.0 - odds * divide_no_nan(fn, tp)).clamp_min(0.0)
    precision_gain = torch.where(none_true, 1.0, 1.0 - odds * divide_no_nan(fp, tp))
    return recall_gain, precision_gain
