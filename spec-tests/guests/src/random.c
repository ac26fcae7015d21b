// Draws random bytes and checks that they look random: distinct draws, about half of the bits set.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    unsigned char a[4096], b[4096];
    long bits = 0;
    for (unsigned i = 0; i < sizeof a; i += 256)
        if (getentropy(a + i, 256) || getentropy(b + i, 256)) {
            puts("getentropy failed");
            return 1;
        }
    for (unsigned i = 0; i < sizeof a; i++) bits += __builtin_popcount(a[i]);
    printf("draws differ: %d\n", memcmp(a, b, sizeof a) != 0);
    printf("bits balanced: %d\n", bits > 15500 && bits < 17268);
    return 0;
}
