// Big integers: powers modulo an odd number of 1024 bits by Montgomery's multiplication, 32 bits a limb.
#include "../kernel.h"

enum { N = 32 };
typedef uint32_t number[N];
static number modulus;
static uint32_t inverse;

static int at_least(const uint32_t *a, const uint32_t *b) {
    for (int i = N; i-- > 0;)
        if (a[i] != b[i]) return a[i] > b[i];
    return 1;
}
static void subtract(uint32_t *a, const uint32_t *b) {
    uint64_t borrow = 0;
    for (int i = 0; i < N; i++) {
        uint64_t d = (uint64_t)a[i] - b[i] - borrow;
        a[i] = (uint32_t)d, borrow = d >> 63;
    }
}
static void multiply(number out, const uint32_t *a, const uint32_t *b) {
    uint32_t t[N + 2] = {0};
    for (int i = 0; i < N; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < N; j++) {
            carry += (uint64_t)a[i] * b[j] + t[j];
            t[j] = (uint32_t)carry, carry >>= 32;
        }
        carry += t[N];
        t[N] = (uint32_t)carry, t[N + 1] = (uint32_t)(carry >> 32);
        uint32_t m = t[0] * inverse;
        carry = ((uint64_t)m * modulus[0] + t[0]) >> 32;
        for (int j = 1; j < N; j++) {
            carry += (uint64_t)m * modulus[j] + t[j];
            t[j - 1] = (uint32_t)carry, carry >>= 32;
        }
        carry += t[N];
        t[N - 1] = (uint32_t)carry, t[N] = t[N + 1] + (uint32_t)(carry >> 32);
    }
    if (t[N] || at_least(t, modulus)) subtract(t, modulus);
    memcpy(out, t, sizeof(number));
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60);
    number base, exponent, power;
    for (int i = 0; i < N; i++) modulus[i] = next_random(), base[i] = next_random();
    modulus[0] |= 1, modulus[N - 1] |= 0x80000000, base[N - 1] &= 0x7fffffff;
    // Newton: each step doubles the number of bits in which the inverse is right.
    inverse = 1;
    for (int i = 0; i < 5; i++) inverse *= 2 - modulus[0] * inverse;
    inverse = -inverse;
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) exponent[i] = next_random();
        memcpy(power, base, sizeof power);
        for (int i = 32 * N - 2; i >= 0; i--) {
            multiply(power, power, power);
            if (exponent[i / 32] >> (i % 32) & 1) multiply(power, power, base);
        }
        sum = fold(sum, (uint64_t)power[0] << 32 | power[N - 1]);
        base[r % (N - 1)] ^= power[3];
    }
    return result("modexp", sum);
}
