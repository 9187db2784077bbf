"""What pictures have in common: figures without a window, panels, planes, colours, names."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_labels, as_names, of_kind
from .._types import ArrayLike
from ..manifolds import curved_coordinates, karcher_mean
from ..models import PrototypeModel
from ..models.internal import NONE_OF_THESE, Names, carded_classes, finite_parameters
from ..prototypes import Prototypes


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How many samples are drawn at most: more are a cloud without gaps.
DRAWN = 5000
#: How many panels a figure has at most.
PANELS = 36
#: How many features are called by their names at most, and how many classes a legend lists.
NAMED, LISTED = 40, 25
#: Which relevances are drawn: those of the metric alone, or weighted by the features' variances.
BY_UNIT, ON_DATA = "λ: share of the trace of Λ", "λ·variance: share of δ on data"


def new_figure(*args: Any, **kwargs: Any) -> tuple:
    """A figure that belongs to no window, so that drawing works without a display and leaves
    nothing open."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "protozoo[plot]"') from error
    subplot_kw = kwargs.pop("subplot_kw", {})
    figure = Figure(layout="constrained", **kwargs)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(*args, squeeze=False, subplot_kw=subplot_kw)


def drawn_on(
    ax: "Axes | None", figsize: tuple[float | int, float | int]
) -> tuple["Figure", "Axes"]:
    """The figure of these axes, and the axes; a new one, if there are none."""
    if ax is not None:
        if getattr(ax, "figure", None) is None:
            raise TypeError(f"`ax` must be axes of matplotlib, got {ax!r:.60}.")
        return cast("Figure", ax.figure), ax
    figure, axes = new_figure(1, 1, figsize=figsize)
    return figure, axes[0, 0]


def panels_of(count: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of so many panels of this size, as good as square."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    figure, axes = new_figure(rows, columns, figsize=(width * columns, height * rows))
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, list(axes.flat[:count])


def refuse_unsound(model: PrototypeModel) -> None:
    """Raise `ValueError` for a model whose numbers are none: its picture would be blank."""
    if not finite_parameters(model):
        raise ValueError(
            "`model` has parameters that are NaN or infinite, of which there is no picture. Train "
            "it again."
        )


def principal_axes(points: np.ndarray) -> np.ndarray:
    """Two directions to look at flat points in; they stay while the points move."""
    points = points.reshape(len(points), -1)
    if min(points.shape) < 3:
        return np.eye(2, points.shape[1])
    return np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:2]


