"""What is drawn is what the numbers say: by the objects of a picture, not by its pixels."""

import inspect
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

import protozoo as pz
from protozoo import plots
from protozoo.models import contributions


RNG = np.random.default_rng(0)
D, LABELS = 3, np.array([0, 0, 1, 2])
Y = np.arange(30) % 3
X = (RNG.normal(size=(30, D)) + 2 * np.eye(3)[Y]).astype(np.float32)
POINTS = np.concatenate([X[:1], X[:3]])
FEATURES, CLASSES = ["width", "height", "weight"], ["cat", "dog", "cow"]


def model(metric=None, points=POINTS, labels=LABELS, **parts) -> pz.PrototypeModel:
    metric = pz.metrics.Omega(jnp.asarray(OMEGA)) if metric is None else metric
    return pz.PrototypeModel(pz.Prototypes(points, labels), metric, pz.losses.GLVQ(), **parts)


OMEGA = RNG.normal(size=(D, 2)).astype(np.float32)
LOCAL = pz.metrics.LocalOmega(jnp.asarray(RNG.normal(size=(4, D, 2)), jnp.float32))


def dots(ax) -> list[np.ndarray]:
    return [np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_regions_are_the_predictions():
    """Of a cut through the space, on which a few features are held."""
    asked, at, cells = model(), X[4], 21
    figure = plots.decision_regions(
        asked,
        X,
        Y,
        (2, 0),
        at,
        threshold=0.3,
        feature_names=FEATURES,
        class_names=CLASSES,
        cells=21,
    )
    (ax,) = figure.axes
    left, right, low, high = ax.images[0].get_extent()
    grid = np.stack(
        np.meshgrid(np.linspace(left, right, cells), np.linspace(low, high, cells)), axis=-1
    ).reshape(-1, 2)
    points = np.tile(at, (len(grid), 1))
    points[:, [2, 0]] = grid
    label, sure = np.asarray(asked.predict(points)), np.asarray(asked.confidence(points))
    shades = np.asarray(ax.images[0].get_array()).reshape(-1, 4)
    assert len(np.unique(label)) == 3
    colours = [shades[label == k, :3] for k in range(3)]
    for own in colours:
        np.testing.assert_allclose(own, own[:1].repeat(len(own), axis=0))
    assert len({tuple(own[0]) for own in colours}) == 3
    assert (np.diff(shades[np.argsort(sure), 3]) >= 0).all()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight", "width")
    assert legend(ax)[:3] == CLASSES and "rejected" in legend(ax)[3]
    hatched = [c for c in ax.collections if getattr(c, "hatches", None)]
    assert hatched and (sure < 0.3).any()
    samples, *wrong, stars = dots(ax)
    np.testing.assert_allclose(samples, X[:, [2, 0]], rtol=1e-6)
    np.testing.assert_allclose(stars, POINTS[:, [2, 0]], rtol=1e-6)
    missed = np.asarray(asked.predict(X)) != Y
    assert sum(map(len, wrong)) == missed.sum()
    assert f"{np.mean(~missed):.1%}" in ax.get_title()


@pytest.mark.parametrize(
    "encoder", [pytest.param(None, marks=pytest.mark.nightly), lambda x: 2 * x[:D]]
)
def test_the_adapted_plane_is_where_the_model_measures(encoder):
    """With two adapted dimensions distances in the picture are δ, and regions those of samples."""
    parts = {} if encoder is None else {"encoder": encoder}
    x = X if encoder is None else np.concatenate([X, X], axis=1)
    asked = model(**parts)
    (ax,) = plots.adapted_space(asked, x, Y, class_names=CLASSES).axes
    samples, stars = dots(ax)
    squares = ((samples[:, None] - stars) ** 2).sum(axis=-1)
    np.testing.assert_allclose(squares, asked.distances(x), rtol=1e-4, atol=1e-4)
    figure = plots.decision_regions(asked, x, Y, cells=21)
    image, (inside, *_) = figure.axes[0].images[0], dots(figure.axes[0])
    np.testing.assert_allclose(inside, samples, rtol=1e-6)
    left, right, low, high = image.get_extent()
    across, up = np.meshgrid(np.linspace(left, right, 21), np.linspace(low, high, 21))
    places = np.stack([across, up], axis=-1).reshape(-1, 2)
    nearest = LABELS[((places[:, None] - stars) ** 2).sum(axis=-1).argmin(axis=1)]
    shades = np.asarray(image.get_array()).reshape(-1, 4)[:, :3]
    for k in np.unique(nearest):
        assert len(np.unique(shades[nearest == k], axis=0)) == 1


def test_each_prototype_has_its_own_space():
    asked = model(LOCAL)
    (ax,) = plots.adapted_space(asked, X, Y, prototype=2).axes
    samples, stars = dots(ax)
    squares = ((samples - stars[2]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(squares, np.asarray(asked.distances(X))[:, 2], rtol=1e-4, atol=1e-4)


@pytest.mark.nightly
def test_none_of_these_is_gray_and_called_so():
    plane = X[:, :2]
    asked = model(pz.metrics.SquaredEuclidean(), POINTS[:, :2]).open_set(plane, 0.3)
    (ax,) = plots.decision_regions(asked, plane, Y, class_names=CLASSES, cells=21).axes
    assert legend(ax)[:4] == [*CLASSES, "none of these"]
    shades = np.asarray(ax.images[0].get_array()).reshape(-1, 4)
    assert (shades[:, :3] == 0.6).all(axis=1).any()
    clusters = pz.PrototypeModel(
        pz.Prototypes(plane[:3]), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    (ax,) = plots.decision_regions(clusters, plane, cells=21).axes
    shown = ax.get_legend()
    assert shown is not None and shown.get_title().get_text() == "cluster"


def test_profiles_are_the_prototypes():
    asked = model()
    plain = plots.profiles(asked, feature_names=FEATURES, class_names=CLASSES).axes[0]
    lines = [line for line in plain.lines if len(line.get_xdata()) == D]
    np.testing.assert_allclose([line.get_ydata() for line in lines], POINTS, rtol=1e-6)
    assert [tick.get_text() for tick in plain.get_xticklabels()] == FEATURES
    assert lines[0].get_color().tolist() == lines[1].get_color().tolist()
    scaled = plots.profiles(asked, X, Y).axes[0]
    lines = [line for line in scaled.lines if len(line.get_xdata()) == D]
    expected = (POINTS - X.mean(axis=0, dtype=float)) / X.std(axis=0, dtype=float)
    np.testing.assert_allclose([line.get_ydata() for line in lines], expected, rtol=1e-4)
    assert len(scaled.collections) == 3


def test_curves_are_the_prototypes_with_their_samples_behind():
    series = RNG.normal(size=(12, 7, 2)).astype(np.float32)
    asked = model(pz.metrics.SquaredEuclidean(), series[:4])
    times = np.linspace(0, 1, 7)
    y = np.arange(12) % 3
    figure = plots.curves(asked, series, y, times, CLASSES, ["left", "right"])
    assert [ax.get_title() for ax in figure.axes] == CLASSES
    for k, ax in enumerate(figure.axes):
        thick = [line.get_ydata() for line in ax.lines if line.get_linewidth() > 1]
        own = np.moveaxis(series[:4][k == LABELS], -1, 1).reshape(-1, 7)
        np.testing.assert_array_equal(thick, own)
        assert len(ax.lines) == len(thick) + 2 * np.sum(y == k)
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), times)
    one = model(pz.metrics.SquaredEuclidean(), series[:4, :, 0])
    assert len(plots.curves(one).axes) == 3
    for options, message in (
        ({"times": times[:2]}, r"`times` must have shape \(7,\), got \(2,\)"),
        ({"channel_names": ["a"]}, "`channel_names` must be those of the 2 channels"),
    ):
        with pytest.raises(ValueError, match=message):
            plots.curves(asked, **options)


def test_bars_are_sorted_relevances():
    asked = model()
    for x, expected, which in (
        (X, asked.relevances(X), "λ·variance: share of δ on data"),
        (None, asked.relevance_diagonal(), "λ: share of the trace of Λ"),
    ):
        (ax,) = plots.relevance_bars(asked, x, top=2, feature_names=FEATURES).axes
        order = np.argsort(-np.asarray(expected))
        widths = [bar.get_width() for bar in ax.patches]
        np.testing.assert_allclose(widths, np.asarray(expected)[order], rtol=1e-6)
        shown = [tick.get_text() for tick in ax.get_yticklabels()]
        assert shown == [FEATURES[order[0]], FEATURES[order[1]], "1 others"]
        assert ax.get_xlabel() == which
        assert plots.relevance_matrix(asked, x=x).axes[1].get_ylabel() == which


def test_the_spectrum_is_that_of_the_matrix():
    values = np.linalg.eigvalsh(OMEGA.astype(float) @ OMEGA.T)[::-1]
    (ax,) = plots.relevance_spectrum(model()).axes
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, values / values.sum(), atol=1e-6)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.cumsum(values / values.sum()), atol=1e-6)
    local = plots.relevance_spectrum(model(LOCAL), CLASSES).axes[0]
    assert len(local.lines) == 4 and legend(local) == CLASSES


