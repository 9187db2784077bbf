"""How does a model get where no protozoo is? As one file with a program.

| | `stablehlo` | `onnx` |
| --- | --- | --- |
| runs in | JAX, on a CPU, a GPU or a TPU | ONNX Runtime and whatever else reads ONNX |
| can express | every model | most models in flat spaces |
| needs to be written | `pip install "protozoo[export]"` | jax2onnx, in an environment of its own |

Both take any number of samples, `(n, *sample_shape)`, and give what is asked for by `outputs`:

- `"label"`: the class, as `predict` decides, `(n,)`; with a threshold, as `predict_with_reject`.
- `"probabilities"`: as `predict_proba`, `(n, c)`.
- `"confidence"`: as `confidence`, `(n,)`.
- `"distances"`: as `distances`, `(n, p)`.

A program has nobody to raise an error for: of a sample that is not finite, or of which nothing can
be known, it gives NaN, and -1 as its class.
"""

import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.export
import jax.extend.core
import jax.numpy as jnp
import numpy as np

from ._checks import as_samples, known_value, of_kinds, of_values, positive_integer
from ._namespace import public
from ._types import Array, ArrayLike, Float
from .manifolds.internal import without_loops
from .models import PrototypeModel
from .models.internal import (
    Judge,
    as_share,
    confidence,
    decided,
    finite_parameters,
    known_rows,
    probabilities,
    seen_together,
    where_known,
)
from .persistence.internal import opened, publish, resolved


#: What a program may give.
Output = Literal["label", "probabilities", "confidence", "distances"]
OUTPUTS: tuple[Output, ...] = ("label", "probabilities", "confidence", "distances")
#: Where a StableHLO program runs, unless it is told otherwise, and where else it might.
PLATFORMS, KNOWN_PLATFORMS = ("cpu", "cuda", "tpu"), ("cpu", "cuda", "rocm", "tpu")

Program = Callable[[Float[Array, "n ..."]], dict[str, Array]]


@of_values
@of_kinds
def stablehlo(
    model: PrototypeModel,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[Output] = OUTPUTS,
    threshold: ArrayLike | None = None,
    sample_shape: Sequence[int] | None = None,
    platforms: Sequence[str] = PLATFORMS,
    overwrite: bool = False,
) -> None:
    """Write a model as a StableHLO program for any number of samples, which JAX alone can call:

        import jax
        program = jax.export.deserialize(bytearray(open(path, "rb").read()))
        answers = program.call(x)  # {"label": …, "probabilities": …, …}

    (`import jax.export` first; or `load_stablehlo`.) JAX reads such files for at least six months
    after it wrote them.

    **Arguments:**

    - `model`: the model.
    - `path`: a file. It appears when it is complete.
    - `outputs`: what the program gives, a dict of arrays by these names.
    - `threshold`: the label is -1 where the confidence is below it.
    - `sample_shape`: the shape of a sample, if the model does not know it: behind an encoder.
    - `platforms`: where the program is to run, some of `"cpu"`, `"cuda"`, `"rocm"` and `"tpu"`.
    - `overwrite`: whether a file that is there is replaced.

    **Raises:** `ImportError` without flatbuffers. `ValueError` for outputs that there are not, a
    threshold outside [0, 1], a sample shape that is missing or does not fit, parameters that are
    NaN, and a path that cannot be used.
    """
    _needs("flatbuffers", 'pip install "protozoo[export]"')
    if not platforms or not set(platforms) <= set(KNOWN_PLATFORMS):
        raise ValueError(
            f"`platforms` must be some of {', '.join(KNOWN_PLATFORMS)}, got {tuple(platforms)}."
        )
    program, shape = _program(model, outputs, threshold, sample_shape)
    (n,) = jax.export.symbolic_shape("n")
    x = jax.ShapeDtypeStruct((n, *shape), _dtype(model))
    exported = jax.export.export(jax.jit(program), platforms=tuple(platforms))(x)
    written = bytes(exported.serialize())
    publish(path, [written, _SEAL + hashlib.sha256(written).digest()], overwrite)


#: What stands after a program, before its SHA-256: readers of programs look no further than theirs.
_SEAL = b"protozoo, sha256"


def _unsealed(found: bytes) -> bytes:
    """The program of a file, if it is what was written; those of earlier versions have no seal."""
    program, seal, digest = found[:-48], found[-48:-32], found[-32:]
    if seal != _SEAL:
        return found
    if hashlib.sha256(program).digest() != digest:
        raise ValueError("it was changed or damaged since it was written")
    return program


