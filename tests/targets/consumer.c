/* A program that uses the toy library as a stranger would; compiled as C99 and as C++11, warnings as errors. */
#define _DEFAULT_SOURCE 1
#ifdef DLPACK_FIRST
#include "dlpack.h"
#endif
#include "model.h"
#ifdef DLPACK_LAST
#include "dlpack.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures;

static void expect(int line, int condition, const char *text) {
    if (condition) return;
    failures++;
    printf("line %d: %s; last error: %s\n", line, text, model_last_error());
}
#define EXPECT(condition) expect(__LINE__, (condition), #condition)
#define FAILS(call, status, message) \
    do { \
        EXPECT((call) == (status)); \
        EXPECT(strcmp(model_last_error(), (message)) == 0); \
    } while (0)

static void plain(void) {
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[4] = {1, 10, 100, 1000};
    float out[8] = {0};
    int32_t marks[1];
    EXPECT(model_scale(x, w, 2, out) == MODEL_OK);
    EXPECT(out[0] == 2 && out[1] == 22 && out[7] == 8004);
    EXPECT(model_scale(NULL, w, 0, NULL) == MODEL_OK);
    FAILS(model_scale(NULL, w, 1, out), MODEL_INVALID_ARGUMENT, "scale: argument 'x' is NULL");
    FAILS(model_scale(x, w, 1, NULL), MODEL_INVALID_ARGUMENT, "scale: output 'out' is NULL");
    FAILS(model_scale(x, w, -1, out), MODEL_INVALID_SHAPE, "scale: the size 'n' is -1, but must be at least 0");
    FAILS(model_scale(x, w, INT64_MAX / 4, out), MODEL_INVALID_SHAPE, "scale: the sizes make 'x' too large");
    FAILS(model_scale(out, w, 2, out + 4), MODEL_OVERLAP, "scale: output 'out' overlaps argument 'x' in memory");
    FAILS(model_scale((const float *)(const void *)((const char *)x + 1), w, 1, out), MODEL_INVALID_ALIGNMENT,
          "scale: argument 'x' is not aligned to 4 bytes");
    FAILS(model_squares(NULL, NULL, INT64_MAX, 0, NULL, marks), MODEL_INVALID_SHAPE,
          "squares: the sizes are too large");
}

static void checked(void) {
    const double x[3] = {1, 2, 3};
    double out = 0;
    int64_t i = 2;
    EXPECT(model_pick(x, &i, 3, &out) == MODEL_OK && out == 3);
    i = 3;
    FAILS(model_pick(x, &i, 3, &out), MODEL_INDEX_OUT_OF_RANGE, "pick: the index i is out of range");
    FAILS(model_pick(x, &i, 1001, &out), MODEL_INVALID_SHAPE, "pick: the size 'n' is 1001, but must be at most 1000");
}

static void asked(void) {
    int64_t shape[2] = {7, 7};
    EXPECT(model_squares_output_shape(1, 5, 3, shape) == MODEL_OK && shape[0] == 3 && shape[1] == 5);
    EXPECT(model_squares_output_shape(0, 5, 3, shape) == MODEL_OK && shape[0] == 6);
    FAILS(model_squares_output_shape(2, 5, 3, shape), MODEL_INVALID_ARGUMENT, "squares: there is no output 2 of 2");
    EXPECT(model_scale_workspace_size(10, 1) == 160 + 63);
    EXPECT(model_squares_workspace_size(1, 1, 3) == 3 * 64 + 63);
    EXPECT(model_scale_workspace_size(-1, 1) == -1);
    EXPECT(model_abi_version() == 1 && strcmp(model_isa(), "x86-64-v2") == 0 && model_manifest()[0] == '{');
}

static int pieces;

static void two_pieces(void *pool, model_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers) {
    EXPECT(pool == &pieces && grain == 16 && max_workers == 2);
    body(arg, n / 2, n, 1);
    body(arg, 0, n / 2, 0);
    pieces += 2;
}

