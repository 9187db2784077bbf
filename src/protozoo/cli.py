"""The command line: `protozoo demo` and `protozoo models`, or `python -m protozoo …`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np

import protozoo as pz


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; `--help` says how it is right."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Without a command, it prints what there is."""
    parser = _Parser(prog="protozoo", description="A zoo of prototype-based models.")
    parser.add_argument("--version", action="version", version=f"protozoo {pz.__version__}")
    commands = parser.add_subparsers(dest="command", title="commands")
    demo_parser = commands.add_parser("demo", help="train GMLVQ on handwritten digits, and look at what it learned")
    demo_parser.add_argument(
        "--output", type=Path, default=Path("protozoo-demo"), help="where pictures and model go (default: %(default)s)"
    )
    demo_parser.add_argument("--epochs", type=_epochs, default=300, help="of training (default: %(default)s)")
    commands.add_parser("models", help="list the models of the zoo")
    options = parser.parse_args(arguments)
    try:
        if options.command == "demo":
            return demo(options.output, options.epochs)
        if options.command == "models":
            return models()
        parser.print_help()
        return 0
    except BrokenPipeError:  # whoever was listening (`head`) has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError) as error:  # such as a full disk, or a place where something else is
        print(f"protozoo: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("protozoo: interrupted", file=sys.stderr)
        return 130


def _epochs(text: str) -> int:
    if not (text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"must be a positive integer of at most nine digits, got {text!r}")
    return int(text)


def models() -> int:
    """Print the table: each model and where it was published."""
    for name in pz.zoo.names():
        print(f"{name:<18} {getattr(pz.zoo, name).citation}")
    sys.stdout.flush()
    return 0


def demo(output: Path, epochs: int = 300) -> int:
    """Train GMLVQ on scikit-learn's digits; report, draw, save, load, predict."""
    try:
        import matplotlib  # noqa: F401
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        print('protozoo: error: the demo needs scikit-learn and matplotlib: pip install "protozoo[demo]"', file=sys.stderr)
        return 1
    # A place that nothing can be written to is found before anything is computed.
    try:
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise OSError(f"argument --output: nothing can be written to {str(output)!r}: {error.strerror}") from error
    pixels, digits = load_digits(return_X_y=True)
    # Pixels run from 0 to 16; one scale for all of them keeps prototypes images.
    split = train_test_split(pixels / 16, digits, test_size=0.25, stratify=digits, random_state=0)
    x, x_test, y, y_test = map(np.asarray, split)
    print(f"GMLVQ on {len(x)} images of handwritten digits, {x.shape[1]} pixels each")
    fit = pz.fit("GMLVQ", x, y, key=jax.random.key(0), prototypes_per_class=2, epochs=epochs, progress=True)
    model = fit.model
    accuracy = np.mean(np.asarray(model.predict(x_test)) == y_test)
    print(f"trained for {fit.epochs} epochs ({fit.reason}): loss {fit.history['loss'][0]:.3f} to {fit.history['loss'][-1]:.3f}")
    print(f"accuracy on {len(x_test)} held-out images: {accuracy:.3f}")
    relevances = np.asarray(model.relevances(x))
    print("pixels that contribute most to distances (row, column: share): ", end="")
    print(", ".join(f"({i // 8}, {i % 8}: {relevances[i]:.3f})" for i in np.argsort(-relevances)[:5]))

    pictures = {
        "prototypes.png": pz.plots.prototype_images(model, (8, 8)),
        "relevance_matrix.png": pz.plots.relevance_matrix(model, x=x),
        "relevance_map.png": pz.plots.relevance_map(model, x, (8, 8)),
        "history.png": pz.plots.history(fit.history),
    }
    for name, figure in pictures.items():
        figure.savefig(output / name, dpi=150)
    pz.save(output / "model", model, overwrite=True)
    again = pz.load(output / "model")
    same = bool((again.predict(x_test) == model.predict(x_test)).all())
    print(f"saved and loaded: predictions are {'identical' if same else 'DIFFERENT'}")
    print(f"look at {output}/: {', '.join(pictures)}, and model/")
    return 0 if same else 1
