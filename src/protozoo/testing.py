"""The contract that every part of the library satisfies, for parts of your own: one line in a test.

Each function computes what follows from being such a part, and raises an `AssertionError` that says
what does not hold.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._checks import as_key, of_model
from ._module import degree
from ._namespace import public
from ._types import Array, ArrayLike, Float, PRNGKeyArray, PyTree
from .losses import AbstractLoss
from .manifolds import AbstractManifold
from .metrics import AbstractMetric, AbstractQuadratic
from .models import PrototypeModel, Selection
from .networks import RecurrentNetwork
from .persistence import load, save
from .prototypes import Prototypes


#: How far two ways to compute the same may differ in float32, relative to the largest number.
ROUNDING = 1e-3


def check_metric(
    metric: AbstractMetric, prototypes: Prototypes, x: Float[ArrayLike, "n ..."]
) -> None:
    """Hold a metric to what models and training rely on.

    δ has a row for each sample and a column for each prototype, and is finite. A row depends on its
    sample alone, a column on its prototype and on what the metric declares to belong to it
    (`learned(axis="prototype")`). Compiled and not, it is the same. If it has a derivative, it is
    finite, also where a sample is a prototype. If it is an `AbstractHomogeneous`, a change of unit
    is what it says; if it is quadratic, δ grows with the squared norms.

    **Arguments:**

    - `metric`: the metric.
    - `prototypes`: some that it fits.
    - `x`: samples, at least two.

    **Raises:** `AssertionError` with the property that does not hold.
    """
    x, name, p = jnp.asarray(x), type(metric).__name__, len(prototypes)
    delta = metric(x, prototypes)
    _true(
        delta.shape == (len(x), p),
        f"{name}: δ has shape {delta.shape}, and should have (n, p) = {(len(x), p)}",
    )
    _finite(delta, f"{name}: δ of finite samples")
    _same(
        eqx.filter_jit(metric)(x, prototypes),
        delta,
        f"{name}: compiled, δ should be what it is otherwise",
    )
    _same(
        metric(x[:1], prototypes),
        delta[:1],
        f"{name}: a row of δ should depend on its sample alone",
    )
    order = _within_classes(prototypes)
    other, moved = order.of((metric, prototypes))
    message = (
        f"{name}: a column of δ should depend on its prototype alone (is an axis of "
        f"prototypes not declared?)"
    )
    _same(other(x, moved), delta[:, order.prototypes], message)
    if metric.differentiable:
        at = jnp.concatenate([x, prototypes.points.astype(x.dtype)])

        def total(parts: PyTree, at: Array) -> Array:
            return jnp.sum(parts[0](at, parts[1]))

        _finite(
            eqx.filter_grad(total)((metric, prototypes), at),
            f"{name}: the derivative by parameters",
        )
        _finite(
            jax.grad(lambda at: total((metric, prototypes), at))(at),
            f"{name}: the derivative by samples",
        )
    known: Any = degree(metric)
    if known is not None and prototypes.space.displacement_is_difference:
        homogeneous: Any = metric
        scaled = (
            homogeneous.in_units(jnp.asarray(4.0))(x / 4, prototypes.moved(prototypes.points / 4))
            * 4.0**known
        )
        _same(
            scaled,
            delta,
            f"{name}: in units of 4, δ should be smaller by 4 to the power of {known}, its degree",
        )
    if isinstance(metric, AbstractQuadratic):
        squared = metric.squared(x, prototypes)
        _true(bool((squared >= 0).all()), f"{name}: squared norms should not be negative")
        _true(
            bool((metric.radial(2 * squared, prototypes) >= delta).all()),
            f"{name}: δ should grow with the squared norms",
        )


def check_loss(
    loss: AbstractLoss,
    labels: ArrayLike | Sequence[int],
    y: ArrayLike | Sequence[int] | None = None,
    *,
    key: PRNGKeyArray | int = 0,
) -> None:
    """Hold a loss, and the decision in it, to what models and training rely on.

    A loss of samples has a value for each, finite, which depends on its sample alone, and its
    objective is their weighted sum. Derivatives are those of the values (in float64, against
    differences). Scores are not NaN, and have a column for each class. Where the loss says
    `relative`, a number added to a row of δ changes no decision; where it has a degree, a change of
    unit is what it says.

    **Arguments:**

    - `loss`: the loss.
    - `labels`: the classes of p prototypes, grouped.
    - `y`: the classes of n samples, if it learns from them.
    - `key`: of the random dissimilarities that it is tried with.

    **Raises:** `AssertionError` with the property that does not hold.
    """
    with jax.enable_x64(True):
        name, n = type(loss).__name__, 12 if y is None else np.size(y)
        loss = jax.tree.map(lambda a: a.astype(jnp.float64) if eqx.is_inexact_array(a) else a, loss)
        columns, classes = (
            np.asarray(labels),
            None if y is None else jnp.asarray(np.asarray(y), jnp.int32),
        )
        delta = jax.random.uniform(as_key(key), (n, len(columns)), jnp.float64, 0.5, 4.0)
        weight = jnp.linspace(0.5, 1.5, n)
        scores = loss.scores(delta, columns)
        _true(
            scores.ndim == 2 and len(scores) == n,
            f"{name}: scores should have shape (n, c), and have {scores.shape}",
        )
        _true(
            not bool(jnp.isnan(scores).any()), f"{name}: scores of positive dissimilarities are NaN"
        )
        _same(
            loss.scores(delta[:1], columns),
            scores[:1],
            f"{name}: a row of scores should depend on its sample alone",
        )
        decided = jax.nn.softmax(scores, axis=1)
        each: Any = loss
        if loss.additive:
            values = each(delta, columns, classes)
            _true(
                values.shape == (n,),
                f"{name}: a value for each sample has shape {values.shape}, and should have {(n,)}",
            )
            _finite(values, f"{name}: the loss of positive dissimilarities")
            one = None if classes is None else classes[:1]
            _same(
                each(delta[:1], columns, one),
                values[:1],
                f"{name}: a value should depend on its sample alone",
            )
            total = loss.total(delta, columns, classes, weight, 1.0)
            _same(
                total,
                jnp.sum(weight * values),
                f"{name}: the objective should be the weighted sum of the values",
            )
        if loss.differentiable:
            _derivative(lambda d: loss.total(d, columns, classes, weight, 1.0), delta, name)
        if loss.relative:
            shifted = jax.nn.softmax(loss.scores(delta + 7.0, columns), axis=1)
            _same(
                shifted,
                decided,
                f"{name}: it is `relative`, and a number added to δ changes what it decides",
            )
        known: Any = degree(loss)
        if known is not None:
            scaled: Any = loss
            scaled = scaled.in_units(jnp.asarray(4.0))
            message = (
                f"{name}: in units of 4, it should be smaller by 4 to the power of {known}, its "
                f"degree"
            )
            value = scaled.total(delta / 4, columns, classes, weight, 1.0) * 4.0**known
            _same(value, loss.total(delta, columns, classes, weight, 1.0), message)
            decision = jax.nn.softmax(scaled.scores(delta / 4, columns), axis=1)
            _same(decision, decided, f"{name}: in other units, it should decide as before")


def check_manifold(space: AbstractManifold, *, key: PRNGKeyArray | int = 0, count: int = 6) -> None:
    """Hold a space to the theorems about distances and geodesics.

    Random points and the origin lie in it, and projection leaves them where they are. A point has
    coordinates zero about itself; squared norms of coordinates are the squared distances; `exp`
    undoes `coordinates`, and geodesics have constant speed. Coordinates of tangents are a subspace
    of the space's dimension, and `exp` knows no others. Distances are symmetric and satisfy the
    triangle inequality; their gradient points away from the other point, also where two points are
    one.

    **Arguments:**

    - `space`: the space.
    - `key`, `count`: of the random points.

    **Raises:** `AssertionError` with the theorem that does not hold.
    """
    name, points = str(space), space.random_points(as_key(key), count)
    shape, k = (count, *space.point_shape), space.coordinate_size
    _true(
        points.shape == shape,
        f"{name}: random points have shape {points.shape}, and should have {shape}",
    )
    for what, some in {"random points": points, "the origin": space.origin[None]}.items():
        _true(
            space.violation(some) is None,
            f"{name}: {what} should lie in it: {space.violation(some)}",
        )
        _same(space.project(some), some, f"{name}: projection should leave {what} in place")
    found = _Theorems(*_theorems(space, points))
    _true(
        found.v.shape == (count, count, k),
        f"{name}: coordinates have shape {found.v.shape}, and should have (n, p, k)",
    )
    scale = float(jnp.max(found.squared)) ** 0.5

    def zero(values: Array, theorem: str) -> None:
        _true(bool(jnp.abs(values).max() <= ROUNDING * max(scale, 1)), f"{name}: {theorem}")

    zero(
        found.v[jnp.arange(count), jnp.arange(count)],
        "a point about itself should have coordinates zero",
    )
    _same(
        jnp.sum(found.v**2, axis=-1),
        found.squared,
        f"{name}: squared norms of coordinates should be squared distances",
    )
    _same(found.squared, found.squared.T, f"{name}: distances should be symmetric")
    d = jnp.sqrt(found.squared)
    through = jnp.min(d[:, :, None] + d[None], axis=1)
    _true(
        bool((d <= through + ROUNDING * scale).all()),
        f"{name}: distances should satisfy the triangle inequality",
    )
    _true(_lie_in(space, found.reached), f"{name}: `exp` should end in the space")
    zero(found.missed, "`exp` should undo `coordinates`")
    _same(found.halfway, d / 2, f"{name}: geodesics should have constant speed")
    _same(found.tangents, found.tangents.mT, f"{name}: coordinates should be isometric")
    rank = float(jnp.trace(found.tangents.mean(axis=0)))
    _true(
        abs(rank - space.dimension) < 0.1,
        f"{name}: tangents have {rank:.1f} dimensions, and should have {space.dimension}",
    )
    _finite(
        found.slopes,
        f"{name}: the derivative of squared distances, of a point to itself among them",
    )
    zero(
        found.slopes + 2 * found.v,
        "the gradient of squared distances should be -2 times the coordinates",
    )


class _Theorems(NamedTuple):
    """What a space says of some points: from each (the second axis) to each (the first one)."""

    v: Array
    squared: Array
    reached: Array
    missed: Array
    halfway: Array
    tangents: Array
    slopes: Array


@eqx.filter_jit
def _theorems(space: AbstractManifold, points: Float[Array, "p ..."]) -> tuple:
    v, squared = space.coordinates(points, points), space.squared_distances(points, points)
    p, k = len(points), v.shape[-1]
    reached = jax.vmap(lambda c: space.exp(points, c))(v)
    missed = jax.vmap(lambda x, r: space.displacements(jnp.broadcast_to(x, r.shape), r))(
        points, reached
    )
    middles = jax.vmap(lambda c: space.exp(points, c / 2))(v)
    halfway = jax.vmap(lambda m: jnp.diagonal(space.distances(points, m)))(middles)
    units = jnp.eye(k, dtype=v.dtype)

    def tangent(c: Array) -> Array:
        some = jnp.broadcast_to(c, (p, k))
        return space.components(points, space.vectors(points, some))

    tangents = jax.vmap(tangent, out_axes=1)(units)

    def slope(x: Array) -> Array:
        return jax.grad(lambda c: jnp.sum(space.squared_distances(space.exp(points, c), x[None])))(
            jnp.zeros((p, k))
        )

    return v, squared, reached, missed, halfway, tangents, jax.vmap(slope)(points)


def _lie_in(space: AbstractManifold, points: Float[Array, "n p ..."]) -> bool:
    return space.violation(points.reshape(-1, *space.point_shape)) is None


@of_model
def check_model(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], y: ArrayLike | Sequence[int] | None = None
) -> None:
    """Hold an assembled model to what all models promise.

    Probabilities sum to one; `predict` is their arg-max and `confidence` lies in [0, 1]; `model(x)`
    are their logarithms; a sample is answered alone as among others. The objective is that of any
    order of samples, and its derivative is finite. With all of its prototypes selected, and saved
    and loaded, it is the same model.

    **Arguments:**

    - `model`: the model.
    - `x`, `y`: samples that it takes, at least two, and their classes if it learns from them.

    **Raises:** `AssertionError` with the promise that is not kept.
    """
    x, labels = model.check_values(x), None if y is None else jnp.asarray(np.asarray(y), jnp.int32)
    _promises(model, x, labels, model.metric.differentiable and model.loss.differentiable)
    same = model.select(np.arange(len(model.prototypes)))
    _true(
        bool(eqx.tree_equal(same, model)),
        f"{model.outline()}: with all of its prototypes, it should be the same model",
    )


def check_network(
    network: RecurrentNetwork, x: Float[ArrayLike, "n d"], y: ArrayLike | Sequence[int]
) -> None:
    """Hold a network to what all models promise, and its parts (synapses, units, local losses) to
    what networks rely on.

    A sample settles, is answered and is judged alone as among others. What the synapses of an edge
    learn depends on its own fields alone. The rest is that of `check_model`.

    **Arguments:**

    - `network`: the network.
    - `x`, `y`: samples that it takes, at least two, and their classes.

    **Raises:** `AssertionError` with the promise that is not kept.
    """
    x, labels, name = (
        network.check_values(x),
        jnp.asarray(np.asarray(y), jnp.int32),
        network.outline(),
    )
    _promises(network, x, labels, differentiable=True)
    _same(
        network.transform(x[:1]),
        network.transform(x)[:1],
        f"{name}: a sample should settle alone as among others",
    )
    _same(
        network.losses(x[:1], labels[:1]),
        network.losses(x, labels)[:1],
        f"{name}: a loss should depend on its sample alone",
    )
    states = network.settling(x, labels).states
    for (i, j), edge in network.layers.items():
        kind, message = type(edge.synapses).__name__, edge.synapses(states[j])
        _same(
            edge.synapses(states[j][:1]),
            message[:1],
            f"{kind} of edge {(i, j)}: a message should depend on its sample alone",
        )
        field = jnp.zeros_like(message) if edge.loss is None else network.layers.field(i, states)
        settled = network.layers.units[i](field)
        alone = network.layers.units[i](field[:, :1])
        _same(
            alone,
            settled[:, :1],
            f"units of layer {i}: a state should depend on the unit's own field alone",
        )


def _promises(
    model: PrototypeModel | RecurrentNetwork, x: Array, labels: Array | None, differentiable: bool
) -> None:
    """What all models promise."""
    name, n = model.outline(), len(x)
    probabilities = model.predict_proba(x)
    _same(probabilities.sum(axis=1), jnp.ones(n), f"{name}: probabilities should sum to one")
    predicted = model.predict(x)
    _true(
        bool((predicted == probabilities.argmax(axis=1)).all()),
        f"{name}: `predict` should be the arg-max",
    )
    confidence = model.confidence(x)
    _true(
        bool(((confidence >= 0) & (confidence <= 1)).all()),
        f"{name}: `confidence` should lie in [0, 1]",
    )
    _same(
        jax.nn.softmax(model(x), axis=1),
        probabilities,
        f"{name}: `model(x)` should be logarithms of probabilities",
    )
    _same(
        model.predict_proba(x[:1]),
        probabilities[:1],
        f"{name}: a sample should be answered alone as among others",
    )
    weight = jnp.full(n, 1 / n)
    value = model.loss_of(x, labels, weight)
    other = model.loss_of(x[::-1], None if labels is None else labels[::-1], weight)
    _same(other, value, f"{name}: the objective should not depend on the order of samples")
    if differentiable:
        gradient = eqx.filter_jit(eqx.filter_grad(lambda m: m.loss_of(x, labels, weight)))(model)
        _finite(gradient, f"{name}: the derivative of the objective")
    with tempfile.TemporaryDirectory() as directory:
        save(Path(directory) / "model", model)
        _true(
            bool(eqx.tree_equal(load(Path(directory) / "model"), model)),
            f"{name}: saved and loaded, it should be the same",
        )


def _within_classes(prototypes: Prototypes) -> Selection:
    """Prototypes in the opposite order within each class."""
    p = len(prototypes)
    counts = (p,) if prototypes.counts is None else prototypes.counts
    order = np.concatenate([part[::-1] for part in np.split(np.arange(p), np.cumsum(counts)[:-1])])
    return Selection(
        order, np.arange(prototypes.classes), prototypes.counts, (p, prototypes.classes)
    )


def _true(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message + ".")


def _finite(tree: PyTree, what: str) -> None:
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    _true(all(bool(jnp.isfinite(leaf).all()) for leaf in leaves), f"{what} should be finite")


def _same(one: Array, other: Array, message: str) -> None:
    _true(one.shape == other.shape, f"{message}; shapes are {one.shape} and {other.shape}")
    largest = float(jnp.max(jnp.abs(jnp.where(jnp.isfinite(other), other, 0)), initial=0))
    apart = jnp.where(one == other, 0, jnp.abs(one - other))
    _true(
        bool((apart <= ROUNDING * max(largest, 1e-30)).all()),
        f"{message}; they differ by {float(jnp.max(apart)):.2g}",
    )


def _derivative(function: Any, at: Array, name: str) -> None:
    """Along a random direction, against a difference."""
    direction = jax.random.normal(jax.random.key(1), at.shape, at.dtype)
    slope = jnp.sum(jax.grad(function)(at) * direction)
    step = 1e-6
    difference = (function(at + step * direction) - function(at - step * direction)) / (2 * step)
    _same(slope, difference, f"{name}: the derivative by δ should be that of the values")


__all__ = public(globals())
