"""Prototypes, a metric, a loss and an encoder: one model, and all its answers from one matrix."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._checks import (
    as_labels,
    as_names,
    as_samples,
    as_weights,
    known_value,
    of_kind,
    of_values,
    on_device,
    refuse_empty_samples,
    refuse_no_dissimilarities,
    refuse_nonfinite,
    refuse_other_columns,
    refuse_unknown_classes,
    sample_numbers,
    truth,
    values_of,
)
from .._module import all_finite, as_dtype, declarations, part, replaced, said, static
from .._products import accumulated, flattened
from .._sources import bibtex, sources_of
from .._statistics import copies
from .._types import (
    Array,
    ArrayLike,
    Bool,
    Classes,
    Float,
    Int,
    MaybeLabels,
    PerSample,
    PyTree,
    Scalar,
)
from ..backbones import AbstractLocalEncoder, AbstractScale, Rematerialised
from ..losses import (
    AbstractDecision,
    AbstractLoss,
    AbstractMemberships,
    AbstractTypicalities,
    AbstractWinnerLoss,
    Calibrated,
    OpenSet,
)
from ..losses.internal import (
    learns_variances,
    log_odds_of,
    refuse_closed,
    refuse_other_dimension,
)
from ..manifolds import AbstractManifold, Euclidean
from ..metrics import (
    AbstractAdaptation,
    AbstractLinearlyAdapted,
    AbstractLinearMap,
    AbstractMetric,
    AbstractMixing,
    AbstractQuadratic,
    Residual,
    own_units,
    relative_dissimilarities,
)
from ..metrics.internal import differs_linearly, outputs_of, told_apart
from ..prototypes import Prototypes
from ._answers import (
    as_share,
    confidence,
    decided,
    finite_rows,
    known_rows,
    probabilities,
    smallest,
    where_known,
)
from ._base import AbstractTrainable
from ._bound import transformable
from ._card import NONE_OF_THESE, Card, Names
from ._chunks import map_chunks, map_pieces, rows_per_chunk, rows_per_piece
from ._encoder import encoded_shape
from ._novelty import conformal_border, visibility_of
from ._selection import Selection, extended, kept, labels_of_added, reordered
from ._units import Judge
from ._variances import coordinate_variances
from ._winners import winner_losses


#: In how many pieces samples go through an encoder that is computed again by the backward pass.
PIECES = 8


class _Unnamed(ValueError, AttributeError):
    """There are no names: what asks whether there is such an attribute (`hasattr`) hears no."""


class PrototypeModel(AbstractTrainable):
    """\\(\\delta = \\mathrm{metric}(\\mathrm{encoder}(\\mathrm{scale}(x)),
    \\mathrm{prototypes})\\); everything else is read from δ.

    **Arguments:**

    - `prototypes`: which points, with which classes.
    - `metric`: how far a sample is from each of them.
    - `loss`: what the dissimilarities should be.
    - `encoder`: maps one sample to one point (it is vectorised here); any callable, an `eqx.Module`
      if it is to learn. It maps a sample the same way whenever it is asked: dropout is in inference
      mode, running statistics are held by `backbones.Stateful`.
    - `encode_prototypes`: `False`: the prototypes live in the encoder's output space. `True`: they
      live among the samples and go through the same encoder (a siamese model).
    - `learn_through_prototypes`: whether the encoder of a siamese model learns from both paths;
      with `False`, from samples only, while the prototypes still learn through it.
    - `latent_space`: where an encoder maps prototypes that go through it; flat by default.
      (Otherwise prototypes live there already, in their own space.) Such an encoder must end in the
      space, as `backbones.Curved` does.
    - `decision`: what the dissimilarities mean: any `losses.AbstractDecision`, `NearestNeighbours`
      for example. `None`: what the loss says. Training does not know it: its numbers are set, not
      learned.
    - `scale`: an affine map of samples before everything else (`backbones.Standardise.from_data`),
      so that the model takes raw data. Prototypes, the metric and an encoder know samples in its
      units alone: a model with a scale is the same as one without it on scaled data.
      `in_data_units()` are the prototypes in the units of the data.
    - `card`: the names of classes and features, and how the model came to be (`models.Card`).

    All answers take `(n, *sample_shape)`, work in chunks so that memory does not grow with n·p, and
    are compiled once for each shape. A sample that is NaN or infinite is an error. They can be
    transformed: `jax.jit(model.predict)` makes the model's numbers constants of a program,
    `eqx.filter_jit(model.predict)` and a model that is an argument leave them arguments; `jax.vmap`
    maps over batches of batches, `eqx.filter_vmap` over models. What is being traced has no values
    yet, so that nothing is refused for them then.
    """

    prototypes: Prototypes
    metric: AbstractMetric
    loss: AbstractLoss
    encoder: Callable = eqx.nn.Identity()
    encode_prototypes: bool = static(default=False)
    learn_through_prototypes: bool = static(default=True)
    decision: AbstractDecision | None = part(default=None, metadata=said("hyper"))
    latent_space: AbstractManifold | None = part(default=None)
    scale: AbstractScale | None = part(default=None)
    card: Card | None = part(default=None, repr=False)

    def __post_init__(self):
        # Of a model that is put together. One that was saved before is read as it was.
        _check_kinds(self)
        for name in ("metric", "loss", "decision"):
            _refuse_other_numbers(getattr(self, name), len(self.prototypes), name)
        _refuse_other_dimension(self)

    def __check_init__(self):
        if self.latent_space is not None and not self.encode_prototypes:
            raise ValueError(
                "`latent_space` means nothing where prototypes are not encoded: theirs is "
                "`prototypes.space`."
            )
        if not (self.learn_through_prototypes or self.encode_prototypes):
            raise ValueError(
                "`learn_through_prototypes=False` means nothing where prototypes are not encoded."
            )
        if self.encode_prototypes and self.has_encoder:
            encoded_shape(self.encoder, self.prototypes.points, "prototypes.points")
        _check_parts(self)
        _refuse_unscalable(self)

    @property
    def decides(self) -> AbstractDecision:
        """The part that all predictions are read from: the decision, if there is one, or else the
        loss."""
        return self.loss if self.decision is None else self.decision

    # What training and inference share.

    @transformable
    def encode(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """The points that samples are mapped to."""
        return encode(self.encoder, self.scaled(x))

    @transformable
    def scaled(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Samples in the units of the scale; as they are, if there is none."""
        return x if self.scale is None else jax.vmap(self.scale)(x)

    @transformable
    def in_data_units(
        self, points: Float[ArrayLike, "p ..."] | None = None
    ) -> Float[Array, "p ..."]:
        """Points that are in the units of the scale, in those of the data.

        **Arguments:**

        - `points`: such points; the prototypes by default.

        **Raises:** `ValueError` if they live in the output space of an encoder, where nothing has
        the units of the data.
        """
        if self.latent:
            raise ValueError(
                "the prototypes of this model live in the output space of its "
                f"{type(self.encoder).__name__}, where nothing has the units of the data."
            )
        shape = self.prototypes.space.point_shape
        points = self.prototypes.points if points is None else as_samples(points, shape, "points")
        return points if self.scale is None else jax.vmap(self.scale.inverse)(points)

    @property
    def has_encoder(self) -> bool:
        """Whether samples go through an encoder before they are compared."""
        return not isinstance(self.encoder, eqx.nn.Identity)

    @property
    def latent(self) -> bool:
        """Whether prototypes live in the output space of an encoder, and not among the samples."""
        return self.has_encoder and not self.encode_prototypes

    @transformable
    def encoded_prototypes(self) -> Prototypes:
        """The prototypes in the space in which they are compared."""
        if not self.encode_prototypes:
            return self.prototypes
        if self.learn_through_prototypes:
            return encoded(self.encoder, self.prototypes, self.latent_space)
        weights, rest = eqx.partition(self.encoder, eqx.is_array)
        return encoded(
            eqx.combine(jax.lax.stop_gradient(weights), rest), self.prototypes, self.latent_space
        )

    @transformable
    def dissimilarities(self, points: Float[Array, "n ..."]) -> Float[Array, "n p"]:
        """δ of encoded samples, in float32 at least: what the loss sums is never rounded
        further."""
        return accumulated(self.metric(points, self.encoded_prototypes()))

    @transformable
    def loss_of(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""] = 1.0,
        already_encoded: bool = False,
    ) -> Scalar:
        """What training lowers: the loss of these samples, `weight` holding each one's share.

        `already_encoded` samples have been through the encoder already.
        """
        (points, own), prototypes = self._encoded(x, already_encoded), self.encoded_prototypes()
        value = self._objective_of(points, prototypes, y, weight, progress)
        return value if own is None else value + jnp.sum(weight * own)

    def _encoded(
        self, x: Float[Array, "n ..."], already_encoded: bool
    ) -> tuple[Float[Array, "n ..."], PerSample | None]:
        """The points of samples, and the losses of an encoder that has one of its own."""
        encoder = self.encoder.encoder if isinstance(self.encoder, Rematerialised) else self.encoder
        if already_encoded or not isinstance(encoder, AbstractLocalEncoder):
            return x if already_encoded else self.encode(x), None
        return jax.vmap(encoder.with_loss)(self.scaled(x))

    def _objective_of(
        self,
        points: Float[Array, "n ..."],
        prototypes: Prototypes,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        """The loss of the prototypes."""
        metric, loss = self.metric, self.loss
        # In a curved space, nothing would be gained.
        flat = prototypes.space.displacement_is_difference
        if not (isinstance(metric, AbstractQuadratic) and flat):
            delta = metric(points, prototypes)
        elif isinstance(loss, AbstractWinnerLoss) and loss.few:
            return loss.reduce(winner_losses(metric, prototypes, loss, points, y, progress), weight)
        else:
            delta = metric.radial(metric.learnable(points, prototypes), prototypes)
        delta = accumulated(delta)
        return loss.total(delta, prototypes.labels, y, weight, progress)

    # What a trainer asks besides.

    @property
    def supervised(self) -> bool:
        """Whether its loss learns from labels."""
        return self.loss.supervised

    @property
    def targets_only(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether its loss can learn from samples of class 0 alone."""
        return self.loss.targets_only

    @property
    def loss_name(self) -> str:
        """The class of its loss."""
        return type(self.loss).__name__

    @property
    def additive(self) -> bool:
        """Whether its loss is a sum over samples."""
        return self.loss.additive

    @property
    def flat(self) -> bool:
        """Whether prototypes lie in a flat space."""
        return self.prototypes.space.displacement_is_difference

    def encoder_in(self, tree: PyTree) -> PyTree:
        return tree.encoder if self.has_encoder else None

    @transformable
    def losses(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
        already_encoded: bool = False,
    ) -> PerSample:
        loss: Any = self.loss
        points, own = self._encoded(x, already_encoded)
        values = loss(self.dissimilarities(points), self.prototypes.labels, y, progress)
        return values if own is None else values + own

    def chunk_rows(self, n: int, features: int) -> int:
        return rows_per_chunk(n, max(len(self.prototypes), features))

    def lowered(self, dtype: str) -> "PrototypeModel":
        for space in (self.prototypes.space, self.latent_space):
            if space is None or space.displacement_is_difference:
                continue
            raise ValueError(f"`precision`: distances in {space} are computed in float32 at least.")
        # Parameters of the metric and of the loss stay: a map is computed exactly, and applied in
        # the samples' precision.
        parts = lambda m: (m.encoder, m.prototypes.points)  # noqa: E731
        return eqx.tree_at(parts, self, as_dtype(parts(self), dtype))

    def check_differentiable(self) -> None:
        if self.encode_prototypes and isinstance(self.encoder, AbstractLocalEncoder):
            raise ValueError(
                f"`encode_prototypes`: no derivative leads through {type(self.encoder).__name__}, "
                "so that prototypes among the samples would never move: let them live in its "
                "output space."
            )
        for one in (self.metric, self.loss):
            if not one.differentiable:
                raise ValueError(
                    f"{type(one).__name__} has no derivative: train the model by another rule."
                )

    def check_training(self, x: Float[Array, "n ..."]) -> None:
        if self._among_samples and not self.latent:
            refuse_no_dissimilarities(x, own=True)

    def outline(self) -> str:
        """Its kinds of parts, and how many prototypes it has."""
        encoder = [self.encoder] if self.has_encoder else []
        parts = [type(part).__name__ for part in (self.loss, self.metric, *encoder)]
        classes = f" of {self.prototypes.classes} classes" if self.prototypes.labelled else ""
        return f"PrototypeModel({', '.join(parts)}, {len(self.prototypes)} prototypes{classes})"

    @transformable
    def __call__(
        self, x: Float[Array, "n ..."], already_encoded: bool = False
    ) -> Float[Array, "n c"]:
        """The scores of the classes, logarithms of unnormalised probabilities: the forward pass
        that all predictions read.

        Nothing is checked, and nothing happens on the host; any number of samples will do, also one
        that is not known yet (`jax.export` with a symbolic batch size). Where nothing can be known,
        scores are NaN. The answers below work in chunks, and say what is wrong.
        `already_encoded` samples have been through the encoder already.
        """
        return _scores(self._uncarded, x, already_encoded)

    # Answers.

    @transformable
    def distances(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n p"]:
        """δ: the dissimilarity of each sample to each prototype, in the units of the metric (a
        *squared* distance for the quadratic metrics)."""
        return self.ask(_distances, x)

    @transformable
    def predict_proba(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n c"]:
        """Probabilities of the classes (of an unlabelled model: of its prototypes); rows sum to
        one.

        The posterior, if the decision is one; otherwise inversely proportional to the nearest
        prototype's dissimilarity.
        """
        return self.ask(_probabilities, x)

    @overload
    def predict(
        self, x: Float[ArrayLike, "n ..."], names: Literal[False] = False
    ) -> Int[Array, " n"]: ...

    @overload
    def predict(self, x: Float[ArrayLike, "n ..."], names: Literal[True]) -> np.ndarray: ...

    @transformable
    def predict(
        self, x: Float[ArrayLike, "n ..."], names: bool = False
    ) -> Int[Array, " n"] | np.ndarray:
        """The most probable class of each sample, exactly `predict_proba(x).argmax(axis=1)`.

        **Arguments:**

        - `x`: samples. A data frame must have the columns that the model was trained with, in their
          order.
        - `names`: whether to return the names of classes (`class_names`) in place of their numbers,
          as a NumPy array.

        **Raises:** `ValueError` for names that the model does not have, and columns of other names.
        """
        known = self.class_names if truth(names, "names") else None
        found = self.ask(_predict, x)
        if known is not None and isinstance(found, Tracer):
            raise ValueError(
                "`names`: a program that JAX traces returns numbers and no words: look them up "
                "outside of it, `model.class_names[labels]`."
            )
        return found if known is None else known[np.asarray(found)]

    @property
    def class_names(self) -> np.ndarray:
        """The names of the classes, in the order of their numbers; the class that no prototype
        stands for is "none of these".

        **Raises:** `ValueError` if the card has none.
        """
        known = None if self.card is None else self.card.classes
        if known is None:
            raise _Unnamed(
                "`names`: the classes of this model have no names: give them to "
                "`pz.fit(…, class_names=…)`, or `model.named(classes=…)`."
            )
        every = [*known, *[NONE_OF_THESE] * (self.classes - len(known))]
        # Words of one kind are an array of words; anything else stays what it is.
        kinds = {type(one) for one in every}
        return np.array(every) if len(kinds) == 1 else np.array(every, object)

    def named(
        self,
        classes: Names = None,
        features: Names = None,
    ) -> "PrototypeModel":
        """The model with names of its classes and of its features on its card.

        **Raises:** `ValueError` for names that are not as many, or not all different, `TypeError`
        for what is no list of them.
        """
        return with_names(self, {"classes": classes, "features": features})

    @transformable
    def confidence(self, x: Float[ArrayLike, "n ..."]) -> PerSample:
        """\\((p_1 - p_2)/(p_1 + p_2) \\in [0, 1]\\) of the two most probable classes.

        For distance-based decisions this is the relative similarity \\((d_2 - d_1)/(d_2 + d_1)\\)
        of L. Fischer, B. Hammer, H. Wersing, *Efficient rejection strategies for prototype-based
        classification*, Neurocomputing 169, 2015.
        """
        return self.ask(_confidence, x)

    @transformable
    def predict_with_reject(
        self,
        x: Float[ArrayLike, "n ..."],
        threshold: ArrayLike | None = None,
        *,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
    ) -> Int[Array, " n"]:
        """`predict(x)`, and -1 where it is not sure enough.

        **Arguments:**

        - `threshold`: -1 where the confidence is below it.
        - `lower`, `upper`: in place of a threshold, of a model that can say "none of these": -1
          where the score (`score_samples`) is at least `lower` and below `upper`; below both, a
          sample is none of the known classes, and from `upper` on the best of them. Each is the
          other one by default.

        **Raises:** `ValueError` if they are not in [0, 1] or lower exceeds upper, unless there is
        either a threshold or one of the two, and for these of a model that knows all classes.
        """
        if (threshold is None) == (lower is None and upper is None):
            raise ValueError(
                "give either a `threshold` of confidences, or `lower` and `upper` of scores."
            )
        if threshold is not None:
            threshold = as_share(threshold, "threshold", "a confidence")
            label, sure = self.ask(_decide, x)
            return jnp.where(sure < threshold, -1, label)
        bounds: Any = (upper if lower is None else lower, lower if upper is None else upper)
        low, high = (
            as_share(b, n, "a score") for b, n in zip(bounds, ("lower", "upper"), strict=True)
        )
        known = known_value(high - low)
        if known is not None and known < 0:
            raise ValueError(
                f"`lower` must not exceed `upper`, got {float(low):g} and {float(high):g}."
            )
        refuse_closed(self.decides)
        best, log_odds = self.ask(_best_known, x)
        score = jax.nn.sigmoid(log_odds)
        return jnp.where(score >= high, best, jnp.where(score < low, self.classes - 1, -1))

    @transformable
    def decision_function(self, x: Float[ArrayLike, "n ..."]) -> PerSample:
        """\\(\\log v/(1-v)\\), v the probability that the model sees the sample (`score_samples`):
        positive for samples of known classes, zero at the border of what is visible, negative
        beyond it.

        It tells samples apart that are so far away that their scores are all zero.

        **Raises:** `ValueError` for a decision that cannot say "none of these".
        """
        refuse_closed(self.decides)
        return self.ask(_log_odds, x)

    @transformable
    def score_samples(self, x: Float[ArrayLike, "n ..."]) -> PerSample:
        """v in [0, 1], how well the model sees each sample: ½ at the border of what is visible, and
        falling with the distance from there. `predict` says "none of these" (the last class) below
        it.

        Of one class, it is the probability of the target, `predict_proba(x)[:, 0]`.

        **Raises:** `ValueError` for a decision that cannot say "none of these".
        """
        return jax.nn.sigmoid(self.decision_function(x))

    @transformable
    @of_values
    def open_set(
        self,
        x: Float[ArrayLike, "n ..."],
        rejected: float = 0.05,
        *,
        by: Literal["radii", "loss"] = "radii",
        sample_weight: ArrayLike | None = None,
    ) -> "PrototypeModel":
        """The model that can also say "none of these", the class after the last one.

        **Arguments:**

        - `x`: samples of the known classes.
        - `rejected`: the share of them that is none of these, in (0, 1); `calibrated` keeps it for
          samples that are new.
        - `by`: `"radii"`: each prototype sees as far as the samples lie that it is nearest to
          (`losses.Radii`). `"loss"`: the model sees what its loss, which needs no labels, is low
          for (`losses.Level`): of a Gaussian mixture, the density decides.
        - `sample_weight`: how many copies of each sample there are, `(n,)`.

        Between known classes, the model decides as before. Radii are measured in its own metric.
        Training does not move the decision: it comes last.

        **Raises:** `ValueError` for a share outside (0, 1), radii of densities (whatever their unit
        is: `by="loss"`) or of dissimilarities that are negative, a level of a loss that learns from
        labels.
        """
        decision = self.decides
        while isinstance(decision, Calibrated | OpenSet):  # another border takes their place
            decision = decision.decision
        by = of_kind(by, Literal["radii", "loss"], "by")
        return self._deciding(
            OpenSet(decision, visibility_of(self, x, rejected, by, sample_weight))
        )

    @transformable
    @of_values
    def calibrated(
        self, x: Float[ArrayLike, "n ..."], false_alarm_rate: float = 0.05
    ) -> "PrototypeModel":
        """The model that takes a new sample of a known class for none of them with this probability
        at most.

        **Arguments:**

        - `x`: samples of the known classes that it was not trained with. Of n, with those to come
          as like them as they are like each other, the rate holds exactly: the border is at the
          score with the rank \\(\\lceil (n+1)(1-\\alpha) \\rceil\\), as conformal prediction has
          it.
        - `false_alarm_rate`: α in (0, 1).

        The rate is an average over all that may have been held out: with n samples, that of this
        model differs from it by about \\(\\sqrt{\\alpha(1-\\alpha)/n}\\). Training does not move
        the border: it comes last. Source: Vovk et al. 2005.

        **Raises:** `ValueError` for a rate outside (0, 1), for fewer than \\(1/\\alpha - 1\\)
        samples, and for a decision that cannot say "none of these".
        """
        decision, before = self.decides, 0.0
        if isinstance(decision, Calibrated):
            decision, before = decision.decision, float(decision.offset)
        log_odds = values_of(self.decision_function(x), "x", float) + before
        return self._deciding(Calibrated(decision, conformal_border(log_odds, false_alarm_rate)))

    def _deciding(self, decision: AbstractDecision) -> "PrototypeModel":
        return replaced(self, decision=decision)

    @transformable
    def memberships(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n p"]:
        """How the prototypes share each sample: fuzzy memberships, responsibilities, assignments.

        **Raises:** `ValueError` if the prototypes of the loss do not share samples.
        """
        return self.ask(_memberships, x)

    @transformable
    def typicalities(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n p"]:
        """How typical each sample is of each prototype, in [0, 1], whatever the other prototypes
        are.

        **Raises:** `ValueError` if the loss knows no bandwidths.
        """
        return self.ask(_typicalities, x, together=not self.additive)

    @transformable
    def outliers(
        self, x: Float[ArrayLike, "n ..."], threshold: ArrayLike = 0.5
    ) -> Bool[Array, " n"]:
        """Which samples are less than `threshold` typical of every prototype.

        **Raises:** `ValueError` if the loss knows no bandwidths, and for a threshold outside [0,
        1].
        """
        threshold = as_share(threshold, "threshold", "a typicality")
        return jnp.max(self.typicalities(x), axis=1) < threshold

    @transformable
    def transform(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n l"]:
        """Samples in the adapted space of a quadratic metric, where it is the plain squared
        Euclidean distance.

        In a flat space with one adaptation for all prototypes: encoder(x)·A. Otherwise (a curved
        space, or an adaptation for each prototype) every prototype has a chart of its own, and each
        sample appears as its adapted displacement from its nearest prototype.

        **Raises:** `ValueError` if the metric has no adapted space.
        """
        self._quadratic("transform")
        return self.ask(_transform, x)

    @transformable
    def relevance_matrix(self, per_prototype: bool = False) -> Float[Array, "*p d d"]:
        """Λ = AAᵀ, the matrix of the metric's quadratic form, symmetric and positive semidefinite.

        Of a metric with a matrix for each prototype, their mean, or with `per_prototype` all of
        them, `(p, d, d)`.

        **Raises:** `ValueError` if the metric has no linear adaptation.
        """
        metric, prototypes = self._adapted("relevance_matrix"), self.encoded_prototypes()
        per_prototype = truth(per_prototype, "per_prototype")
        linear, unit = (
            metric.linear_map(prototypes),
            jnp.eye(prototypes.space.coordinate_size, dtype=prototypes.points.dtype),
        )
        maps = jax.vmap(lambda a: a.apply(unit))(linear) if metric.local else linear.apply(unit)
        matrices = maps @ maps.swapaxes(-1, -2)
        if metric.local:
            return matrices if per_prototype else matrices.mean(axis=0)
        return (
            jnp.broadcast_to(matrices, (len(prototypes), *matrices.shape))
            if per_prototype
            else matrices
        )

    @transformable
    def relevance_diagonal(self, per_prototype: bool = False) -> Float[Array, "*p d"]:
        """The diagonal of Λ, scaled to sum one: how much a *unit* of each feature counts.

        Of a metric with a map for each prototype, of the mean of their diagonals, or with
        `per_prototype` of each of them, `(p, d)`.

        It tells what the metric is, not what it does: a feature that hardly varies may have the
        largest entry of all and decide nothing (a pixel at the border that has ink in one image of
        a hundred). For features that were not scaled to one variance, ask `relevances(x)`.

        **Raises:** `ValueError` if the metric has no linear adaptation.
        """
        diagonal = self._diagonal("relevance_diagonal")
        if truth(per_prototype, "per_prototype"):
            every = (len(self.prototypes), diagonal.shape[1])
            return jnp.broadcast_to(diagonal / diagonal.sum(axis=1, keepdims=True), every)
        diagonal = diagonal.mean(axis=0)
        return diagonal / diagonal.sum()

    @transformable
    @of_values
    def relevances(
        self, x: Float[ArrayLike, "n ..."], sample_weight: ArrayLike | None = None
    ) -> Float[Array, " d"]:
        """How much each feature contributes to δ on data:
        \\(\\lambda_k \\operatorname{Var}(x_k)\\), scaled to sum one.

        \\(\\lambda\\) is the diagonal of Λ and says how much a unit of a feature counts; the
        variance says how many of its units lie between the samples. Their product is free of units:
        a feature in grams has the relevance that it has in kilograms, once the metric has learned
        either. A feature that does not vary has relevance zero, whatever its λ.

        **Arguments:**

        - `x`: the samples. Features are those of the points that the metric compares: behind an
          encoder, latent ones.
        - `sample_weight`: how much each sample counts, `(n,)`.

        Of a metric with a map for each prototype, the mean over prototypes. In a curved space,
        features are the tangent coordinates about a prototype, and the mean is over prototypes, too
        (in a flat space, variances about all points are the same). Gaps are left out.

        **Raises:** `ValueError` if the metric has no linear adaptation, and if no feature that
        counts varies.
        """
        self._adapted("relevances")
        x = self.check_values(x)
        diagonal = values_of(self._diagonal("relevances"), "model", float)
        weight = as_weights(sample_weight, len(x))
        variances = coordinate_variances(
            self._uncarded.encode,
            self.encoded_prototypes(),
            x,
            weight / weight.max(),
            self.takes_gaps,
        )
        contributions = (diagonal * variances).mean(axis=0)
        if not np.isfinite(contributions).all():
            if finite_parameters(self):
                raise ValueError(
                    "`x` is mapped to values that are NaN or infinite, or vary beyond the range of "
                    "floats: `relevances` are shares of their variances."
                )
            raise ValueError(
                "`relevances`: the model has parameters that are NaN or infinite. Train it again."
            )
        if not contributions.any():
            raise ValueError(
                "`x` varies in no feature that the metric looks at: there is nothing that could be "
                "relevant."
            )
        return jnp.asarray(contributions / contributions.sum(), self.prototypes.points.dtype)

    def citation(self) -> str:
        """The sources of this model's parts (space, metric, loss, cooperation …) as a BibTeX
        file."""
        return bibtex(sources_of(self))

    @transformable
    @of_values
    def win_ratios(
        self,
        x: Float[ArrayLike, "n ..."],
        y: Classes | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Float[Array, " p"]:
        """The share of all samples that each prototype is nearest to; with `y`, counting only those
        of its own class.

        A prototype with ratio zero does no work.

        **Arguments:**

        - `x`, `y`: samples, and their classes.
        - `sample_weight`: how many copies of each sample there are, `(n,)`.

        **Raises:** `ValueError` for classes of a model that has none, or that it does not know.
        """
        if y is not None and not self.prototypes.labelled:
            raise ValueError("`y` was given, but the prototypes of this model have no classes.")
        winner = values_of(self.ask(_winner, x), "x")
        weight = copies(as_weights(sample_weight, len(winner)))
        total = weight.sum()
        if y is not None:
            names = None if self.card is None else self.card.classes
            labels = as_labels(y, len(winner), names=names)
            refuse_unknown_classes(labels, self.classes)
            weight = np.where(self.prototypes.labels[winner] == labels, weight, 0)
        return on_device(np.bincount(winner, weight, len(self.prototypes)) / total)

    # The same model with other prototypes.

    def select(self, keep: ArrayLike | Sequence[int] | Sequence[bool]) -> "PrototypeModel":
        """The model of some of its prototypes, with all that belongs to them: their maps,
        bandwidths, priors.

        **Arguments:**

        - `keep`: a mask `(p,)`, or the numbers of the prototypes in their new order (grouped by
          class).

        Predictions are those of a model that was built with these prototypes alone.

        **Raises:** `ValueError` for numbers that are no prototypes or mix up classes, if a class is
        left with none, and if a part (a lattice) has a place for each of the prototypes that there
        are.
        """
        return self._selected(self.selection(keep))

    @of_values
    def grow(
        self,
        points: Float[ArrayLike, "q ..."],
        labels: Int[ArrayLike, " q"] | Sequence[int] | None = None,
    ) -> "PrototypeModel":
        """The model with more prototypes.

        **Arguments:**

        - `points`: the new prototypes, in the space of the others (of a model with a scale, in its
          units).
        - `labels`: their classes, if the others have some; a class may be new, and is then the next
          number.

        What belongs to each prototype (a map, a bandwidth, a prior) is that of the nearest
        prototype of its class, as the model measures; what belongs to a new class, that of the
        class of the nearest prototype.

        **Raises:** `ValueError` for points outside the space, for labels that do not fit, and if a
        part (a lattice) has no place for more.
        """
        selection, added = self.extension(points, labels)
        return selection.moved(self._selected(selection), added)

    def relabelled(self, order: Int[ArrayLike, " c"] | Sequence[int]) -> "PrototypeModel":
        """The model whose class k is the class `order[k]` of this one, with all that belongs to it.

        **Raises:** `ValueError` unless `order` is a permutation of the classes.
        """
        return self._selected(self.reordering(order))

    def _selected(self, selection: Selection) -> "PrototypeModel":
        return replaced(selection.of(self), card=selection.named(self.card))

    # They are changes of anything that has the model's structure: of what an optimiser remembers,
    # too.

    def selection(self, keep: ArrayLike | Sequence[int] | Sequence[bool]) -> Selection:
        """What `select` does."""
        return self._fitting(kept(self.prototypes, self._classes_of_parts, keep))

    @of_values
    def extension(
        self,
        points: Float[ArrayLike, "q ..."],
        labels: Int[ArrayLike, " q"] | Sequence[int] | None = None,
    ) -> tuple[Selection, Float[Array, "q ..."]]:
        """What `grow` does, and the new points."""
        added = Prototypes(points, None, self.prototypes.space).points
        known = labels_of_added(self.prototypes, labels, len(added))
        units = own_units(self.metric, self.encoded_prototypes())
        seen = encode(self.encoder, added) if self.encode_prototypes else added
        if isinstance(self.metric, AbstractMixing):
            seen = self.metric.samples_at(seen)
        seen = units.of(seen)
        delta = accumulated(units.metric(seen, units.prototypes))
        selection = extended(self.prototypes, self._classes_of_parts, np.asarray(delta), known)
        return self._fitting(selection), added

    def reordering(self, order: Int[ArrayLike, " c"] | Sequence[int]) -> Selection:
        """What `relabelled` does."""
        axes = [axis for declared in jax.tree.leaves(declarations(self)) for axis in declared.axes]
        return reordered(
            self.prototypes, self._classes_of_parts, order, of_prototypes="class" not in axes
        )

    def _fitting(self, selection: Selection) -> Selection:
        """The same, of which the parts make a model."""
        _check_parts(selection.of(self))
        return selection

    @property
    def _classes_of_parts(self) -> int:
        """How many classes parts know, that have something for each: nothing belongs to none of
        these, which stays the last."""
        return self.classes - self.decides.open_set

    # How they are asked.

    @property
    def classes(self) -> int:
        """The number of classes that the decision tells apart."""
        if self.prototypes.labelled:  # then it is no other, as the constructor saw to
            return self.prototypes.classes + self.decides.open_set
        delta = jax.ShapeDtypeStruct((1, len(self.prototypes)), self.prototypes.points.dtype)
        return jax.eval_shape(
            lambda d: self.decides.scores(d, self.prototypes.labels), delta
        ).shape[1]

    @property
    def takes_gaps(self) -> bool:
        """Whether features of a sample may be NaN: the metric leaves them out."""
        kept = self.scale is None or self.scale.keeps_gaps
        return self.metric.takes_gaps and kept and not self.has_encoder

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample; `None` if only the encoder knows."""
        if not self.latent:
            return self.prototypes.space.point_shape
        return None if self.scale is None else self.scale.shape

    def check_samples(self, x: ArrayLike, name: str = "x") -> Array:
        """`x` as an array that this model can take.

        **Raises:** `ValueError` naming the argument, its shape and the shape that fits.
        """
        self.check_columns(x, name)
        x = as_samples(x, self.sample_shape, name)
        if self.latent:
            shape = encoded_shape(self.encoder, x, name)
            if shape != self.prototypes.space.point_shape:
                raise ValueError(
                    f"the encoder maps a sample of `{name}` to shape {shape}, but prototypes are "
                    f"points of shape {self.prototypes.space.point_shape}."
                )
        return x

    def check_columns(self, x: Any, name: str = "x") -> None:
        """Refuse a data frame whose columns are not those that the model was trained with, in their
        order.

        **Raises:** `ValueError` naming the columns.
        """
        if self.card is not None and self.card.features is not None:
            refuse_other_columns(x, self.card.features, name)

    def check_values(self, x: ArrayLike, name: str = "x") -> Array:
        """The same, every value of which has been looked at: finite (or a gap, where gaps are
        welcome), points of the space."""
        x = self.check_samples(x, name)
        refuse_nonfinite(x, name, gaps=self.takes_gaps)
        self._check_points(x, name)
        return x

    def _check_points(self, x: Array, name: str) -> None:
        """Refuse samples that the metric or the space has no answer for. What is being traced has
        no values yet."""
        space = self.prototypes.space
        if isinstance(x, Tracer):
            return
        if self.takes_gaps:
            refuse_empty_samples(x, name)
        if self._among_samples and not self.latent:
            refuse_no_dissimilarities(x, name)
        if (
            not isinstance(self.metric, AbstractMixing)
            and not self.latent
            and (violation := space.violation(x))
        ):
            raise ValueError(f"`{name}` does not lie in {space}: {violation}")

    @property
    def _among_samples(self) -> bool:
        """Whether samples and prototypes alike are rows of dissimilarities."""
        mixing = isinstance(self.metric, AbstractMixing)
        return self.metric.takes_dissimilarities and not mixing

    @property
    def _uncarded(self) -> "PrototypeModel":
        """The model as compiled programs are given it: cards are part of none."""
        return self if self.card is None else replaced(self, card=None)

    def _adapted(self, asked: str) -> AbstractLinearlyAdapted:
        if not isinstance(self.metric, AbstractLinearlyAdapted):
            raise ValueError(f"`{asked}`: {type(self.metric).__name__} has no linear adaptation.")
        return self.metric

    def _diagonal(self, asked: str) -> Float[Array, "q d"]:
        """The diagonals of Λ, one for each linear map: the squared norms of adapted unit
        vectors."""
        metric, prototypes = self._adapted(asked), self.encoded_prototypes()
        linear, unit = (
            metric.linear_map(prototypes),
            jnp.eye(prototypes.space.coordinate_size, dtype=prototypes.points.dtype),
        )
        return (
            jax.vmap(lambda a: a.squared_norm(unit))(linear)
            if metric.local
            else linear.squared_norm(unit)[None]
        )

    def _quadratic(self, asked: str) -> AbstractQuadratic:
        if not isinstance(self.metric, AbstractQuadratic):
            raise ValueError(
                f"`{asked}` needs a quadratic metric; {type(self.metric).__name__} has no linear "
                f"adaptation."
            )
        return self.metric

    def ask(self, question: Callable, x: ArrayLike, together: bool = False) -> Any:
        """Any other question about samples: a function of what the model sees of some of them
        (`Seen`), with a row of its answer for each; checked, worked through in chunks and compiled
        like the questions above.

        **Arguments:**

        - `question`: the function.
        - `x`: samples.
        - `together`: whether the answer for a sample depends on the others, so that no chunk of
          them will do.

        **Raises:** `ValueError` for samples that do not fit, or for which nothing can be known.
        """
        self.check_columns(x)
        given = sample_numbers(x, self.sample_shape)
        rows = len(given) if together else rows_per_piece(given)
        if rows == len(given):
            return self._answered(question, given, given, together)
        return map_pieces(
            lambda piece: self._answered(question, given[piece], given), len(given), rows
        )

    def _answered(
        self, question: Callable, given: ArrayLike, every: ArrayLike, together: bool = False
    ) -> Any:
        """The answer for samples that are all of them, or a piece; messages are about all."""
        x = self.check_samples(given)
        try:
            self._check_points(x, "x")
        except ValueError:
            if given is not every:
                self._check_points(self.check_samples(every), "x")
            raise
        answer, found = _answer(self._uncarded, x, question, together)
        if not isinstance(found.answers, Tracer) and not all(jax.tree.leaves(found)):
            refuse_nonfinite(x if given is every else every, gaps=self.takes_gaps)
            if not found.parameters:
                raise ValueError(
                    "the model has parameters that are NaN or infinite: it cannot decide. Train it "
                    "again."
                )
            if not found.points:
                by = "encoder" if self.scale is None else "scale (or the encoder)"
                raise ValueError(
                    f"the {by} maps samples of `x` to values that are NaN or infinite."
                )
            raise ValueError(
                f"the answer for `x` exceeds the range of {x.dtype}: the data are of another order "
                "of magnitude than the model. Rescale them, or compute in 64 bits "
                "(`jax.config.update('jax_enable_x64', True)`)."
            )
        return answer


def _check_kinds(model: PrototypeModel) -> None:
    """Refuse what is no part of its kind."""
    kinds = {"prototypes": Prototypes, "metric": AbstractMetric, "loss": AbstractLoss}
    for name, kind in kinds.items():
        if not isinstance(part := getattr(model, name), kind):
            raise TypeError(
                f"`{name}` must be a part of kind {kind.__name__}, got {type(part).__name__}."
            )
    if not callable(model.encoder) or isinstance(model.encoder, type):
        raise TypeError(f"`encoder` must be callable with one sample, got {model.encoder!r}.")


def _refuse_other_numbers(part: PyTree, prototypes: int, name: str) -> None:
    """Refuse an array that has an entry for each prototype, if prototypes are others: a single
    entry would be spread over all of them, and be cut or extended as what it is not."""
    leaves = jax.tree_util.tree_leaves_with_path(part)
    for (path, leaf), declared in zip(leaves, jax.tree.leaves(declarations(part)), strict=True):
        for axis, of in enumerate(declared.axes):
            # An array that has fewer axes serves all.
            if of != "prototype" or np.ndim(leaf) < len(declared.axes):
                continue
            if (found := np.shape(leaf)[axis]) != prototypes:
                raise ValueError(
                    f"`{name}`: {type(part).__name__} does not fit {prototypes} prototypes: "
                    f"`{name}{jax.tree_util.keystr(path)}` has shape {np.shape(leaf)}, with "
                    f"{found} entries along axis {axis}, which must be one for each prototype, "
                    f"{prototypes}."
                )


def _refuse_other_dimension(model: PrototypeModel) -> None:
    """Refuse densities that are normalised in another dimension than that of the adapted space."""
    parts = {"loss": model.loss, "decision": model.decision}
    learned = jax.tree.leaves(parts, is_leaf=learns_variances)
    if not (any(map(learns_variances, learned)) and isinstance(model.metric, AbstractAdaptation)):
        return

    def adapted(m: Any) -> tuple[AbstractManifold, AbstractLinearMap, int]:
        prototypes = m.encoded_prototypes()
        outputs = outputs_of(m.metric, prototypes)
        return prototypes.space, m.metric.linear_map(prototypes), outputs

    try:
        space, linear, most = eqx.filter_eval_shape(adapted, model)
    except Exception:  # of many kinds, about which parts do not fit; `_check_parts` tells
        return
    # Where there is no smooth frame, coordinates are more than dimensions; what a subspace takes
    # out of them may be counted or not.
    dimensions = {most, min(most, space.dimension)}
    if any(map(_is_residual, jax.tree.leaves(linear, is_leaf=_is_residual))):
        dimensions = range(1, most + 1)
    for name, decision in parts.items():
        refuse_other_dimension(decision, dimensions, name)


def _is_residual(part: Any) -> bool:
    return isinstance(part, Residual)


def _check_parts(model: PrototypeModel) -> None:
    """Refuse parts that do not fit each other, by their shapes alone."""
    _check_kinds(model)
    prototypes, metric, loss = model.prototypes, model.metric, model.loss
    if model._among_samples and (points := known_value(prototypes.points)) is not None:
        refuse_no_dissimilarities(points, "prototypes", own=True)

    def shape_of(what: str, function: Callable, *arguments: Any) -> Any:
        try:
            return eqx.filter_eval_shape(function, *arguments)
        except Exception as error:  # of many kinds, from wherever in a part the shapes did not fit
            raise ValueError(f"{what}: {error}") from error

    labels = prototypes.labels
    of = f"{len(prototypes)} prototypes of shape {prototypes.points.shape[1:]}"
    seen = shape_of(f"`encoder` does not take {of}", lambda m: m.encoded_prototypes(), model)
    kind = f"{type(metric).__name__} does not fit {of}"

    def matrix(m: AbstractMetric, s: Prototypes) -> Array:
        # Of one sample more than there are prototypes: what is spread over the wrong axis shows.
        return m(jnp.concatenate([s.points, s.points[:1]]), s)

    delta = shape_of(f"`metric`: {kind}", matrix, metric, seen)
    if delta.shape != (len(prototypes) + 1, len(prototypes)):
        raise ValueError(
            f"`metric`: {kind}: it makes a matrix (n, {delta.shape[-1]}) of {len(prototypes)} "
            f"prototypes."
        )
    decisions = (
        {"loss": loss} if model.decision is None else {"loss": loss, "decision": model.decision}
    )
    classes = {}
    for name, decision in decisions.items():
        kind = f"{type(decision).__name__} does not fit {len(prototypes)} prototypes"
        scores = shape_of(
            f"`{name}`: {kind}", lambda m, d: m.scores(accumulated(d), labels), decision, delta
        )
        if scores.ndim != 2 or scores.shape[0] != delta.shape[0]:
            raise ValueError(
                f"`{name}`: {kind}: its scores must have shape (n, classes), got {scores.shape} "
                f"for n={len(delta)}."
            )
        classes[name] = scores.shape[1]
    if loss.supervised:
        _refuse_other_classes(prototypes, "loss", loss, classes["loss"])
    if model.decision is not None:
        _refuse_other_classes(prototypes, "decision", model.decision, classes["decision"])
        if (
            loss.supervised
            and classes["decision"] - model.decision.open_set != classes["loss"] - loss.open_set
        ):
            raise ValueError(
                f"`decision`: {type(model.decision).__name__} decides between "
                f"{classes['decision']} classes, and {type(loss).__name__} learns "
                f"{classes['loss']}."
            )


def _refuse_unscalable(model: PrototypeModel) -> None:
    """Refuse a scale of samples that have no units, or another shape."""
    scale, space = model.scale, model.prototypes.space
    if scale is None or model.latent:
        return
    if model.metric.takes_dissimilarities:
        raise ValueError("`scale`: dissimilarities are compared as they are.")
    if not space.has_features:
        raise ValueError(f"`scale`: points of {space} have no features that could be scaled.")
    if scale.shape != space.point_shape:
        raise ValueError(
            f"`scale` is one of samples of shape {scale.shape}, and the prototypes are points of "
            f"shape {space.point_shape}."
        )


def with_names(model: PrototypeModel, given: Mapping[str, Any]) -> PrototypeModel:
    """A model with names of its classes and of its features, in this order, by the arguments that
    they were given by."""
    # The class that no prototype stands for may have a name, too.
    counts = {
        "classes": {model._classes_of_parts, model.classes},
        "features": None if model.sample_shape is None else {math.prod(model.sample_shape)},
    }
    entries = {
        of: as_names(names, name, counts[of], of)
        for of, (name, names) in zip(counts, given.items(), strict=True)
        if names is not None
    }
    card = Card.of() if model.card is None else model.card
    return replaced(model, card=card.replaced(**entries))


def _refuse_other_classes(
    prototypes: Prototypes, name: str, decision: AbstractDecision, decided: int
) -> None:
    """Refuse a decision between anything but the classes that labelled prototypes stand for."""
    if prototypes.labelled and decided != prototypes.classes + decision.open_set:
        raise ValueError(
            f"`{name}`: {type(decision).__name__} decides between {decided} classes, but the "
            f"prototypes stand for {prototypes.classes}: leave out their labels, or choose a "
            f"{name} for classes."
        )


def encode(encoder: Callable, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """Map samples to points, one by one."""
    if isinstance(encoder, Rematerialised):
        # Piece by piece: the backward pass then holds what the encoder computed of one piece at a
        # time.
        return jax.lax.map(encoder, x, batch_size=-(-len(x) // PIECES))
    return x if isinstance(encoder, eqx.nn.Identity) else jax.vmap(encoder)(x)


@eqx.filter_jit
def encode_all(encoder: Callable, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """The same by one program, so many samples at a time as fit into the cache."""
    return map_chunks(functools.partial(encode, encoder), x, rows_per_chunk(len(x), x[0].size))


def encoded(
    encoder: Callable, prototypes: Prototypes, space: AbstractManifold | None = None
) -> Prototypes:
    """Prototypes that live among the samples, mapped like them into a space, which is flat by
    default."""
    points = encode(encoder, prototypes.points)
    space = Euclidean(points.shape[1:]) if space is None else space
    if points.shape[1:] != space.point_shape:
        raise ValueError(
            f"points of {space} have shape {space.point_shape}, and the encoder makes some of "
            f"{points.shape[1:]}."
        )
    return prototypes.moved(points, space)


class Seen:
    """Some samples, as the questions see them; what a question does not use is not computed."""

    def __init__(self, model: PrototypeModel, judge: Judge, points: Float[Array, "n ..."]):
        self.model, self.judge, self.points = model, judge, points

    def dissimilarities(self) -> Float[Array, "n p"]:
        """δ, in the units of the judge."""
        units = self.judge.units
        return accumulated(
            told_apart(
                units.metric, self.judge.bounded(self.points, linear=False), units.prototypes
            )
        )

    def distances(self) -> Float[Array, "n p"]:
        """δ, in the units of the data."""
        units = self.judge.units
        return (
            accumulated(told_apart(units.metric, units.of(self.points), units.prototypes))
            * units.factor
        )

    def compared(self) -> Float[Array, "n p"]:
        """δ as the decision is given it: without what all of a sample have in common, if it asks
        for no more."""
        judge, (metric, prototypes, *_) = self.judge, self.judge.units
        if not judge.decision.relative:
            return self.dissimilarities()
        points = judge.bounded(self.points, differs_linearly(metric))
        return relative_dissimilarities(metric, points, prototypes)

    def by_loss(self) -> "Seen":
        """The same samples, as the loss sees them."""
        model = self.model
        judge = Judge.of(model.encoded_prototypes(), model.metric, model.loss)
        return self if model.decision is None else Seen(model, judge, self.points)

    def scores(self) -> Float[Array, "n c"]:
        judge, prototypes = self.judge, self.judge.units.prototypes
        scores = judge.decision.scores(self.compared(), prototypes.labels)
        name = "loss" if self.model.decision is None else "decision"
        _refuse_other_classes(prototypes, name, judge.decision, scores.shape[1])
        # Held back: whoever compares scores must see the same ones, and not compute them again in
        # other roundings.
        return jax.lax.optimization_barrier(scores)


class _Findings(eqx.Module):
    """Whether numbers are finite: parameters, samples, what an encoder makes of them, and
    answers."""

    parameters: Bool[Array, ""]
    samples: Bool[Array, ""]
    points: Bool[Array, ""]
    answers: Bool[Array, ""]


@eqx.filter_jit
def _answer(
    model: PrototypeModel, x: Array, question: Callable, together: bool = False
) -> tuple[Any, _Findings]:
    """One compiled program for each question and shape.

    Where the answer is not known, it is NaN, or -1 for an index: whoever compiles a question into a
    program of their own gets it without a word.
    """
    prototypes = model.encoded_prototypes()
    judge = Judge.of(prototypes, model.metric, model.decides)
    known = finite_parameters(model)

    def one_chunk(rows: Array) -> tuple[Any, Array]:
        points = model.encode(rows)
        answer = question(Seen(model, judge, points))
        sound = _sound_rows(model, rows, points)
        sure = known & jnp.all(sound, axis=0)
        answered = functools.reduce(jnp.logical_and, map(known_rows, jax.tree.leaves(answer)))
        return jax.tree.map(lambda a: where_known(sure & answered, a), answer), jnp.vstack(
            [sound, answered[None]]
        ).T

    rows = len(x) if together else rows_per_chunk(len(x), max(len(prototypes), x.size // len(x)))
    answer, sound = map_chunks(one_chunk, x, rows)
    return answer, _Findings(known, *jnp.all(sound, axis=0))


@eqx.filter_jit
def _scores(model: PrototypeModel, x: Array, already_encoded: bool) -> Float[Array, "n c"]:
    judge = Judge.of(model.encoded_prototypes(), model.metric, model.decides)
    seen, sure = seen_together(model, judge, x, already_encoded)
    return where_known(sure & finite_parameters(model), seen.scores())


def seen_together(
    model: PrototypeModel, judge: Judge, x: Array, already_encoded: bool = False
) -> tuple[Seen, Bool[Array, " n"]]:
    """All samples at once, however many there are, and of which of them something can be known."""
    points = x if already_encoded else model.encode(x)
    return Seen(model, judge, points), jnp.all(_sound_rows(model, x, points), axis=0)


def finite_parameters(model: PrototypeModel) -> Bool[Array, ""]:
    """Points, metric and encoder are finite; a decision may hold infinities, such as the logarithm
    of a prior of zero."""
    parts = (model.prototypes, model.metric, model.encoder, model.scale)
    numbers = eqx.filter(parts, eqx.is_inexact_array)
    finite = all_finite(numbers)
    for leaf in jax.tree.leaves(eqx.filter((model.loss, model.decision), eqx.is_inexact_array)):
        finite &= ~jnp.any(jnp.isnan(leaf))
    return finite


def _sound_rows(model: PrototypeModel, rows: Array, points: Array) -> Bool[Array, "2 n"]:
    """Whether samples are finite, and what the encoder makes of them."""
    return jnp.stack([finite_rows(rows, model.takes_gaps), finite_rows(points, model.takes_gaps)])


def _distances(seen: Seen) -> Array:
    return seen.distances()


def _probabilities(seen: Seen) -> Array:
    return probabilities(seen.scores())


def _predict(seen: Seen) -> Array:
    return decided(seen.scores())


def _memberships(seen: Seen) -> Array:
    seen = seen.by_loss()
    loss = seen.judge.decision
    if not isinstance(loss, AbstractMemberships):
        raise ValueError(
            f"`memberships`: the prototypes of {type(loss).__name__} do not share samples."
        )
    return loss.memberships(seen.compared())


def _typicalities(seen: Seen) -> Array:
    seen = seen.by_loss()
    loss = seen.judge.decision
    if not isinstance(loss, AbstractTypicalities):
        raise ValueError(
            f"`typicalities`: {type(loss).__name__} does not know how far away is untypical."
        )
    return loss.typicalities(seen.dissimilarities())


def _confidence(seen: Seen) -> Array:
    return confidence(seen.scores())


def _decide(seen: Seen) -> tuple[Array, Array]:
    return _predict(seen), _confidence(seen)


def _log_odds(seen: Seen) -> Array:
    return log_odds_of(seen.scores())


def _best_known(seen: Seen) -> tuple[Array, Array]:
    scores = seen.scores()
    return smallest(-scores[:, :-1]), log_odds_of(scores)


def _winner(seen: Seen) -> Array:
    return smallest(jax.lax.optimization_barrier(seen.dissimilarities()))


def _transform(seen: Seen) -> Array:
    model, points = seen.model, seen.points
    metric, prototypes = model._quadratic("transform"), model.encoded_prototypes()
    linear, space = metric.linear_map(prototypes), prototypes.space
    if space.displacement_is_difference and not metric.local:
        return linear.apply(flattened(points))
    winner = _winner(seen)

    def adapted(x: Array, j: Array) -> Array:
        displacement = space.coordinates(prototypes.points[j][None], x[None])[0, 0]
        return (jax.tree.map(lambda a: a[j], linear) if metric.local else linear).apply(
            displacement
        )

    return jax.vmap(adapted)(points, winner)
