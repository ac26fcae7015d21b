// The sieve of Eratosthenes over bytes.
#include "../kernel.h"

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60), n = 2000000;
    unsigned char *composite = malloc(n + 1);
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        memset(composite, 0, n + 1);
        for (long i = 2; i * i <= n; i++)
            if (!composite[i])
                for (long j = i * i; j <= n; j += i) composite[j] = 1;
        long count = 0;
        for (long i = 2 + r; i <= n; i++) count += !composite[i];
        sum = fold(sum, (uint64_t)count);
    }
    return result("sieve", sum);
}
