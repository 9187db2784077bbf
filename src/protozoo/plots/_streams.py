"""How learning from a stream went."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._checks import of_kind, of_kinds, positive_integer
from ..training import Prequential
from ._figures import new_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


@of_kinds
def prequential(results: Prequential | Mapping[str, Prequential], window: int = 1000) -> "Figure":
    """The accuracy in a sliding window of a stream, of one learner or of several by their names,
    and below it how many prototypes each of them had; dotted lines are where drifts were found.

    **Arguments:**

    - `results`: what `pz.training.prequential` returned.
    - `window`: over how many of the latest samples accuracies are.

    **Raises:** `ValueError` if there is no result, or the window is no positive integer.
    """
    positive_integer(window, "window")
    named = {"": results} if isinstance(results, Prequential) else dict(results)
    for name, found in named.items():
        of_kind(found, Prequential, f"results[{name!r}]")
    if not named:
        raise ValueError("`results` must hold one result at least, got none.")
    figure, axes = new_figure(2, 1, figsize=(8, 6))
    above, below = axes[:, 0]
    below.sharex(above)
    for number, (name, found) in enumerate(named.items()):
        colour = f"C{number % 10}"
        said = ", ".join(filter(None, [name, f"{found.accuracy:.3f} of all"]))
        above.plot(found.samples, found.windowed(window), color=colour, label=said)
        below.step(found.samples, found.prototypes, color=colour, where="post")
        for at in found.drifts:
            above.axvline(at, color=colour, linestyle=":", zorder=0)
    above.set(ylabel=f"accuracy of {window} samples", ylim=(0, 1.02), title="test, then train")
    above.legend()
    below.set(xlabel="samples", ylabel="prototypes")
    below.set_ylim(bottom=0)
    return figure