def load_stablehlo(path: str | os.PathLike[str]) -> Callable[[ArrayLike], dict[str, Array]]:
    """The program in a file that `stablehlo` wrote, a function of samples.

    It takes what the model would, and refuses the rest as the model does, but samples that are not
    finite: of these it gives NaN, and -1 as their class.

    A file of this kind is a program: call those that you trust.

    **Raises:** `ImportError` without flatbuffers, `ValueError` if there is no such program, or one
    that was damaged, `TypeError` for what is no path.
    """
    _needs("flatbuffers", 'pip install "protozoo[export]"')
    place = resolved(path, "path")
    try:
        with opened(place) as file:
            exported = jax.export.deserialize(bytearray(_unsealed(file.read())))
        (takes,) = exported.in_avals
        call: Any = exported.call
    except Exception as error:  # what is in a file can be anything
        raise ValueError(f"{os.fspath(path)!r} holds no StableHLO program: {error}.") from error

    def program(x: ArrayLike) -> dict[str, Array]:
        samples = as_samples(x, takes.shape[1:])
        numbers = samples.astype(takes.dtype)
        known = None if samples.dtype == takes.dtype else known_value(samples)
        if known is not None and (np.isfinite(known) & ~np.isfinite(np.asarray(numbers))).any():
            raise ValueError(f"`x` has values beyond the range of {takes.dtype}: rescale it.")
        return call(numbers)

    return program