def test_rows_of_local_relevances_are_prototypes():
    asked = model(LOCAL)
    ax = plots.local_relevances(asked, FEATURES, CLASSES).axes[0]
    shown = ax.images[0].get_array()
    np.testing.assert_allclose(shown, asked.relevance_diagonal(per_prototype=True))
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0: cat", "1: cat", "2: dog", "3: cow"]


def test_bars_are_bandwidths_and_lines_distances():
    widths = np.array([0.5, 1.0, 1.5, 2.0])
    kernel = pz.metrics.GaussianKernel.with_bandwidths(pz.metrics.SquaredEuclidean(), widths)
    asked = model(kernel)
    (ax,) = plots.kernel_widths(asked, X, CLASSES).axes
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], widths, rtol=1e-6)
    distances = np.linalg.norm(X[:, None] - POINTS, axis=-1)
    won = np.asarray(asked.distances(X)).argmin(axis=1)
    for line in ax.lines[::2]:
        j = line.get_ydata()[0]
        expected = np.quantile(distances[won == j, j], [0.1, 0.9])
        np.testing.assert_allclose(line.get_xdata(), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ({"loss": [3, 2, 1]}, 3),
        ({"loss": [3, 2, 1], "validation_loss": [3, 1, 2]}, 2),
        ({"loss": [3, 2, 1], "final_loss": [1, np.nan, 2]}, 1),
        ({"loss": []}, None),
    ],
)
def test_the_best_epoch_is_the_monitored_one(losses, best):
    losses = {name: np.array(values, float) for name, values in losses.items()}
    fit = pz.training.Fit(model(), losses, 3, pz.training.Reason.MAX_EPOCHS)
    for given in (losses, fit):
        ax = plots.history(given).axes[0]
        assert [f"best epoch: {best}"] * (best is not None) == legend(ax)[len(losses) :]


