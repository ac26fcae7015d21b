// PolyBench-like: the square root of a symmetric positive matrix (Cholesky), in place.
#include "../kernel.h"

enum { N = 280 };
static double start[N][N], a[N][N];

static void take_root(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++) a[i][j] -= a[i][k] * a[j][k];
            a[i][j] /= a[j][j];
        }
        for (int k = 0; k < i; k++) a[i][i] -= a[i][k] * a[i][k];
        a[i][i] = __builtin_sqrt(a[i][i]);
    }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 50);
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) start[i][j] = start[j][i] = (next_random() & 255) / 256.0 + (i == j ? 2 * N : 0);
    uint64_t sum = 0, bits;
    for (long r = 0; r < rounds; r++) {
        memcpy(a, start, sizeof a);
        take_root();
        for (int i = 0; i < N; i++) memcpy(&bits, &a[i][i ? (int)(r % i) : 0], 8), sum = fold(sum, bits);
        start[r % N][r % N] += 1;
    }
    return result("cholesky", sum);
}
