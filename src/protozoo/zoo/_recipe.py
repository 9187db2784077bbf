"""A row of the table: from data to a model, part by part."""

import dataclasses
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from .._checks import (
    as_key,
    counted,
    here,
    of_kind,
    of_values,
    refuse_missing_classes,
    refuse_no_targets,
    refuse_nonfinite,
    sample_numbers,
    samples_of_host,
)
from .._keys import split
from .._sources import Source, bibtex
from .._types import Array, ArrayLike, PRNGKeyArray
from ..backbones import Curved
from ..manifolds import AbstractManifold, Euclidean
from ..models import PrototypeModel
from ..models.internal import encode_all, encoded, encoded_shape
from ..persistence.internal import reduced
from ..prototypes import Prototypes
from ..training import AbstractRule, Trainer
from ..training.internal import is_stream
from ._makers import Context, no_encoder, no_lattice
from ._options import Option, options_of, summary
from ._origin import Scaling, scale_of


#: The parts that a recipe has makers of, in the order in which they are made.
_PARTS = ("encoder", "lattice", "prototypes", "metric", "loss")


def _flat(space: AbstractManifold, shape: tuple[int, ...]) -> AbstractManifold:
    return Euclidean(shape)


@dataclasses.dataclass(frozen=True, repr=False)
class Recipe:
    """A published model as a composition of parts; calling it builds the model from data.

    Each part is made by a function of the data and of the parts before it; the keyword arguments of
    these functions are the recipe's `options`, which their docstrings explain (`explained`, and
    `help` of the recipe). Parameters that depend on distances (bandwidths, variances) start from
    the data *in the assembled model's own metric*.

    - `name`, `sources`: as published; there may be no sources.
    - `encoder`, `lattice`, `prototypes`, `metric`, `loss`: the makers, called in this order.
    - `encode_prototypes`: prototypes live among the samples and go through the encoder (siamese),
      or in its output space.
    - `training`: makes its default trainer; a function, so that importing the table computes
      nothing.
    - `space`: from the shape of a sample to the default space.
    - `restarts`: of how many starts `pz.zoo.fit` keeps the best.
    - `one_class`: it is told targets, class 0, from all others, class 1; samples without labels are
      targets.
    - `pairwise`: whether a sample is a row of values of pairs (dissimilarities, a kernel), and not
      of features; or the option that says so.
    - `latent_space`: from the space of the samples, and the shape of what the row's network makes
      of one, to the space where that lives by default.

    **Raises:** `ValueError` if an option belongs to two makers, or has the name of an argument of
    `__call__` or of `Trainer`: nobody could tell which of them is meant. `TypeError` if sources are
    of another kind.
    """

    name: str
    sources: tuple[Source, ...]
    prototypes: Callable
    metric: Callable
    loss: Callable
    training: Callable[[], Trainer]
    encoder: Callable = no_encoder
    encode_prototypes: bool = False
    space: Callable[[tuple[int, ...]], AbstractManifold] = Euclidean
    supervised: bool = True
    restarts: int = 1
    lattice: Callable = no_lattice
    one_class: bool = False
    pairwise: bool | str = False
    latent_space: Callable[[AbstractManifold, tuple[int, ...]], AbstractManifold] = _flat

    def __post_init__(self):
        if not all(isinstance(source, Source) for source in self.sources):
            raise TypeError(f"`sources` must hold entries of kind `Source`, got {self.sources!r}.")
        _refuse_shared_names(self)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"Recipe({self.name}: {self.citation or 'no source'}. Options: {options})"

    @property
    def citation(self) -> str:
        """Where the model was published."""
        return "; ".join(map(str, self.sources))

    def bibtex(self) -> str:
        """Where the model was published, as a BibTeX file; `model.citation()` is about a model's
        parts."""
        return bibtex(self.sources)

    @property
    def rule(self) -> AbstractRule:
        """The default learning rule."""
        return self.training().rule

    @property
    def options(self) -> dict[str, Any]:
        """The options and their defaults."""
        return {name: option.default for name, option in self.explained.items()}

    @property
    def explained(self) -> dict[str, Option]:
        """The options and what there is to say about them."""
        return {
            name: option for maker in self._makers() for name, option in options_of(maker).items()
        }

    @of_values
    def __call__(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        key: PRNGKeyArray | int,
        space: AbstractManifold | None = None,
        encoder: Callable | None = None,
        latent_space: AbstractManifold | None = None,
        sample_weight: ArrayLike | None = None,
        standardise: Scaling = False,
        **options: Any,
    ) -> PrototypeModel:
        """Build the untrained model.

        **Arguments:**

        - `x`: samples, `(n, *sample_shape)`.
        - `y`: their classes 0…c-1, for supervised models; 0 for targets and 1 for others, for
          models of one class, which take samples without labels for targets.
        - `key`: a random key, or an integer seed.
        - `space`: where samples live (behind an encoder of yours, unless prototypes go through it
          as well: what it makes of them); by default what the row says, mostly flat space.
        - `encoder`: a callable module of one sample, in place of the row's network (whose options
          then have no meaning), or before a row that has none. Prototypes of the siamese and image
          rows live among the samples; those of the others live in its output space.
        - `latent_space`: where what an encoder makes of samples lives; flat by default. The row's
          own network is led into it (`backbones.Curved`), and must return as many numbers as it has
          coordinates; one of yours must end in it.
        - `sample_weight`: how many copies of each sample there are, `(n,)`, not negative: a sample
          of weight zero is not there.
        - `standardise`: whether the model is one of scaled samples, and scales by itself: `True` to
          mean zero and variance one (`backbones.Standardise`), `"minmax"`, `"robust"`,
          `"whitening"`, or a scale that was found elsewhere. Prototypes then are in the units of
          the scale, `model.in_data_units()` in those of the data.
        - `options`: see `options`.

        **Raises:** `ValueError` for data that do not fit, an encoder that refuses them, and for
        options that the row does not have or that belong to the network which `encoder` replaces;
        for `standardise` where samples are points of a curved space, or dissimilarities.
        """
        if unknown := set(options) - set(self.options):
            raise ValueError(
                f"{self.name} has no option {', '.join(map(repr, sorted(unknown)))}; it has "
                f"{', '.join(f'{k}={v!r}' for k, v in self.options.items())}."
            )
        x, y, weight = taken(self, x, y, sample_weight)
        space = of_kind(space, AbstractManifold | None, "space")
        latent_space = of_kind(latent_space, AbstractManifold | None, "latent_space")
        weight = None if weight is None or (weight == 1).all() else weight
        if standardise is not False and (encoder is None or self.encode_prototypes):
            self._refuse_unscalable(self.space(x.shape[1:]) if space is None else space, options)
        scale = scale_of(standardise, x, weight)
        x = x if scale is None else encode_all(scale, here(x))
        if encoder is not None:
            self._check_encoder(encoder, x, options)
        network: Any = encoder
        points, name = x, "x"
        if encoder is not None and not self.encode_prototypes:
            points, name = encode_all(network, here(x)), "encoder(x)"
            refuse_nonfinite(points, name)
            space = latent_space or space
        if space is None and points is not x and self.encoder is not no_encoder:
            # As of the row's own network.
            space = self.latent_space(self.space(x.shape[1:]), points.shape[1:])
        space = self.space(points.shape[1:]) if space is None else space
        _refuse_outside(points, space, name)
        keys = split(as_key(key))
        if encoder is None:
            network = self._make(self.encoder, options, Context(x, y, keys[0], space, weight))
            network = network if latent_space is None else self._led_into(latent_space, network, x)
            if not (self.encode_prototypes or isinstance(network, eqx.nn.Identity)):
                points = encode_all(network, here(x))
                space = latent_space or self.latent_space(space, points.shape[1:])
                _refuse_outside(points, space, "encoder(x)")
        context = Context(points, y, keys[1], space, weight)
        lattice = self._make(self.lattice, options, context)
        context = dataclasses.replace(context, lattice=lattice)
        prototypes: Prototypes = self._make(self.prototypes, options, context)
        # The metric and the loss see samples and prototypes where they are compared.
        if self.encode_prototypes:
            points, mapped = _encode_both(network, here(x), prototypes, latent_space)
            if latent_space is not None:
                _refuse_outside(points, latent_space, "encoder(x)")
            context = Context(points, y, keys[1], space, weight, lattice, mapped)
        else:
            context = dataclasses.replace(context, prototypes=prototypes)
        context = dataclasses.replace(context, space=context.prototypes.space)
        metric = self._make(self.metric, options, context)
        loss = self._make(self.loss, options, dataclasses.replace(context, metric=metric))
        latent_space = latent_space if self.encode_prototypes else None
        return PrototypeModel(
            prototypes,
            metric,
            loss,
            network,
            self.encode_prototypes,
            latent_space=latent_space,
            scale=scale,
        )

    def __reduce__(self) -> Any:
        """A row of the table is pickled by its name, any other recipe by those of its makers."""
        from . import _TABLE
        from ._fit import look_up

        return (look_up, (self.name,)) if _TABLE.get(self.name) is self else reduced(self)

    def trainer(self, **settings: Any) -> Trainer:
        """The default trainer, with all of its settings but those that are given here by name: the
        arguments of `Trainer`. In batches, a rule that needs all samples at once is replaced by the
        same rule with running sums."""
        trainer = dataclasses.replace(self.training(), **settings)
        instead = trainer.rule.in_batches
        if trainer.batch_size is None or "rule" in settings or instead is None:
            return trainer
        return dataclasses.replace(trainer, rule=instead)

    def _refuse_unscalable(self, space: AbstractManifold, options: Mapping[str, Any]) -> None:
        if options.get(self.pairwise) if isinstance(self.pairwise, str) else self.pairwise:
            raise ValueError(
                f"`standardise`: {self.name} compares points of no space: rows of `x` hold what "
                "samples are to each other, and have no features that could be scaled."
            )
        if not space.has_features:
            raise ValueError(
                f"`standardise`: {self.name} compares points of {space}, which have no features "
                "that could be scaled."
            )

    def _check_encoder(
        self, encoder: Callable, x: np.ndarray | Array, options: dict[str, Any]
    ) -> None:
        if not callable(encoder):
            raise TypeError(f"`encoder` must be a callable module of one sample, got {encoder!r}.")
        if beside := set(options) & set(options_of(self.encoder)):
            raise ValueError(
                f"{', '.join(f'`{name}`' for name in sorted(beside))}: an option of the network of "
                f"{self.name}, whose place `encoder` takes. Leave it out."
            )
        encoded_shape(encoder, x)

    def _led_into(
        self, space: AbstractManifold, network: Callable, x: np.ndarray | Array
    ) -> Callable:
        if isinstance(network, eqx.nn.Identity):
            raise ValueError(
                f"`latent_space`: {self.name} has no encoder: pass one, or `space` for that of the "
                f"samples."
            )
        network = Curved(network, space)
        try:
            encoded_shape(network, x)
        except ValueError as error:
            raise ValueError(f"`latent_space`: {error}") from error
        return network

    def _makers(self) -> tuple[Callable, ...]:
        return tuple(getattr(self, part) for part in _PARTS)

    def _make(self, maker: Callable, options: dict[str, Any], context: Context) -> Any:
        known = {name: option.kind for name, option in options_of(maker).items() if name in options}
        given = {name: of_kind(options[name], kind, name) for name, kind in known.items()}
        try:
            return maker(context, **given)
        except (TypeError, ValueError) as error:
            # A part has names of its own for what it was made of.
            if not given or set(re.findall(r"`(\w+)", str(error))) & {*_KNOWN, *self.options}:
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{', '.join(map('`{}`'.format, given))}: {error}") from error


