"""An iteration of expectation-maximisation for Gaussian mixtures

100,000 samples, 32 components (with `--quick`, far fewer), float32, one thread on one core. Both
start from the same samples as means, the covariance of the data in every component and equal
weights, and run the same number of iterations: the log-likelihoods must agree. scikit-learn is
given the whole start, so that no k-means is in its time, and `tol=0`. Time is a long fit less a
short one, divided by the iterations between them.
"""

from ._measure import Memory, gaussian_classes, milliseconds_per_epoch, one_core


COMPARED = ("ms per iteration", "peak MB", "working MB")
COLUMNS = (*COMPARED, "log-likelihood")

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
LIBRARIES = ("protozoo", "scikit-learn")
REGULARISATION = 1e-6


def rows(quick: bool) -> dict:
    size = (
        {"n": 2000, "components": 4, "pairs": 1}
        if quick
        else {"n": 100_000, "components": 32, "pairs": 3}
    )
    return {
        f"{covariance}, {features} features": {
            library: {
                "library": library,
                "covariance": covariance,
                "features": features,
                "iterations": 5,
                **size,
            }
            for library in LIBRARIES
        }
        for covariance, features in (("full", 16), ("full", 64), ("diagonal", 16), ("diagonal", 64))
        if not quick or (covariance, features) in (("full", 16), ("diagonal", 64))
    }


def measure(
    library: str,
    covariance: str,
    n: int,
    features: int,
    components: int,
    iterations: int,
    pairs: int,
) -> dict[str, float | None]:
    import numpy as np

    one_core()
    x, _ = gaussian_classes(n, features, components)
    means = x[np.random.default_rng(1).choice(n, components, replace=False)]
    spread = np.cov(x[:10_000].T)
    spread = np.diag(spread) if covariance == "diagonal" else spread
    log_likelihoods = []

    if library == "protozoo":
        import jax

        import protozoo as pz

        samples = jax.block_until_ready(jax.device_put(x))
        memory = Memory()
        covariances = np.broadcast_to(spread, (components, *spread.shape)).astype(np.float32)
        model = pz.PrototypeModel(
            pz.Prototypes(means),
            pz.metrics.Mahalanobis.from_covariances(covariances, REGULARISATION),
            pz.losses.Mixture.uniform(components),
        )

        def fit(epochs: int) -> None:
            result = pz.Trainer(pz.AlternatingOptimization(), epochs).fit(
                model, samples, key=jax.random.key(0)
            )
            jax.block_until_ready(result.model.prototypes.points)
            assert result.epochs == epochs, result.reason
            log_likelihoods.append(-float(result.history["loss"][-1]))

    else:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        warnings.simplefilter("ignore", ConvergenceWarning)
        memory = Memory()
        precision = 1 / spread if covariance == "diagonal" else np.linalg.inv(spread)

        def fit(epochs: int) -> None:
            mixture = GaussianMixture(
                components,
                covariance_type="diag" if covariance == "diagonal" else "full",
                tol=0.0,
                reg_covar=REGULARISATION,
                max_iter=epochs,
                init_params="random_from_data",
                weights_init=np.full(components, 1 / components, np.float32),
                means_init=means,
                precisions_init=np.broadcast_to(precision, (components, *spread.shape)).astype(
                    np.float32
                ),
            ).fit(x)
            assert mixture.n_iter_ == epochs and mixture.covariances_.dtype == np.float32
            log_likelihoods.append(float(mixture.lower_bound_))

    took = milliseconds_per_epoch(fit, 1, 1 + iterations, pairs, memory)
    return {"ms per iteration": took, **memory.megabytes(), "log-likelihood": max(log_likelihoods)}
