/* The library's own threads: workers that spin shortly, then sleep. A job runs on the caller and on
 * those that join it; a second caller meanwhile runs its loop alone, so callers never wait for each other.
 * Each worker begins with its own share of the range, the same in every loop of that length: what it wrote in
 * one, it finds in its cache in the next. Who is done helps the others.
 * Survives fork: a child that finds another process's number starts anew. */
#define _GNU_SOURCE
#include "native.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum { MAX_THREADS = 255, SPINS = 2000, PIECES_PER_WORKER = 4, CHANGING = -1 };

/* `door`: number of the job << 32 | places left in it << 16 | workers inside it. A worker comes in by
 * taking a place; once places are 0 and nobody is inside, the job's fields may change. */
static struct {
    uint64_t door;
    uint32_t bell;     /* changes with each job and on stopping; workers sleep on it */
    uint32_t done;     /* changes when the last worker leaves; the caller sleeps on it */
    uint32_t sleepers;
    uint32_t stopping;
    int32_t busy;
    int processor; /* that the last call came from */
    pid_t process;
    int32_t threads;
    pthread_t handles[MAX_THREADS];
    tcc_body body;
    void *arg;
    int64_t n, piece, pieces;
    int32_t ways; /* workers that there is a share for */
    struct {
        int64_t next, end; /* in pieces */
        char apart[48];    /* a cache line each */
    } shares[MAX_THREADS + 1];
} pool;

#define PLACE ((uint64_t)1 << 16)
#define PLACES(door) ((int32_t)((door) >> 16 & 0xffff))
#define INSIDE(door) ((int32_t)((door) & 0xffff))

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if defined(__linux__)
/* Moves a worker off the processor that calls come from: woken there it would wait for the caller to wait for
 * it, again and again. The mask is the thread's own afterwards. */
static void make_way(int processor) {
    cpu_set_t allowed, others;
    if (sched_getcpu() != processor || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    others = allowed;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
    sched_setaffinity(0, sizeof allowed, &allowed);
}
#endif

/* One turn of waiting for another thread, which may have been put on this very processor. */
static void spin(int turn) {
    if (turn % 32 == 0)
        sched_yield();
    else
        pause_briefly();
}

/* Returns when `word` is no longer `value`, or spuriously. */
static void sleep_on(uint32_t *word, uint32_t value) {
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) usleep(50);
#endif
}

static void wake(uint32_t *word, int count) {
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
#else
    (void)word;
    (void)count;
#endif
}

static void work(int32_t worker) {
    const int64_t piece = pool.piece;
    for (int32_t turn = 0; turn < pool.ways; turn++) {
        const int32_t share = (worker + turn) % pool.ways;
        for (;;) {
            const int64_t number = __atomic_fetch_add(&pool.shares[share].next, 1, __ATOMIC_RELAXED);
            if (number >= pool.shares[share].end) break;
            pool.body(pool.arg, number * piece, number + 1 == pool.pieces ? pool.n : (number + 1) * piece, worker);
        }
    }
}

/* Joins a job that has a place, works, leaves. Returns 0 when there was none. The caller is worker 0, a thread
 * the one of its number where all are wanted. */
