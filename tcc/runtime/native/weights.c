/* The weight block of the library: in its read-only data, or a safetensors file beside it that is
 * mapped on first use, so that its pages are shared between processes and read as they are needed. */
#define _GNU_SOURCE
#include "native.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static uint8_t *mapped;

/* The folder named by TCC_WEIGHTS_DIR, else the one that this library was loaded from. */
static int find_file(char *path) {
    const char *folder = getenv("TCC_WEIGHTS_DIR");
    int length;
    if (folder != NULL && *folder != '\0') {
        length = snprintf(path, PATH_BYTES, "%s/%s", folder, tcc_library.weight_file);
    } else {
        Dl_info info;
        const char *slash;
        if (dladdr(&tcc_library, &info) == 0 || info.dli_fname == NULL) return 0;
        slash = strrchr(info.dli_fname, '/');
        length = snprintf(path, PATH_BYTES, "%.*s%s", slash != NULL ? (int)(slash - info.dli_fname) + 1 : 0,
                          info.dli_fname, tcc_library.weight_file);
    }
    return length > 0 && length < PATH_BYTES;
}

/* FNV-1a; the header holds the SHA-256 of each tensor, so it stands for the whole file. */
static uint64_t hash(const uint8_t *bytes, int64_t count) {
    uint64_t value = 0xcbf29ce484222325u;
    int64_t i;
    for (i = 0; i < count; i++) value = (value ^ bytes[i]) * 0x100000001b3u;
    return value;
}

static int32_t map_file(uint8_t **result) {
    char path[PATH_BYTES];
    struct stat status;
    void *memory;
    int file;
    if (!find_file(path))
        return tcc_fail(TCC_FILE_ERROR, "%s: cannot tell where its weights '%s' are", tcc_library.name,
                        tcc_library.weight_file);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return tcc_fail(TCC_FILE_ERROR, "%s: cannot open its weights '%s': %s", tcc_library.name, path,
                        strerror(errno));
    if (fstat(file, &status) != 0 || (int64_t)status.st_size != tcc_library.weight_file_bytes) {
        close(file);
        return tcc_fail(TCC_FILE_ERROR, "%s: '%s' is not the weight file it was compiled with: it must have %lld bytes",
                        tcc_library.name, path, (long long)tcc_library.weight_file_bytes);
    }
    memory = mmap(NULL, (size_t)tcc_library.weight_file_bytes, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        return tcc_fail(TCC_OUT_OF_MEMORY, "%s: cannot map '%s': %s", tcc_library.name, path, strerror(errno));
    if (hash(memory, tcc_library.weight_data_offset) != tcc_library.weight_header_hash) {
        munmap(memory, (size_t)tcc_library.weight_file_bytes);
        return tcc_fail(TCC_FILE_ERROR, "%s: '%s' is not the weight file it was compiled with: its header differs",
                        tcc_library.name, path);
    }
    *result = memory;
    return TCC_OK;
}

int32_t tcc_weights_map(const uint8_t **weights) {
    uint8_t *found = __atomic_load_n(&mapped, __ATOMIC_ACQUIRE), *other = NULL;
    if (found == NULL && tcc_library.weight_file != NULL) {
        const int32_t status = map_file(&found);
        if (status != TCC_OK) return status;
        if (!__atomic_compare_exchange_n(&mapped, &other, found, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            munmap(found, (size_t)tcc_library.weight_file_bytes);
            found = other;
        }
    }
    *weights = found != NULL ? found + tcc_library.weight_data_offset : tcc_library.weights;
    return TCC_OK;
}

__attribute__((destructor)) static void unmap(void) {
    uint8_t *found = __atomic_exchange_n(&mapped, NULL, __ATOMIC_ACQ_REL);
    if (found != NULL) munmap(found, (size_t)tcc_library.weight_file_bytes);
}
