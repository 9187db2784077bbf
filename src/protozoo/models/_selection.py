"""Some of a model's prototypes, more of them, or its classes in another order: one operation, by
what fields say of axes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from .._checks import as_labels, as_numbers, on_device, values_of
from .._module import Declaration, declarations, replaced
from .._types import Array, ArrayLike, Float, Int, PyTree
from ..prototypes import Prototypes
from ._card import Card


class Selection(NamedTuple):
    """Which entries of the axes of prototypes and of classes come where."""

    prototypes: Int[np.ndarray, " q"]
    classes: Int[np.ndarray, " k"]
    #: How many of them each class then has; `None` for prototypes without classes.
    counts: tuple[int, ...] | None
    #: How many prototypes and classes there were.
    before: tuple[int, int]
    #: Where prototypes at new points are, which are copies of others at first.
    places: Int[np.ndarray, " a"] = np.zeros(0, int)

    def of(self, tree: PyTree) -> PyTree:
        """Everything in a model that has an entry for each prototype or class: the model, its
        parameters alone, or what an optimiser remembers of them.

        **Raises:** `ValueError` for an array that has other axes than its field says.
        """
        index = {
            "prototype": (self.prototypes, self.before[0]),
            "class": (self.classes, self.before[1]),
        }

        def taken(leaf: Any, declared: Declaration) -> Any:
            if not declared.axes:  # perhaps no array at all, but a function
                return leaf
            # An array that has fewer axes serves all prototypes.
            for axis, name in enumerate(declared.axes[: leaf.ndim]):
                entries, size = index[name]
                if leaf.shape[axis] != size:
                    raise ValueError(
                        f"an array of shape {leaf.shape} should have an entry for each {name} in "
                        f"axis {axis}, and there are {size}: what is remembered in another form "
                        "cannot be selected from; begin with a new state."
                    )
                leaf = leaf.take(on_device(entries), axis=axis)
            return leaf

        def counted(node: PyTree) -> PyTree:
            return replaced(node, counts=self.counts) if isinstance(node, Prototypes) else node

        taken_from = jax.tree.map(taken, tree, declarations(tree))
        return jax.tree.map(counted, taken_from, is_leaf=lambda node: isinstance(node, Prototypes))

    def named(self, card: Card | None) -> Card | None:
        """The card of a model of these classes; of one without classes, the same."""
        same = np.array_equal(self.classes, np.arange(self.before[1]))
        return card if card is None or same else card.with_classes_of(self.classes.tolist())

    def moved(self, tree: PyTree, points: Float[Array, "a ..."]) -> PyTree:
        """The new prototypes of a model (or of its parameters alone, if points are among them) at
        their points."""
        old = tree.prototypes.points
        if old is None:
            return tree
        return eqx.tree_at(
            lambda m: m.prototypes.points, tree, old.at[self.places].set(points.astype(old.dtype))
        )


def kept(
    prototypes: Prototypes, classes: int, keep: ArrayLike | Sequence[int] | Sequence[bool]
) -> Selection:
    """The selection of some prototypes: those where a mask `(p,)` is true, or those with these
    numbers, in this order.

    **Raises:** `ValueError` for numbers that are no prototypes, that repeat or mix up classes, and
    if a class is left with none.
    """
    p, given = len(prototypes), values_of(as_numbers(keep, "keep"), "keep")
    if given.dtype == bool and given.shape == (p,):
        chosen = np.flatnonzero(given)
    elif given.dtype.kind in "iu" and given.ndim == 1:
        chosen = given.astype(int)
    else:
        raise ValueError(
            f"`keep` must be a mask of shape ({p},) or numbers of prototypes, got "
            f"{given.dtype}{given.shape}."
        )
    if (
        len(chosen) == 0
        or chosen.min() < 0
        or chosen.max() >= p
        or len(np.unique(chosen)) < len(chosen)
    ):
        raise ValueError(
            f"`keep` must name some of the prototypes 0…{p - 1}, each once, got {chosen.tolist()}."
        )
    labels = prototypes.labels[chosen]
    if not prototypes.labelled:
        return Selection(chosen, np.arange(classes), None, (p, classes))
    if np.any(np.diff(labels) < 0):
        raise ValueError(
            "`keep` must leave prototypes grouped by class, in ascending order: sort it by "
            "`prototypes.labels`."
        )
    counts = np.bincount(labels, minlength=prototypes.classes)
    if not counts.all():
        missing = int(np.flatnonzero(counts == 0)[0])
        raise ValueError(
            f"`keep` leaves class {missing} without a prototype: keep one of each class."
        )
    return Selection(chosen, np.arange(classes), tuple(counts.tolist()), (p, classes))


def labels_of_added(
    prototypes: Prototypes, labels: ArrayLike | Sequence[int] | None, count: int
) -> Int[np.ndarray, " q"] | None:
    """The classes of new prototypes, if the others have some.

    **Raises:** `ValueError` if there are classes on one side only, or one is left out.
    """
    if not prototypes.labelled:
        if labels is not None:
            raise ValueError(
                "`labels` were given, but the prototypes of this model have no classes."
            )
        return None
    if labels is None:
        raise ValueError("`labels` are missing: the prototypes of this model stand for classes.")
    known = np.asarray(as_labels(labels, count, "labels"))
    if (missing := np.setdiff1d(np.arange(prototypes.classes, known.max() + 1), known)).size:
        raise ValueError(
            f"`labels`: class {missing[0]} has no prototype; a new class is the next number."
        )
    return known


def extended(
    prototypes: Prototypes,
    classes: int,
    delta: Float[np.ndarray, "q p"],
    labels: Int[np.ndarray, " q"] | None,
) -> Selection:
    """The selection that adds a copy of the nearest prototype (of its class) for each new one.

    A new class takes over what belongs to the class of the nearest prototype.
    """
    p = len(prototypes)
    if labels is None:
        together = np.concatenate([np.arange(p), delta.argmin(axis=1)])
        return Selection(
            together, np.arange(classes), None, (p, classes), np.arange(p, len(together))
        )
    foreign = (labels[:, None] != prototypes.labels) & (labels < classes)[:, None]
    nearest = np.where(foreign, np.inf, delta).argmin(axis=1)
    every = np.concatenate([prototypes.labels, labels])
    order, counts = np.argsort(every, kind="stable"), np.bincount(every)
    models = [prototypes.labels[nearest[labels == k][0]] for k in range(classes, len(counts))]
    chosen = np.concatenate([np.arange(p), nearest])[order]
    every_class = np.array([*range(classes), *models])
    return Selection(
        chosen, every_class, tuple(counts.tolist()), (p, classes), np.argsort(order)[p:]
    )


def reordered(
    prototypes: Prototypes, classes: int, order: ArrayLike | Sequence[int], of_prototypes: bool
) -> Selection:
    """The selection after which class k is what was class `order[k]`.

    **Raises:** `ValueError` unless the order is a permutation of the classes.
    """
    given = values_of(as_numbers(order, "order"), "order")
    if (
        given.dtype.kind not in "iu"
        or sorted(given.ravel().tolist()) != list(range(classes))
        or given.ndim != 1
    ):
        raise ValueError(
            f"`order` must hold each of the classes 0…{classes - 1} once, got {given.tolist()}."
        )
    p, counts = len(prototypes), prototypes.counts
    if counts is None:
        return Selection(given if of_prototypes else np.arange(p), given, None, (p, classes))
    columns = np.split(np.arange(p), np.cumsum(counts)[:-1])
    chosen = np.concatenate([columns[k] for k in given])
    return Selection(chosen, given, tuple(counts[k] for k in given), (p, classes))
