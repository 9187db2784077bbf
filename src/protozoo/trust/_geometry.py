"""What decides, in float64: seminorms of displacements, and the planes between prototypes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import is_number
from .._module import as_dtype, replaced
from .._types import Float, Int
from ..backbones import lipschitz
from ..losses import AbstractComponents
from ..metrics import AbstractKernel, AbstractQuadratic, AbstractSeminorm
from ..metrics.internal import matrices_of, operator_norms
from ..models import PrototypeModel
from ..prototypes import Prototypes
from ._convex import Problems, feasible, least, solve, split
from ._selective import Tempered


#: How many numbers of planes are held at a time, and how many seminorms.
TOGETHER = 2**21


def dual_norms(vectors: Float[np.ndarray, "*b d"], norm: float | int) -> Float[np.ndarray, "*b"]:
    """What a plane with this normal is far away by, in units of its offset: the norm dual to
    `norm`."""
    order = {1: np.inf, 2: 2, np.inf: 1}[norm]
    return np.linalg.norm(vectors, order, axis=-1)


def check_norm(norm: Any, known: tuple[float | int, ...] = (1, 2, np.inf)) -> float | int:
    """One of the norms that there are.

    **Raises:** `ValueError` for another.
    """
    if not is_number(norm) or norm not in known:
        words = " or ".join("infinity" if one == np.inf else str(one) for one in known)
        raise ValueError(f"`norm` must be {words}, got {norm!r}.")
    return norm


def plain(model: PrototypeModel) -> PrototypeModel:
    """The model without what changes none of its decisions: temperatures, and kernels of one
    bandwidth for all prototypes, if the nearest one wins."""
    decision, metric = model.decides, model.metric
    while isinstance(decision, Tempered):
        decision = decision.decision
    while decision.nearest_wins and isinstance(metric, AbstractKernel):
        if np.ptp(np.asarray(metric.log_bandwidths)) > 0:
            break
        metric = metric.metric
    return replaced(model, decision=decision, metric=metric)


def unproven(model: PrototypeModel) -> str | None:
    """Why nothing can be proven of the decisions of a plain model; `None` if something can."""
    decision, metric = model.decides, type(model.metric).__name__
    space = model.encoded_prototypes().space
    if not decision.nearest_wins and not isinstance(decision, AbstractComponents):
        return (
            f"{type(decision).__name__} decides by more than the nearest prototype: give the model "
            "`decision=pz.losses.GLVQ()`, if that is what it should do."
        )
    if not space.displacement_is_difference:
        return (
            f"in {space}, which is not flat, nothing is known of the distance that a change of "
            "numbers makes."
        )
    if not isinstance(model.metric, AbstractSeminorm):
        return (
            f"δ of {metric} is not one function of a seminorm for all prototypes: train with "
            "`SquaredEuclidean`, `Omega`, `Relevance`, `Tangent` or `LpNorm`, or with a kernel of "
            "one bandwidth."
        )
    return None


def no_planes(model: PrototypeModel) -> str | None:
    """Why decisions of a plain model do not change at planes between samples; `None` if they do."""
    decision, metric = type(model.decides).__name__, type(model.metric).__name__
    if (reason := unproven(model)) is not None:
        return reason
    if not model.decides.nearest_wins:
        return (
            f"{decision} decides by all components, so that decisions change at no planes: ask for "
            '`method="margin"`.'
        )
    if model.has_encoder:
        return (
            f"behind its {type(model.encoder).__name__}, the model decides by no planes between "
            "samples."
        )
    if not isinstance(model.metric, AbstractQuadratic):
        return f"{metric} decides by no planes."
    if model.metric.local:
        return f"{metric} has a map for each prototype, so that decisions change at no planes."
    return None


class Exact:
    """A plain model's arithmetic in float64: its numbers as they are, none of them rounded
    further."""

    def __init__(self, model: PrototypeModel):
        with jax.enable_x64(True):
            self.model: PrototypeModel = as_dtype(model, "float64")
            self.prototypes: Prototypes = self.model.encoded_prototypes()

    def seminorms(self, x: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n p"]:
        """Those of samples to each prototype."""
        metric: Any = self.model.metric
        step = max(1, TOGETHER // max(len(self.prototypes), x[0].size))
        with jax.enable_x64(True):
            found = [
                np.asarray(
                    metric.seminorms(
                        self.model.encode(jnp.asarray(x[start : start + step], jnp.float64)),
                        self.prototypes,
                    )
                )
                for start in range(0, len(x), step)
            ]
        return np.concatenate(found)

    def detected(self, seminorms: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
        """How probably components at these seminorms are detected."""
        metric: Any = self.model.metric
        decision: Any = self.model.decides
        with jax.enable_x64(True):
            delta = metric.of_seminorms(jnp.asarray(seminorms, jnp.float64))
            return np.asarray(decision.detected(delta))

    def reasons(self) -> tuple[Float[np.ndarray, "c p"], Float[np.ndarray, " c"]]:
        """What classes make of that (`losses.AbstractComponents`)."""
        decision: Any = self.model.decides
        with jax.enable_x64(True):
            slopes, offsets = decision.reasons()
        return np.asarray(slopes), np.asarray(offsets)

    def constants(self, norm: float | int, size: int) -> Float[np.ndarray, " p"]:
        """By how much the seminorm of each prototype changes at most, where a sample of so many
        numbers changes by one.

        **Raises:** `ValueError` for an encoder of which that is not known.
        """
        metric: Any = self.model.metric
        with jax.enable_x64(True):
            if not self.model.has_encoder:
                return metric.lipschitz(self.prototypes, norm, self.through())
            encoder = lipschitz(self.model.encoder)
            if encoder is None:
                raise ValueError(
                    f"`model`: by how much its {type(self.model.encoder).__name__} moves points "
                    "apart is not known. Give it a method `lipschitz()`, or take an encoder of "
                    "affine maps and usual activations (`backbones.lipschitz`)."
                )
            through = self.through()
            scale = operator_norms((np.eye(size) if through is None else through)[None], norm)
            return metric.lipschitz(self.prototypes, 2) * encoder * scale

    def through(self) -> Float[np.ndarray, "k d"] | None:
        """What the scale makes of changes of a sample, as a matrix for rows."""
        scale = self.model.scale
        if scale is None:
            return None
        with jax.enable_x64(True):
            size = int(np.prod(scale.shape))
            jacobian = jax.jacfwd(scale)(jnp.zeros(scale.shape, jnp.float64))
        return np.asarray(jacobian, np.float64).reshape(size, size).T

    def planes(self) -> "Planes":
        """The planes between prototypes, if there are any (`no_planes`)."""
        metric: Any = self.model.metric
        with jax.enable_x64(True):
            (matrix,) = matrices_of(metric, self.prototypes)
        points = np.asarray(self.prototypes.points, np.float64).reshape(len(self.prototypes), -1)
        through = self.through()
        back = matrix.T if through is None else matrix.T @ through.T
        return Planes(self.model, points, matrix, back)


class Planes(NamedTuple):
    """Decisions between pairs of prototypes: x + v is nearer to j than to i where \\(g_{ji}v \\ge
    h_{ji}(x)\\)."""

    model: PrototypeModel
    points: Float[np.ndarray, "p d"]
    matrix: Float[np.ndarray, "d l"]
    back: Float[np.ndarray, "l k"]  # from the adapted space to changes of a sample

    def adapted(self, x: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n l"]:
        """Samples in the adapted space, seen from the middle of the prototypes."""
        with jax.enable_x64(True):
            scaled = np.asarray(self.model.scaled(jnp.asarray(x, jnp.float64)))
        return (scaled.reshape(len(x), -1) - self.points.mean(axis=0)) @ self.matrix

    def between(
        self, rivals: Int[np.ndarray, " r"], against: Int[np.ndarray, " m"]
    ) -> Float[np.ndarray, "r m k"]:
        """The normals g of the planes that rivals have to cross."""
        w = (self.points - self.points.mean(axis=0)) @ self.matrix
        return (w[rivals][:, None] - w[against][None]) @ self.back

    def offsets(
        self,
        adapted: Float[np.ndarray, "n l"],
        rivals: Int[np.ndarray, " r"],
        against: Int[np.ndarray, " m"],
    ) -> Float[np.ndarray, "n r m"]:
        """How far samples are from them, h: half the difference of the squared distances."""
        w = (self.points - self.points.mean(axis=0)) @ self.matrix
        apart = w[against][None] - w[rivals][:, None]
        middle = (w[against][None] + w[rivals][:, None]) / 2
        return np.einsum("nl,rml->nrm", adapted, apart) - (middle * apart).sum(axis=-1)


class Crossing(NamedTuple):
    """The shortest way of each sample into one of several polyhedra: its length, what it is at
    least, the step, and which polyhedron (-1 for none)."""

    lengths: Float[np.ndarray, " n"]
    least: Float[np.ndarray, " n"]
    steps: Float[np.ndarray, "n k"]
    rivals: Int[np.ndarray, " n"]


def by_planes(
    normals: Float[np.ndarray, "r m k"], offsets: Float[np.ndarray, "n r m"], norm: float | int
) -> Float[np.ndarray, "n r"]:
    """The distance to the farthest of the planes that each rival has to cross: no rival is nearer
    than that."""
    sizes = dual_norms(normals, norm)
    there = sizes > 1e-13 * sizes.max(initial=0)
    far = np.where(there, offsets / np.where(there, sizes, 1), np.where(offsets > 0, np.inf, 0))
    return np.maximum(far.max(axis=2), 0)


def shortest(
    normals: Float[np.ndarray, "r m k"],
    offsets: Float[np.ndarray, "n r m"],
    norm: float | int,
    lower: Float[np.ndarray, "n k"] | None = None,
    upper: Float[np.ndarray, "n k"] | None = None,
) -> Crossing:
    """The shortest step of each sample into the polyhedron of any rival, within bounds: rivals are
    tried in the order of what they cost at least, until no other one can be nearer."""
    n, _, k = len(offsets), *normals.shape[1:]
    bounds = by_planes(normals, offsets, norm)
    order = np.argsort(bounds, axis=1, kind="stable")
    lengths, proven = np.full(n, np.inf), np.full(n, np.inf)
    steps, rivals = np.zeros((n, k)), np.full(n, -1)
    for place in range(order.shape[1]):
        rival = order[:, place]
        bound = bounds[np.arange(n), rival]
        open_ = np.flatnonzero((bound < lengths) & np.isfinite(bound))
        if place and not len(open_):
            break
        size = max(1, TOGETHER // (normals.shape[1] * k))
        for some in (open_[s : s + size] for s in range(0, len(open_), size)):
            mine = rival[some]
            box = [None if b is None else b[some] for b in (lower, upper)]
            length, at_least, step = into(normals[mine], offsets[some, mine], norm, *box)
            at_least = np.maximum(at_least, bound[some])
            proven[some] = np.minimum(proven[some], np.minimum(at_least, length))
            nearer = some[length < lengths[some]]
            taken = length < lengths[some]
            lengths[nearer], steps[nearer] = length[taken], step[taken]
            rivals[nearer] = mine[taken]
    return Crossing(lengths, proven, steps, rivals)


def into(
    normals: Float[np.ndarray, "b m k"],
    offsets: Float[np.ndarray, "b m"],
    norm: float | int,
    lower: Float[np.ndarray, "b k"] | None,
    upper: Float[np.ndarray, "b k"] | None,
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"], Float[np.ndarray, "b k"]]:
    """The shortest step into each polyhedron: its length (infinite where there is none), what it is
    at least, and the step; in units in which it is about one long."""
    b, _, k = normals.shape
    sizes = np.linalg.norm(normals, axis=2)
    there = sizes > 1e-13 * sizes.max(axis=1, keepdims=True)
    sizes = np.where(there, sizes, 1)
    sides = offsets / sizes
    lower, upper = (
        np.full((b, k), sign * np.inf) if bound is None else bound
        for sign, bound in ((-1, lower), (1, upper))
    )
    unit = np.maximum(sides.max(axis=1), np.maximum(lower, -upper).max(axis=1, initial=0))
    there_already = unit <= 0
    unit = np.where(there_already, 1, unit)
    problems = Problems(
        np.where(there[:, :, None], normals / sizes[:, :, None], 0),
        sides / unit[:, None],
        lower / unit[:, None],
        upper / unit[:, None],
        quadratic=1.0 if norm == 2 else 0.0,
        radius=norm == np.inf,
    )
    problems = split(problems) if norm == 1 else problems
    found = solve(problems)
    points = found.points[:, :k] - (found.points[:, k:] if norm == 1 else 0)
    lengths = np.linalg.norm(points, norm, axis=1)
    slopes = np.einsum("bmk,bm->bk", problems.rows[:, :, :k], found.multipliers)
    steep = dual_norms(slopes, norm)
    pushed = (problems.sides * found.multipliers).sum(axis=1)
    at_least = np.where(steep > 0, np.maximum(pushed, 0) / np.where(steep > 0, steep, 1), 0)
    if norm != np.inf:
        cost = least(problems, found.multipliers)
        at_least = np.maximum(at_least, np.sqrt(2 * cost) if norm == 2 else cost)
    lengths = np.where(feasible(found.violations), lengths, np.inf)
    unit = np.where(there_already, 0, unit)
    return (
        np.where(there_already, 0, lengths * unit),
        np.where(there_already, 0, at_least * unit),
        points * unit[:, None],
    )
