"""What is certified is true, and cannot be improved where it is called exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from decided import LABELS, LOCAL, OMEGA, POINTS, RELEVANCE, TANGENT, X, Y, model
from scipy.optimize import linprog, minimize

import protozoo as pz
from protozoo.testing import check_loss
from protozoo.trust import certified_accuracy, certify


NORMS = (1, 2, np.inf)
REASONS = np.random.default_rng(5).normal(0, 2, (3, 9, 2)).astype(np.float32)
OLD_REASONS = np.random.default_rng(6).uniform(size=(3, 9, 2)).astype(np.float32)


def decisions(x: np.ndarray, points: np.ndarray, omega: np.ndarray, labels: np.ndarray):
    """The class of the nearest prototype, by definition and in float64."""
    delta = (((x[..., None, :] - points) @ omega) ** 2).sum(axis=-1)
    return labels[delta.argmin(axis=-1)]


# Exact radii.


@pytest.mark.parametrize("norm", NORMS)
def test_no_direction_of_the_plane_is_shorter_than_the_exact_radius(norm):
    rng = np.random.default_rng(3)
    points, x = rng.normal(size=(9, 2)), rng.normal(size=(8, 2))
    omega = np.array([[1.0, 0.4], [-0.3, 0.7]])
    points, x, omega = (a.astype(np.float32) for a in (points, x, omega))
    found = certify(model(pz.metrics.Omega(omega), points), x, norm=norm)
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ways /= np.linalg.norm(ways, norm, axis=1, keepdims=True)
    for sample, radius in zip(x.astype(float), found.radii, strict=True):
        own = decisions(sample, points.astype(float), omega.astype(float), LABELS)
        times = radius * np.concatenate([np.linspace(0, 1 - 1e-6, 25), [1.003]])
        seen = decisions(
            sample + times[None, :, None] * ways[:, None],
            points.astype(float),
            omega.astype(float),
            LABELS,
        )
        assert (seen[:, :-1] == own).all()
        assert (seen[:, -1] != own).any()


def by_scipy(x, points, matrix, own, norm) -> float:
    """The least of all shortest steps into the region of another prototype, by SLSQP or HiGHS."""
    d, found = len(x), []
    for j in np.flatnonzero(LABELS != own):
        w = points[LABELS == own]
        rows = 2 * (points[j] - w) @ matrix
        at = np.einsum("md,de,me->m", w, matrix, w) - points[j] @ matrix @ points[j]
        sides = -at - rows @ x
        if norm == 2:
            start = points[j] - x
            fit = minimize(
                lambda v: v @ v,
                start,
                jac=lambda v: 2 * v,
                constraints={
                    "type": "ineq",
                    "fun": lambda v, a=rows, b=sides: a @ v - b,
                    "jac": lambda v, a=rows: a,
                },
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            # 8: nothing better can be told from rounding.
            assert fit.status in (0, 8) and (rows @ fit.x >= sides - 1e-8).all()
            found.append(np.sqrt(fit.fun))
            continue
        bounds = [(None, None)] * d
        if norm == 1:
            cost, more = np.r_[np.zeros(d), np.ones(d)], -np.eye(d)
        else:
            cost, more = np.r_[np.zeros(d), 1.0], -np.ones((d, 1))
        zeros = np.zeros((len(rows), more.shape[1]))
        upper = np.block([[-rows, zeros], [np.eye(d), more], [-np.eye(d), more]])
        fit = linprog(
            cost,
            A_ub=upper,
            b_ub=np.r_[-sides, np.zeros(2 * d)],
            bounds=bounds + [(0, None)] * more.shape[1],
        )
        assert fit.success
        found.append(fit.fun)
    return min(found)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("metric", [None, OMEGA, RELEVANCE], ids=["plain", "omega", "relevance"])
def test_the_exact_radius_is_that_of_scipy(metric, norm):
    asked = model(metric)
    matrix = np.asarray(asked.relevance_matrix(), float)
    found = certify(asked, X[:8], norm=norm)
    for x, own, radius in zip(X[:8].astype(float), found.predictions, found.radii, strict=True):
        expected = by_scipy(x, POINTS.astype(float), matrix, own, norm)
        np.testing.assert_allclose(radius, expected, rtol=2e-6)


def flipped_beyond(asked, x, found) -> np.ndarray:
    """Whether decisions are others a thousandth of the radius beyond the attack. The region of its
    rival is convex, so that the way leads to the rival itself: straight on, it might be left
    again."""
    inward = np.asarray(asked.in_data_units(), float)[found.rivals] - found.attacks
    share = 1e-3 * found.distances / np.linalg.norm(inward, found.norm, axis=1)
    beyond = (found.attacks + share[:, None] * inward).astype(np.float32)
    far = np.linalg.norm(beyond.astype(float) - x, found.norm, axis=1)
    assert (far <= found.radii * (1 + 1.1e-3) + 1e-6 * np.abs(x).max()).all()
    return np.asarray(asked.predict(beyond)) != found.predictions


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("metric", [None, OMEGA, RELEVANCE], ids=["plain", "omega", "relevance"])
def test_methods_are_bounds_of_each_other_and_attacks_are_real(metric, norm):
    asked = model(metric)
    exact, planes, margin = (
        certify(asked, X, norm=norm, method=m) for m in ("exact", "planes", "margin")
    )
    assert (margin.radii <= planes.radii * (1 + 1e-9)).all()
    assert (planes.radii <= exact.radii * (1 + 1e-9)).all()
    np.testing.assert_allclose(exact.radii, exact.distances, rtol=1e-7)
    assert exact.attacks is not None
    change = exact.attacks - X
    np.testing.assert_allclose(np.linalg.norm(change, norm, axis=1), exact.distances, rtol=1e-6)
    assert flipped_beyond(asked, X, exact).all()
    # There, its rival is as near as the nearest prototype of the own class.
    delta = np.asarray(asked.distances(exact.attacks.astype(np.float32)), float)
    own = np.where(LABELS == exact.predictions[:, None], delta, np.inf).min(axis=1)
    np.testing.assert_allclose(delta[np.arange(len(X)), exact.rivals], own, rtol=1e-4, atol=1e-5)
    if norm == 2:  # a single prototype for each class: planes are all there is
        single = model(metric, POINTS[::3], [0, 1, 2])
        np.testing.assert_allclose(
            certify(single, X).radii, certify(single, X, method="planes").radii, rtol=1e-9
        )


def nothing_flips(asked: pz.PrototypeModel, x: np.ndarray, radii: np.ndarray, norm: float) -> None:
    """Random changes within the radius, many of them at corners of the ball."""
    rng = np.random.default_rng(1)
    own = np.asarray(asked.predict(x))
    for k in range(24):
        way = rng.normal(size=x.shape)
        if k % 2:
            way = np.sign(way) * (rng.random(x.shape) < (0.3 if norm == 1 else 1))
        size = np.linalg.norm(way.reshape(len(x), -1), norm, axis=1)
        way /= np.where(size > 0, size, 1).reshape(-1, *[1] * (x.ndim - 1))
        step = (radii * (1 - 1e-4) * rng.choice([1.0, 0.7])).reshape(-1, *[1] * (x.ndim - 1))
        moved = (x + np.where(np.isfinite(step), step, 10.0) * way).astype(np.float32)
        np.testing.assert_array_equal(asked.predict(moved), own)


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_within_the_exact_radius_flips_a_decision(norm):
    asked = model(OMEGA)
    nothing_flips(asked, X, certify(asked, X, norm=norm).radii, norm)


class Stretched(eqx.Module):
    """An encoder that says how far it moves points apart."""

    known: bool = True

    def __call__(self, x):
        return 3 * jnp.sin(x)

    def lipschitz(self):
        return 3.0 if self.known else None


MARGINS = {
    "local": lambda: model(LOCAL),
    "tangent": lambda: model(TANGENT),
    "sum of absolutes": lambda: model(pz.metrics.LpNorm(1.0)),
    "largest": lambda: model(pz.metrics.LpNorm(np.inf)),
    "network": lambda: model(OMEGA, encoder=pz.backbones.MLP((4, 6, 4), key=0)),
    "siamese": lambda: model(encoder=Stretched(), encode_prototypes=True),
    "scaled": lambda: model(LOCAL, scale=pz.backbones.Whitening.from_data(X * [1, 5, 0.2, 3])),
    "scaled norm": lambda: model(
        pz.metrics.LpNorm(3.0), scale=pz.backbones.Whitening.from_data(X * [1, 5, 0.2, 3])
    ),
    "components": lambda: model(LOCAL, loss=pz.losses.StableCBC(REASONS, bandwidth=3.0)),
    "components behind a network": lambda: model(
        loss=pz.losses.CBC(OLD_REASONS, variance=2.0), encoder=Stretched()
    ),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", MARGINS)
def test_nothing_within_the_margin_flips_a_decision(name, norm):
    asked = MARGINS[name]()
    found = certify(asked, X, norm=norm, method="margin")
    assert np.median(found.radii) > 0 and found.attacks is None
    nothing_flips(asked, X, found.radii, norm)


def test_the_margin_is_half_the_difference_of_the_two_nearest():
    asked = model()
    root = np.sqrt(((X[:, None].astype(float) - POINTS) ** 2).sum(axis=-1))
    own = np.asarray(asked.predict(X))
    mine = np.where(LABELS == own[:, None], root, np.inf).min(axis=1)
    other = np.where(LABELS == own[:, None], np.inf, root).min(axis=1)
    for norm, constant in ((1, 1), (2, 1), (np.inf, 2)):
        found = certify(asked, X, norm=norm, method="margin").radii
        np.testing.assert_allclose(found, (other - mine) / 2 / constant, rtol=1e-12, atol=1e-12)
    # In the seminorm of the metric, it is attained on the line between two prototypes.
    pair = model(points=np.array([[0.0, 0.0], [2.0, 0.0]], np.float32), labels=[0, 1])
    on_line = np.array([[-1.0, 0.0], [0.25, 0.0]], np.float32)
    for method in ("margin", "exact"):
        np.testing.assert_allclose(certify(pair, on_line, method=method).radii[1], 0.75)


# Decisions by components.


def agreements(x: np.ndarray, points: np.ndarray, loss) -> np.ndarray:
    """By definition: whatever is wanted is detected, and whatever is unwanted is not."""
    far = np.sqrt(((x[..., None, :] - points) ** 2).sum(axis=-1))
    if isinstance(loss, pz.losses.CBC):
        seen = np.exp(-(far**2) / (2 * float(loss.variance)))
        wanted, against = np.moveaxis(np.asarray(loss.reasoning, float), -1, 0)
        unwanted = (1 - wanted) * against
    else:
        seen = np.exp(-far / float(loss.bandwidth))
        raw = np.exp(np.asarray(loss.log_reasoning, float))
        wanted, unwanted = np.moveaxis(raw / raw.sum(axis=(1, 2), keepdims=True), -1, 0)
    share = (wanted + unwanted).sum(axis=1)
    return (seen @ wanted.T + (1 - seen) @ unwanted.T) / share


COMPONENTS = {
    "StableCBC": pz.losses.StableCBC(REASONS, bandwidth=0.8),
    "RobustStableCBC": pz.losses.RobustStableCBC(REASONS, bandwidth=0.8),
    "CBC": pz.losses.CBC(OLD_REASONS, variance=0.5),
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_no_point_of_the_plane_within_the_radius_agrees_more_with_another_class(name):
    rng = np.random.default_rng(3)
    points, x = (rng.normal(size=(n, 2)).astype(np.float32) for n in (9, 12))
    asked = model(points=points, loss=COMPONENTS[name])
    found = certify(asked, x, method="margin")
    assert (found.radii > 0).all() and np.isfinite(found.radii).any()
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shares = np.linspace(0, 1 - 1e-6, 25)
    beyond = []
    for sample, radius in zip(x.astype(float), found.radii, strict=True):
        lengths = min(radius, 50.0) * np.append(shares, 6.0)
        reached = sample + lengths[:, None, None] * ways[None]
        best = agreements(reached, points.astype(float), asked.loss).argmax(axis=-1)
        assert (best[:-1] == best[0, 0]).all()
        beyond.append((best[-1] != best[0, 0]).any())
    assert np.mean(beyond) > 0.25  # radii are no smaller than they have to be by orders


def test_where_one_component_decides_the_radius_is_attained():
    """Between two classes, of which one wants what the other does not, the border is the sphere on
    which the component is detected with probability one half."""
    reasons = np.log([[[0.8, 0.2]], [[0.2, 0.8]]]).astype(np.float32)
    border = 0.7 * np.log(2)
    x = np.array([[0.1, 0.0], [0.0, 0.3], [0.6, 0.8], [3.0, 0.0]], np.float32)
    size = np.linalg.norm(x.astype(float), axis=1)
    for loss in (pz.losses.StableCBC, pz.losses.RobustStableCBC):
        asked = model(points=np.zeros((1, 2)), labels=None, loss=loss(reasons, bandwidth=0.7))
        found = certify(asked, x, method="margin")
        np.testing.assert_array_equal(found.predictions, (size > border).astype(int))
        np.testing.assert_allclose(found.radii, np.abs(size - border), rtol=1e-5)
        step = x * ((border - size) / size * (1 + 1e-4))[:, None]
        np.testing.assert_array_equal(
            asked.predict((x + step).astype(np.float32)), 1 - found.predictions
        )


def test_the_loss_of_components_is_what_the_closed_form_of_the_radius_lacks(x64):
    """It is the certificate, but for the latter's knowledge that no probability exceeds one."""
    loss = pz.losses.RobustStableCBC(REASONS.astype(float), margin=0.4, bandwidth=3.0)
    asked, x = model(points=POINTS.astype(float), loss=loss), X.astype(float)
    found = certify(asked, x, method="margin")
    delta = asked.distances(x)
    closed = np.asarray(loss.radii(delta, jnp.asarray(found.predictions)))
    assert (closed > 0).all() and (closed <= found.radii + 1e-12).all()
    far = np.sqrt(np.asarray(delta)).min(axis=1) >= found.radii
    assert 3 < far.sum()
    np.testing.assert_allclose(closed[far], found.radii[far], rtol=1e-9)
    radii = np.asarray(loss.radii(delta, jnp.asarray(Y)))
    np.testing.assert_array_equal(radii > 0, found.predictions == Y)
    lack = np.maximum(0.4 - radii, 0)
    np.testing.assert_allclose(loss(delta, LABELS, jnp.asarray(Y)), lack / 3.0, atol=1e-12)
    np.testing.assert_allclose(np.asarray(loss.reasoning).sum(axis=(1, 2)), 1, rtol=1e-12)


