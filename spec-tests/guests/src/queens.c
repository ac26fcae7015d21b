// Counts the solutions of the n queens puzzle and draws the first. Usage: queens [n]
#include <stdio.h>
#include <stdlib.h>

static int first[16], current[16], have_first;

static long place(int n, int row, unsigned columns, unsigned left, unsigned right) {
    if (row == n) {
        if (!have_first) {
            for (int i = 0; i < n; i++) first[i] = current[i];
            have_first = 1;
        }
        return 1;
    }
    long found = 0;
    unsigned open = ((1u << n) - 1) & ~(columns | left | right);
    while (open) {
        unsigned bit = open & -open;
        open ^= bit;
        current[row] = __builtin_ctz(bit);
        found += place(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 10;
    if (n < 1 || n > 15) {
        fprintf(stderr, "usage: queens [1..15]\n");
        return 2;
    }
    long count = place(n, 0, 0, 0, 0);
    for (int r = 0; have_first && r < n; r++) {
        for (int c = 0; c < n; c++) fputs(c == first[r] ? " Q" : " .", stdout);
        putchar('\n');
    }
    printf("%d queens: %ld solutions\n", n, count);
    return 0;
}