static void context(void) {
    float x[40], out[40], w[4] = {1, 1, 1, 1};
    double y[101], squares[101];
    char memory[160 + 63 + 1];
    model_context c;
    int i;
    for (i = 0; i < 40; i++) x[i] = (float)i;
    for (i = 0; i < 101; i++) y[i] = i;
    memset(&c, 0, sizeof c);
    FAILS(model_scale_ctx(x, w, 10, out, &c), MODEL_INVALID_ARGUMENT,
          "scale: the context's size is 0, but must be 56 or more");
    c.size = sizeof c;
    EXPECT(model_scale_ctx(x, w, 10, out, &c) == MODEL_OK && out[39] == 43);
    c.workspace = memory + 1;
    c.workspace_size = 160 + 63;
    EXPECT(model_scale_ctx(x, w, 10, out, &c) == MODEL_OK && out[39] == 43);
    c.workspace_size = 100;
    EXPECT(model_scale_ctx(x, w, 10, out, &c) == MODEL_OUT_OF_MEMORY);
    memset(&c, 0, sizeof c);
    c.size = sizeof c;
    c.parallel_for = two_pieces;
    c.pool = &pieces;
    c.max_workers = 2;
    EXPECT(model_squares_ctx(y, NULL, 100, 0, squares, NULL, &c) == MODEL_INVALID_ARGUMENT);
    EXPECT(model_squares_ctx(y, y, 100, -1, squares, NULL, &c) == MODEL_INVALID_SHAPE);
    {
        static const double rows[1][100] = {{0}};
        EXPECT(model_squares_ctx(y, rows[0], 100, 0, squares, NULL, &c) == MODEL_OK);
    }
    EXPECT(pieces == 2 && squares[99] == 99 * 99 && squares[100] == 100 * 100 && squares[1] == 1);
}

static void dlpack(void) {
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[4] = {1, 1, 1, 1}, out[8];
    int64_t shape[2] = {2, 4}, columns[1] = {4}, wrong[2] = {4, 2}, strides[2] = {1, 2};
    model_tensor tx, tw, to;
    const model_tensor *inputs[2];
    model_tensor *outputs[1];
    memset(&tx, 0, sizeof tx);
    tx.data = x;
    memcpy(&tx.device.device_type, "\1\0\0\0", 4);
    tx.ndim = 2;
    tx.dtype.code = 2;
    tx.dtype.bits = 32;
    tx.dtype.lanes = 1;
    tx.shape = shape;
    tw = to = tx;
    tw.data = w;
    tw.ndim = 1;
    tw.shape = columns;
    to.data = out;
    inputs[0] = &tx;
    inputs[1] = &tw;
    outputs[0] = &to;
    EXPECT(model_scale_dlpack(inputs, outputs, NULL) == MODEL_OK && out[7] == 12);
    tx.byte_offset = 16;
    shape[0] = 1;
    EXPECT(model_scale_dlpack(inputs, outputs, NULL) == MODEL_OK && out[0] == 6);
    tx.byte_offset = 0;
    shape[0] = 2;
    to.shape = wrong;
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_SHAPE,
          "scale: output 'out' has shape [4, 2], expected [n, 4] with n = 2");
    to.shape = shape;
    columns[0] = 3;
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_SHAPE,
          "scale: argument 'p.w' has shape [3], expected [4] with n = 2");
    columns[0] = 4;
    tx.strides = strides;
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_STRIDES,
          "scale: argument 'x' is not contiguous: axis 1 has stride 2, expected 1 (in elements, row-major): "
          "pass a contiguous copy");
    tx.strides = NULL;
    tx.ndim = 1;
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_SHAPE,
          "scale: argument 'x' has shape [2], expected [n, 4]");
    tx.ndim = 2;
    tx.dtype.bits = 64;
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_DTYPE,
          "scale: argument 'x' has DLPack dtype (2, 64 bits, 1 lanes), expected f32");
    tx.dtype.bits = 32;
    memcpy(&tx.device.device_type, "\2\0\0\0", 4);
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_DEVICE,
          "scale: argument 'x' is on device type 2, expected the CPU (1)");
    FAILS(model_scale_dlpack(NULL, outputs, NULL), MODEL_INVALID_ARGUMENT, "scale: the array of inputs is NULL");
    inputs[1] = NULL;
    memcpy(&tx.device.device_type, "\1\0\0\0", 4);
    FAILS(model_scale_dlpack(inputs, outputs, NULL), MODEL_INVALID_ARGUMENT, "scale: argument 'p.w' is NULL");
}

/* An array of n floats that ends where unreadable memory begins. */
static float *guarded(size_t n) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = n * sizeof(float);
    const size_t pages = (bytes + page - 1) / page;
    char *memory = (char *)mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == (char *)MAP_FAILED || mprotect(memory + pages * page, page, PROT_NONE) != 0) abort();
    return (float *)(void *)(memory + pages * page - bytes);
}

static void between_guard_pages(void) {
    float *w = guarded(4);
    int64_t n;
    w[0] = w[1] = w[2] = w[3] = 2;
    for (n = 0; n < 60; n++) {
        float *x = guarded(4 * (size_t)n), *out = guarded(4 * (size_t)n);
        EXPECT(model_scale(x, w, n, out) == MODEL_OK);
    }
}

int main(void) {
    EXPECT(strcmp(model_last_error(), "") == 0);
    plain();
    checked();
    asked();
    context();
    dlpack();
    between_guard_pages();
    model_trim();
    plain();
    printf("%d failures\n", failures);
    return failures != 0;
}
