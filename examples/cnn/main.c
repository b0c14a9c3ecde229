/* Classifies images of a digits.csv with a convolutional network: prints ten probabilities a line. */
#include <stdio.h>

#include "model.h"

enum { ROWS = 450, FIRST = 1347, PIXELS = 64, CLASSES = 10 };

int main(int argc, char **argv) {
    static float x[ROWS][PIXELS], probabilities[ROWS][CLASSES];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    int i, j, digit;
    if (file == NULL) {
        fprintf(stderr, "usage: %s digits.csv\n", argv[0]);
        return 2;
    }
    for (i = 0; i < FIRST + ROWS; i++) {
        float *image = x[i < FIRST ? 0 : i - FIRST];
        for (j = 0; j < PIXELS; j++)
            if (fscanf(file, "%f,", &image[j]) != 1) return 2;
        if (fscanf(file, "%d", &digit) != 1) return 2;
    }
    fclose(file);
    if (model_classify(x[0], ROWS, probabilities[0]) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < ROWS; i++)
        for (j = 0; j < CLASSES; j++) printf("%.9g%c", probabilities[i][j], j + 1 < CLASSES ? ' ' : '\n');
    return 0;
}
