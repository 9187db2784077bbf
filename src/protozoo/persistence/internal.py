"""What other parts of the library use of `persistence`; no promise to anybody else."""

from ._disk import (
    make_directory as make_directory,
    named as named,
    opened as opened,
    publish as publish,
    remove as remove,
    replace as replace,
    resolved as resolved,
    write as write,
)
from ._files import LARGEST as LARGEST, version as version
from ._lock import InUse as InUse, Lock as Lock
from ._orbax import ORBAX as ORBAX, ask as ask, orbax_path as orbax_path
from ._pickling import (
    Shared as Shared,
    attribute as attribute,
    make_portable as make_portable,
    migration as migration,
    reduced as reduced,
)
from ._registry import has_name as has_name