def test_losses_of_components_keep_the_contract():
    loss = pz.losses.RobustStableCBC(REASONS, margin=0.4, bandwidth=3.0)
    check_loss(loss, LABELS, Y)
    check_loss(pz.losses.StableCBC(REASONS), LABELS, Y)
    # At a component, and where none can be seen.
    delta = model(loss=loss).distances(X).at[0].set(0.0).at[1].set(1e6)
    slopes = jax.grad(lambda d: loss(d, LABELS, jnp.asarray(Y)).sum())(delta)
    assert np.isfinite(np.asarray(slopes)).all()


# What changes nothing.


KERNELS = (pz.metrics.GaussianKernel, pz.metrics.TangentExponentialKernel)


@pytest.mark.parametrize("method", ["exact", "planes", "margin"])
def test_temperatures_and_kernels_of_one_bandwidth_change_no_radius(method):
    expected = certify(model(OMEGA), X, method=method)
    warmer = pz.trust.Tempered(pz.losses.GLVQ(), 3.0)
    for asked in (
        model(OMEGA, decision=pz.trust.Tempered(warmer, 0.5)),
        *(model(kernel(OMEGA, width)) for kernel in KERNELS for width in (1.0, np.full(9, 1.0))),
    ):
        found = certify(asked, X, method=method)
        np.testing.assert_array_equal(found.predictions, expected.predictions)
        np.testing.assert_allclose(found.radii, expected.radii, rtol=1e-12)
    changed = pz.trust.counterfactuals(model(KERNELS[0](OMEGA, 1.0), decision=warmer), X[:4])
    assert changed.exact.all()
    np.testing.assert_allclose(changed.least, certify(model(OMEGA), X[:4]).radii, rtol=1e-6)


