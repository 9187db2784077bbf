"""Measure protozoo side by side with what it is compared against, and print Markdown tables.

    python benchmarks/run.py                      everything: three to four hours
    python benchmarks/run.py --quick              tiny sizes, once: does it still run?
    python benchmarks/run.py --only epoch em --repeats 5 --output results.md

Every measurement has a process of its own, and contenders take turns (A B A B …), so that whatever
else the machine does meets both. A library that is not installed is left out. How a number comes
about is told by the case that measures it, in `cases/`.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


CASES = (
    *("startup", "epoch", "curved", "em", "em_memory", "som", "predict", "overhead"),
    *("local_learning", "tables", "published", "novelty", "conformal", "search", "kmeans"),
    *("growth", "host"),
)
PACKAGES = (
    "protozoo",
    "jax",
    "jaxlib",
    "equinox",
    "optax",
    "numpy",
    "prosemble",
    "scikit-learn",
    "sklvq",
    "minisom",
    "mapie",
)
MODULES = {
    "prosemble": "prosemble",
    "scikit-learn": "sklearn",
    "sklvq": "sklvq",
    "MiniSom": "minisom",
    "mapie": "mapie",
}  # of the contenders that may be missing
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
)

Sample = (
    dict[str, float | list[float] | None] | None
)  # what one process measured; nothing if it failed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny sizes, one repeat: a smoke test, its numbers mean nothing",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CASES,
        default=CASES,
        metavar="NAME",
        help=f"some of {', '.join(CASES)}",
    )
    parser.add_argument("--repeats", type=int, help="processes for each number (default: 3)")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    parser.add_argument(
        "--measure", nargs=2, help=argparse.SUPPRESS
    )  # a process that measures: case and arguments
    options = parser.parse_args()
    if options.measure:
        name, arguments = options.measure
        print(json.dumps(load(name).measure(**json.loads(arguments))))
        return
    repeats = options.repeats or (1 if options.quick else 3)
    sections, complete = [machine(repeats, options.quick)], True
    print(sections[0], flush=True)
    for name in options.only:
        text, whole = section(load(name), options.quick, repeats)
        print(text, flush=True)
        sections.append(text)
        complete = complete and whole
    if options.output:
        options.output.write_text("\n".join(sections) + "\n", encoding="utf-8")
    if not complete:
        sys.exit("some measurements failed")


def load(name: str) -> ModuleType:
    return importlib.import_module(f"cases.{name}")


def section(case: ModuleType, quick: bool, repeats: int) -> tuple[str, bool]:
    """One case, measured: its explanation and a table with a line for each row, and whether no
    process failed."""
    rows, repeats = case.rows(quick), getattr(case, "REPEATS", repeats)
    samples = {row: {who: [] for who in contenders} for row, contenders in rows.items()}
    turns = [
        Turn(row, who, arguments, turn)
        for turn in range(1, repeats + 1)
        for row, contenders in rows.items()
        for who, arguments in contenders.items()
    ]
    # A contender of many rows takes its turn in each, unless we are in a hurry.
    keys = [json.dumps(turn.arguments) if quick else i for i, turn in enumerate(turns)]
    distinct = dict(zip(keys, turns, strict=True))
    with ThreadPoolExecutor(getattr(case, "WORKERS", 1)) as pool:
        known = dict(
            zip(distinct, pool.map(lambda turn: taken(case, turn), distinct.values()), strict=True)
        )
    for turn, key in zip(turns, keys, strict=True):
        samples[turn.row][turn.who].append(known[key])
    header, lines = case.report(samples) if hasattr(case, "report") else compared(case, samples)
    title, _, text = case.__doc__.strip().partition("\n")
    contenders = (contender for row in samples.values() for contender in row.items())
    whole = all(None not in taken for who, taken in contenders if installed(who))
    return f"\n## {title}\n{text}\n\n{table(header, lines)}", whole


def compared(
    case: ModuleType, samples: dict[str, dict[str, list[Sample]]]
) -> tuple[list[str], list[list[str]]]:
    """The header and the lines of a table of two contenders: their numbers and ratios."""
    one, other = next(iter(samples.values()))
    header, lines = [""], []
    for column in case.COLUMNS:
        header += [f"{column}: {one}", other, *(["ratio"] if column in case.COMPARED else [])]
    for row, taken in samples.items():
        cells = []
        for column in case.COLUMNS:
            pair = [[s and s[column] for s in taken[who]] for who in (one, other)]
            cells += [cell(values, who) for values, who in zip(pair, (one, other), strict=True)]
            cells += [ratio(*pair)] if column in case.COMPARED else []
        lines.append([row, *cells])
    return header, lines


class Turn(NamedTuple):
    """One measurement to take, the `number`-th of its kind."""

    row: str
    who: str
    arguments: dict
    number: int


def taken(case: ModuleType, turn: Turn) -> Sample:
    """The measurement, told as soon as it is there: hours of others may follow."""
    began = time.monotonic()
    sample = measured(case, turn.arguments) if installed(turn.who) else None
    took = time.monotonic() - began
    where = f"{case.__name__}, {turn.row}, {turn.who}, {turn.number}"
    step = f"{where}: {took:.1f} s, {json.dumps(sample)}"
    print(step, file=sys.stderr, flush=True)
    return sample


def measured(case: ModuleType, arguments: dict) -> Sample:
    """What `case.measure(**arguments)` returns in a fresh process."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
        **getattr(case, "ENVIRONMENT", {}),
    }
    command = [
        sys.executable,
        __file__,
        "--measure",
        case.__name__.rpartition(".")[2],
        json.dumps(arguments),
    ]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    if process.returncode != 0:
        print(
            f"failed ({process.returncode}): {process.stderr[-2000:]}", file=sys.stderr, flush=True
        )
        return None
    return json.loads(process.stdout.splitlines()[-1])


def installed(who: str) -> bool:
    return who not in MODULES or util.find_spec(MODULES[who]) is not None


def machine(repeats: int, quick: bool) -> str:
    """What the numbers depend on besides the code."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "Versions": ", ".join(
            f"{k} {v}" for k, v in {"Python": platform.python_version(), **versions}.items()
        ),
        "Machine": f"{processor()}, {cores} cores, {platform.system()}; "
        f"load {os.getloadavg()[0]:.1f} at the start",
        "Threads": ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ)
        or "defaults",
        "Repeats": f"{repeats}, each in a process of its own"
        + ("; tiny sizes, a smoke test" if quick else ""),
    }
    text = (
        "Numbers are medians. A ratio is the first contender's number divided by the second's (of "
        "time and memory, below one is better), with its range over the repeats. Peak memory is "
        "that of the whole process above what it holds when libraries and data are loaded, "
        "compilation included; working memory is the peak above what it holds when everything is "
        "compiled."
    )
    return "\n".join(["# Benchmarks", "", *(f"- {k}: {v}" for k, v in facts.items()), "", text])


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(header: list[str], lines: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines])


def cell(values: list[float | None], who: str) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "failed" if installed(who) else "not installed"
    return number(statistics.median(known))


def ratio(one: list[float | None], other: list[float | None]) -> str:
    # A span too short for the clock can come out as nothing, or less.
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a and b and min(a, b) > 0]
    if not pairs:
        return ""
    middle = statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)
    ratios = [a / b for a, b in pairs]
    return number(middle) + (
        f" ({number(min(ratios))}–{number(max(ratios))})" if len(ratios) > 1 else ""
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
