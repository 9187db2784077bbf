"""What makes a run the run that it is: what must be the same for it to be continued."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._types import Array, PyTree
from ..backbones import AbstractScale
from ..models import AbstractTrainable, PrototypeModel
from ..persistence import describe, digest as structure_digest, fingerprint
from ._closures import Closure
from ._functions import code_of, functions_in, held_by
from ._loop import Plan
from ._objective import Batch
from ._stream import Fingerprinted, Stream


#: Of the notes: 2 since rules say how they find their gradients.
FORMAT = 2


def note(
    model: AbstractTrainable,
    plan: Plan,
    data: Batch | Stream,
    held_out: Batch | Stream | None,
    class_weight: Sequence[float] | None,
    mask: PyTree,
    key: Array,
    scale: AbstractScale | None = None,
) -> dict[str, Any]:
    """A description of a run, in plain values. How many epochs there are, who listens and on which
    devices is no part of it.

    `class_weight` is what a stream's samples are multiplied by, class by class; of samples in
    memory, it is in their weights.
    """
    params, rest = eqx.partition(model, mask)
    objective = plan.objective
    batches = [one if isinstance(one, Batch) else None for one in (data, held_out)]
    functions = {
        path: one
        for part, tree in (("model", model), ("rule", plan.rule), ("objective", objective))
        for path, one in functions_in(tree, part)
    }
    return {
        "format": FORMAT,
        "model": _kind(model),
        "frozen parts": fingerprint(jax.tree.map(bool, mask), strict=False),
        "start model": digest(params),
        "numbers that do not learn": digest(eqx.filter(rest, eqx.is_inexact_array)),
        "whole numbers that do not learn": digest(eqx.filter(rest, _is_whole)),
        "rule": _kind(plan.rule),
        "settings": {
            "batch_size": plan.batch_size,
            "restore_best": plan.restore_best,
            "precision": objective.precision,
            "rematerialise": objective.rematerialise,
            "regularisers": _kind(objective.regularisers),
            "curriculum": _kind(objective.curriculum),
        },
        "objective": _kind(objective),
        "numbers": {
            f"{part} in {path}": _value(number)
            for part, tree in (
                ("rule", plan.rule),
                ("objective", objective),
                ("stopping", plan.stopping),
            )
            for path, number in numbers_of(tree, "")
        },
        "functions": {path: code_of(one) for path, one in functions.items()},
        "what functions hold": {path: held_by(one) for path, one in functions.items()},
        "data shape": [None if batch is None else list(batch.x.shape) for batch in batches],
        "data": digest(batches),
        "validation": None
        if held_out is None
        else "in memory"
        if isinstance(held_out, Batch)
        else "a stream",
        "stream": data.fingerprint() if isinstance(data, Fingerprinted) else None,
        "validation stream": held_out.fingerprint()
        if isinstance(held_out, Fingerprinted)
        else None,
        "weights of classes": class_weight,
        "key": np.asarray(key).tolist(),
        # Samples in memory are noted as it makes them.
        "scale": [_kind(scale), digest(scale)],
    }


def _is_whole(leaf: Any) -> bool:
    return eqx.is_array(leaf) and not eqx.is_inexact_array(leaf)


def digest(tree: PyTree) -> str:
    """The SHA-256 of all numbers of a tree."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)):
        sha.update(np.asarray(leaf).tobytes())
    return sha.hexdigest()


def _kind(tree: PyTree) -> str:
    """The digest of everything but the numbers; functions by their names."""

    def named(leaf: Any) -> Any:
        return f"{leaf.__module__}.{leaf.__qualname__}" if isinstance(leaf, FunctionType) else leaf

    structure = describe(jax.tree.map(named, tree), strict=False)
    if isinstance(tree, PrototypeModel):
        # What training is given has neither, and models of earlier versions had no such fields.
        structure["fields"] = {
            name: value
            for name, value in structure["fields"].items()
            if name not in ("scale", "card")
        }
    return structure_digest(structure)


def numbers_of(node: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """The arrays of a tree, by names that tell a user which setting they are."""
    if eqx.is_array(node):
        yield path, node
        return
    if isinstance(node, Closure):
        named = zip(node.code.function.__code__.co_freevars, node.contents, strict=True)
        parts = ((f".{name}", value) for name, value in named)
    elif isinstance(node, eqx.Module):
        parts = (
            (f".{field.name}", getattr(node, field.name)) for field in dataclasses.fields(node)
        )
    else:
        children, _ = jax.tree_util.tree_flatten_with_path(
            node, is_leaf=lambda child: child is not node
        )
        parts = ((jax.tree_util.keystr(keys), child) for keys, child in children if keys)
    for step, part in parts:
        yield from numbers_of(part, (path + step).lstrip("."))


def _value(number: Array) -> Any:
    """A number itself, if it is one; the digest of many."""
    value = np.asarray(number)
    return value.item() if value.ndim == 0 and np.isfinite(value) else digest(value)
