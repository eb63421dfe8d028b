/* Modbus slaves by libmodbus, the other side of the interoperation tests.
 *
 *   libmodbus_slave rtu UNIT...    several units on one bus; prints "ready PATH" of its pseudo-terminal
 *   libmodbus_slave tcp            one slave for every unit address; prints "ready PORT" on loopback
 *
 * Then one line on stdin sets one value, "UNIT FUNCTION ADDRESS VALUE" (FUNCTION is the one that reads the table),
 * and "sync TEXT" is answered with the same line. End of input ends it.
 *
 * libmodbus serves one address per context, so each unit of a bus is a process on a pseudo-terminal of its own, forked
 * in the order of the arguments; the parent hands each request to the unit it is for. (Hearing a request for a
 * neighbour, libmodbus waits for that neighbour's answer and takes the next request for it when none comes: with one
 * dead unit on the bus all others would fall silent.)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#define ALL 65536
#define MOST_UNITS 247

static modbus_mapping_t *tables_of[MOST_UNITS + 1];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    return memory;
}

/* The four tables in memory that parent and child share, so that stdin can set values while a child serves. */
static modbus_mapping_t *new_tables(void) {
    modbus_mapping_t *tables = shared(sizeof *tables);
    tables->nb_bits = tables->nb_input_bits = tables->nb_registers = tables->nb_input_registers = ALL;
    tables->tab_bits = shared(ALL);
    tables->tab_input_bits = shared(ALL);
    tables->tab_registers = shared(ALL * 2);
    tables->tab_input_registers = shared(ALL * 2);
    return tables;
}

/* One line of stdin. */
static void obey(const char *line) {
    unsigned unit, function, address, value;
    if (!strncmp(line, "sync", 4)) {
        puts(line);
    } else if (sscanf(line, "%u %u %u %u", &unit, &function, &address, &value) == 4 && unit <= MOST_UNITS &&
               address < ALL && tables_of[unit]) {
        modbus_mapping_t *tables = tables_of[unit];
        if (function == 1) tables->tab_bits[address] = value;
        if (function == 2) tables->tab_input_bits[address] = value;
        if (function == 3) tables->tab_registers[address] = value;
        if (function == 4) tables->tab_input_registers[address] = value;
    } else {
        printf("what? %s\n", line);
    }
}

/* Reads what there is on stdin; 0 at its end. */
static int listen_to_stdin(void) {
    static char line[256];
    static size_t length;
    char some[4096];
    ssize_t got = read(STDIN_FILENO, some, sizeof some);
    for (ssize_t at = 0; at < got; at++) {
        if (some[at] == '\n') {
            line[length] = 0;
            length = 0;
            obey(line);
        } else if (length < sizeof line - 1) {
            line[length++] = some[at];
        }
    }
    fflush(stdout);
    return got > 0;
}

static void serve_unit(int unit, const char *path) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    modbus_t *context = modbus_new_rtu(path, 9600, 'N', 8, 1);
    if (!context || modbus_set_slave(context, unit) || modbus_connect(context)) fail(path);
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(context, query);
        if (length > 0) modbus_reply(context, query, length, tables_of[unit]);
        if (length < 0 && errno == EIO) exit(0);
    }
}

static int open_pty(char *path) {
    int master, slave;
    struct termios raw;
    if (openpty(&master, &slave, path, NULL, NULL)) fail("openpty");
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw); /* `slave` stays open, so that a master may close and open the path again */
    fcntl(master, F_SETFD, FD_CLOEXEC);
    return master;
}

static void bus(int count, char **units) {
    struct pollfd ends[MOST_UNITS + 2];
    char path[64], outside[64];
    for (int at = 0; at < count; at++) {
        int unit = atoi(units[at]);
        tables_of[unit] = new_tables();
        ends[at + 2].fd = open_pty(path);
        if (fork() == 0) serve_unit(unit, path);
    }
    ends[0].fd = STDIN_FILENO;
    ends[1].fd = open_pty(outside);
    for (int at = 0; at < count + 2; at++) ends[at].events = POLLIN;
    printf("ready %s\n", outside);
    fflush(stdout);
    while (poll(ends, count + 2, -1) > 0) {
        char data[4096];
        if (ends[0].revents && !listen_to_stdin()) exit(0);
        for (int at = 1; at < count + 2; at++) {
            if (!(ends[at].revents & POLLIN)) continue;
            ssize_t got = read(ends[at].fd, data, sizeof data);
            for (int to = 1; got > 0 && to < count + 2; to++) {
                int meant = at == 1 ? to > 1 && atoi(units[to - 2]) == (uint8_t)data[0] : to == 1;
                if (meant && write(ends[to].fd, data, got) != got) fail("write");
            }
        }
    }
}

static void network(void) {
    modbus_mapping_t *tables = new_tables();
    for (int unit = 0; unit <= MOST_UNITS; unit++) tables_of[unit] = tables;
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    int listener = context ? modbus_tcp_listen(context, 16) : -1;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listener < 0 || getsockname(listener, (void *)&address, &size)) fail("listen");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct pollfd ends[64] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    int count = 2;
    while (poll(ends, count, -1) > 0) {
        if (ends[0].revents && !listen_to_stdin()) exit(0);
        if (ends[1].revents && count < 64) {
            ends[count].fd = accept(listener, NULL, NULL);
            ends[count].events = POLLIN;
            ends[count++].revents = 0;
        }
        for (int at = 2; at < count; at++) {
            if (!ends[at].revents) continue;
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(context, ends[at].fd);
            int length = modbus_receive(context, query);
            if (length >= 0) {
                modbus_reply(context, query, length, tables);
            } else {
                close(ends[at].fd);
                ends[at--] = ends[--count];
            }
        }
    }
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    if (count >= 3 && !strcmp(words[1], "rtu")) bus(count - 2, words + 2);
    else if (count == 2 && !strcmp(words[1], "tcp")) network();
    else fprintf(stderr, "usage: libmodbus_slave rtu UNIT... | tcp\n");
    return 2;
}
