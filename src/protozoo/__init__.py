"""protozoo: a zoo of prototype-based models."""

from importlib import metadata as _metadata

from . import (
    backbones as backbones,
    cooperation as cooperation,
    evaluation as evaluation,
    export as export,
    losses as losses,
    manifolds as manifolds,
    metrics as metrics,
    mixtures as mixtures,
    models as models,
    networks as networks,
    persistence as persistence,
    plots as plots,
    prototypes as prototypes,
    topology as topology,
    training as training,
    trust as trust,
    types as types,
    validity as validity,
    zoo as zoo,
)
from ._constraints import (
    AbstractConstraint as AbstractConstraint,
    AbstractProjected as AbstractProjected,
    Box as Box,
    Orthonormal as Orthonormal,
    Positive as Positive,
    UnitTrace as UnitTrace,
)
from ._module import (
    buffer as buffer,
    hyper as hyper,
    learned as learned,
    part as part,
    static as static,
)
from ._namespace import public as _public
from ._schedules import (
    AbstractSchedule as AbstractSchedule,
    Constant as Constant,
    Cosine as Cosine,
    Exponential as Exponential,
    Linear as Linear,
    OverRun as OverRun,
    PiecewiseConstant as PiecewiseConstant,
    Polynomial as Polynomial,
    Restarts as Restarts,
    WarmUp as WarmUp,
)
from .cooperation import (
    EqualShares as EqualShares,
    RankCooperation as RankCooperation,
    WinnerTakesAll as WinnerTakesAll,
)
from .evaluation import Evaluation as Evaluation, evaluate as evaluate
from .models import PrototypeModel as PrototypeModel
from .persistence import load as load, register as register, save as save
from .prototypes import Prototypes as Prototypes
from .training import (
    AlternatingOptimization as AlternatingOptimization,
    Averaged as Averaged,
    Checkpoints as Checkpoints,
    GradientDescent as GradientDescent,
    Lazy as Lazy,
    Lookahead as Lookahead,
    MedianOptimization as MedianOptimization,
    Phases as Phases,
    Resize as Resize,
    SelfPaced as SelfPaced,
    Stopping as Stopping,
    Trainer as Trainer,
    fit_many as fit_many,
)
from .zoo import compare as compare, cross_validate as cross_validate, fit as fit


try:
    __version__ = _metadata.version("protozoo")
except _metadata.PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0+unknown"

__all__ = _public(globals())
