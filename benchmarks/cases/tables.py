"""Every row beside the same row of other libraries

What unseen samples say, in per cent: the accuracy of classifiers; of quantisers (KMeans,
NeuralGas) the share of variance that the nearest centre explains; of other clusterings the
adjusted Rand index with the classes. Stratified five-fold cross-validation, repeated five times.
Every contender learns from the same samples, standardised by what it learns from; training folds
are cut to the size of the smallest, so that one compiled program serves all of them.

One table of settings serves all rows and all data sets: two prototypes for each class (NPC: one;
clusterings: as many as there are classes), and otherwise each library's own defaults. prosemble
trains for as many epochs as our trainer of that row, and sklvq with L-BFGS, its best. Where a fold
takes another library more than ten seconds of a processor, it is measured on the first repeat
alone, and ours is compared on the same folds.

Differences are taken fold by fold. Behind ± stands their standard error, corrected for training
sets that overlap (C. Nadeau & Y. Bengio, *Inference for the generalization error*, Machine
Learning, 2003). ↑ and ↓ mark differences of more than two of them. The last column is the mean
difference over the data sets that both have been measured on.

What is measured is kept in `.cache/tables`, and a run goes on where the last one stopped; at its
end, or by `python -m benchmarks.cases.tables` from what there is, it writes `docs/tables.md`.
"""

import itertools
import os
import platform
import statistics
import time
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._data import DATA
from ._measure import cache_compilations
from ._peers import PEERS, PER_CLASS, Answers
from ._records import Place, Records, corrected_error


REPEATS = 1  # folds are the repetitions, and nothing here is a matter of luck

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / ".cache" / "tables" / "results.jsonl", ROOT / "docs" / "tables.md"
FOLDS, ROUNDS, SLOW = 5, 5, 10.0
#: What is known best is measured first.
FIRST = (
    *("GLVQ", "GRLVQ", "GMLVQ", "LGMLVQ", "RSLVQ", "MRSLVQ", "LMRSLVQ", "CELVQ", "LVQ1", "LVQ21"),
    *("GLVQ21", "GTLVQ", "SRNG", "SMNG", "KMeans", "FCM", "NeuralGas", "GaussianMixture", "CBC"),
)
#: What is known of large differences.
KNOWN = (
    "On `ringnorm`, rows with a map for each prototype fall behind those of prosemble, because "
    "ours hold the trace of each Λ at one, as published: then no map can say that one class is "
    "wider than the other. With `normalised=False` (five folds of another draw): LMRSLVQ 86.5 "
    "instead of 68.8, LCELVQ_NG 83.0 instead of 67.8, LGMLVQ 77.8 instead of 71.5."
)
#: Data sets that are measured together, the quickest first.
TIERS = (
    ("iris", "wine", "breast_cancer"),
    ("few", "ringnorm", "imbalanced", "waveform"),
    ("digits",),
)
QUANTISERS = ("KMeans", "NeuralGas")
CLUSTERINGS = (*QUANTISERS, "FCM", "KFCM", "AFCM", "PFCM", "GaussianMixture")
SINGLE = ("NPC",)  # one prototype for each class by definition
#: What stands beside a row besides prosemble.
OTHERS = {
    **dict.fromkeys(("GLVQ", "GMLVQ", "LGMLVQ"), "sklvq"),
    **dict.fromkeys(("KNN", "NPC", "KMeans", "GaussianMixture"), "scikit-learn"),
}
#: Rows that nothing stands beside.
ALONE = ("RGLVQ", "RRSLVQ", "KGLVQ", "StableCBC", "RobustStableCBC")
MISSING = {"prosemble": ("GaussianMixture",)}  # rows that a library does not have


def rows(quick: bool) -> dict:
    import protozoo as pz

    recipes = {name: getattr(pz.zoo, name) for name in pz.zoo.names()}
    flat = {
        name
        for name, recipe in recipes.items()
        if recipe.space is pz.manifolds.Euclidean
        and recipe.supervised
        and not recipe.one_class
        and name not in ALONE
    }
    names = [*FIRST, *(name for name in recipes if name in flat | {*CLUSTERINGS} - {*FIRST})]
    names = ["GLVQ", "KMeans"] if quick else list(dict.fromkeys(names))
    # All rows on one round, then on the others: an interrupted run knows a little about each.
    passes = itertools.product((1, ROUNDS), TIERS)
    passes = [(1, TIERS[0][:1])] if quick else [*passes]
    return {
        f"{name}, {data[0]}…, {rounds}": {
            library: {
                "library": library,
                "model": name,
                "epochs": recipes[name].training().epochs,
                "data": list(data),
                "rounds": rounds,
                "file": str(RESULTS.with_name("quick.jsonl") if quick else RESULTS),
            }
            for library in ("protozoo", "prosemble", *([OTHERS[name]] if name in OTHERS else []))
            if name not in MISSING.get(library, ())
        }
        for rounds, data in passes
        for name in names
        if not name.startswith("Image") or "digits" in data
    }


