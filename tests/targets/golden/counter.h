/* The library 'counter', compiled by tcc 0.0-test for x86-64-v2.
 *
 * Functions return COUNTER_OK or another status; then counter_last_error() says what was wrong.
 * They may be called from any number of threads at once. They never abort, throw or print.
 * Arrays are row-major and contiguous, aligned as their element type; bool is a uint8_t of 0 or 1,
 * f16 and bf16 are uint16_t, complex is a real and an imaginary part.
 */

#ifndef COUNTER_H
#define COUNTER_H

#include <stddef.h>
#include <stdint.h>

#ifndef COUNTER_API
#define COUNTER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum counter_status {
    COUNTER_OK = 0, /* success */
    COUNTER_INVALID_ARGUMENT = 1, /* a pointer is NULL, or the context is not one */
    COUNTER_INVALID_SHAPE = 2, /* a size or shape is not what the signature says */
    COUNTER_INVALID_DTYPE = 3, /* a tensor has another element type */
    COUNTER_INVALID_STRIDES = 4, /* a tensor is not contiguous */
    COUNTER_INVALID_ALIGNMENT = 5, /* a pointer is not aligned for its element type */
    COUNTER_OVERLAP = 6, /* an output shares memory with an input or another output */
    COUNTER_INDEX_OUT_OF_RANGE = 7, /* an index computed from the inputs is out of range */
    COUNTER_OUT_OF_MEMORY = 8, /* no memory, or the caller's workspace is too small */
    COUNTER_INVALID_DEVICE = 9, /* a tensor is not in the CPU's memory */
    COUNTER_FILE_ERROR = 10, /* a file of weights or state cannot be read or written, or is another one */
    COUNTER_UNSUPPORTED_PROCESSOR = 11, /* the processor lacks instructions that the library uses */
    COUNTER_BUSY = 12, /* another call uses the same state */
    COUNTER_INTERNAL = 13 /* a mistake of the compiler */
} counter_status;

/* A piece begin..end of a parallel loop. Workers that run at the same time have different numbers,
 * from 0 to max_workers - 1. */
typedef void (*counter_body)(void *arg, int64_t begin, int64_t end, int32_t worker);

/* Where the time of one step of a function goes; the manifest lists its steps. */
typedef struct counter_profile {
    int64_t nanoseconds;
    int64_t runs;
} counter_profile;

/* What a caller may supply. Set all to zero, then `size` to sizeof(counter_context), then what is wanted. */
typedef struct counter_context {
    size_t size;
    void *workspace;       /* at least *_workspace_size bytes, for one call at a time; NULL: the library's own */
    size_t workspace_size;
    /* Runs body over 0..n in pieces of grain or more, and returns when all are done; NULL: the library's threads. */
    void (*parallel_for)(void *pool, counter_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers);
    void *pool;            /* passed to parallel_for */
    int32_t max_workers;   /* 0: as many as the environment variable TCC_NUM_THREADS says, or processors */
    int32_t reserved;
    void *stream;          /* for devices; NULL */
    counter_profile *profile; /* one for each step, to which the call's times are added; NULL: not measured */
} counter_context;

/* A tensor as DLPack lays it out; DLTensor itself when dlpack.h is included before this file. */
#ifdef DLPACK_VERSION
#define COUNTER_DLTENSOR 1
#elif defined(DLPACK_MAJOR_VERSION)
#define COUNTER_DLTENSOR 1
#endif
#ifdef COUNTER_DLTENSOR
typedef DLTensor counter_tensor;
#else
typedef struct counter_tensor {
    void *data;
    struct { int32_t device_type; int32_t device_id; } device; /* type 1: CPU */
    int32_t ndim;
    /* code 0: int, 1: uint, 2: float, 4: bf16, 5: complex, 6: bool */
    struct { uint8_t code; uint8_t bits; uint16_t lanes; } dtype;
    int64_t *shape;
    int64_t *strides;      /* in elements; NULL: contiguous */
    uint64_t byte_offset;
} counter_tensor;
#endif

/* State that lives between calls:
 *   total: f32[3]
 *   count: i64[]
 * One instance serves one call at a time, or several that only read it. */
typedef struct counter_state counter_state;

/* A new instance with the initial values; NULL on failure. */
COUNTER_API counter_state *counter_new(void);
COUNTER_API void counter_free(counter_state *state);

/* Writes the state to a safetensors file, or reads one that was written so. */
COUNTER_API counter_status counter_save(const counter_state *state, const char *path);
COUNTER_API counter_status counter_load(counter_state *state, const char *path);

/* step(x: f32[3]) -> f32[3]
 * Adds x to the running total.
 *   x    f32[3]
 *   out  f32[3], written */
COUNTER_API counter_status counter_step(counter_state *state, const float *x, float *out);
COUNTER_API counter_status counter_step_ctx(counter_state *state, const float *x, float *out, const counter_context *context);
COUNTER_API counter_status counter_step_dlpack(counter_state *state, const counter_tensor *const *inputs, counter_tensor *const *outputs, const counter_context *context);
/* Bytes of workspace for a context; negative on failure. */
COUNTER_API int64_t counter_step_workspace_size(int32_t max_workers);
/* Writes the extents of output number `index`. */
COUNTER_API counter_status counter_step_output_shape(int32_t index, int64_t *shape);

/* steps() -> i64[]
 *   out  i64[], written */
COUNTER_API counter_status counter_steps(const counter_state *state, int64_t *out);
COUNTER_API counter_status counter_steps_ctx(const counter_state *state, int64_t *out, const counter_context *context);
COUNTER_API counter_status counter_steps_dlpack(const counter_state *state, const counter_tensor *const *inputs, counter_tensor *const *outputs, const counter_context *context);
/* Bytes of workspace for a context; negative on failure. */
COUNTER_API int64_t counter_steps_workspace_size(int32_t max_workers);
/* Writes the extents of output number `index`. */
COUNTER_API counter_status counter_steps_output_shape(int32_t index, int64_t *shape);

/* What was wrong in the last call of this thread that failed; "" when none did. */
COUNTER_API const char *counter_last_error(void);
/* 1 for this header. */
COUNTER_API int32_t counter_abi_version(void);
/* The version of the compiler, and the whole description as JSON. */
COUNTER_API const char *counter_version(void);
COUNTER_API const char *counter_manifest(void);
/* The instruction set compiled for. */
COUNTER_API const char *counter_isa(void);
/* Frees the memory and ends the threads that the library keeps for further calls. */
COUNTER_API void counter_trim(void);

#ifdef __cplusplus
}
#endif

#endif /* COUNTER_H */
