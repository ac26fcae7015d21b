// PolyBench-like: a matrix taken apart into a lower and an upper triangle, in place.
#include "../kernel.h"

enum { N = 240 };
static double start[N][N], a[N][N];

static void take_apart(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++) a[i][j] -= a[i][k] * a[k][j];
            a[i][j] /= a[j][j];
        }
        for (int j = i; j < N; j++)
            for (int k = 0; k < i; k++) a[i][j] -= a[i][k] * a[k][j];
    }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 25);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) start[i][j] = (next_random() & 255) / 256.0 + (i == j ? 2 * N : 0);
    uint64_t sum = 0, bits;
    for (long r = 0; r < rounds; r++) {
        memcpy(a, start, sizeof a);
        take_apart();
        for (int i = 0; i < N; i++) memcpy(&bits, &a[i][(i * 3 + r) % N], 8), sum = fold(sum, bits);
        start[r % N][r % N] += 1;
    }
    return result("lu", sum);
}
