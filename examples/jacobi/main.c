/* Relaxes a plate with one hot cell in its middle and prints it, one row a line. */
#include <stdio.h>

#include "model.h"

enum { HEIGHT = 13, WIDTH = 17 };

int main(void) {
    static float u[HEIGHT][WIDTH], out[HEIGHT][WIDTH];
    int i, j;
    u[HEIGHT / 2][WIDTH / 2] = 1000.0f;
    if (model_relax(u[0], HEIGHT, WIDTH, out[0]) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < HEIGHT; i++)
        for (j = 0; j < WIDTH; j++) printf("%.9g%c", out[i][j], j + 1 < WIDTH ? ' ' : '\n');
    return 0;
}
