// CRC-32 with a table, and a bytewise adler-like sum, over a megabyte.
#include "../kernel.h"

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 250), size = 1 << 20;
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    unsigned char *data = malloc(size);
    for (long i = 0; i < size; i++) data[i] = (unsigned char)next_random();
    uint32_t crc = ~0u, a = 1, b = 0;
    for (long r = 0; r < rounds; r++) {
        for (long i = 0; i < size; i++) {
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
            a += data[i];
            b += a;
        }
    }
    return result("crc", (uint64_t)crc << 32 | (a ^ b));
}
