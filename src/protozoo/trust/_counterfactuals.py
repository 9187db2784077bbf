"""The nearest sample that another class wins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_labels, as_numbers, of_model, of_values, refuse_unknown_classes
from .._module import replaced
from .._types import Array, ArrayLike, Bool, Float, Int
from ..models import PrototypeModel
from ..models.internal import carded_classes
from ._certificates import certify
from ._geometry import Crossing, Exact, check_norm, into, no_planes, plain, shortest


#: By how much more than half the difference of δ a point is pushed over the boundary, as a share of
#: δ: the first that the model itself, in its own precision, sees.
PUSHES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
#: Features of whole numbers are rounded along the way, and as far beyond its end as it takes.
STRETCHES = (1.0, 1.5, 2.0, 3.0, 5.0)
#: Linearisations of a boundary that is not made of planes, and halvings of the way to it.
LINEARISATIONS, HALVINGS = 40, 30
#: How many samples are looked at for one that is decided as wished.
PLACES = 50


class Counterfactuals(NamedTuple):
    """Samples that another class wins.

    - `points`: one for each sample, `(n, *sample_shape)`, a hair beyond the boundary: asked again,
      the model says another class (the target). NaN where none was found.
    - `predictions`: what it says there, `(n,)`; -1 where none was found.
    - `distances`: how far they are, `(n,)`, in the units of the data; infinite where none was
      found.
    - `least`: nothing that is nearer has been decided otherwise, `(n,)`: a lower bound.
    - `exact`: whether the boundary point is the nearest that there is, `(n,)`, as its multipliers
      prove.
    - `boundary`: the nearest point of the boundary that was found, `(n, *sample_shape)`.
    - `directions`: the step there, of length one, `(n, *sample_shape)`; zero where no step is
      needed.
    - `norm`: how lengths are measured.
    """

    points: Float[np.ndarray, "n ..."]
    predictions: Int[np.ndarray, " n"]
    distances: Float[np.ndarray, " n"]
    least: Float[np.ndarray, " n"]
    exact: Bool[np.ndarray, " n"]
    boundary: Float[np.ndarray, "n ..."]
    directions: Float[np.ndarray, "n ..."]
    norm: float | int


@of_values
@of_model
def counterfactuals(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    target: str | int | Int[ArrayLike, " n"] | Sequence[str] | None = None,
    *,
    bounds: tuple[Any, Any] | None = None,
    frozen: Sequence[int | str] = (),
    integers: Sequence[int | str] = (),
    norm: float | int = 2,
) -> Counterfactuals:
    """The nearest change of each sample that another class wins: what would have had to be
    different.

    With one linear map for all prototypes, prototype j wins where as many linear inequalities hold
    as there are prototypes to beat. The nearest such point is a quadratic program (norm 1: a linear
    one, whose solutions change few features), solved for each j that planes do not rule out, by an
    interior-point method in float64; `exact` says that its multipliers prove the result.

    Otherwise (a map for each prototype, an encoder, another decision), the boundary is linearised
    again and again at the nearest point found so far, following the derivative of the scores. What
    is found is a counterfactual, and there may be a nearer one; `least` is then the margin of
    `certify` where that is known, or else zero.

    **Arguments:**

    - `model`: any that tells two classes apart.
    - `x`: samples.
    - `target`: the class that is to win, one for all samples or one for each, by its number or its
      name on the model's card; `None`: any other. A sample that is of this class already is its
      own counterfactual.
    - `bounds`: `(low, high)`, each a number, one for each feature, or `None`.
    - `frozen`: features that stay as they are: their numbers, or their names on the model's card.
    - `integers`: features of whole numbers: these are rounded, and the others found again, so that
      the result is one, but need not be the nearest.
    - `norm`: 2 or 1, in the units of the data.

    **Raises:** `ValueError` for a class or a feature that there is not, bounds that cross, and
    samples that the model does not take.

    Source: S. Wachter, B. Mittelstadt, C. Russell, *Counterfactual explanations without opening the
    black box*, Harvard Journal of Law & Technology 31, 2018; A. Artelt, B. Hammer, *Efficient
    computation of counterfactual explanations of LVQ models*, ESANN 2020.
    """
    norm = check_norm(norm, (1, 2))
    samples = np.asarray(model.check_values(x))
    own = np.asarray(model.predict(samples))
    wanted = _wanted(model, target, len(samples))
    flat = samples.reshape(len(samples), -1)
    lower, upper = _bounds(bounds, flat, samples.shape[1:])
    still = _places(model, frozen, flat.shape[1], "frozen")
    whole = _places(model, integers, flat.shape[1], "integers")
    lower[:, still] = upper[:, still] = 0.0
    way: Any = _Planes if no_planes(plain(model)) is None else _Slopes
    search = _Search(way(model, samples, own, wanted, norm), norm)
    return search.found(lower, upper, whole & ~still)


class _Search:
    """From the nearest points of boundaries to samples that the model itself decides otherwise."""

    def __init__(self, way: Any, norm: float | int):
        self.way, self.norm = way, norm
        self.x = way.x.reshape(len(way.x), -1)

    def right(self, points: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
        """What the model says, and -1 where that is not what is asked for."""
        known = np.all(np.isfinite(points), axis=1)
        said = np.full(len(points), -1)
        if known.any():
            way = self.way
            asked = np.where(known[:, None], points, self.x).reshape(way.x.shape)
            labels = np.asarray(way.model.predict(asked))
            wins = labels != way.own if way.wanted is None else labels == way.wanted
            said = np.where(known & wins, labels, -1)
        return said

    def found(
        self,
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
        whole: Bool[np.ndarray, " k"],
    ) -> Counterfactuals:
        way, norm, x = self.way, self.norm, self.x
        crossing = way.crossed(lower, upper)
        steps = crossing.steps
        reached = np.isfinite(crossing.lengths)
        if whole.any():
            points = self._rounded(crossing, lower, upper, whole)
        else:
            points = self._pushed(crossing, lower, upper)
        said = self.right(points)
        done = said >= 0
        distances = np.linalg.norm(points.astype(float) - x, norm, axis=1)
        near = crossing.least >= crossing.lengths * (1 - 1e-6)
        size = np.linalg.norm(steps, norm, axis=1)
        unit = steps / np.where(size > 0, size, 1)[:, None]
        boundary = np.where(reached[:, None], x + steps, np.nan)
        shape = way.x.shape
        return Counterfactuals(
            np.where(done[:, None], points, np.nan).astype(way.x.dtype).reshape(shape),
            said,
            np.where(done, distances, np.inf),
            crossing.least,
            near & done & (not whole.any()),
            boundary.reshape(shape),
            np.where(reached[:, None], unit, 0.0).reshape(shape),
            norm,
        )

    def _inside(
        self,
        steps: Float[np.ndarray, "n k"],
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
    ) -> Float[np.ndarray, "n k"]:
        """Points in the precision of the model, which are within bounds there, too."""
        low, high = ((self.x + bound).astype(self.x.dtype) for bound in (lower, upper))
        return np.clip((self.x + steps).astype(self.x.dtype), low, high)

    def _pushed(
        self,
        crossing: Crossing,
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
    ) -> Float[np.ndarray, "n k"]:
        """Beyond the boundary by the least push that the model sees."""
        points = self._inside(crossing.steps, lower, upper)
        points = np.where(np.isfinite(crossing.lengths)[:, None], points, np.nan)
        left = self.right(points) < 0
        for push in PUSHES:
            left &= np.isfinite(crossing.lengths)
            if not left.any():
                break
            steps = self.way.pushed(crossing, push, left, lower, upper)
            moved = self._inside(steps, lower, upper)
            points = np.where(left[:, None], moved, points)
            left &= self.right(points) < 0
        return points

    def _rounded(
        self,
        crossing: Crossing,
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
        whole: Bool[np.ndarray, " k"],
    ) -> Float[np.ndarray, "n k"]:
        """The nearest of several roundings of the whole features, the others found again."""
        x = self.x.astype(float)
        best, points = np.full(len(x), np.inf), np.full(x.shape, np.nan)
        low, high = np.ceil(x + lower - 1e-9), np.floor(x + upper + 1e-9)
        for stretch in STRETCHES:
            if np.isfinite(best).all():
                break
            aim = x + stretch * crossing.steps
            away = np.where(crossing.steps > 0, np.ceil(aim - 1e-9), np.floor(aim + 1e-9))
            for value in (np.round(aim), away):
                value = np.clip(value, low, high) - x
                some_lower, some_upper = (
                    np.where(whole & np.isfinite(value), value, bound) for bound in (lower, upper)
                )
                again = self.way.crossed(some_lower, some_upper)
                tried = self._pushed(again, some_lower, some_upper)
                length = np.linalg.norm(tried - x, self.norm, axis=1)
                better = (self.right(tried) >= 0) & (length < best)
                best = np.where(better, length, best)
                points = np.where(better[:, None], tried, points)
        return points


class _Planes:
    """Decisions that change at planes: exact."""

    def __init__(
        self,
        model: PrototypeModel,
        x: Float[np.ndarray, "n ..."],
        own: Int[np.ndarray, " n"],
        wanted: Int[np.ndarray, " n"] | None,
        norm: float | int,
    ):
        self.model, self.x, self.own, self.wanted, self.norm = model, x, own, wanted, norm
        exact = Exact(plain(model))
        self.labels = exact.prototypes.labels
        self.planes = exact.planes()
        self.adapted = self.planes.adapted(x.astype(float))

    def contests(self, free: Bool[np.ndarray, " k"]):
        """Who has to beat whom, for the samples of each class (or of each target), in the features
        that may change."""
        for label in np.unique(self.own if self.wanted is None else self.wanted):
            of_label = self.labels == label
            if self.wanted is None:
                mine, rivals, against = self.own == label, ~of_label, of_label
            else:
                mine, rivals, against = self.wanted == label, of_label, ~of_label
            mine, rivals, against = (np.flatnonzero(one) for one in (mine, rivals, against))
            if len(rivals) and len(against):
                normals = self.planes.between(rivals, against) * free
                offsets = self.planes.offsets(self.adapted[mine], rivals, against)
                yield mine, rivals, normals, offsets

    def crossed(self, lower: Float[np.ndarray, "n k"], upper: Float[np.ndarray, "n k"]) -> Crossing:
        n, k = lower.shape
        found = Crossing(np.full(n, np.inf), np.full(n, np.inf), np.zeros((n, k)), np.full(n, -1))
        free = ((lower != 0) | (upper != 0)).any(axis=0)
        bounded = np.isfinite(lower[:, free]).any() or np.isfinite(upper[:, free]).any()
        for mine, rivals, normals, offsets in self.contests(free):
            box = (lower[mine], upper[mine]) if bounded else (None, None)
            some = shortest(normals, offsets, self.norm, *box)
            for whole, part in zip(found[:3], some[:3], strict=True):
                whole[mine] = part
            found.rivals[mine] = np.where(some.rivals < 0, -1, rivals[some.rivals])
        return found

    def pushed(
        self,
        crossing: Crossing,
        push: float,
        left: Bool[np.ndarray, " n"],
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
    ) -> Float[np.ndarray, "n k"]:
        """The nearest points at which the rival is nearer by a share of δ."""
        steps = crossing.steps.copy()
        free = ((lower != 0) | (upper != 0)).any(axis=0)
        w = (self.planes.points - self.planes.points.mean(axis=0)) @ self.planes.matrix
        for mine, rivals, normals, offsets in self.contests(free):
            at = np.flatnonzero(left[mine] & (crossing.rivals[mine] >= 0))
            if not len(at):
                continue
            rows = mine[at]
            place = np.searchsorted(rivals, crossing.rivals[rows])
            unit = np.square(self.adapted[rows] - w[crossing.rivals[rows]]).sum(axis=1)
            sides = offsets[at, place] + push * unit[:, None]
            length, _, step = into(normals[place], sides, self.norm, lower[rows], upper[rows])
            steps[rows] = np.where(np.isfinite(length)[:, None], step, steps[rows])
        return steps


class _Slopes:
    """Decisions of which only the derivative is known: a search."""

    def __init__(
        self,
        model: PrototypeModel,
        x: Float[np.ndarray, "n ..."],
        own: Int[np.ndarray, " n"],
        wanted: Int[np.ndarray, " n"] | None,
        norm: float | int,
    ):
        self.model, self.x, self.own, self.wanted, self.norm = model, x, own, wanted, norm
        classes = np.arange(model.classes)
        self.wins = classes != own[:, None] if wanted is None else classes == wanted[:, None]
        try:
            radii = certify(model, x, norm=norm, method="margin").radii
        except ValueError:  # nothing is known of the decision, the metric, the space or the encoder
            radii = np.zeros(len(x))
        self.least = radii if wanted is None else np.where(own == wanted, 0, radii)

    def excess(
        self, steps: Float[np.ndarray, "n k"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n k"]]:
        """By how much the best score of a class that may win exceeds all others, and its
        derivative."""
        moved = (self.x.reshape(steps.shape) + steps).astype(self.x.dtype).reshape(self.x.shape)
        value, slope = _excess(
            replaced(self.model, card=None), jnp.asarray(moved), jnp.asarray(self.wins)
        )
        slope = np.asarray(slope, float).reshape(steps.shape)
        return np.asarray(value, float), np.where(np.isfinite(slope), slope, 0)

    def crossed(self, lower: Float[np.ndarray, "n k"], upper: Float[np.ndarray, "n k"]) -> Crossing:
        nothing = np.clip(np.zeros(lower.shape), lower, upper)
        best, lengths = nothing, np.full(len(lower), np.inf)
        for start in (nothing, self._known(lower, upper)):
            step = self._descended(start, lower, upper)
            over = self.excess(step)[0] > 0
            length = np.where(over, np.linalg.norm(step, self.norm, axis=1), np.inf)
            best = np.where((length < lengths)[:, None], step, best)
            lengths = np.minimum(length, lengths)
        near, far = nothing, best
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            over = (self.excess(middle)[0] > 0)[:, None]
            near, far = np.where(over, near, middle), np.where(over, middle, far)
        lengths = np.where(np.isfinite(lengths), np.linalg.norm(far, self.norm, axis=1), np.inf)
        return Crossing(lengths, np.minimum(self.least, lengths), far, np.full(len(lower), -1))

    def _known(
        self, lower: Float[np.ndarray, "n k"], upper: Float[np.ndarray, "n k"]
    ) -> Float[np.ndarray, "n k"]:
        """Steps to places that are decided as wished: the nearest of the other samples and, where
        they live among them, of the prototypes."""
        x = self.x.reshape(lower.shape).astype(float)
        places = x[:: -(-len(x) // PLACES)]
        if not self.model.latent and self.model.prototypes.space.displacement_is_difference:
            points = np.asarray(self.model.in_data_units(), float)
            places = np.concatenate([points.reshape(len(points), -1), places])
        best, lengths = np.clip(np.zeros(x.shape), lower, upper), np.full(len(x), np.inf)
        for place in places:
            step = np.clip(place - x, lower, upper)
            length = np.linalg.norm(step, self.norm, axis=1)
            nearer = (length < lengths) & (self.excess(step)[0] > 0)
            best = np.where(nearer[:, None], step, best)
            lengths = np.where(nearer, length, lengths)
        return best

    def _descended(
        self,
        start: Float[np.ndarray, "n k"],
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
    ) -> Float[np.ndarray, "n k"]:
        """The shortest step found that is decided as wished, or where the search began."""
        step, best, lengths = start, start, np.full(len(start), np.inf)
        for number in range(LINEARISATIONS):
            value, slope = self.excess(step)
            length = np.linalg.norm(step, self.norm, axis=1)
            better = (value > 0) & (length < lengths)
            best, lengths = np.where(better[:, None], step, best), np.where(better, length, lengths)
            side = (slope * step).sum(axis=1) - value
            ahead, _, aim = into(slope[:, None], side[:, None], self.norm, lower, upper)
            # A little beyond, so that a boundary that bends is crossed, too.
            aim = np.clip(aim * (1 + 0.05 / (1 + number)), lower, upper)
            moved = np.isfinite(ahead) & slope.any(axis=1)
            share = min(1.0, 4 / (1 + number))
            step = np.where(moved[:, None], step + share * (aim - step), step)
        return best

    def pushed(
        self,
        crossing: Crossing,
        push: float,
        left: Bool[np.ndarray, " n"],
        lower: Float[np.ndarray, "n k"],
        upper: Float[np.ndarray, "n k"],
    ) -> Float[np.ndarray, "n k"]:
        """Farther along the way."""
        return np.clip(crossing.steps * (1 + push), lower, upper)


@eqx.filter_jit
def _excess(
    model: PrototypeModel, x: Float[Array, "n ..."], wins: Bool[Array, "n c"]
) -> tuple[Float[Array, " n"], Float[Array, "n ..."]]:
    def total(x: Float[Array, "n ..."]) -> tuple[Float[Array, ""], Float[Array, " n"]]:
        scores = jnp.maximum(model(x), -50.0)  # of samples on a prototype they are infinite
        best, other = (jnp.max(jnp.where(some, scores, -jnp.inf), axis=1) for some in (wins, ~wins))
        return jnp.sum(best - other), best - other

    (_, value), slope = jax.value_and_grad(total, has_aux=True)(x)
    return value, slope


def _wanted(model: PrototypeModel, target: Any, n: int) -> Int[np.ndarray, " n"] | None:
    """The class that is to win for each sample."""
    if model.classes < 2:
        raise ValueError("`model` knows a single class: there is no other one.")
    if target is None:
        return None
    alone = isinstance(target, str | int | float) or getattr(target, "shape", None) == ()
    given = np.full(n, target) if alone else target
    wanted = as_labels(given, n, "target", carded_classes(model))
    refuse_unknown_classes(wanted, model.classes, "target")
    return wanted


def _bounds(
    bounds: Any, x: Float[np.ndarray, "n k"], shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The least and the largest step that each feature of each sample may take."""
    if bounds is None:
        bounds = (None, None)
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"`bounds` must be `(low, high)`, got {bounds!r}.")
    found = []
    for sign, bound in zip((-1, 1), bounds, strict=True):
        values = np.asarray(as_numbers(sign * np.inf if bound is None else bound, "bounds"))
        if values.shape not in ((), shape) or np.isnan(values).any():
            raise ValueError(
                f"`bounds` must be numbers, or arrays of shape {shape} without NaN, got shape "
                f"{values.shape}."
            )
        found.append(np.broadcast_to(values.astype(x.dtype), shape).reshape(-1).astype(float))
    low, high = found
    if (low > high).any():
        k = int((low > high).argmax())
        raise ValueError(f"`bounds` cross in feature {k}: {low[k]:g} is above {high[k]:g}.")
    return low - x.astype(float), high - x.astype(float)


def _places(model: PrototypeModel, features: Any, k: int, name: str) -> Bool[np.ndarray, " k"]:
    """Which features are meant, by numbers or by names."""
    names = list(model.card.features or ()) if model.card is not None else []
    marked = np.zeros(k, bool)
    if isinstance(features, str) or not np.iterable(features):
        raise ValueError(f"`{name}` must be numbers or names of features, got {features!r}.")
    for one in features:
        place: Any = names.index(one) if isinstance(one, str) and one in names else one
        whole = isinstance(place, int | np.integer) and not isinstance(place, bool)
        if not whole or not 0 <= place < k:
            known = f"0…{k - 1}" + (" or names on the model's card" if names else "")
            raise ValueError(f"`{name}` must hold features {known}, got {one!r}.")
        marked[place] = True
    return marked
