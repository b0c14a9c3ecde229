/* The library 'model', compiled by tcc 0.0-test for x86-64-v2.
 *
 * Functions return MODEL_OK or another status; then model_last_error() says what was wrong.
 * They may be called from any number of threads at once. They never abort, throw or print.
 * Arrays are row-major and contiguous, aligned as their element type; bool is a uint8_t of 0 or 1,
 * f16 and bf16 are uint16_t, complex is a real and an imaginary part.
 */

#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifndef MODEL_API
#define MODEL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum model_status {
    MODEL_OK = 0, /* success */
    MODEL_INVALID_ARGUMENT = 1, /* a pointer is NULL, or the context is not one */
    MODEL_INVALID_SHAPE = 2, /* a size or shape is not what the signature says */
    MODEL_INVALID_DTYPE = 3, /* a tensor has another element type */
    MODEL_INVALID_STRIDES = 4, /* a tensor is not contiguous */
    MODEL_INVALID_ALIGNMENT = 5, /* a pointer is not aligned for its element type */
    MODEL_OVERLAP = 6, /* an output shares memory with an input or another output */
    MODEL_INDEX_OUT_OF_RANGE = 7, /* an index computed from the inputs is out of range */
    MODEL_OUT_OF_MEMORY = 8, /* no memory, or the caller's workspace is too small */
    MODEL_INVALID_DEVICE = 9, /* a tensor is not in the CPU's memory */
    MODEL_FILE_ERROR = 10, /* a file of weights or state cannot be read or written, or is another one */
    MODEL_UNSUPPORTED_PROCESSOR = 11, /* the processor lacks instructions that the library uses */
    MODEL_BUSY = 12, /* another call uses the same state */
    MODEL_INTERNAL = 13 /* a mistake of the compiler */
} model_status;

/* A piece begin..end of a parallel loop. Workers that run at the same time have different numbers,
 * from 0 to max_workers - 1. */
typedef void (*model_body)(void *arg, int64_t begin, int64_t end, int32_t worker);

/* Where the time of one step of a function goes; the manifest lists its steps. */
typedef struct model_profile {
    int64_t nanoseconds;
    int64_t runs;
} model_profile;

/* What a caller may supply. Set all to zero, then `size` to sizeof(model_context), then what is wanted. */
typedef struct model_context {
    size_t size;
    void *workspace;       /* at least *_workspace_size bytes, for one call at a time; NULL: the library's own */
    size_t workspace_size;
    /* Runs body over 0..n in pieces of grain or more, and returns when all are done; NULL: the library's threads. */
    void (*parallel_for)(void *pool, model_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers);
    void *pool;            /* passed to parallel_for */
    int32_t max_workers;   /* 0: as many as the environment variable TCC_NUM_THREADS says, or processors */
    int32_t reserved;
    void *stream;          /* for devices; NULL */
    model_profile *profile; /* one for each step, to which the call's times are added; NULL: not measured */
} model_context;

/* A tensor as DLPack lays it out; DLTensor itself when dlpack.h is included before this file. */
#ifdef DLPACK_VERSION
#define MODEL_DLTENSOR 1
#elif defined(DLPACK_MAJOR_VERSION)
#define MODEL_DLTENSOR 1
#endif
#ifdef MODEL_DLTENSOR
typedef DLTensor model_tensor;
#else
typedef struct model_tensor {
    void *data;
    struct { int32_t device_type; int32_t device_id; } device; /* type 1: CPU */
    int32_t ndim;
    /* code 0: int, 1: uint, 2: float, 4: bf16, 5: complex, 6: bool */
    struct { uint8_t code; uint8_t bits; uint16_t lanes; } dtype;
    int64_t *shape;
    int64_t *strides;      /* in elements; NULL: contiguous */
    uint64_t byte_offset;
} model_tensor;
#endif

/* scale(x: f32[n, 4], p.w: f32[4]) -> f32[n, 4]
 * Scales the columns of x.
 *
 * Each by its own factor * / ? ?/
 *   x    f32[n, 4]
 *   p_w  f32[4]  (p.w)
 *   n    size, 0 <= n
 *   out  f32[n, 4], written */
