"""The project's checks. `nox` runs lint, typecheck and tests; `nox -l` lists all of them."""

from pathlib import Path

import nox


nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "typecheck", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

PYPROJECT = nox.project.load_toml("pyproject.toml")
#: Without a screen, and with the byte code of modules kept: where it is not, as in many containers,
#: each process spends ten seconds on compiling what it imports.
ENVIRONMENT = {"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": ""}
#: The programs of tests and pages run for milliseconds: machine code of the last percent is not
#: worth its compilation. Without these, compiling takes five times as long, and is half of the
#: suite's time. The nightly session compiles as users do.
COMPILED_QUICKLY = {
    "XLA_FLAGS": " ".join(
        (
            "--xla_backend_optimization_level=0",
            "--xla_llvm_disable_expensive_passes=true",
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_cpu_parallel_codegen_split_count=1",
        )
    )
}


def compiled_once(session: nox.Session) -> dict[str, str]:
    """Processes, and later runs, take over each other's compiled programs: most of the tests' time
    is compiling."""
    return {
        **ENVIRONMENT,
        "JAX_COMPILATION_CACHE_DIR": str(Path(session.create_tmp()).resolve() / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def install(session: nox.Session, *groups: str, project: str | None = None) -> None:
    """Install dependency groups and, in place, the project: "." or ".[extras]"."""
    editable = [] if project is None else ["--editable", project]
    session.install(*editable, *nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    install(session, "lint")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Static types of the library and of its tests, and what a user's checker knows of it."""
    install(session, "typecheck", project=".")
    session.run("pyright", *session.posargs)
    session.run("python", "tests/typing/check.py")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, with shapes checked at run time."""
    install(session, "tests", project=".")
    # Each process begins with files of its own.
    workers = ("--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal")
    env = {**compiled_once(session), **COMPILED_QUICKLY}
    session.run("pytest", *workers, *session.posargs, env=env)


@nox.session
def nightly(session: nox.Session) -> None:
    """The campaigns of which the test suite has samples: kills, damaged and hostile files, bad
    inputs, every row."""
    install(session, "tests", project=".")
    session.run(
        "pytest",
        "-m",
        "nightly",
        "--numprocesses=auto",
        "--maxprocesses=4",
        *session.posargs,
        env=compiled_once(session),
    )


@nox.session
def oldest(session: nox.Session) -> None:
    """The estimators with the oldest scikit-learn that they support: every check of it, every
    row."""
    install(session, "tests", project=".")
    (supported,) = PYPROJECT["project"]["optional-dependencies"]["sklearn"]
    session.install(supported.replace(">=", "==") + ".*")
    command = ("pytest", "tests/test_sklearn.py", "-m", "nightly or not nightly")
    # It is older than what it runs on and is tested by, which warn it.
    warned = ("-W", "ignore::DeprecationWarning", "-W", "ignore::pytest.PytestRemovedIn10Warning")
    env = {**compiled_once(session), **COMPILED_QUICKLY}
    session.run(*command, *warned, *session.posargs, env=env)


@nox.session
def onnx(session: nox.Session) -> None:
    """Every row as an ONNX graph, in ONNX Runtime."""
    install(session, "onnx", project=".")
    session.install("--no-deps", "jax2onnx==0.17.1")
    # What it patches while it traces is not to be checked.
    command = ("pytest", "tests/test_export.py", "-m", "onnx", "--jaxtyping-packages=")
    session.run(*command, *session.posargs, env=compiled_once(session))


@nox.session
def examples(session: nox.Session) -> None:
    """Every example, or those named, runs to its end."""
    install(session, project=".[all]")
    for example in session.posargs or sorted(map(str, Path("examples").glob("*.py"))):
        session.run("python", example, env=ENVIRONMENT)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation builds without a warning, leaves no public name out, and has no broken
    link."""
    install(session, "docs", project=".[all]")
    # The examples and many pages are run, and show what comes of it.
    env = {**compiled_once(session), **COMPILED_QUICKLY, "NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", *session.posargs, env=env)
    session.run("python", "docs/check_coverage.py", "site")
    session.run("python", "docs/check_links.py", "site")


@nox.session
def site(session: nox.Session) -> None:
    """A browser looks at every page that `nox -s docs` has built; posargs: a folder for
    screenshots."""
    if not Path("site/index.html").exists():
        session.error("no pages: `nox -s docs` builds them.")
    install(session, "site")
    session.run("python", "docs/check_pages.py", "site", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, side by side with what they compare against."""
    install(session, "bench", project=".")
    for benchmark in sorted(map(str, Path("benchmarks").glob("*.py"))):
        session.run("python", benchmark, *session.posargs, env=ENVIRONMENT)


@nox.session(reuse_venv=False)
def demo(session: nox.Session) -> None:
    """What the README promises a newcomer, from a built wheel."""
    session.install(".[demo]")
    session.run("protozoo", "demo", *session.posargs, env=ENVIRONMENT)
