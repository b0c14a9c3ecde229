/* The run-time part of a compiled library: what its sources share with each other and with the
 * generated glue. Every external name begins with the library's prefix (-DTCC_PREFIX=model), so that
 * two libraries, static or shared, live in one program. Nothing here aborts, prints or takes a lock
 * on a call's way. */
#ifndef TCC_NATIVE_H
#define TCC_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#define TCC_JOIN2(prefix, name) prefix##__##name
#define TCC_JOIN(prefix, name) TCC_JOIN2(prefix, name)
#define TCC_NAME(name) TCC_JOIN(TCC_PREFIX, name)

#define tcc_fail TCC_NAME(fail)
#define tcc_error_text TCC_NAME(error_text)
#define tcc_arena_take TCC_NAME(arena_take)
#define tcc_arena_give TCC_NAME(arena_give)
#define tcc_arena_trim TCC_NAME(arena_trim)
#define tcc_pool_run TCC_NAME(pool_run)
#define tcc_pool_workers TCC_NAME(pool_workers)
#define tcc_pool_trim TCC_NAME(pool_trim)
#define tcc_profile_begin TCC_NAME(profile_begin)
#define tcc_profile_end TCC_NAME(profile_end)
#define tcc_processor_check TCC_NAME(processor_check)
#define tcc_tier TCC_NAME(tier)
#define tcc_isa TCC_NAME(isa)
#define tcc_weights_map TCC_NAME(weights_map)
#define tcc_call TCC_NAME(call)
#define tcc_call_dlpack TCC_NAME(call_dlpack)
#define tcc_check_sizes TCC_NAME(check_sizes)
#define tcc_extents TCC_NAME(extents)
#define tcc_output_shape TCC_NAME(output_shape)
#define tcc_workspace_bytes TCC_NAME(workspace_bytes)
#define tcc_state_new TCC_NAME(state_new)
#define tcc_state_free TCC_NAME(state_free)
#define tcc_state_enter TCC_NAME(state_enter)
#define tcc_state_leave TCC_NAME(state_leave)
#define tcc_state_save TCC_NAME(state_save)
#define tcc_state_load TCC_NAME(state_load)
#define tcc_library TCC_NAME(library)

/* The values of the header's status enumeration; they never change. */
enum {
    TCC_OK = 0,
    TCC_INVALID_ARGUMENT = 1,
    TCC_INVALID_SHAPE = 2,
    TCC_INVALID_DTYPE = 3,
    TCC_INVALID_STRIDES = 4,
    TCC_INVALID_ALIGNMENT = 5,
    TCC_OVERLAP = 6,
    TCC_INDEX_OUT_OF_RANGE = 7,
    TCC_OUT_OF_MEMORY = 8,
    TCC_INVALID_DEVICE = 9,
    TCC_FILE_ERROR = 10,
    TCC_UNSUPPORTED_PROCESSOR = 11,
    TCC_BUSY = 12,
    TCC_INTERNAL = 13
};

/* A piece begin..end of a parallel loop; worker numbers of pieces that run at once differ. */
typedef void (*tcc_body)(void *arg, int64_t begin, int64_t end, int32_t worker);

typedef void (*tcc_parallel_for)(void *pool, tcc_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers);

/* What a compiled entry takes; NULL: run serially. */
typedef struct {
    tcc_parallel_for run;
    void *pool;
    int32_t max_workers;
} tcc_parallel;

typedef int32_t (*tcc_entry)(void *const *arguments, const int64_t *sizes, const uint8_t *weights, uint8_t *workspace,
                             const tcc_parallel *parallel);

/* The layout of the header's profile structure: where the time of one step of a function goes. */
typedef struct {
    int64_t nanoseconds;
    int64_t runs;
} tcc_profile;

/* What a profiled entry takes besides: it calls `begin` before each of its steps and `end` after it. */
typedef struct {
    void (*begin)(tcc_profile *steps, int64_t step);
    void (*end)(tcc_profile *steps, int64_t step);
    tcc_profile *steps;
} tcc_profiler;

typedef int32_t (*tcc_profiled_entry)(void *const *arguments, const int64_t *sizes, const uint8_t *weights,
                                      uint8_t *workspace, const tcc_parallel *parallel, const tcc_profiler *profiler);

/* The layout of the header's context structure. */
typedef struct {
    size_t size;
    void *workspace;
    size_t workspace_size;
    tcc_parallel_for parallel_for;
    void *pool;
    int32_t max_workers;
    int32_t reserved;
    void *stream;
    tcc_profile *profile;
} tcc_context;

