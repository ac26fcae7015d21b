// Times of files: every combination of flags, on descriptors and paths, and times at the ends of what there is.
#include "wasi.h"

static const u64 OLD = 1000000000ull * 1000, GIVEN = 1000000000ull * 2000 + 123456789;

static const char *shown(u64 time) {
    return time == OLD ? "old" : time == GIVEN ? "given" : time > 1000000000ull * 1500000000 ? "now" : "other";
}

static FileStat stat_of(const char *path, u32 flags) {
    FileStat st;
    memset(&st, 0, sizeof st);
    path_filestat_get(3, flags, PATH(path), AT(&st));
    return st;
}

static void combinations(void) {
    u32 fd = must("f", 0, BOTH, 0), dir = must("d", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    for (u32 flags = 0; flags < 16; flags++) {
        fd_filestat_set_times(fd, OLD, OLD, ATIM | MTIM);
        int e = fd_filestat_set_times(fd, GIVEN, GIVEN, flags);
        FileStat st = stat_of("f", 0);
        say("a file, flags %u: %e, read %s, written %s", (u64)flags, e, shown(st.atim), shown(st.mtim));
    }
    for (u32 flags = 0; flags < 16; flags++) {
        path_filestat_set_times(3, 0, PATH("f"), OLD, OLD, ATIM | MTIM);
        int e = path_filestat_set_times(3, 0, PATH("f"), GIVEN, GIVEN, flags);
        FileStat st = stat_of("f", 0);
        say("a path, flags %u: %e, read %s, written %s", (u64)flags, e, shown(st.atim), shown(st.mtim));
    }
    is("a directory's descriptor", fd_filestat_set_times(dir, OLD, GIVEN, ATIM | MTIM));
    FileStat st = stat_of("d", 0);
    say("  read %s, written %s", shown(st.atim), shown(st.mtim));
    is("the preopened directory", fd_filestat_set_times(3, OLD, GIVEN, ATIM | MTIM));
    is("what is not open", fd_filestat_set_times(99, OLD, OLD, ATIM));
    fd_close(dir);
    fd_close(fd);
}

static void through_links(void) {
    path_filestat_set_times(3, 0, PATH("f"), OLD, OLD, ATIM | MTIM);
    is("a link, following", path_filestat_set_times(3, FOLLOW, PATH("lf"), GIVEN, GIVEN, MTIM));
    FileStat st = stat_of("f", 0);
    say("  the file: %s, size by path %u", shown(st.mtim), st.size);
    path_filestat_set_times(3, 0, PATH("f"), OLD, OLD, ATIM | MTIM);
    is("a link, not following", path_filestat_set_times(3, 0, PATH("lf"), GIVEN, GIVEN, MTIM));
    FileStat link = stat_of("lf", 0);
    st = stat_of("f", 0);
    say("  the file: %s, the link: %s, of type %u and size %u", shown(st.mtim), shown(link.mtim), (u64)link.filetype, link.size);
    st = stat_of("lf", FOLLOW);
    say("  stat through the link: type %u, size %u", (u64)st.filetype, st.size);
    is("a link that dangles, following", path_filestat_set_times(3, FOLLOW, PATH("gone"), GIVEN, GIVEN, MTIM));
    is("a link that dangles, not following", path_filestat_set_times(3, 0, PATH("gone"), GIVEN, GIVEN, MTIM));
    is("a link to itself", path_filestat_set_times(3, FOLLOW, PATH("loop"), GIVEN, GIVEN, MTIM));
    is("a link that leads out", path_filestat_set_times(3, FOLLOW, PATH("up"), GIVEN, GIVEN, MTIM));
    is("what is not there", path_filestat_set_times(3, 0, PATH("none"), GIVEN, GIVEN, MTIM));
    is("..", path_filestat_set_times(3, 0, PATH(".."), GIVEN, GIVEN, MTIM));
    is("an absolute path", path_filestat_set_times(3, 0, PATH("/f"), GIVEN, GIVEN, MTIM));
    is("an empty path", path_filestat_set_times(3, 0, PATH(""), GIVEN, GIVEN, MTIM));
    is("a file with a slash", path_filestat_set_times(3, 0, PATH("f/"), GIVEN, GIVEN, MTIM));
    is("a directory with a slash", path_filestat_set_times(3, 0, PATH("d/"), GIVEN, GIVEN, MTIM));
    is("a path beneath a link", path_filestat_set_times(3, 0, PATH("ld/inner"), GIVEN, GIVEN, MTIM));
    is("from a descriptor that is not open", path_filestat_set_times(99, 0, PATH("f"), GIVEN, GIVEN, MTIM));
}

static void ends(void) {
    u32 fd = must("f", 0, BOTH, 0);
    static const u64 SOME[] = {0, 1, 999999999, 1000000000, 1ull << 62, (1ull << 63) - 1, 1ull << 63, ~0ull};
    for (u32 i = 0; i < sizeof SOME / sizeof *SOME; i++) {
        int e = fd_filestat_set_times(fd, SOME[i], SOME[i], ATIM | MTIM);
        FileStat st = stat_of("f", 0);
        say("to %u: %e, kept %s", SOME[i], e, st.mtim == SOME[i] && st.atim == SOME[i] ? "exactly" : "otherwise");
    }
    fd_close(fd);
}

static void before_1970(void) {
    FileStat st = stat_of("before", 0);
    say("a file from before 1970: written at %u", st.mtim);
    st = stat_of("future", 0);
    say("a file from 2100: written at %u", st.mtim);
}

static void stats(void) {
    FileStat st;
    is("stat of a file", path_filestat_get(3, 0, PATH("d/inner"), AT(&st)));
    say("  type %u, size %u, links %u", (u64)st.filetype, st.size, st.nlink);
    u32 fd = must("d/inner", 0, READING, 0);
    FileStat same;
    is("fstat of it", fd_filestat_get(fd, AT(&same)));
    say("  the same: %s", memcmp(&st, &same, sizeof st) ? "no" : "yes");
    fd_close(fd);
    is("stat of a directory", path_filestat_get(3, 0, PATH("d"), AT(&st)));
    say("  type %u", (u64)st.filetype);
    is("fstat of the preopened directory", fd_filestat_get(3, AT(&st)));
    say("  type %u", (u64)st.filetype);
    is("stat of .", path_filestat_get(3, 0, PATH("."), AT(&same)));
    say("  the same file: %s", st.ino == same.ino && st.dev == same.dev ? "yes" : "no");
    is("stat of what is not there", path_filestat_get(3, 0, PATH("none"), AT(&st)));
    is("stat of ..", path_filestat_get(3, 0, PATH(".."), AT(&st)));
    is("stat of d/..", path_filestat_get(3, 0, PATH("d/.."), AT(&st)));
    is("stat of d/../..", path_filestat_get(3, 0, PATH("d/../.."), AT(&st)));
    is("stat of an empty path", path_filestat_get(3, 0, PATH(""), AT(&st)));
    is("stat of /", path_filestat_get(3, 0, PATH("/"), AT(&st)));
    is("stat of a file with a slash", path_filestat_get(3, 0, PATH("f/"), AT(&st)));
    is("stat beneath a file", path_filestat_get(3, 0, PATH("f/x"), AT(&st)));
    is("stat of a link that dangles", path_filestat_get(3, FOLLOW, PATH("gone"), AT(&st)));
    is("lstat of a link that dangles", path_filestat_get(3, 0, PATH("gone"), AT(&st)));
    say("  type %u", (u64)st.filetype);
    is("lstat of a link with a slash", path_filestat_get(3, 0, PATH("ld/"), AT(&st)));
    say("  type %u", (u64)st.filetype);
    is("stat of a link to itself", path_filestat_get(3, FOLLOW, PATH("loop"), AT(&st)));
    is("stat of a link that leads out", path_filestat_get(3, FOLLOW, PATH("up"), AT(&st)));
    is("stat of a link to an absolute path", path_filestat_get(3, FOLLOW, PATH("abs"), AT(&st)));
    is("stat from a file", (fd = must("f", 0, READING, 0), path_filestat_get(fd, 0, PATH("f"), AT(&st))));
    fd_close(fd);
    is("fstat of what is not open", fd_filestat_get(99, AT(&st)));
    is("fstat of standard output", fd_filestat_get(1, AT(&st)));
}

int main(void) {
    before_1970();
    stats();
    combinations();
    through_links();
    ends();
    flush();
    return 0;
}
