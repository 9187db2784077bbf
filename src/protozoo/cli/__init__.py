"""The command line: `protozoo fit`, `predict`, `show`, `compare`, `models` and `demo`; also as
`python -m protozoo …`.

    protozoo fit flowers.csv --model GMLVQ --target species --output model/
    protozoo predict model/ new.csv --output predictions.csv
    protozoo show model/ --plots pictures/
    protozoo compare flowers.csv --target species --models GLVQ,GMLVQ,RSLVQ

Files of data are CSV (or TSV) with a row of names, Parquet, `.npy` or `.npz`. What is wrong with a
file or an argument is said in one line, with file, line and column; the exit status is then 2, and
nothing is written.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import protozoo as pz

from .._namespace import public as _public
from . import _commands
from ._demo import demo as demo


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; `--help` says how it is right."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Without a command, it prints what there is."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    command, run = options.pop("command"), options.pop("run", None)
    try:
        if run is None:
            parser.print_help()
            return 0
        return run(**options)
    except BrokenPipeError:  # whoever was listening (`head`) has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    # Such as a full disk, or a file that holds something else.
    except (OSError, TypeError, ValueError) as error:
        print(f"protozoo: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if command == "demo" or isinstance(error, OSError) else 2
    except KeyboardInterrupt:
        print("protozoo: interrupted", file=sys.stderr)
        return 130


def _parser() -> _Parser:
    parser = _Parser(prog="protozoo", description="A zoo of prototype-based models.")
    parser.add_argument("--version", action="version", version=f"protozoo {pz.__version__}")
    commands = parser.add_subparsers(dest="command", title="commands")

    def command(run: Callable[..., int], name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        made.set_defaults(run=run)
        return made

    fit = command(_commands.fit, "fit", "train a model on a file of data, and save it")
    fit.add_argument("data", type=Path, help="CSV, TSV, Parquet, .npy or .npz")
    fit.add_argument("--model", required=True, help="a name that `protozoo models` lists")
    fit.add_argument("--output", type=Path, required=True, help="the directory of the model")
    fit.add_argument("--target", metavar="COLUMN", help="the column of the classes")
    fit.add_argument("--targets", metavar="CLASS", help="for models of one class: which it is")
    _about_data(fit)
    tested = fit.add_mutually_exclusive_group()
    tested.add_argument(
        "--held-out",
        type=_share,
        help="the share of rows that are kept for testing (default: 0.2, where there are classes)",
    )
    tested.add_argument(
        "--folds",
        type=_count,
        help="validate by so many folds instead, and learn from all rows",
    )
    fit.add_argument("--overwrite", action="store_true", help="replace a model that is there")

    predict = command(_commands.predict, "predict", "ask a saved model about the rows of a file")
    predict.add_argument("model", type=Path, help="the directory of the model")
    predict.add_argument("data", type=Path, help="a file with the columns of training")
    predict.add_argument("--output", type=Path, required=True, help="a CSV file of the answers")
    predict.add_argument("--no-header", dest="header", action="store_false", help=_NO_HEADER)
    predict.add_argument("--overwrite", action="store_true", help="replace a file that is there")

    show = command(_commands.show, "show", "print what a saved model is")
    show.add_argument("model", type=Path, help="the directory of the model")
    show.add_argument("--data", type=Path, help="samples, for relevances and pictures")
    show.add_argument("--plots", type=Path, metavar="DIR", help="draw pictures there, too")

    compare = command(_commands.compare, "compare", "compare models by cross-validation")
    compare.add_argument("data", type=Path, help="CSV, TSV, Parquet, .npy or .npz")
    compare.add_argument(
        "--models",
        type=lambda text: [name.strip() for name in text.split(",")],
        required=True,
        metavar="NAME,NAME…",
        help="names that `protozoo models` lists",
    )
    compare.add_argument("--target", metavar="COLUMN", required=True, help="that of the classes")
    _about_data(compare)
    compare.add_argument(
        "--folds", type=_count, default=5, help="how many parts (default: %(default)s)"
    )

    command(models, "models", "list the models of the zoo")
    train = command(demo, "demo", "train GMLVQ on handwritten digits, and look at what it learned")
    train.add_argument(
        "--output",
        type=Path,
        default=Path("protozoo-demo"),
        help="where pictures and model go (default: %(default)s)",
    )
    train.add_argument(
        "--epochs", type=_count, default=300, help="of training (default: %(default)s)"
    )
    return parser


_NO_HEADER = "the first line holds values, too: columns are called 1, 2, …"


def _about_data(parser: argparse.ArgumentParser) -> None:
    """What `fit` and `compare` are told alike."""
    parser.add_argument("--weight", metavar="COLUMN", help="how many copies there are of each row")
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column to leave out; may be given again",
    )
    parser.add_argument("--no-header", dest="header", action="store_false", help=_NO_HEADER)
    parser.add_argument(
        "--skip-missing", action="store_true", help="leave out rows in which a value is missing"
    )
    parser.add_argument(
        "--standardise", action="store_true", help="features of variance one, inside the model"
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, help="of random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        dest="options",
        metavar="NAME=VALUE",
        type=_option,
        action=_Options,
        default={},
        help="an option of the model or a setting of the trainer, such as epochs=50",
    )


class _Options(argparse.Action):
    """Collects `--set a=1 --set b=2`."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        name, value = values
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: value})


def _option(text: str) -> tuple[str, Any]:
    try:
        return _commands.option(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"must be a number of [0, 1), got {text!r}")
    return share


def _seed(text: str) -> int:
    if not (text.isdecimal() and len(text) < 20 and int(text) < 2**63):
        raise argparse.ArgumentTypeError(
            f"must be an integer that is not negative, of 63 bits at most, got {text!r}"
        )
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(
            f"must be a positive integer of at most nine digits, got {text!r}"
        )
    return int(text)


def models() -> int:
    """Print the table: each model and where it was published."""
    for name in pz.zoo.names():
        print(f"{name:<18} {getattr(pz.zoo, name).citation}")
    sys.stdout.flush()
    return 0


__all__ = _public(globals())
