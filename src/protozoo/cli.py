"""The command line: `protozoo demo` and `protozoo models`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="protozoo", description="A zoo of prototype-based models.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser("demo", help="train GMLVQ on handwritten digits, and look at what it learned")
    demo_parser.add_argument("--output", type=Path, default=Path("protozoo-demo"), help="where pictures and model go")
    demo_parser.add_argument("--epochs", type=int, default=300)
    commands.add_parser("models", help="list the models of the zoo")
    options = parser.parse_args(arguments)
    if options.command == "models":
        return models()
    return demo(options.output, options.epochs)


def models() -> int:
    """Print the table: each model and where it was published."""
    import protozoo as pz

    for name in pz.zoo.names():
        print(f"{name:<18} {getattr(pz.zoo, name).citation}")
    return 0


def demo(output: Path, epochs: int = 300) -> int:
    """Train GMLVQ on scikit-learn's digits; report, draw, save, load, predict."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        print('The demo needs scikit-learn, matplotlib and tqdm: pip install "protozoo[demo]"', file=sys.stderr)
        return 1
    import jax
    import numpy as np

    import protozoo as pz

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

    output.mkdir(parents=True, exist_ok=True)
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


if __name__ == "__main__":
    sys.exit(main())
