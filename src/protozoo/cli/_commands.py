"""What the commands about data do: fit, predict, show, compare."""

import ast
import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

import protozoo as pz

from ..persistence.internal import publish
from ..zoo import Recipe
from ._tables import Table, class_names, read


class Data(NamedTuple):
    """Samples, and what is called how."""

    x: np.ndarray
    y: np.ndarray | None
    weight: np.ndarray | None
    features: list[str]
    classes: list[str] | None


def fit(
    data: Path,
    *,
    model: str,
    output: Path,
    target: str | None,
    targets: str | None,
    weight: str | None,
    drop: Sequence[str],
    header: bool,
    skip_missing: bool,
    standardise: bool,
    held_out: float | None,
    folds: int | None,
    seed: int,
    options: dict[str, Any],
    overwrite: bool,
) -> int:
    """Train a model on a file, say how good it is on samples that it has not seen, and save it."""
    recipe = _row(model, "--model")
    _refuse_taken(output, overwrite, data)
    table = read(data, header)
    given = _data(table, recipe, target, targets, weight, drop, skip_missing)
    if folds is not None:
        found = _by_folds(pz.cross_validate, recipe, given, folds, seed, standardise, options)
        print(f"validated, then trained on all rows:\n{found}")
        held_out = 0.0
    train, test = _split(given, held_out, seed)
    y, w = (None if a is None else a[train] for a in (given.y, given.weight))
    print(f"{model} on {_described(given, train)}")
    # A meter is of one training.
    if options.get("restarts", recipe.restarts) == 1:
        options = {"progress": True, **options}
    result = pz.fit(
        recipe,
        given.x[train],
        y,
        key=seed,
        sample_weight=w,
        standardise=standardise,
        feature_names=given.features or None,
        class_names=given.classes,
        **options,
    )
    losses = result.history["loss"]
    print(f"trained for {result.epochs} epochs ({result.reason}): loss {losses[0]:.4g} to ", end="")
    print(f"{losses[-1]:.4g}")
    if given.y is not None and test.any():
        own = None if given.weight is None else given.weight[test]
        found = pz.evaluate(result.model, given.x[test], given.y[test], sample_weight=own)
        print(f"on {int(test.sum())} held-out rows:\n{found}")
    pz.save(output, result.model, overwrite=overwrite)
    print(f"saved in {output}")
    return 0


def _by_folds(
    ask: Callable[..., Any],
    what: Any,
    given: Data,
    folds: int,
    seed: int,
    standardise: bool,
    options: dict[str, Any],
) -> Any:
    """What `pz.cross_validate` says of a model, or `pz.compare` of some, on folds that they have
    not seen."""
    if given.y is None:
        raise ValueError("--folds: without classes there is nothing to test; leave it out.")
    return ask(
        what,
        given.x,
        given.y,
        folds=folds,
        key=seed,
        sample_weight=given.weight,
        standardise=standardise,
        **options,
    )


def predict(model: Path, data: Path, *, output: Path, header: bool, overwrite: bool) -> int:
    """Write what a saved model says of each row: class, confidence, nearest prototype,
    probabilities."""
    _refuse_taken(output, overwrite, model, data)
    known = _loaded(model)
    table = read(data, header)
    x = _samples_for(known, table)
    names = _names_of_classes(known)
    label, confidence = np.asarray(known.predict(x)), np.asarray(known.confidence(x))
    nearest = np.asarray(known.distances(x)).argmin(axis=1)
    shares = np.asarray(known.predict_proba(x))
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["label", "confidence", "nearest_prototype", *(f"p({n})" for n in names)])
    for row in range(len(x)):
        sure, *others = (f"{value:.6g}" for value in (confidence[row], *shares[row]))
        writer.writerow([names[label[row]], sure, nearest[row], *others])
    publish(output, [file.getvalue().encode()], overwrite)
    print(f"{len(x)} predictions in {output}")
    return 0


def show(model: Path, *, data: Path | None, plots: Path | None) -> int:
    """Print what a saved model is, and draw what can be drawn of it."""
    known = _loaded(model)
    x = None if data is None else _samples_for(known, read(data))
    if known.card is not None:
        print(known.card)
    print(known.outline())
    for name in ("encoder", "prototypes", "metric", "loss", "decision"):
        part = getattr(known, name)
        if part is not None:
            print(f"  {name}: {type(part).__name__}, {_size(part)} numbers")
    names = known.card.features if known.card else None
    if shares := _relevances(known, x):
        *_, leading = shares.values()
        if names is None or len(names) != len(leading):
            names = [str(i) for i in range(len(leading))]
        print(
            "relevances by unit (the diagonal of Lambda: what the metric makes of a unit), ", end=""
        )
        print("and on --data (times the variance: the share in distances between samples):")
        print(f"  {'':<24}" + "".join(f" {which:>10}" for which in shares))
        for i in np.argsort(-leading)[:20]:
            print(f"  {names[i]:<24}" + "".join(f" {each[i]:>10.4f}" for each in shares.values()))
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        drawn = list(_pictures(known, names, x))
        for name, figure in drawn:
            figure.savefig(plots / f"{name}.png", dpi=150)
        said = ", ".join(f"{name}.png" for name, _ in drawn) or "there is nothing to draw of it"
        print(f"pictures in {plots}: {said}")
    return 0


