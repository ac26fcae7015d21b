// 128-bit vectors: dot products and a small matrix product in single precision.
#include "../kernel.h"

typedef float f4 __attribute__((vector_size(16)));
enum { N = 256 };
static f4 a[N][N / 4], b[N][N / 4];
static float c[N][N];

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N / 4; j++)
            for (int l = 0; l < 4; l++) a[i][j][l] = (float)(next_random() & 15), b[i][j][l] = (float)(next_random() & 15);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                f4 s0 = {0}, s1 = {0};
                for (int k = 0; k < N / 4; k += 2) s0 += a[i][k] * b[j][k], s1 += a[i][k + 1] * b[j][k + 1];
                s0 += s1;
                c[i][j] += s0[0] + s0[1] + s0[2] + s0[3];
            }
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) sum = fold(sum, (uint64_t)c[i][(i * 7) % N]);
    return result("simd_dot", sum);
}
