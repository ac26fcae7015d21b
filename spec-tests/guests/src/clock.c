// Reads the clocks and sleeps; prints only what does not depend on the time of day.
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>

static long long now(clockid_t id) {
    struct timespec t;
    if (clock_gettime(id, &t)) return -1;
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
    struct timespec res, nap = {0, 30000000};
    printf("wall clock after 2024: %d\n", now(CLOCK_REALTIME) > 1704067200000000000LL);
    printf("resolution known: %d\n", clock_getres(CLOCK_MONOTONIC, &res) == 0 && res.tv_nsec > 0);
    long long start = now(CLOCK_MONOTONIC);
    nanosleep(&nap, NULL);
    long long slept = now(CLOCK_MONOTONIC) - start;
    printf("slept at least 30 ms: %d, less than 5 s: %d\n", slept >= 30000000, slept < 5000000000LL);
    start = now(CLOCK_MONOTONIC);
    int ready = poll(NULL, 0, 20);
    slept = now(CLOCK_MONOTONIC) - start;
    printf("poll: %d, at least 20 ms: %d\n", ready, slept >= 20000000);
    long long last = start;
    int backwards = 0;
    for (int i = 0; i < 100000; i++) {
        long long t = now(CLOCK_MONOTONIC);
        backwards += t < last;
        last = t;
    }
    printf("times the clock went backwards: %d\n", backwards);
    return 0;
}
