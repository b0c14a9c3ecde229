/* Eight threads call the toy library with every number of workers, then children do after a fork. */
#include "model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGEST = 2000, THREADS = 8, ROUNDS = 150 };

static int wrong;

static void *work(void *arg) {
    const int seed = (int)(size_t)arg;
    double *y = malloc(sizeof *y * (LARGEST + 1)), *squares = malloc(sizeof *y * (LARGEST + 1));
    double *rows = calloc(LARGEST, sizeof *rows);
    float x[40], out[40], w[4] = {1, 2, 3, 4};
    int bad = 0, i, round;
    for (i = 0; i <= LARGEST; i++) y[i] = i;
    for (i = 0; i < 40; i++) x[i] = (float)i;
    for (round = 0; round < ROUNDS; round++) {
        const int m = 17 + (round * 37 + seed) % (LARGEST - 17);
        model_context context = {0};
        context.size = sizeof context;
        context.max_workers = 1 + (round + seed) % 6;
        bad |= model_squares_ctx(y, rows, m, 0, squares, NULL, &context) != MODEL_OK;
        for (i = 0; i <= m; i++) bad |= squares[i] != (double)i * i;
        bad |= model_scale(x, w, 1 + round % 10, out) != MODEL_OK || out[3] != 3 * 4 + 4;
        bad |= model_scale(NULL, w, 3, out) != MODEL_INVALID_ARGUMENT || model_last_error()[0] != 's';
        if (round % 40 == seed) model_trim();
    }
    free(y);
    free(squares);
    free(rows);
    if (bad) __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    size_t i;
    (void)argv;
    for (i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (i = 0; i < 3 && argc > 1; i++) {
        int status = 1;
        const pid_t child = fork();
        if (child == 0) {
            work((void *)i);
            _exit(wrong);
        }
        waitpid(child, &status, 0);
        wrong |= status;
    }
    printf("%s\n", wrong ? "wrong" : "right");
    return wrong;
}
