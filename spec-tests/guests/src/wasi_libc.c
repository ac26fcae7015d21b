// What a C program sees through wasi-libc: each call's result or errno, in the directory /.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long say(const char *what, long result) {
    if (result < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: %ld\n", what, result);
    return result;
}

static int touch(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) return fd;
    long n = write(fd, text, strlen(text));
    return close(fd) || n < 0 ? -1 : (int)n;
}

static void opening(void) {
    static const struct { const char *what; int flags; } WAYS[] = {
        {"O_RDONLY", O_RDONLY}, {"O_WRONLY", O_WRONLY}, {"O_RDWR", O_RDWR}, {"O_SEARCH", O_SEARCH}, {"O_APPEND", O_RDWR | O_APPEND},
        {"O_NONBLOCK", O_RDWR | O_NONBLOCK}, {"O_CLOEXEC", O_RDWR | O_CLOEXEC}, {"O_DIRECTORY", O_RDONLY | O_DIRECTORY},
        {"O_EXCL", O_RDWR | O_CREAT | O_EXCL}, {"O_NOFOLLOW", O_RDONLY | O_NOFOLLOW}, {"O_TRUNC", O_RDWR | O_TRUNC},
    };
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        char what[64];
        static const char *const PATHS[] = {"f", "d", "lf", "none"};
        for (int j = 0; j < 4; j++) {
            if (j == 3 && WAYS[i].flags & O_CREAT) continue;
            snprintf(what, sizeof what, "open %s with %s", PATHS[j], WAYS[i].what);
            int fd = open(PATHS[j], WAYS[i].flags, 0666);
            if (fd < 0) say(what, fd);
            else printf("%s: flags %#x\n", what, (unsigned)fcntl(fd, F_GETFL)), close(fd);
        }
    }
    say("open .. of the root", open("..", O_RDONLY) < 0 ? -1 : 0);
    say("open an absolute path outside", open("/../x", O_RDONLY) < 0 ? -1 : 0);
    say("open nothing", open("", O_RDONLY) < 0 ? -1 : 0);
    say("creat", creat("created", 0666) < 0 ? -1 : 0);
    say("access to read", access("f", R_OK));
    say("access to write", access("f", W_OK));
    say("access to what is not there", access("none", F_OK));
    say("access to a directory", access("d", R_OK | X_OK));
}

