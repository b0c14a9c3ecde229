/* Two counters, each with a state of its own. Compiled as counter.so, so the prefix is `counter`. */
#include <stdio.h>

#include "counter.h"

int main(void) {
    const float x[3] = {1.0f, 2.0f, 3.0f};
    float sum[3];
    int i;
    counter_state *a = counter_new(), *b = counter_new();
    if (a == NULL || b == NULL) {
        fprintf(stderr, "%s\n", counter_last_error());
        return 1;
    }
    for (i = 0; i < 3; i++) counter_step(a, x, sum);
    printf("%g %g %g\n", sum[0], sum[1], sum[2]);
    counter_step(b, x, sum);
    printf("%g %g %g\n", sum[0], sum[1], sum[2]);
    counter_free(a);
    counter_free(b);
    return 0;
}
