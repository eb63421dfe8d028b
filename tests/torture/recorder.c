/* LD_PRELOAD: writes down, in order, what a process does to files whose path begins with $RECORD_PREFIX.
 *
 * Records go to $RECORD_FILE, each written with one append:
 *     uint32 length of what follows, uint8 kind, uint16 length of the path, path, int64 offset, data
 * Kinds: W write at offset, T truncate to offset, S fsync or fdatasync, U unlink, D fsync of a folder,
 *        M rename (data: the new path), C created, A a mark of the program (a write to $RECORD_MARKS).
 * A call is recorded before it is made when it destroys (T, U, M), and after it has returned otherwise; a sync
 * only when it succeeded. One lock keeps the order of calls and records the same. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST 4096
static char *paths[MOST];
static int record = -1;
static const char *prefix;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    real_write = real("write");
    real_pwrite64 = real("pwrite64");
    int (*real_open)(const char *, int, ...) = real("open");
    prefix = getenv("RECORD_PREFIX");
    const char *file = getenv("RECORD_FILE");
    if (prefix && file) record = real_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void put(char kind, const char *path, int64_t offset, const void *data, size_t length) {
    if (record < 0) return;
    uint16_t path_length = strlen(path);
    uint32_t total = 1 + 2 + path_length + 8 + length;
    char *buffer = malloc(4 + total);
    memcpy(buffer, &total, 4);
    buffer[4] = kind;
    memcpy(buffer + 5, &path_length, 2);
    memcpy(buffer + 7, path, path_length);
    memcpy(buffer + 7 + path_length, &offset, 8);
    if (length) memcpy(buffer + 15 + path_length, data, length);
    real_write(record, buffer, 4 + total);
    free(buffer);
}

static const char *known(int fd) { return fd >= 0 && fd < MOST ? paths[fd] : NULL; }

static int opened(int fd, const char *path, int flags) {
    if (fd < 0 || fd >= MOST || !prefix) return fd;
    char whole[PATH_MAX];
    if (!realpath(path, whole)) return fd;
    if (strncmp(whole, prefix, strlen(prefix))) return fd;
    pthread_mutex_lock(&lock);
    free(paths[fd]);
    paths[fd] = strdup(whole);
    if (flags & O_CREAT) put('C', whole, 0, NULL, 0);
    if (flags & O_TRUNC) put('T', whole, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name, mine)                                                     \
    int mine(const char *path, int flags, ...) {                             \
        static int (*next)(const char *, int, ...);                          \
        if (!next) next = real(name);                                        \
        va_list rest;                                                        \
        va_start(rest, flags);                                               \
        mode_t mode = va_arg(rest, int);                                     \
        va_end(rest);                                                        \
        return opened(next(path, flags, mode), path, flags);                 \
    }
OPEN("open", open)
OPEN("open64", open64)

int openat(int folder, const char *path, int flags, ...) {
    static int (*next)(int, const char *, int, ...);
    if (!next) next = real("openat");
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, int);
    va_end(rest);
    return opened(next(folder, path, flags, mode), path, flags);
}

int openat64(int folder, const char *path, int flags, ...) {
    static int (*next)(int, const char *, int, ...);
    if (!next) next = real("openat64");
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, int);
    va_end(rest);
    return opened(next(folder, path, flags, mode), path, flags);
}

int close(int fd) {
    static int (*next)(int);
    if (!next) next = real("close");
    if (known(fd)) {
        pthread_mutex_lock(&lock);
        free(paths[fd]);
        paths[fd] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return next(fd);
}

static ssize_t written(int fd, const void *data, ssize_t length, int64_t offset) {
    if (length > 0) put('W', paths[fd], offset, data, length);
    return length;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    if (!known(fd)) return real_pwrite64(fd, data, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = written(fd, data, real_pwrite64(fd, data, length, offset), offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    if (!real_write) real_write = real("write");
    if (!known(fd)) return real_write(fd, data, length);
    pthread_mutex_lock(&lock);
    int64_t offset = lseek64(fd, 0, SEEK_CUR);
    ssize_t done = written(fd, data, real_write(fd, data, length), offset);
    pthread_mutex_unlock(&lock);
    return done;
}

#define SYNC(mine)                                                                            \
    int mine(int fd) {                                                                        \
        static int (*next)(int);                                                              \
        if (!next) next = real(#mine);                                                        \
        if (!known(fd)) return next(fd);                                                      \
        pthread_mutex_lock(&lock);                                                            \
        int done = next(fd);                                                                  \
        struct stat what;                                                                     \
        if (!done) put(!fstat(fd, &what) && S_ISDIR(what.st_mode) ? 'D' : 'S', paths[fd], 0, NULL, 0); \
        pthread_mutex_unlock(&lock);                                                          \
        return done;                                                                          \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(mine, kind)                         \
    int mine(int fd, kind length) {                  \
        static int (*next)(int, kind);               \
        if (!next) next = real(#mine);               \
        if (!known(fd)) return next(fd, length);     \
        pthread_mutex_lock(&lock);                   \
        put('T', paths[fd], length, NULL, 0);        \
        int done = next(fd, length);                 \
        pthread_mutex_unlock(&lock);                 \
        return done;                                 \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int unlink(const char *path) {
    static int (*next)(const char *);
    if (!next) next = real("unlink");
    char whole[PATH_MAX];
    if (prefix && realpath(path, whole) && !strncmp(whole, prefix, strlen(prefix))) {
        pthread_mutex_lock(&lock);
        put('U', whole, 0, NULL, 0);
        int done = next(path);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return next(path);
}

int rename(const char *path, const char *target) {
    static int (*next)(const char *, const char *);
    if (!next) next = real("rename");
    char whole[PATH_MAX];
    if (prefix && realpath(path, whole) && !strncmp(whole, prefix, strlen(prefix))) {
        pthread_mutex_lock(&lock);
        put('M', whole, 0, target, strlen(target));
        int done = next(path, target);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return next(path, target);
}
