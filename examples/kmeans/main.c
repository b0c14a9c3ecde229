/* Ten steps of k-means on three clouds of points: prints the centres after each step. */
#include <stdio.h>
#include <string.h>

#include "model.h"

enum { N = 300, D = 2, K = 3, STEPS = 10 };

int main(void) {
    float points[N][D], centres[K][D], moved[K][D];
    int64_t nearest[N];
    int i, s, k;
    for (i = 0; i < N; i++) {
        points[i][0] = (float)(10 * (i % K)) + (float)((i * 37) % 101) / 50.0f;
        points[i][1] = (float)(5 * (i % K)) + (float)((i * 61) % 103) / 50.0f;
    }
    memcpy(centres, points, sizeof centres);
    for (s = 0; s < STEPS; s++) {
        if (model_step(points[0], centres[0], N, D, K, nearest, moved[0]) != MODEL_OK) {
            fprintf(stderr, "%s\n", model_last_error());
            return 1;
        }
        memcpy(centres, moved, sizeof centres);
        for (k = 0; k < K; k++) printf("%.9g %.9g%c", centres[k][0], centres[k][1], k + 1 < K ? ' ' : '\n');
    }
    return 0;
}