def test_the_reject_curve_is_the_accuracy_of_what_is_kept():
    asked = model()
    y = np.where(np.arange(30) < 6, (Y + 1) % 3, Y)
    (ax,) = plots.accuracy_reject(asked, X, y, "mine", thresholds=[0.2]).axes
    rejected, accuracy = ax.lines[0].get_data()
    sure = np.asarray(asked.confidence(X))
    right = np.asarray(asked.predict(X)) == y
    expected = sorted({(float(np.mean(sure < t)), float(right[sure >= t].mean())) for t in sure})
    np.testing.assert_allclose(np.stack([rejected, accuracy], axis=1), expected, rtol=1e-6)
    kept = np.asarray(asked.predict_with_reject(X, 0.2)) >= 0
    (dot,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(
        np.ravel(dot.get_data()), [1 - kept.mean(), right[kept].mean()], rtol=1e-6
    )
    ideal = ax.lines[1].get_ydata()
    assert ideal[0] == right.mean() and ideal[-1] == 1 and legend(ax)[0] == "mine"


@pytest.mark.parametrize("top", [2, 10])
def test_bars_of_an_explanation_add_up(top):
    asked = model()
    (ax,) = plots.explanation(asked, X[5], 3, top, FEATURES, CLASSES).axes
    found = contributions(asked, X[5:6], 3, per_class=True)
    for bars, delta, entry in zip(ax.containers, found.distances[0], legend(ax), strict=True):
        total = sum(bar.get_width() for bar in bars)
        np.testing.assert_allclose(total, delta, rtol=1e-5)
        assert f"δ = {delta:.4g}" in entry
    shown = [tick.get_text() for tick in ax.get_yticklabels()]
    assert shown[-1] == "1 others" if top == 2 else sorted(shown) == sorted(FEATURES)
    assert ax.get_title().startswith(f"class {CLASSES[int(asked.predict(X[5:6])[0])]}")


@pytest.mark.nightly
def test_pictures_go_where_they_are_told():
    figure = Figure()
    for draw in (
        lambda ax: plots.adapted_space(model(), X, Y, ax=ax),
        lambda ax: plots.decision_regions(model(), X, ax=ax, cells=21),
        lambda ax: plots.profiles(model(), ax=ax),
        lambda ax: plots.relevance_bars(model(), ax=ax),
        lambda ax: plots.relevance_spectrum(model(), ax=ax),
        lambda ax: plots.local_relevances(model(LOCAL), ax=ax),
        lambda ax: plots.history({"loss": np.ones(3)}, ax=ax),
        lambda ax: plots.accuracy_reject(model(), X, Y, ax=ax),
        lambda ax: plots.explanation(model(), X[0], ax=ax),
        lambda ax: plots.graph(model(), X, Y, ax=ax),
    ):
        ax = figure.add_subplot()
        assert draw(ax) is figure
        assert ax.has_data() or ax.images
        figure.clear()


def test_what_cannot_be_drawn_is_refused():
    line = pz.metrics.Omega(jnp.asarray(OMEGA[:, :1]))
    behind = model(encoder=lambda x: 2 * x)
    images = model(pz.metrics.SquaredEuclidean(), RNG.normal(size=(4, 2, 2, 3)))
    for draw, message in (
        (lambda: plots.adapted_space(model(line), X), "samples lie on a line in the adapted space"),
        (lambda: plots.adapted_space(model(LOCAL), X), "`prototype` is missing: LocalOmega"),
        (lambda: plots.adapted_space(model(LOCAL), X, prototype=4), "one of 0…3, got 4"),
        (lambda: plots.decision_regions(model(), X, features=(0, 3)), "two of the features 0…2"),
        (lambda: plots.decision_regions(model(), X, features=(1, 1)), "two of the features 0…2"),
        (lambda: plots.decision_regions(model(), X, class_names=["a"]), "those of the 3 classes"),
        (
            lambda: plots.decision_regions(model(), X, features=(0, 1), feature_names=["a"]),
            "those of the 3 features",
        ),
        (lambda: plots.decision_regions(model(), X, threshold=2), "`threshold` is a confidence"),
        (lambda: plots.profiles(behind), "the output space of its function"),
        (lambda: plots.profiles(images), "draws rows of features"),
        (lambda: plots.curves(images), r"draws series `\(time,\)`"),
        (lambda: plots.local_relevances(model()), "Omega has one map for all of them"),
        (lambda: plots.relevance_bars(model(pz.metrics.Cosine())), "no linear adaptation"),
        (lambda: plots.kernel_widths(model()), "Omega has no bandwidths"),
        (lambda: plots.accuracy_reject(model(), X, Y + 1), "class"),
        (lambda: plots.explanation(model(pz.metrics.Cosine()), X[0]), "quadratic metric"),
    ):
        with pytest.raises(ValueError, match=message):
            draw()


def test_a_model_whose_numbers_are_none_has_no_picture():
    asked = model()
    points = asked.prototypes.points.at[0, 0].set(np.nan)
    broken = eqx.tree_at(lambda m: m.prototypes.points, asked, points)
    for name in ("adapted_space", "decision_regions", "relevance_map", "accuracy_reject"):
        given = {"x": X, "y": Y} if name == "accuracy_reject" else {"x": X}
        with pytest.raises(ValueError, match="parameters that are NaN or infinite"):
            getattr(plots, name)(broken, **given)
    for name in ("profiles", "curves", "prototype_images", "relevance_bars", "relevance_matrix"):
        with pytest.raises(ValueError, match="parameters that are NaN .* no picture"):
            getattr(plots, name)(broken)


def test_what_would_be_ignored_or_means_nothing_is_refused_by_name(unchecked):
    asked, local = model(), model(LOCAL)
    plane = model(pz.metrics.SquaredEuclidean(), POINTS[:, :2]).open_set(X[:, :2])
    flat = model(pz.metrics.SquaredEuclidean(), RNG.normal(size=(4, 12)))
    space = pz.manifolds.SPD(2)
    points = np.asarray(space.random_points(jax.random.key(0), 4))
    ellipses = pz.PrototypeModel(
        pz.Prototypes(points, LABELS, space), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    series = model(pz.metrics.SquaredEuclidean(), RNG.normal(size=(4, 7)))
    som = pz.zoo.SOM(X, key=0, grid=(2, 2))
    shape, bounds = (3.0, 4.0), {"shape": (3, 4)}
    for draw, message in (
        # What a shared metric has no use for, and samples that are not there.
        (lambda: plots.adapted_space(asked, X, prototype=99), "`prototype`: Omega has one space"),
        (lambda: plots.decision_regions(asked, X, prototype=0), "`prototype`: Omega has one"),
        (
            lambda: plots.decision_regions(local, X, features=(0, 1), prototype=0),
            "`prototype` says whose adapted space",
        ),
        (lambda: plots.decision_regions(asked, X, at=X[0]), "`at` is where features are held"),
        (
            lambda: plots.decision_regions(asked, X, feature_names=list("abcd")),
            "`feature_names` are written along two `features`",
        ),
        (lambda: plots.relevance_spectrum(asked, CLASSES), "`class_names` are those of lines"),
        (lambda: plots.profiles(asked, y=Y), "`y` are the classes of `x`, which is missing"),
        (lambda: plots.curves(series, y=Y), "`y` are the classes of `x`, which is missing"),
        (lambda: plots.covariance_ellipses(ellipses, y=Y), "`y` are the classes of `x`"),
        (lambda: plots.graph(asked, X, class_names=CLASSES), "`class_names` are those of the"),
        # Other kinds and ranges.
        *(
            (lambda p=p: plots.adapted_space(local, X, prototype=p), "`prototype` must be")
            for p in ("a", 1.5, np.nan, -1)
        ),
        (lambda: plots.adapted_space(3, X), "`model` must be of kind PrototypeModel, got 3"),
        (lambda: plots.decision_regions(asked, X, features=(0, 0.5)), "`features` must be a list"),
        (lambda: plots.decision_regions(asked, X, features="ab"), "`features` must be a list"),
        (lambda: plots.component_planes(som, features=[0.5]), "`features` must be a list"),
        (lambda: plots.component_planes(som, features=3), "`features` must be a list"),
        (lambda: plots.relevance_matrix(asked, ["a"]), "`feature_names` must be those of the 3"),
        (lambda: plots.visible_region(plane, X[:, :2], feature_names=["a"]), "those of the 2"),
        (lambda: plots.visible_region(plane, X[:, :2], Y[:5]), "`y` must have one label"),
        (lambda: plots.prototype_images(flat, shape), "`shape` must be a tuple"),
        (lambda: plots.prototype_images(flat, (-3, -4)), r"`shape` \(-3, -4\) is no image"),
        (lambda: plots.prototype_images(flat, vmin="a", **bounds), "`vmin` must be a number"),
        (lambda: plots.prototype_images(flat, vmax=np.nan, **bounds), "`vmax` must be a number"),
        (lambda: plots.prototype_images(flat, vmax=np.inf, **bounds), "`vmax` must be finite"),
        (lambda: plots.accuracy_reject(asked, X, Y, thresholds=["a"]), "`thresholds` must hold"),
        (lambda: plots.accuracy_reject(asked, X, Y, thresholds=[2]), r"must lie in \[0, 1\]"),
        (lambda: plots.curves(series, times="ab"), "`times` must hold numbers"),
        (lambda: plots.history(3), "`losses` must be"),
        (lambda: plots.history({"loss": "ab"}), r"`losses\['loss'\]` must hold numbers"),
        (lambda: plots.prequential(3), "`results` must be"),
        (lambda: plots.prequential({"a": 3}), r"`results\['a'\]` must be of kind Prequential"),
        (lambda: plots.settling(3), "`how` must be of kind Settling"),
        (lambda: plots.layer_map(3), "`layers` must be of kind LayerMap"),
        (lambda: plots.evaluation(3), "`of` must be of kind Evaluation"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            draw()
    # Arrays are lists.
    plots.decision_regions(asked, X, features=np.array([0, 1]), cells=3)
    plots.accuracy_reject(asked, X, Y, thresholds=np.array([0.5]))


def test_an_old_name_of_an_argument_is_taken_with_a_warning():
    """`names` meant classes here and features there."""
    asked = model()
    with pytest.warns(DeprecationWarning, match="`names` of `relevance_matrix` is now called"):
        old = plots.relevance_matrix(asked, names=FEATURES)
    new = plots.relevance_matrix(asked, feature_names=FEATURES)
    shown = [[tick.get_text() for tick in f.axes[0].get_yticklabels()] for f in (old, new)]
    assert shown[0] == shown[1] == FEATURES
    with pytest.raises(TypeError, match="old name of `feature_names`: give one"):
        plots.relevance_matrix(asked, names=FEATURES, feature_names=FEATURES)
    with pytest.warns(DeprecationWarning, match="`names` of `evaluate` is now called"):
        assert list(pz.evaluate(asked, X, Y, names=CLASSES).classes) == CLASSES


@pytest.mark.parametrize("name", plots.__all__)
def test_one_thing_has_one_name(name):
    assert "names" not in inspect.signature(getattr(plots, name)).parameters


def test_the_page_of_pictures_names_all_of_them():
    page = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text()
    assert [name for name in plots.__all__ if name not in page] == []


@pytest.mark.nightly
def test_the_page_about_choosing_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "choosing.md", "exec"), {})
    accuracies = [float(line.split()[-3]) for line in capsys.readouterr().out.splitlines()]
    assert len(accuracies) == 3 and min(accuracies) > 0.9


@pytest.mark.parametrize("page", ["choosing.md", "coming_from.md"])
def test_names_on_the_pages_exist(page):
    """Rows, and dotted names of the library."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    for name in re.findall(r"pz\.([\w.]+)", text):
        thing = pz
        for part in name.split("."):
            thing = getattr(thing, part)
