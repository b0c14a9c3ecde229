/* State that lives between calls: one block of memory an instance, its tensors at fixed offsets. */
#include "native.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64, PATH_BYTES = 4096 };

tcc_state *tcc_state_new(void) {
    const uint8_t *weights;
    tcc_state *state;
    void *data;
    int32_t i;
    if (tcc_weights_map(&weights) != TCC_OK) return NULL;
    state = malloc(sizeof *state);
    if (state == NULL || posix_memalign(&data, LINE, (size_t)tcc_library.state_bytes + LINE) != 0) {
        free(state);
        tcc_fail(TCC_OUT_OF_MEMORY, "%s: no memory for a state of %lld bytes", tcc_library.name,
                 (long long)tcc_library.state_bytes);
        return NULL;
    }
    state->users = 0;
    state->data = data;
    for (i = 0; i < tcc_library.states; i++) {
        const tcc_state_tensor *tensor = &tcc_library.state_table[i];
        memcpy(state->data + tensor->offset, weights + tensor->weight_offset, (size_t)tensor->bytes);
    }
    return state;
}

void tcc_state_free(tcc_state *state) {
    if (state == NULL) return;
    free(state->data);
    free(state);
}

int32_t tcc_state_enter(tcc_state *state, int writes, const char *user) {
    int32_t users;
    if (state == NULL) return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the state is NULL", user);
    users = __atomic_load_n(&state->users, __ATOMIC_RELAXED);
    do {
        if (users < 0 || (users > 0 && writes))
            return tcc_fail(TCC_BUSY, "%s: the state is in use by another call", user);
    } while (!__atomic_compare_exchange_n(&state->users, &users, writes ? -1 : users + 1, 1, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return TCC_OK;
}

void tcc_state_leave(tcc_state *state, int writes) {
    if (writes)
        __atomic_store_n(&state->users, 0, __ATOMIC_RELEASE);
    else
        __atomic_fetch_sub(&state->users, 1, __ATOMIC_RELEASE);
}

static int32_t file_error(const char *what, const char *path) {
    return tcc_fail(TCC_FILE_ERROR, "%s: cannot %s '%s': %s", tcc_library.name, what, path,
                    errno != 0 ? strerror(errno) : "it ended early");
}

/* The file's first eight bytes: the header's length, little-endian. */
static void header_length(uint8_t *bytes) {
    const uint64_t length = strlen(tcc_library.state_header);
    int i;
    for (i = 0; i < 8; i++) bytes[i] = (uint8_t)(length >> 8 * i);
}

static int write_all(const tcc_state *state, FILE *file) {
    uint8_t length[8];
    int32_t i;
    header_length(length);
    if (fwrite(length, 8, 1, file) != 1 || fputs(tcc_library.state_header, file) < 0) return 0;
    for (i = 0; i < tcc_library.states; i++) {
        const tcc_state_tensor *tensor = &tcc_library.state_table[i];
        const size_t bytes = (size_t)tensor->bytes;
        if (fwrite(state->data + tensor->offset, 1, bytes, file) != bytes) return 0;
    }
    return 1;
}

/* Into a file beside it, which then takes its name: what is there is a complete state at all times. */
int32_t tcc_state_save(tcc_state *state, const char *path) {
    char part[PATH_BYTES];
    FILE *file;
    int32_t status;
    int good;
    if (path == NULL) return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the path is NULL", tcc_library.name);
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return tcc_fail(TCC_FILE_ERROR, "%s: the path is too long", tcc_library.name);
    status = tcc_state_enter(state, 0, tcc_library.name);
    if (status != TCC_OK) return status;
    errno = 0;
    file = fopen(part, "wb");
    good = file != NULL && write_all(state, file);
    if (file != NULL) good = fclose(file) == 0 && good;
    if (!good || rename(part, path) != 0) {
        status = file_error("write", path);
        if (file != NULL) remove(part);
    }
    tcc_state_leave(state, 0);
    return status;
}

static int32_t read_all(uint8_t *data, FILE *file, const char *path) {
    const size_t header = 8 + strlen(tcc_library.state_header);
    uint8_t *found = malloc(header), length[8];
    int32_t i, same;
    if (found == NULL) return tcc_fail(TCC_OUT_OF_MEMORY, "%s: no memory to read a state", tcc_library.name);
    header_length(length);
    same = fread(found, 1, header, file) == header && memcmp(found, length, 8) == 0 &&
           memcmp(found + 8, tcc_library.state_header, header - 8) == 0;
    free(found);
    if (!same)
        return tcc_fail(TCC_FILE_ERROR, "%s: '%s' is not a state saved by this library", tcc_library.name, path);
    for (i = 0; i < tcc_library.states; i++) {
        const tcc_state_tensor *tensor = &tcc_library.state_table[i];
        const size_t bytes = (size_t)tensor->bytes;
        if (fread(data + tensor->offset, 1, bytes, file) != bytes) return file_error("read", path);
    }
    if (fgetc(file) != EOF)
        return tcc_fail(TCC_FILE_ERROR, "%s: '%s' is longer than a state", tcc_library.name, path);
    return TCC_OK;
}

/* All or nothing: a file that cannot be read leaves the state as it was. */
int32_t tcc_state_load(tcc_state *state, const char *path) {
    void *data = NULL;
    FILE *file;
    int32_t status;
    if (path == NULL) return tcc_fail(TCC_INVALID_ARGUMENT, "%s: the path is NULL", tcc_library.name);
    status = tcc_state_enter(state, 1, tcc_library.name);
    if (status != TCC_OK) return status;
    errno = 0;
    file = fopen(path, "rb");
    if (file == NULL)
        status = file_error("open", path);
    else if (posix_memalign(&data, LINE, (size_t)tcc_library.state_bytes + LINE) != 0)
        status = tcc_fail(TCC_OUT_OF_MEMORY, "%s: no memory to read a state", tcc_library.name);
    else
        status = read_all(data, file, path);
    if (status == TCC_OK) {
        free(state->data);
        state->data = data;
        data = NULL;
    }
    free(data);
    if (file != NULL) fclose(file);
    tcc_state_leave(state, 1);
    return status;
}
