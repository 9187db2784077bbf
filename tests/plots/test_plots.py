"""Pictures show what the numbers are."""

import inspect

import numpy as np
import pytest
from zoo import images

import protozoo as pz
from protozoo.plots._figures import new_figure
from protozoo.plots._training import draw_prototypes


RNG = np.random.default_rng(0)


def model(points, labels=(0, 0, 1), **parts) -> pz.PrototypeModel:
    prototypes = pz.Prototypes(
        np.asarray(points, np.float32), None if labels is None else np.array(labels)
    )
    return pz.PrototypeModel(prototypes, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ(), **parts)


def drawn(figure) -> list[np.ndarray]:
    """The images as a screen shows them: numbers from 0 to 1, gray or in colours."""
    shown = []
    for ax in figure.axes:
        (image,) = ax.images
        array = np.ma.filled(image.get_array(), np.nan)
        shown.append(
            1 - image.norm(array)
            if array.ndim == 2
            else array[..., :3] / (255 if array.dtype == np.uint8 else 1)
        )
    return [np.asarray(one, float) for one in shown]


def test_all_images_have_one_scale():
    """A faint prototype looks faint beside a strong one."""
    points = np.array([0.1, 1.0, 10.0])[:, None, None] * RNG.uniform(size=(3, 4, 5))
    low, high = points.min(), points.max()
    for shown, point in zip(drawn(pz.plots.prototype_images(model(points))), points, strict=True):
        np.testing.assert_allclose(shown, 1 - (point - low) / (high - low), atol=1e-6)
    for shown, point in zip(
        drawn(pz.plots.prototype_images(model(points), vmin=0, vmax=20)), points, strict=True
    ):
        np.testing.assert_allclose(shown, 1 - point / 20, atol=1e-6)
    constant = drawn(pz.plots.prototype_images(model(np.full((3, 2, 2), 7))))
    assert all(np.all(one == 1) for one in constant)


@pytest.mark.parametrize("channels", [(), (1,)], ids=str)
@pytest.mark.parametrize("flat", [True, False])
def test_gray_images_are_gray_however_they_are_stored(channels, flat):
    points = RNG.normal(size=(3, 4, 5))
    expected = drawn(pz.plots.prototype_images(model(points)))
    stored = points.reshape(3, -1) if flat else points.reshape(3, 4, 5, *channels)
    for a, b in zip(
        drawn(pz.plots.prototype_images(model(stored), (4, 5, *channels))), expected, strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_themselves(top, channels):
    """In 0…1 and in 0…255, also where prototypes have left the range a little."""
    colours = RNG.uniform(0.2, 0.7, size=(3, 4, 5, channels))
    for shown, expected in zip(
        drawn(pz.plots.prototype_images(model(top * colours))), colours, strict=True
    ):
        np.testing.assert_allclose(shown, expected[..., :3], atol=1e-6)
    beyond = 1.1 * colours / colours.max() - 0.05
    for shown, expected in zip(
        drawn(pz.plots.prototype_images(model(top * beyond))), beyond, strict=True
    ):
        np.testing.assert_allclose(shown, expected[..., :3].clip(0, 1), atol=1e-6)


@pytest.mark.parametrize(("move", "stretch"), [(-0.5, 4), (0, 3), (1000, 1), (0, 1e-6)])
def test_other_colours_share_their_range(move, stretch):
    colours = move + stretch * RNG.uniform(size=(3, 4, 5, 3))
    low, high = np.float32(colours).min(), np.float32(colours).max()
    for shown, point in zip(
        drawn(pz.plots.prototype_images(model(colours))), np.float32(colours), strict=True
    ):
        np.testing.assert_allclose(shown, (point - low) / (high - low), atol=1e-5)
    for shown, point in zip(
        drawn(pz.plots.prototype_images(model(colours), vmin=0, vmax=6)), colours, strict=True
    ):
        np.testing.assert_allclose(shown, (point / 6).clip(0, 1), atol=1e-5)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)], ids=str)
