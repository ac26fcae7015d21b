#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
    qsort(argv + 1, argc - 1, sizeof *argv, order);
    for (int i = 1; i < argc; i++) printf("%d %s %.3f\n", i, argv[i], i / 3.0);
    return argc;
}
