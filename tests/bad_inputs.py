"""Gives rows of the table what users give by mistake, at every entry point, and counts what comes
of it.

    python tests/bad_inputs.py [--few] GLVQ HCM

What is given is either taken, and then the answer is that of the same numbers as a float32 array,
or it is refused by an error that names the argument. Everything else is a fault: an error of
Python, NumPy or JAX that names nothing, or an answer to what has none. Prints a line for each
fault, and the counts; `--few` gives one thing of eight. Run by tests/test_inputs.py in a process of
its own: users have no type checks at run time.
"""

import collections
import datetime
import decimal
import fractions
import inspect
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse
from kinds import KINDS, belongs
from zoo import CASES, Case

import protozoo as pz


#: What a value is given as, and the same numbers as an array; `None` if it stands for no numbers.
Given = tuple[Any, Any]


class Unwilling:
    """What converts itself to an array and fails."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array today")


def samples(x: np.ndarray, rng: np.random.Generator) -> dict[str, Given]:
    """What may be given for samples."""
    n, flat, whole = len(x), x.reshape(len(x), -1), np.round(4 * x)

    def with_one(value: Any, dtype: Any = np.float32) -> np.ndarray:
        other = x.astype(dtype)
        other[tuple(int(rng.integers(size)) for size in x.shape)] = value
        return other

    frame, masked = pd.DataFrame(flat), np.ma.masked_array(x, np.zeros(x.shape, bool))
    ints = {
        f"integers of {dtype}": (whole.astype(dtype), whole.astype(dtype).astype(np.float32))
        for dtype in ("int8", "int16", "int32", "int64", ">i4")
    } | {
        f"integers of {dtype}": (
            abs(whole).astype(dtype),
            abs(whole).astype(dtype).astype(np.float32),
        )
        for dtype in ("uint8", "uint16", "uint64")
    }
    floats = {
        f"floats of {dtype}": (x.astype(dtype), x.astype(dtype).astype(np.float32))
        for dtype in ("float16", "float64", "longdouble", ">f4", ">f8", "<f2", ">f2")
    }
    taken = {
        "frame": (frame, flat),
        "polars frame": (pl.DataFrame(flat), flat),
        "nullable frame": (frame.astype("Float64"), flat),
        "list": (x.tolist(), x),
        "tuple": (tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x.tolist()), x),
        "list of arrays": (list(x), x),
        "list of JAX arrays": (list(jnp.asarray(x)), x),
        "object": (x.astype(object), x),
        "object of fractions": (np.vectorize(fractions.Fraction)(x.astype(float)), x),
        "bool": (x > 0, (x > 0).astype(np.float32)),
        "JAX array": (jnp.asarray(x), x),
        "JAX bfloat16": (
            jnp.asarray(x, jnp.bfloat16),
            np.asarray(jnp.asarray(x, jnp.bfloat16), np.float32),
        ),
        "JAX integers": (jnp.asarray(whole, int), whole),
        "NumPy bfloat16": (x.astype(jnp.bfloat16), x.astype(jnp.bfloat16).astype(np.float32)),
        "Fortran order": (np.asfortranarray(x), x),
        "strides": (np.repeat(x, 2, axis=0)[::2], x),
        "reversed": (x[::-1].copy()[::-1], x),
        "matrix": (np.asmatrix(flat), flat),
        "unmasked": (masked, x),
        "large": (1e30 * x, 1e30 * x),
        "small": (1e-30 * x, 1e-30 * x),
        "constant": (np.repeat(x[:1], n, axis=0), np.repeat(x[:1], n, axis=0)),
    }
    some = np.zeros(x.shape, bool)
    some.reshape(-1)[:3] = True
    refused = {
        "NaN": with_one(np.nan),
        "infinity": with_one(np.inf),
        "minus infinity": with_one(-np.inf),
        "all NaN": np.full(x.shape, np.nan),
        "beyond float32": with_one(1e300, float),
        "NaN in JAX": jnp.asarray(with_one(np.nan)),
        "NaN in a list": with_one(np.nan).tolist(),
        "None in a list": with_one(None, object).tolist(),
        "None in an object": with_one(None, object),
        "decimals": with_one(decimal.Decimal("NaN"), object),
        "masked": np.ma.masked_array(x, some),
        "complex": x.astype(complex),
        "complex object": x.astype(complex).astype(object),
        "text": x.astype(str),
        "bytes": x.astype("S8"),
        "text object": x.astype(str).astype(object),
        "times": x.astype("int64").astype("datetime64[s]"),
        "durations": x.astype("int64").astype("timedelta64[s]"),
        "frame of dates": pd.DataFrame(
            {i: pd.date_range("2020", periods=n) for i in range(flat.shape[1])}
        ),
        "frame with text": frame.assign(**{"name": "a"}),
        "frame with gaps": pd.DataFrame(with_one(np.nan).reshape(n, -1)),
        "nullable with gaps": frame.round().astype("Int64").where(frame > frame.to_numpy().min()),
        "categories": frame.apply(lambda column: pd.Categorical(column.astype(str))),
        "polars with nulls": pl.DataFrame(flat).with_columns(pl.lit(None).alias("column_0")),
        "polars text": pl.DataFrame(flat.astype(str)),
        "series": pd.Series(flat[:, 0]),
        "structured": np.zeros(n, dtype=[("a", float), ("b", float)]),
        "sparse": scipy.sparse.csr_array(flat),
        "sparse matrix": scipy.sparse.coo_matrix(flat),
        "empty": x[:0],
        "empty list": [],
        "list of empty lists": [[]],
        "no features": flat[:, :0],
        "vector": flat[:, 0],
        "one sample": x[0],
        "number": 3,
        "nothing": None,
        "not a number": float("nan"),
        "one axis more": x[None],
        "one axis last": x[..., None],
        "fewer features": x[:, :1],
        "more features": np.concatenate([x, x], axis=1),
        "ragged": [*x[:-1].tolist(), flat[0].tolist()[:-1]],
        "ragged deeper": [*x[:-1].tolist(), [[[1.0]]]],
        "dictionary": {"x": x},
        "set": {1.0, 2.0},
        "word": "iris",
        "path": Path("iris.csv"),
        "bytes alone": b"\x00\x01",
        "object alone": object(),
        "ellipsis": Ellipsis,
        "a class": np.ndarray,
        "a module": np,
        "a model": eqx.nn.Linear(2, 2, key=jax.random.key(0)),
        "a shape": jax.ShapeDtypeStruct(x.shape, x.dtype),
        "keys": jax.random.split(jax.random.key(0), n),
        "fails by itself": Unwilling(),
        "a date": datetime.date(2020, 1, 1),
        "a range": range(n),
        "all of it": (x, np.zeros(n, int)),
    }
    return {**ints, **floats, **taken, **{name: (value, None) for name, value in refused.items()}}


def labels(y: np.ndarray) -> dict[str, Given]:
    """What may be given for classes."""
    n = len(y)
    first, text = y.copy(), np.array(["a", "b", "c"])[y]
    first[0] = -1
    ints = {
        f"labels of {dtype}": (y.astype(dtype), y)
        for dtype in ("int8", "uint8", "int64", "uint64", ">i4")
    }
    taken = {
        "list": (y.tolist(), y),
        "tuple": (tuple(y.tolist()), y),
        "list of NumPy integers": (list(y), y),
        "series": (pd.Series(y), y),
        "series with an index": (pd.Series(y, index=range(n, 2 * n)), y),
        "nullable series": (pd.Series(y, dtype="Int64"), y),
        "polars series": (pl.Series(y), y),
        "object": (y.astype(object), y),
        "JAX array": (jnp.asarray(y), y),
        "range as a list": ([int(k) for k in y], y),
        "unmasked": (np.ma.masked_array(y, np.zeros(n, bool)), y),
    }
    refused = {
        "floats": y.astype(float),
        "bools": y > 0,
        "text": text,
        "text list": text.tolist(),
        "text series": pd.Series(text),
        "categories": pd.Series(text, dtype="category"),
        "text object": text.astype(object),
        "bytes": text.astype("S1"),
        "dates": y.astype("datetime64[D]"),
        "complex": y.astype(complex),
        "NaN": np.where(y == 0, np.nan, y),
        "None in a list": [None, *y[1:].tolist()],
        "nullable with gaps": pd.Series([None, *y[1:].tolist()], dtype="Int64"),
        "masked": np.ma.masked_array(y, np.arange(n) < 3),
        "negative": first,
        "gaps": np.where(y == 1, 5, y),
        "from one": y + 1,
        "enormous": np.where(y == 1, 2**40, y),
        "enormous unsigned": np.where(y == 1, np.uint64(2**63 + 5), y.astype(np.uint64)),
        "enormous Python": [2**70, *y[1:].tolist()],
        "one class": np.zeros(n, int),
        "column": y[:, None],
        "frame": pd.DataFrame(y),
        "one hot": np.eye(3, dtype=int)[y],
        "too few": y[:-1],
        "too many": np.append(y, 0),
        "empty": y[:0],
        "number": 1,
        "dictionary": {"y": y},
        "set": {0, 1},
        "word": "species",
        "object alone": object(),
        "function": np.sum,
        "ragged": [[0], [1, 2]],
        "sparse": scipy.sparse.csr_array(y[None]),
        "structured": np.zeros(n, dtype=[("a", int)]),
        "keys": jax.random.split(jax.random.key(0), n),
        "fails by itself": Unwilling(),
    }
    return {**ints, **taken, **{name: (value, None) for name, value in refused.items()}}


def weights(n: int) -> dict[str, Given]:
    """What may be given for weights."""
    w = 1.0 + np.arange(n) % 2

    def with_one(value: Any) -> np.ndarray:
        return np.where(np.arange(n) == 3, value, w)

    taken = {
        "list": (w.tolist(), w),
        "tuple": (tuple(w.tolist()), w),
        "series": (pd.Series(w), w),
        "polars series": (pl.Series(w), w),
        "integers": (w.astype(int), w),
        "bools": (w > 0, np.ones(n)),
        "big-endian": (w.astype(">f4"), w),
        "float16": (w.astype(np.float16), w),
        "JAX array": (jnp.asarray(w), w),
        "object": (w.astype(object), w),
        "large": (1e300 * w, 1e300 * w),
        "unmasked": (np.ma.masked_array(w, np.zeros(n, bool)), w),
    }
    refused = {
        "negative": with_one(-1.0),
        "NaN": with_one(np.nan),
        "infinite": with_one(np.inf),
        "zeros": np.zeros(n),
        "masked": np.ma.masked_array(w, np.arange(n) < 3),
        "too few": w[:-1],
        "too many": np.append(w, 1),
        "column": w[:, None],
        "number": 1.0,
        "text": w.astype(str),
        "word": "balance",
        "complex": w.astype(complex),
        "None in a list": [None, *w[1:].tolist()],
        "times": w.astype("int64").astype("datetime64[s]"),
        "empty": [],
        "dictionary": {"w": w},
        "set": {1.0},
        "object alone": object(),
        "function": np.sum,
        "ragged": [[1.0], [1.0, 2.0]],
        "sparse": scipy.sparse.csr_array(w[None]),
        "fails by itself": Unwilling(),
    }
    return {**taken, **{name: (value, None) for name, value in refused.items()}}


def keys() -> dict[str, Given]:
    """What may be given for a random key."""
    taken = {"integer": (7, 7), "NumPy integer": (np.int64(7), 7), "key": (jax.random.key(7), 7)}
    refused = {
        "float": 1.5,
        "bool": True,
        "word": "seed",
        "keys": jax.random.split(jax.random.key(0), 3),
        "list": [0, 1],
        "object": object(),
        "NaN": float("nan"),
        "array": np.zeros(3),
        "enormous": 2**70,
        "function": jax.random.key,
        "generator": np.random.default_rng(0),
    }
    return {**taken, **{name: (value, None) for name, value in refused.items()}}


def paths(folder: Path) -> dict[str, Given]:
    """What may be given for a path."""
    refused = {
        "number": 3,
        "nothing": None,
        "list": ["a"],
        "object": object(),
        "empty": "",
        "zero byte": "a\0b",
        "bytes": b"abc",
        "float": 1.5,
        "below a file": str(folder / "file" / "model"),
    }
    return {name: (value, None) for name, value in refused.items()}


#: What may be given where one of three classes or "balanced" is weighed.
CLASS_WEIGHTS: dict[str, Given] = {
    "array": (np.array([1.0, 2, 1]), {0: 1.0, 1: 2.0, 2: 1.0}),
    "list": ([1, 2, 1], {0: 1.0, 1: 2.0, 2: 1.0}),
    "series": (pd.Series([1, 2, 1]), {0: 1.0, 1: 2.0, 2: 1.0}),
    "NumPy keys": ({np.int64(0): 1, np.int64(1): 2, np.int64(2): 1}, {0: 1.0, 1: 2.0, 2: 1.0}),
    **{
        name: (value, None)
        for name, value in {
            "too few": [1, 2],
            "too many": [1, 2, 3, 4],
            "negative": [1, -1, 1],
            "NaN": [1, np.nan, 1],
            "infinite": {0: 1, 1: np.inf, 2: 1},
            "zeros": [0, 0, 0],
            "other classes": {0: 1, 1: 1, 3: 1},
            "text keys": {"a": 1, "b": 1, "c": 1},
            "mixed keys": {0: 1, "b": 1, 2: 1},
            "text values": {0: "a", 1: "b", 2: "c"},
            "list values": {0: [1], 1: [1, 2], 2: [1]},
            "word": "equal",
            "number": 2.0,
            "object": object(),
            "masked": np.ma.masked_array([1.0, 2, 3], [True, False, False]),
            "complex": [1j, 1, 1],
            "set": {1, 2, 3},
        }.items()
    },
}

#: What settings of a trainer are made of, beside what their annotations say.
SETTINGS = {name: p.annotation for name, p in inspect.signature(pz.Trainer).parameters.items()}


class Campaign:
    """Gives things, judges what comes, and keeps count."""

    def __init__(self, case: Case, few: bool):
        self.case, self.counts, self.every, self.turn = (
            case,
            collections.Counter(),
            8 if few else 1,
            0,
        )

    def _some(self, values: dict[str, Any]) -> dict[str, Any]:
        """One of each eight, other ones every time; or all."""
        self.turn += 3
        return {
            name: value
            for i, (name, value) in enumerate(values.items())
            if (i + self.turn) % self.every == 0
        }

    def give(
        self, place: str, argument: str, call: Callable[[Any], Any], values: dict[str, Given]
    ) -> None:
        """Each of the values for an argument of a function of it."""
        references: dict[str, Any] = {}
        for name, (value, equal) in self._some(values).items():
            try:
                found = call(value)
            except Exception as error:
                self._refused(f"{self.case} {place} {argument}={name}", argument, error)
                continue
            if equal is None:
                self._fault(f"{self.case} {place} {argument}={name}: taken")
                continue
            if name not in references:
                references[name] = call(equal)
            same = _same(found, references[name])
            if not same:
                self._fault(
                    f"{self.case} {place} {argument}={name}: another answer than for the same "
                    f"numbers"
                )
            self.counts["taken"] += bool(same)

    def options(self, place: str, call: Callable[..., Any], annotations: dict[str, Any]) -> None:
        """Things of every kind for options, which must be of the kind that their annotations
        say."""
        for option, annotation in annotations.items():
            for name, value in self._some(KINDS).items():
                what = f"{self.case} {place} {option}={name}"
                try:
                    call(**{option: value})
                except Exception as error:
                    self._refused(what, option, error)
                    continue
                if belongs(value, annotation):
                    self.counts["taken"] += 1
                else:
                    self._fault(f"{what}: taken")

    def _refused(self, what: str, argument: str, error: Exception) -> None:
        text = str(error)
        # Samples and classes of different numbers: which of them are wrong is not known.
        named = any(
            f"`{name}" in text
            for name in ((argument, "y", "validation y") if argument == "x" else (argument,))
        )
        if isinstance(error, ValueError | TypeError | NotImplementedError) and named:
            self.counts["refused"] += 1
        else:
            frames = [
                frame
                for frame in traceback.extract_tb(error.__traceback__)
                if "protozoo" in frame.filename
            ]
            at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            self._fault(
                f"{what}: {at}: {type(error).__name__}: "
                f"{text.splitlines()[0][:150] if text else ''}"
            )

    def _fault(self, what: str) -> None:
        self.counts["faults"] += 1
        print(what, flush=True)


def run(case: Case, folder: Path, few: bool) -> collections.Counter:
    """Everything, for one row."""
    rng, campaign = np.random.default_rng(0), Campaign(case, few)
    recipe, x, y, options = case.recipe, case.x, case.y, case.options
    given_x, given_y, given_w = (
        samples(x, rng),
        labels(np.arange(len(x)) % 3 if y is None else y),
        weights(len(x)),
    )
    model, trainer = recipe(x, y, key=0, **options), recipe.trainer(epochs=1)
    if model.sample_shape is None:  # a network takes samples of any shape of as many numbers
        given_x["one axis last"] = (x[..., None], x)

    # Makers. Other numbers of features make other models.
    others = {"one axis last", "fewer features", "more features"}
    if "grid" in recipe.options:  # a map of one sample is a map
        others.add("one axis more")
    anew = {name: value for name, value in given_x.items() if name not in others}
    campaign.give("maker", "x", lambda v: recipe(v, y, key=0, **options), anew)
    if y is not None:
        # Of one class, targets may be all there are.
        alone = ("one class",) if recipe.one_class else ()
        no_labels = {} if recipe.one_class else {"nothing": (None, None)}
        of_classes = {name: value for name, value in given_y.items() if name not in alone}
        campaign.give(
            "maker", "y", lambda v: recipe(x, v, key=0, **options), {**of_classes, **no_labels}
        )
    campaign.give(
        "maker", "sample_weight", lambda v: recipe(x, y, key=0, sample_weight=v, **options), given_w
    )
    campaign.give("maker", "key", lambda v: recipe(x, y, key=v, **options), keys())
    kinds = {
        name: p.annotation
        for maker in recipe._makers()
        for name, p in inspect.signature(maker).parameters.items()
    }
    kinds = {name: kinds[name] for name in recipe.options}
    of_rows = {"space": pz.manifolds.AbstractManifold | None, "encoder": Callable | None}
    campaign.options(
        "maker", lambda **o: recipe(x, y, key=0, **{**options, **o}), {**kinds, **of_rows}
    )

    # Training.
    campaign.options("trainer", recipe.trainer, SETTINGS)
    streams = ("a class", "a range", "fails by itself")
    in_memory = {name: value for name, value in given_x.items() if name not in streams}
    both = {name: value for name, value in anew.items() if name not in streams}

    def trained(fit: pz.training.Fit) -> Any:
        return fit.model, fit.history

    def fit(x: Any = x, y: Any = y, key: Any = 0, **others: Any) -> Any:
        return trained(trainer.fit(model, x, y, key=key, **others))

    campaign.give("fit", "x", lambda v: fit(v), in_memory)
    if y is not None:
        alone_or_none = not model.supervised
        no_labels = {} if alone_or_none else {"nothing": (None, None)}
        of_classes = {n: v for n, v in given_y.items() if not (alone_or_none and n == "one class")}
        campaign.give("fit", "y", lambda v: fit(y=v), {**of_classes, **no_labels})
        campaign.give(
            "fit",
            "validation",
            lambda v: fit(validation=(x, v)),
            {**given_y, **no_labels, "one class": (0 * y, 0 * y)},
        )
        # Two of them are not too few for two classes.
        for_classes = dict(CLASS_WEIGHTS)
        if recipe.one_class:
            del for_classes["too few"]
        campaign.give("fit", "class_weight", lambda v: fit(class_weight=v), for_classes)
    campaign.give("fit", "sample_weight", lambda v: fit(sample_weight=v), given_w)
    campaign.give(
        "fit",
        "validation",
        lambda v: fit(validation=v if y is None else (v, y)),
        {
            name: value
            for name, value in in_memory.items()
            if y is not None or name not in ("nothing", "all of it")
        },
    )
    campaign.give("fit", "validation", lambda v: fit(validation=(x, y, v)), given_w)
    campaign.give("fit", "key", lambda v: fit(key=v), keys())
    campaign.options("fit", fit, {"resume": bool})
    campaign.give(
        "pz.fit", "x", lambda v: trained(pz.fit(recipe, v, y, key=0, epochs=1, **options)), both
    )

    # Answers.
    for name in ("predict", "predict_proba", "confidence", "distances", "win_ratios"):
        campaign.give(name, "x", getattr(model, name), given_x)
    campaign.give("predict_with_reject", "x", lambda v: model.predict_with_reject(v, 0.5), given_x)
    campaign.options(
        "predict_with_reject", lambda **o: model.predict_with_reject(x, **o), {"threshold": float}
    )
    if case.quadratic:
        campaign.give("transform", "x", model.transform, given_x)
        campaign.give("relevances", "x", model.relevances, given_x)
        campaign.give("relevances", "sample_weight", lambda v: model.relevances(x, v), given_w)
        campaign.options(
            "relevance_matrix", lambda **o: model.relevance_matrix(**o), {"per_prototype": bool}
        )
    if model.prototypes.labelled:
        campaign.give(
            "win_ratios",
            "y",
            lambda v: model.win_ratios(x, v),
            given_y | {"one class": (0 * y, 0 * y)},
        )

    # Files.
    (folder / "file").write_text("")
    campaign.give("save", "path", lambda v: pz.save(v, model), paths(folder))
    campaign.give("load", "path", pz.load, paths(folder))
    return campaign.counts


def _same(found: Any, expected: Any) -> bool:
    """Whether two answers have equal numbers; what is not known may be NaN in both."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
        for a, b in pairs
        if eqx.is_array_like(a)
    )


def main(names: list[str], few: bool) -> Iterator[tuple[str, collections.Counter]]:
    """The counts of each row."""
    for case in CASES:
        if str(case) in names or not names:
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
                yield str(case), run(case, Path(folder), few)
            jax.clear_caches()


if __name__ == "__main__":
    total = collections.Counter()
    few = "--few" in sys.argv
    for name, counts in main([name for name in sys.argv[1:] if name != "--few"], few):
        print(f"{name}: {dict(counts)}", flush=True)
        total += counts
    print(f"in all: {dict(total)}", flush=True)
    sys.exit(min(total["faults"], 100))
