// Dense matrices multiplied, rows blocked for the cache.
#include "../kernel.h"

enum { N = 300 };
static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 30);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (next_random() & 255) / 16.0, b[i][j] = (next_random() & 255) / 32.0;
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                double x = a[i][k] + (double)r;
                for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
            }
    uint64_t sum = 0, bits;
    for (int i = 0; i < N; i++) memcpy(&bits, &c[i][i], 8), sum = fold(sum, bits);
    return result("matmul", sum);
}
