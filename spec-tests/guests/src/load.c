// Load: one kind of call over and over, timed by the guest itself, so that starting and compiling do not count.
// `load KIND TIMES` works beneath descriptor 3, as benches/wasi-load lays it out, and says on standard error how many
// nanoseconds it took. With `sum` as a third argument it says what it saw as well, which must be the same everywhere.
#include "wasi.h"

static char buffer[4096];
static u64 saw;

static void fail(const char *what, int e) {
    say("%s: %e", what, e);
    flush();
    proc_exit(1);
}

#define OK(call) do { int e = call; if (e) fail(#call, e); } while (0)

static u64 now(void) {
    u64 time;
    OK(clock_time_get(1, 1, AT(&time)));
    return time;
}

// Reads a whole directory as libc does: into four kilobytes, from the cookie behind the last whole entry.
static void list(u32 fd) {
    u64 cookie = 0;
    u32 used;
    do {
        OK(fd_readdir(fd, AT(buffer), sizeof buffer, cookie, AT(&used)));
        for (u32 at = 0; at + sizeof(Dirent) <= used;) {
            Dirent entry;
            memcpy(&entry, buffer + at, sizeof entry);
            at += sizeof entry + entry.namlen;
            if (at > used) break;
            cookie = entry.next;
            saw++;
        }
    } while (used == sizeof buffer);
}

static void stat_at(const char *path) {
    FileStat stat;
    OK(path_filestat_get(3, FOLLOW, PATH(path), AT(&stat)));
    saw += stat.size;
}

static void open_close(const char *path) {
    u32 fd;
    OK(path_open(3, FOLLOW, PATH(path), 0, READING, 0, 0, AT(&fd)));
    saw += fd;
    OK(fd_close(fd));
}

static void wait(u64 nanoseconds) {
    Subscription sleep = {.clock = {.id = 1, .timeout = nanoseconds}};
    Event event;
    u32 n;
    OK(poll_oneoff(AT(&sleep), AT(&event), 1, AT(&n)));
    saw += n;
}

static void transfer(int write, u32 fd, u64 times, u32 pieces) {
    Vec v[4];
    for (u32 i = 0; i < pieces; i++) v[i] = (Vec){AT(buffer + 16 * i), 16 / pieces};
    for (u32 n; times; times--, saw += n)
        if (write) OK(fd_write(fd, AT(v), pieces, AT(&n)));
        else OK(fd_read(fd, AT(v), pieces, AT(&n)));
}

static u64 number(const char *text) {
    u64 n = 0;
    while (*text) n = 10 * n + (*text++ - '0');
    return n;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *kind = argv[1];
    u64 times = number(argv[2]), n = times;
    int big = !strcmp(kind, "read") || !strcmp(kind, "pread") || !strcmp(kind, "seek");
    u32 fd = big ? must("file", 0, READING, 0) : !strcmp(kind, "write") ? must("new", CREAT | TRUNC, WRITING, 0)
           : !strcmp(kind, "list") ? must("many", DIRECTORY, R(FD_READDIR), 0) : 1;
    u64 start = now();
    if (!strcmp(kind, "null")) transfer(1, 1, times, 1);
    else if (!strcmp(kind, "pieces")) transfer(1, 1, times, 4);
    else if (!strcmp(kind, "write")) transfer(1, fd, times, 1);
    else if (!strcmp(kind, "read")) transfer(0, fd, times, 1);
    else if (!strcmp(kind, "pread")) {
        Vec v = {AT(buffer), 16};
        for (u32 got; n; n--, saw += got) OK(fd_pread(fd, AT(&v), 1, n % 1000000, AT(&got)));
    } else if (!strcmp(kind, "seek")) {
        for (u64 at; n; n--, saw += at) OK(fd_seek(fd, n % 1000000, 0, AT(&at)));
    } else if (!strcmp(kind, "clock")) for (; n; n--) saw += now() != 0;
    else if (!strcmp(kind, "random")) for (; n; n--, saw++) OK(random_get(AT(buffer), 16));
    else if (!strcmp(kind, "open")) for (; n; n--) open_close("file");
    else if (!strcmp(kind, "open-deep")) for (; n; n--) open_close("a/b/c/file");
    else if (!strcmp(kind, "stat")) for (; n; n--) stat_at("file");
    else if (!strcmp(kind, "stat-deep")) for (; n; n--) stat_at("a/b/c/file");
    else if (!strcmp(kind, "list")) for (; n; n--) list(fd);
    else if (!strcmp(kind, "sleep")) for (; n; n--) wait(1000);
    else if (!strcmp(kind, "past")) for (; n; n--) wait(0);
    else return 2;
    u64 took = now() - start;
    say("%u", took);
    if (argc > 3) say("%u", saw);
    Vec v = {AT(output), output_len};
    u32 out;
    fd_write(2, AT(&v), 1, AT(&out));
    return 0;
}
