"""One class beside other libraries

Area under the ROC curve, in per cent, of targets against everything else among unseen samples, with
the standard error over five stratified folds: benign as the target on breast cancer, and one digit
against all others (the mean over ten digits). Samples are standardised by the targets that are
learned from; where a feature does not vary among them, it keeps its unit. Rows of learning vector
quantisation also learn from outliers; SVDD, OCKMeans and scikit-learn's models see targets alone.
One table of settings serves all models: three prototypes, and otherwise each library's own
defaults; prosemble trains for as many epochs as our trainer of that row. An arrow marks where ours
is better (↑) or worse (↓) by more than two standard errors of the difference, corrected for
training sets that overlap (C. Nadeau & Y. Bengio, *Inference for the generalization error*, Machine
Learning, 2003).

What is measured is kept in `.cache/novelty`, and a run goes on where the last one stopped; at its
end, or by `python -m benchmarks.cases.novelty` from what there is, it writes `docs/novelty.md`.
"""

import inspect
import os
import platform
import statistics
import traceback
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from ._measure import cache_compilations
from ._records import Place, Records
from .tables import difference


REPEATS = 1  # folds are the repetitions, and nothing here is a matter of luck
WORKERS = os.cpu_count() or 1  # nor of time

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / ".cache" / "novelty" / "results.jsonl", ROOT / "docs" / "novelty.md"
DATA = ("breast_cancer", "digits")  # the quickest first
FOLDS, PROTOTYPES = 5, 3
SCIKIT_LEARN = ("OneClassSVM", "IsolationForest", "LocalOutlierFactor")
ALONE = ("SVDD", "OCKMeans")  # which prosemble does not have


def rows(quick: bool) -> dict:
    import protozoo as pz

    recipes = {
        name: getattr(pz.zoo, name) for name in pz.zoo.names() if getattr(pz.zoo, name).one_class
    }
    names = [name for name in recipes if not quick or name in ("OCGLVQ", "SVDD")]
    # What is quickest first: an interrupted run knows a little about each.
    plan = [("scikit-learn", name) for name in SCIKIT_LEARN]
    plan += [("protozoo", name) for name in names]
    plan += [("prosemble", name) for name in names if name not in ALONE]
    return {
        f"{name}, {data}": {
            library: {
                "library": library,
                "model": name,
                "epochs": recipes[name].training().epochs if name in recipes else 0,
                "data": data,
                "folds": 2 if quick else FOLDS,
                "file": str(RESULTS.with_name("quick.jsonl") if quick else RESULTS),
            }
            for library, own in plan
            if own == name
        }
        for data in (DATA[:1] if quick else DATA)
        for name in dict.fromkeys(name for _, name in plan)
    }


def measure(
    library: str, model: str, epochs: int, data: str, folds: int, file: str
) -> dict[str, int | str]:
    """The areas on the folds that were not measured yet go to the file; nothing where another
    library cannot learn."""
    cache_compilations()
    score = {"protozoo": protozoo, "prosemble": prosemble, "scikit-learn": scikit_learn}[library]
    records, version = Records(Path(file)), metadata.version(library)
    places = [Place(data, model, library, version, 0, fold) for fold in range(folds)]
    missing = records.missing(places)
    problems = list(splits(data, folds)) if missing else []
    for place in missing:
        try:
            areas = [area(score, model, epochs, *one) for one in problems[place.fold]]
            value = float(np.mean(areas))
        except Exception:
            if library == "protozoo":
                raise
            traceback.print_exc()
            value = None
        records.add(place, value=value)
    return {"taken": len(missing), "file": file}


def area(score, model: str, epochs: int, train: tuple, test: tuple) -> float:
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(test[1] == 0, np.asarray(score(model, epochs, *train, test[0]), float))


