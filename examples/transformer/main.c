/* One transformer block on a sequence of eleven vectors: one vector a line. */
#include <stdio.h>

#include "model.h"

enum { SEQ = 11, WIDTH = 64 };

int main(void) {
    static float x[SEQ][WIDTH], out[SEQ][WIDTH];
    int i, j;
    for (i = 0; i < SEQ; i++)
        for (j = 0; j < WIDTH; j++) x[i][j] = (float)((i * 31 + j * 17) % 23) / 11.0f - 1.0f;
    if (model_block(x[0], SEQ, out[0]) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < SEQ; i++)
        for (j = 0; j < WIDTH; j++) printf("%.9g%c", out[i][j], j + 1 < WIDTH ? ' ' : '\n');
    return 0;
}