def compare(
    data: Path,
    *,
    models: Sequence[str],
    target: str,
    weight: str | None,
    drop: Sequence[str],
    header: bool,
    skip_missing: bool,
    standardise: bool,
    folds: int,
    seed: int,
    options: dict[str, Any],
) -> int:
    """Print how good models are on held-out folds of a file, with standard errors."""
    recipes = [_row(name, "--models") for name in models]
    for recipe in recipes:
        if not recipe.supervised or recipe.one_class:
            raise ValueError(f"--models: {recipe.name} does not learn classes.")
    table = read(data, header)
    given = _data(table, recipes[0], target, None, weight, drop, skip_missing)
    print(f"{folds} folds of {_described(given, np.ones(len(given.x), bool))}")
    print(_by_folds(pz.compare, list(models), given, folds, seed, standardise, options))
    return 0


def option(text: str) -> tuple[str, Any]:
    """`name=value`, the value as Python writes it, or else a text."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise ValueError(f"must be NAME=VALUE, got {text!r}")
    if name in _SAID_OTHERWISE:
        raise ValueError(f"{name!r} is no option here: {_SAID_OTHERWISE[name]}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


#: What a command tells `pz.fit` and `pz.compare` by itself, and how that is said.
_SAID_OTHERWISE = {
    "model": "the model is named by --model",
    "models": "models are named by --models",
    "x": "samples are all columns that are not left out by --drop",
    "y": "classes are the column that --target names",
    "key": "random numbers follow from --seed",
    "folds": "their number is said by --folds",
    "validation": "samples are kept for testing by --held-out or --folds",
    "sample_weight": "weights are the column that --weight names",
    "standardise": "it is asked for by --standardise",
    "class_names": "classes are called as in the column that --target names",
    "feature_names": "features are called as in the first line of the file",
}


def _row(name: str, argument: str) -> Recipe:
    if name not in pz.zoo.names():
        near = [known for known in pz.zoo.names() if known.lower() == name.lower()]
        hint = f"do you mean {near[0]}?" if near else "`protozoo models` lists them."
        raise ValueError(f"{argument}: the zoo has no model {name!r}; {hint}")
    return getattr(pz.zoo, name)


def _data(
    table: Table,
    recipe: Recipe,
    target: str | None,
    targets: str | None,
    weight: str | None,
    drop: Sequence[str],
    skip_missing: bool,
) -> Data:
    uses: dict[str, str] = {}
    pairs = ((target, "--target"), (weight, "--weight"), *((name, "--drop") for name in drop))
    for name, argument in pairs:
        if name is None:
            continue
        table.column(name, argument)
        if uses.setdefault(name, argument) != argument:
            raise ValueError(f"{argument}: column {name!r} is named by {uses[name]}, too.")
    special = [name for name in (target, weight) if name is not None]
    features = [name for name in table.columns if name not in uses]
    if not features:
        raise ValueError(f"{table.path} has no column left to learn from.")
    if skip_missing:
        gaps = table.missing([*features, *special])
        if gaps.all():
            raise ValueError(f"{table.path}: a value is missing in every row.")
        if gaps.any():
            print(f"left out {int(gaps.sum())} of {len(table)} rows, where values are missing")
        table = table.rows(~gaps)
    x = table.samples(features)
    share = None if weight is None else table.weights(weight, "--weight")
    names = features if table.columns[features[0]].ndim == 1 else None
    if recipe.one_class:
        y = _others(table, target, targets)
        return Data(x, y, share, names or [], [targets or "target"])
    if targets is not None:
        raise ValueError(f"--targets: {recipe.name} does not tell targets from others.")
    if not recipe.supervised:
        if target is not None:
            raise ValueError(
                f"--target: {recipe.name} learns without classes; leave the column out "
                f"(--drop {target!r})."
            )
        return Data(x, None, share, names or [], None)
    if target is None:
        raise ValueError(f"--target: {recipe.name} learns classes: say which column holds them.")
    said = table.labels(target, "--target")
    classes = class_names(said)
    if len(classes) == 1:
        raise ValueError(
            f"{table.path}: column {target!r} (--target) holds one class, {classes[0]!r}; "
            f"{recipe.name} tells two or more apart."
        )
    number = {name: i for i, name in enumerate(classes)}
    return Data(x, np.array([number[name] for name in said]), share, names or [], classes)


def _others(table: Table, target: str | None, targets: str | None) -> np.ndarray | None:
    """0 for rows of the targets, 1 for all others; `None` if all are targets."""
    if target is None:
        if targets is not None:
            raise ValueError("--targets: say which column holds the classes, too: --target.")
        return None
    said = table.labels(target, "--target")
    if targets is None or targets not in said:
        raise ValueError(
            f"--targets: say which class of {target!r} are the targets: "
            f"{', '.join(map(repr, class_names(said)))}."
        )
    return np.array([int(name != targets) for name in said])


def _split(data: Data, held_out: float | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to be asked about, of each class alike: a fifth by default."""
    test = np.zeros(len(data.x), bool)
    if data.y is None:
        if held_out:
            raise ValueError("--held-out: without classes there is nothing to test; leave it out.")
        return ~test, test
    asked, held_out = bool(held_out), 0.2 if held_out is None else held_out
    rng = np.random.default_rng(seed)
    for k in np.unique(data.y):
        members = rng.permutation(np.flatnonzero(data.y == k))
        test[members[: round(held_out * len(members))]] = True
        if test[members].all():
            raise ValueError(f"--held-out: {held_out} leaves no sample of class {k} to learn from.")
    if held_out and not test.any():
        said = f"{held_out:g} of the rows of each class is less than one row"
        if asked:
            raise ValueError(f"--held-out: {said}; 0 keeps none for testing.")
        print(f"nothing is held out for testing: {said}; --folds tests on all rows")
    return ~test, test


