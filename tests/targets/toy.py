"""A library whose entries are written by hand in C, so that everything around them is tested by itself."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tcc.artifact import BufferPlan, Function, Manifest, Solve, State, Symbol, Tensor
from tcc.targets import target as targets
from tcc.targets.link import Parts, write_library
from tcc.targets.weights import WeightArray, layout
from tcc.tree import Tree

ENTRIES = """
#include <stddef.h>
#include <stdint.h>
typedef struct {
    void (*run)(void *pool, void (*body)(void *, int64_t, int64_t, int32_t), void *arg, int64_t n, int64_t grain,
                int32_t max_workers);
    void *pool;
    int32_t max_workers;
} parallel_t;
#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define RUN(f) PASTE(PREFIX, __##f##__run)
#define ENTRY(f) \\
    int32_t RUN(f)(void *const *arguments, const int64_t *sizes, const uint8_t *weights, uint8_t *workspace, \\
                   const parallel_t *parallel)

/* scale(x: f32[n, 4], p.w: f32[4]) -> f32[n, 4]: x * w + bias, by way of the workspace */
ENTRY(scale) {
    const float *x = arguments[0], *w = arguments[1], *bias = (const float *)weights;
    float *out = arguments[2], *copy = (float *)workspace;
    (void)parallel;
    for (int64_t i = 0; i < 4 * sizes[0]; i++) copy[i] = x[i] * w[i % 4];
    for (int64_t i = 0; i < 4 * sizes[0]; i++) out[i] = copy[i] + bias[i % 4];
    return 0;
}

/* pick(x: f64[n], i: i64[]) -> f64[] */
ENTRY(pick) {
    const double *x = arguments[0];
    const int64_t i = *(const int64_t *)arguments[1];
    (void)weights, (void)workspace, (void)parallel;
    *(double *)arguments[2] = i >= 0 && i < sizes[0] ? x[i] : 0;
    return i >= 0 && i < sizes[0] ? 0 : 1;
}

/* squares(x: f64[m + 1], y: f64[2*n + 1, m]) -> (f64[m + 1], i32[n, m]): in parallel; the second is the worker */
struct job { const double *x; double *out; int32_t *marks; int64_t m, n; };
static void squares_body(void *arg, int64_t begin, int64_t end, int32_t worker) {
    const struct job *job = arg;
    for (int64_t i = begin; i < end; i++) job->out[i] = job->x[i] * job->x[i];
    if (begin == 0 && job->n > 0 && job->m > 0) job->marks[0] = worker;
}
ENTRY(squares) {
    /* the entry's sizes come in the order n, m */
    struct job job = {arguments[0], arguments[2], arguments[3], sizes[1], sizes[0]};
    (void)weights, (void)workspace;
    for (int64_t i = 0; i < job.n * job.m; i++) job.marks[i] = (int32_t)i;
    if (parallel)
        parallel->run(parallel->pool, squares_body, &job, job.m + 1, 16, parallel->max_workers);
    else
        squares_body(&job, 0, job.m + 1, 0);
    return 0;
}

