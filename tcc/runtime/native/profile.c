/* Where the time of a call goes, for calls that ask for it. */
#define _GNU_SOURCE
#include "native.h"

#include <time.h>

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void tcc_profile_begin(tcc_profile *steps, int64_t step) {
    steps[step].nanoseconds -= now();
}

void tcc_profile_end(tcc_profile *steps, int64_t step) {
    steps[step].nanoseconds += now();
    steps[step].runs += 1;
}
