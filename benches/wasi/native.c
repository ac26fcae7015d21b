// The native twin of spec-tests/guests/src/load.c: the system calls that each kind of load comes down to, without a guest.
// `native KIND TIMES DIRECTORY` says on standard error how many nanoseconds it took.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char buffer[16384];
static int root;

#define OK(call) do { if ((call) < 0) { perror(#call); exit(1); } } while (0)

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int open_at(const char *path, int flags) {
    int fd = openat(root, path, flags | O_CLOEXEC, 0666);
    OK(fd);
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const char *kind = argv[1];
    uint64_t n = strtoull(argv[2], 0, 10);
    OK(root = open(argv[3], O_RDONLY | O_DIRECTORY));
    int big = !strcmp(kind, "read") || !strcmp(kind, "pread") || !strcmp(kind, "seek");
    int file = big ? open_at("file", O_RDONLY) : -1, fd = 1;
    if (!strcmp(kind, "write")) fd = open_at("new", O_WRONLY | O_CREAT | O_TRUNC);
    if (!strcmp(kind, "list")) fd = open_at("many", O_RDONLY | O_DIRECTORY);
    struct iovec v[4] = {{buffer, 4}, {buffer, 4}, {buffer, 4}, {buffer, 4}}, one = {buffer, 16};
    struct timespec t, brief = {0, 1000};
    struct stat s;
    uint64_t start = now();
    if (!strcmp(kind, "null") || !strcmp(kind, "write")) for (; n; n--) OK(writev(fd, &one, 1));
    else if (!strcmp(kind, "pieces")) for (; n; n--) OK(writev(fd, v, 4));
    else if (!strcmp(kind, "read")) for (; n; n--) OK(readv(file, &one, 1));
    else if (!strcmp(kind, "pread")) for (; n; n--) OK(preadv(file, &one, 1, n % 1000000));
    else if (!strcmp(kind, "seek")) for (; n; n--) OK(lseek(file, n % 1000000, SEEK_SET));
    else if (!strcmp(kind, "clock")) for (; n; n--) OK(clock_gettime(CLOCK_MONOTONIC, &t));
    else if (!strcmp(kind, "random")) for (; n; n--) OK(getrandom(buffer, 16, 0));
    else if (!strcmp(kind, "open")) for (; n; n--) OK(close(open_at("file", O_RDONLY)));
    else if (!strcmp(kind, "open-deep")) for (; n; n--) OK(close(open_at("a/b/c/file", O_RDONLY)));
    else if (!strcmp(kind, "stat")) for (; n; n--) OK(fstatat(root, "file", &s, 0));
    else if (!strcmp(kind, "stat-deep")) for (; n; n--) OK(fstatat(root, "a/b/c/file", &s, 0));
    else if (!strcmp(kind, "list")) for (; n; n--) { long got; while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0); OK(got); OK(lseek(fd, 0, SEEK_SET)); }
    else if (!strcmp(kind, "sleep")) for (; n; n--) OK(clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, 0));
    else if (!strcmp(kind, "past")) for (; n; n--) OK(clock_gettime(CLOCK_MONOTONIC, &t));
    else return 2;
    fprintf(stderr, "%llu\n", (unsigned long long)(now() - start));
    return 0;
}
