/* The threads of one block as fibers of this thread, run in a random order that a seed fixes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { THREADS = 1024, WARP = 32, STACK = 64 << 10 };

typedef struct { ucontext_t context; int done; } Fiber;
typedef struct { int arrived; uint64_t generation; } Meeting;

static Fiber fibers[THREADS];
static char *stacks;
static ucontext_t scheduler;
static int count, self, block;
static uint64_t progress, random_state;
static Meeting all, warps[THREADS / WARP];
static uint32_t slots[THREADS][6];
static void (*kernel)(void *);
static void *kernel_arguments;

static uint32_t random_number(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static void pause_fiber(void) { swapcontext(&fibers[self].context, &scheduler); }

static void meet(Meeting *meeting, int number) {
    uint64_t generation = meeting->generation;
    progress++;
    if (++meeting->arrived == number) {
        meeting->arrived = 0;
        meeting->generation++;
    } else
        while (meeting->generation == generation) pause_fiber();
}

static void meet_warp(void) { meet(&warps[self / WARP], WARP); }

static void start(void) {
    kernel(kernel_arguments);
    fibers[self].done = 1;
    progress++;
    pause_fiber();
}

/* 0, or 1 where the threads wait for each other without end. */
int emulator_run(void (*function)(void *), void *arguments, int threads, int number, uint64_t seed) {
    if (!stacks) stacks = malloc((size_t)THREADS * STACK);
    kernel = function, kernel_arguments = arguments, count = threads, block = number, random_state = seed;
    memset(&all, 0, sizeof all), memset(warps, 0, sizeof warps);
    for (int n = 0; n < threads; n++) {
        getcontext(&fibers[n].context);
        fibers[n].context.uc_stack.ss_sp = stacks + (size_t)n * STACK;
        fibers[n].context.uc_stack.ss_size = STACK;
        fibers[n].done = 0;
        makecontext(&fibers[n].context, start, 0);
    }
    for (uint32_t asleep = 0;;) {
        uint64_t before = progress;
        int live = 0;
        uint32_t first = random_number(), stride = random_number() | 1;
        for (int n = 0; n < THREADS; n++) {
            int next = (int)((first + (uint32_t)n * stride) % THREADS);
            if (next >= threads || fibers[next].done) continue;
            live++;
            /* Some warps fall behind, so that others overwrite what they have not read. */
            if (asleep >> (next / WARP) & 1) continue;
            self = next;
            swapcontext(&scheduler, &fibers[next].context);
        }
        if (!live) return 0;
        if (progress == before && !asleep) return 1;
        if (progress == before)
            asleep = 0;
        else if (random_number() % 16 == 0)
            asleep = random_number() & random_number();
    }
}

int32_t emulator_thread(void) { return self; }
int32_t emulator_block(void) { return block; }
void emulator_barrier(void) { meet(&all, count); }

static uint32_t exchanged(uint32_t value, int source) {
    slots[self][0] = value;
    meet_warp();
    uint32_t found = slots[self - self % WARP + source][0];
    meet_warp();
    return found;
}

int32_t emulator_down(int32_t value, int32_t distance) {
    int source = self % WARP + distance;
    return (int32_t)exchanged((uint32_t)value, source < WARP ? source : self % WARP);
}

int32_t emulator_idx(int32_t value, int32_t lane) { return (int32_t)exchanged((uint32_t)value, lane % WARP); }

static float bf16(uint32_t word, int half) {
    uint32_t bits = half ? word & 0xFFFF0000u : word << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* mma.m16n8k16: four words of A, two of B, four sums; the sums are replaced. */
void emulator_mma(uint32_t *words, float *sums) {
    memcpy(slots[self], words, sizeof slots[self]);
    meet_warp();
    int base = self - self % WARP, group = self % WARP / 4, pair = self % 4 * 2;
    for (int n = 0; n < 4; n++) {
        int row = group + 8 * (n / 2), column = pair + n % 2;
        for (int k = 0; k < 16; k++) {
            uint32_t a = slots[base + row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)];
            uint32_t b = slots[base + column * 4 + k % 8 / 2][4 + k / 8];
            sums[n] += bf16(a, k % 2) * bf16(b, k % 2);
        }
    }
    meet_warp();
}
