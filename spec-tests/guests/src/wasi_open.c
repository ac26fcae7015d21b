// path_open: every flag, and every way in which a path can be wrong.
#include "wasi.h"

static void existing(void) {
    try_open("a file to read", FOLLOW, "f", 0, READING, 0);
    try_open("a file to write", FOLLOW, "f", 0, WRITING, 0);
    try_open("a file for both", FOLLOW, "f", 0, BOTH, 0);
    try_open("a file without any right", FOLLOW, "f", 0, 0, 0);
    try_open("a directory", FOLLOW, "d", 0, R(FD_READDIR), 0);
    try_open("a directory as such", FOLLOW, "d", DIRECTORY, R(FD_READDIR), 0);
    try_open("a directory with every right", FOLLOW, "d", DIRECTORY, EVERY, 0);
    try_open("a directory to write", FOLLOW, "d", 0, R(FD_WRITE), 0);
    try_open("a file as a directory", FOLLOW, "f", DIRECTORY, READING, 0);
    try_open("what is not there", FOLLOW, "none", 0, READING, 0);
    try_open("the directory itself", FOLLOW, ".", DIRECTORY, R(FD_READDIR), 0);
    u32 fd = 0;
    is("from a descriptor that is not open", path_open(77, 0, PATH("f"), 0, READING, 0, 0, AT(&fd)));
    is("from standard input", path_open(0, 0, PATH("f"), 0, READING, 0, 0, AT(&fd)));
    u32 file = must("f", 0, READING, 0);
    is("from a file", path_open(file, 0, PATH("f"), 0, READING, 0, 0, AT(&fd)));
    fd_close(file);
}

static void creating(void) {
    try_open("create", FOLLOW, "new", CREAT, BOTH, 0);
    try_open("create what is there", FOLLOW, "new", CREAT, BOTH, 0);
    try_open("create what is there, exclusively", FOLLOW, "new", CREAT | EXCL, BOTH, 0);
    try_open("create exclusively", FOLLOW, "newer", CREAT | EXCL, BOTH, 0);
    try_open("exclusively without creating", FOLLOW, "f", EXCL, BOTH, 0);
    try_open("create to read", FOLLOW, "unread", CREAT, READING, 0);
    try_open("create in a directory that is not there", FOLLOW, "no/new", CREAT, BOTH, 0);
    try_open("create beneath a file", FOLLOW, "f/new", CREAT, BOTH, 0);
    try_open("create a directory", FOLLOW, "dir", CREAT | DIRECTORY, BOTH, 0);
    try_open("create with a slash at the end", FOLLOW, "slash/", CREAT, BOTH, 0);
    try_open("create where a directory is", FOLLOW, "d", CREAT, BOTH, 0);
    try_open("create .", FOLLOW, ".", CREAT, BOTH, 0);
    try_open("create ..", FOLLOW, "..", CREAT, BOTH, 0);
    try_open("create through a link that dangles, exclusively", FOLLOW, "dangling", CREAT | EXCL, BOTH, 0);
    try_open("create through a link that dangles, not following", 0, "dangling", CREAT, BOTH, 0);
    try_open("create through a link that dangles", FOLLOW, "dangling", CREAT, BOTH, 0);
    try_open("what the link led to", 0, "target", 0, READING, 0);
    try_open("create through a link that leads out", FOLLOW, "up", CREAT, BOTH, 0);
}

static void truncating(void) {
    u32 fd = must("t", CREAT, BOTH, 0);
    write_all(fd, "twelve bytes");
    fd_close(fd);
    try_open("truncate to write", FOLLOW, "t", TRUNC, WRITING, 0);
    show("t");
    fd = must("t", 0, BOTH, 0);
    write_all(fd, "again");
    fd_close(fd);
    try_open("truncate to read", FOLLOW, "t", TRUNC, READING, 0);
    show("t");
    try_open("truncate a directory", FOLLOW, "d", TRUNC, R(FD_WRITE), 0);
    try_open("truncate what is not there", FOLLOW, "none", TRUNC, WRITING, 0);
    try_open("create and truncate", FOLLOW, "t", CREAT | TRUNC, WRITING, 0);
    try_open("create exclusively and truncate", FOLLOW, "t2", CREAT | EXCL | TRUNC, WRITING, 0);
}

