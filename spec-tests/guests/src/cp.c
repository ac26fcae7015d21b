// Copies a file to another, or to stdout if only one is named. Usage: cp FROM [TO]
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: cp FROM [TO]\n");
        return 2;
    }
    int from = open(argv[1], O_RDONLY);
    if (from < 0) {
        fprintf(stderr, "cp: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int to = argc == 3 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644) : 1;
    if (to < 0) {
        fprintf(stderr, "cp: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    char buf[65536];
    ssize_t got;
    while ((got = read(from, buf, sizeof buf)) > 0) {
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(to, buf + done, (size_t)(got - done));
            if (put < 0) {
                fprintf(stderr, "cp: write: %s\n", strerror(errno));
                return 1;
            }
            done += put;
        }
    }
    return got < 0 || close(to) != 0;
}
