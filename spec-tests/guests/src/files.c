// Walks through the file calls in the directory /work (or argv[1]) and prints what each did.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, long result) {
    if (result < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: %ld\n", what, result);
}

int main(int argc, char **argv) {
    char buf[64] = {0};
    struct stat st;
    const char *root = argc > 1 ? argv[1] : "/work";
    if (chdir(root)) {
        say("chdir", -1);
        return 1;
    }
    say("mkdir sub", mkdir("sub", 0755));
    say("mkdir sub again", mkdir("sub", 0755));
    int fd = open("sub/a.txt", O_RDWR | O_CREAT | O_EXCL, 0644);
    say("open sub/a.txt", fd < 0 ? -1 : 0);
    say("open exclusively again", open("sub/a.txt", O_RDWR | O_CREAT | O_EXCL, 0644));
    say("write", write(fd, "hello, file\n", 12));
    say("pwrite at 7", pwrite(fd, "WORLD", 5, 7));
    say("seek to 0", lseek(fd, 0, SEEK_SET));
    say("read", read(fd, buf, sizeof buf));
    printf("  %s\n", buf);
    say("seek to end", lseek(fd, 0, SEEK_END));
    say("seek before start", lseek(fd, -1, SEEK_SET));
    say("truncate to 5", ftruncate(fd, 5));
    say("fstat", fstat(fd, &st));
    printf("  size %lld, regular %d\n", (long long)st.st_size, S_ISREG(st.st_mode));
    say("pread at 3", pread(fd, buf, 10, 3));
    say("fsync", fsync(fd));
    say("close", close(fd));
    say("close again", close(fd));
    say("append open", (fd = open("sub/a.txt", O_WRONLY | O_APPEND)) < 0 ? -1 : 0);
    say("append", write(fd, "!!", 2));
    close(fd);
    say("link", link("sub/a.txt", "sub/hard"));
    say("symlink", symlink("a.txt", "sub/soft"));
    memset(buf, 0, sizeof buf);
    say("readlink", readlink("sub/soft", buf, sizeof buf));
    printf("  %s\n", buf);
    say("stat through the symlink", stat("sub/soft", &st));
    printf("  size %lld\n", (long long)st.st_size);
    say("rename", rename("sub/a.txt", "sub/b.txt"));
    say("open the old name", open("sub/a.txt", O_RDONLY));
    say("rmdir of a full directory", rmdir("sub"));
    say("unlink of a directory", unlink("sub"));
    say("open a file as a directory", open("sub/b.txt", O_RDONLY | O_DIRECTORY));
    say("unlink b.txt", unlink("sub/b.txt"));
    say("unlink hard", unlink("sub/hard"));
    say("unlink soft", unlink("sub/soft"));
    say("rmdir", rmdir("sub"));
    say("stat of what is gone", stat("sub", &st));
    return 0;
}
