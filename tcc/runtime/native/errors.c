/* The message of the last failure, one for each thread. Kept under a pthread key and allocated by the
 * first failure: a thread-local variable would make the library need the dynamic loader's own. */
#include "native.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 1024 };

static pthread_key_t key;
static int key_made;

__attribute__((constructor)) static void make_key(void) {
    key_made = pthread_key_create(&key, free) == 0;
}

__attribute__((destructor)) static void delete_key(void) {
    if (!key_made) return;
    free(pthread_getspecific(key));
    pthread_key_delete(key);
    key_made = 0;
}

int32_t tcc_fail(int32_t status, const char *format, ...) {
    va_list arguments;
    char *text;
    if (!key_made) return status;
    text = pthread_getspecific(key);
    if (text == NULL) {
        text = malloc(TEXT_BYTES);
        if (text == NULL) return status;
        if (pthread_setspecific(key, text) != 0) {
            free(text);
            return status;
        }
    }
    va_start(arguments, format);
    vsnprintf(text, TEXT_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

const char *tcc_error_text(void) {
    const char *text = key_made ? pthread_getspecific(key) : NULL;
    return text != NULL ? text : "";
}