def measure(
    library: str, model: str, epochs: int, data: list[str], rounds: int, file: str
) -> dict[str, int | str]:
    """Whatever of this was not measured yet goes to the file."""
    cache_compilations()
    records, taken, version = Records(Path(file)), 0, metadata.version(library)
    for name, repeat in itertools.product(data, range(rounds)):
        missing = records.missing(
            Place(name, model, library, version, repeat, fold) for fold in range(FOLDS)
        )
        first = records.found.get(Place(name, model, library, version, 0, 0))
        # Slow ones, and those that cannot learn from these data, are not asked again.
        if not missing or (repeat > 0 and library != "protozoo" and not quick_enough(first)):
            continue
        began = time.process_time()
        try:
            values = folds(library, model, epochs, name, repeat, [at.fold for at in missing])
        except Exception:
            if library == "protozoo":
                raise
            traceback.print_exc()
            values = [None] * len(missing)
        seconds = round((time.process_time() - began) / len(missing), 3)
        for place, value in zip(missing, values, strict=True):
            records.add(place, value=value, seconds=seconds)
            taken += 1
    return {"taken": taken, "file": file}


def quick_enough(record: dict | None) -> bool:
    return record is not None and record["value"] is not None and record["seconds"] < SLOW


def folds(
    library: str, model: str, epochs: int, data: str, repeat: int, wanted: Sequence[int]
) -> list[float]:
    """The measure on each of the wanted folds of a repeat."""
    from sklearn.model_selection import StratifiedKFold

    x, y = DATA[data]()
    x = np.float32(x)
    pairs = list(StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(x, y))
    size = min(len(train) for train, _ in pairs)
    trains, tests = zip(*((pairs[i][0][:size], pairs[i][1]) for i in wanted), strict=True)
    scales = [scaled(x, train) for train in trains]
    if library == "protozoo":
        answers = protozoo(model, x, y, trains)
    else:
        fit = PEERS[library](model, epochs)
        answers = [fit(z[train], y[train], z) for z, train in zip(scales, trains, strict=True)]
    return [
        100 * value(model, one, z, y, test)
        for one, z, test in zip(answers, scales, tests, strict=True)
    ]


