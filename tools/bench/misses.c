/* Calls a function of a library a number of times, to be run in a simulator of caches.
 *
 *   misses LIBRARY FUNCTION CALLS ARRAY...
 *
 * ARRAY is a file, whose bytes are an argument, or a number: an argument of so many bytes.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 12 };

typedef int function(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *);

static void *array(const char *text) {
    FILE *file = isdigit((unsigned char)*text) ? NULL : fopen(text, "rb");
    size_t size = file ? 0 : strtoull(text, NULL, 10);
    if (file) {
        if (fseek(file, 0, SEEK_END) != 0) exit(3);
        size = (size_t)ftell(file);
        rewind(file);
    }
    void *data = aligned_alloc(4096, (size + 4096) / 4096 * 4096);
    if (!data || (file && fread(data, 1, size, file) != size)) exit(3);
    if (file) fclose(file);
    return data;
}

int main(int arguments, char **argument) {
    void *a[MOST] = {0};
    if (arguments < 4 || arguments - 4 > MOST) return 2;
    void *library = dlopen(argument[1], RTLD_NOW);
    function *call = library ? (function *)dlsym(library, argument[2]) : NULL;
    if (!call) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    for (int i = 4; i < arguments; i++) a[i - 4] = array(argument[i]);
    for (int calls = atoi(argument[3]); calls > 0; calls--) {
        int status = call(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
        if (status) return 10 + status;
    }
    return 0;
}
