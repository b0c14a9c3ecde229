/* Prices a ladder of strikes: prints strike, call and put. */
#include <stdio.h>

#include "model.h"

enum { N = 21 };

int main(void) {
    float spot[N], strike[N], years[N], call[N], put[N];
    const float rate = 0.02f, volatility = 0.3f;
    int i;
    for (i = 0; i < N; i++) {
        spot[i] = 100.0f;
        strike[i] = 50.0f + 5.0f * (float)i;
        years[i] = 0.5f;
    }
    if (model_price(spot, strike, years, &rate, &volatility, N, call, put) != MODEL_OK) {
        fprintf(stderr, "%s\n", model_last_error());
        return 1;
    }
    for (i = 0; i < N; i++) printf("%.9g %.9g %.9g\n", strike[i], call[i], put[i]);
    return 0;
}
