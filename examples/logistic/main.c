/* The probability that a digit is even, for the images of a digits.csv: prints one a line. */
#include <stdio.h>

#include "model.h"

enum { ROWS = 1797, PIXELS = 64 };

int main(int argc, char **argv) {
    static double x[ROWS][PIXELS], probability[ROWS];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    int i, j, digit;
    if (file == NULL) {
        fprintf(stderr, "usage: %s digits.csv\n", argv[0]);
        return 2;
    }
    for (i = 0; i < ROWS; i++) {
        for (j = 0; j < PIXELS; j++)
            if (fscanf(file, "%lf,", &x[i][j]) != 1) return 2;
        if (fscanf(file, "%d", &digit) != 1) return 2;
    }
    fclose(file);
    if (model_probability(x[0], ROWS, probability) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < ROWS; i++) printf("%.17g\n", probability[i]);
    return 0;
}
