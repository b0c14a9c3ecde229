/* One call of a compiled function: sizes and pointers checked, workspace found, entry run. */
#include "native.h"

enum { LINE = 64 };

static int ready; /* the processor has been checked */

int32_t tcc_check_sizes(const tcc_function *function, const int64_t *sizes) {
    int32_t i;
    for (i = 0; i < function->symbols; i++) {
        const tcc_symbol *symbol = &function->symbol_table[i];
        if (sizes[i] < symbol->lower)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: the size '%s' is %lld, but must be at least %lld", function->name,
                            symbol->name, (long long)sizes[i], (long long)symbol->lower);
        if (sizes[i] > symbol->upper)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: the size '%s' is %lld, but must be at most %lld", function->name,
                            symbol->name, (long long)sizes[i], (long long)symbol->upper);
    }
    return TCC_OK;
}

int32_t tcc_extents(const tcc_function *function, const int64_t *sizes, int64_t *extents) {
    int32_t i;
    const int32_t status = tcc_check_sizes(function, sizes);
    if (status != TCC_OK) return status;
    if (function->extents(sizes, extents))
        return tcc_fail(TCC_INVALID_SHAPE, "%s: the sizes are too large", function->name);
    for (i = 0; i < function->extent_count; i++)
        if (extents[i] < 0)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: the sizes make an extent of %lld", function->name,
                            (long long)extents[i]);
    return TCC_OK;
}

int32_t tcc_output_shape(const tcc_function *function, const int64_t *sizes, int64_t *extents, int32_t index,
                         int64_t *shape) {
    const int64_t *extent = extents;
    int32_t i, status;
    if (index < 0 || index >= function->outputs)
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: there is no output %d of %d", function->name, index,
                        function->outputs);
    status = tcc_extents(function, sizes, extents);
    if (status != TCC_OK) return status;
    for (i = 0; i < function->inputs + index; i++) extent += function->tensors[i].rank;
    if (shape == NULL && function->tensors[i].rank > 0)
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the array for the shape is NULL", function->name);
    for (i = 0; i < function->tensors[function->inputs + index].rank; i++) shape[i] = extent[i];
    return TCC_OK;
}

/* The bytes of each tensor; extents are not negative. */
static int32_t tensor_bytes(const tcc_function *function, const int64_t *extents, int64_t *bytes) {
    const int64_t *extent = extents;
    int32_t i, axis;
    for (i = 0; i < function->inputs + function->outputs; i++) {
        int bad = 0, empty = 0;
        int64_t total = function->tensors[i].bits / 8;
        for (axis = 0; axis < function->tensors[i].rank; axis++, extent++) {
            empty |= *extent == 0;
            total = tcc_multiply(&bad, total, *extent);
        }
        if (bad && !empty)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: the sizes make '%s' too large", function->name,
                            function->tensors[i].name);
        bytes[i] = empty ? 0 : total;
    }
    return TCC_OK;
}

static const char *role(const tcc_function *function, int32_t index) {
    return index < function->inputs ? "argument" : "output";
}

static int32_t check_pointers(const tcc_function *function, void *const *arguments, const int64_t *bytes) {
    const int32_t count = function->inputs + function->outputs;
    int32_t i, j;
    for (i = 0; i < count; i++) {
        const tcc_tensor *tensor = &function->tensors[i];
        if (arguments[i] == NULL && bytes[i] > 0)
            return tcc_fail(TCC_INVALID_ARGUMENT, "%s: %s '%s' is NULL", function->name, role(function, i),
                            tensor->name);
        if (((uintptr_t)arguments[i] & (tensor->alignment - 1u)) != 0)
            return tcc_fail(TCC_INVALID_ALIGNMENT, "%s: %s '%s' is not aligned to %d bytes", function->name,
                            role(function, i), tensor->name, tensor->alignment);
    }
    for (i = function->inputs; i < count; i++) {
        const uintptr_t begin = (uintptr_t)arguments[i], end = begin + (uintptr_t)bytes[i];
        for (j = 0; j < i; j++) {
            const uintptr_t other = (uintptr_t)arguments[j];
            if (bytes[i] > 0 && bytes[j] > 0 && begin < other + (uintptr_t)bytes[j] && other < end)
                return tcc_fail(TCC_OVERLAP, "%s: output '%s' overlaps %s '%s' in memory", function->name,
                                function->tensors[i].name, role(function, j), function->tensors[j].name);
        }
    }
    return TCC_OK;
}

static int32_t workers(const tcc_function *function, int32_t asked) {
    if (!function->parallel) return 1;
    return asked > 0 ? asked : tcc_pool_workers();
}

