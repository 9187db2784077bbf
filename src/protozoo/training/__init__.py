"""How a model learns: one compiled loop, and the rules that it can run."""

from .._namespace import public as _public
from ..persistence.internal import make_portable as _make_portable
from ._alternating import AlternatingOptimization as AlternatingOptimization
from ._autodiff import AbstractGradient as AbstractGradient, Autodiff as Autodiff
from ._averaging import (
    AbstractWatching as AbstractWatching,
    Averaged as Averaged,
    Lookahead as Lookahead,
)
from ._callbacks import AbstractCallback as AbstractCallback, Progress as Progress, View as View
from ._checkpoints import Checkpoints as Checkpoints
from ._curriculum import SelfPaced as SelfPaced
from ._drift import (
    ADWIN as ADWIN,
    AdaptiveLVQ as AdaptiveLVQ,
    Learner as Learner,
    Prequential as Prequential,
    prequential as prequential,
)
from ._fit import Fit as Fit, Reason as Reason
from ._freeze import trainable_mask as trainable_mask
from ._generators import SEA as SEA, RotatingHyperplane as RotatingHyperplane
from ._gradient import GradientDescent as GradientDescent
from ._growing import GrowingGraph as GrowingGraph
from ._lazy import Lazy as Lazy
from ._many import fit_many as fit_many
from ._median import MedianOptimization as MedianOptimization
from ._objective import (
    AbstractCurriculum as AbstractCurriculum,
    AbstractRegulariser as AbstractRegulariser,
    Batch as Batch,
    Objective as Objective,
)
from ._optimisers import OPTIMISERS as OPTIMISERS
from ._phases import Phases as Phases
from ._recorders import HistoryFile as HistoryFile, TensorBoard as TensorBoard
from ._regularisers import (
    Diversity as Diversity,
    OmegaLogDet as OmegaLogDet,
    OmegaTrace as OmegaTrace,
    SparseRelevances as SparseRelevances,
    WeightDecay as WeightDecay,
)
from ._resize import Resize as Resize
from ._rule import AbstractRule as AbstractRule
from ._stopping import Stopping as Stopping
from ._stream import Slices as Slices
from ._trainer import Trainer as Trainer, TrainState as TrainState


_make_portable()

__all__ = _public(globals())
