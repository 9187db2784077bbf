"""Many small convex problems at once: the point of least cost in a polyhedron, by an interior-point
method in float64, and what proves that nothing costs less."""

from typing import NamedTuple

import numpy as np

from .._types import Bool, Float


#: Steps of the interior-point method at most; about twelve are the rule.
STEPS = 80
#: Where residuals and complementarity, both relative, count as zero.
TOLERANCE = 1e-11
#: Multipliers beyond are those of a problem without solution.
DIVERGED = 1e12


class Solutions(NamedTuple):
    """Points, the multipliers of their rows (not negative), and by how much a row is violated at
    most."""

    points: Float[np.ndarray, "b d"]
    multipliers: Float[np.ndarray, "b m"]
    violations: Float[np.ndarray, " b"]


class Problems(NamedTuple):
    """\\(\\min_v \\tfrac q2\\lVert v\\rVert^2 + c\\sum_k v_k\\) subject to \\(Gv \\ge h\\) and
    \\(l \\le v \\le u\\), each with other numbers.

    With `radius`, the cost is t, and bounds are \\(-t \\le v_k \\le t\\): the norm of infinity.
    """

    rows: Float[np.ndarray, "b m d"]
    sides: Float[np.ndarray, "b m"]
    lower: Float[np.ndarray, "b d"]
    upper: Float[np.ndarray, "b d"]
    quadratic: float = 0.0
    linear: float = 0.0
    radius: bool = False


def solve(problems: Problems) -> Solutions:
    """Mehrotra's predictor and corrector, on all problems side by side.

    Newton's equations are those of a diagonal matrix and as many further ranks as there are rows,
    so that a step costs O(m²d). Numbers should be of the order of one. Of a problem without
    solution, what is returned violates a row.

    Source: S. Mehrotra, *On the implementation of a primal-dual interior point method*, SIAM
    Journal on Optimization 2, 1992.
    """
    rows, sides, lower, upper, q, c, radius = problems
    b, m, d = rows.shape
    # What cannot move has no interior: it is put in, and something that nobody asks for in its
    # place.
    fixed = np.isfinite(lower) & (upper <= lower) & (not radius)
    if fixed.any():
        put = np.where(fixed, lower, 0.0)
        moved = problems._replace(
            rows=np.where(fixed[:, None], 0.0, rows),
            sides=sides - np.einsum("bmd,bd->bm", rows, put),
            lower=np.where(fixed, 0.0, lower),
            upper=np.where(fixed, np.inf, upper),
        )
        points, multipliers, violations = solve(moved)
        return Solutions(np.where(fixed, put, points), multipliers, violations)
    below, above = (
        (np.ones((b, d), bool), np.ones((b, d), bool))
        if radius
        else (np.isfinite(lower), np.isfinite(upper))
    )
    low, high = (np.where(f, v, 0.0) for f, v in ((below, lower), (above, upper)))
    if radius:
        low, high = np.zeros((b, d)), np.zeros((b, d))
    count = m + below.sum(axis=1) + above.sum(axis=1)
    v, t = np.clip(np.zeros((b, d)), low - 1e300 * ~below, high + 1e300 * ~above), np.ones(b)
    slack: list[np.ndarray] = [np.maximum(np.einsum("bmd,bd->bm", rows, v) - sides, 1.0)]
    slack += [np.where(below, np.maximum(v - low + radius * t[:, None], 1e-1), 1.0)]
    slack += [np.where(above, np.maximum(high - v + radius * t[:, None], 1e-1), 1.0)]
    dual = [np.ones((b, m)), np.where(below, 1.0, 0.0), np.where(above, 1.0, 0.0)]
    best = Solutions(v, dual[0], np.full(b, np.inf))
    state = _State(v, t, slack, dual, best, np.full(b, np.inf))
    bounds = _Sides(below, above, low, high, count)
    for _ in range(STEPS):
        state, moving = _advanced(problems, bounds, state)
        if not moving:
            break
    points = state.best.points
    if not radius:
        points = np.clip(points, lower, upper)
    short = sides - np.einsum("bmd,bd->bm", rows, points)
    # Of a problem without solution, the last multipliers prove it best.
    multipliers = np.where((state.merit < 1e-6)[:, None], state.best.multipliers, state.dual[0])
    return Solutions(points, multipliers, np.maximum(short.max(axis=1), 0))


class _Sides(NamedTuple):
    """Which coordinates have bounds, those bounds, and how many inequalities there are in all."""

    below: np.ndarray
    above: np.ndarray
    low: np.ndarray
    high: np.ndarray
    inequalities: np.ndarray


class _State(NamedTuple):
    """Where the method is: points, radii, slacks and multipliers (of rows, lower and upper bounds),
    and the best so far with its residual."""

    v: np.ndarray
    t: np.ndarray
    slack: list[np.ndarray]
    dual: list[np.ndarray]
    best: Solutions
    merit: np.ndarray