/* Without room for alignment; -1 when it overflows. */
static int64_t workspace(const tcc_function *function, const int64_t *sizes, int32_t worker_count) {
    int64_t arena, worker;
    int bad = function->workspace(sizes, &arena, &worker);
    const int64_t total = tcc_add(&bad, arena, tcc_multiply(&bad, worker, worker_count));
    return bad || arena < 0 || worker < 0 ? -1 : total;
}

int64_t tcc_workspace_bytes(const tcc_function *function, const int64_t *sizes, int32_t max_workers) {
    int bad = 0;
    int64_t bytes;
    if (tcc_check_sizes(function, sizes) != TCC_OK) return -1;
    bytes = workspace(function, sizes, workers(function, max_workers));
    if (bytes > 0) bytes = tcc_add(&bad, bytes, LINE - 1);
    if (bytes < 0 || bad) {
        tcc_fail(TCC_INVALID_SHAPE, "%s: the sizes are too large", function->name);
        return -1;
    }
    return bytes;
}

static int32_t run(const tcc_function *function, const tcc_scratch *scratch, const tcc_context *context) {
    const int32_t worker_count = workers(function, context != NULL ? context->max_workers : 0);
    const int64_t needed = workspace(function, scratch->sizes, worker_count);
    const uint8_t *weights;
    uint8_t *memory = NULL;
    tcc_parallel parallel = {tcc_pool_run, NULL, worker_count};
    int32_t status = tcc_weights_map(&weights);
    int owned = 0;
    if (status != TCC_OK) return status;
    if (needed < 0) return tcc_fail(TCC_INVALID_SHAPE, "%s: the sizes are too large", function->name);
    if (context != NULL && context->parallel_for != NULL) {
        parallel.run = context->parallel_for;
        parallel.pool = context->pool;
    }
    if (context != NULL && context->workspace != NULL) {
        const uintptr_t skip = (uintptr_t)-(intptr_t)context->workspace & (LINE - 1);
        if (needed > 0 && (context->workspace_size < skip || context->workspace_size - skip < (uint64_t)needed))
            return tcc_fail(TCC_OUT_OF_MEMORY, "%s: the workspace has %llu bytes, but %lld are needed (%s)",
                            function->name, (unsigned long long)context->workspace_size,
                            (long long)(needed + LINE - 1), "see its workspace_size function");
        memory = (uint8_t *)context->workspace + skip;
    } else if (needed > 0) {
        memory = tcc_arena_take(needed);
        if (memory == NULL)
            return tcc_fail(TCC_OUT_OF_MEMORY, "%s: no memory for a workspace of %lld bytes", function->name,
                            (long long)needed);
        owned = 1;
    }
    function->entry_sizes(scratch->sizes, scratch->ordered);
    if (context == NULL || context->size < sizeof *context || context->profile == NULL ||
        function->profiled == NULL) {
        status = function->run(scratch->arguments, scratch->ordered, weights, memory,
                               worker_count > 1 ? &parallel : NULL);
    } else {
        const tcc_profiler profiler = {tcc_profile_begin, tcc_profile_end, context->profile};
        status = function->profiled(scratch->arguments, scratch->ordered, weights, memory,
                                    worker_count > 1 ? &parallel : NULL, &profiler);
    }
    if (owned) tcc_arena_give(memory);
    if (status == 0) return TCC_OK;
    return tcc_fail(TCC_INDEX_OUT_OF_RANGE, "%s: %s", function->name,
                    status > 0 && status <= tcc_library.messages ? tcc_library.message_table[status - 1]
                                                                 : "a check failed");
}

int32_t tcc_call(const tcc_function *function, const tcc_scratch *scratch, tcc_state *state,
                 const tcc_context *context) {
    int32_t status, i;
    if (!__atomic_load_n(&ready, __ATOMIC_RELAXED)) {
        status = tcc_processor_check();
        if (status != TCC_OK) return status;
        __atomic_store_n(&ready, 1, __ATOMIC_RELAXED);
    }
    /* What has been added to the structure since is not asked of a caller that does not know it. */
    if (context != NULL && context->size < offsetof(tcc_context, profile))
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the context's size is %llu, but must be %llu or more",
                        function->name, (unsigned long long)context->size,
                        (unsigned long long)offsetof(tcc_context, profile));
    status = tcc_extents(function, scratch->sizes, scratch->extents);
    if (status == TCC_OK) status = tensor_bytes(function, scratch->extents, scratch->bytes);
    if (status == TCC_OK) status = check_pointers(function, scratch->arguments, scratch->bytes);
    if (status != TCC_OK) return status;
    if (function->states == 0) return run(function, scratch, context);
    status = tcc_state_enter(state, function->writes_states, function->name);
    if (status != TCC_OK) return status;
    for (i = 0; i < function->states; i++)
        scratch->arguments[function->inputs + function->outputs + i] =
            state->data + tcc_library.state_table[function->state_table[i]].offset;
    status = run(function, scratch, context);
    tcc_state_leave(state, function->writes_states);
    return status;
}
