/* Workspaces of calls without one of their own: kept in a fixed list of slots and reused, since fresh
 * pages cost about a microsecond each. A slot is taken and filled by one atomic exchange, so there is
 * nothing to lock and no list node that another thread could free. */
#include "native.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { SLOTS = 64, HEAD_BYTES = 64, HUGE_BYTES = 2 << 20 };

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

/* Memory of some whole huge pages begins with one, and asks for them: a page table walk less for each 4 KiB,
 * and one fault where there were 512. A system that has none leaves it as it is. */
static void *fresh(size_t bytes) {
    const int large = bytes >= 2 * (size_t)HUGE_BYTES;
    void *memory;
    if (posix_memalign(&memory, large ? HUGE_BYTES : HEAD_BYTES, bytes) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (large) (void)madvise(memory, bytes / HUGE_BYTES * HUGE_BYTES, MADV_HUGEPAGE);
#endif
    return memory;
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
    memory = fresh((size_t)bytes + HEAD_BYTES);
    if (memory == NULL) return NULL;
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