MODEL_API model_status model_scale(const float *x, const float *p_w, int64_t n, float *out);
MODEL_API model_status model_scale_ctx(const float *x, const float *p_w, int64_t n, float *out, const model_context *context);
MODEL_API model_status model_scale_dlpack(const model_tensor *const *inputs, model_tensor *const *outputs, const model_context *context);
/* Bytes of workspace for a context; negative on failure. */
MODEL_API int64_t model_scale_workspace_size(int64_t n, int32_t max_workers);
/* Writes the extents of output number `index`. */
MODEL_API model_status model_scale_output_shape(int32_t index, int64_t n, int64_t *shape);

/* pick(x: f64[n], i: i64[]) -> f64[]
 *   x    f64[n]
 *   i    i64[]
 *   n    size, 1 <= n <= 1000
 *   out  f64[], written */
MODEL_API model_status model_pick(const double *x, const int64_t *i, int64_t n, double *out);
MODEL_API model_status model_pick_ctx(const double *x, const int64_t *i, int64_t n, double *out, const model_context *context);
MODEL_API model_status model_pick_dlpack(const model_tensor *const *inputs, model_tensor *const *outputs, const model_context *context);
/* Bytes of workspace for a context; negative on failure. */
MODEL_API int64_t model_pick_workspace_size(int64_t n, int32_t max_workers);
/* Writes the extents of output number `index`. */
MODEL_API model_status model_pick_output_shape(int32_t index, int64_t n, int64_t *shape);

/* squares(x: f64[m + 1], y: f64[2*n + 1, m]) -> (f64[m + 1], i32[n, m])
 *   x        f64[m + 1]
 *   y        f64[2*n + 1, m]
 *   m        size, 0 <= m
 *   n        size, 0 <= n
 *   squares  f64[m + 1], written
 *   int_     i32[n, m], written  (int) */
MODEL_API model_status model_squares(const double *x, const double *y, int64_t m, int64_t n, double *squares, int32_t *int_);
MODEL_API model_status model_squares_ctx(const double *x, const double *y, int64_t m, int64_t n, double *squares, int32_t *int_, const model_context *context);
MODEL_API model_status model_squares_dlpack(const model_tensor *const *inputs, model_tensor *const *outputs, const model_context *context);
/* Bytes of workspace for a context; negative on failure. */
MODEL_API int64_t model_squares_workspace_size(int64_t m, int64_t n, int32_t max_workers);
/* Writes the extents of output number `index`. */
MODEL_API model_status model_squares_output_shape(int32_t index, int64_t m, int64_t n, int64_t *shape);

/* flip(b: bool[n]) -> bool[n]
 *   b    bool[n]
 *   n    size, 0 <= n
 *   out  bool[n], written */
MODEL_API model_status model_flip(const uint8_t *b, int64_t n, uint8_t *out);
MODEL_API model_status model_flip_ctx(const uint8_t *b, int64_t n, uint8_t *out, const model_context *context);
MODEL_API model_status model_flip_dlpack(const model_tensor *const *inputs, model_tensor *const *outputs, const model_context *context);
/* Bytes of workspace for a context; negative on failure. */
MODEL_API int64_t model_flip_workspace_size(int64_t n, int32_t max_workers);
/* Writes the extents of output number `index`. */
MODEL_API model_status model_flip_output_shape(int32_t index, int64_t n, int64_t *shape);

/* What was wrong in the last call of this thread that failed; "" when none did. */
MODEL_API const char *model_last_error(void);
/* 1 for this header. */
MODEL_API int32_t model_abi_version(void);
/* The version of the compiler, and the whole description as JSON. */
MODEL_API const char *model_version(void);
MODEL_API const char *model_manifest(void);
/* The instruction set compiled for. */
MODEL_API const char *model_isa(void);
/* Frees the memory and ends the threads that the library keeps for further calls. */
MODEL_API void model_trim(void);

#ifdef __cplusplus
}
#endif

#endif /* MODEL_H */
