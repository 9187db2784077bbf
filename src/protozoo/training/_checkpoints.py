"""Training state on disk. Orbax is behind this file: it is imported when a checkpoint is written or read."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._types import PyTree


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Write the whole training state every so many epochs, and at the end of training.

    **Arguments:**

    - `directory`: where; it must not hold the checkpoints of another run.
    - `every`: epochs between checkpoints.
    - `keep`: how many of the latest to keep; the best one (by the monitored loss) is kept besides.

    Writing is asynchronous and atomic: a killed run leaves whole checkpoints only, and continues from the latest
    (`resume=True`) with bit-identical results.

    **Raises:** `ValueError` unless `every` and `keep` are positive.
    """

    directory: str | Path
    every: int = 10
    keep: int = 2

    def __post_init__(self):
        positive_integer(self.every, "every")
        positive_integer(self.keep, "keep")


class Store:
    """An open directory of checkpoints: the arrays of a state, and a JSON note of what run they belong to."""

    def __init__(self, where: Checkpoints, note: dict[str, Any]):
        from orbax.checkpoint import v1 as ocp

        policies, decisions = ocp.training.preservation_policies, ocp.training.save_decision_policies
        best = policies.BestN(get_metric_fn=lambda metrics: metrics["monitored"], reverse=True, n=1)
        self._checkpointer = ocp.training.Checkpointer(
            Path(where.directory).absolute(),  # pyright: ignore[reportArgumentType]
            save_decision_policy=decisions.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(where.keep), best]),
        )
        self.where, self._note = where, note
        self._latest = max((c.step for c in self._checkpointer.checkpoints), default=None)

    @property
    def latest(self) -> int | None:
        """The epoch of the latest checkpoint."""
        return self._latest

    def save(self, epoch: int, state: PyTree, history: dict[str, np.ndarray], monitored: float) -> None:
        """Write a checkpoint in the background, unless this epoch has one."""
        if epoch == self._latest:
            return
        # Orbax refuses arrays without entries (a subspace of dimension zero); there is nothing to remember of them.
        leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state)) if leaf.size}
        note = {**self._note, "history": {name: values.tolist() for name, values in history.items()}}
        # As bytes: Orbax warns at every checkpoint that holds no array.
        text = np.frombuffer(json.dumps(note).encode(), np.uint8)
        # A loss that is not a number must not win the comparison for the best checkpoint.
        metrics: Any = {"monitored": monitored if np.isfinite(monitored) else float(np.finfo(np.float32).max)}
        self._checkpointer.save_checkpointables_async(
            epoch, {"state": leaves, "note": {"json": text}}, metrics=metrics, force=True
        )
        self._latest = epoch

    def restore(self, like: PyTree) -> tuple[PyTree, dict[str, np.ndarray]]:
        """The latest state, with the structure of `like`, and the history.

        **Raises:** `ValueError` if there is none, or if it belongs to another run.
        """
        if self._latest is None:
            raise ValueError(f"there is no checkpoint in {str(self.where.directory)!r}: start without `resume`.")
        found = self._checkpointer.load_checkpointables(self._latest, {"note": None})
        note = json.loads(np.asarray(found["note"]["json"]).tobytes())
        for name, mine in self._note.items():
            if note.get(name) != mine:
                raise ValueError(
                    f"the checkpoint in {str(self.where.directory)!r} belongs to another run: its {name} differs from this "
                    f"one's ({note.get(name)!r}, not {mine!r}). Resume with the same model, trainer settings, data and key."
                )
        leaves, structure = jax.tree.flatten(like)
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        wanted = {
            str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
            for i, leaf in enumerate(leaves)
            if leaf.size
        }
        found = self._checkpointer.load_checkpointables(self._latest, {"state": wanted})["state"]
        # Bound to no device, as those of a run that begins: the same program serves both.
        free = [jnp.asarray(np.asarray(found[str(i)])) if leaf.size else leaf for i, leaf in enumerate(leaves)]
        state = jax.tree.unflatten(structure, free)
        return state, {name: np.asarray(values) for name, values in note["history"].items()}

    def close(self) -> None:
        """Wait for what is being written."""
        self._checkpointer.close()
