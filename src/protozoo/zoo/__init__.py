"""The table: published names of models, each a composition of parts.

`pz.zoo.GMLVQ(x, y, key=key)` builds the model; `pz.zoo.GMLVQ.trainer()` is its default trainer;
`.citation`, `.bibtex()`, `.rule` and `.options` are data. `help(pz.zoo.GMLVQ)` explains its options;
`pz.zoo.names()` lists what there is.
"""

import typing as _typing

from .._namespace import public as _public
from .._sources import Source as Source
from . import _riemannian, _supervised, _unsupervised
from ._cross_validate import CrossValidation as CrossValidation, cross_validate as cross_validate
from ._fit import fit as fit
from ._makers import Context as Context
from ._options import Option as Option
from ._recipe import Recipe as Recipe

# Rows by their names, so that checkers and editors know each of them, and find the misspelt ones.
from ._riemannian import (
    RiemannianSMNG as RiemannianSMNG,
    RiemannianSRNG as RiemannianSRNG,
)
from ._supervised import (
    CBC as CBC,
    CELVQ as CELVQ,
    CELVQ_NG as CELVQ_NG,
    DKGLVQ as DKGLVQ,
    DKGLVQ_NG as DKGLVQ_NG,
    DKGMLVQ as DKGMLVQ,
    DKGMLVQ_NG as DKGMLVQ_NG,
    DKGRLVQ as DKGRLVQ,
    DKGRLVQ_NG as DKGRLVQ_NG,
    GLVQ as GLVQ,
    GLVQ1 as GLVQ1,
    GLVQ21 as GLVQ21,
    GMLVQ as GMLVQ,
    GRLVQ as GRLVQ,
    GTLVQ as GTLVQ,
    KNN as KNN,
    LCELVQ_NG as LCELVQ_NG,
    LGMLVQ as LGMLVQ,
    LMRSLVQ as LMRSLVQ,
    LMRSLVQ_NG as LMRSLVQ_NG,
    LVQ1 as LVQ1,
    LVQ21 as LVQ21,
    LVQMLN as LVQMLN,
    MCELVQ_NG as MCELVQ_NG,
    MRSLVQ as MRSLVQ,
    MRSLVQ_NG as MRSLVQ_NG,
    NPC as NPC,
    PLVQ as PLVQ,
    RSLVQ as RSLVQ,
    RSLVQ_NG as RSLVQ_NG,
    SCMNG as SCMNG,
    SLNG as SLNG,
    SLVQ as SLVQ,
    SMNG as SMNG,
    SNG as SNG,
    SRNG as SRNG,
    STNG as STNG,
    TCELVQ_NG as TCELVQ_NG,
    WGLVQ as WGLVQ,
    WGMLVQ as WGMLVQ,
    WGRLVQ as WGRLVQ,
    ImageCBC as ImageCBC,
    ImageGLVQ as ImageGLVQ,
    ImageGMLVQ as ImageGMLVQ,
    ImageGTLVQ as ImageGTLVQ,
    MedianLVQ as MedianLVQ,
    SiameseGLVQ as SiameseGLVQ,
    SiameseGMLVQ as SiameseGMLVQ,
    SiameseGTLVQ as SiameseGTLVQ,
)
from ._unsupervised import (
    FCM as FCM,
    HCM as HCM,
    GaussianMixture as GaussianMixture,
    NeuralGas as NeuralGas,
)


_FILES = (_supervised, _riemannian, _unsupervised)
_TABLE = {row.name: row for file in _FILES for row in vars(file).values() if isinstance(row, Recipe)}


def names() -> tuple[str, ...]:
    """The names of all rows, in the order of the table."""
    return tuple(_TABLE)


if not _typing.TYPE_CHECKING:  # to a checker, this would be any name

    def __getattr__(name: str) -> Recipe:
        raise AttributeError(f"the zoo has no model {name!r}; `pz.zoo.names()` lists those it has: {', '.join(_TABLE)}.")


__all__ = _public(globals())