#: What errors of makers are about, if not about their options.
_KNOWN = ("x", "y", "key", "sample_weight", "encoder")


def _refuse_shared_names(recipe: Recipe) -> None:
    owners = dict(_arguments())
    for part, maker in zip(_PARTS, recipe._makers(), strict=True):
        mine = f"an option of the {part}"
        for name in options_of(maker):
            if name in owners:
                raise ValueError(
                    f"`{name}` is {owners[name]} and {mine} of {recipe.name}: give one of them "
                    f"another name."
                )
            owners[name] = mine


@functools.cache
def _arguments() -> dict[str, str]:
    """The names that no option may have."""
    owners = {name: "an argument of `Trainer`" for name in inspect.signature(Trainer).parameters}
    return owners | {
        name: "an argument of `Recipe`" for name in inspect.signature(Recipe.__call__).parameters
    }


class _OfRow:
    """An attribute of each row that `help` and editors look for, while the class has another one or
    none. It is made when they do, so that importing the table takes no time."""

    def __init__(self, of_row: Callable[[Recipe], Any], of_class: Any = None):
        self.of_row, self.of_class = of_row, of_class

    def __get__(self, row: Recipe | None, cls: type) -> Any:
        if row is not None:
            return self.of_row(row)
        if self.of_class is None:
            raise AttributeError
        return self.of_class


