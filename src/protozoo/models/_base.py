"""What can be trained."""

import abc
from typing import ClassVar, TypeVar

import equinox as eqx

from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, PyTree, Scalar


class AbstractTrainable(eqx.Module):
    """All that training asks of a model: what it learns from, what that costs, and how it is
    computed.

    Its parameters are its inexact arrays, but for those that are declared by `hyper`. Where the
    objective of a batch is a sum over samples (`additive`), batches are worked through in pieces,
    and a curriculum may weigh samples.
    """

    # What it learns from.

    #: Whether samples of class 0 alone can train it, which then need no labels.
    targets_only: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def supervised(self) -> bool:
        """Whether it learns from the classes of samples."""

    @property
    @abc.abstractmethod
    def classes(self) -> int:
        """The number of classes that it tells apart."""

    @property
    @abc.abstractmethod
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample; `None` if only the encoder knows."""

    @abc.abstractmethod
    def check_values(self, x: ArrayLike, name: str = "x") -> Array:
        """`x` as an array that this model can take, every value of which has been looked at.

        **Raises:** `ValueError` naming the argument and what is wrong with it.
        """

    @abc.abstractmethod
    def check_training(self, x: Float[Array, "n ..."]) -> None:
        """Raise `ValueError` if these samples, which are all that there are, cannot train it."""

    # What they cost.

    @property
    @abc.abstractmethod
    def loss_name(self) -> str:
        """What messages call the objective: the class of a loss, mostly."""

    @property
    @abc.abstractmethod
    def additive(self) -> bool:
        """Whether the objective is a sum over samples, \\(\\sum_i w_i \\ell_i\\)."""

    @abc.abstractmethod
    def encode(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Samples as the encoder maps them."""

    @abc.abstractmethod
    def encoder_in(self, tree: PyTree) -> PyTree:
        """The encoder's place in a tree of the model's structure (the model itself, or the mask of
        what learns); `None` for a model without an encoder.

        An encoder in which nothing learns is applied to the data once, not in every epoch.
        """

    @abc.abstractmethod
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

    @abc.abstractmethod
    def losses(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
        already_encoded: bool = False,
    ) -> PerSample:
        """\\(\\ell_i\\), the loss of each sample, where the objective is their sum."""

    # How it is computed.

    @abc.abstractmethod
    def chunk_rows(self, n: int, features: int) -> int:
        """How many of n samples to take at a time, each of so many numbers: as many as fit into a
        processor's cache, together with what is computed of them."""

    @abc.abstractmethod
    def lowered(self, dtype: str) -> PyTree:
        """The same model, computed in a lower precision.

        **Raises:** `ValueError` if it cannot be.
        """

    @abc.abstractmethod
    def check_differentiable(self) -> None:
        """Raise `ValueError` naming the part that has no derivative, if there is one."""

    @property
    @abc.abstractmethod
    def flat(self) -> bool:
        """Whether all parameters lie in flat spaces, where averages lie on lines."""

    @abc.abstractmethod
    def outline(self) -> str:
        """The model in a line."""


#: A kind of model: what is fitted is of the kind that was given.
Trainable = TypeVar("Trainable", bound=AbstractTrainable)
