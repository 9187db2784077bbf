"""The demo."""

import sys
import tempfile
from pathlib import Path

import jax
import numpy as np

import protozoo as pz


def demo(output: Path, epochs: int = 300) -> int:
    """Train GMLVQ on scikit-learn's digits; report, draw, save, load, predict."""
    try:
        import matplotlib  # noqa: F401
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        print(
            "protozoo: error: the demo needs scikit-learn and matplotlib: "
            'pip install "protozoo[demo]"',
            file=sys.stderr,
        )
        return 1
    # A place that nothing can be written to is found before anything is computed.
    try:
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise OSError(
            f"argument --output: nothing can be written to {str(output)!r}: {error.strerror}"
        ) from error
    pixels, digits = load_digits(return_X_y=True)
    # Pixels run from 0 to 16; one scale for all of them keeps prototypes images.
    split = train_test_split(pixels / 16, digits, test_size=0.25, stratify=digits, random_state=0)
    x, x_test, y, y_test = map(np.asarray, split)
    print(f"GMLVQ on {len(x)} images of handwritten digits, {x.shape[1]} pixels each")
    fit = pz.fit(
        "GMLVQ", x, y, key=jax.random.key(0), prototypes_per_class=2, epochs=epochs, progress=True
    )
    model = fit.model
    accuracy = np.mean(np.asarray(model.predict(x_test)) == y_test)
    print(
        f"trained for {fit.epochs} epochs ({fit.reason}): loss {fit.history['loss'][0]:.3f} to "
        f"{fit.history['loss'][-1]:.3f}"
    )
    print(f"accuracy on {len(x_test)} held-out images: {accuracy:.3f}")
    relevances = np.asarray(model.relevances(x))
    print("pixels that contribute most to distances: relevance of a unit times variance ", end="")
    print("(row, column: share): ", end="")
    print(
        ", ".join(f"({i // 8}, {i % 8}: {relevances[i]:.3f})" for i in np.argsort(-relevances)[:5])
    )

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