static int join_job(int32_t number) {
    uint64_t door = __atomic_load_n(&pool.door, __ATOMIC_SEQ_CST);
    do {
        if (PLACES(door) == 0) return 0;
    } while (!__atomic_compare_exchange_n(&pool.door, &door, door - PLACE + 1, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    work(pool.ways == pool.threads + 1 ? number : PLACES(door));
    door = __atomic_sub_fetch(&pool.door, 1, __ATOMIC_RELEASE);
    if (PLACES(door) == 0 && INSIDE(door) == 0) {
        __atomic_fetch_add(&pool.done, 1, __ATOMIC_SEQ_CST);
        wake(&pool.done, 1);
    }
    return 1;
}

static void *serve(void *number) {
    int spins = 0;
    while (!__atomic_load_n(&pool.stopping, __ATOMIC_ACQUIRE)) {
        const uint32_t bell = __atomic_load_n(&pool.bell, __ATOMIC_SEQ_CST);
        if (join_job((int32_t)(intptr_t)number)) {
            spins = 0;
        } else if (spins++ < SPINS) {
#if defined(__linux__)
            if (spins == 1) make_way(__atomic_load_n(&pool.processor, __ATOMIC_RELAXED));
#endif
            spin(spins);
        } else {
            __atomic_fetch_add(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
            sleep_on(&pool.bell, bell);
            __atomic_fetch_sub(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
            spins = 0;
        }
    }
    return NULL;
}

/* Starts threads until there are `wanted`; fewer when the system has no more. Called while busy. */
static void grow(int32_t wanted) {
    sigset_t all, before;
    if (wanted > MAX_THREADS) wanted = MAX_THREADS;
    if (pool.threads >= wanted) return;
    sigfillset(&all); /* the host's signal handlers run on the host's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.threads < wanted && pthread_create(&pool.handles[pool.threads], NULL, serve,
                                                   (void *)(intptr_t)(pool.threads + 1)) == 0)
        pool.threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Whether the pool is this process's. The first caller makes it so; others meanwhile get 0. */
static int ready(void) {
    const pid_t process = getpid();
    pid_t owner = __atomic_load_n(&pool.process, __ATOMIC_ACQUIRE);
    if (owner == process) return 1;
    if (owner == CHANGING ||
        !__atomic_compare_exchange_n(&pool.process, &owner, CHANGING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    __atomic_store_n(&pool.door, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.sleepers, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.stopping, 0, __ATOMIC_RELAXED);
    pool.threads = 0;
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.process, process, __ATOMIC_RELEASE);
    return 1;
}

/* The caller has left the loop to the workers that are still inside it. */
static void wait_for_workers(void) {
    int spins = 0;
    uint64_t door = __atomic_load_n(&pool.door, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&pool.door, &door, door & ~((uint64_t)0xffff << 16), 1, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
    }
    for (;;) {
        const uint32_t done = __atomic_load_n(&pool.done, __ATOMIC_SEQ_CST);
        if (INSIDE(__atomic_load_n(&pool.door, __ATOMIC_ACQUIRE)) == 0) return;
        if (spins++ < SPINS)
            spin(spins);
        else
            sleep_on(&pool.done, done);
    }
}

void tcc_pool_run(void *unused, tcc_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers) {
    int64_t pieces, piece;
    uint64_t job;
    int32_t helpers, idle = 0;
    (void)unused;
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    pieces = n / grain + (n % grain != 0);
    helpers = max_workers - 1;
    if (helpers > MAX_THREADS) helpers = MAX_THREADS;
    if (pieces - 1 < helpers) helpers = (int32_t)(pieces - 1);
    if (helpers <= 0 || !ready() ||
        !__atomic_compare_exchange_n(&pool.busy, &idle, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        body(arg, 0, n, 0);
        return;
    }
    grow(helpers);
    if (helpers > pool.threads) helpers = pool.threads;
    piece = pieces / ((int64_t)(helpers + 1) * PIECES_PER_WORKER);
#if defined(__linux__)
    __atomic_store_n(&pool.processor, sched_getcpu(), __ATOMIC_RELAXED);
#endif
    pool.piece = (piece < 1 ? 1 : piece) * grain;
    pool.pieces = n / pool.piece + (n % pool.piece != 0);
    pool.ways = helpers + 1;
    for (int32_t way = 0; way <= helpers; way++) {
        __atomic_store_n(&pool.shares[way].next, way * pool.pieces / pool.ways, __ATOMIC_RELAXED);
        pool.shares[way].end = (way + 1) * pool.pieces / pool.ways;
    }
    pool.body = body;
    pool.arg = arg;
    pool.n = n;
    job = (__atomic_load_n(&pool.door, __ATOMIC_RELAXED) >> 32) + 1;
    __atomic_store_n(&pool.door, job << 32 | (uint64_t)(uint32_t)helpers << 16, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&pool.bell, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool.sleepers, __ATOMIC_SEQ_CST) > 0) wake(&pool.bell, helpers);
    work(0);
    wait_for_workers();
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
}

int32_t tcc_pool_workers(void) {
    static int32_t counted;
    int32_t workers = __atomic_load_n(&counted, __ATOMIC_RELAXED);
    const char *asked;
    if (workers > 0) return workers;
    asked = getenv("TCC_NUM_THREADS");
    workers = asked != NULL ? (int32_t)strtol(asked, NULL, 10) : 0;
    if (workers <= 0) {
#if defined(__linux__)
        cpu_set_t allowed;
        workers = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
#else
        workers = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
#endif
    }
    if (workers < 1) workers = 1;
    if (workers > MAX_THREADS + 1) workers = MAX_THREADS + 1;
    __atomic_store_n(&counted, workers, __ATOMIC_RELAXED);
    return workers;
}

/* Ends the threads, unless a job is running. Also when the library is unloaded, whose code they run. */
__attribute__((destructor)) void tcc_pool_trim(void) {
    int32_t idle = 0;
    if (__atomic_load_n(&pool.process, __ATOMIC_ACQUIRE) != getpid()) return;
    if (!__atomic_compare_exchange_n(&pool.busy, &idle, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    __atomic_store_n(&pool.stopping, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&pool.bell, 1, __ATOMIC_SEQ_CST);
    wake(&pool.bell, MAX_THREADS);
    while (pool.threads > 0) pthread_join(pool.handles[--pool.threads], NULL);
    __atomic_store_n(&pool.stopping, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
}
