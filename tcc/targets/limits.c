/* What a processor can do at most: fused multiply-adds and copying. Compiled for the machine at hand. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { BYTES = 64, CHAINS = 24 };
#elif defined(__AVX__)
enum { BYTES = 32, CHAINS = 12 };
#else
enum { BYTES = 16, CHAINS = 12 };
#endif

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Operations a second of as many independent chains of multiply-adds as registers hold. */
#define PEAK(name, type)                                                                       \
    double name(int64_t turns) {                                                               \
        typedef type vector __attribute__((vector_size(BYTES)));                               \
        vector sums[CHAINS], factor, addend;                                                   \
        volatile type seed = (type)0.5;                                                        \
        const double start = now();                                                            \
        int64_t turn;                                                                          \
        int k, lane;                                                                           \
        for (lane = 0; lane < (int)(BYTES / sizeof(type)); lane++) factor[lane] = addend[lane] = seed; \
        for (k = 0; k < CHAINS; k++) sums[k] = factor * (type)k;                               \
        for (turn = 0; turn < turns; turn++) {                                                 \
            _Pragma("GCC unroll 24") for (k = 0; k < CHAINS; k++) sums[k] = sums[k] * factor + addend; \
        }                                                                                      \
        const double seconds = now() - start;                                                  \
        for (k = 1; k < CHAINS; k++) sums[0] += sums[k];                                       \
        seed = sums[0][0];                                                                     \
        return 2.0 * CHAINS * (BYTES / sizeof(type)) * (double)turns / seconds;                \
    }

PEAK(peak_f32, float)
PEAK(peak_f64, double)

/* Bytes a second, read and written, of copying a block that no cache holds. */
double copy(char *target, const char *source, int64_t bytes) {
    const double start = now();
    memcpy(target, source, (size_t)bytes);
    return 2.0 * (double)bytes / (now() - start);
}
