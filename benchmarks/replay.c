/* Sends prepared HTTP requests over keep-alive connections and times every answer.
 *
 *     replay HOST PORT CONNECTIONS REQUESTS POOL      one JSON object on stdout
 *
 * One thread and epoll: the requests are signed beforehand, their bodies are memory-mapped, and an answer's body
 * is counted and dropped, so that this program costs little next to the server it shares the machine with.
 *
 * REQUESTS, little-endian, written by benchmarks/requests_file.py:
 *
 *     "NEVEREQ1"  u32 count  u32 status expected
 *     count times:  u32 head bytes  u32 body bytes  u64 offset in POOL  16 bytes stamp  head
 *
 * A body is the stamp and then POOL from offset + 16 on: random like the pool, and like no other body.
 * Each connection sends the next request as soon as it has the whole answer to its last one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_BYTES = 16, HEAD_BYTES_MAX = 16384, BROKEN_MAX = 100, STATUS_MAX = 600 };
static const uint64_t QUIET_NS_MAX = 60ull * 1000 * 1000 * 1000; /* no answer at all for this long: give up */

struct request {
    const char *head;
    const char *stamp;
    const char *pool;
    uint32_t head_bytes;
    uint32_t body_bytes;
};

struct connection {
    int fd;
    const struct request *request; /* NULL: nothing left to do */
    uint64_t started_ns;
    size_t sent;
    size_t head_bytes;
    size_t body_bytes_left;
    int status; /* 0 until the head is complete */
    int closing;
    char head[HEAD_BYTES_MAX];
};

static struct request *requests;
static uint32_t request_count, request_next, status_expected;
static uint32_t *latency_us;
static uint32_t answered, by_status[STATUS_MAX], broken, connections_open;
static uint64_t bytes_sent, bytes_received;
static struct sockaddr_in server;
static int epoll_fd;
static char scratch[1 << 18];

static void die(const char *what) {
    fprintf(stderr, "replay: %s: %s\n", what, errno ? strerror(errno) : "malformed");
    exit(2);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static const char *map_file(const char *path, size_t *size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) die(path);
    *size = (size_t)info.st_size;
    void *data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) die(path);
    close(fd);
    return data;
}

static uint64_t number(const char **at, const char *end, int bytes) {
    uint64_t value = 0;
    errno = 0;
    if (end - *at < bytes) die("requests file");
    memcpy(&value, *at, (size_t)bytes);
    *at += bytes;
    return value;
}

static void read_requests(const char *path, const char *pool_path) {
    size_t size, pool_size;
    const char *at = map_file(path, &size), *end = at + size, *pool = map_file(pool_path, &pool_size);
    errno = 0;
    if (size < 16 || memcmp(at, "NEVEREQ1", 8) != 0) die("requests file");
    at += 8;
    request_count = (uint32_t)number(&at, end, 4);
    status_expected = (uint32_t)number(&at, end, 4);
    requests = calloc(request_count, sizeof *requests);
    latency_us = calloc(request_count, sizeof *latency_us);
    if (!requests || !latency_us) die("memory");
    for (uint32_t i = 0; i < request_count; i++) {
        struct request *r = &requests[i];
        r->head_bytes = (uint32_t)number(&at, end, 4);
        r->body_bytes = (uint32_t)number(&at, end, 4);
        uint64_t offset = number(&at, end, 8);
        errno = 0;
        if ((size_t)(end - at) < STAMP_BYTES + (size_t)r->head_bytes) die("requests file");
        if (r->body_bytes && (r->body_bytes < STAMP_BYTES || offset + r->body_bytes > pool_size)) die("pool");
        r->stamp = at;
        r->head = at + STAMP_BYTES;
        r->pool = pool + offset + STAMP_BYTES;
        at += STAMP_BYTES + r->head_bytes;
    }
}

/* --- one connection ---------------------------------------------------------------------------------------- */

static void watch(struct connection *c, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, how, c->fd, &event) < 0) die("epoll_ctl");
}

