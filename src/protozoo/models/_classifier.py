"""Which models are classifiers, and what their classes are called."""

from typing import Any

from ._base import AbstractTrainable
from ._model import PrototypeModel


def refuse_no_classifier(model: AbstractTrainable, otherwise: str) -> None:
    """Raise `ValueError` for a model without probabilities of classes; `otherwise` says what to do
    with clusters."""
    labelled = isinstance(model, PrototypeModel) and model.prototypes.labelled
    asked: Any = getattr(model, "predict_proba", None)
    if asked is None:
        raise ValueError(
            f"`model` must be a classifier, and {model.outline()} has no `predict_proba`."
        )
    if not (model.supervised or labelled):
        raise ValueError(
            f"`model` must be a classifier, and {model.outline()} has no classes: {otherwise}."
        )


def carded_classes(model: AbstractTrainable) -> list[str] | None:
    """The names of a model's classes, if its card knows them."""
    if not isinstance(model, PrototypeModel) or model.card is None or not model.card.classes:
        return None
    return [str(name) for name in model.class_names]
