/* The least that a server must do with these requests: what no service on this machine can beat.
 *
 *     floor FILE       listens on a free port of 127.0.0.1 and prints it; ends when its standard input does
 *
 *     PUT  receive the body, SHA-256, append it to FILE, answer 201 once an fdatasync covers it
 *     GET  read block number n of FILE (the number behind the path's last slash), SHA-256, answer 200
 *
 * No signatures, no JSON, no records, no compression, one thread for each connection. The fdatasync is shared: one
 * thread syncs over and over as long as somebody waits, and each sync answers everybody who had written before it
 * began. That is group commit, as the service does it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sha256.h"

enum { BLOCK_BYTES = 524288, HEAD_BYTES_MAX = 16384 };

static int file_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static uint64_t blocks_placed, syncs_begun, syncs_done;
static int waiting;

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *sync_for_all(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!waiting) pthread_cond_wait(&wanted, &lock);
        waiting = 0;
        syncs_begun++;
        pthread_mutex_unlock(&lock);
        if (fdatasync(file_fd) < 0) die("fdatasync");
        pthread_mutex_lock(&lock);
        syncs_done = syncs_begun;
        pthread_cond_broadcast(&done);
    }
    return NULL;
}

static void wait_until_durable(void) {
    pthread_mutex_lock(&lock);
    uint64_t mine = syncs_begun + 1; /* the one on its way may have begun before our write */
    waiting = 1;
    pthread_cond_signal(&wanted);
    while (syncs_done < mine) pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
}

static void store(const char *block) {
    pthread_mutex_lock(&lock);
    off_t offset = (off_t)blocks_placed++ * BLOCK_BYTES;
    pthread_mutex_unlock(&lock);
    for (size_t written = 0; written < BLOCK_BYTES;) {
        ssize_t n = pwrite(file_fd, block + written, BLOCK_BYTES - written, offset + (off_t)written);
        if (n < 0) die("pwrite");
        written += (size_t)n;
    }
    wait_until_durable();
}

static void load(char *block, uint64_t index) {
    for (size_t got = 0; got < BLOCK_BYTES;) {
        ssize_t n = pread(file_fd, block + got, BLOCK_BYTES - got, (off_t)(index * BLOCK_BYTES + got));
        if (n <= 0) die("pread");
        got += (size_t)n;
    }
}

static int send_all(int fd, const char *data, size_t size, int flags) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL | flags);
        if (n <= 0) return 0;
        data += n;
        size -= (size_t)n;
    }
    return 1;
}

static int answer(int fd, int status, const unsigned char digest[32], const char *body, size_t body_bytes) {
    char head[256], hex[65];
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d OK\r\nContent-Length: %zu\r\nX-SHA256: %s\r\n\r\n", status, body_bytes, hex);
    return send_all(fd, head, (size_t)n, MSG_MORE) && send_all(fd, body, body_bytes, 0);
}

/* Read one head; what came with it of the body goes to `block`. Returns the head's length, 0 at the end. */
static size_t receive_head(int fd, char *head, char *block, size_t *body_bytes) {
    size_t size = 0;
    for (;;) {
        ssize_t n = recv(fd, head + size, HEAD_BYTES_MAX - 1 - size, 0);
        if (n <= 0) return 0;
        size += (size_t)n;
        char *end = memmem(head, size, "\r\n\r\n", 4);
        if (!end) continue;
        size_t head_bytes = (size_t)(end - head) + 4;
        *body_bytes = size - head_bytes;
        memcpy(block, head + head_bytes, *body_bytes);
        *end = 0;
        return head_bytes;
    }
}

static void *serve(void *argument) {
    int fd = (int)(intptr_t)argument;
    char *head = malloc(HEAD_BYTES_MAX), *block = malloc(BLOCK_BYTES + HEAD_BYTES_MAX);
    unsigned char digest[32];
    size_t body_bytes;
    if (!head || !block) die("memory");
    while (receive_head(fd, head, block, &body_bytes)) {
        int ok;
        if (!strncmp(head, "PUT ", 4)) {
            while (body_bytes < BLOCK_BYTES) {
                ssize_t n = recv(fd, block + body_bytes, BLOCK_BYTES - body_bytes, 0);
                if (n <= 0) goto out;
                body_bytes += (size_t)n;
            }
            sha256(block, BLOCK_BYTES, digest);
            store(block);
            ok = answer(fd, 201, digest, "{}", 2);
        } else {
            const char *line_end = strpbrk(head + 4, " ?"), *slash = line_end;
            while (slash && *slash != '/') slash--;
            load(block, slash ? strtoull(slash + 1, NULL, 10) : 0);
            sha256(block, BLOCK_BYTES, digest);
            ok = answer(fd, 200, digest, block, BLOCK_BYTES);
        }
        if (!ok) break;
    }
out:
    close(fd);
    free(head);
    free(block);
    return NULL;
}

static void *accept_all(void *argument) {
    int listener = (int)(intptr_t)argument, one = 1;
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) die("accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) die("thread");
        pthread_detach(thread);
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    if (argc != 2) {
        fprintf(stderr, "usage: floor FILE\n");
        return 2;
    }
    file_fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file_fd < 0 || listener < 0) die("open");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) die("getsockname");
    if (pthread_create(&thread, NULL, sync_for_all, NULL)) die("thread");
    if (pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener)) die("thread");
    printf("%d %s\n", ntohs(address.sin_port), SHA256_NAME);
    fflush(stdout);
    while (getchar() != EOF) continue;
    return 0;
}