/* The layout of DLPack's DLTensor. */
typedef struct {
    void *data;
    struct {
        int32_t device_type;
        int32_t device_id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code;
        uint8_t bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
} tcc_dltensor;

/* An argument, result or state: its DLPack type code and bits, the alignment of its element in bytes,
 * and its shape as the signature spells it. */
typedef struct {
    const char *name;
    const char *dtype;
    const char *shape;
    uint8_t code;
    uint8_t bits;
    uint8_t alignment;
    int32_t rank;
} tcc_tensor;

typedef struct {
    const char *name;
    int64_t lower;
    int64_t upper;
} tcc_symbol;

/* A function: `tensors` are its inputs, then its outputs; `states` are positions in the library's
 * states. `extents` writes the shapes of all tensors one after the other and returns nonzero on
 * overflow; `solve` finds the sizes in the inputs' shapes; `entry_sizes` puts them in the entry's order. */
typedef struct {
    const char *name;
    int32_t inputs, outputs, symbols, states, extent_count;
    int32_t writes_states, parallel;
    const tcc_tensor *tensors;
    const tcc_symbol *symbol_table;
    const int32_t *state_table;
    int (*extents)(const int64_t *sizes, int64_t *extents);
    int (*workspace)(const int64_t *sizes, int64_t *arena, int64_t *worker);
    void (*solve)(const int64_t *const *shapes, int64_t *sizes);
    void (*entry_sizes)(const int64_t *sizes, int64_t *ordered);
    tcc_entry run;
    tcc_profiled_entry profiled; /* NULL when it has no steps */
} tcc_function;

typedef struct {
    const char *name;
    int64_t bytes;
    int64_t weight_offset;
    int64_t offset; /* in the state's storage */
} tcc_state_tensor;

/* Code for one instruction set: its name, and the processor's features that it needs. */
typedef struct {
    const char *name;
    const char *features;
} tcc_tier_info;

/* What the glue says of the whole library. */
typedef struct {
    const char *name;
    int32_t tiers; /* 1 or more, the least demanding first */
    const tcc_tier_info *tier_table;
    const uint8_t *weights; /* NULL when there are none, or in a file */
    const char *weight_file;
    int64_t weight_file_bytes, weight_data_offset;
    uint64_t weight_header_hash;
    int32_t messages, states;
    const char *const *message_table;
    const tcc_state_tensor *state_table;
    int64_t state_bytes;
    const char *state_header; /* of the safetensors file a state is saved in */
} tcc_library_info;

extern const tcc_library_info tcc_library;

typedef struct tcc_state tcc_state;

/* Scratch of one call, sized by the glue: for each tensor its pointer and bytes, all extents, the
 * sizes in the entry's order. `arguments` has room for inputs, outputs and states. */
typedef struct {
    void **arguments;
    int64_t *bytes;
    int64_t *extents;
    int64_t *sizes;
    int64_t *ordered;
    const int64_t **shapes;
} tcc_scratch;

#if defined(__GNUC__)
#define TCC_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TCC_PRINTF(text, first)
#endif

/* Keeps a message for the calling thread and returns `status`. */
int32_t tcc_fail(int32_t status, const char *format, ...) TCC_PRINTF(2, 3);
const char *tcc_error_text(void);

/* Memory of at least `bytes`, 64-byte aligned, from the library's list; NULL when there is none. */
void *tcc_arena_take(int64_t bytes);
void tcc_arena_give(void *memory);
void tcc_arena_trim(void);

void tcc_pool_run(void *pool, tcc_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers);
int32_t tcc_pool_workers(void);
void tcc_pool_trim(void);

/* Both read the clock; a step's times are added up. */
void tcc_profile_begin(tcc_profile *steps, int64_t step);
void tcc_profile_end(tcc_profile *steps, int64_t step);

/* Chooses the tier to run, the best that the processor has and TCC_ISA allows. */
int32_t tcc_processor_check(void);
extern int32_t tcc_tier;
const char *tcc_isa(void);

/* The weight block: embedded, or mapped from its file on first use. */
int32_t tcc_weights_map(const uint8_t **weights);

int32_t tcc_check_sizes(const tcc_function *function, const int64_t *sizes);
int32_t tcc_extents(const tcc_function *function, const int64_t *sizes, int64_t *extents);
int32_t tcc_output_shape(const tcc_function *function, const int64_t *sizes, int64_t *extents, int32_t index,
                         int64_t *shape);
int64_t tcc_workspace_bytes(const tcc_function *function, const int64_t *sizes, int32_t max_workers);
int32_t tcc_call(const tcc_function *function, const tcc_scratch *scratch, tcc_state *state,
                 const tcc_context *context);
int32_t tcc_call_dlpack(const tcc_function *function, const tcc_scratch *scratch, const tcc_dltensor *const *inputs,
                        const tcc_dltensor *const *outputs, tcc_state *state, const tcc_context *context);

struct tcc_state {
    int32_t users; /* readers; -1: one writer */
    uint8_t *data;
};

tcc_state *tcc_state_new(void);
void tcc_state_free(tcc_state *state);
/* Any number of calls that read, or one that writes; BUSY otherwise. */
int32_t tcc_state_enter(tcc_state *state, int writes, const char *user);
void tcc_state_leave(tcc_state *state, int writes);
int32_t tcc_state_save(tcc_state *state, const char *path);
int32_t tcc_state_load(tcc_state *state, const char *path);

/* Arithmetic of sizes that remembers whether any step overflowed. `//` and `%` round to minus
 * infinity; by zero they give 0, in expressions that an empty extent multiplies. */
static inline int64_t tcc_add(int *bad, int64_t a, int64_t b) {
    int64_t result;
    *bad |= __builtin_add_overflow(a, b, &result);
    return result;
}

static inline int64_t tcc_subtract(int *bad, int64_t a, int64_t b) {
    int64_t result;
    *bad |= __builtin_sub_overflow(a, b, &result);
    return result;
}

static inline int64_t tcc_multiply(int *bad, int64_t a, int64_t b) {
    int64_t result;
    *bad |= __builtin_mul_overflow(a, b, &result);
    return result;
}

static inline int64_t tcc_floor_divide(int *bad, int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return tcc_subtract(bad, 0, a);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static inline int64_t tcc_modulo(int *bad, int64_t a, int64_t b) {
    return b == 0 ? 0 : tcc_subtract(bad, a, tcc_multiply(bad, b, tcc_floor_divide(bad, a, b)));
}

static inline int64_t tcc_minimum(int *bad, int64_t a, int64_t b) {
    (void)bad;
    return a < b ? a : b;
}

static inline int64_t tcc_maximum(int *bad, int64_t a, int64_t b) {
    (void)bad;
    return a > b ? a : b;
}

#endif
