// 128-bit vectors: the Mandelbrot set, four points at once in single precision.
#include "../kernel.h"

typedef float f4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));

int main(int argc, char **argv) {
    long size = work_size(argc, argv, 800);
    uint64_t sum = 0;
    for (long y = 0; y < size; y++)
        for (long x = 0; x < size; x += 4) {
            f4 column = {(float)x, (float)(x + 1), (float)(x + 2), (float)(x + 3)};
            f4 cr = column * (3.0f / (float)size) - 2.2f, ci = (f4){0} + ((float)y * (2.4f / (float)size) - 1.2f);
            f4 zr = {0}, zi = {0};
            i4 steps = {0};
            for (int n = 0; n < 150; n++) {
                f4 rr = zr * zr, ii = zi * zi;
                i4 inside = rr + ii <= 4.0f;
                if (!(inside[0] | inside[1] | inside[2] | inside[3])) break;
                steps -= inside;
                zi = 2.0f * zr * zi + ci;
                zr = rr - ii + cr;
            }
            sum = fold(sum, (uint64_t)(uint32_t)(steps[0] + 256 * steps[1]) << 32 | (uint32_t)(steps[2] + 256 * steps[3]));
        }
    return result("simd_mandel", sum);
}
