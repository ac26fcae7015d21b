// Rights: what descriptors have, what each function asks for, what is inherited, and that what was dropped stays so.
#include "wasi.h"

static void rights_of(const char *what, u32 fd) {
    FdStat stat = {0};
    int e = fd_fdstat_get(fd, AT(&stat));
    if (e) say("%s: %e", what, e);
    else say("%s: type %u, flags %u, base %x, inheriting %x", what, (u64)stat.filetype, (u64)stat.flags, stat.base, stat.inheriting);
}

// Opens, keeps only some rights, and says what a use of the descriptor gives.
static u32 file_with(u64 rights) {
    u32 fd = must("f", 0, BOTH, 0);
    fd_fdstat_set_rights(fd, rights, 0);
    return fd;
}

#define LACKING(right, call) do { \
        u32 fd = file_with(BOTH & ~R(right)); \
        is("without " #right, call); \
        fd_close(fd); \
    } while (0)

static void files(void) {
    static char buf[8];
    u32 n;
    u64 at;
    FileStat st;
    Vec v = {AT(buf), 4};
    LACKING(FD_DATASYNC, fd_datasync(fd));
    LACKING(FD_READ, fd_read(fd, AT(&v), 1, AT(&n)));
    LACKING(FD_READ, fd_pread(fd, AT(&v), 1, 0, AT(&n)));
    LACKING(FD_SEEK, fd_seek(fd, 1, 0, AT(&at)));
    LACKING(FD_SEEK, fd_seek(fd, 0, 1, AT(&at)));
    LACKING(FD_SEEK, fd_pread(fd, AT(&v), 1, 0, AT(&n)));
    LACKING(FD_SEEK, fd_pwrite(fd, AT(&v), 1, 0, AT(&n)));
    LACKING(FD_SEEK, fd_tell(fd, AT(&at)));
    LACKING(FD_FDSTAT_SET_FLAGS, fd_fdstat_set_flags(fd, APPEND));
    LACKING(FD_SYNC, fd_sync(fd));
    LACKING(FD_TELL, fd_tell(fd, AT(&at)));
    LACKING(FD_WRITE, fd_write(fd, AT(&v), 1, AT(&n)));
    LACKING(FD_WRITE, fd_pwrite(fd, AT(&v), 1, 0, AT(&n)));
    LACKING(FD_ADVISE, fd_advise(fd, 0, 0, 0));
    LACKING(FD_ALLOCATE, fd_allocate(fd, 0, 10));
    LACKING(FD_FILESTAT_GET, fd_filestat_get(fd, AT(&st)));
    LACKING(FD_FILESTAT_SET_SIZE, fd_filestat_set_size(fd, 9));
    LACKING(FD_FILESTAT_SET_TIMES, fd_filestat_set_times(fd, 0, 0, ATIM));
    u32 fd = file_with(0);
    is("without FD_TELL and FD_SEEK, tell", fd_tell(fd, AT(&at)));
    is("without any right, close", fd_close(fd));
    fd = file_with(BOTH & ~R(POLL_FD_READWRITE));
    Subscription s = {.type = 1, .fd = fd};
    Event event = {0};
    is("without POLL_FD_READWRITE", poll_oneoff(AT(&s), AT(&event), 1, AT(&n)));
    say("  %u events, error %e", (u64)n, event.errno_);
    fd_close(fd);
}

