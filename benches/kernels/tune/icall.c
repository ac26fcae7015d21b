// Indirect calls: a chain of small operations chosen by data.
#include "../kernel.h"

typedef uint32_t (*op)(uint32_t, uint32_t);
static uint32_t add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t sub(uint32_t a, uint32_t b) { return a - b * 3; }
static uint32_t mix(uint32_t a, uint32_t b) { return (a ^ b) + (a >> 5); }
static uint32_t rot(uint32_t a, uint32_t b) { return (a << 9 | a >> 23) ^ b; }
static uint32_t mul(uint32_t a, uint32_t b) { return a * (b | 1); }
static op ops[5] = {add, sub, mix, rot, mul};

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 250000);
    unsigned char program[512];
    for (int i = 0; i < 512; i++) program[i] = next_random() % 5;
    uint32_t x = 1;
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < 512; i++) x = ops[program[i]](x, (uint32_t)i + (uint32_t)r);
    return result("icall", x);
}