def _advanced(problems: Problems, bounds: _Sides, state: _State) -> tuple[_State, bool]:
    """One step, and whether anything moved."""
    rows, sides, _, _, q, c, radius = problems
    below, above, low, high, count = bounds
    v, t, slack, dual, best, merit = state
    b, m, _ = rows.shape
    gaps = [
        np.einsum("bmd,bd->bm", rows, v) - sides - slack[0],
        np.where(below, v - low + radius * t[:, None] - slack[1], 0.0),
        np.where(above, high - v + radius * t[:, None] - slack[2], 0.0),
    ]
    slope = q * v + (0.0 if radius else c) - np.einsum("bmd,bm->bd", rows, dual[0])
    slope += dual[2] - dual[1]
    slope_t = radius * (1.0 - (dual[1] + dual[2]).sum(axis=1))
    mu = sum((s * z).sum(axis=1) for s, z in zip(slack, dual, strict=True)) / count
    size = 1 + np.abs(dual[0]).max(axis=1)
    worst = np.max([np.abs(g).max(axis=1) for g in gaps], axis=0)
    worst = np.maximum(worst, np.maximum(np.abs(slope).max(axis=1), np.abs(slope_t)) / size)
    worst = np.maximum(worst, mu / size)
    better = np.isfinite(worst) & (worst < merit)
    merit = np.where(better, worst, merit)
    best = Solutions(
        np.where(better[:, None], v, best.points),
        np.where(better[:, None], dual[0], best.multipliers),
        best.violations,
    )
    with np.errstate(all="ignore"):
        ratio = [z / s for s, z in zip(slack, dual, strict=True)]
        total, lopsided = ratio[1] + ratio[2], ratio[1] - ratio[2]
        diagonal = np.where(q + total > 0, q + total, 1.0)
        # Of Σ (a + b) - (a - b)²/(a + b), without the cancellation.
        pivot = (4 * ratio[1] * ratio[2] / diagonal).sum(axis=1) if radius else np.ones(b)
        scaled, lean = rows / diagonal[:, None], lopsided / diagonal
        inner = np.einsum("bmd,bnd->bmn", scaled, rows)
        if radius:
            leaning = np.einsum("bmd,bd->bm", rows, lean)
            inner += leaning[:, :, None] * leaning[:, None] / pivot[:, None, None]
        inner[:, range(m), range(m)] += 1 / ratio[0]
    # Rows that say the same make it singular; multipliers without bound say that there is no
    # solution.
    inner[:, range(m), range(m)] *= 1 + 1e-14
    sound = np.isfinite(inner).all(axis=(1, 2)) & (merit > TOLERANCE) & (size < DIVERGED)
    inner = np.where(sound[:, None, None], inner, np.eye(m))

    newton = _Newton(
        rows,
        below,
        above,
        radius,
        gaps,
        slope,
        slope_t,
        slack,
        dual,
        ratio,
        diagonal,
        lean,
        pivot,
        inner,
    )
    with np.errstate(all="ignore"):
        _, _, ds, dz = newton.step([-s * z for s, z in zip(slack, dual, strict=True)])
        primal, duality = _length(slack, ds), _length(dual, dz)
        ahead = sum(
            ((s + primal[:, None] * a) * (z + duality[:, None] * e)).sum(axis=1)
            for s, z, a, e in zip(slack, dual, ds, dz, strict=True)
        )
        centre = ((ahead / count / mu) ** 3 * mu)[:, None]
        targets = [
            centre * there - s * z - a * e
            for s, z, a, e, there in zip(slack, dual, ds, dz, (1, below, above), strict=True)
        ]
        dv, dt, ds, dz = newton.step(targets)
        primal, duality = 0.995 * _length(slack, ds), 0.995 * _length(dual, dz)
        if q:  # one length for both, where they are coupled
            primal = duality = np.minimum(primal, duality)
        moving = sound & np.isfinite(dv).all(axis=1) & np.isfinite(dt)
    primal, duality = (
        np.where(moving, primal, 0)[:, None],
        np.where(moving, duality, 0)[:, None],
    )
    dv = np.where(moving[:, None], dv, 0)
    v, t = v + primal * dv, t + primal[:, 0] * np.where(moving, dt, 0)
    slack = [s + primal * np.where(moving[:, None], a, 0) for s, a in zip(slack, ds, strict=True)]
    dual = [z + duality * np.where(moving[:, None], e, 0) for z, e in zip(dual, dz, strict=True)]
    return _State(v, t, slack, dual, best, merit), bool(moving.any())


