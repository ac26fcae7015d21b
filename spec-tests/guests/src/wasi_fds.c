// Descriptors: closing, renumbering, what was there from the start, flags that change.
#include "wasi.h"

static int alive(u32 fd) {
    FdStat stat;
    return fd_fdstat_get(fd, AT(&stat));
}

static void prestat(const char *what, u32 fd) {
    u8 record[8];
    memset(record, 0xaa, sizeof record);
    int e = fd_prestat_get(fd, AT(record));
    u32 len;
    memcpy(&len, record + 4, 4);
    if (e) say("%s: %e", what, e);
    else say("%s: tag %u, length %u", what, (u64)record[0], (u64)len);
}

static void preopens(void) {
    char name[16];
    prestat("prestat of 3", 3);
    prestat("prestat of 0", 0);
    prestat("prestat of 4", 4);
    prestat("prestat of the largest number", ~0u);
    memset(name, 0, sizeof name);
    is("the name of 3", fd_prestat_dir_name(3, AT(name), 1));
    say("  it is %s", name);
    is("the name, too little room", fd_prestat_dir_name(3, AT(name), 0));
    memset(name, '#', sizeof name);
    is("the name, more room than needed", fd_prestat_dir_name(3, AT(name), 8));
    say("  behind it: %s", name[1] == '#' ? "untouched" : "written");
    is("the name of 0", fd_prestat_dir_name(0, AT(name), 1));
    is("the name of 9", fd_prestat_dir_name(9, AT(name), 1));
    u32 dir = must("d", DIRECTORY, R(FD_READDIR), 0);
    prestat("prestat of an opened directory", dir);
    is("the name of an opened directory", fd_prestat_dir_name(dir, AT(name), 8));
    fd_close(dir);
}

static void renumbering(void) {
    u32 n, a = must("f", 0, BOTH, 0), b = must("d/inner", 0, BOTH, 0);
    char buf[8] = {0};
    Vec v = {AT(buf), 5};
    is("onto itself", fd_renumber(a, a));
    is("  is it open", alive(a));
    is("onto what is not open", fd_renumber(a, 99));
    is("from what is not open", fd_renumber(99, a));
    is("both not open", fd_renumber(98, 99));
    is("what is not open onto itself", fd_renumber(99, 99));
    is("onto the largest number", fd_renumber(a, ~0u));
    is("  is it open", alive(a));
    is("one file onto another", fd_renumber(a, b));
    is("  is the source open", alive(a));
    is("  read from the target", fd_read(b, AT(&v), 1, AT(&n)));
    say("  %s", buf);
    u32 c = must("f", 0, BOTH, 0);
    say("the source's number is free again: %s", c == a ? "yes" : "no");
    is("a file onto standard input", fd_renumber(c, 0));
    memset(buf, 0, sizeof buf);
    is("  read from standard input", fd_read(0, AT(&v), 1, AT(&n)));
    say("  %s", buf);
    is("  close standard input", fd_close(0));
    is("  is it open", alive(0));
    u32 d = must("f", 0, BOTH, 0);
    say("the lowest number, 0, is given next: %s", d == 0 ? "yes" : "no");
    fd_close(d);
    fd_close(b);
}

static void over_preopens(void) {
    u32 dir = must("d", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    is("a directory onto the preopened one", fd_renumber(dir, 3));
    prestat("prestat of 3 after it", 3);
    is("  open beneath it", -open_at(3, "inner", 0, READING, 0) > 0 ? 1 : 0);
    is("  what was there before", -open_at(3, "f", 0, READING, 0));
    is("close it", fd_close(3));
    is("close it again", fd_close(3));
    prestat("prestat of 3 after closing", 3);
    is("open from it", -open_at(3, "f", 0, READING, 0));
}

static void flags(void) {
    static const u32 SOME[] = {APPEND, NONBLOCK, APPEND | NONBLOCK, DSYNC, RSYNC, SYNC, 0};
    u32 n, fd = must("t", CREAT, BOTH, 0);
    FdStat stat;
    for (u32 i = 0; i < sizeof SOME / sizeof *SOME; i++) {
        int e = fd_fdstat_set_flags(fd, SOME[i]);
        fd_fdstat_get(fd, AT(&stat));
        say("set flags %u: %e, now %u", (u64)SOME[i], e, (u64)stat.flags);
    }
    Vec v = {PATH("abc")};
    u64 at;
    is("write at 0", fd_write(fd, AT(&v), 1, AT(&n)));
    is("append from now on", fd_fdstat_set_flags(fd, APPEND));
    is("seek to 0", fd_seek(fd, 0, 0, AT(&at)));
    is("write again", fd_write(fd, AT(&v), 1, AT(&n)));
    show("t");
    is("no more appending", fd_fdstat_set_flags(fd, 0));
    is("seek to 0", fd_seek(fd, 0, 0, AT(&at)));
    v = (Vec){PATH("X")};
    is("write at 0 again", fd_write(fd, AT(&v), 1, AT(&n)));
    show("t");
    fd_close(fd);
    is("flags of a directory", fd_fdstat_set_flags(3, NONBLOCK));
    is("flags of what is not open", fd_fdstat_set_flags(99, 0));
    is("fdstat of what is not open", fd_fdstat_get(99, AT(&stat)));
}

static void closing(void) {
    u32 fd = must("f", 0, READING, 0);
    is("close", fd_close(fd));
    is("close again", fd_close(fd));
    is("close what never was", fd_close(12345));
    is("close the largest number", fd_close(~0u));
    is("close standard error", fd_close(2));
}

int main(void) {
    preopens();
    flags();
    closing();
    renumbering();
    over_preopens();
    flush();
    return 0;
}
