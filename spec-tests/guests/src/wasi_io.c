// Reading, writing, positions, sizes, room and hints of regular files.
#include "wasi.h"

static char buf[64];
static u32 n;
static u64 at;

static int read_(u32 fd, u32 len) {
    Vec v = {AT(buf), len};
    memset(buf, 0, sizeof buf);
    return fd_read(fd, AT(&v), 1, AT(&n));
}

static int pread_(u32 fd, u32 len, u64 offset) {
    Vec v = {AT(buf), len};
    memset(buf, 0, sizeof buf);
    return fd_pread(fd, AT(&v), 1, offset, AT(&n));
}

static int pwrite_(u32 fd, const char *text, u64 offset) {
    Vec v = {PATH(text)};
    return fd_pwrite(fd, AT(&v), 1, offset, AT(&n));
}

// One line with how much was moved.
static void moved(const char *what, int e) {
    if (e) is(what, e);
    else say("%s: %u bytes", what, (u64)n);
}

static void moves(const char *what, u32 fd, int64_t offset, u32 whence) {
    at = 77;
    int e = fd_seek(fd, offset, whence, AT(&at));
    if (e) is(what, e);
    else say("%s: at %u", what, at);
}

static u64 size_of(u32 fd) {
    FileStat st = {0};
    fd_filestat_get(fd, AT(&st));
    return st.size;
}

static void transfers(void) {
    u32 fd = must("io", CREAT | EXCL, BOTH, 0);
    moved("write", (n = 0, write_all(fd, "0123456789")));
    moved("read at the end", read_(fd, 8));
    moves("seek to 4", fd, 4, 0);
    moved("read 3", read_(fd, 3));
    say("  %s", buf);
    is("tell", fd_tell(fd, AT(&at)));
    say("  at %u", at);
    moved("read nothing", read_(fd, 0));
    moved("read more than is left", read_(fd, 60));
    say("  %s", buf);
    char a[2], b[3];
    Vec three[3] = {{AT(a), 2}, {AT(buf), 0}, {AT(b), 3}};
    moves("seek to 1", fd, 1, 0);
    moved("read into three pieces", fd_read(fd, AT(three), 3, AT(&n)));
    say("  %u%u %u%u%u", (u64)(a[0] - '0'), (u64)(a[1] - '0'), (u64)(b[0] - '0'), (u64)(b[1] - '0'), (u64)(b[2] - '0'));
    moved("read into no pieces", fd_read(fd, AT(three), 0, AT(&n)));
    moved("write no pieces", fd_write(fd, AT(three), 0, AT(&n)));
    Vec two[2] = {{PATH("ab")}, {PATH("cde")}};
    moved("write two pieces at 8", fd_pwrite(fd, AT(two), 2, 8, AT(&n)));
    is("tell", fd_tell(fd, AT(&at)));
    say("  at %u, size %u", at, size_of(fd));
    moved("read at 7", pread_(fd, 60, 7));
    say("  %s", buf);
    moved("read at the end, without position", pread_(fd, 8, 13));
    moved("read far behind the end", pread_(fd, 8, 1ull << 40));
    moved("read at 2^63", pread_(fd, 8, 1ull << 63));
    moved("read at 2^64-1", pread_(fd, 8, ~0ull));
    moved("write at 2^63", pwrite_(fd, "x", 1ull << 63));
    moved("write at 2^64-1", pwrite_(fd, "x", ~0ull));
    moved("write 5 behind the end", pwrite_(fd, "z", 18));
    show("io");
    fd_close(fd);
}

static void positions(void) {
    u32 fd = must("io", 0, BOTH, 0);
    moves("from the start", fd, 3, 0);
    moves("from here", fd, 4, 1);
    moves("backwards from here", fd, -6, 1);
    moves("from the end", fd, -1, 2);
    moves("behind the end", fd, 100, 2);
    moved("read there", read_(fd, 4));
    moves("before the start", fd, -1, 0);
    moves("before the start, from here", fd, -1000, 1);
    moves("before the start, from the end", fd, -1000, 2);
    moves("the smallest number", fd, INT64_MIN, 1);
    moves("where it is after that", fd, 0, 1);
    is("seek what is not open", fd_seek(99, 0, 0, AT(&at)));
    is("tell what is not open", fd_tell(99, AT(&at)));
    is("seek a directory", fd_seek(3, 0, 0, AT(&at)));
    is("tell a directory", fd_tell(3, AT(&at)));
    fd_close(fd);
}

