"""What units ask of the fields that they are in: losses whose gradients are the local learning
rules.

States carry no gradient. So the gradient of a loss by the synapses of a unit knows the unit's
field, its target, and the states of its senders; nothing else of the network.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import refuse_negative
from .._module import hyper
from .._types import Array, Float


class AbstractLocalLoss(eqx.Module):
    """A sum over the units of a layer of what each asks of its field.

    One of your own needs `__call__`: any function of fields and targets will do.
    """

    @abc.abstractmethod
    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        """A value for each sample, from the fields h of the units and their targets s."""


class Perceptron(AbstractLocalLoss):
    """\\(\\ell = \\sum_i \\max(0, \\kappa_i - s_i h_i)\\): the field shall agree with the target by
    a margin.

    Its gradient is the perceptron rule, \\(\\partial\\ell/\\partial h_i = -s_i\\) where
    \\(s_i h_i \\le \\kappa_i\\), and zero elsewhere. A tie is a mistake.

    **Arguments:**

    - `margin`: κ, one number or one for each unit.

    Source: F. Rosenblatt, *The perceptron: a probabilistic model for information storage and
    organization in the brain*, Psychological Review 65, 1958.
    """

    margin: Float[Array, "*i"] = hyper(default=0.5)

    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        return jnp.sum(hinge(self.margin - target * field), axis=-1)


class Delta(AbstractLocalLoss):
    """\\(\\ell = \\tfrac12 \\sum_i (s_i - \\tanh h_i)^2\\) over the units that are wrong by τ at
    least.

    Its gradient is the delta rule of graded units,
    \\(\\partial\\ell/\\partial h_i = -(s_i - \\tanh h_i)(1 - \\tanh^2 h_i)\\).

    **Arguments:**

    - `tolerance`: τ, not negative.

    **Raises:** `ValueError` for a negative tolerance.

    Source: B. Widrow, M. Hoff, *Adaptive switching circuits*, IRE WESCON Convention Record 1960.
    """

    tolerance: Float[Array, ""] = hyper(default=0.0)

    def __check_init__(self):
        refuse_negative(self.tolerance, "tolerance")

    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        error = target - jnp.tanh(field)
        return jnp.sum(jnp.where(jnp.abs(error) < self.tolerance, 0, error**2 / 2), axis=-1)


class TruncatedPerceptron(AbstractLocalLoss):
    """\\(\\ell = \\sum_i \\max(0, \\kappa_i - s_i h_i)\\) over the units that are saturated,
    \\(1 - |\\tanh h_i| < \\tau\\): the perceptron rule for graded units that act like binary ones.

    **Arguments:**

    - `margin`: κ, one number or one for each unit.
    - `tolerance`: τ, not negative; above one, all units count.

    **Raises:** `ValueError` for a negative tolerance.

    Source: Rosenblatt 1958 (see `Perceptron`).
    """

    margin: Float[Array, "*i"] = hyper(default=0.5)
    tolerance: Float[Array, ""] = hyper(default=0.1)

    def __check_init__(self):
        refuse_negative(self.tolerance, "tolerance")

    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        open_ = 1 - jnp.abs(jnp.tanh(field)) >= self.tolerance
        return jnp.sum(jnp.where(open_, 0, hinge(self.margin - target * field)), axis=-1)


class CrossEntropy(AbstractLocalLoss):
    """\\(\\ell = -\\sum_k p_k \\log \\mathrm{softmax}_k(h)\\), where \\(p = (1 + s)/2\\) is what a
    code of ±1 says of the classes: for readouts.

    Its gradient is \\(\\partial\\ell/\\partial h = \\mathrm{softmax}(h) - p\\).
    """

    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        return -jnp.sum((1 + target) / 2 * jax.nn.log_softmax(field, axis=-1), axis=-1)


class Hebbian(AbstractLocalLoss):
    """\\(\\ell = -\\sum_i s_i h_i\\): what fires together wires together,
    \\(\\partial\\ell/\\partial h = -s\\).

    Alone it has no end. It is for contrasts: at the end of a clamped phase less at the end of a
    free one (`Phase(learns=-1)`), where it vanishes once the network does by itself what it is
    shown.

    Source: J. Movellan, *Contrastive Hebbian learning in the continuous Hopfield model*,
    Connectionist Models Summer School 1990.
    """

    def __call__(
        self, field: Float[Array, "n i"], target: Float[Array, "n i"]
    ) -> Float[Array, " n"]:
        return -jnp.sum(target * field, axis=-1)


def hinge(gap: Float[Array, "n i"]) -> Float[Array, "n i"]:
    """max(0, gap), whose derivative at zero is one: a margin that is just reached is not kept. NaN
    stays NaN."""
    return jnp.where(gap < 0, 0, gap)
