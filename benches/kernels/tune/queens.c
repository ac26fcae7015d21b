// Recursion: places queens on a board, one row a call, columns and diagonals as bit sets.
#include "../kernel.h"

static uint64_t place(uint32_t all, uint32_t columns, uint32_t left, uint32_t right) {
    if (columns == all) return 1;
    uint64_t found = 0;
    for (uint32_t open = all & ~(columns | left | right); open;) {
        uint32_t bit = open & -open;
        open ^= bit;
        found += place(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 6);
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        uint32_t blocked = r ? 1u << (next_random() % 12) : 0;
        sum = fold(sum, place((1u << 12) - 1, 0, blocked, blocked >> 1));
    }
    return result("queens", sum);
}
