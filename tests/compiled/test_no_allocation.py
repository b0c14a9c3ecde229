"""A call with the caller's workspace allocates nothing; a plain call allocates on its first use only."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tcc import api, pipeline

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "transformer" / "model.py"

PROGRAM = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "model.h"

static int allocations;
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { allocations++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { allocations++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { allocations++; return __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { allocations++; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { allocations++; *p = __libc_memalign(a, n); return *p == NULL; }
void *mmap(void *a, size_t n, int p, int f, int d, off_t o) {
    allocations++;
    return (void *)syscall(SYS_mmap, a, n, p, f, d, o);
}

enum { SEQ = 40, WIDTH = 64 };
static float x[SEQ][WIDTH], out[SEQ][WIDTH];
static _Alignas(64) unsigned char workspace[1 << 22];

int main(void) {
    model_context context = {0};
    int i, used, first, second;
    for (i = 0; i < SEQ * WIDTH; i++) x[0][i] = (float)(i % 7) - 3.0f;
    context.size = sizeof context;
    context.workspace = workspace;
    context.workspace_size = sizeof workspace;
    context.max_workers = 1;
    int64_t needed = model_block_workspace_size(SEQ, 1);
    if (needed <= 0 || needed > (int64_t)sizeof workspace) return 2;
    allocations = 0;
    for (i = 0; i < 3; i++)
        if (model_block_ctx(x[0], SEQ, out[0], &context) != MODEL_OK) return 3;
    used = allocations;
    if (model_block(x[0], SEQ, out[0]) != MODEL_OK) return 4;
    first = allocations;
    if (model_block(x[0], SEQ, out[0]) != MODEL_OK) return 5;
    second = allocations;
    printf("%d %d %d\n", used, first - used, second - first);
    return 0;
}
"""


def test_the_hot_path_does_not_allocate(tmp_path: Path) -> None:
    pipeline.compile_to(api.module_from_source(EXAMPLE), tmp_path / "model.so", pipeline.Options())
    (tmp_path / "main.c").write_text(PROGRAM)
    subprocess.run(
        ["cc", "-std=c11", "-O1", "main.c", "model.so", "-Wl,-rpath,$ORIGIN", "-o", "main"], check=True, cwd=tmp_path
    )
    shown = subprocess.run([str(tmp_path / "main")], check=True, capture_output=True, text=True).stdout
    with_workspace, first, second = map(int, shown.split())
    assert with_workspace == 0
    assert first > 0, "the first plain call takes memory from the system: otherwise nothing was counted"
    assert second == 0
