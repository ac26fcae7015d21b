// Counts lines, words and bytes of the files named, or of stdin, as wc does.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct { long lines, words, bytes; } counts;

static counts count(FILE *f) {
    counts n = {0, 0, 0};
    char buf[8192];
    int in_word = 0;
    size_t got;
    while ((got = fread(buf, 1, sizeof buf, f)) > 0) {
        n.bytes += (long)got;
        for (size_t i = 0; i < got; i++) {
            int space = isspace((unsigned char)buf[i]) != 0;
            n.lines += buf[i] == '\n';
            n.words += in_word && space;
            in_word = !space;
        }
    }
    n.words += in_word;
    return n;
}

int main(int argc, char **argv) {
    int status = 0;
    counts total = {0, 0, 0};
    if (argc < 2) {
        total = count(stdin);
        printf("%7ld %7ld %7ld\n", total.lines, total.words, total.bytes);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            fprintf(stderr, "wc: %s: %s\n", argv[i], strerror(errno));
            status = 1;
            continue;
        }
        counts n = count(f);
        fclose(f);
        printf("%7ld %7ld %7ld %s\n", n.lines, n.words, n.bytes, argv[i]);
        total.lines += n.lines, total.words += n.words, total.bytes += n.bytes;
    }
    if (argc > 2) printf("%7ld %7ld %7ld total\n", total.lines, total.words, total.bytes);
    return status;
}
