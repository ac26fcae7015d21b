// Prints its arguments and its environment (sorted), one a line.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;
static int order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("arg %d: [%s]\n", i, argv[i]);
    size_t n = 0;
    while (environ && environ[n]) n++;
    if (n) qsort(environ, n, sizeof *environ, order);
    for (size_t i = 0; i < n; i++) printf("env: [%s]\n", environ[i]);
    return 0;
}