def _explanation(recipe: Recipe) -> str:
    """What a row is made of, and what its options mean."""
    samples = "x, y" if recipe.supervised and not recipe.one_class else "x"
    makers = zip(_PARTS, recipe._makers(), strict=True)
    parts = {part: summary(maker) for part, maker in makers if maker is not no_lattice}
    options = {f"`{name}`": str(option) for name, option in recipe.explained.items()}
    paragraphs = [
        f"`{recipe.name}({samples}, key=0)` builds the untrained model, of these parts:",
        _bullets(parts),
        "**Options** (`help(pz.zoo.Recipe)` explains the arguments that all rows have):",
        _bullets(options),
    ]
    if recipe.sources:
        paragraphs.append(textwrap.fill(f"Source: {recipe.citation}.", 100, break_on_hyphens=False))
    return "\n\n".join(paragraphs)


def _bullets(texts: dict[str, str]) -> str:
    return "\n".join(
        textwrap.fill(f"- {name}: {text}", 100, subsequent_indent="  ")
        for name, text in texts.items()
    )


def _signature(recipe: Recipe) -> inspect.Signature:
    """The arguments of `__call__`, with the row's options by their names."""
    _, *arguments, _ = inspect.signature(Recipe.__call__).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(name, keyword, default=option.default, annotation=option.kind)
        for name, option in recipe.explained.items()
    ]
    return inspect.Signature([*arguments, *options], return_annotation=PrototypeModel)


