// PolyBench-like: C = alpha A B + beta C, each element a dot product down a column.
#include "../kernel.h"

enum { N = 200, M = 220, K = 240 };
static double a[N][K], b[K][M], c[N][M];

static void gemm(double alpha, double beta) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < M; j++) {
            double s = 0;
            for (int k = 0; k < K; k++) s += a[i][k] * b[k][j];
            c[i][j] = alpha * s + beta * c[i][j];
        }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 30);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++) a[i][k] = (next_random() & 255) / 256.0;
    for (int k = 0; k < K; k++)
        for (int j = 0; j < M; j++) b[k][j] = (next_random() & 255) / 256.0;
    for (long r = 0; r < rounds; r++) gemm(1.5, 0.25);
    uint64_t sum = 0, bits;
    for (int i = 0; i < N; i++) memcpy(&bits, &c[i][(i * 7) % M], 8), sum = fold(sum, bits);
    return result("gemm", sum);
}
