// A reactor: no _start; _initialize runs constructors, then exports are called in any order.
#include <stdio.h>

static int ready;
static int total;

__attribute__((constructor)) static void construct(void) { ready = 1; }

__attribute__((export_name("is_ready"))) int is_ready(void) { return ready; }
__attribute__((export_name("add"))) int add(int a, int b) { return a + b; }
__attribute__((export_name("count"))) int count(int by) { return total += by; }
__attribute__((export_name("halve"))) double halve(double x) { return x / 2; }
__attribute__((export_name("wide"))) long long wide(long long x) { return x * 1000000007LL; }
__attribute__((export_name("greet"))) void greet(int n) {
    printf("greeting number %d, ready %d\n", n, ready);
    fflush(stdout);
}
