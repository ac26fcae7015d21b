// Sorts the lines of stdin through qsort's callback. Usage: sort [-r] [-n]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static int by_number(const void *a, const void *b) {
    double x = atof(*(char *const *)a), y = atof(*(char *const *)b);
    return x < y ? -1 : x > y ? 1 : by_text(a, b);
}

int main(int argc, char **argv) {
    int (*order)(const void *, const void *) = by_text;
    int reverse = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-r")) reverse = 1;
        else if (!strcmp(argv[i], "-n")) order = by_number;
        else {
            fprintf(stderr, "sort: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    char **lines = NULL, *line = NULL;
    size_t count = 0, room = 0, size = 0;
    while (getline(&line, &size, stdin) >= 0) {
        if (count == room) lines = realloc(lines, (room = room ? 2 * room : 64) * sizeof *lines);
        line[strcspn(line, "\n")] = 0;
        lines[count++] = strdup(line);
    }
    qsort(lines, count, sizeof *lines, order);
    for (size_t i = 0; i < count; i++) puts(lines[reverse ? count - 1 - i : i]);
    return 0;
}