static void open_connection(struct connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

/* Take the next request. The connection is closed when there is none. */
static void next_request(struct connection *c) {
    if (request_next == request_count) {
        c->request = NULL;
        close(c->fd);
        connections_open--;
        return;
    }
    c->request = &requests[request_next++];
    c->sent = c->head_bytes = c->body_bytes_left = 0;
    c->status = c->closing = 0;
    c->started_ns = now_ns();
}

static void send_some(struct connection *c) {
    const struct request *r = c->request;
    size_t total = (size_t)r->head_bytes + r->body_bytes;
    while (c->sent < total) {
        struct iovec parts[3] = {
            {(void *)r->head, r->head_bytes},
            {(void *)r->stamp, r->body_bytes ? STAMP_BYTES : 0},
            {(void *)r->pool, r->body_bytes ? r->body_bytes - STAMP_BYTES : 0},
        };
        size_t skip = c->sent;
        for (int i = 0; i < 3; i++) {
            size_t cut = skip < parts[i].iov_len ? skip : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + cut;
            parts[i].iov_len -= cut;
            skip -= cut;
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        if (n < 0) {
            c->closing = 1; /* the answer, if there is one, is still to be read */
            break;
        }
        c->sent += (size_t)n;
        bytes_sent += (uint64_t)n;
    }
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void reopen(struct connection *c) {
    close(c->fd);
    open_connection(c);
}

static void finish_answer(struct connection *c) {
    latency_us[answered++] = (uint32_t)((now_ns() - c->started_ns) / 1000);
    by_status[c->status]++;
    int unsent = c->sent < (size_t)c->request->head_bytes + c->request->body_bytes;
    if (c->closing || unsent) reopen(c);
    next_request(c);
    if (c->request) send_some(c);
}

static void broken_off(struct connection *c) {
    errno = 0;
    if (++broken > BROKEN_MAX) die("the server keeps breaking connections off");
    reopen(c);
    next_request(c);
    if (c->request) send_some(c);
}

static void parse_head(struct connection *c, size_t head_end) {
    int found_length = 0;
    errno = 0;
    c->head[head_end - 1] = 0;
    if (sscanf(c->head, "HTTP/1.1 %d", &c->status) != 1 || c->status < 100 || c->status >= STATUS_MAX) die("status line");
    for (char *line = strstr(c->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, "content-length:", 15)) {
            c->body_bytes_left = strtoull(line + 15, NULL, 10);
            found_length = 1;
        }
        if (!strncasecmp(line, "connection: close", 17)) c->closing = 1;
    }
    if (!found_length) die("an answer without Content-Length");
}

static void receive_some(struct connection *c) {
    for (;;) {
        char *into = c->status ? scratch : c->head + c->head_bytes;
        size_t room = c->status ? sizeof scratch : HEAD_BYTES_MAX - 1 - c->head_bytes;
        errno = 0;
        if (!room) die("an answer's head is too long");
        ssize_t n = recv(c->fd, into, room, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            broken_off(c);
            return;
        }
        bytes_received += (uint64_t)n;
        size_t body = (size_t)n;
        if (!c->status) {
            c->head_bytes += (size_t)n;
            char *end = memmem(c->head, c->head_bytes, "\r\n\r\n", 4);
            if (!end) continue;
            size_t head_end = (size_t)(end - c->head) + 4;
            body = c->head_bytes - head_end;
            parse_head(c, head_end);
        }
        errno = 0;
        if (body > c->body_bytes_left) die("more than one answer to a request");
        c->body_bytes_left -= body;
        if (!c->body_bytes_left) {
            finish_answer(c);
            return;
        }
    }
}

/* --- the run -------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile_us(unsigned percent) {
    return answered ? latency_us[(uint64_t)(answered - 1) * percent / 100] : 0;
}

static void report(uint64_t elapsed_ns) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(latency_us, answered, sizeof *latency_us, by_value);
    printf("{\"requests\": %u, \"answered\": %u, \"as_expected\": %u, \"broken\": %u, \"seconds\": %.6f, ", request_count,
           answered, by_status[status_expected], broken, (double)elapsed_ns / 1e9);
    printf("\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, ", percentile_us(50), percentile_us(99), percentile_us(100));
    printf("\"bytes_sent\": %llu, \"bytes_received\": %llu, \"cpu_s\": %.3f, \"statuses\": {", (unsigned long long)bytes_sent,
           (unsigned long long)bytes_received, cpu_s);
    const char *comma = "";
    for (int status = 0; status < STATUS_MAX; status++) {
        if (!by_status[status]) continue;
        printf("%s\"%d\": %u", comma, status, by_status[status]);
        comma = ", ";
    }
    printf("}}\n");
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: replay HOST PORT CONNECTIONS REQUESTS POOL\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) die("address");
    read_requests(argv[4], argv[5]);
    if (status_expected >= STATUS_MAX) die("requests file");

    uint32_t connection_count = (uint32_t)atoi(argv[3]);
    struct connection *connections = calloc(connection_count, sizeof *connections);
    if (!connections || (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll");
    connections_open = connection_count;
    for (uint32_t i = 0; i < connection_count; i++) open_connection(&connections[i]);

    uint64_t started_ns = now_ns();
    for (uint32_t i = 0; i < connection_count; i++) {
        next_request(&connections[i]);
        if (connections[i].request) send_some(&connections[i]);
    }
    struct epoll_event events[64];
    while (connections_open) {
        int ready = epoll_wait(epoll_fd, events, 64, (int)(QUIET_NS_MAX / 1000000));
        if (ready < 0 && errno == EINTR) continue;
        errno = ready ? errno : ETIMEDOUT;
        if (ready <= 0) die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->request && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_some(c);
            else if (c->request && events[i].events & EPOLLOUT) send_some(c);
        }
    }
    report(now_ns() - started_ns);
    return 0;
}
