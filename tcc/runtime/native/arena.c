/* Workspaces of calls without one of their own: kept in a fixed list of slots and reused, since fresh
 * pages cost about a microsecond each. A slot is taken and filled by one atomic exchange, so there is
 * nothing to lock and no list node that another thread could free. */
#include "native.h"

#include <stdlib.h>

enum { SLOTS = 64, HEAD_BYTES = 64 };

/* Lies before the memory handed out, which stays 64-byte aligned. */
typedef struct {
    int64_t bytes;
} arena;

static arena *slots[SLOTS];

/* Where this thread begins to look: its stack's address spreads the threads over the slots. */
static unsigned first_slot(void) {
    const char here = 0;
    return (unsigned)(((uint64_t)(uintptr_t)&here >> 16) * 0x9e3779b97f4a7c15u >> 58);
}

void *tcc_arena_take(int64_t bytes) {
    const unsigned first = first_slot();
    arena *found = NULL;
    void *memory;
    unsigned i;
    for (i = 0; i < SLOTS && found == NULL; i++) {
        arena **slot = &slots[(first + i) % SLOTS];
        if (__atomic_load_n(slot, __ATOMIC_RELAXED) != NULL) found = __atomic_exchange_n(slot, NULL, __ATOMIC_ACQUIRE);
    }
    if (found != NULL && found->bytes >= bytes) return (char *)found + HEAD_BYTES;
    free(found);
    if (bytes > INT64_MAX - 2 * HEAD_BYTES || (uint64_t)bytes > SIZE_MAX - 2 * HEAD_BYTES) return NULL;
    if (posix_memalign(&memory, HEAD_BYTES, (size_t)bytes + HEAD_BYTES) != 0) return NULL;
    ((arena *)memory)->bytes = bytes;
    return (char *)memory + HEAD_BYTES;
}

void tcc_arena_give(void *memory) {
    arena *given = (arena *)(void *)((char *)memory - HEAD_BYTES);
    const unsigned first = first_slot();
    unsigned i;
    for (i = 0; i < SLOTS; i++) {
        arena **slot = &slots[(first + i) % SLOTS], *empty = NULL;
        if (__atomic_load_n(slot, __ATOMIC_RELAXED) == NULL &&
            __atomic_compare_exchange_n(slot, &empty, given, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
    free(given);
}

__attribute__((destructor)) void tcc_arena_trim(void) {
    int i;
    for (i = 0; i < SLOTS; i++) free(__atomic_exchange_n(&slots[i], NULL, __ATOMIC_ACQUIRE));
}
