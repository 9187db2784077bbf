"""Pictures of models. matplotlib is imported when one is drawn (`pip install "protozoo[plot]"`)."""

from .._namespace import public as _public
from ._certificates import certified_accuracy as certified_accuracy
from ._covariances import covariances as covariances
from ._curved import (
    covariance_ellipses as covariance_ellipses,
    poincare_disk as poincare_disk,
    rotation_axes as rotation_axes,
)
from ._decisions import accuracy_reject as accuracy_reject, explanation as explanation
from ._evaluation import evaluation as evaluation
from ._images import prototype_images as prototype_images, relevance_map as relevance_map
from ._kernels import kernel_widths as kernel_widths
from ._maps import (
    component_planes as component_planes,
    graph as graph,
    hit_map as hit_map,
    umatrix as umatrix,
)
from ._networks import layer_map as layer_map, settling as settling
from ._profiles import curves as curves, profiles as profiles
from ._regions import (
    adapted_space as adapted_space,
    decision_regions as decision_regions,
    memberships as memberships,
    visible_region as visible_region,
)
from ._relevances import (
    local_relevances as local_relevances,
    relevance_bars as relevance_bars,
    relevance_matrix as relevance_matrix,
    relevance_spectrum as relevance_spectrum,
)
from ._streams import prequential as prequential
from ._training import LivePlot as LivePlot, history as history


__all__ = _public(globals())
