"""What a model knows of its data and of how it came to be."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from .._module import static


#: Names of classes or of features, in the order of their numbers.
Names = Sequence[Any] | Mapping[int, Any] | np.ndarray | None

#: The name of a class that no prototype stands for.
NONE_OF_THESE = "none of these"

#: What a card may hold, and what each entry is.
_ENTRIES: dict[str, type | tuple[type, ...]] = {
    "row": str,
    "options": dict,
    "classes": list,
    "features": list,
    "scale": str,
    "samples": dict,
    "training": dict,
    "version": str,
}


class Card(eqx.Module):
    """The names and the origin of a model, in plain JSON: `str(card)` shows it in a few lines,
    notebooks as a table.

    **Arguments:**

    - `text`: a JSON object with some of the entries `row`, `options`, `classes`, `features`,
      `scale`, `samples`, `training`, `version`; `Card.of(classes=["cat", "dog"])` writes it.

    `pz.fit` writes a card, `pz.save` saves it with the model. Cards are equal if their texts are.
    No compiled program of training or of answers knows the card of its model.

    **Raises:** `ValueError` for a text that is no such object.
    """

    text: str = static()

    def __check_init__(self):
        contents = _parsed(self.text)
        if unknown := set(contents) - set(_ENTRIES):
            raise ValueError(
                f"a card has no entry {', '.join(map(repr, sorted(unknown)))}; it has "
                f"{', '.join(_ENTRIES)}."
            )
        for name, value in contents.items():
            if value is not None and not isinstance(value, _ENTRIES[name]):
                raise ValueError(
                    f"`{name}` of a card must be of kind {_ENTRIES[name]}, got {value!r:.100}."
                )
        for name in ("classes", "features"):
            names = contents.get(name) or []
            if not all(isinstance(one, str | int | float) for one in names):
                raise ValueError(f"`{name}` of a card must hold names, got {names!r:.100}.")
            if len({json.dumps(one) for one in names}) < len(names):
                raise ValueError(f"`{name}` of a card must differ, got {names!r:.100}.")

    @classmethod
    def of(cls, **entries: Any) -> "Card":
        """A card with these entries, of plain lists, dictionaries, words and numbers."""
        known = {name: value for name, value in entries.items() if value is not None}
        try:
            return cls(json.dumps(known, allow_nan=False, ensure_ascii=False))
        except TypeError as error:
            raise ValueError(f"a card holds plain JSON alone: {error}.") from error

    @property
    def contents(self) -> dict[str, Any]:
        """All that is written on it, as plain lists, dictionaries, words and numbers."""
        return _parsed(self.text)

    @property
    def row(self) -> str | None:
        """The row of the table (or the function) that built the model."""
        return self.contents.get("row")

    @property
    def options(self) -> dict[str, Any]:
        """The options that it was built by, defaults among them; a function by its name."""
        return self.contents.get("options") or {}

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The names of the classes 0…c-1; `None` if they have none."""
        return _several(self.contents.get("classes"))

    @property
    def features(self) -> tuple[str, ...] | None:
        """The names of the features, in their order; `None` if they have none."""
        return _several(self.contents.get("features"))

    @property
    def scale(self) -> str | None:
        """The kind of the data's scale; `model.scale` has its numbers."""
        return self.contents.get("scale")

    @property
    def samples(self) -> dict[str, Any]:
        """How many samples it was trained with (`count`), and the shape of one."""
        return self.contents.get("samples") or {}

    @property
    def training(self) -> dict[str, Any]:
        """The settings of the trainer: the rule and its numbers, `epochs`, `batch_size` …"""
        return self.contents.get("training") or {}

    @property
    def version(self) -> str | None:
        """The version of the library that built the model."""
        return self.contents.get("version")

    def replaced(self, **entries: Any) -> "Card":
        """A card with other entries; `None` leaves one out."""
        return Card.of(**{**self.contents, **entries})

    def lines(self) -> dict[str, str]:
        """What there is to say, by the words that begin each line."""
        shape = tuple(self.samples.get("shape", ()))
        said = {
            "model": f"{self.row or ''} {_settings(self.options)}".strip(),
            "classes": _listed(self.classes),
            "features": _listed(self.features),
            "scale": self.scale,
            "samples": f"{self.samples.get('count')} of shape {shape}" if self.samples else None,
            "training": _settings(self.training),
            "version": None if self.version is None else f"protozoo {self.version}",
        }
        return {name: text for name, text in said.items() if text}

    def __str__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self.lines().items())

    def __repr__(self) -> str:
        lines = str(self).replace("\n", "\n  ")
        return f"Card(\n  {lines}\n)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align: left'>{html.escape(name)}</th>"
            f"<td style='text-align: left'>{html.escape(text)}</td></tr>"
            for name, text in self.lines().items()
        )
        return f"<table>{rows}</table>"

    def with_classes_of(self, order: Sequence[int]) -> "Card":
        """The card of a model whose class k is the class `order[k]` of this one; classes that are
        taken over twice or beyond those that had names are new, and called by their numbers."""
        if self.classes is None:
            return self
        words, names = all(isinstance(name, str) for name in self.classes), []
        for k, of in enumerate(order):
            known = of < len(self.classes) and self.classes[of] not in names
            names.append(self.classes[of] if known else str(k) if words else k)
        return self.replaced(classes=names)


def _parsed(text: str) -> dict[str, Any]:
    try:
        contents = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("the text of a card is nested too deeply.") from None
    if not isinstance(contents, dict):
        raise ValueError(f"the text of a card must be a JSON object, got {text!r:.100}.")
    return contents


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _several(names: list | None) -> tuple[Any, ...] | None:
    return None if names is None else tuple(names)


def _listed(names: Sequence[Any] | None, most: int = 8) -> str | None:
    """Names in a line: of many, the first ones and their number."""
    if names is None:
        return None
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} … ({len(names)})"


def _settings(settings: dict[str, Any]) -> str:
    told = {name: value for name, value in settings.items() if value is not None}
    return ", ".join(f"{name}={_brief(value)}" for name, value in told.items())


def _brief(value: Any) -> str:
    if isinstance(value, dict) and "kind" in value:
        rest = {name: one for name, one in value.items() if name != "kind"}
        return f"{value['kind']}({_settings(rest)})"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