def test_a_live_picture_shows_the_same(channels):
    points = 200 * RNG.uniform(size=(3, 4, 5, *channels))
    one = drawn(pz.plots.prototype_images(model(points)))
    figure, axes = new_figure(1, 1)
    draw_prototypes(axes[0, 0], model(points), np.eye(2))
    (page,) = drawn(figure)
    for shown, row, column in zip(one, (0, 0, 5), (0, 6, 0), strict=True):
        np.testing.assert_allclose(page[row : row + 4, column : column + 5], shown, atol=1e-6)


def test_classes_are_rows_and_clusters_a_square():
    figure = pz.plots.prototype_images(
        model(RNG.normal(size=(3, 2, 2))), class_names=["cat", "dog"]
    )
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["cat", "", "dog"]
    clusters = model(RNG.normal(size=(7, 2, 2)), None)
    places = [ax.get_subplotspec() for ax in pz.plots.prototype_images(clusters).axes]
    assert [
        (place.rowspan.start, place.colspan.start) for place in places if place is not None
    ] == [(i // 3, i % 3) for i in range(7)]


def test_prototypes_of_a_siamese_model_are_images(key):
    x, y = images()
    siamese = pz.zoo.ImageGLVQ(x, y, key=key, channels=(4,), latent_dim=4)
    assert [one.shape for one in drawn(pz.plots.prototype_images(siamese))] == [(6, 6)] * 3


def test_what_is_no_image_is_refused(key):
    flat, square = model(RNG.normal(size=(3, 12))), model(RNG.normal(size=(3, 2, 2)))
    behind = model(RNG.normal(size=(3, 12)), encoder=pz.backbones.MLP((5, 12), key=key))
    for plot, message in (
        (
            lambda: pz.plots.prototype_images(flat),
            r"`shape` is missing: a prototype is stored as \(12,\)",
        ),
        (
            lambda: pz.plots.prototype_images(flat, (3, 5)),
            r"`shape` \(3, 5\) is no image of the 12 numbers of a prototype",
        ),
        (lambda: pz.plots.prototype_images(flat, (12,)), r"`shape` \(12,\) is no image"),
        (lambda: pz.plots.prototype_images(flat, (-3, -4)), r"`shape` \(-3, -4\) is no image"),
        (
            lambda: pz.plots.prototype_images(flat, (1, 2, 2, 3)),
            r"`shape` \(1, 2, 2, 3\) is no image",
        ),
        (
            lambda: pz.plots.prototype_images(flat, (2, 3, 2)),
            r"1 channel \(gray\), 3 \(RGB\) or 4 \(RGBA\), not 2",
        ),
        (
            lambda: pz.plots.prototype_images(square, (2, 3)),
            r"`shape` \(2, 3\) is no image of the 4 numbers of a prototype",
        ),
        (
            lambda: pz.plots.prototype_images(behind, (3, 4)),
            "they live in the output space of its MLP",
        ),
        (
            lambda: pz.plots.prototype_images(square, class_names=["a"]),
            "`class_names` must be those of the 2 classes, got 1 of them",
        ),
        (
            lambda: pz.plots.prototype_images(square, vmin=1, vmax=1),
            "`vmin` must be less than `vmax`, got 1 and 1",
        ),
        (
            lambda: pz.plots.prototype_images(
                model(RNG.normal(size=(3, 2, 2)), None), class_names=["a", "b", "c"]
            ),
            "`class_names` must be those of the 0 classes",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            plot()


@pytest.mark.parametrize("shape", [12, (3.0, 4.0), "ab"])
def test_a_shape_is_of_integers(shape):
    from protozoo.plots._images import image_shape

    # As users have it, whose arguments nobody looks at before.
    with pytest.raises(TypeError, match="`shape` must be a tuple of integers, got"):
        inspect.unwrap(image_shape)(shape, (12,), "a prototype")