Recipe.__doc__ = _OfRow(_explanation, Recipe.__doc__)  # pyright: ignore[reportAttributeAccessIssue]
Recipe.__signature__ = _OfRow(_signature)  # pyright: ignore[reportAttributeAccessIssue]


def _refuse_outside(points: np.ndarray | Array, space: AbstractManifold, name: str) -> None:
    if points.shape[1:] != space.point_shape:
        raise ValueError(
            f"`{name}` must have shape (n, *{space.point_shape}) to lie in {space}, got "
            f"{points.shape}."
        )
    if violation := space.violation(points):
        raise ValueError(f"`{name}` does not lie in {space}: {violation}")


def refuse_stream(x: Any) -> None:
    """Raise `TypeError` for batches in place of samples."""
    if is_stream(x):
        raise TypeError(
            f"`x` is a stream ({type(x).__name__}), from which no model is built: build one from "
            "some samples, `model = pz.zoo.GLVQ(x, y, key=0)`, and train that by all of them, "
            "`pz.Trainer(…).fit(model, stream, key=0)`."
        )


def taken(
    builder: Any, x: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, Any, Any]:
    """Samples, classes and weights that what builds models (it has a `name`, and is `supervised` or
    not) can take. The samples may be the given ones: they are not copied to be read."""
    refuse_stream(x)
    if not builder.supervised and y is not None:
        raise ValueError(f"`y` was given, but {builder.name} learns without labels: leave it out.")
    one_class = isinstance(builder, Recipe) and builder.one_class
    if one_class and y is None:
        y = np.zeros(len(sample_numbers(x)), int)
    if builder.supervised and y is None:
        raise ValueError(f"`y` is missing: {builder.name} learns from labelled samples.")
    numbers, y, weight = counted(x, y, sample_weight)
    samples = samples_of_host(numbers)
    refuse_nonfinite(samples)
    if one_class:
        refuse_no_targets(np.asarray(y))
    elif y is not None:
        refuse_missing_classes(y)
    return samples, y, weight


@eqx.filter_jit
def _encode_both(
    encoder: Callable,
    x: Array,
    prototypes: Prototypes,
    space: AbstractManifold | None,
) -> tuple[Array, Prototypes]:
    """Samples and the prototypes among them, by one program."""
    return encode_all(encoder, x), encoded(encoder, prototypes, space)
