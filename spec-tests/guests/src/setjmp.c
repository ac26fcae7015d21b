// setjmp and longjmp over many frames, and again and again.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf out;

__attribute__((noinline)) static int dive(int depth) {
    if (depth == 0) longjmp(out, 42);
    return dive(depth - 1) + 1;
}

int main(void) {
    int value = setjmp(out);
    if (value == 0) {
        dive(1000);
        puts("not reached");
    }
    printf("came back with %d\n", value);
    volatile long times = 0;
    jmp_buf here;
    for (volatile int i = 0; i < 100000; i++) {
        if (setjmp(here) == 0) longjmp(here, 1);
        times++;
    }
    printf("jumped %ld times\n", times);
    return 0;
}
