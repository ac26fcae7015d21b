// The Mandelbrot set counted in double precision.
#include "../kernel.h"

int main(int argc, char **argv) {
    int size = (int)work_size(argc, argv, 900);
    uint64_t sum = 0;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            double cr = -2.0 + 2.6 * x / size, ci = -1.3 + 2.6 * y / size, zr = 0, zi = 0;
            int n = 0;
            while (n < 400 && zr * zr + zi * zi < 4.0) {
                double t = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = t;
                n++;
            }
            sum += (uint64_t)n * (uint64_t)(x ^ y);
        }
    return result("mandel", sum);
}
