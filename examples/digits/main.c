/* Classifies the held-out handwritten digits with the compiled model: no Python, no framework.
 *
 *   tcc compile examples/digits/model.py -o build/model.so
 *   cc -std=c99 -Ibuild examples/digits/main.c build/model.so -Wl,-rpath,build -o build/digits
 *   build/digits examples/digits/digits.csv
 */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model.h"

enum { ROWS = 1797, TRAINING_ROWS = 1347, PIXELS = 64, CLASSES = 10 };

static float images[ROWS][PIXELS];
static int digits[ROWS];

static int read_digits(const char *path) {
    FILE *file = fopen(path, "r");
    int row, pixel;
    if (file == NULL) return 0;
    for (row = 0; row < ROWS; row++) {
        for (pixel = 0; pixel < PIXELS; pixel++)
            if (fscanf(file, "%f,", &images[row][pixel]) != 1) return 0;
        if (fscanf(file, "%d", &digits[row]) != 1) return 0;
    }
    fclose(file);
    return 1;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    const int64_t count = ROWS - TRAINING_ROWS;
    static float probabilities[ROWS][CLASSES];
    static int64_t found[ROWS];
    const int repetitions = 20;
    int64_t i, right = 0;
    double start, best = 1e9;
    int r, round;

    if (argc != 2 || !read_digits(argv[1])) {
        fprintf(stderr, "usage: %s digits.csv\n", argv[0]);
        return 2;
    }
    if (model_classify(images[TRAINING_ROWS], count, probabilities[0]) != MODEL_OK ||
        model_digit(images[TRAINING_ROWS], count, found) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < count; i++) right += found[i] == digits[TRAINING_ROWS + i];

    for (round = 0; round < 20; round++) {
        start = seconds();
        for (r = 0; r < repetitions; r++) model_classify(images[TRAINING_ROWS], count, probabilities[0]);
        start = (seconds() - start) / repetitions;
        if (start < best) best = start;
    }
    printf("C:      %lld of %lld held-out digits right (%.2f %%), %.2f us per call of %lld images\n", (long long)right,
           (long long)count, 100.0 * (double)right / (double)count, 1e6 * best, (long long)count);
    printf("        the first is a %lld, with probability %.4f\n", (long long)found[0], probabilities[0][found[0]]);
    return 0;
}
