// The program around a kernel that is written in Zig; the build says which by defining KERNEL.
#include "kernel.h"

uint64_t kernel(long rounds);

int main(int argc, char **argv) { return result(KERNEL, kernel(work_size(argc, argv, 10))); }