static u32 dir_with(u64 base, u64 inheriting) {
    u32 fd = must("d", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    FdStat stat = {0};
    fd_fdstat_get(fd, AT(&stat));
    fd_fdstat_set_rights(fd, stat.base & base, stat.inheriting & inheriting);
    return fd;
}

#define DIR_LACKING(right, call) do { \
        u32 fd = dir_with(~R(right), ~0ull); \
        is("a directory without " #right, call); \
        fd_close(fd); \
    } while (0)

static void directories(void) {
    static char buf[64];
    u32 n;
    FileStat st;
    DIR_LACKING(PATH_CREATE_DIRECTORY, path_create_directory(fd, PATH("sub")));
    DIR_LACKING(PATH_CREATE_FILE, path_open(fd, 0, PATH("new"), CREAT, BOTH, 0, 0, AT(&n)));
    DIR_LACKING(PATH_FILESTAT_SET_SIZE, path_open(fd, 0, PATH("inner"), TRUNC, BOTH, 0, 0, AT(&n)));
    DIR_LACKING(PATH_LINK_SOURCE, path_link(fd, 0, PATH("inner"), 3, PATH("hard1")));
    DIR_LACKING(PATH_LINK_TARGET, path_link(3, 0, PATH("f"), fd, PATH("hard2")));
    DIR_LACKING(PATH_OPEN, path_open(fd, 0, PATH("inner"), 0, READING, 0, 0, AT(&n)));
    DIR_LACKING(FD_READDIR, fd_readdir(fd, AT(buf), sizeof buf, 0, AT(&n)));
    DIR_LACKING(PATH_READLINK, path_readlink(fd, PATH("upf"), AT(buf), sizeof buf, AT(&n)));
    DIR_LACKING(PATH_RENAME_SOURCE, path_rename(fd, PATH("inner"), 3, PATH("moved1")));
    DIR_LACKING(PATH_RENAME_TARGET, path_rename(3, PATH("spare"), fd, PATH("moved2")));
    DIR_LACKING(PATH_FILESTAT_GET, path_filestat_get(fd, 0, PATH("upf"), AT(&st)));
    DIR_LACKING(PATH_FILESTAT_SET_TIMES, path_filestat_set_times(fd, 0, PATH("upf"), 0, 0, ATIM));
    DIR_LACKING(PATH_SYMLINK, path_symlink(PATH("x"), fd, PATH("soft")));
    DIR_LACKING(PATH_UNLINK_FILE, path_unlink_file(fd, PATH("unlinked")));
    DIR_LACKING(PATH_REMOVE_DIRECTORY, path_remove_directory(fd, PATH("removed")));
}

static void inheritance(void) {
    u32 n = 0;
    u32 dir = dir_with(~0ull, ~R(FD_WRITE));
    rights_of("a directory that passes on no FD_WRITE", dir);
    is("through it, to write", path_open(dir, 0, PATH("in2"), CREAT, R(FD_WRITE), 0, 0, AT(&n)));
    int e = path_open(dir, 0, PATH("in2"), CREAT, BOTH & ~R(FD_WRITE), EVERY, 0, AT(&n));
    is("through it, to read", e);
    if (!e) rights_of("  what came", n);
    fd_close(n);
    fd_close(dir);
    dir = dir_with(~0ull, R(FD_READ) | R(FD_FILESTAT_GET));
    e = path_open(dir, 0, PATH("in2"), 0, EVERY & ~R(FD_WRITE), EVERY, 0, AT(&n));
    is("through one that passes on two rights", e);
    if (!e) rights_of("  what came", n);
    fd_close(n);
    fd_close(dir);
    u32 fd = must("f", 0, R(FD_READ) | R(FD_SEEK), 0);
    is("to rights that there never were", fd_fdstat_set_rights(fd, R(FD_READ) | R(FD_WRITE), 0));
    is("fewer rights", fd_fdstat_set_rights(fd, R(FD_READ), 0));
    is("the same rights again", fd_fdstat_set_rights(fd, R(FD_READ), 0));
    is("the dropped right back", fd_fdstat_set_rights(fd, R(FD_READ) | R(FD_SEEK), 0));
    is("none", fd_fdstat_set_rights(fd, 0, 0));
    rights_of("then", fd);
    is("of what is not open", fd_fdstat_set_rights(99, 0, 0));
    fd_close(fd);
}

int main(void) {
    rights_of("the preopened directory", 3);
    u32 fd = must("f", 0, BOTH, 0);
    rights_of("a file opened for everything", fd);
    fd_close(fd);
    fd = must("f", 0, READING, 0);
    rights_of("a file opened to read", fd);
    fd_close(fd);
    fd = must("d", 0, EVERY & ~R(FD_WRITE), 0);
    rights_of("a directory opened for everything but writing", fd);
    fd_close(fd);
    files();
    directories();
    inheritance();
    flush();
    return 0;
}
