"""Calling a library from Python: arguments in every form, results, messages, states, threads."""

import inspect
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tcc import runtime
from tcc.errors import UserError
from tests.targets.toy import toy, toy_counter

X = np.arange(8, dtype=np.float32).reshape(2, 4)
W = np.array([1, 10, 100, 1000], np.float32)
BIAS = np.array([1, 2, 3, 4], np.float32)


@pytest.fixture(scope="module")
def lib(model):
    with runtime.load(model) as library:
        yield library


@dataclass
class Parameters:
    w: np.ndarray


def test_arguments_by_position_by_name_and_nested(lib):
    wanted = X * W + BIAS
    for result in (lib.scale(X, {"w": W}), lib.scale(X, p={"w": W}), lib["scale"](p={"w": W}, x=X)):
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, wanted)


def test_results_are_nested_as_in_the_source(lib):
    result = lib.squares(np.arange(4.0), np.zeros((5, 3)))
    assert list(result) == ["squares", "int"]
    np.testing.assert_array_equal(result["squares"], [0, 1, 4, 9])
    assert result["int"].shape == (2, 3)


@pytest.mark.parametrize(
    "x",
    [
        X.T.copy().T,
        np.repeat(X, 2, axis=0)[::2],
        X.astype(">f4"),
        np.asfortranarray(X),
        np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(2, 4),
        X.view(np.ndarray).copy().view(type("Sub", (np.ndarray,), {})),
        X[::-1][::-1],
    ],
)
def test_arrays_of_any_layout(lib, x):
    for _ in range(2):
        np.testing.assert_array_equal(lib.scale(x, {"w": W}), X * W + BIAS)


def test_an_unaligned_array_after_an_aligned_one_of_the_same_shape(lib):
    unaligned = np.frombuffer(b"\0" + W.tobytes(), np.uint8)[1:].view(np.float32)
    for w in (W, unaligned, W):
        np.testing.assert_array_equal(lib.scale(X, {"w": w}), X * W + BIAS)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
def test_symbolic_sizes(lib, n):
    x = np.full((n, 4), 2, np.float32)
    np.testing.assert_array_equal(lib.scale(x, {"w": W}), x * W + BIAS)


def test_memory_is_shared_in_and_out(lib):
    b, out = np.array([True, False]), np.empty(2, bool)
    assert lib.flip(b, out=out) is out
    b[0] = False
    lib.flip(b, out=out)
    assert out.tolist() == [True, True]
    kept = {"squares": np.empty(2), "int": np.empty((0, 1), np.int32)}
    assert lib.squares(np.array([3.0, 4.0]), np.zeros((1, 1)), out=kept) is kept
    assert kept["squares"].tolist() == [9, 16]


def test_numbers_for_scalars(lib):
    for i in (1, np.int64(1), np.array(1)):
        assert lib.pick(np.array([5.0, 6.0]), i) == 6.0