def splits(name: str, folds: int) -> Iterator[list[tuple]]:
    """For each fold, a problem for each target: samples to learn from and others, 0 for targets and
    1 for the rest."""
    from sklearn import datasets
    from sklearn.model_selection import StratifiedKFold

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    targets = [1] if name == "breast_cancer" else range(10)  # benign is class 1
    pairs = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y))
    size = min(len(train) for train, _ in pairs)
    for train, test in pairs:
        train, problems = train[:size], []
        for target in targets:
            label = (y != target).astype(int)
            of_target = x[train][label[train] == 0]
            deviation = of_target.std(axis=0)
            scaled = np.float32(
                (x - of_target.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
            )
            problems.append(((scaled[train], label[train]), (scaled[test], label[test])))
        yield problems


def protozoo(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    import protozoo as pz

    given = {"x": x[y == 0]} if name in ALONE else {"x": x, "y": y}
    fit = pz.fit(name, **given, key=0, prototypes=PROTOTYPES)
    return np.asarray(fit.model.decision_function(unseen))


def prosemble(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    from prosemble import models

    model = getattr(models, name)
    settings = {"n_prototypes": PROTOTYPES, "max_iter": epochs, "target_label": 1}
    known = inspect.signature(model).parameters
    fit = model(**{k: v for k, v in settings.items() if k in known}).fit(x, 1 - y)
    return np.asarray(fit.predict_proba(unseen))


def scikit_learn(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.svm import OneClassSVM

    make = {
        "OneClassSVM": OneClassSVM,
        "IsolationForest": lambda: IsolationForest(random_state=0),
        "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
    }[name]
    return make().fit(x[y == 0]).score_samples(unseen)


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each row and library beside it; and the page, of what is known."""
    files = {sample["file"] for row in samples.values() for (sample,) in row.values() if sample}
    records = Records(Path(*files))
    if records.path == RESULTS:
        PAGE.write_text(page(records), encoding="utf-8")
    return table(records)


def table(records: Records) -> tuple[list[str], list[list[str]]]:
    known: dict[tuple[str, str, str], dict[int, float | None]] = {}
    for at, record in records.found.items():
        known.setdefault((at.row, at.library, at.data), {})[at.fold] = record["value"]
    header = ["", "beside", *(title for name in DATA for title in (f"{name}: ours", "theirs"))]
    lines = []
    for row in sorted({row for row, *_ in known}):
        ours = [known.get((row, "protozoo", data), {}) for data in DATA]
        others = {who for name, who, _ in known if name == row} - {"protozoo"}
        for library in sorted(others) or [""]:
            theirs = [known.get((row, library, data), {}) for data in DATA]
            pairs = zip(ours, theirs, strict=True)
            lines.append([row, library, *(cell for pair in pairs for cell in cells(*pair))])
    return header, lines


def cells(ours: dict[int, float | None], theirs: dict[int, float | None]) -> tuple[str, str]:
    both = [(ours[at], theirs[at]) for at in sorted(ours.keys() & theirs.keys())]
    both = [(one, other) for one, other in both if one is not None and other is not None]
    mark = difference(*zip(*both, strict=True)).mark if len(both) > 1 else ""
    return text(ours.values()) + mark, text(theirs.values())


def text(areas: Iterable[float | None]) -> str:
    """Mean and standard error, in per cent."""
    areas = list(areas)
    known = [area for area in areas if area is not None]
    if len(known) < 2:
        return "failed" if areas and not known else ""
    error = statistics.stdev(known) / len(known) ** 0.5
    return f"{100 * statistics.mean(known):.1f} ± {100 * error:.1f}"


def page(records: Records) -> str:
    """The page of the documentation."""
    header, lines = table(records)
    title, _, told = __doc__.strip().partition("\n")
    versions = sorted({(at.library, at.version) for at in records.found})
    rule = ["---"] * 2 + ["---:"] * (len(header) - 2)
    return (
        f"# {title}\n\n"
        "<!-- Written by `nox -s bench -- --only novelty`. -->\n\n"
        f"{told.strip()}\n\n"
        "An empty cell was not measured yet; “failed”: the other library could not learn from "
        "these data.\n\n"
        f"Versions: {', '.join(' '.join(one) for one in versions)}. Machine: "
        f"{os.cpu_count()} cores, {platform.machine()}.\n\n"
        + "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines])
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(Records(RESULTS)), encoding="utf-8")