static void modes(void) {
    u32 r = must("f", 0, R(FD_READ) | R(FD_SEEK) | R(FD_TELL), 0), w = must("w", CREAT, R(FD_WRITE) | R(FD_SEEK) | R(FD_TELL), 0);
    is("write what is open to read", write_all(r, "x"));
    is("pwrite what is open to read", pwrite_(r, "x", 0));
    is("read what is open to write", read_(w, 1));
    is("pread what is open to write", pread_(w, 1, 0));
    is("resize what is open to read", fd_filestat_set_size(r, 1));
    is("allocate what is open to read", fd_allocate(r, 0, 1));
    is("read a directory", read_(3, 1));
    is("write a directory", write_all(3, "x"));
    is("pread a directory", pread_(3, 1, 0));
    is("pwrite a directory", pwrite_(3, "x", 0));
    is("read what is not open", read_(99, 1));
    is("write what is not open", write_all(99, "x"));
    is("pread what is not open", pread_(99, 1, 0));
    is("pwrite what is not open", pwrite_(99, "x", 0));
    is("read standard output", read_(1, 1));
    is("write standard input", write_all(0, "x"));
    fd_close(r);
    fd_close(w);
}

static void appending(void) {
    u32 fd = must("app", CREAT, BOTH, APPEND);
    moved("append", (n = 0, write_all(fd, "one")));
    moves("to the start", fd, 0, 0);
    moved("read there", read_(fd, 2));
    moved("append again", write_all(fd, "two"));
    is("tell", fd_tell(fd, AT(&at)));
    say("  at %u", at);
    show("app");
    fd_close(fd);
    fd = must("app", TRUNC, BOTH, APPEND);
    write_all(fd, "x");
    write_all(fd, "y");
    fd_close(fd);
    show("app");
    fd = must("app", 0, BOTH, NONBLOCK);
    moved("a file that must not block, read", read_(fd, 8));
    moved("a file that must not block, read at its end", read_(fd, 8));
    moved("a file that must not block, write", write_all(fd, "z"));
    fd_close(fd);
}

static void sizes(void) {
    u32 fd = must("size", CREAT, BOTH, 0);
    write_all(fd, "0123456789");
    is("shorten", fd_filestat_set_size(fd, 4));
    is("lengthen", fd_filestat_set_size(fd, 7));
    show("size");
    is("tell", fd_tell(fd, AT(&at)));
    say("  at %u", at);
    is("to 2^63", fd_filestat_set_size(fd, 1ull << 63));
    is("to 2^64-1", fd_filestat_set_size(fd, ~0ull));
    is("resize a directory", fd_filestat_set_size(3, 0));
    is("resize what is not open", fd_filestat_set_size(99, 0));
    say("size %u", size_of(fd));
    is("allocate less than there is", fd_allocate(fd, 0, 3));
    say("size %u", size_of(fd));
    is("allocate more", fd_allocate(fd, 5, 100));
    say("size %u", size_of(fd));
    is("allocate nothing", fd_allocate(fd, 0, 0));
    is("allocate beyond 2^63", fd_allocate(fd, 1ull << 62, 1ull << 62));
    is("allocate a range that overflows", fd_allocate(fd, ~0ull, 2));
    is("allocate a directory", fd_allocate(3, 0, 1));
    is("allocate what is not open", fd_allocate(99, 0, 1));
    fd_close(fd);
}

static void hints(void) {
    u32 fd = must("size", 0, BOTH, 0);
    static const char *const NAMES[] = {"normal", "sequential", "random", "willneed", "dontneed", "noreuse"};
    for (u32 i = 0; i < 6; i++) is(NAMES[i], fd_advise(fd, 0, 0, i));
    is("advise a range", fd_advise(fd, 10, 1000, 3));
    is("advise from 2^63", fd_advise(fd, 1ull << 63, 1, 0));
    is("advise a range that overflows", fd_advise(fd, ~0ull, 2, 0));
    is("advise a directory", fd_advise(3, 0, 0, 0));
    is("advise what is not open", fd_advise(99, 0, 0, 0));
    is("sync", fd_sync(fd));
    is("datasync", fd_datasync(fd));
    is("sync a directory", fd_sync(3));
    is("datasync a directory", fd_datasync(3));
    is("sync what is not open", fd_sync(99));
    is("datasync what is not open", fd_datasync(99));
    fd_close(fd);
}

int main(void) {
    transfers();
    positions();
    modes();
    appending();
    sizes();
    hints();
    flush();
    return 0;
}
