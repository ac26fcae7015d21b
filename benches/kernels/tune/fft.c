// Fast Fourier transform, forward and back, of complex numbers in place.
#include "../kernel.h"

enum { BITS = 14, N = 1 << BITS };
typedef struct { double re, im; } complex;
static complex data[N], root[N / 2];

// Roots of one by halving angles: square roots alone, which every engine rounds alike.
static void prepare(void) {
    complex step[BITS];
    double c = -1;
    for (int i = 0; i < BITS; i++) {
        step[i].re = c, step[i].im = i ? -__builtin_sqrt(1 - c * c) : 0;
        c = __builtin_sqrt((1 + c) / 2);
    }
    for (int i = 0; i < N / 2; i++) {
        complex w = {1, 0};
        for (int bit = 0; bit < BITS - 1; bit++)
            if (i >> bit & 1) {
                complex s = step[BITS - 1 - bit];
                w = (complex){w.re * s.re - w.im * s.im, w.re * s.im + w.im * s.re};
            }
        root[i] = w;
    }
}
static void transform(double sign) {
    for (int i = 1, j = 0; i < N; i++) {
        int bit = N >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            complex t = data[i];
            data[i] = data[j], data[j] = t;
        }
    }
    for (int half = 1; half < N; half *= 2)
        for (int i = 0; i < N; i += 2 * half)
            for (int k = 0; k < half; k++) {
                complex w = root[k * (N / 2 / half)], a = data[i + k], b = data[i + k + half];
                double im = w.im * sign, re = b.re * w.re - b.im * im;
                im = b.re * im + b.im * w.re;
                data[i + k] = (complex){a.re + re, a.im + im};
                data[i + k + half] = (complex){a.re - re, a.im - im};
            }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 150);
    prepare();
    for (int i = 0; i < N; i++) data[i] = (complex){(next_random() & 255) / 8.0, 0};
    uint64_t sum = 0, bits;
    for (long r = 0; r < rounds; r++) {
        transform(1);
        memcpy(&bits, &data[(r * 37) % N].re, 8), sum = fold(sum, bits);
        transform(-1);
        for (int i = 0; i < N; i++) data[i].re /= N, data[i].im /= N;
    }
    return result("fft", sum);
}
