// Ends with the status given: exit STATUS [abort]
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc > 2) {
        fprintf(stderr, "about to abort\n");
        abort();
    }
    return argc > 1 ? atoi(argv[1]) : 0;
}
