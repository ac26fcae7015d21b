// PolyBench-like: Jacobi relaxation in two dimensions, there and back between two arrays.
#include "../kernel.h"

enum { N = 300 };
static double a[N][N], b[N][N];

static void relax(double (*to)[N], double (*from)[N]) {
    for (int i = 1; i < N - 1; i++)
        for (int j = 1; j < N - 1; j++)
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i + 1][j] + from[i - 1][j]);
}

int main(int argc, char **argv) {
    long steps = work_size(argc, argv, 1500);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (next_random() & 1023) / 512.0, b[i][j] = a[i][j] / 3;
    for (long s = 0; s < steps; s++) relax(b, a), relax(a, b);
    uint64_t sum = 0, bits;
    for (int i = 0; i < N; i++) memcpy(&bits, &a[i][(i * 11) % N], 8), sum = fold(sum, bits);
    return result("jacobi2d", sum);
}