def test_a_temperature_of_components_changes_no_radius():
    loss = COMPONENTS["StableCBC"]
    found = certify(model(loss=loss, decision=pz.trust.Tempered(loss, 2.0)), X, method="margin")
    np.testing.assert_array_equal(found.radii, certify(model(loss=loss), X, method="margin").radii)
    changed = pz.trust.counterfactuals(model(loss=loss), X[:4])
    assert not changed.exact.any() and (changed.least <= changed.distances).all()
    np.testing.assert_allclose(changed.least, found.radii[:4], rtol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_radii_have_the_unit_of_the_data_and_no_origin(norm):
    before = certify(model(), X, norm=norm)
    scaled = certify(model(points=1e4 * POINTS), 1e4 * X, norm=norm)
    np.testing.assert_allclose(scaled.radii, 1e4 * before.radii, rtol=1e-4)
    moved = certify(model(points=POINTS + 8), X + 8, norm=norm)  # sums that are exact to 2^-20
    np.testing.assert_allclose(moved.radii, before.radii, rtol=1e-3, atol=2e-6)
    for norms in NORMS:  # the smaller the ball, the larger its radius
        more = certify(model(), X, norm=norms).radii
        assert (more >= before.radii * (1 - 1e-9)).all() or norms > norm


@pytest.mark.parametrize("kind", [pz.backbones.Standardise, pz.backbones.Whitening])
def test_a_scale_is_undone(kind):
    raw = X * np.array([1, 50, 0.2, 3], np.float32) + np.array([0, 1000, 0, 5], np.float32)
    scale = kind.from_data(raw)
    asked = model(OMEGA, scale=scale)
    found = certify(asked, raw)
    assert flipped_beyond(asked, raw, found).mean() > 0.9  # raw numbers have few digits to spare
    nothing_flips(asked, raw, 0.99 * found.radii, 2)
    # The same model in the units of the data.
    inside = np.stack([np.asarray(scale.inverse(jnp.asarray(p)), float) for p in POINTS])
    unit = np.stack([np.asarray(scale(e) - scale(0 * e), float) for e in jnp.eye(4)])
    plain = model(
        pz.metrics.Omega((unit @ np.asarray(OMEGA.matrix, float)).astype(np.float32)),
        inside.astype(np.float32),
    )
    np.testing.assert_allclose(found.radii, certify(plain, raw).radii, rtol=2e-2, atol=2e-3)


def test_samples_of_any_shape():
    points, x = POINTS.reshape(9, 2, 2), X.reshape(-1, 2, 2)
    found = certify(model(points=points), x)
    assert found.attacks is not None and found.attacks.shape == x.shape
    np.testing.assert_allclose(found.radii, certify(model(), X).radii, rtol=1e-9)


def test_what_can_never_win_is_no_danger():
    flat = pz.metrics.Omega(np.array([[1.0], [0.0]], np.float32))
    asked = model(flat, np.array([[0, 0], [0, 5], [3, 0]], np.float32), [0, 1, 2])
    found = certify(asked, np.array([[1.0, 2.0]], np.float32))
    # Class 1 is where class 0 is, and comes after it: at the boundary already.
    assert found.radii == 0
    alone = model(points=POINTS[:3], labels=[0, 0, 0])
    assert np.isinf(certify(alone, X, method="exact").radii).all()
    assert np.isinf(certify(alone, X, method="margin").radii).all()


# Answers about labels.


def test_certified_accuracy_begins_with_accuracy_and_falls():
    asked = model()
    radii = np.linspace(0, 1, 8)
    curve = certified_accuracy(asked, X, Y, radii)
    right = np.asarray(asked.predict(X)) == Y
    assert curve[0] == right.mean() and (np.diff(curve) <= 0).all()
    found = certify(asked, X, Y)
    np.testing.assert_array_equal(found.radii == 0, ~right)
    np.testing.assert_allclose(curve[3], np.mean(found.radii >= radii[3]))
    assert (certified_accuracy(asked, X, Y, radii, method="margin") <= curve).all()


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: model(LOCAL), {}, "LocalOmega has a map for each prototype"),
        (lambda: model(pz.metrics.LpNorm(1.0)), {}, "LpNorm decides by no planes"),
        (lambda: model(pz.metrics.Cosine()), {}, "not one function of a seminorm"),
        (
            lambda: model(KERNELS[0](OMEGA, np.arange(9.0))),
            {"method": "margin"},
            "GaussianKernel is not one function of a seminorm",
        ),
        (lambda: model(loss=COMPONENTS["CBC"]), {}, 'CBC decides by all .* `method="margin"`'),
        (lambda: model(loss=pz.losses.RSLVQ()), {}, "RSLVQ decides by more"),
        (lambda: model().open_set(X), {}, "OpenSet decides by more"),
        (lambda: MARGINS["network"](), {}, "behind its MLP"),
        (
            lambda: model(encoder=Stretched(False)),
            {"method": "margin"},
            "its Stretched moves points apart is not known",
        ),
        (lambda: model(), {"norm": 3}, "`norm` must be 1 or 2 or infinity, got 3"),
        (lambda: model(), {"method": "best"}, "`method`"),
        (lambda: model(), {"y": np.full(40, 7)}, "`y` has class 7"),
    ],
)
def test_what_cannot_be_certified_is_refused(make, options, message, unchecked):
    with pytest.raises(ValueError, match=message):
        certify(make(), X, **options)


