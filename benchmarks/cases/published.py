"""Published results

What papers report, and what our rows make of it by their defaults. Where neither the data nor the
exact figures of a paper are at hand, its qualitative claim is put to the test on data of the same
kind, and “protocol” says how ours differs. Accuracies are those of samples that were not learned
from, in per cent.
"""

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._data import DATA


REPEATS = 1
PAGE = Path(__file__).parents[2] / "docs" / "published.md"

Numbers = dict[str, float]


class Experiment(NamedTuple):
    """A result of a paper: what it says, how ours is found, and when it
    holds for ours."""

    source: str
    published: str
    protocol: str
    run: Callable[[bool], Numbers]
    holds: Callable[[Numbers], bool]


def matrix(quick: bool) -> Numbers:
    rng, n = np.random.default_rng(0), 200 if quick else 2400
    y = np.arange(n) % 2
    along = 2 * rng.standard_normal(n) + (2 * y - 1)
    across = 0.2 * rng.standard_normal(n) + 0.5 * (2 * y - 1)
    x = np.c_[along - across, along + across] / np.sqrt(2)
    return accuracies(("GLVQ", "GRLVQ", "GMLVQ"), x, y, n // 6)


def soft(quick: bool) -> Numbers:
    x, y = DATA["waveform"]()
    return accuracies(("LVQ21", "SLVQ", "RSLVQ"), x, y, len(x) // 2, prototypes_per_class=2)


def relevances(quick: bool) -> Numbers:
    import protozoo as pz

    rng, n = np.random.default_rng(0), 150 if quick else 600
    y = np.arange(n) % 3
    # Two clusters for each class, in such a way that both features are needed.
    centres = np.array([[0, 0], [2, 1], [0, 1], [1, 0], [1, 2], [2, 2]])[
        y + 3 * (rng.random(n) < 0.5)
    ]
    first = centres + 0.2 * rng.standard_normal((n, 2))
    copies = first[:, :1] + np.array([0.5, 1.0, 1.5, 2.0]) * rng.standard_normal((n, 4))
    noise = rng.standard_normal((n, 4))
    x = np.float32(np.c_[first, copies, noise])
    options = {"key": 0, "standardise": True, "prototypes_per_class": 2}
    share = np.asarray(pz.fit("GRLVQ", x, y, **options).model.relevance_diagonal())
    return {
        "the two": 100 * float(share[:2].sum()),
        "noisy copies": 100 * float(share[2:6].sum()),
        "noise": 100 * float(share[6:].sum()),
    }


def kernels(quick: bool) -> Numbers:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y = DATA["ringnorm"]()
    found = accuracies(("GLVQ", "DKGLVQ", "DKGMLVQ"), x, y, len(x) // 2, prototypes_per_class=2)
    scaler, half = StandardScaler().fit(x[: len(x) // 2]), len(x) // 2
    machine = SVC().fit(scaler.transform(x[:half]), y[:half])
    svm = 100 * machine.score(scaler.transform(x[half:]), y[half:])
    return found | {"SVM": svm, "support vectors": float(machine.n_support_.sum())}


def components(quick: bool) -> Numbers:
    x, y = DATA["digits"]()
    order = np.random.default_rng(0).permutation(len(x))[: 300 if quick else None]
    return accuracies(("CBC",), x[order], y[order], len(order) * 4 // 5, components=10)


def gas(quick: bool) -> Numbers:
    import protozoo as pz

    rng, n, starts = np.random.default_rng(0), 900 if quick else 3000, 2 if quick else 10
    # Corners of fifteen squares that do not touch.
    cells = rng.permutation(36)[:15]
    corners = 2.0 * np.c_[cells // 6, cells % 6]
    x = np.float32(corners[np.arange(n) % 15] + rng.random((n, 2)))
    quarters = np.array([[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]])
    best = distortion(x, np.concatenate([corner + quarters for corner in corners]))

    def excess(name: str, **options: object) -> float:
        """In per cent of the smallest distortion, the mean over starts at random samples."""
        fits = [
            pz.fit(name, x, prototypes=60, initialiser="samples", restarts=1, key=key, **options)
            for key in range(starts)
        ]
        found = [distortion(x, np.asarray(fit.model.prototypes.points)) for fit in fits]
        return 100 * float(np.mean(found) / best - 1)

    return {"neural gas": excess("NeuralGas"), "k-means": excess("KMeans")}


def covariances(quick: bool) -> Numbers:
    import jax
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    import protozoo as pz

    rng, n, k, classes = np.random.default_rng(0), 80 if quick else 800, 6, 4
    y = np.arange(n) % classes
    # Sources whose powers depend on the class, mixed in the same way for all.
    mixing, powers = rng.standard_normal((k, k)), np.exp(0.6 * rng.standard_normal((classes, k)))
    loudness = np.exp(0.5 * rng.standard_normal((n, 1, 1)))  # differs between trials
    trials = np.sqrt(powers[y][:, :, None]) * rng.standard_normal((n, k, 40))
    trials = np.sqrt(loudness) * (mixing @ trials)
    x = np.float32(trials @ trials.transpose(0, 2, 1) / 40)
    half = n // 2
    found = {"MDM": accuracy(pz.fit("MDM", x[:half], y[:half], key=0).model, x[half:], y[half:])}
    flat = x.reshape(n, -1)
    model = pz.fit("NPC", flat[:half], y[:half], key=0).model
    found["Euclidean means"] = accuracy(model, flat[half:], y[half:])
    tangents = pz.backbones.TangentSpace.at_mean(pz.manifolds.SPD(k), x[:half])
    z = np.asarray(jax.vmap(tangents)(x))
    linear = LinearDiscriminantAnalysis().fit(z[:half], y[:half])
    return found | {"tangent space, LDA": 100 * linear.score(z[half:], y[half:])}


def distortion(x: np.ndarray, centres: np.ndarray) -> float:
    return float(((x[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).mean())


def accuracies(
    names: tuple[str, ...], x: np.ndarray, y: np.ndarray, seen: int, **options: object
) -> Numbers:
    """Of rows that have learned from the first samples, on all others."""
    import protozoo as pz

    x, given = np.float32(x), {"key": 0, "standardise": True, **options}
    fits = {name: pz.fit(name, x[:seen], y[:seen], **given) for name in names}
    return {name: accuracy(fit.model, x[seen:], y[seen:]) for name, fit in fits.items()}


def accuracy(model: object, x: np.ndarray, y: np.ndarray) -> float:
    return 100 * float(np.mean(np.asarray(model.predict(x)) == y))


EXPERIMENTS = {
    "matrix": Experiment(
        "P. Schneider, M. Biehl, B. Hammer, *Adaptive relevance matrices in learning vector "
        "quantization*, Neural Computation 21, 2009",
        "a full matrix represents correlated features, which a weight for each feature (GRLVQ) "
        "cannot",
        "two long parallel clouds at 45° to the axes, made here; 400 samples seen, 2,000 not; "
        "the paper's own data are others",
        matrix,
        lambda found: found["GMLVQ"] > found["GRLVQ"] + 1 and found["GMLVQ"] > found["GLVQ"] + 1,
    ),
    "relevances": Experiment(
        "B. Hammer, T. Villmann, *Generalized relevance learning vector quantization*, Neural "
        "Networks 15, 2002",
        "of features that decide, noisy copies of one and mere noise, GRLVQ gives relevance to "
        "those that decide",
        "three classes of two clusters each, made here, in two features; four copies of the first "
        "with noise, four of noise alone. Shares of relevance in per cent",
        relevances,
        lambda found: found["the two"] > 50 and found["noise"] < 40 * 0.25,
    ),
    "soft": Experiment(
        "S. Seo, K. Obermayer, *Soft learning vector quantization*, Neural Computation 15, 2003",
        "SLVQ and RSLVQ classify better than LVQ 2.1",
        "Breiman's waveforms, 300 samples seen and 300 not, two prototypes for each class; the "
        "paper's data are others. A standard error is about 2",
        soft,
        lambda found: min(found["SLVQ"], found["RSLVQ"]) > found["LVQ21"],
    ),
    "kernels": Experiment(
        "T. Villmann, S. Haase, M. Kaden, *Kernelized vector quantization in gradient-descent "
        "learning*, Neurocomputing 147, 2015",
        "differentiable kernels bring prototypes near the accuracy of support vector machines, "
        "with few prototypes",
        "ringnorm, 300 samples seen and 300 not, four prototypes; scikit-learn's SVC by its "
        "defaults; the paper's data are others",
        kernels,
        lambda found: max(found["DKGLVQ"], found["DKGMLVQ"]) > found["SVM"] - 2,
    ),
    "components": Experiment(
        "S. Saralajew et al., *Classification-by-components*, NeurIPS 2019",
        "97.33 ± 0.19 on MNIST, three runs",
        "digits of 8×8 pixels (UCI), 1,437 seen and 360 not; 10 components; the Gaussian detects "
        "in place of the cosine",
        components,
        lambda found: found["CBC"] > 95,
    ),
    "gas": Experiment(
        "T. Martinetz, S. Berkovich, K. Schulten, *“Neural-gas” network for vector quantization*, "
        "IEEE Trans. Neural Networks 4, 1993",
        "on separate clusters neural gas comes close to the smallest distortion, k-means stays in "
        "local minima (a figure)",
        "15 squares and 60 prototypes, 3,000 samples, batch algorithms from ten starts at random "
        "samples. Distortion in per cent above that of four centres in each square",
        gas,
        lambda found: found["neural gas"] < found["k-means"] / 2,
    ),
    "covariances": Experiment(
        "A. Barachant, S. Bonnet, M. Congedo, C. Jutten, *Multiclass brain-computer interface "
        "classification by Riemannian geometry*, IEEE Trans. Biomedical Engineering 59, 2012",
        "tangent space and LDA raise the mean accuracy of the reference (CSP, LDA) from 65.1 to "
        "70.2 on BCI competition IV 2a; minimum distance to the Riemannian mean is on a par with "
        "the reference",
        "covariances of six simulated channels of varying loudness, four classes, 400 seen and 400 "
        "not; the reference is the distance to Euclidean means",
        covariances,
        lambda found: found["MDM"] > found["Euclidean means"],
    ),
}


def rows(quick: bool) -> dict:
    return {
        name: {"protozoo": {"experiment": name, "quick": quick}}
        for name in (("matrix", "gas") if quick else EXPERIMENTS)
    }


def measure(experiment: str, quick: bool) -> Numbers:
    return EXPERIMENTS[experiment].run(quick)


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header and a line for each paper; and the page, if all of them have been measured."""
    header = ["", "published", "ours", "holds here", "protocol"]
    lines = []
    for name, ((found,),) in ((name, taken.values()) for name, taken in samples.items()):
        one = EXPERIMENTS[name]
        said = (
            "not measured" if found is None else ", ".join(f"{k} {v:.1f}" for k, v in found.items())
        )
        same = "" if found is None else "yes" if one.holds(found) else "no"
        lines.append([one.source, one.published, said, same, one.protocol])
    if samples.keys() == EXPERIMENTS.keys():
        PAGE.write_text(page(header, lines), encoding="utf-8")
    return header, lines


def page(header: list[str], lines: list[list[str]]) -> str:
    title, _, text = __doc__.strip().partition("\n")
    table = "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * 5, *lines])
    return (
        f"# {title}\n\n<!-- Written by `nox -s bench -- --only published`. -->\n\n"
        f"{text.strip()}\n\n"
        f"protozoo {metadata.version('protozoo')}, {platform.machine()}.\n\n{table}\n"
    )
