// Recursion: the naive Fibonacci numbers.
#include "../kernel.h"

__attribute__((noinline)) static uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char **argv) { return result("fib", fib((uint32_t)work_size(argc, argv, 40))); }
