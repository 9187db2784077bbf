"""Check that every public name, and every option of the zoo's rows, is explained on a page of the
built documentation.

    python docs/check_coverage.py site

A name is public if no part of its dotted path begins with an underscore or is `internal`, and it
was defined in the library. One path per object has to appear: `protozoo.Trainer` is documented
where `protozoo.training.Trainer` is. An option has an anchor of its own, such as
`protozoo.zoo.GMLVQ.latent_dim`.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import protozoo


def modules() -> Iterator[ModuleType]:
    """protozoo and its public subpackages and modules."""
    yield protozoo
    for info in pkgutil.walk_packages(protozoo.__path__, "protozoo."):
        parts = info.name.split(".")
        if parts[-1] != "internal" and not any(part.startswith("_") for part in parts):
            yield importlib.import_module(info.name)


def members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public names of a module: what a package re-exports, what a plain module defines."""
    package = hasattr(module, "__path__")
    owner = "protozoo" if package else module.__name__
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        # A plain value does not say where it is from: in a package it was put there to be seen.
        origin = getattr(value, "__module__", None) or ("protozoo" if package else "")
        if (
            not name.startswith("_")
            and not inspect.ismodule(value)
            and f"{origin}.".startswith(f"{owner}.")
        ):
            yield f"{module.__name__}.{name}", value


def undocumented(path: str, value: object) -> Iterator[str]:
    """The dotted names of this object and of its public members that lack a docstring. Members may
    inherit theirs."""
    text = (
        inspect.getdoc(value) if not inspect.isclass(value) else value.__doc__
    )  # which is not inherited
    if not text or (
        inspect.isclass(value) and text.startswith(f"{value.__name__}(")
    ):  # as dataclasses write them
        yield path
    if inspect.isclass(value):
        for name, member in vars(value).items():
            documentable = inspect.isroutine(member) or isinstance(
                member, property | classmethod | staticmethod
            )
            if documentable and not name.startswith("_"):
                bases = value.__mro__
                abstract = any(
                    name in inspect.get_annotations(base) for base in bases
                )  # the base class explains it
                if not abstract and not any(
                    getattr(vars(base).get(name), "__doc__", None) for base in bases
                ):
                    yield f"{path}.{name}"


def rendered(site: Path) -> set[str]:
    """The identifiers of everything that the API pages show."""
    pages = [page.read_text(encoding="utf-8") for page in (site / "api").glob("**/*.html")]
    return {name for page in pages for name in re.findall(r'\bid="(protozoo[\w.]*)"', page)}


def unexplained(shown: set[str]) -> Iterator[str]:
    """The options of rows that are not explained, or that no page shows."""
    for row in (getattr(protozoo.zoo, name) for name in protozoo.zoo.names()):
        for name, option in row.explained.items():
            path = f"protozoo.zoo.{row.name}.{name}"
            if not (option.meaning and option.range):
                yield f"{path}: not explained"
            if path not in shown:
                yield f"{path}: on no page"


def main(site: Path) -> int:
    """Print what is missing; the exit status."""
    shown, paths, objects = rendered(site), defaultdict(list), {}
    for module in modules():
        paths[id(module)].append(module.__name__)
        objects[id(module)] = module
        for path, value in members(module):
            paths[id(value)].append(path)
            objects[id(value)] = value
    problems = list(unexplained(shown))
    for key, names in paths.items():
        problems += [f"{path}: no docstring" for path in undocumented(names[-1], objects[key])]
        if not shown.intersection(names):
            problems.append(f"{' = '.join(names)}: on no page of {site / 'api'}")
    print("\n".join(problems) or f"all {len(paths)} public names are documented")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