# Lipschitz constants.


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "metric",
    [OMEGA, LOCAL, TANGENT, RELEVANCE, *(pz.metrics.LpNorm(q) for q in (1.0, 2.0, 3.0, np.inf))],
    ids=lambda m: type(m).__name__ + str(getattr(m, "order", "")),
)
def test_lipschitz_constants_are_attained(metric, norm):
    rng, prototypes = np.random.default_rng(2), pz.Prototypes(POINTS, LABELS)
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 4), axis=-1).reshape(-1, 4)
    ways = np.concatenate([rng.normal(size=(20000, 4)), signs, np.eye(4)])
    ways /= np.linalg.norm(ways, norm, axis=1, keepdims=True)
    known = metric.lipschitz(prototypes, norm)
    for j in (0, 8):
        x = (POINTS[j] + ways).astype(np.float32)
        with jax.enable_x64(True):
            size = np.asarray(metric.seminorms(jnp.asarray(x), prototypes))[:, j]
        assert size.max() <= known[j] * (1 + 1e-4)
        loose = norm == np.inf and metric in (OMEGA, LOCAL, TANGENT)
        assert size.max() >= known[j] * (0.7 if loose else 0.97)


def test_encoders_say_how_far_they_move_points_apart():
    known = pz.backbones.lipschitz
    linear = eqx.nn.Linear(4, 3, key=jax.random.key(0))
    most = np.linalg.svd(np.asarray(linear.weight), compute_uv=False)[0]
    np.testing.assert_allclose(known(linear), most, rtol=1e-6)
    chain = eqx.nn.Sequential([linear, eqx.nn.Lambda(jax.nn.sigmoid)])
    np.testing.assert_allclose(known(chain), most / 4, rtol=1e-6)
    network = pz.backbones.MLP((4, 8, 3), key=1)
    slopes = jax.vmap(jax.jacfwd(network))(jnp.asarray(X))
    assert np.linalg.norm(np.asarray(slopes), 2, axis=(1, 2)).max() <= known(network)
    assert known(pz.backbones.Rematerialised(network)) == known(network)
    assert known(pz.backbones.MLP((4, 3), activation=jnp.exp, key=0)) is not None
    assert known(pz.backbones.MLP((4, 4, 3), activation=jnp.exp, key=0)) is None
    assert known(pz.backbones.CNN((6, 6, 1), 2, (2,), key=0)) is None
    grid = np.linspace(-30, 30, 200001)
    for function in (jax.nn.silu, jax.nn.gelu, jax.nn.tanh, jax.nn.softplus, jax.nn.elu):
        with jax.enable_x64(True):
            values = np.asarray(function(jnp.asarray(grid)))
        assert np.abs(np.diff(values) / np.diff(grid)).max() <= known(function)