@of_values
@of_kinds
def onnx(
    model: PrototypeModel,
    path: str | os.PathLike[str],
    *,
    opset: int = 23,
    outputs: Sequence[Output] = OUTPUTS,
    threshold: ArrayLike | None = None,
    sample_shape: Sequence[int] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model as an ONNX graph with a batch of any size: its input is `x`, its outputs have
    the names in `outputs`.

    It is converted by jax2onnx, whose requirements do not agree with those of protozoo. In an
    environment of its own, both work together:

        pip install protozoo onnx onnxruntime onnx_ir
        pip install --no-deps jax2onnx

    **Arguments:**

    - `opset`: the version of ONNX's operators.
    - The others are those of `stablehlo`.

    **Raises:** `ImportError` without jax2onnx, or without onnxruntime, which tries every graph.
    `ValueError` for a model with a part that ONNX cannot express, which is named (matrices that are
    decomposed, such as in distances between covariance matrices): `stablehlo` can. Otherwise as
    `stablehlo`.
    """
    positive_integer(opset, "opset")
    jax2onnx = _needs("jax2onnx", "pip install --no-deps jax2onnx onnx onnx_ir")
    runtime = _needs("onnxruntime", "pip install onnxruntime")
    program, shape = _program(model, outputs, threshold, sample_shape)

    def converted(function: Callable, shape: Sequence[int], names: Sequence[str]) -> Any:
        # Traced before jax2onnx gives functions of JAX other meanings, which types do not survive.
        spec = jax.ShapeDtypeStruct((*jax.export.symbolic_shape("B"), *shape), _dtype(model))
        with without_loops():
            graph = jax2onnx.to_onnx(
                jax.extend.core.jaxpr_as_fun(jax.make_jaxpr(function)(spec)),
                [spec],
                model_name=type(model).__name__,
                opset=opset,
                enable_double_precision=_dtype(model) == np.float64,
                input_names=["x"],
                output_names=list(names),
            )
        _refuse_other_answers(runtime, graph, function, samples(shape))
        return graph

    def samples(shape: Sequence[int]) -> np.ndarray:
        # As many as there is nothing else of: no dimension may be taken for another one.
        n = 1 + max(*shape, len(model.prototypes), model.classes)
        return np.random.default_rng(0).random((n, *shape)).astype(_dtype(model))

    try:
        graph = converted(lambda x: tuple(program(x)[name] for name in outputs), shape, outputs)
    except ImportError as error:
        raise ImportError(f"jax2onnx needs {error.name}: pip install {error.name}") from error
    except Exception as error:  # of many kinds, from wherever there was something to convert
        part = _inexpressible(model, shape, lambda f, shape: converted(f, shape, ["y"]))
        reason = " ".join(str(error).split())
        raise ValueError(
            f"ONNX cannot express {part}: `pz.export.stablehlo` can. ({reason:.300})"
        ) from error
    _declare_shapes(graph, [("B", *a.shape[1:]) for a in _answers(program, shape, model, outputs)])
    publish(path, [graph.SerializeToString()], overwrite)


def _refuse_other_answers(runtime: Any, graph: Any, function: Callable, x: np.ndarray) -> None:
    """Run a graph on all samples and on one: not all that is converted can be loaded, and run, and
    be right."""
    del graph.graph.value_info[:]
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for some in (x, x[:1]):
        expected = jax.jit(function)(some)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for one, other in zip(session.run(None, {"x": some}), expected, strict=True):
            if one.shape != other.shape:
                raise ValueError(
                    f"it gives an answer of shape {one.shape} instead of {other.shape}"
                )
            if jnp.issubdtype(other.dtype, jnp.inexact):
                scale = float(np.max(np.abs(other), where=np.isfinite(other), initial=0))
                if not np.allclose(one, other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True):
                    raise ValueError("it gives other answers")


def _answers(
    program: Program, shape: tuple[int, ...], model: PrototypeModel, outputs: Sequence[Output]
) -> list[jax.ShapeDtypeStruct]:
    """What a program gives of two samples."""
    answers = jax.eval_shape(program, jax.ShapeDtypeStruct((2, *shape), _dtype(model)))
    return [answers[name] for name in outputs]


def _declare_shapes(graph: Any, shapes: Sequence[Sequence[int | str]]) -> None:
    """Say what the outputs of an ONNX graph are. What was noted of the shapes of results on the way
    is left out: it is not always right, and readers find out by themselves."""
    del graph.graph.value_info[:]
    for output, shape in zip(graph.graph.output, shapes, strict=True):
        dims = output.type.tensor_type.shape.dim
        del dims[:]
        for size in shape:
            dims.add(**{"dim_param" if isinstance(size, str) else "dim_value": size})


def _program(
    model: PrototypeModel,
    outputs: Sequence[Output],
    threshold: ArrayLike | None,
    sample_shape: Sequence[int] | None,
) -> tuple[Program, tuple[int, ...]]:
    """A pure function of samples, and the shape of one."""
    if not outputs or len(set(outputs)) < len(outputs):
        raise ValueError(
            f"`outputs` must name some of {', '.join(OUTPUTS)}, each once, got {outputs}."
        )
    least = None if threshold is None else as_share(threshold, "threshold", "a confidence")
    shape = _sample_shape(model, sample_shape)
    if not finite_parameters(model):
        raise ValueError(
            "`model` has parameters that are NaN or infinite: it cannot decide. Train it again."
        )
    # Found once, so that a program holds it as numbers.
    judge = Judge.of(model.encoded_prototypes(), model.metric, model.decides)

    def program(x: Float[Array, "n ..."]) -> dict[str, Array]:
        seen, sure = seen_together(model, judge, x)
        scores = seen.scores()
        certainty = confidence(scores)
        answers = {
            "label": lambda: decided(scores),
            "probabilities": lambda: probabilities(scores),
            "confidence": lambda: certainty,
            "distances": seen.distances,
        }
        given = {name: answers[name]() for name in outputs}
        given = {name: where_known(sure & known_rows(a), a) for name, a in given.items()}
        if least is not None and "label" in given:
            certain = known_rows(certainty) & (certainty >= least)
            given["label"] = jnp.where(certain, given["label"], -1)
        return given

    return program, shape


def _sample_shape(model: PrototypeModel, given: Sequence[int] | None) -> tuple[int, ...]:
    """The shape of a sample, which somebody has to know."""
    known = model.sample_shape
    if given is None:
        if known is None:
            raise ValueError(
                "`sample_shape` is needed: the encoder takes samples of a shape that only it knows."
            )
        return known
    for size in given:
        positive_integer(size, "sample_shape")
    shape = tuple(given)
    model.check_samples(np.zeros((1, *shape), _dtype(model)), "sample_shape")
    return shape


def _dtype(model: PrototypeModel) -> np.dtype:
    return model.prototypes.points.dtype


def _inexpressible(
    model: PrototypeModel, shape: tuple[int, ...], converted: Callable[[Callable, Any], Any]
) -> str:
    """The first part of a model that cannot be converted alone."""
    prototypes = model.encoded_prototypes()
    metric, decision, place = model.metric, model.decides, prototypes.space
    parts: list[tuple[Any, str, Callable, tuple[int, ...]]] = [
        (model.encoder, "encoder", model.encode, shape),
        (metric, "metric", lambda z: metric(z, prototypes), place.point_shape),
        (decision, "decision", lambda d: decision.scores(d, prototypes.labels), (len(prototypes),)),
    ]
    for part, name, function, shape in parts:
        if isinstance(part, eqx.nn.Identity):
            continue
        try:
            converted(function, shape)
        except Exception:  # as above
            where = (
                f" in {place}" if name == "metric" and not place.displacement_is_difference else ""
            )
            return f"the {name}, {type(part).__name__}{where}"
    return f"this composition of {model.outline()}"


def _needs(name: str, remedy: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"this export needs {name}: {remedy}") from error


__all__ = public(globals())
