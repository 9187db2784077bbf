"""Training on several devices gives what it gives on one."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from zoo import CASES, blobs

import protozoo as pz


HERE = Path(__file__).parents[1]


def run(*programs: tuple[int, tuple]) -> str:
    """Run programs side by side, each with a number of devices, all of them this processor; what
    they print."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_start(*program)) for program in programs]
        stack.callback(lambda: [one.kill() for one in started])
        said = [one.communicate(timeout=3600) for one in started]
    for one, (_, error) in zip(started, said, strict=True):
        assert one.returncode == 0, error[-4000:]
    return "".join(text for text, _ in said)


def _start(devices: int, arguments: tuple) -> subprocess.Popen:
    environment = {
        **os.environ,
        # Devices that share few processors may wait long for each other.
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} "
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_cpu_collective_call_terminate_timeout_seconds=600",
        # For each sum that is under way, a device waits in a thread of a common pool: where the
        # pool is as small as the number of devices, two sums can wait for each other for ever.
        "NPROC": "64",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
    }
    command = [sys.executable, str(HERE / "sharded.py"), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


#: Every rule, and what is counted, weighted or remembered over all samples.
UNLIKE = [
    *("MedianLVQ", "GMLVQ", "RiemannianSRNG", "PFCM", "GrowingNeuralGas", "GaussianMixture"),
]


@pytest.mark.parametrize(
    "rows",
    [UNLIKE, pytest.param([str(case) for case in CASES], marks=pytest.mark.nightly)],
    ids=["some", "all"],
)
def test_a_row_on_eight_devices(rows):
    said = run((8, ("rows", *rows[::2])), (8, ("rows", *rows[1::2])))
    assert sorted(said.split()) == sorted(rows)


def test_a_model_without_prototypes_on_eight_devices():
    assert run((8, ("trainable",))).split() == ["trained"]


def test_many_samples_stay_where_they_are():
    assert run((8, ("chunks",))).split() == [
        "HCM",
        "GaussianMixture",
        "GLVQ",
        "RSLVQ",
        "GMLVQ",
        "stream",
        "step",
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, np.ndarray]:
    """What one device makes of all epochs without a break."""
    directory = tmp_path_factory.mktemp("whole")
    run((1, ("checkpointed", directory, "start", 10, directory / "out.npz")))
    return dict(np.load(directory / "out.npz"))


def assert_same(found: Path, expected: dict[str, np.ndarray]) -> None:
    found = np.load(found)
    assert set(found) == {"points", "omega", "loss", "validation_loss"}
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


def test_checkpoints_of_eight_devices_go_on_on_two_and_on_one(tmp_path, whole):
    for devices, how, epochs in ((8, "start", 4), (2, "resume", 6), (1, "resume", 10)):
        run((devices, ("checkpointed", tmp_path, how, epochs, tmp_path / "out.npz")))
    assert_same(tmp_path / "out.npz", whole)


def test_two_processes_train_together(tmp_path, whole):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    run(*((4, ("process", port, i, tmp_path, tmp_path / f"{i}.npz")) for i in range(2)))
    for i in range(2):
        assert_same(tmp_path / f"{i}.npz", whole)


@pytest.mark.parametrize(
    ("sharding", "message"),
    [
        ("samples", "must be a mesh or a `NamedSharding` over one axis, got 'samples'"),
        (
            jax.sharding.SingleDeviceSharding(jax.devices()[0]),
            "must be a mesh or a `NamedSharding`",
        ),
    ],
)
def test_what_is_no_sharding(sharding, message, unchecked):
    with pytest.raises(ValueError, match=message):
        pz.Trainer(pz.GradientDescent("adam", 1e-2), 1, sharding=sharding)


def test_a_mesh_of_one_device_compiles_once_and_changes_nothing(key):
    x, y = blobs()
    model = pz.zoo.GLVQ(x, y, key=key)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("samples",))
    fits = [
        pz.Trainer(pz.GradientDescent("adam", 1e-2), 3, sharding=s).fit(model, x, y, key=key)
        for s in (None, mesh)
    ]
    np.testing.assert_allclose(
        fits[0].model.prototypes.points, fits[1].model.prototypes.points, rtol=1e-6
    )
