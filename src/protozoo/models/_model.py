"""Prototypes, a metric, a loss and an encoder: one model, and all its answers from one matrix."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._argmin import nearest_column
from .._checks import (
    as_labels,
    as_samples,
    as_weights,
    known_value,
    refuse_empty_samples,
    refuse_no_dissimilarities,
    refuse_nonfinite,
    refuse_unknown_classes,
    truth,
)
from .._module import all_finite, as_dtype, declarations, part, said, static
from .._products import accumulated, flattened
from .._schedules import as_scalar
from .._sources import bibtex, sources_of
from .._types import Array, ArrayLike, Bool, Float, Int, MaybeLabels, Num, PerSample, PyTree, Scalar
from ..backbones import Rematerialised
from ..losses import AbstractDecision, AbstractLoss, AbstractSampleLoss, AbstractWinnerLoss
from ..manifolds import Euclidean
from ..metrics import (
    AbstractAdaptation,
    AbstractLinearlyAdapted,
    AbstractMetric,
    AbstractQuadratic,
    own_units,
    relative_dissimilarities,
)
from ..prototypes import Prototypes
from ._base import AbstractTrainable
from ._bound import transformable
from ._chunks import map_chunks, rows_per_chunk
from ._encoder import encoded_shape
from ._selection import Selection, extended, kept, labels_of_added, reordered
from ._units import Judge, magnitude
from ._variances import coordinate_variances
from ._winners import winner_losses


#: In how many pieces samples go through an encoder that is computed again by the backward pass.
PIECES = 8


class PrototypeModel(AbstractTrainable):
    """\\(\\delta = \\mathrm{metric}(\\mathrm{encoder}(x), \\mathrm{prototypes})\\); everything else is read from δ.

    **Arguments:**

    - `prototypes`: which points, with which classes.
    - `metric`: how far a sample is from each of them.
    - `loss`: what the dissimilarities should be.
    - `encoder`: maps one sample to one point (it is vectorised here); any callable, an `eqx.Module` if it is to learn. It maps
      a sample the same way whenever it is asked: dropout is in inference mode, running statistics are held by
      `backbones.Stateful`.
    - `encode_prototypes`: `False`: the prototypes live in the encoder's output space. `True`: they live among the samples
      and go through the same encoder (a siamese model).
    - `learn_through_prototypes`: whether the encoder of a siamese model learns from both paths; with `False`, from samples
      only, while the prototypes still learn through it.
    - `decision`: what the dissimilarities mean: any `losses.AbstractDecision`, `NearestNeighbours` for example. `None`: what
      the loss says. Training does not know it: its numbers are set, not learned.

    All answers take `(n, *sample_shape)`, work in chunks so that memory does not grow with n·p, and are compiled once for
    each shape. A sample that is NaN or infinite is an error. They can be transformed: `jax.jit(model.predict)` makes the
    model's numbers constants of a program, `eqx.filter_jit(model.predict)` and a model that is an argument leave them
    arguments; `jax.vmap` maps over batches of batches, `eqx.filter_vmap` over models. What is being traced has no values
    yet, so that nothing is refused for them then.
    """

    prototypes: Prototypes
    metric: AbstractMetric
    loss: AbstractLoss
    encoder: Callable = eqx.nn.Identity()
    encode_prototypes: bool = static(default=False)
    learn_through_prototypes: bool = static(default=True)
    decision: AbstractDecision | None = part(default=None, metadata=said("hyper"))

    def __check_init__(self):
        if not (self.learn_through_prototypes or self.encode_prototypes):
            raise ValueError("`learn_through_prototypes=False` means nothing where prototypes are not encoded.")
        if self.encode_prototypes and not isinstance(self.encoder, eqx.nn.Identity):
            encoded_shape(self.encoder, self.prototypes.points, "prototypes.points")

        _check_parts(self)

    @property
    def decides(self) -> AbstractDecision:
        """The part that all predictions are read from: the decision, if there is one, or else the loss."""
        return self.loss if self.decision is None else self.decision

    # What training and inference share.

    @transformable
    def encode(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """The points that samples are mapped to."""
        return encode(self.encoder, x)

    @transformable
    def encoded_prototypes(self) -> Prototypes:
        """The prototypes in the space in which they are compared."""
        if not self.encode_prototypes:
            return self.prototypes
        if self.learn_through_prototypes:
            return encoded(self.encoder, self.prototypes)
        weights, rest = eqx.partition(self.encoder, eqx.is_array)
        return encoded(eqx.combine(jax.lax.stop_gradient(weights), rest), self.prototypes)

    @transformable
    def dissimilarities(self, points: Float[Array, "n ..."]) -> Float[Array, "n p"]:
        """δ of encoded samples, in float32 at least: what the loss sums is never rounded further."""
        return accumulated(self.metric(points, self.encoded_prototypes()))

    @transformable
    def objective(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""] = 1.0,
        encoded: bool = False,
    ) -> Scalar:
        """What training lowers: the loss of these samples, `weight` holding each one's share.

        `encoded` samples have been through the encoder already.
        """
        points, prototypes = x if encoded else self.encode(x), self.encoded_prototypes()
        metric, loss = self.metric, self.loss
        if (
            isinstance(loss, AbstractWinnerLoss)
            and loss.few
            and isinstance(metric, AbstractQuadratic)
            and prototypes.space.flat  # in a curved space, nothing would be gained
        ):
            return loss.reduce(winner_losses(metric, prototypes, loss, points, y, progress), weight)
        delta = accumulated(metric(points, prototypes))
        return loss.objective(delta, prototypes.labels, y, weight, progress)

    # What a trainer asks besides.

    @property
    def supervised(self) -> bool:
        """Whether its loss learns from labels."""
        return self.loss.supervised

    @property
    def objective_name(self) -> str:
        """The class of its loss."""
        return type(self.loss).__name__

    @property
    def additive(self) -> bool:
        """Whether its loss is a sum over samples."""
        return isinstance(self.loss, AbstractSampleLoss)

    @property
    def flat(self) -> bool:
        """Whether prototypes lie in a flat space."""
        return self.prototypes.space.flat

    def encoder_in(self, tree: PyTree) -> PyTree:
        return None if isinstance(self.encoder, eqx.nn.Identity) else tree.encoder

    def losses(
        self, x: Float[Array, "n ..."], y: MaybeLabels, progress: Float[ArrayLike, ""] = 1.0, encoded: bool = False
    ) -> PerSample:
        loss: Any = self.loss
        return loss(self.dissimilarities(x if encoded else self.encode(x)), self.prototypes.labels, y, progress)

    def chunk_rows(self, n: int, features: int) -> int:
        return rows_per_chunk(n, max(len(self.prototypes), features))

    def lowered(self, dtype: str) -> "PrototypeModel":
        if not self.prototypes.space.flat:
            raise ValueError(
                f"`precision`: {self.prototypes.space} needs eigenvectors, which cannot be computed below float32."
            )
        # Parameters of the metric and of the loss stay: a map is computed exactly, and applied in
        # the samples' precision.
        parts = lambda m: (m.encoder, m.prototypes.points)  # noqa: E731
        return eqx.tree_at(parts, self, as_dtype(parts(self), dtype))

    def check_differentiable(self) -> None:
        for one in (self.metric, self.loss):
            if not one.differentiable:
                raise ValueError(f"{type(one).__name__} has no derivative: train the model by another rule.")

    def check_training(self, x: Float[Array, "n ..."]) -> None:
        if self.metric.takes_dissimilarities and self.sample_shape:
            refuse_no_dissimilarities(x, own=True)

    def outline(self) -> str:
        """Its kinds of parts, and how many prototypes it has."""
        encoder = [] if isinstance(self.encoder, eqx.nn.Identity) else [self.encoder]
        parts = [type(part).__name__ for part in (self.loss, self.metric, *encoder)]
        classes = f" of {self.prototypes.classes} classes" if self.prototypes.labelled else ""
        return f"PrototypeModel({', '.join(parts)}, {len(self.prototypes)} prototypes{classes})"

    @transformable
    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n c"]:
        """The scores of the classes, logarithms of unnormalised probabilities: the forward pass that all predictions read.

        Nothing is checked, and nothing happens on the host; any number of samples will do, also one that is not known yet
        (`jax.export` with a symbolic batch size). Where nothing can be known, scores are NaN. The answers below work in chunks,
        and say what is wrong.
        """
        return _scores(self, x)

    # Answers.

    @transformable
    def distances(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n p"]:
        """δ: the dissimilarity of each sample to each prototype, in the units of the metric (a *squared* distance for the
        quadratic metrics)."""
        return self._ask(_distances, x)

    @transformable
    def predict_proba(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n c"]:
        """Probabilities of the classes (of an unlabelled model: of its prototypes); rows sum to one.

        The posterior, if the decision is one; otherwise inversely proportional to the nearest prototype's dissimilarity.
        """
        return self._ask(_probabilities, x)

    @transformable
    def predict(self, x: Float[ArrayLike, "n ..."]) -> Int[Array, " n"]:
        """The most probable class of each sample, exactly `predict_proba(x).argmax(axis=1)`."""
        return self._ask(_predict, x)

    @transformable
    def confidence(self, x: Float[ArrayLike, "n ..."]) -> PerSample:
        """\\((p_1 - p_2)/(p_1 + p_2) \\in [0, 1]\\) of the two most probable classes.

        For distance-based decisions this is the relative similarity \\((d_2 - d_1)/(d_2 + d_1)\\) of L. Fischer, B. Hammer,
        H. Wersing, *Efficient rejection strategies for prototype-based classification*, Neurocomputing 169, 2015.
        """
        return self._ask(_confidence, x)

    @transformable
    def predict_with_reject(self, x: Float[ArrayLike, "n ..."], threshold: ArrayLike) -> Int[Array, " n"]:
        """`predict(x)`, and -1 where the confidence is below `threshold`.

        **Raises:** `ValueError` if the threshold is not in [0, 1].
        """
        if not isinstance(threshold, Tracer):
            threshold = as_scalar(threshold, "threshold")
        known = known_value(threshold)
        if known is not None and not 0 <= known <= 1:
            raise ValueError(f"`threshold` is a confidence and must lie in [0, 1], got {threshold}.")
        label, confidence = self._ask(_decide, x)
        return jnp.where(confidence < threshold, -1, label)

    @transformable
    def transform(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n l"]:
        """Samples in the adapted space of a quadratic metric, where it is the plain squared Euclidean distance.

        In a flat space with one adaptation for all prototypes: encoder(x)·A. Otherwise (a curved space, or an adaptation
        for each prototype) every prototype has a chart of its own, and each sample appears as its adapted displacement
        from its nearest prototype.

        **Raises:** `ValueError` if the metric has no adapted space.
        """
        self._quadratic("transform")
        return self._ask(_transform, x)

    @transformable
    def relevance_matrix(self, per_prototype: bool = False) -> Float[Array, "*p d d"]:
        """Λ = AAᵀ, the matrix of the metric's quadratic form, symmetric and positive semidefinite.

        Of a metric with a matrix for each prototype, their mean, or with `per_prototype` all of them, `(p, d, d)`.

        **Raises:** `ValueError` if the metric has no linear adaptation.
        """
        metric, prototypes = self._adapted("relevance_matrix"), self.encoded_prototypes()
        per_prototype = truth(per_prototype, "per_prototype")
        linear, unit = metric.linear_map(prototypes), jnp.eye(prototypes.space.dimension, dtype=prototypes.points.dtype)
        maps = jax.vmap(lambda a: a.apply(unit))(linear) if metric.local else linear.apply(unit)
        matrices = maps @ maps.swapaxes(-1, -2)
        if metric.local:
            return matrices if per_prototype else matrices.mean(axis=0)
        return jnp.broadcast_to(matrices, (len(prototypes), *matrices.shape)) if per_prototype else matrices

    @transformable
    def relevance_diagonal(self) -> Float[Array, " d"]:
        """The diagonal of Λ, scaled to sum one: how much a *unit* of each feature counts.

        It tells what the metric is, not what it does: a feature that hardly varies may have the largest entry of all and
        decide nothing (a pixel at the border that has ink in one image of a hundred). For features that were not scaled to
        one variance, ask `relevances(x)`.

        **Raises:** `ValueError` if the metric has no linear adaptation.
        """
        diagonal = self._diagonal("relevance_diagonal").mean(axis=0)
        return diagonal / diagonal.sum()

    def relevances(self, x: Float[ArrayLike, "n ..."], sample_weight: ArrayLike | None = None) -> Float[Array, " d"]:
        """How much each feature contributes to δ on data: \\(\\lambda_k \\operatorname{Var}(x_k)\\), scaled to sum one.

        \\(\\lambda\\) is the diagonal of Λ and says how much a unit of a feature counts; the variance says how many of its
        units lie between the samples. Their product is free of units: a feature in grams has the relevance that it has in
        kilograms, once the metric has learned either. A feature that does not vary has relevance zero, whatever its λ.

        **Arguments:**

        - `x`: the samples. Features are those of the points that the metric compares: behind an encoder, latent ones.
        - `sample_weight`: how much each sample counts, `(n,)`.

        Of a metric with a map for each prototype, the mean over prototypes. In a curved space, features are the tangent
        coordinates about a prototype, and the mean is over prototypes, too (in a flat space, variances about all points are
        the same). Gaps are left out.

        **Raises:** `ValueError` if the metric has no linear adaptation, and if no feature that counts varies.
        """
        diagonal = np.asarray(self._diagonal("relevances"), float)
        x = self.check_values(x)
        weight = as_weights(sample_weight, len(x))
        variances = coordinate_variances(self.encode, self.encoded_prototypes(), x, weight / weight.max(), self.takes_gaps)
        contributions = (diagonal * variances).mean(axis=0)
        if not np.isfinite(contributions).all():
            raise ValueError("`relevances`: the model has parameters that are NaN or infinite. Train it again.")
        if not contributions.any():
            raise ValueError("`x` varies in no feature that the metric looks at: there is nothing that could be relevant.")
        return jnp.asarray(contributions / contributions.sum(), self.prototypes.points.dtype)

    def citation(self) -> str:
        """The sources of this model's parts (space, metric, loss, cooperation …) as a BibTeX file."""
        return bibtex(sources_of(self))

    def win_ratios(self, x: Float[ArrayLike, "n ..."], y: Int[ArrayLike, " n"] | None = None) -> Float[Array, " p"]:
        """The share of all samples that each prototype is nearest to; with `y`, counting only those of its own class.

        A prototype with ratio zero does no work.
        """
        if y is not None and not self.prototypes.labelled:
            raise ValueError("`y` was given, but the prototypes of this model have no classes.")
        winner = np.asarray(self._ask(_winner, x))
        n = len(winner)
        if y is not None:
            labels = as_labels(y, n)
            refuse_unknown_classes(labels, self.prototypes.classes)
            winner = winner[self.prototypes.labels[winner] == labels]
        return jnp.asarray(np.bincount(winner, minlength=len(self.prototypes)) / n)

    # The same model with other prototypes.

    def select(self, keep: ArrayLike | Sequence[int] | Sequence[bool]) -> "PrototypeModel":
        """The model of some of its prototypes, with all that belongs to them: their maps, bandwidths, priors.

        **Arguments:**

        - `keep`: a mask `(p,)`, or the numbers of the prototypes in their new order (grouped by class).

        Predictions are those of a model that was built with these prototypes alone.

        **Raises:** `ValueError` for numbers that are no prototypes or mix up classes, and if a class is left with none.
        """
        return self.selection(keep).of(self)

    def grow(
        self, points: Float[ArrayLike, "q ..."], labels: Int[ArrayLike, " q"] | Sequence[int] | None = None
    ) -> "PrototypeModel":
        """The model with more prototypes.

        **Arguments:**

        - `points`: the new prototypes, in the space of the others.
        - `labels`: their classes, if the others have some; a class may be new, and is then the next number.

        What belongs to each prototype (a map, a bandwidth, a prior) is that of the nearest prototype of its class, as the
        model measures; what belongs to a new class, that of the class of the nearest prototype.

        **Raises:** `ValueError` for points outside the space, and for labels that do not fit.
        """
        selection, added = self.extension(points, labels)
        return selection.moved(selection.of(self), added)

    def relabelled(self, order: Int[ArrayLike, " c"] | Sequence[int]) -> "PrototypeModel":
        """The model whose class k is the class `order[k]` of this one, with all that belongs to it.

        **Raises:** `ValueError` unless `order` is a permutation of the classes.
        """
        return self.reordering(order).of(self)

    # They are changes of anything that has the model's structure: of what an optimiser remembers, too.

    def selection(self, keep: ArrayLike | Sequence[int] | Sequence[bool]) -> Selection:
        """What `select` does."""
        return kept(self.prototypes, self.classes, keep)

    def extension(
        self, points: Float[ArrayLike, "q ..."], labels: Int[ArrayLike, " q"] | Sequence[int] | None = None
    ) -> tuple[Selection, Float[Array, "q ..."]]:
        """What `grow` does, and the new points."""
        added = Prototypes(points, None, self.prototypes.space).points
        known = labels_of_added(self.prototypes, labels, len(added))
        units = own_units(self.metric, self.encoded_prototypes())
        seen = units.of(self.encode(added) if self.encode_prototypes else added)
        delta = accumulated(units.metric(seen, units.prototypes))
        return extended(self.prototypes, self.classes, np.asarray(delta), known), added

    def reordering(self, order: Int[ArrayLike, " c"] | Sequence[int]) -> Selection:
        """What `relabelled` does."""
        axes = [axis for declared in jax.tree.leaves(declarations(self)) for axis in declared.axes]
        return reordered(self.prototypes, self.classes, order, of_prototypes="class" not in axes)

    # How they are asked.

    @property
    def classes(self) -> int:
        """The number of classes that the decision tells apart."""
        delta = jax.ShapeDtypeStruct((1, len(self.prototypes)), self.prototypes.points.dtype)
        return jax.eval_shape(lambda d: self.decides.scores(d, self.prototypes.labels), delta).shape[1]

    @property
    def takes_gaps(self) -> bool:
        """Whether features of a sample may be NaN: the metric leaves them out."""
        return self.metric.takes_gaps and isinstance(self.encoder, eqx.nn.Identity)

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample; `None` if only the encoder knows."""
        if self.encode_prototypes or isinstance(self.encoder, eqx.nn.Identity):
            return self.prototypes.space.point_shape
        return None

    def check_samples(self, x: ArrayLike, name: str = "x") -> Array:
        """`x` as an array that this model can take.

        **Raises:** `ValueError` naming the argument, its shape and the shape that fits.
        """
        x = as_samples(x, self.sample_shape, name)
        if self.sample_shape is None:
            shape = encoded_shape(self.encoder, x, name)
            if shape != self.prototypes.space.point_shape:
                raise ValueError(
                    f"the encoder maps a sample of `{name}` to shape {shape}, but prototypes are points of shape "
                    f"{self.prototypes.space.point_shape}."
                )
        return x

    def check_values(self, x: ArrayLike, name: str = "x") -> Array:
        """The same, every value of which has been looked at: finite (or a gap, where gaps are welcome), points of the space."""
        x = self.check_samples(x, name)
        refuse_nonfinite(x, name, gaps=self.takes_gaps)
        self._check_points(x, name)
        return x

    def _check_points(self, x: Array, name: str) -> None:
        """Refuse samples that the metric or the space has no answer for. What is being traced has no values yet."""
        space = self.prototypes.space
        if isinstance(x, Tracer):
            return
        if self.takes_gaps:
            refuse_empty_samples(x, name)
        if self.metric.takes_dissimilarities and self.sample_shape:
            refuse_no_dissimilarities(x, name)
        if not space.flat and self.sample_shape and (violation := space.violation(x)):
            raise ValueError(f"`{name}` does not lie in {space}: {violation}")

    def _adapted(self, asked: str) -> AbstractLinearlyAdapted:
        if not isinstance(self.metric, AbstractLinearlyAdapted):
            raise ValueError(f"`{asked}`: {type(self.metric).__name__} has no linear adaptation.")
        return self.metric

    def _diagonal(self, asked: str) -> Float[Array, "q d"]:
        """The diagonals of Λ, one for each linear map: the squared norms of adapted unit vectors."""
        metric, prototypes = self._adapted(asked), self.encoded_prototypes()
        linear, unit = metric.linear_map(prototypes), jnp.eye(prototypes.space.dimension, dtype=prototypes.points.dtype)
        return jax.vmap(lambda a: a.squared_norm(unit))(linear) if metric.local else linear.squared_norm(unit)[None]

    def _quadratic(self, asked: str) -> AbstractQuadratic:
        if not isinstance(self.metric, AbstractQuadratic):
            raise ValueError(f"`{asked}` needs a quadratic metric; {type(self.metric).__name__} has no linear adaptation.")
        return self.metric

    def _ask(self, question: Callable, x: ArrayLike) -> Any:
        x = self.check_samples(x)
        self._check_points(x, "x")
        answer, found = _answer(self, x, question)
        if not isinstance(found.answers, Tracer) and not all(jax.tree.leaves(found)):
            refuse_nonfinite(x, gaps=self.takes_gaps)
            if not found.parameters:
                raise ValueError("the model has parameters that are NaN or infinite: it cannot decide. Train it again.")
            if not found.points:
                raise ValueError("the encoder maps samples of `x` to values that are NaN or infinite.")
            raise ValueError(
                f"the answer for `x` exceeds the range of {x.dtype}: the data are of another order of magnitude than the "
                "model. Rescale them, or compute in 64 bits (`jax.config.update('jax_enable_x64', True)`)."
            )
        return answer


def _check_parts(model: PrototypeModel) -> None:
    """Refuse parts that do not fit each other, by their shapes alone."""
    kinds = {"prototypes": Prototypes, "metric": AbstractMetric, "loss": AbstractLoss}
    for name, kind in kinds.items():
        if not isinstance(part := getattr(model, name), kind):
            raise TypeError(f"`{name}` must be a part of kind {kind.__name__}, got {type(part).__name__}.")
    if not callable(model.encoder) or isinstance(model.encoder, type):
        raise TypeError(f"`encoder` must be callable with one sample, got {model.encoder!r}.")
    prototypes, metric, loss = model.prototypes, model.metric, model.loss
    if metric.takes_dissimilarities and (points := known_value(prototypes.points)) is not None:
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
    delta = shape_of(f"`metric`: {kind}", lambda m, s: m(s.points, s), metric, seen)
    if delta.shape != (len(prototypes), len(prototypes)):
        raise ValueError(f"`metric`: {kind}: it makes a matrix (n, {delta.shape[-1]}) of {len(prototypes)} prototypes.")
    decisions = {"loss": loss} if model.decision is None else {"loss": loss, "decision": model.decision}
    classes = {}
    for name, decision in decisions.items():
        kind = f"{type(decision).__name__} does not fit {len(prototypes)} prototypes"
        scores = shape_of(f"`{name}`: {kind}", lambda m, d: m.scores(accumulated(d), labels), decision, delta)
        if scores.ndim != 2 or scores.shape[0] != delta.shape[0]:
            raise ValueError(
                f"`{name}`: {kind}: its scores must have shape (n, classes), got {scores.shape} for n={len(delta)}."
            )
        classes[name] = scores.shape[1]
    if loss.supervised:
        _refuse_other_classes(prototypes, "loss", loss, classes["loss"])
    if model.decision is not None:
        _refuse_other_classes(prototypes, "decision", model.decision, classes["decision"])
        if loss.supervised and classes["decision"] != classes["loss"]:
            raise ValueError(
                f"`decision`: {type(model.decision).__name__} decides between {classes['decision']} classes, and "
                f"{type(loss).__name__} learns {classes['loss']}."
            )


def _refuse_other_classes(prototypes: Prototypes, name: str, decision: AbstractDecision, decided: int) -> None:
    """Refuse a decision between anything but the classes that labelled prototypes stand for."""
    if prototypes.labelled and decided != prototypes.classes:
        raise ValueError(
            f"`{name}`: {type(decision).__name__} decides between {decided} classes, but the prototypes stand for "
            f"{prototypes.classes}: leave out their labels, or choose a {name} for classes."
        )


def encode(encoder: Callable, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """Map samples to points, one by one."""
    if isinstance(encoder, Rematerialised):
        # Piece by piece: the backward pass then holds what the encoder computed of one piece at a time.
        return jax.lax.map(encoder, x, batch_size=-(-len(x) // PIECES))
    return x if isinstance(encoder, eqx.nn.Identity) else jax.vmap(encoder)(x)


def encoded(encoder: Callable, prototypes: Prototypes) -> Prototypes:
    """Prototypes that live among the samples, mapped like them."""
    points = encode(encoder, prototypes.points)
    return prototypes.moved(points, Euclidean(points.shape[1:]))


class _Seen:
    """Some samples, as the questions see them; what a question does not use is not computed."""

    def __init__(self, model: PrototypeModel, judge: Judge, points: Float[Array, "n ..."]):
        self.model, self.judge, self.points = model, judge, points

    def dissimilarities(self) -> Float[Array, "n p"]:
        """δ, in the units of the judge."""
        units = self.judge.units
        return accumulated(units.metric(self.judge.bounded(self.points, linear=False), units.prototypes))

    def scores(self) -> Float[Array, "n c"]:
        judge, (metric, prototypes, *_) = self.judge, self.judge.units
        if judge.decision.relative:
            linear = isinstance(metric, AbstractAdaptation) and not metric.local
            delta = relative_dissimilarities(metric, judge.bounded(self.points, linear), prototypes)
        else:
            delta = self.dissimilarities()
        scores = judge.decision.scores(delta, prototypes.labels)
        name = "loss" if self.model.decision is None else "decision"
        _refuse_other_classes(prototypes, name, judge.decision, scores.shape[1])
        # Held back: whoever compares scores must see the same ones, and not compute them again in other roundings.
        return jax.lax.optimization_barrier(scores)


class _Findings(eqx.Module):
    """Whether numbers are finite: parameters, samples, what an encoder makes of them, and answers."""

    parameters: Bool[Array, ""]
    samples: Bool[Array, ""]
    points: Bool[Array, ""]
    answers: Bool[Array, ""]


@eqx.filter_jit
def _answer(model: PrototypeModel, x: Array, question: Callable) -> tuple[Any, _Findings]:
    """One compiled program for each question and shape.

    Where the answer is not known, it is NaN, or -1 for an index: whoever compiles a question into a program of their own
    gets it without a word.
    """
    prototypes = model.encoded_prototypes()
    judge = Judge.of(prototypes, model.metric, model.decides)
    known = _finite_parameters(model)

    def one_chunk(rows: Array) -> tuple[Any, Array]:
        points = model.encode(rows)
        answer = question(_Seen(model, judge, points))
        sound = _sound_rows(model, rows, points)
        sure = known & jnp.all(sound, axis=0)
        answered = functools.reduce(jnp.logical_and, map(_known_rows, jax.tree.leaves(answer)))
        return jax.tree.map(lambda a: _where_known(sure & answered, a), answer), jnp.vstack([sound, answered[None]]).T

    answer, sound = map_chunks(one_chunk, x, rows_per_chunk(len(x), max(len(prototypes), x.size // len(x))))
    return answer, _Findings(known, *jnp.all(sound, axis=0))


@eqx.filter_jit
def _scores(model: PrototypeModel, x: Array) -> Float[Array, "n c"]:
    points = model.encode(x)
    sure = jnp.all(_sound_rows(model, x, points), axis=0) & _finite_parameters(model)
    judge = Judge.of(model.encoded_prototypes(), model.metric, model.decides)
    return _where_known(sure, _Seen(model, judge, points).scores())


def _finite_parameters(model: PrototypeModel) -> Bool[Array, ""]:
    """Points, metric and encoder are finite; a decision may hold infinities, such as the logarithm of a prior of zero."""
    numbers = eqx.filter((model.prototypes, model.metric, model.encoder), eqx.is_inexact_array)
    finite = all_finite(numbers)
    for leaf in jax.tree.leaves(eqx.filter((model.loss, model.decision), eqx.is_inexact_array)):
        finite &= ~jnp.any(jnp.isnan(leaf))
    return finite


def _sound_rows(model: PrototypeModel, rows: Array, points: Array) -> Bool[Array, "2 n"]:
    """Whether samples are finite, and what the encoder makes of them."""
    return jnp.stack([_finite_rows(rows, model.takes_gaps), _finite_rows(points, model.takes_gaps)])


def _finite_rows(rows: Array, gaps: bool = False) -> Bool[Array, " n"]:
    return jnp.isfinite(magnitude(rows, gaps))


def _known_rows(answer: Num[Array, "n ..."]) -> Bool[Array, " n"]:
    return _finite_rows(answer) if jnp.issubdtype(answer.dtype, jnp.inexact) else answer >= 0


def _where_known(known: Bool[Array, " n"], answer: Num[Array, "n ..."]) -> Num[Array, "n ..."]:
    unknown = jnp.nan if jnp.issubdtype(answer.dtype, jnp.inexact) else -1
    return jnp.where(known.reshape(-1, *[1] * (answer.ndim - 1)), answer, unknown)


def _distances(seen: _Seen) -> Array:
    units = seen.judge.units
    return accumulated(units.metric(units.of(seen.points), units.prototypes)) * units.factor


def _probabilities(seen: _Seen) -> Array:
    return jax.nn.softmax(seen.scores().T, axis=0).T


def _predict(seen: _Seen) -> Array:
    # Of the probabilities rather than the scores: where rounding ties the former, both must break the tie alike.
    return _smallest(-jax.lax.optimization_barrier(_probabilities(seen)))


def _confidence(seen: _Seen) -> Array:
    scores = seen.scores()
    if scores.shape[1] == 1:
        return jnp.ones_like(scores[:, 0])
    best = jax.lax.top_k(scores, 2)[0]
    return jnp.tanh(0.5 * (best[:, 0] - best[:, 1]))


def _decide(seen: _Seen) -> tuple[Array, Array]:
    return _predict(seen), _confidence(seen)


def _winner(seen: _Seen) -> Array:
    return _smallest(jax.lax.optimization_barrier(seen.dissimilarities()))


def _smallest(values: Float[Array, "n k"]) -> Int[Array, " n"]:
    """The column of the smallest; -1 where numbers of a sample are none, so that nothing can be told."""
    return jnp.where(jnp.isnan(jnp.min(values.T, axis=-2, keepdims=True))[0], -1, nearest_column(values))


def _transform(seen: _Seen) -> Array:
    model, points = seen.model, seen.points
    metric, prototypes = model._quadratic("transform"), model.encoded_prototypes()
    linear, space = metric.linear_map(prototypes), prototypes.space
    if space.flat and not metric.local:
        return linear.apply(flattened(points))
    winner = _winner(seen)

    def adapted(x: Array, j: Array) -> Array:
        displacement = space.coordinates(prototypes.points[j][None], x[None])[0, 0]
        return (jax.tree.map(lambda a: a[j], linear) if metric.local else linear).apply(displacement)

    return jax.vmap(adapted)(points, winner)