def _described(data: Data, used: np.ndarray) -> str:
    shape = "×".join(map(str, data.x.shape[1:]))
    unit = "features" if data.x.ndim == 2 else "numbers"
    said = f"{int(used.sum())} rows of {shape} {unit}"
    more = len(data.classes or ()) > 1
    return f"{said}, {len(data.classes or ())} classes" if more else said


def _loaded(path: Path) -> pz.PrototypeModel:
    model = pz.load(path)
    if not isinstance(model, pz.PrototypeModel):
        raise ValueError(f"{path} holds a {type(model).__name__}, and no model of prototypes.")
    return model


def _names_of_classes(model: pz.PrototypeModel) -> list[str]:
    """Those on its card, or numbers."""
    named = model.card and model.card.classes
    return [str(name) for name in (model.class_names if named else range(model.classes))]


def _samples_for(model: pz.PrototypeModel, table: Table) -> np.ndarray:
    """The columns that a model learned from, by their names if it knows them."""
    features = model.card.features if model.card else None
    for name in features or ():
        table.column(name, "the model learned from it")
    return table.samples(features or list(table.columns))


def _relevances(model: pz.PrototypeModel, x: np.ndarray | None) -> dict[str, np.ndarray]:
    """By which: of a unit of each feature and, of samples, weighted by the features' variances."""
    if not isinstance(model.metric, pz.metrics.AbstractLinearlyAdapted):
        return {}
    by_unit = {"by unit": np.asarray(model.relevance_diagonal())}
    return by_unit if x is None else {**by_unit, "on data": np.asarray(model.relevances(x))}


def _pictures(
    model: pz.PrototypeModel, names: Sequence[str] | None, x: np.ndarray | None
) -> Iterator[tuple[str, Any]]:
    """Those that a model can be asked for, of samples if there are some."""
    drawn = {
        "prototypes": lambda: pz.plots.profiles(model, x, feature_names=names),
        "prototype_images": lambda: pz.plots.prototype_images(model),
        "relevance_bars": lambda: pz.plots.relevance_bars(model, x, feature_names=names),
        "relevance_matrix": lambda: pz.plots.relevance_matrix(model, feature_names=names, x=x),
        "relevance_spectrum": lambda: pz.plots.relevance_spectrum(model),
        "local_relevances": lambda: pz.plots.local_relevances(model, feature_names=names),
        "kernel_widths": lambda: pz.plots.kernel_widths(model, x),
        "umatrix": lambda: pz.plots.umatrix(model),
        "component_planes": lambda: pz.plots.component_planes(model, feature_names=names),
    }
    for name, draw in drawn.items():
        try:
            yield name, draw()
        except (ValueError, TypeError):  # not of this model
            continue


def _size(part: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(part, eqx.is_array)))


def _refuse_taken(output: Path, overwrite: bool, *read: Path) -> None:
    """A place that nothing can be written to, or that something is read from, is found before
    anything is computed, and nothing is made there yet."""
    # By whatever name: links lead to the same file, and a saved model is all that lies in it.
    real = output.resolve()
    for given in read:
        if output.exists() and any(
            given.exists() and above.samefile(given) for above in (real, *real.parents)
        ):
            raise ValueError(
                f"--output: {output} is read from ({given}), and would be lost: name another place."
            )
    if output.exists() and not overwrite:
        raise ValueError(f"--output: {output} is there already; --overwrite replaces it.")
    here = next(above for above in output.absolute().parents if above.exists())
    try:
        tempfile.TemporaryFile(dir=here).close()
    except OSError as error:
        raise ValueError(
            f"--output: nothing can be written to {str(here)!r}: {error.strerror}."
        ) from error