# The loss.


def test_the_loss_is_what_the_margin_lacks():
    loss, rng = pz.losses.HypothesisMargin(0.5), np.random.default_rng(0)
    delta = jnp.asarray(rng.uniform(0, 2, (30, 9)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 3, 30))
    root = np.sqrt(np.asarray(delta, float))
    own = LABELS == np.asarray(y)[:, None]
    margin = (np.where(own, np.inf, root).min(1) - np.where(own, root, np.inf).min(1)) / 2
    np.testing.assert_allclose(loss(delta, LABELS, y), np.maximum(0, 0.5 - margin), atol=1e-6)
    # In other units, the same loss in other units.
    np.testing.assert_allclose(
        loss.in_units(jnp.asarray(4.0))(delta / 4, LABELS, y) * 2, loss(delta, LABELS, y), atol=1e-6
    )
    slope = jax.grad(lambda d: loss(d, LABELS, y).sum())(delta.at[0].set(0.0))
    assert np.isfinite(np.asarray(slope)).all()
    with pytest.raises(ValueError, match="`margin`"):
        pz.losses.HypothesisMargin(0.0)


def test_training_by_the_margin_certifies_more():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    x = (rng.normal(size=(120, 2)) * [0.3, 1.5] + np.stack([2.0 * y, 0 * y], 1)).astype(np.float32)
    start = pz.Prototypes.from_classes(x, y, 2, key=0)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.05), epochs=60)
    radius = []
    for loss in (pz.losses.HypothesisMargin(1.5), pz.losses.GLVQ()):
        before = pz.PrototypeModel(start, pz.metrics.SquaredEuclidean(), loss)
        fitted = trainer.fit(before, x, y, key=0).model
        radius.append(np.mean(certify(fitted, x, y, method="margin").radii))
    assert radius[0] > radius[1]


def test_the_picture_of_certified_accuracy():
    asked = model()
    figure = pz.plots.certified_accuracy({"plain": asked, "omega": model(OMEGA)}, X, Y)
    (ax,) = figure.axes
    assert [line.get_label() for line in ax.lines[:2]] == ["plain", "omega"]
    radii, shares = (np.asarray(values) for values in ax.lines[0].get_data())
    for r in (0.0, 0.21, 0.6):
        drawn = shares[np.searchsorted(radii, r, side="right") - 1]
        np.testing.assert_allclose(drawn, certified_accuracy(asked, X, Y, [r])[0])
