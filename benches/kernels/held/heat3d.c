// PolyBench-like: heat spreads through a cube, three dimensions of second differences.
#include "../kernel.h"

enum { N = 60 };
static double a[N][N][N], b[N][N][N];

static void spread(double (*to)[N][N], double (*from)[N][N]) {
    for (int i = 1; i < N - 1; i++)
        for (int j = 1; j < N - 1; j++)
            for (int k = 1; k < N - 1; k++)
                to[i][j][k] = 0.125 * (from[i + 1][j][k] - 2.0 * from[i][j][k] + from[i - 1][j][k]) +
                              0.125 * (from[i][j + 1][k] - 2.0 * from[i][j][k] + from[i][j - 1][k]) +
                              0.125 * (from[i][j][k + 1] - 2.0 * from[i][j][k] + from[i][j][k - 1]) + from[i][j][k];
}

int main(int argc, char **argv) {
    long steps = work_size(argc, argv, 400);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < N; k++) a[i][j][k] = b[i][j][k] = (next_random() & 1023) / 128.0;
    for (long s = 0; s < steps; s++) spread(b, a), spread(a, b);
    uint64_t sum = 0, bits;
    for (int i = 0; i < N; i++) memcpy(&bits, &a[i][(i * 7) % N][(i * 11) % N], 8), sum = fold(sum, bits);
    return result("heat3d", sum);
}
