/* What one core can do at most: arithmetic, and moving bytes in each level of the memory.
 *
 * limits KIND BYTES SECONDS prints flops or bytes a second, the best of several repetitions.
 * Reads add up vectors, copies read one array and write another (both count), in memory with stores past the caches.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float f32v __attribute__((vector_size(WIDTH)));
typedef double f64v __attribute__((vector_size(WIDTH)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Chains that do not depend on each other, from different values, so that no two are the same computation. */
#define CHAINS 12
static _Alignas(64) uint8_t seeds[(CHAINS + 2) * WIDTH];
_Alignas(64) uint8_t results[CHAINS * WIDTH];

#define PEAK(NAME, SUM, OPERAND, FLOPS, STEP)                            \
    static double NAME(long n) {                                         \
        SUM sum[CHAINS];                                                 \
        OPERAND a, b;                                                    \
        memcpy(sum, seeds, sizeof sum);                                  \
        memcpy(&a, seeds + CHAINS * WIDTH, sizeof a);                    \
        memcpy(&b, seeds + (CHAINS + 1) * WIDTH, sizeof b);              \
        for (long i = 0; i < n; i++)                                     \
            for (int c = 0; c < CHAINS; c++) sum[c] = STEP;              \
        memcpy(results, sum, sizeof sum);                                \
        return (double)n * CHAINS * (FLOPS);                             \
    }

PEAK(peak_f32, f32v, f32v, 2.0 * WIDTH / 4, sum[c] * a + b)
PEAK(peak_f64, f64v, f64v, 2.0 * WIDTH / 8, sum[c] * a + b)
#if defined(__AVX512BF16__)
PEAK(peak_bf16, __m512, __m512bh, 2.0 * 32, _mm512_dpbf16_ps(sum[c], a, b))
#else
#define peak_bf16 peak_f32
#endif
#if defined(__AVX512VNNI__)
PEAK(peak_int8, __m512i, __m512i, 2.0 * 64, _mm512_dpbusd_epi32(sum[c], a, b))
#else
#define peak_int8 peak_f32
#endif

#define STREAMS 4
f32v sink[8];

static double read_bytes(const f32v *x, long vectors, long n) {
    f32v sum[8];
    long part = vectors / STREAMS;
    memset(sum, 0, sizeof sum);
    for (long r = 0; r < n; r++) {
        for (long i = 0; i + 1 < part; i += 2)
            for (int s = 0; s < STREAMS; s++) {
                sum[2 * s] += x[s * part + i];
                sum[2 * s + 1] += x[s * part + i + 1];
            }
        __asm__ volatile("" ::: "memory");
    }
    for (int s = 0; s < 8; s++) sink[s] = sum[s];
    return (double)n * (double)(part / 2 * 2) * STREAMS * WIDTH;
}

static void store(f32v *to, f32v value, int past) {
#if defined(__AVX512F__)
    if (past) {
        _mm512_stream_ps((float *)to, (__m512)value);
        return;
    }
#elif defined(__AVX__)
    if (past) {
        _mm256_stream_ps((float *)to, (__m256)value);
        return;
    }
#endif
    (void)past;
    *to = value;
}

static double copy_bytes(f32v *to, const f32v *from, long vectors, long n, int past) {
    long whole = vectors / 4 * 4;
    for (long r = 0; r < n; r++) {
        for (long i = 0; i < whole; i += 4)
            for (int s = 0; s < 4; s++) store(to + i + s, from[i + s], past);
        __asm__ volatile("" ::: "memory");
    }
    return 2.0 * (double)n * (double)whole * WIDTH;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const char *kind = argv[1];
    long bytes = atol(argv[2]);
    double seconds = atof(argv[3]), best = 0;
    long vectors = bytes / WIDTH / 2;
    f32v *x = aligned_alloc(1 << 21, (size_t)((bytes + (1 << 22)) >> 21 << 21));
    if (!x) return 1;
    memset(x, 0, (size_t)bytes);
    for (size_t i = 0; i < sizeof seeds; i++) seeds[i] = (uint8_t)(i / 5 % 61);
    double end = now() + seconds;
    for (long n = 1; now() < end;) {
        double begin = now(), amount = 0;
        if (!strcmp(kind, "f32")) amount = peak_f32(n);
        else if (!strcmp(kind, "f64")) amount = peak_f64(n);
        else if (!strcmp(kind, "bf16")) amount = peak_bf16(n);
        else if (!strcmp(kind, "int8")) amount = peak_int8(n);
        else if (!strcmp(kind, "read")) amount = read_bytes(x, 2 * vectors, n);
        else if (!strcmp(kind, "copy")) amount = copy_bytes(x + vectors, x, vectors, n, 0);
        else if (!strcmp(kind, "stream")) amount = copy_bytes(x + vectors, x, vectors, n, 1);
        else return 2;
        double took = now() - begin;
        if (took < 0.002) n *= 2;
        else if (amount / took > best) best = amount / took;
    }
    printf("%.6g\n", best);
    return 0;
}
