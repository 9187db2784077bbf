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
    recipe = _row(model)
    _refuse_taken(output, overwrite)
    table = read(data, header)
    given = _data(table, recipe, target, targets, weight, drop, skip_missing)
    if folds is not None:
        found = _by_folds(pz.cross_validate, recipe, given, folds, seed, standardise, options)
        print(f"validated, then trained on all rows:\n{found}")
        held_out = 0.0
    train, test = _split(given, held_out, seed)
    y, w = (None if a is None else a[train] for a in (given.y, given.weight))
    print(f"{model} on {_described(given, train)}")
    result = pz.fit(
        recipe,
        given.x[train],
        y,
        key=seed,
        sample_weight=w,
        standardise=standardise,
        feature_names=given.features or None,
        class_names=given.classes,
        **({"progress": True} if recipe.restarts == 1 else {}),
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
    _refuse_taken(output, overwrite)
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
    recipes = [_row(name) for name in models]
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
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _row(name: str) -> Recipe:
    if name not in pz.zoo.names():
        near = [known for known in pz.zoo.names() if known.lower() == name.lower()]
        hint = f"do you mean {near[0]}?" if near else "`protozoo models` lists them."
        raise ValueError(f"--model: the zoo has no model {name!r}; {hint}")
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
    for name in drop:
        table.column(name, "--drop")
    special = [name for name in (target, weight) if name is not None]
    for name, argument in ((target, "--target"), (weight, "--weight")):
        if name is not None:
            table.column(name, argument)
    features = [name for name in table.columns if name not in (*drop, *special)]
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
    share = None if weight is None else table.samples([weight])[:, 0]
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
    held_out = 0.2 if held_out is None else held_out
    rng = np.random.default_rng(seed)
    for k in np.unique(data.y):
        members = rng.permutation(np.flatnonzero(data.y == k))
        test[members[: round(held_out * len(members))]] = True
        if test[members].all():
            raise ValueError(f"--held-out: {held_out} leaves no sample of class {k} to learn from.")
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


def _refuse_taken(output: Path, overwrite: bool) -> None:
    """A place that nothing can be written to is found before anything is computed, and nothing is
    made there yet."""
    if output.exists() and not overwrite:
        raise ValueError(f"--output: {output} is there already; --overwrite replaces it.")
    here = next(above for above in output.absolute().parents if above.exists())
    try:
        tempfile.TemporaryFile(dir=here).close()
    except OSError as error:
        raise ValueError(
            f"--output: nothing can be written to {str(here)!r}: {error.strerror}."
        ) from error
