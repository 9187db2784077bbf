"""The architecture, checked: abstract or final, arrows one way, nothing heavy at import, everything
documented."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import pytest

import protozoo as pz


SOURCE = Path(pz.__file__).parent
PUBLIC = [
    "backbones",
    "cooperation",
    "losses",
    "manifolds",
    "metrics",
    "models",
    "networks",
    "prototypes",
    "training",
    "persistence",
    "trust",
]

#: Parts may import those to their left.
ORDER = [
    "_namespace",
    "_reports",
    "_types",
    "_keys",
    "_sources",
    "_argmin",
    "_products",
    "_statistics",
    "_checks",
    "_constraints",
    "_module",
    "_schedules",
    "manifolds",
    "prototypes",
    "metrics",
    "cooperation",
    "losses",
]
ORDER += ["backbones", "models", "networks", "persistence"]
ORDER += ["evaluation", "training", "zoo"]
ORDER += [
    "mixtures",
    "validity",
    "topology",
    "trust",
    "testing",
    "plots",
    "export",
    "sklearn",
    "cli",
    "types",
]
ORDER += ["__main__", "__init__"]


def modules():
    for info in pkgutil.walk_packages([str(SOURCE)], "protozoo."):
        yield importlib.import_module(info.name)


def classes() -> list[type]:
    list(modules())

    def below(cls: type) -> list[type]:
        return [c for sub in cls.__subclasses__() for c in (sub, *below(sub))]

    return sorted(
        {c for c in below(eqx.Module) if c.__module__.startswith("protozoo.")},
        key=lambda c: c.__qualname__,
    )


def is_abstract(cls: type) -> bool:
    return cls.__name__.lstrip("_").startswith("Abstract")


def test_every_module_is_abstract_or_final():
    found = classes()
    assert len(found) > 25
    for cls in found:
        open_ends = bool(
            cls.__abstractmethods__ or cls.__abstractvars__ or cls.__abstractclassvars__
        )
        if not is_abstract(cls):
            assert not open_ends, f"{cls} leaves {cls.__abstractmethods__} open"
        for base in cls.__mro__[1:]:
            if base.__module__.startswith("protozoo."):
                assert is_abstract(base), f"{cls} inherits from the final {base}"


def test_concrete_methods_are_not_overridden():
    for cls in classes():
        for name, method in vars(cls).items():
            if (
                name.startswith("__")
                and name != "__call__"
                or not (inspect.isfunction(method) or isinstance(method, property))
            ):
                continue
            for base in cls.__mro__[1:]:
                if base.__module__.startswith("protozoo.") and name in vars(base):
                    # What is usually a constant of the class may be found out by some of them.
                    found = vars(base)[name]
                    concrete = inspect.isfunction(found) or isinstance(found, property)
                    assert not concrete or getattr(found, "__isabstractmethod__", False), (
                        f"{cls}.{name} overrides {base}"
                    )


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_arrows_point_one_way(path):
    package = path.relative_to(SOURCE)
    here = package.parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            pytest.fail("postponed annotations switch shape checking off")
        # The door and persistence alone look at objects that are not ours.
        foreign = here in ("_checks", "persistence")
        if isinstance(node, ast.Name) and (
            node.id == "super" or (node.id == "hasattr" and not foreign)
        ):
            pytest.fail(f"{node.id}() in line {node.lineno}")
        if isinstance(node, ast.ImportFrom) and node.level == len(package.parts):
            for target in (
                [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            ):
                assert target in ORDER, target
                assert ORDER.index(target) < ORDER.index(here), f"{here} imports {target}"


def imports(path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a file imports from protozoo: the module, by its path in it, and the name."""
    package = path.relative_to(SOURCE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) + 1 - node.level]
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield from ((module, alias.name) for alias in node.names)


def test_packages_are_entered_through_their_doors():
    """What is private to a package is imported by itself alone; its `internal` says what the
    library shares, and nothing in vain."""
    shared, used = set(), set()
    for path in SOURCE.rglob("*.py"):
        here = path.relative_to(SOURCE).parts
        for module, name in imports(path):
            if here[-1] == "internal.py":
                shared.add((here[0], name))
            elif module and (SOURCE / module[0]).is_dir() and module[0] != here[0]:
                inner = [part for part in (*module[1:], name) if part.startswith("_")]
                assert not inner, f"{'/'.join(here)} imports {'.'.join(module)}.{name}"
                if module[1:] == ("internal",):
                    used.add((module[0], name))
    assert shared == used


def test_nothing_is_written_twice():
    """No six lines in a row of one function are those of another."""
    seen: dict[tuple[str, ...], str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = [line.strip() for line in text.split("\n")]
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef):
                continue
            said = node.body[1:] if ast.get_docstring(node) is not None else node.body
            numbers = range(said[0].lineno, (node.end_lineno or 0) + 1) if said else ()
            numbers = [i for i in numbers if lines[i - 1] and not lines[i - 1].startswith("#")]
            for start in range(len(numbers) - 5):
                here = f"{path.relative_to(SOURCE)}:{numbers[start]}"
                code = tuple(lines[i - 1] for i in numbers[start : start + 6])
                there = seen.setdefault(code, here)
                assert there == here, f"{there} and {here} begin six lines that are the same"


def test_lines_of_pages_fit():
    """As those of code do; `python docs/wrap.py` wraps them. Rows of tables cannot be wrapped."""
    root = SOURCE.parents[1]
    long = [
        f"{path.relative_to(root)}:{number}"
        for path in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if len(line) > 100 and not line.lstrip().startswith("|")
    ]
    assert not long, f"longer than 100 characters: {', '.join(long[:5])} …"


def test_importing_loads_nothing_heavy_and_computes_nothing():
    code = (
        "import sys, protozoo\n"
        "heavy = {'orbax', 'matplotlib', 'sklearn', 'tqdm', 'scipy.stats', 'beartype'} & "
        "set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import jax._src.xla_bridge as bridge\n"
        "assert not bridge._backends, 'a device was touched'\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def public_names() -> list[tuple[str, object]]:
    found = [(f"pz.{name}", getattr(pz, name)) for name in dir(pz) if not name.startswith("_")]
    for package in PUBLIC:
        module = importlib.import_module(f"protozoo.{package}")
        found += [
            (f"{package}.{name}", getattr(module, name))
            for name in dir(module)
            if not name.startswith("_")
        ]
    return [
        (name, thing)
        for name, thing in found
        if getattr(inspect.getmodule(thing), "__name__", "").startswith("protozoo")
    ]


@pytest.mark.parametrize(
    ("name", "thing"), public_names(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_public_symbol_is_documented(name, thing):
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing) and thing.__module__.startswith("protozoo."):
        for attribute, value in vars(thing).items():
            if attribute.startswith("_") or not (
                inspect.isfunction(value) or isinstance(value, property | classmethod)
            ):
                continue
            # An implementation of an abstract method is documented where it is declared.
            declared = [
                getattr(base, attribute, None) for base in thing.__mro__ if base is not object
            ]
            assert any(inspect.getdoc(d) for d in declared if d is not None), f"{name}.{attribute}"


def test_every_row_has_a_citation_a_rule_and_options():
    for name in pz.zoo.names():
        row = getattr(pz.zoo, name)
        assert any(year in row.citation for year in map(str, range(1950, 2030))), name
        assert isinstance(row.rule, pz.training.AbstractRule)
        assert row.options
    with pytest.raises(AttributeError, match="no model 'GMLV'.*GMLVQ"):
        pz.zoo.GMLV  # noqa: B018
