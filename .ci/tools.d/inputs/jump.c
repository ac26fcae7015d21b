#include <setjmp.h>
#include <stdio.h>

static jmp_buf out;
static void dive(int depth) {
    if (depth == 0) longjmp(out, 7);
    dive(depth - 1);
    printf("never\n");
}

int main(void) {
    int value = setjmp(out);
    if (!value) dive(100);
    printf("setjmp gave %d\n", value);
    return value;
}
