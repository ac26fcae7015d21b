// Counts the lines of stdin and remembers the longest.
#include <stdio.h>

int main(void) {
    long lines = 0, now = 0, longest = 0;
    for (int c; (c = getchar()) != EOF;) {
        if (c == '\n') {
            lines++;
            now = 0;
        } else if (++now > longest) {
            longest = now;
        }
    }
    printf("%ld lines, longest %ld\n", lines, longest);
    return 0;
}