/* flip(b: bool[n]) -> bool[n] */
ENTRY(flip) {
    const uint8_t *b = arguments[0];
    uint8_t *out = arguments[1];
    (void)weights, (void)workspace, (void)parallel;
    for (int64_t i = 0; i < sizes[0]; i++) out[i] = !b[i];
    return 0;
}
"""

STATEFUL = """
/* step(x: f32[3]) -> f32[3] with the states total, count */
ENTRY(step) {
    const float *x = arguments[0];
    float *out = arguments[1], *total = arguments[2];
    int64_t *count = arguments[3];
    (void)sizes, (void)weights, (void)workspace, (void)parallel;
    for (int i = 0; i < 3; i++) out[i] = total[i] += x[i];
    *count += 1;
    return 0;
}
ENTRY(count) {
    (void)sizes, (void)weights, (void)workspace, (void)parallel;
    *(int64_t *)arguments[0] = *(const int64_t *)arguments[1];
    return 0;
}
"""


def leaf(index: int) -> Tree:
    return Tree("leaf", index=index)


def leaves(*names: str) -> Tree:
    return Tree("tuple", tuple(leaf(i) for i, _ in enumerate(names)))


SCALE = Function(
    name="scale",
    parameters=("x", "p"),
    arguments=(Tensor("x", "f32", ("n", "4")), Tensor("p.w", "f32", ("4",))),
    results=(Tensor("out", "f32", ("n", "4")),),
    arguments_tree=Tree("tuple", (leaf(0), Tree("dict", (leaf(1),), ("w",)))),
    results_tree=leaf(0),
    symbols=(Symbol("n"),),
    solves=(Solve("n", 0, 0),),
    entry_symbols=("n",),
    workspace="16*n",
    plan=(BufferPlan("copy", "f32", "arena", "16*n"),),
    doc="Scales the columns of x.\n\nEach by its own factor */ ??/",
)
PICK = Function(
    name="pick",
    parameters=("x", "i"),
    arguments=(Tensor("x", "f64", ("n",)), Tensor("i", "i64", ())),
    results=(Tensor("out", "f64", ()),),
    arguments_tree=leaves("x", "i"),
    results_tree=leaf(0),
    symbols=(Symbol("n", 1, 1000),),
    solves=(Solve("n", 0, 0),),
    entry_symbols=("n",),
)
SQUARES = Function(
    name="squares",
    parameters=("x", "y"),
    arguments=(Tensor("x", "f64", ("m + 1",)), Tensor("y", "f64", ("2*n + 1", "m"))),
    results=(Tensor("squares", "f64", ("m + 1",)), Tensor("int", "i32", ("n", "m"))),
    arguments_tree=leaves("x", "y"),
    results_tree=Tree("dict", (leaf(0), leaf(1)), ("squares", "int")),
    symbols=(Symbol("m"), Symbol("n")),
    solves=(Solve("m", 0, 0, "1", "1"), Solve("n", 1, 0, "2", "1")),
    entry_symbols=("n", "m"),
    worker_bytes="64",
    parallel=True,
)
FLIP = Function(
    name="flip",
    parameters=("b",),
    arguments=(Tensor("b", "bool", ("n",)),),
    results=(Tensor("out", "bool", ("n",)),),
    arguments_tree=leaves("b"),
    results_tree=leaf(0),
    symbols=(Symbol("n"),),
    solves=(Solve("n", 0, 0),),
    entry_symbols=("n",),
)
STEP = Function(
    name="step",
    parameters=("x",),
    arguments=(Tensor("x", "f32", ("3",)),),
    results=(Tensor("out", "f32", ("3",)),),
    arguments_tree=leaves("x"),
    results_tree=leaf(0),
    states=("total", "count"),
    reads=("total", "count"),
    writes=("total", "count"),
    doc="Adds x to the running total.",
)
COUNT = Function(
    name="steps",
    parameters=(),
    arguments=(),
    results=(Tensor("out", "i64", ()),),
    arguments_tree=Tree("tuple"),
    results_tree=leaf(0),
    states=("count",),
    reads=("count",),
)


def weight(name: str, array: np.ndarray) -> WeightArray:
    data = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    dtype = {"float32": "f32", "int64": "i64"}[array.dtype.name]
    digest = hashlib.sha256(str((array.dtype, array.shape)).encode() + bytes(data)).hexdigest()
    return WeightArray(name, dtype, array.shape, digest, lambda: [data])


def compiled(source: str, prefix: str) -> bytes:
    """The object of C source whose entries are of this prefix."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "entries.c"
        file.write_text(source)
        command = ["cc", "-std=gnu11", "-O1", "-fPIC", "-fvisibility=hidden", f"-DPREFIX={prefix}", "-c", file.name]
        subprocess.run([*command, "-o", "entries.o"], cwd=folder, check=True)
        return (Path(folder) / "entries.o").read_bytes()


def toy(path: Path, prefix: str = "model", bias=(1, 2, 3, 4), target: str = "x86-64-v2", **options) -> Path:
    """Writes the stateless library: scale, pick, squares, flip."""
    return write_library(toy_parts(prefix, bias, targets.get(target)), path, **options)[0]


def toy_parts(prefix: str, bias, target: targets.Target) -> Parts:
    """What it is linked from."""
    block = layout([weight("bias", np.array(bias, np.float32))])
    manifest = Manifest(
        version="0.0-test",
        prefix=prefix,
        functions=(SCALE, PICK, SQUARES, FLIP),
        messages=("the index i is out of range",),
    )
    made = compiled(ENTRIES, prefix)
    return Parts(manifest, lambda: (made,), block, (target,))


def toy_counter(path: Path, prefix: str = "counter", **options) -> Path:
    """Writes the stateful library: step, steps."""
    arrays = [weight("total", np.array([0.5, 0, 0], np.float32)), weight("count", np.array(0, np.int64))]
    block = layout(arrays)
    total, count = (block.offsets[a.digest] for a in arrays)
    manifest = Manifest(
        version="0.0-test",
        prefix=prefix,
        functions=(STEP, COUNT),
        states=(State("total", "f32", (3,), total), State("count", "i64", (), count)),
    )
    source = ENTRIES.partition("/* scale")[0] + STATEFUL.replace("ENTRY(count)", "ENTRY(steps)")
    parts = Parts(manifest, lambda: (compiled(source, prefix),), block, (targets.get("x86-64-v2"),))
    return write_library(parts, path, **options)[0]
