// What the wasi_*.c guests share: every function of the interface as a raw import, and lines of the form "what: result"
// on standard output, which Craneway and other runtimes can be compared by. Nothing is allocated; output goes out at the end.
#ifndef WASI_H
#define WASI_H
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifndef MODULE
#define MODULE "wasi_snapshot_preview1"
#endif
#define RAW(name) __attribute__((import_module(MODULE), import_name(#name))) extern int name
// Addresses are numbers, so that a test can pass any.
#define AT(pointer) ((u32)(uintptr_t)(pointer))

RAW(args_get)(u32 argv, u32 buf);
RAW(args_sizes_get)(u32 count, u32 size);
RAW(environ_get)(u32 environ, u32 buf);
RAW(environ_sizes_get)(u32 count, u32 size);
RAW(clock_res_get)(u32 id, u32 out);
RAW(clock_time_get)(u32 id, u64 precision, u32 out);
RAW(fd_advise)(u32 fd, u64 offset, u64 len, u32 advice);
RAW(fd_allocate)(u32 fd, u64 offset, u64 len);
RAW(fd_close)(u32 fd);
RAW(fd_datasync)(u32 fd);
RAW(fd_fdstat_get)(u32 fd, u32 out);
RAW(fd_fdstat_set_flags)(u32 fd, u32 flags);
RAW(fd_fdstat_set_rights)(u32 fd, u64 base, u64 inheriting);
RAW(fd_filestat_get)(u32 fd, u32 out);
RAW(fd_filestat_set_size)(u32 fd, u64 size);
RAW(fd_filestat_set_times)(u32 fd, u64 atim, u64 mtim, u32 flags);
RAW(fd_pread)(u32 fd, u32 iovs, u32 count, u64 offset, u32 out);
RAW(fd_prestat_get)(u32 fd, u32 out);
RAW(fd_prestat_dir_name)(u32 fd, u32 path, u32 len);
RAW(fd_pwrite)(u32 fd, u32 iovs, u32 count, u64 offset, u32 out);
RAW(fd_read)(u32 fd, u32 iovs, u32 count, u32 out);
RAW(fd_readdir)(u32 fd, u32 buf, u32 len, u64 cookie, u32 out);
RAW(fd_renumber)(u32 fd, u32 to);
RAW(fd_seek)(u32 fd, int64_t offset, u32 whence, u32 out);
RAW(fd_sync)(u32 fd);
RAW(fd_tell)(u32 fd, u32 out);
RAW(fd_write)(u32 fd, u32 iovs, u32 count, u32 out);
RAW(path_create_directory)(u32 fd, u32 path, u32 len);
RAW(path_filestat_get)(u32 fd, u32 flags, u32 path, u32 len, u32 out);
RAW(path_filestat_set_times)(u32 fd, u32 flags, u32 path, u32 len, u64 atim, u64 mtim, u32 fst);
RAW(path_link)(u32 old_fd, u32 flags, u32 old, u32 old_len, u32 new_fd, u32 new, u32 new_len);
RAW(path_open)(u32 fd, u32 dirflags, u32 path, u32 len, u32 oflags, u64 base, u64 inheriting, u32 fdflags, u32 out);
RAW(path_readlink)(u32 fd, u32 path, u32 len, u32 buf, u32 buf_len, u32 out);
RAW(path_remove_directory)(u32 fd, u32 path, u32 len);
RAW(path_rename)(u32 old_fd, u32 old, u32 old_len, u32 new_fd, u32 new, u32 new_len);
RAW(path_symlink)(u32 old, u32 old_len, u32 fd, u32 new, u32 new_len);
RAW(path_unlink_file)(u32 fd, u32 path, u32 len);
RAW(poll_oneoff)(u32 subscriptions, u32 events, u32 count, u32 out);
RAW(proc_raise)(u32 signal);
RAW(sched_yield)(void);
RAW(random_get)(u32 buf, u32 len);
#ifndef OLD
RAW(sock_accept)(u32 fd, u32 flags, u32 out);
#endif
RAW(sock_recv)(u32 fd, u32 iovs, u32 count, u32 flags, u32 out, u32 out_flags);
RAW(sock_send)(u32 fd, u32 iovs, u32 count, u32 flags, u32 out);
RAW(sock_shutdown)(u32 fd, u32 how);
__attribute__((import_module(MODULE), import_name("proc_exit"))) extern _Noreturn void proc_exit(u32 code);

