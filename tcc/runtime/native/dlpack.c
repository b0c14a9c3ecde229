/* The entry on DLPack tensors: device, dtype, rank, strides and shape checked, sizes solved. */
#include "native.h"

#include <stdio.h>
#include <string.h>

enum { CPU = 1, CUDA_HOST = 3, TEXT_BYTES = 256 };

static void write_shape(char *text, const int64_t *shape, int32_t rank) {
    int32_t axis;
    size_t used = 0;
    for (axis = 0; axis < rank && used < TEXT_BYTES - 32; axis++)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s%lld", axis ? ", " : "", (long long)shape[axis]);
    text[used] = '\0';
}

static int same_dtype(const tcc_tensor *expected, uint8_t code, uint8_t bits) {
    return expected->code == code && expected->bits == bits;
}

static int32_t check_tensor(const tcc_function *function, const char *role, const tcc_tensor *expected,
                            const tcc_dltensor *given) {
    char shape[TEXT_BYTES];
    int64_t step = 1;
    int32_t axis;
    if (given == NULL)
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: %s '%s' is NULL", function->name, role, expected->name);
    if (given->device.device_type != CPU && given->device.device_type != CUDA_HOST)
        return tcc_fail(TCC_INVALID_DEVICE, "%s: %s '%s' is on device type %d, expected the CPU (%d)", function->name,
                        role, expected->name, given->device.device_type, CPU);
    if (!same_dtype(expected, given->dtype.code, given->dtype.bits) || given->dtype.lanes != 1)
        return tcc_fail(TCC_INVALID_DTYPE, "%s: %s '%s' has DLPack dtype (%d, %d bits, %d lanes), expected %s",
                        function->name, role, expected->name, given->dtype.code, given->dtype.bits,
                        given->dtype.lanes, expected->dtype);
    if (given->ndim != expected->rank) {
        write_shape(shape, given->shape, given->ndim);
        return tcc_fail(TCC_INVALID_SHAPE, "%s: %s '%s' has shape [%s], expected [%s]", function->name, role,
                        expected->name, shape, expected->shape);
    }
    if (given->ndim > 0 && given->shape == NULL)
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: %s '%s' has no shape", function->name, role, expected->name);
    for (axis = 0; axis < given->ndim; axis++) {
        if (given->shape[axis] < 0)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: %s '%s' has a negative extent", function->name, role,
                            expected->name);
        if (given->shape[axis] == 0) return TCC_OK;
    }
    if (given->strides == NULL) return TCC_OK;
    for (axis = given->ndim; axis-- > 0;) {
        int bad = 0;
        if (given->shape[axis] != 1 && given->strides[axis] != step)
            return tcc_fail(TCC_INVALID_STRIDES,
                            "%s: %s '%s' is not contiguous: axis %d has stride %lld, expected %lld (in elements, "
                            "row-major): pass a contiguous copy",
                            function->name, role, expected->name, axis, (long long)given->strides[axis],
                            (long long)step);
        step = tcc_multiply(&bad, step, given->shape[axis]);
        if (bad)
            return tcc_fail(TCC_INVALID_SHAPE, "%s: %s '%s' is too large", function->name, role, expected->name);
    }
    return TCC_OK;
}

/* Says the sizes found in the arguments' shapes, as ` with batch = 3`. */
static void write_sizes(char *text, const tcc_function *function, const int64_t *sizes) {
    size_t used = 0;
    int32_t i;
    text[0] = '\0';
    for (i = 0; i < function->symbols && used < TEXT_BYTES - 96; i++)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s%.40s = %lld", i ? ", " : " with ",
                                 function->symbol_table[i].name, (long long)sizes[i]);
}

static int32_t check_shapes(const tcc_function *function, const tcc_scratch *scratch) {
    const int64_t *expected = scratch->extents;
    int32_t i;
    for (i = 0; i < function->inputs + function->outputs; i++) {
        const tcc_tensor *tensor = &function->tensors[i];
        if (tensor->rank > 0 && memcmp(scratch->shapes[i], expected, (size_t)tensor->rank * sizeof *expected) != 0) {
            char found[TEXT_BYTES], sizes[TEXT_BYTES];
            write_shape(found, scratch->shapes[i], tensor->rank);
            write_sizes(sizes, function, scratch->sizes);
            return tcc_fail(TCC_INVALID_SHAPE, "%s: %s '%s' has shape [%s], expected [%s]%s", function->name,
                            i < function->inputs ? "argument" : "output", tensor->name, found, tensor->shape, sizes);
        }
        expected += tensor->rank;
    }
    return TCC_OK;
}

int32_t tcc_call_dlpack(const tcc_function *function, const tcc_scratch *scratch, const tcc_dltensor *const *inputs,
                        const tcc_dltensor *const *outputs, tcc_state *state, const tcc_context *context) {
    int32_t i, status;
    if ((inputs == NULL && function->inputs > 0) || (outputs == NULL && function->outputs > 0))
        return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the array of %s is NULL", function->name,
                        inputs == NULL && function->inputs > 0 ? "inputs" : "outputs");
    for (i = 0; i < function->inputs + function->outputs; i++) {
        const int input = i < function->inputs;
        const tcc_dltensor *given = input ? inputs[i] : outputs[i - function->inputs];
        status = check_tensor(function, input ? "argument" : "output", &function->tensors[i], given);
        if (status != TCC_OK) return status;
        scratch->shapes[i] = given->shape;
        scratch->arguments[i] = given->data == NULL ? NULL : (uint8_t *)given->data + given->byte_offset;
    }
    function->solve(scratch->shapes, scratch->sizes);
    status = tcc_extents(function, scratch->sizes, scratch->extents);
    if (status == TCC_OK) status = check_shapes(function, scratch);
    return status == TCC_OK ? tcc_call(function, scratch, state, context) : status;
}
