/* Nanoseconds of one call of an addition of 8 floats, compiled by tcc and by the C compiler: the best of many samples. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#include "tiny.h"

#define CALLS 100000

static void add(const float *a, const float *b, float *out) {
    for (int i = 0; i < 8; i++) out[i] = a[i] + b[i];
}

/* Not known to the compiler, so that the call stays one. */
static void (*volatile plain)(const float *, const float *, float *) = add;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

int main(void) {
    float a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, b[8] = {0}, out[8];
    double best[2] = {1e9, 1e9};
    for (int sample = 0; sample < 50; sample++) {
        double begin = now();
        for (int i = 0; i < CALLS; i++)
            if (tiny_run(a, b, out)) return 1;
        double between = now();
        for (int i = 0; i < CALLS; i++) plain(a, b, out);
        double end = now();
        if ((between - begin) / CALLS < best[0]) best[0] = (between - begin) / CALLS;
        if ((end - between) / CALLS < best[1]) best[1] = (end - between) / CALLS;
    }
    printf("%.2f %.2f\n", best[0], best[1]);
    return 0;
}