enum { CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8 };
enum { APPEND = 1, DSYNC = 2, NONBLOCK = 4, RSYNC = 8, SYNC = 16 };
enum { FOLLOW = 1 };
enum { ATIM = 1, ATIM_NOW = 2, MTIM = 4, MTIM_NOW = 8 };
#define R(bit) (1ull << (bit))
enum {
    FD_DATASYNC, FD_READ, FD_SEEK, FD_FDSTAT_SET_FLAGS, FD_SYNC, FD_TELL, FD_WRITE, FD_ADVISE, FD_ALLOCATE,
    PATH_CREATE_DIRECTORY, PATH_CREATE_FILE, PATH_LINK_SOURCE, PATH_LINK_TARGET, PATH_OPEN, FD_READDIR, PATH_READLINK,
    PATH_RENAME_SOURCE, PATH_RENAME_TARGET, PATH_FILESTAT_GET, PATH_FILESTAT_SET_SIZE, PATH_FILESTAT_SET_TIMES,
    FD_FILESTAT_GET, FD_FILESTAT_SET_SIZE, FD_FILESTAT_SET_TIMES, PATH_SYMLINK, PATH_REMOVE_DIRECTORY, PATH_UNLINK_FILE,
    POLL_FD_READWRITE, SOCK_SHUTDOWN, SOCK_ACCEPT,
};
// The older version has no right to accept.
#ifdef OLD
#define EVERY (R(29) - 1)
#else
#define EVERY (R(30) - 1)
#endif
#define READING (R(FD_READ) | R(FD_SEEK) | R(FD_TELL) | R(FD_FILESTAT_GET) | R(POLL_FD_READWRITE))
#define WRITING (R(FD_WRITE) | R(FD_SEEK) | R(FD_TELL) | R(FD_FILESTAT_GET) | R(FD_FILESTAT_SET_SIZE) | R(FD_ALLOCATE))
#define BOTH (EVERY & ~R(SOCK_SHUTDOWN) & ~R(SOCK_ACCEPT))

typedef struct { u32 base, len; } Vec;
typedef struct { u8 filetype, pad0; u16 flags; u32 pad1; u64 base, inheriting; } FdStat;
typedef struct { u64 dev, ino; u8 filetype, pad[7]; u64 nlink, size, atim, mtim, ctim; } FileStat;
typedef struct { u64 next, ino; u32 namlen; u8 filetype, pad[3]; } Dirent;
typedef struct { u64 userdata; u16 errno_; u8 type, pad[5]; u64 nbytes; u16 flags; u16 pad2[3]; } Event;
typedef struct {
    u64 userdata;
    u8 type, pad[7];
    union {
        struct { u32 id, pad; u64 timeout, precision; u16 flags; } clock;
        u32 fd;
    };
} Subscription;
_Static_assert(sizeof(FdStat) == 24 && sizeof(FileStat) == 64 && sizeof(Event) == 32 && sizeof(Subscription) == 48, "");

static const char *const ERRNO[] = {
    "success", "2big", "acces", "addrinuse", "addrnotavail", "afnosupport", "again", "already", "badf", "badmsg", "busy",
    "canceled", "child", "connaborted", "connrefused", "connreset", "deadlk", "destaddrreq", "dom", "dquot", "exist",
    "fault", "fbig", "hostunreach", "idrm", "ilseq", "inprogress", "intr", "inval", "io", "isconn", "isdir", "loop",
    "mfile", "mlink", "msgsize", "multihop", "nametoolong", "netdown", "netreset", "netunreach", "nfile", "nobufs",
    "nodev", "noent", "noexec", "nolck", "nolink", "nomem", "nomsg", "noprotoopt", "nospc", "nosys", "notconn", "notdir",
    "notempty", "notrecoverable", "notsock", "notsup", "notty", "nxio", "overflow", "ownerdead", "perm", "pipe", "proto",
    "protonosupport", "prototype", "range", "rofs", "spipe", "srch", "stale", "timedout", "txtbsy", "xdev", "notcapable",
};