def value(model: str, answers: Answers, z: np.ndarray, y: np.ndarray, test: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    if model in QUANTISERS:
        # The mean of what was learned from is the origin.
        off = ((z[test][:, None] - answers.centres[None]) ** 2).sum(axis=2).min(axis=1)
        return float(1 - off.sum() / (z[test] ** 2).sum())
    said = np.asarray(answers.of_samples)[test]
    if model in CLUSTERINGS:
        return float(adjusted_rand_score(y[test], said))
    return float(np.mean(said == y[test]))


def scaled(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    from sklearn.preprocessing import StandardScaler

    return np.float32(StandardScaler().fit(x[train]).transform(x))


def protozoo(
    name: str, x: np.ndarray, y: np.ndarray, trains: Sequence[np.ndarray]
) -> list[Answers]:
    """All folds as one program, where models differ in numbers alone."""
    import protozoo as pz

    recipe, classes = getattr(pz.zoo, name), int(y.max()) + 1
    settings = {
        "prototypes_per_class": 1 if name in SINGLE else PER_CLASS,
        "prototypes": classes,
    }
    options = {k: v for k, v in settings.items() if k in recipe.options} | {"standardise": True}
    x = x.reshape(-1, 8, 8, 1) if name.startswith("Image") else x
    if name in CLUSTERINGS or name == "KNN":  # of several starts; of as many prototypes as samples
        labels = [y[train] if recipe.supervised else None for train in trains]
        fits = [
            pz.fit(name, x[train], own, key=0, **options)
            for train, own in zip(trains, labels, strict=True)
        ]
    else:
        models = [recipe(x[train], y[train], key=0, **options) for train in trains]
        weights = np.zeros((len(trains), len(x)))
        for row, train in zip(weights, trains, strict=True):
            row[train] = 1
        fits = pz.fit_many(recipe.trainer(), models, x, y, key=0, sample_weight=weights)
        fits = sorted(fits, key=lambda fit: fit.member)
    return [
        Answers(np.asarray(fit.model.predict(x)), np.asarray(fit.model.prototypes.points))
        for fit in fits
    ]


class Difference(NamedTuple):
    """Of two columns of values, fold by fold."""

    mean: float
    error: float
    folds: int

    @property
    def mark(self) -> str:
        """Of more than two standard errors."""
        return "" if abs(self.mean) <= 2 * self.error else " ↑" if self.mean > 0 else " ↓"

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ± {self.error:.1f}{self.mark}"


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    values = [a - b for a, b in zip(ours, theirs, strict=True)]
    # n_test/n_train of a fold.
    return Difference(
        statistics.mean(values), corrected_error(values, 1 / (FOLDS - 1)), len(values)
    )


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each row and library beside it; and the page, of what is known."""
    files = {sample["file"] for row in samples.values() for (sample,) in row.values() if sample}
    records = Records(Path(*files))
    if records.path == RESULTS:
        PAGE.write_text(page(records, named(samples)), encoding="utf-8")
    return table(records)


def named(plan: dict) -> list[str]:
    """The rows of the zoo that a plan is about."""
    return list(dict.fromkeys(key.partition(",")[0] for key in plan))


def table(records: Records) -> tuple[list[str], list[list[str]]]:
    known: dict[tuple[str, str, str], dict[tuple[int, int], float]] = {}
    for at, record in records.found.items():
        of_row = known.setdefault((at.row, at.library, at.data), {})
        if record["value"] is not None:
            of_row[at.repeat, at.fold] = record["value"]
    rows = {row: None for row, *_ in known}
    names = [name for name in FIRST if name in rows]
    names += sorted(rows.keys() - {*names})
    lines = []
    for row in names:
        for library in PEERS:
            if not any((row, library, data) in known for data in DATA):
                continue
            cells, differences = [], []
            for data in DATA:
                ours, theirs = (known.get((row, who, data), {}) for who in ("protozoo", library))
                both = sorted(ours.keys() & theirs.keys())
                if len(both) < 2:
                    failed = (row, library, data) in known and not theirs
                    cells.append("failed" if failed else "")
                    continue
                pair = [[of[at] for at in both] for of in (ours, theirs)]
                differences.append(difference(*pair))
                one, other = map(statistics.mean, pair)
                few = "" if len(both) == FOLDS * ROUNDS else f" ({len(both)})"
                cells.append(f"{one:.1f} / {other:.1f}{few}<br>{differences[-1]}")
            total = ""
            if differences:
                mean = statistics.mean(one.mean for one in differences)
                error = sum(one.error**2 for one in differences) ** 0.5 / len(differences)
                total = str(Difference(mean, error, 0))
            lines.append([row, library, *cells, total])
    return ["", "beside", *DATA, "ours - theirs"], lines


def page(records: Records, names: Sequence[str]) -> str:
    """The page of the documentation, about rows of these names."""
    header, lines = table(records)
    title, _, text = __doc__.strip().partition("\n")
    versions = sorted({(at.library, at.version) for at in records.found})
    rule = ["---"] * 2 + ["---:"] * (len(header) - 2)
    sets = "\n".join(
        f"- `{name}`: {' '.join((load.__doc__ or '').split())}" for name, load in DATA.items()
    )
    empty = [
        f"{line[0]} on {data}"
        for line in lines
        for data, cell in zip(DATA, line[2:-1], strict=True)
        if not cell and not (line[0].startswith("Image") and data != "digits")
    ]
    empty += [name for name in names if name not in {line[0] for line in lines}]
    missing = f"Not measured yet: {', '.join(dict.fromkeys(empty))}.\n\n" if empty else ""
    return (
        f"# {title}\n\n"
        "<!-- Written by `nox -s bench -- --only tables`. -->\n\n"
        f"{text.strip()}\n\n"
        "In a cell: ours / theirs, in brackets on how many folds where they are not "
        f"{FOLDS * ROUNDS}; below, the difference. “failed”: the other library could not learn "
        "from these data.\n\n"
        f"Versions: {', '.join(' '.join(one) for one in versions)}. Machine: "
        f"{os.cpu_count()} cores, {platform.machine()}.\n\n"
        + "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines])
        + f"\n\n{KNOWN}\n\n{missing}The data sets:\n\n{sets}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(Records(RESULTS), named(rows(quick=False))), encoding="utf-8")