static void files(void) {
    struct stat st;
    touch("f", "hello");
    int fd = open("f", O_RDWR);
    char buf[32] = {0};
    struct iovec vecs[2] = {{buf, 2}, {buf + 2, 3}};
    say("readv", readv(fd, vecs, 2) > 0 ? 0 : -1);
    say("lseek past the end", lseek(fd, 100, SEEK_SET));
    say("read there", read(fd, buf, 4));
    say("lseek before the start", lseek(fd, -1, SEEK_SET));
    say("ftruncate", ftruncate(fd, 3));
    say("ftruncate to less than nothing", ftruncate(fd, -1));
    say("truncate", truncate("f", 8));
    say("posix_fallocate", posix_fallocate(fd, 0, 20));
    fstat(fd, &st);
    say("  size", st.st_size);
    say("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    say("fsync", fsync(fd));
    say("fdatasync", fdatasync(fd));
    say("pread", pread(fd, buf, 4, 1));
    say("pwrite", pwrite(fd, "AB", 2, 1));
    say("isatty of a file", isatty(fd) ? 1 : -1);
    say("fcntl F_GETFD", fcntl(fd, F_GETFD));
    say("fcntl F_SETFL O_APPEND", fcntl(fd, F_SETFL, O_APPEND));
    printf("  flags %#x\n", (unsigned)fcntl(fd, F_GETFL));
    say("lseek to the start", lseek(fd, 0, SEEK_SET));
    say("write", write(fd, "end", 3));
    fstat(fd, &st);
    say("  size", st.st_size);
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    say("futimens", futimens(fd, times));
    fstat(fd, &st);
    printf("  %lld.%09ld %lld.%09ld\n", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT, times[1].tv_nsec = UTIME_NOW;
    say("futimens, keep and now", futimens(fd, times));
    fstat(fd, &st);
    printf("  %lld.%09ld %s\n", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec > 1500000000 ? "now" : "not now");
    times[0] = times[1] = (struct timespec){3000, 9};
    say("utimensat of a link", utimensat(AT_FDCWD, "lf", times, AT_SYMLINK_NOFOLLOW));
    lstat("lf", &st);
    printf("  %lld.%09ld\n", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    say("close", close(fd));
    say("close again", close(fd));
    say("read what is closed", read(fd, buf, 1));
    fd = open("f", O_RDONLY);
    say("write what is open to read", write(fd, "x", 1) < 0 ? -1 : 0);
    close(fd);
    FILE *file = fopen("stdio", "w+");
    fprintf(file, "%d lines\n%s", 2, "second");
    rewind(file);
    char line[32];
    while (fgets(line, sizeof line, file)) printf("  [%s]\n", strtok(line, "\n"));
    fseek(file, -3, SEEK_END);
    printf("  at %ld: %c\n", ftell(file), fgetc(file));
    say("fclose", fclose(file));
    say("remove", remove("stdio"));
    say("fopen of what is not there", fopen("none", "r") ? 0 : -1);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void directories(void) {
    char *names[64];
    int count = 0;
    say("mkdir", mkdir("made", 0777));
    say("mkdir again", mkdir("made", 0777));
    touch("made/b", ""), touch("made/a", ""), mkdir("made/c", 0777), symlink("a", "made/l");
    DIR *dir = opendir("made");
    struct dirent *entry;
    long third = 0;
    while ((entry = readdir(dir))) {
        names[count] = malloc(64);
        snprintf(names[count++], 64, "%s %d", entry->d_name, entry->d_type);
        if (count == 3) third = telldir(dir);
    }
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) printf("  %s\n", names[i]);
    rewinddir(dir);
    for (count = 0; readdir(dir); count++) {}
    say("entries after rewinddir", count);
    seekdir(dir, third);
    for (count = 0; readdir(dir); count++) {}
    say("entries after seekdir to the third", count);
    say("closedir", closedir(dir));
    say("opendir of a file", opendir("f") ? 0 : -1);
    say("opendir of what is not there", opendir("none") ? 0 : -1);
    struct dirent **list;
    count = say("scandir", scandir("made", &list, NULL, alphasort));
    for (int i = 0; i < count; i++) printf("  %s\n", list[i]->d_name);
    say("rmdir of a full directory", rmdir("made"));
    say("rmdir of a file", rmdir("f"));
    say("unlink of a directory", unlink("made") < 0 ? -1 : 0);
    say("remove of a directory", remove("made/c"));
    say("rename", rename("made/a", "made/z"));
    say("rename over", rename("made/z", "made/b"));
    say("rename of a directory", rename("made", "moved"));
    say("rename of what is not there", rename("none", "x"));
    say("renameat", renameat(AT_FDCWD, "moved/b", AT_FDCWD, "moved/y"));
    say("link", link("f", "hard"));
    say("linkat, following", linkat(AT_FDCWD, "lf", AT_FDCWD, "hard2", AT_SYMLINK_FOLLOW));
    say("link of a directory", link("d", "hard3"));
    char buf[8] = {0};
    say("symlink", symlink("f", "soft"));
    say("readlink", readlink("soft", buf, sizeof buf));
    say("readlink of a file", readlink("f", buf, sizeof buf));
    char *full = realpath("made/../lf", NULL);
    printf("realpath: %s\n", full ? full : strerror(errno));
    full = realpath("d/./inner", NULL);
    printf("realpath: %s\n", full ? full : strerror(errno));
    say("chdir", chdir("d"));
    char cwd[64];
    printf("getcwd: %s\n", getcwd(cwd, sizeof cwd));
    struct stat st;
    say("stat from there", stat("inner", &st));
    say("stat of a path upwards", stat("../f", &st));
    say("chdir to a file", chdir("inner"));
    say("chdir back", chdir("/"));
    say("lstat of a link", lstat("lf", &st));
    say("  is a link", S_ISLNK(st.st_mode));
    say("stat through a link to itself", stat("loop", &st));
    say("unlink", unlink("soft"));
    say("unlink again", unlink("soft"));
}

static void waiting(void) {
    struct timespec begin, end, span = {0, 3000000};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    say("nanosleep", nanosleep(&span, NULL));
    clock_gettime(CLOCK_MONOTONIC, &end);
    say("  long enough", (end.tv_sec - begin.tv_sec) * 1000000000ll + end.tv_nsec - begin.tv_nsec >= 3000000);
    end.tv_sec += 0, end.tv_nsec += 2000000;
    if (end.tv_nsec >= 1000000000) end.tv_nsec -= 1000000000, end.tv_sec++;
    say("clock_nanosleep until", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL));
    say("usleep", usleep(1000));
    struct timespec resolution;
    say("clock_getres", clock_getres(CLOCK_REALTIME, &resolution));
    say("clock_gettime of no clock", clock_gettime((clockid_t)0, &begin) ? -1 : 0);
    int fd = open("f", O_RDWR);
    struct pollfd polled[2] = {{.fd = fd, .events = POLLIN | POLLOUT}, {.fd = -1, .events = POLLIN}};
    say("poll a file", poll(polled, 2, 1000));
    printf("  events %s%s%s\n", polled[0].revents & POLLIN ? "in " : "", polled[0].revents & POLLOUT ? "out " : "", polled[0].revents & POLLERR ? "err" : "");
    say("poll nothing for 2 ms", poll(NULL, 0, 2));
    fd_set in, out;
    FD_ZERO(&in), FD_ZERO(&out), FD_SET(fd, &in), FD_SET(fd, &out);
    struct timeval limit = {5, 0};
    say("select a file to read", select(fd + 1, &in, NULL, NULL, &limit));
    close(fd);
    polled[0].fd = fd;
    say("poll what is closed", poll(polled, 1, 0));
    printf("  events %s\n", polled[0].revents & POLLNVAL ? "nval" : "others");
    say("shutdown of a closed descriptor", shutdown(fd, SHUT_RDWR));
    say("recv from standard input", recv(0, &limit, 1, 0));
}

int main(void) {
    opening();
    files();
    directories();
    waiting();
    char random[16];
    say("getentropy", getentropy(random, sizeof random));
    say("sysconf _SC_PAGESIZE", sysconf(_SC_PAGESIZE));
    return 0;
}
