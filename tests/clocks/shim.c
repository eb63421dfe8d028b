/* A wall clock that a test turns: LD_PRELOAD it, and point FIELDGATE_CLOCK at a file of two int64 in this machine's
   byte order: nanoseconds added to CLOCK_REALTIME, and what adjtimex(2) says (0: as the machine, 1: synchronised,
   2: not synchronised). Monotonic and boot clock are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *turned;
static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_adjtimex)(struct timex *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FIELDGATE_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_adjtimex = dlsym(RTLD_NEXT, "adjtimex");
    if (file >= 0) {
        void *at = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
        if (at != MAP_FAILED) turned = at;
        close(file);
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = real_gettime(clock, now);
    if (!result && turned && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t at = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + turned[0];
        now->tv_sec = at / 1000000000;
        now->tv_nsec = at % 1000000000;
        if (now->tv_nsec < 0) { now->tv_nsec += 1000000000; now->tv_sec -= 1; }
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out) *out = at.tv_sec;
    return at.tv_sec;
}

int adjtimex(struct timex *state) {
    if (!turned || !turned[1]) return real_adjtimex(state);
    state->status = turned[1] == 1 ? 0 : STA_UNSYNC;
    return turned[1] == 1 ? TIME_OK : TIME_ERROR;
}