static void wrong_paths(void) {
    static char long_name[256 + 1], long_path[5000 + 1];
    memset(long_name, 'n', 256);
    for (int i = 0; i < 5000; i++) long_path[i] = i % 2 ? '/' : '.';
    u32 fd = 0;
    try_open("an empty path", FOLLOW, "", 0, READING, 0);
    try_open("/", FOLLOW, "/", 0, READING, 0);
    try_open("/f", FOLLOW, "/f", 0, READING, 0);
    try_open("..", FOLLOW, "..", 0, READING, 0);
    try_open("../x", FOLLOW, "../x", 0, READING, 0);
    try_open("d/../f", FOLLOW, "d/../f", 0, READING, 0);
    try_open("d/../../x", FOLLOW, "d/../../x", 0, READING, 0);
    try_open("./././f", FOLLOW, "./././f", 0, READING, 0);
    try_open("d//inner", FOLLOW, "d//inner", 0, READING, 0);
    try_open("none/../f", FOLLOW, "none/../f", 0, READING, 0);
    try_open("f/../f", FOLLOW, "f/../f", 0, READING, 0);
    try_open("f/", FOLLOW, "f/", 0, READING, 0);
    try_open("f/.", FOLLOW, "f/.", 0, READING, 0);
    try_open("f/x", FOLLOW, "f/x", 0, READING, 0);
    try_open("none/x", FOLLOW, "none/x", 0, READING, 0);
    try_open("none/", FOLLOW, "none/", 0, READING, 0);
    try_open("d/", FOLLOW, "d/", 0, R(FD_READDIR), 0);
    try_open("d/.", FOLLOW, "d/.", 0, R(FD_READDIR), 0);
    try_open("d///", FOLLOW, "d///", 0, R(FD_READDIR), 0);
    try_open("a name of 256 bytes", FOLLOW, long_name, 0, READING, 0);
    try_open("a path of 5000 bytes", FOLLOW, long_path, 0, READING, 0);
    is("a zero byte", path_open(3, 0, AT("f\0g"), 3, 0, READING, 0, 0, AT(&fd)));
    is("a zero byte at the end", path_open(3, 0, AT("f"), 2, 0, READING, 0, 0, AT(&fd)));
    is("not UTF-8", path_open(3, 0, PATH("\xff"), 0, READING, 0, 0, AT(&fd)));
    is("UTF-8 cut off", path_open(3, 0, PATH("\xc3"), 0, READING, 0, 0, AT(&fd)));
    is("a surrogate", path_open(3, 0, PATH("\xed\xa0\x80"), 0, READING, 0, 0, AT(&fd)));
    try_open("a name beyond ASCII", FOLLOW, "\xc3\xbc\xf0\x9f\x8f\x97", CREAT, BOTH, 0);
    try_open("a backslash", FOLLOW, "d\\inner", 0, READING, 0);
}

static void links(void) {
    try_open("a link", FOLLOW, "lf", 0, READING, 0);
    try_open("a link, not following", 0, "lf", 0, READING, 0);
    try_open("a link to write, not following", 0, "lf", 0, WRITING, 0);
    try_open("a link to a directory", FOLLOW, "ld", DIRECTORY, R(FD_READDIR), 0);
    try_open("a link to a directory, not following", 0, "ld", 0, R(FD_READDIR), 0);
    try_open("a link as a directory, not following", 0, "ld", DIRECTORY, R(FD_READDIR), 0);
    try_open("a link to a directory with a slash", FOLLOW, "ld/", 0, R(FD_READDIR), 0);
    try_open("a link to a directory with a slash, not following", 0, "ld/", 0, R(FD_READDIR), 0);
    try_open("a link to a file with a slash", FOLLOW, "lf/", 0, READING, 0);
    try_open("a link on the way, not following", 0, "ld/inner", 0, READING, 0);
    try_open("a link that dangles", FOLLOW, "gone", 0, READING, 0);
    try_open("a link to itself", FOLLOW, "loop", 0, READING, 0);
    try_open("a link to itself, not following", 0, "loop", 0, READING, 0);
    try_open("links to each other", FOLLOW, "a", 0, READING, 0);
    try_open("beneath a link to itself", FOLLOW, "loop/x", 0, READING, 0);
    try_open("a link that leads out", FOLLOW, "up", 0, READING, 0);
    try_open("a link to an absolute path", FOLLOW, "abs", 0, READING, 0);
    try_open("beneath a link to an absolute path", FOLLOW, "abs/passwd", 0, READING, 0);
    try_open("a link that goes out and in again", FOLLOW, "outin", 0, READING, 0);
    try_open("a link that goes up and stays inside", FOLLOW, "d/upf", 0, READING, 0);
}

static void flags(void) {
    static const u32 SOME[] = {0, APPEND, DSYNC, NONBLOCK, RSYNC, SYNC, APPEND | NONBLOCK, APPEND | DSYNC | NONBLOCK};
    for (u32 i = 0; i < sizeof SOME / sizeof *SOME; i++) {
        u32 fd = 0;
        FdStat stat;
        int e = path_open(3, FOLLOW, PATH("f"), 0, BOTH, 0, SOME[i], AT(&fd));
        if (!e) e = fd_fdstat_get(fd, AT(&stat));
        say("flags %u: %e, reported %u, type %u", (u64)SOME[i], e, (u64)(e ? 99 : stat.flags), (u64)stat.filetype);
        fd_close(fd);
    }
}

static void numbers(void) {
    u32 a = must("f", 0, READING, 0), b = must("f", 0, READING, 0), c = must("f", 0, READING, 0);
    say("new descriptors follow each other: %s", b == a + 1 && c == b + 1 ? "yes" : "no");
    fd_close(a);
    fd_close(b);
    u32 d = must("f", 0, READING, 0);
    say("a number that was closed is used again: %s", d == a || d == b ? "yes" : "no");
    fd_close(c);
    fd_close(d);
}

int main(void) {
    existing();
    creating();
    truncating();
    wrong_paths();
    links();
    flags();
    numbers();
    flush();
    return 0;
}
