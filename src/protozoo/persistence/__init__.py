"""How does a model reach another day? Models that describe themselves, on disk."""

from .._namespace import public as _public
from ._files import (
    largest_change as largest_change,
    load as load,
    quantised as quantised,
    save as save,
)
from ._pickling import make_portable as _make_portable
from ._registry import register as register
from ._structure import (
    decompose as decompose,
    describe as describe,
    digest as digest,
    fingerprint as fingerprint,
    rebuild as rebuild,
)


_make_portable()

__all__ = _public(globals())
