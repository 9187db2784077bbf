"""How a model learns: one compiled loop, and the rules that it can run."""

from ._alternating import AlternatingOptimization as AlternatingOptimization
from ._callbacks import AbstractCallback as AbstractCallback, Progress as Progress, View as View
from ._checkpoints import Checkpoints as Checkpoints
from ._fit import Fit as Fit, Reason as Reason
from ._freeze import trainable_mask as trainable_mask
from ._gradient import GradientDescent as GradientDescent
from ._lazy import Lazy as Lazy
from ._median import MedianOptimization as MedianOptimization
from ._recorders import HistoryFile as HistoryFile, TensorBoard as TensorBoard
from ._rule import AbstractRule as AbstractRule, Batch as Batch
from ._stopping import Stopping as Stopping
from ._trainer import Trainer as Trainer, TrainState as TrainState
