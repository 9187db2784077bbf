"""Data sets of many shapes: those that ship with scikit-learn, and published recipes."""

from collections.abc import Callable

import numpy as np


def waveform() -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes of noisy waves (L. Breiman et al., *Classification and regression
    trees*, 1984)."""
    rng, n = np.random.default_rng(0), 600
    at = np.arange(1, 22)
    first, second, third = (np.maximum(6 - abs(at - centre), 0) for centre in (11, 15, 7))
    y, share = np.arange(n) % 3, rng.random((n, 1))
    one = np.stack([first, first, second])[y]
    other = np.stack([second, third, third])[y]
    return share * one + (1 - share) * other + rng.standard_normal((n, 21)), y


def ringnorm() -> tuple[np.ndarray, np.ndarray]:
    """A narrow normal class inside a wide one (L. Breiman, *Bias, variance, and arcing
    classifiers*, 1996), of 20 features with a mean of 1/√20 in each."""
    rng, n = np.random.default_rng(1), 600
    y = np.arange(n) % 2
    x = rng.standard_normal((n, 20))
    return np.where(y[:, None] == 0, 2 * x, x + 1 / np.sqrt(20)), y


def imbalanced() -> tuple[np.ndarray, np.ndarray]:
    """Twonorm (L. Breiman, 1996), means at ±2/√20 in each of 20 features, with one sample of the
    second class for nine of the first."""
    rng, n = np.random.default_rng(2), 600
    y = (np.arange(n) % 10 == 0).astype(int)
    return rng.standard_normal((n, 20)) + (1 - 2 * y[:, None]) * 2 / np.sqrt(20), y


def few() -> tuple[np.ndarray, np.ndarray]:
    """80 samples of 200 features, of which 10 tell the classes apart and 10 repeat them (I. Guyon,
    *Design of experiments of the NIPS 2003 variable selection benchmark*, by scikit-learn)."""
    from sklearn.datasets import make_classification

    return make_classification(80, 200, n_informative=10, n_redundant=10, random_state=0)


def shipped(name: str) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    def load() -> tuple[np.ndarray, np.ndarray]:
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(return_X_y=True)

    load.__doc__ = "ships with scikit-learn."
    return load


#: From their names to functions; the small ones first.
DATA = {
    "iris": shipped("iris"),
    "wine": shipped("wine"),
    "few": few,
    "breast_cancer": shipped("breast_cancer"),
    "ringnorm": ringnorm,
    "imbalanced": imbalanced,
    "waveform": waveform,
    "digits": shipped("digits"),
}
