// Modbus TCP instruments whose float32 values have decimals: one epoll loop, N ports = N devices, any unit.
//
//   decimal_farm BASE_PORT N [LOG]
//
// The float32 of register pair 2*p is (ms + 7919*p mod 2^20) / 10^(1 + p mod 3): ms is the Unix time of the read in
// milliseconds, so that a value with one to three decimals tells which read served it, and each point has another text.
// Reads (functions 3 and 4, even address and count) are answered, anything else gets an exception; requests may
// be pipelined. LOG gets 16 bytes for each answered read: u32 ms mod 2^24, u16 device, unit, address, count, u32 id.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SOCKETS = 65536, MOST_INPUT = 4096, MOST_OUTPUT = 1 << 17, HEADER = 6, CYCLE = 1 << 20, STEP = 7919 };

struct peer {
    int device, listens, length;
    uint8_t input[MOST_INPUT];
};
struct served {
    uint32_t ms;
    uint16_t device, unit, address, count;
    uint32_t id;
};

static struct peer *peers[MOST_SOCKETS];
static FILE *served_log;
static volatile sig_atomic_t ended;

static void end(int number) {
    (void)number;
    ended = 1;
}

static uint64_t unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_value(uint8_t *out, uint64_t ms, unsigned point) {
    static const float under[3] = {10.0f, 100.0f, 1000.0f};
    float value = (float)((ms + (uint64_t)STEP * point) % CYCLE) / under[point % 3];
    uint32_t bits;
    memcpy(&bits, &value, 4);
    out[0] = bits >> 24, out[1] = bits >> 16, out[2] = bits >> 8, out[3] = bits;
}

// Answers one whole request; returns the length of the answer.
static int answer(int device, const uint8_t *request, int size, uint8_t *out) {
    unsigned function = request[7], address = 0, count = 0;
    memcpy(out, request, 8);
    int length = 3;
    if (size >= 12) address = request[8] << 8 | request[9], count = request[10] << 8 | request[11];
    if (function != 3 && function != 4) {
        out[7] = function | 0x80, out[8] = 1;
    } else if (count < 2 || count > 124 || address % 2 || count % 2) {
        out[7] = function | 0x80, out[8] = 3;
    } else {
        uint64_t ms = unix_ms();
        out[8] = 2 * count;
        for (unsigned at = 0; at < count; at += 2) put_value(out + 9 + 2 * at, ms, (address + at) / 2);
        length = 3 + 2 * count;
        if (served_log) {
            struct served row = {ms & 0xFFFFFF, device, request[6], address, count, request[0] << 8 | request[1]};
            fwrite(&row, sizeof row, 1, served_log);
        }
    }
    out[4] = length >> 8, out[5] = length;
    return HEADER + length;
}

static void add(int events, int descriptor, int device, int listens) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = descriptor};
    peers[descriptor] = calloc(1, sizeof(struct peer));
    peers[descriptor]->device = device;
    peers[descriptor]->listens = listens;
    epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &wanted);
}

static void drop(int descriptor) {
    close(descriptor);
    free(peers[descriptor]);
    peers[descriptor] = NULL;
}

static void send_all(int descriptor, const uint8_t *data, int size) {
    while (size > 0) {
        ssize_t sent = write(descriptor, data, size);
        if (sent > 0) data += sent, size -= sent;
        else if (errno == EAGAIN) usleep(50);
        else return;
    }
}

static void serve(int descriptor, struct peer *peer) {
    static uint8_t output[MOST_OUTPUT];
    ssize_t got = read(descriptor, peer->input + peer->length, sizeof peer->input - peer->length);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(descriptor);
        return;
    }
    peer->length += got;
    int at = 0, filled = 0;
    while (peer->length - at >= 8) {
        int size = HEADER + (peer->input[at + 4] << 8 | peer->input[at + 5]);
        if (size < 8 || size > 300) {
            drop(descriptor);
            return;
        }
        if (peer->length - at < size) break;
        filled += answer(peer->device, peer->input + at, size, output + filled);
        at += size;
    }
    memmove(peer->input, peer->input + at, peer->length - at);
    peer->length -= at;
    send_all(descriptor, output, filled);
}

static void accept_all(int events, int listener) {
    int one = 1, descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        add(events, descriptor, peers[listener]->device, 0);
    }
}

int main(int count, char **words) {
    if (count < 3) {
        fprintf(stderr, "usage: decimal_farm BASE_PORT N [LOG]\n");
        return 2;
    }
    struct rlimit files = {MOST_SOCKETS, MOST_SOCKETS};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sigaction ending = {.sa_handler = end};
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGINT, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (count > 3 && !(served_log = fopen(words[3], "wb"))) {
        perror(words[3]);
        return 1;
    }
    int events = epoll_create1(0), one = 1;
    for (int device = 0; device < atoi(words[2]); device++) {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]) + device)};
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 128)) {
            perror("listen");
            return 1;
        }
        add(events, listener, device, 1);
    }
    static struct epoll_event ready[512];
    time_t flushed = time(NULL);
    while (!ended) {
        int found = epoll_wait(events, ready, 512, 500);
        for (int at = 0; at < found; at++) {
            int descriptor = ready[at].data.fd;
            struct peer *peer = peers[descriptor];
            if (!peer) continue;
            if (peer->listens) accept_all(events, descriptor);
            else serve(descriptor, peer);
        }
        if (served_log && time(NULL) != flushed) {
            fflush(served_log);
            flushed = time(NULL);
        }
    }
    if (served_log) fclose(served_log);
    return 0;
}