class _Newton(NamedTuple):
    """Newton's equations of a step, in which everything but as many unknowns as there are rows is
    eliminated."""

    rows: np.ndarray
    below: np.ndarray
    above: np.ndarray
    radius: bool
    gaps: list
    slope: np.ndarray
    slope_t: np.ndarray
    slack: list
    dual: list
    ratio: list
    diagonal: np.ndarray
    lean: np.ndarray
    pivot: np.ndarray
    inner: np.ndarray

    def without_rows(
        self, rhs: Float[np.ndarray, "b d"], rhs_t: Float[np.ndarray, " b"]
    ) -> tuple[Float[np.ndarray, "b d"], Float[np.ndarray, " b"]]:
        """The step of points and radii, if multipliers of rows stay."""
        if not self.radius:
            return rhs / self.diagonal, np.zeros(len(rhs))
        dt = (rhs_t - (self.lean * rhs).sum(axis=1)) / self.pivot
        return rhs / self.diagonal - self.lean * dt[:, None], dt

    def step(self, targets: list) -> tuple[np.ndarray, np.ndarray, list, list]:
        """The steps of points, radii, slacks and multipliers that change the products of the
        latter by these numbers."""
        pushes = [
            (target - z * gap) / s
            for target, z, gap, s in zip(targets, self.dual, self.gaps, self.slack, strict=True)
        ]
        rhs = pushes[1] - pushes[2] - self.slope
        rhs_t = (pushes[1] + pushes[2]).sum(axis=1) - self.slope_t
        dv, dt = self.without_rows(rhs, rhs_t)
        short = pushes[0] / self.ratio[0] - np.einsum("bmd,bd->bm", self.rows, dv)
        of_rows = np.linalg.solve(self.inner, short[..., None])[..., 0]
        dv, dt = self.without_rows(rhs + np.einsum("bmd,bm->bd", self.rows, of_rows), rhs_t)
        wider = self.radius * dt[:, None]
        moves = [
            np.einsum("bmd,bd->bm", self.rows, dv),
            np.where(self.below, dv + wider, 0.0),
            np.where(self.above, wider - dv, 0.0),
        ]
        ds = [move + gap for move, gap in zip(moves, self.gaps, strict=True)]
        dz = [p - r * move for p, r, move in zip(pushes, self.ratio, moves, strict=True)]
        return dv, dt, ds, [of_rows, *dz[1:]]


def _length(values: list, steps: list) -> Float[np.ndarray, " b"]:
    """How far everything may go, at most one, and stay positive."""
    lengths = [
        np.min(np.where(step < 0, -value / np.where(step < 0, step, -1), np.inf), axis=1)
        for value, step in zip(values, steps, strict=True)
    ]
    return np.minimum(np.min(lengths, axis=0), 1.0)


def least(problems: Problems, multipliers: Float[np.ndarray, "b m"]) -> Float[np.ndarray, " b"]:
    """What the cost is at least, whatever these multipliers are: by weak duality,
    \\(h\\lambda + \\min_{l \\le v \\le u} \\tfrac q2\\lVert v\\rVert^2 + (c - G^\\top\\lambda)v\\).

    It is the cost itself, if they are those of the solution.
    """
    rows, sides, lower, upper, q, c, _ = problems
    multipliers = np.maximum(multipliers, 0)
    found = np.zeros(len(rows))
    # A ray of multipliers proves that there is no solution: then larger ones prove more.
    for factor in (1.0, 1e3, 1e6):
        scaled = factor * multipliers
        slopes = c - np.einsum("bmd,bm->bd", rows, scaled)
        if not q:  # into the cone in which the minimum is finite
            free = np.where(np.isinf(upper), c - slopes, 0).max(axis=1)
            shrink = np.where(free > c, c / np.where(free > 0, free, 1), 1)
            scaled, slopes = shrink[:, None] * scaled, c + shrink[:, None] * (slopes - c)
            at = np.where(slopes > 0, lower, np.where(np.isinf(upper), 0, upper))
        else:
            at = np.clip(-slopes / q, lower, upper)
        value = (sides * scaled).sum(axis=1) + (q / 2 * at**2 + slopes * at).sum(axis=1)
        found = np.maximum(found, np.where(np.isfinite(value), value, 0))
    return found


def split(problems: Problems) -> Problems:
    """The same polyhedron for the norm of one: v = p - n with costs p + n, both not negative."""
    rows, sides, lower, upper, *_ = problems
    return Problems(
        np.concatenate([rows, -rows], axis=2),
        sides,
        np.concatenate([np.maximum(lower, 0), np.maximum(-upper, 0)], axis=1),
        np.concatenate([np.maximum(upper, 0), np.maximum(-lower, 0)], axis=1),
        linear=1.0,
    )


def feasible(violations: Float[np.ndarray, " b"]) -> Bool[np.ndarray, " b"]:
    """Whether a solution is one, but for rounding."""
    return violations < 1e-7
