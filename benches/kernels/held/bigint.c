// Big integers: factorials by schoolbook multiplication, and their digits by division.
#include "../kernel.h"

enum { LIMBS = 16384 };
static uint32_t number[LIMBS];

int main(int argc, char **argv) {
    uint32_t top = (uint32_t)work_size(argc, argv, 6000);
    int len = 1;
    number[0] = 1;
    for (uint32_t f = 2; f <= top; f++) {
        uint64_t carry = 0;
        for (int i = 0; i < len; i++) {
            uint64_t t = (uint64_t)number[i] * f + carry;
            number[i] = (uint32_t)t;
            carry = t >> 32;
        }
        if (carry) number[len++] = (uint32_t)carry;
    }
    uint64_t sum = (uint64_t)len;
    while (len > 0) {
        uint64_t rest = 0;
        for (int i = len - 1; i >= 0; i--) {
            uint64_t t = rest << 32 | number[i];
            number[i] = (uint32_t)(t / 1000000000u);
            rest = t % 1000000000u;
        }
        sum = fold(sum, rest);
        while (len > 0 && number[len - 1] == 0) len--;
    }
    return result("bigint", sum);
}
