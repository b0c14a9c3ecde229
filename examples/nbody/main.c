/* Accelerations of bodies on a spiral: one body a line. */
#include <stdio.h>

#include "model.h"

enum { N = 100 };

int main(void) {
    float position[N][3], mass[N], acceleration[N][3];
    int i;
    for (i = 0; i < N; i++) {
        position[i][0] = (float)((i * 37) % N) / N;
        position[i][1] = (float)((i * 61) % N) / N;
        position[i][2] = (float)i / N;
        mass[i] = 1.0f + (float)(i % 3);
    }
    if (model_accelerations(position[0], mass, N, acceleration[0]) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < N; i++)
        printf("%.9g %.9g %.9g\n", acceleration[i][0], acceleration[i][1], acceleration[i][2]);
    return 0;
}
