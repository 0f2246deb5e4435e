"""Metrics that several tasks share, computed by scikit-learn."""

from collections.abc import Sequence


def of_classes(truth: Sequence[str], guess: Sequence[str]) -> dict[str, float]:
    """Accuracy, F1 as the mean over the classes, and the correlation of Matthews."""
    from sklearn import metrics as sklearn

    return {
        "accuracy": float(sklearn.accuracy_score(truth, guess)),
        "f1": float(sklearn.f1_score(truth, guess, average="macro")),
        "matthews": float(sklearn.matthews_corrcoef(truth, guess)),
    }
