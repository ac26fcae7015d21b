// Five bodies under gravity, in double precision.
#include "../kernel.h"
#include <math.h>

typedef struct { double p[3], v[3], mass; } body;

int main(int argc, char **argv) {
    long steps = work_size(argc, argv, 8000000);
    body b[5];
    for (int i = 0; i < 5; i++) {
        b[i].mass = i ? 0.001 * i : 39.5;
        for (int d = 0; d < 3; d++) b[i].p[d] = i * (1.3 + d) * (d & 1 ? -1 : 1), b[i].v[d] = i ? 0.4 * (d + 1) / i : 0;
    }
    for (long s = 0; s < steps; s++) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                double d[3], d2 = 0.01;
                for (int c = 0; c < 3; c++) d[c] = b[i].p[c] - b[j].p[c], d2 += d[c] * d[c];
                double mag = 0.001 / (d2 * sqrt(d2));
                for (int c = 0; c < 3; c++) b[i].v[c] -= d[c] * b[j].mass * mag, b[j].v[c] += d[c] * b[i].mass * mag;
            }
        for (int i = 0; i < 5; i++)
            for (int c = 0; c < 3; c++) b[i].p[c] += 0.001 * b[i].v[c];
    }
    uint64_t sum = 0, bits;
    for (int i = 0; i < 5; i++) memcpy(&bits, &b[i].p[0], 8), sum = fold(sum, bits);
    return result("nbody", sum);
}