def some_of(
    model: PrototypeModel, x: ArrayLike, y: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """As many samples as can be told apart in a picture, spread over all."""
    x = np.asarray(model.check_values(x))
    y = None if y is None else as_labels(y, len(x), names=carded_classes(model))
    step = -(-len(x) // DRAWN)
    return x[::step], None if y is None else y[::step]


def in_plane(
    model: PrototypeModel, x: np.ndarray, ax: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples and prototypes in the plane in which they are drawn, and its two directions."""
    prototypes = model.encoded_prototypes()
    data, points, space = (
        np.asarray(model.encode(jnp.asarray(x))),
        np.asarray(prototypes.points),
        prototypes.space,
    )
    if not model.has_encoder:
        data, points = np.asarray(x), np.asarray(model.in_data_units())
    if not space.displacement_is_difference:
        centre = karcher_mean(space, data, None).point[None]
        data, points = (curved_coordinates(space, centre, each) for each in (data, points))
    data, points = (each.reshape(len(each), -1).astype(float) for each in (data, points))
    directions = principal_axes(data)
    plain = space.displacement_is_difference and data.shape[1] <= 2
    names = known_features(model, None, 2) or ("feature 0", "feature 1")
    labels = names if plain else ("first principal axis", "second principal axis")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    return data @ directions.T, points @ directions.T, directions


def draw_samples(ax: Any, data: np.ndarray, y: np.ndarray | None, names: Names) -> None:
    if y is None:
        if names is not None:
            raise ValueError("`class_names` are those of the classes `y`, which are missing.")
        ax.scatter(*data.T, s=6, c="silver", zorder=1)
        return
    classes = int(y.max()) + 1
    names = checked_names(names, classes)
    dots = ax.scatter(
        *data.T, s=6, c=y, cmap="tab10", vmin=0, vmax=max(9, classes - 1), alpha=0.6, zorder=1
    )
    if classes <= 10:
        class_legend(ax, dots, names)


def class_legend(where: Any, drawn: Any, names: Sequence[str], **options: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=drawn.cmap(drawn.norm(k)), label=name) for k, name in enumerate(names)]
    where.legend(handles=handles, title="class", **options)


def integers(given: Any, name: str) -> list[int]:
    """A list of integers."""
    listed = given.tolist() if isinstance(given, np.ndarray | jax.Array) else given
    return list(of_kind(listed, Sequence[int], name))


def refuse_y_alone(x: ArrayLike | None, y: ArrayLike | None) -> None:
    """Raise `ValueError` for classes of samples that are not there."""
    if x is None and y is not None:
        raise ValueError("`y` are the classes of `x`, which is missing.")


def checked_names(names: Names, classes: int) -> list[str]:
    """What so many classes are called; by default by their numbers."""
    return _known(names, None, "classes", classes) or [str(k) for k in range(classes)]


def names_of_classes(model: PrototypeModel, names: Names) -> list[str]:
    """What the classes that the model tells apart are called; those that it has no prototypes for
    may go without a name."""
    classes = model.classes
    own = classes - model.decides.open_set
    known = known_classes(model, names, own, classes) or [str(k) for k in range(own)]
    return known if len(known) == classes else [*known, NONE_OF_THESE]


def names_of_features(model: PrototypeModel, names: Names, d: int) -> list[str]:
    """What d features are called; by default as the model's card says."""
    return known_features(model, names, d) or [f"feature {k}" for k in range(d)]


def palette(classes: int) -> np.ndarray:
    """A colour for each class, `(c, 3)`: those of all pictures for ten, and as many others as it
    takes."""
    from matplotlib import colormaps

    if classes <= 20:
        return colormaps["tab10" if classes <= 10 else "tab20"](np.arange(classes))[:, :3]
    return colormaps["turbo"](np.linspace(0.05, 0.95, classes))[:, :3]


def colours_of_classes(model: PrototypeModel) -> np.ndarray:
    """A colour for each class that the model tells apart, `(c, 3)`; none of these is gray."""
    colours = palette(model.classes)
    if model.decides.open_set:
        colours[-1] = 0.6
    return colours


def colours_of_prototypes(model: PrototypeModel) -> np.ndarray:
    """A colour for each prototype, `(p, 3)`: that of its class."""
    prototypes = model.prototypes
    return palette(max(prototypes.classes, model.classes))[prototypes.labels]


def names_of_prototypes(model: PrototypeModel, names: Names) -> list[str]:
    """The number of each prototype, and the name of its class."""
    if names is None and not model.prototypes.labelled:
        return [f"prototype {j}" for j in range(len(model.prototypes))]
    known = names_of_classes(model, names)
    return [f"{j}: {known[label]}" for j, label in enumerate(model.prototypes.labels)]


def legend_of_classes(
    ax: Any, model: PrototypeModel, names: Sequence[str], others: Sequence[Any] = (), **options: Any
) -> None:
    """A patch for each class, and what else is to be explained; of many classes, the latter
    alone."""
    from matplotlib.patches import Patch

    few = len(names) <= LISTED
    known = zip(colours_of_classes(model), names, strict=True) if few else ()
    handles = [*(Patch(color=colour, label=name) for colour, name in known), *others]
    if handles:
        title = "class" if model.prototypes.labelled else "cluster"
        ax.legend(handles=handles, title=title, fontsize=8, title_fontsize=8, **options)


def room_for(names: Sequence[str]) -> float:
    """How many inches their names take below an axis."""
    return 0.08 * max(map(len, names)) if _upright(names) else 0.3


def _upright(names: Sequence[str]) -> bool:
    return len(names) <= NAMED and sum(map(len, names)) > 60


def feature_ticks(ax: Any, names: Sequence[str]) -> None:
    """Features along the horizontal axis: their names, if there is room."""
    if len(names) <= NAMED:
        ax.set_xticks(np.arange(len(names)), names, rotation=90 if _upright(names) else 0)
    else:
        ax.set_xlabel("feature")


def star(colour: Any, label: str | None = None) -> Any:
    """A prototype, as a legend shows it."""
    from matplotlib.lines import Line2D

    options = {"markersize": 11, "markeredgecolor": "black", "linestyle": ""}
    return Line2D([], [], marker="*", color=colour, label=label, **options)


def flat_samples(model: PrototypeModel, x: ArrayLike) -> np.ndarray:
    """Samples, each of them a row of features.

    **Raises:** `ValueError` for those of another shape.
    """
    x = np.asarray(model.check_values(x))
    if x.ndim != 2:
        raise ValueError(f"`x`: samples must be rows of features, got arrays of {x.shape[1:]}.")
    return x


def colours_of(y: np.ndarray | None, count: int) -> list[str]:
    """One for each sample, by its class."""
    return ["gray"] * count if y is None else [f"C{label % 10}" for label in y]


def legend_once(ax: Any, prototypes: Prototypes) -> None:
    """Each class once."""
    handles, labels = ax.get_legend_handles_labels()
    if prototypes.labelled:
        ax.legend(
            dict(zip(labels, handles, strict=True)).values(), dict.fromkeys(labels), title="class"
        )


def points_of(model: PrototypeModel) -> np.ndarray:
    """The prototypes, in the units of the data where they have these."""
    return np.asarray(model.prototypes.points if model.latent else model.in_data_units(), float)


def back_to_data(model: PrototypeModel, d: int) -> np.ndarray:
    """The matrix that takes displacements from the model's units to those that are drawn."""
    if model.scale is None or model.has_encoder:
        return np.eye(d)
    unit = jnp.eye(d).reshape(d, *model.scale.shape)
    return np.asarray(jax.vmap(model.scale.inverse_displacement)(unit), float).reshape(d, d).T


def known_classes(model: PrototypeModel, names: Names, *counts: int) -> list[str] | None:
    """The names of classes that were given, or those on the model's card, if they are as many."""
    return _known(names, model.card and model.card.classes, "classes", *counts)


def known_features(model: PrototypeModel, names: Names, count: int) -> list[str] | None:
    """The names of features that were given, or those on the model's card, if they are as many."""
    return _known(names, model.card and model.card.features, "features", count)


def _known(given: Names, carded: Sequence[Any] | None, of: str, *counts: int) -> list[str] | None:
    if given is not None:
        name = {"classes": "class_names", "features": "feature_names"}[of]
        return [str(one) for one in as_names(given, name, set(counts), of)]
    return [str(one) for one in carded] if carded is not None and len(carded) in counts else None


def rows_of(model: PrototypeModel) -> np.ndarray:
    """In which row each prototype is drawn: that of its class; those without classes are laid out
    as good as square."""
    count = len(model.prototypes)
    return (
        model.prototypes.labels
        if model.prototypes.labelled
        else np.arange(count) // math.ceil(math.sqrt(count))
    )


def columns_of(rows: np.ndarray) -> np.ndarray:
    """The place of each prototype in its row."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)