static char output[1 << 16];
static u32 output_len;

__attribute__((unused)) static void flush(void) {
    u32 at = 0, n;
    while (at < output_len) {
        Vec v = {AT(output + at), output_len - at};
        if (fd_write(1, AT(&v), 1, AT(&n)) || !n) break;
        at += n;
    }
    output_len = 0;
}

static void put(const char *text, u32 len) {
    if (output_len + len > sizeof output) flush();
    memcpy(output + output_len, text, len);
    output_len += len;
}

// %s text, %d signed, %u unsigned, %x hexadecimal (both of 64 bits), %e an error's name.
__attribute__((unused)) static void say(const char *form, ...) {
    va_list args;
    va_start(args, form);
    for (; *form; form++) {
        if (*form != '%') { put(form, 1); continue; }
        char digits[24], *p = digits + sizeof digits;
        switch (*++form) {
        case 's': { const char *s = va_arg(args, const char *); put(s, strlen(s)); break; }
        case 'e': { u32 e = va_arg(args, u32); const char *s = e < 77 ? ERRNO[e] : "?"; put(s, strlen(s)); break; }
        default: {
            int64_t n = va_arg(args, int64_t);
            u64 base = *form == 'x' ? 16 : 10, m = *form == 'd' && n < 0 ? -(u64)n : (u64)n;
            do *--p = "0123456789abcdef"[m % base]; while (m /= base);
            if (*form == 'd' && n < 0) *--p = '-';
            put(p, digits + sizeof digits - p);
        }
        }
    }
    va_end(args);
    put("\n", 1);
}

// One line for one call.
__attribute__((unused)) static int is(const char *what, int errno_) {
    say("%s: %e", what, errno_);
    return errno_;
}

#define PATH(text) AT(text), (u32)strlen(text)

// Opens beneath descriptor 3 and returns the descriptor, or minus the error.
__attribute__((unused)) static int open_at(u32 dir, const char *path, u32 oflags, u64 base, u32 fdflags) {
    u32 fd = 0;
    int e = path_open(dir, FOLLOW, PATH(path), oflags, base, EVERY, fdflags, AT(&fd));
    return e ? -e : (int)fd;
}

// The same, which must succeed.
__attribute__((unused)) static u32 must(const char *path, u32 oflags, u64 base, u32 fdflags) {
    int fd = open_at(3, path, oflags, base, fdflags);
    if (fd >= 0) return fd;
    say("cannot open %s: %e", path, -fd);
    flush();
    proc_exit(100);
}

// Opens, says whether it went well, and closes again.
__attribute__((unused)) static int try_open(const char *what, u32 dirflags, const char *path, u32 oflags, u64 base, u32 fdflags) {
    u32 fd = 0;
    int e = is(what, path_open(3, dirflags, PATH(path), oflags, base, EVERY, fdflags, AT(&fd)));
    if (!e) fd_close(fd);
    return e;
}

__attribute__((unused)) static int write_all(u32 fd, const char *text) {
    Vec v = {PATH(text)};
    u32 n = 0;
    return fd_write(fd, AT(&v), 1, AT(&n));
}

// What is in a file, as text.
__attribute__((unused)) static void show(const char *path) {
    static char text[256];
    Vec v = {AT(text), sizeof text - 1};
    u32 n = 0;
    int fd = open_at(3, path, 0, R(FD_READ), 0);
    if (fd < 0) { say("  %s: %e", path, -fd); return; }
    int e = fd_read(fd, AT(&v), 1, AT(&n));
    text[e ? 0 : n] = 0;
    for (u32 i = 0; i < n; i++) if (!text[i]) text[i] = '_';
    say("  %s: \"%s\"%s", path, text, e ? ERRNO[e] : "");
    fd_close(fd);
}
#endif