class Tensor:
    """A tensor of another library: nothing but DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_tensors_come_in_and_go_out_by_dlpack(lib):
    result = lib.scale(Tensor(X.copy()), {"w": Tensor(W.copy())})
    np.testing.assert_array_equal(np.from_dlpack(result), X * W + BIAS)


def test_torch_tensors(lib):
    torch = pytest.importorskip(
        "torch", reason="torch is not installed; the test above has a tensor of nothing but DLPack"
    )
    result = torch.from_dlpack(lib.scale(torch.from_numpy(X), {"w": torch.from_numpy(W)}))
    np.testing.assert_array_equal(result.numpy(), X * W + BIAS)
    with pytest.raises(UserError, match="argument 'x' cannot be read as an array"):
        lib.scale(torch.from_numpy(X).requires_grad_(), {"w": W})


MISTAKES = {
    "rank": (lambda lib: lib.flip(np.zeros((2, 2), bool)), "flip: argument 'b' has shape [2, 2], expected [n]"),
    "shape": (lambda lib: lib.scale(X[:, :3], {"w": W}), "argument 'x' has shape [2, 3], expected [n, 4]"),
    "equality": (lambda lib: lib.squares(np.zeros(3), np.zeros((3, 5))), "has shape [3, 5], expected [2*n + 1, m]"),
    "parity": (lambda lib: lib.squares(np.zeros(3), np.zeros((4, 2))), "expected [2*n + 1, m]"),
    "negative": (lambda lib: lib.squares(np.zeros(0), np.zeros((1, 0))), "the size 'm' is -1, but must be at least 0"),
    "range": (lambda lib: lib.pick(np.zeros(1001), 0), "the size 'n' is 1001, but must be at most 1000"),
    "dtype": (lambda lib: lib.flip(np.zeros(2)), "argument 'b' has dtype float64, expected bool (bool[n])"),
    "list": (lambda lib: lib.scale([[1.0, 2, 3, 4]], {"w": W}), "np.asarray(x, 'float32')"),
    "masked": (lambda lib: lib.scale(np.ma.masked_array(X, X > 1), {"w": W}), "argument 'x' is a masked array"),
    "object": (lambda lib: lib.flip(object()), "argument 'b' is of type object, expected an array bool[n]"),
    "none": (lambda lib: lib.scale(X, {"w": None}), "argument 'p.w' is of type NoneType, expected an array"),
    "missing": (lambda lib: lib.scale(X), "argument 'p' is missing"),
    "unknown": (lambda lib: lib.scale(X, q=1), "there is no argument 'q'"),
    "twice": (lambda lib: lib.scale(X, {"w": W}, x=X), "argument 'x' was given twice"),
    "many": (lambda lib: lib.flip(X, X), "2 arguments were given, expected 1"),
    "key": (lambda lib: lib.scale(X, {"v": W}), "argument 'p' has no part 'w'"),
    "extra key": (lambda lib: lib.scale(X, {"w": W, "v": W}), "argument 'p' has 2 parts, expected 1"),
    "flat for nested": (lambda lib: lib.scale(X, W), "argument 'p' has no part 'w'"),
    "number": (lambda lib: lib.pick(np.zeros(3), 0.5), "argument 'i' is 0.5, which i64 cannot hold"),
    "large number": (lambda lib: lib.pick(np.zeros(3), 1 << 63), "which i64 cannot hold"),
    "index": (lambda lib: lib.pick(np.zeros(3), 3), "pick: the index i is out of range"),
    "overlap": (lambda lib: (lambda b: lib.flip(b, out=b))(np.zeros(2, bool)), "output 'out' overlaps argument 'b'"),
    "out dtype": (lambda lib: lib.flip(np.zeros(2, bool), out=np.zeros(2)), "it is an array float64[2]"),
    "out shape": (lambda lib: lib.flip(np.zeros(2, bool), out=np.zeros(3, bool)), "it must be an array bool[2]"),
    "out strides": (lambda lib: lib.flip(np.zeros(2, bool), out=np.zeros(4, bool)[::2]), "must be contiguous"),
    "out list": (lambda lib: lib.flip(np.zeros(2, bool), out=[1, 2]), "it is of type list"),
    "out nesting": (lambda lib: lib.squares(np.zeros(2), np.zeros((1, 1)), out=np.zeros(2)), "out has no part"),
    "no such": (lambda lib: lib["nothing"], "it has: scale, pick, squares, flip"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(lib, mistake):
    call, message = MISTAKES[mistake]
    for _ in range(2):
        with pytest.raises(UserError) as error:
            call(lib)
        assert message in str(error.value)
        # The C interface says what is wrong in one sentence.
        assert mistake in ("index", "overlap") or (error.value.why and error.value.fix)


def test_a_read_only_out_is_refused(lib):
    out = np.zeros(2, bool)
    out.flags.writeable = False
    with pytest.raises(UserError, match="writeable"):
        lib.flip(np.zeros(2, bool), out=out)
    read_only = np.zeros(2, bool)
    read_only.flags.writeable = False
    assert lib.flip(read_only).tolist() == [True, True]


def test_signature_documentation_and_names(lib):
    assert str(inspect.signature(lib.scale)) == "(x: 'f32[n, 4]', p: '{w: f32[4]}', *, out=None) -> 'f32[n, 4]'"
    assert lib.scale.__doc__.startswith("Scales the columns of x.")
    assert lib.scale.__name__ == "scale"
    assert {"scale", "pick", "squares", "flip"} <= set(dir(lib))
    assert "flip(b: bool[n]) -> bool[n]" in repr(lib)
    assert not hasattr(lib, "nothing")


def test_leaves_by_name(lib):
    result = lib.call_leaves("scale", {"x": X, "p.w": W})
    np.testing.assert_array_equal(result["out"], X * W + BIAS)
    with pytest.raises(UserError, match=r"argument 'p.w' is missing"):
        lib.call_leaves("scale", {"x": X})
    with pytest.raises(UserError, match=r"there is no argument 'y'"):
        lib.call_leaves("scale", {"x": X, "p.w": W, "y": W})


def test_many_shapes_do_not_fill_memory(lib):
    for n in range(1, 1500):
        assert lib.flip(np.zeros(n, bool)).all()
    assert len(lib.flip._plans) <= 1024


def test_eight_threads(lib):
    wrong = []

    def work(seed):
        source = np.random.default_rng(seed)
        for _ in range(300):
            x = source.random((source.integers(0, 50), 4), np.float32)
            y = source.random(source.integers(1, 500))
            rows = np.zeros((1, len(y) - 1))
            wrong.append(not np.array_equal(lib.scale(x, {"w": W}), x * W + BIAS))
            wrong.append(not np.array_equal(lib.squares(y, rows)["squares"], y * y))
            try:
                lib.pick(y, 10_000 + seed)
                wrong.append(True)
            except UserError as error:
                wrong.append("pick: " not in str(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 8 * 300 * 3
    assert not any(wrong)


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_results_for_any_number_of_threads(model, threads):
    y = np.arange(5001.0)
    with runtime.load(model, threads=threads) as library:
        for _ in range(50):
            np.testing.assert_array_equal(library.squares(y, np.zeros((3, 5000)))["squares"], y * y)
        library.trim()
        np.testing.assert_array_equal(library.squares(y, np.zeros((3, 5000)))["squares"], y * y)
    with pytest.raises(UserError, match="at least 1"):
        runtime.load(model, threads=0)


def test_threads_after_fork(model):
    script = (
        "import os, sys, numpy as np; from tcc import runtime\n"
        "lib = runtime.load(sys.argv[1], threads=4); y = np.arange(5001.0); rows = np.zeros((1, 5000))\n"
        "good = lambda: np.array_equal(lib.squares(y, rows)['squares'], y * y)\n"
        "assert good()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if all(good() for _ in range(20)) else 1)\n"
        "assert good() and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-c", script, str(model)], check=True, timeout=60, cwd=Path(__file__).parents[2])


def test_the_interpreter_runs_on_during_a_call(model):
    """Two long calls at once take place at the same time: the lock is released."""
    with runtime.load(model, threads=1) as library:
        x = np.zeros((2_000_000, 4), np.float32)
        ticks = []
        done = threading.Event()

        def count():
            while not done.wait(0.001):
                ticks.append(1)

        counter = threading.Thread(target=count)
        counter.start()
        for _ in range(3):
            library.scale(x, {"w": W})
        done.set()
        counter.join()
        assert len(ticks) > 3


def test_a_closed_library_refuses_calls(model):
    library = runtime.load(model)
    flip = library.flip
    flip(np.zeros(2, bool))
    library.close()
    library.close()
    with pytest.raises(UserError, match="has been closed"):
        flip(np.zeros(2, bool))
    with pytest.raises(UserError, match="has been closed"):
        flip(np.zeros(3, bool))


def test_a_library_written_anew_is_the_new_one(tmp_path):
    path = tmp_path / "model.so"
    kept = []
    for bias in range(4):
        toy(path, bias=(bias,) * 4)
        kept.append(runtime.load(path))
        assert kept[-1].scale(X[:1] * 0, {"w": W}).tolist() == [[bias] * 4]
    assert kept[0].scale(X[:1] * 0, {"w": W}).tolist() == [[0] * 4]


def test_states(counter, tmp_path):
    with runtime.load(counter) as library:
        with pytest.raises(UserError, match=r"step works on a state"):
            library["step"](np.ones(3, np.float32))
        a, b = library.new(), library.new()
        assert a.step(np.ones(3, np.float32)).tolist() == [1.5, 1, 1]
        assert a.step(np.ones(3, np.float32)).tolist() == [2.5, 2, 2]
        assert b.step(np.ones(3, np.float32)).tolist() == [1.5, 1, 1]
        assert (a.steps(), b.steps()) == (2, 1)
        a.save(tmp_path / "a.safetensors")
        b.load(tmp_path / "a.safetensors")
        assert b.steps() == 2
        for damage in (b"", (tmp_path / "a.safetensors").read_bytes()[:-1]):
            (tmp_path / "bad").write_bytes(damage)
            with pytest.raises(UserError, match=r"not a state saved by this library|cannot read"):
                b.load(tmp_path / "bad")
            assert b.steps() == 2
        with pytest.raises(UserError, match="cannot write"):
            a.save(tmp_path / "no" / "where")
        a.close()
        with pytest.raises(UserError, match="has been closed"):
            a.step(np.ones(3, np.float32))
        assert library.call_leaves("steps", {})["out"] == 0
    with pytest.raises(UserError, match="has been closed"):
        b.steps()


def test_a_saved_state_is_a_safetensors_file(counter, tmp_path):
    with runtime.load(counter) as library, library.new() as state:
        state.step(np.ones(3, np.float32))
        state.save(tmp_path / "s.safetensors")
    data = (tmp_path / "s.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert np.frombuffer(data[8 + size :][:12], np.float32).tolist() == [1.5, 1, 1]
    assert np.frombuffer(data[8 + size + 12 :], np.int64).tolist() == [1]


def test_weights_beside_the_library(tmp_path):
    path = toy(tmp_path / "model.so", weights="external")
    with runtime.load(path, verify_weights=True) as library:
        np.testing.assert_array_equal(library.scale(X, {"w": W}), X * W + BIAS)
    file = tmp_path / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + b"?")
    runtime.load(path).close()
    with pytest.raises(UserError, match="is not the weight file"):
        runtime.load(path, verify_weights=True)
    file.write_bytes(data[:-1])
    with pytest.raises(UserError, match="is not the weight file"):
        runtime.load(path)
    file.unlink()
    with pytest.raises(UserError, match=r"the weights of .* are missing"):
        runtime.load(path)


def test_files_that_cannot_be_loaded(tmp_path, model):
    with pytest.raises(UserError, match="cannot read the library"):
        runtime.load(tmp_path / "missing.so")
    (tmp_path / "cut.so").write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(UserError, match="is damaged"):
        runtime.load(tmp_path / "cut.so")
    with pytest.raises(UserError, match="is no shared library"):
        runtime.load(toy(tmp_path / "model.a"))
    with pytest.raises(UserError, match="is no shared library"):
        runtime.load(toy_counter(tmp_path / "counter.o"))


def test_numpy_alone_suffices(model, tmp_path):
    """An environment with NumPy and this package, and none of the compiler's dependencies."""
    numpy = Path(np.__file__).parent
    for folder in (Path(runtime.__file__).parents[1], numpy, numpy.with_name("numpy.libs")):
        if folder.exists():
            (tmp_path / folder.name).symlink_to(folder)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numpy as np, tcc\n"
        "lib = tcc.load(sys.argv[1]); print(lib.flip(np.array([True, False])))\n"
        "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('tcc.')}\n"
        "assert rooms <= {'artifact', 'errors', 'runtime', 'tree', 'version'}, rooms\n"
        "assert not {'llvmlite', 'torch_mlir', 'scipy', 'ml_dtypes'} & {m.partition('.')[0] for m in sys.modules}\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(model)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "[False  True]\n", done.stderr


def test_the_environment_sets_the_threads(model):
    script = (
        "import sys, numpy as np; from tcc import runtime\n"
        "lib = runtime.load(sys.argv[1]); y = np.arange(5001.0)\n"
        "lib.squares(y, np.zeros((1, 5000)))\n"
        "print(len(__import__('os').listdir('/proc/self/task')))\n"
    )
    counts = []
    for number in ("1", "4"):
        environment = {**os.environ, "TCC_NUM_THREADS": number, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-c", script, str(model)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
        )
        counts.append(int(done.stdout))
    assert counts[1] == counts[0] + 3
