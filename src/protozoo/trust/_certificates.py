"""How far a sample can be changed before its decision does."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from .._checks import as_floats, as_labels, of_kind, of_model, of_values, refuse_unknown_classes
from .._schedules import within
from .._types import ArrayLike, Classes, Float, Int
from ..models import PrototypeModel
from ..models.internal import carded_classes
from ._geometry import (
    Crossing,
    Exact,
    by_planes,
    check_norm,
    no_planes,
    plain,
    shortest,
    unproven,
)


Method = Literal["exact", "planes", "margin"]

#: After so many halvings of the interval, radii are known to their last digits.
HALVINGS = 64


class Certificates(NamedTuple):
    """Radii within which decisions are proven not to change.

    - `radii`: no change of a sample that is shorter changes its decision, `(n,)`; infinite where
      no prototype of another class can ever be nearest.
    - `predictions`: the decisions, `(n,)`.
    - `attacks`: the nearest samples at which they change, `(n, *sample_shape)`, on the boundary;
      `method="exact"` alone finds them. A sample that nothing changes is its own.
    - `distances`: how far these are, `(n,)`: upper bounds, which are the radii but for rounding.
    - `rivals`: the prototypes that are as near there as one of the own class, `(n,)`, -1 for none.
    - `norm`: how lengths are measured, in the units of the data.
    """

    radii: Float[np.ndarray, " n"]
    predictions: Int[np.ndarray, " n"]
    attacks: Float[np.ndarray, "n ..."] | None
    distances: Float[np.ndarray, " n"] | None
    rivals: Int[np.ndarray, " n"] | None
    norm: float | int


@of_values
@of_model
def certify(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    y: Classes | None = None,
    *,
    norm: float | int = 2,
    method: Method = "exact",
) -> Certificates:
    """For each sample a radius: no change of it that is shorter changes what the model says.

    - `"margin"`: \\(\\min_j \\max_i (s_j - s_i)/(L_i + L_j)\\), s the seminorms of the
      displacements from the prototypes i of the own class and j of all others, and L by how much
      these change at most where the sample changes by one: with one map for all, the hypothesis
      margin \\((d^- - d^+)/2\\), divided by its operator norm. For every metric of seminorms, also
      with a map for each prototype, and behind an encoder whose Lipschitz constant is known
      (`backbones.lipschitz`). For components (`losses.AbstractComponents`), the ε at which what
      the winner is ahead of class k, \\(C_k + \\sum_j g_{kj} d_j\\), is zero at the least: each
      seminorm is \\(L_j\\varepsilon\\) larger where \\(g_{kj}\\) is positive, and as much smaller
      where it is negative. The first of all k counts.
    - `"planes"`: for each j the distance of the farthest plane that lies between it and one of the
      own prototypes, and of these the least. Needs one map for all prototypes, and no encoder.
    - `"exact"`: the distance of the polyhedron in which j is nearer than all of the own class: a
      convex quadratic program for each j that planes do not rule out (norms 1 and infinity: a
      linear one). The radius is what its multipliers prove, and the attack its solution.

    **Arguments:**

    - `model`: one that decides by the nearest prototype, or by components, in a flat space. A
      temperature, and a kernel of one bandwidth for all prototypes, change no decision.
    - `x`: samples.
    - `y`: their classes: the radius of a decision that is wrong is zero.
    - `norm`: 2, 1 or infinity: the length of changes, in the units of the data.
    - `method`: `"exact"`, `"planes"` or `"margin"`; each is a lower bound of the one before.

    Everything is computed in float64 from the model's own numbers. What a model in float32 says
    of a sample on its boundary is a matter of its rounding.

    **Raises:** `ValueError` for models of which the method proves nothing, with the reason.

    Source: S. Saralajew, L. Holdijk, T. Villmann, *Fast adversarial robustness certification of
    nearest prototype classifiers for arbitrary seminorms*, NeurIPS 2020; V. Voráček, M. Hein,
    *Provably adversarially robust nearest prototype classifiers*, ICML 2022; S. Saralajew, A. Rana,
    T. Villmann, A. Shaker, *A robust prototype-based network with interpretable RBF classifier
    foundations*, AAAI 2025 (components).
    """
    norm, method = check_norm(norm), of_kind(method, Method, "method")
    asked = plain(model)
    reason = unproven(asked) if method == "margin" else no_planes(asked)
    if reason is not None:
        raise ValueError(f'`certify(…, method="{method}")`: {reason}')
    samples = np.asarray(model.check_values(x), np.float64)
    predictions = np.asarray(model.predict(x))
    exact = Exact(asked)
    attacks = distances = rivals = None
    if method == "margin":
        margins = _margins if asked.decides.nearest_wins else _agreements
        radii = margins(exact, samples, predictions, norm)
    else:
        found = _crossed(exact, samples, predictions, norm, method)
        radii = found.least
        if method == "exact":
            attacks = samples + found.steps.reshape(samples.shape)
            distances, rivals = found.lengths, found.rivals
    if y is not None:
        y = as_labels(y, len(samples), names=carded_classes(model))
        refuse_unknown_classes(y, model.classes)
        radii = np.where(predictions == y, radii, 0.0)
    return Certificates(radii, predictions, attacks, distances, rivals, norm)


@of_values
@of_model
def certified_accuracy(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    y: Classes,
    radii: Float[ArrayLike, " r"] | Sequence[float] | float,
    *,
    norm: float | int = 2,
    method: Method = "exact",
) -> Float[np.ndarray, " r"]:
    """The share of samples that are decided rightly, and are so however they are changed by less
    than each radius; at zero, the accuracy.

    **Arguments:**

    - `radii`: not negative, in the units of the data.
    - `model`, `x`, `y`, `norm`, `method`: as `certify` has them.

    **Raises:** `ValueError` as `certify` does, and for radii that are negative.
    """
    if isinstance(radii, bool):
        raise TypeError(f"`radii` must be a number or some of them, got {radii}.")
    wished = np.atleast_1d(np.asarray(as_floats(radii, "radii"), np.float64))
    if wished.ndim > 1 or not wished.size:
        raise ValueError(f"`radii` must be a number or some of them, got shape {wished.shape}.")
    within(wished, "radii", "[0, inf]")
    found = certify(model, x, y, norm=norm, method=method)
    right = found.predictions == as_labels(y, len(found.predictions), names=carded_classes(model))
    return np.mean(right[None] & (found.radii[None] >= wished[:, None]), axis=1)


def _margins(
    exact: Exact, x: Float[np.ndarray, "n ..."], own: Int[np.ndarray, " n"], norm: float | int
) -> Float[np.ndarray, " n"]:
    """The margins between all prototypes of the own class and all others."""
    seminorms, constants = exact.seminorms(x), exact.constants(norm, x[0].size)
    labels = exact.prototypes.labels
    best = np.full(seminorms.shape, -np.inf)
    for i, label in enumerate(labels):
        mine = own == label
        apart, speed = seminorms[mine] - seminorms[mine, i, None], constants[i] + constants
        still = np.where(apart > 0, np.inf, 0)
        margins = np.where(speed > 0, apart / np.where(speed > 0, speed, 1), still)
        best[mine] = np.maximum(best[mine], margins)
    best = np.where(labels[None] == own[:, None], np.inf, best)
    return np.maximum(best.min(axis=1), 0)


def _agreements(
    exact: Exact, x: Float[np.ndarray, "n ..."], own: Int[np.ndarray, " n"], norm: float | int
) -> Float[np.ndarray, " n"]:
    """How far each sample may move before another class can agree as much as its own.

    A component at the seminorm s, which changes by L where a sample moves by one, is detected with
    a probability between those at s + Lε and at s - Lε after a step of length ε. What one class is
    ahead of another is least where all reasons for it are as weak, and all against it as strong, as
    they can be: a falling function of ε, whose zero is found by halving.
    """
    seminorms, speeds = exact.seminorms(x), exact.constants(norm, x[0].size)[None]
    slopes, offsets = exact.reasons()
    moving = np.where(speeds > 0, speeds, 1)
    unit = np.where(speeds > 0, seminorms / moving, 0).max(axis=1)
    unit = np.where(unit > 0, unit, 1)

    def ahead(share: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Of all other classes, at least, at ε = unit · share / (1 - share)."""
        with np.errstate(divide="ignore"):
            length = unit * share / (1 - share)
        steps = np.where(speeds > 0, moving * length[:, None], 0)
        least = exact.detected(seminorms + steps)
        most = exact.detected(np.maximum(seminorms - steps, 0))
        found = np.full(len(x), np.inf)
        for label in np.unique(own):
            mine, others = own == label, np.arange(len(offsets)) != label
            gains = slopes[label] - slopes[others]
            sure = least[mine] @ np.maximum(gains, 0).T - most[mine] @ np.maximum(-gains, 0).T
            found[mine] = (sure + offsets[label] - offsets[others]).min(axis=1, initial=np.inf)
        return found

    low, high = np.zeros(len(x)), np.ones(len(x))
    for_ever = ahead(high) >= 0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        safe = ahead(middle) > 0
        low, high = np.where(safe, middle, low), np.where(safe, high, middle)
    return np.where(for_ever, np.inf, unit * low / (1 - low))


def _crossed(
    exact: Exact,
    x: Float[np.ndarray, "n ..."],
    own: Int[np.ndarray, " n"],
    norm: float | int,
    method: str,
) -> Crossing:
    """The ways of samples out of their class."""
    planes = exact.planes()
    labels, adapted = exact.prototypes.labels, planes.adapted(x)
    features = planes.back.shape[1]
    lengths, least = np.full(len(x), np.inf), np.full(len(x), np.inf)
    steps, rivals = np.zeros((len(x), features)), np.full(len(x), -1)
    for label in np.unique(own):
        mine = np.flatnonzero(own == label)
        others, against = np.flatnonzero(labels != label), np.flatnonzero(labels == label)
        if not len(others):
            continue
        normals = planes.between(others, against)
        offsets = planes.offsets(adapted[mine], others, against)
        if method == "planes":
            least[mine] = by_planes(normals, offsets, norm).min(axis=1)
            continue
        found = shortest(normals, offsets, norm)
        lengths[mine], least[mine], steps[mine] = found.lengths, found.least, found.steps
        rivals[mine] = np.where(found.rivals < 0, -1, others[found.rivals])
    return Crossing(lengths, least, steps, rivals)
