// The clients of the benchmark: N keep-alive connections that ask for one answer after the other, for S
// seconds, in one thread with epoll. Checks that each answer is whole and each stream's chunks are all
// there, in order. Prints one line of JSON, "first" being the time to the first chunk with text or to the end
// of an answer without a stream; exits 1 when an answer was wrong.
// For JSON, PACE_MS is how long a client waits before it asks again: with it nobody is kept busy, and what is
// added to an answer's time is not the time in a queue.
// Usage: load PORT CONNECTIONS SECONDS json|stream CHUNKS PACE_MS PROMPT_BYTES
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Some proxies put hundreds of chunks together as one.
enum { BUFFER = 1 << 20, SAMPLES = 1 << 21 };

struct client {
  int fd;
  char in[BUFFER + 1];  // what has come and is not understood yet
  int length;
  char text[BUFFER + 1];  // events without their transfer coding, as far as they are not whole
  int text_length;
  size_t sent;          // of the request
  uint64_t begun;
  uint64_t due;         // when it asks again; 0 for one that does not wait
  bool head, first;     // the head, the first chunk with text have come
  bool finished;        // a finish reason has come
  bool closes;          // the answer is the connection's last
  long body_left;       // of a body with content-length; -1 for chunked
  long chunk;           // number that the next chunk must have
};

static int epoll;
static struct sockaddr_in address;
static char *request;
static size_t request_length;
static bool streams;
static uint64_t pause_ns;
static long chunks_wanted;
static long requests, chunks, bytes, wrong, running;
static bool stopping;
static float first_ms[SAMPLES], delay_ms[SAMPLES];
static long firsts, delays;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void send_more(struct client *c) {
  while (c->sent < request_length) {
    ssize_t n = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) wrong++;
      break;
    }
    c->sent += n;
  }
  struct epoll_event e = {.events = EPOLLIN | (c->sent < request_length ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

// Connects; false where nobody listens.
static bool open_connection(struct client *c) {
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (void *)&address, sizeof address)) return perror("connect"), false;
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
  return true;
}

static void ask(struct client *c) {
  c->head = c->first = c->finished = false;
  c->chunk = 0;
  c->sent = 0;
  c->begun = now_ns();
  send_more(c);
}

static void fail(struct client *c, const char *why) {
  if (wrong++ < 5) fprintf(stderr, "wrong answer: %s: %.200s\n", why, c->in);
  close(c->fd);
  running--;
  c->fd = -1;
  c->due = 0;
}

static void sample(float *list, long *count, double value) {
  if (*count < SAMPLES) list[(*count)++] = value;
}

static void answered(struct client *c) {
  requests++;
  if (!streams) sample(first_ms, &firsts, (now_ns() - c->begun) / 1e6);
  if (stopping) {
    close(c->fd);
    c->fd = -1;
    running--;
    return;
  }
  if (c->closes) {
    close(c->fd);
    if (!open_connection(c)) return fail(c, "no new connection");
  }
  if (pause_ns > 0) c->due = now_ns() + pause_ns;
  else ask(c);
}

// Looks at one event of a stream; false when it is not the one that must come.
static bool event(struct client *c, const char *data, uint64_t now) {
  const char *text = strstr(data, "\"content\":\" w");
  if (text != NULL) {
    if (atol(text + 13) != c->chunk) return false;
    c->chunk++;
    chunks++;
    if (!c->first) {
      c->first = true;
      sample(first_ms, &firsts, (now - c->begun) / 1e6);
    }
    const char *sent = strstr(text, "\"sent_ns\":");
    if (sent != NULL) sample(delay_ms, &delays, ((double)now - strtoull(sent + 10, NULL, 10)) / 1e6);
    return true;
  }
  if (strstr(data, "\"finish_reason\":\"stop\"") != NULL) c->finished = true;
  return true;
}

// Takes whole chunks of the transfer coding off the buffer; a proxy may cut them anywhere in an event.
// Returns false when the client is done or has failed.
static bool take_chunks(struct client *c) {
  uint64_t now = now_ns();
  int at = 0;
  for (;;) {
    char *line = memmem(c->in + at, c->length - at, "\r\n", 2);
    if (line == NULL) break;
    long size = strtol(c->in + at, NULL, 16);
    int start = line - c->in + 2;
    if (start + size + 2 > c->length) break;
    if (size == 0) {
      if (c->chunk != chunks_wanted || !c->finished) return fail(c, "cut stream"), false;
      c->length = c->text_length = 0;
      answered(c);
      return c->fd >= 0;
    }
    if (c->text_length + size > BUFFER) return fail(c, "an event without an end"), false;
    memcpy(c->text + c->text_length, c->in + start, size);
    c->text_length += size;
    c->text[c->text_length] = 0;
    char *data = c->text, *end;
    while ((end = strstr(data, "\n\n")) != NULL) {
      *end = 0;
      if (!event(c, data, now)) return fail(c, "a chunk out of order"), false;
      data = end + 2;
    }
    c->text_length -= data - c->text;
    memmove(c->text, data, c->text_length);
    at = start + size + 2;
  }
  memmove(c->in, c->in + at, c->length - at);
  c->length -= at;
  return true;
}

static bool take_head(struct client *c) {
  char *end = memmem(c->in, c->length, "\r\n\r\n", 4);
  if (end == NULL) return false;
  c->in[c->length] = 0;
  if (strncmp(c->in + 8, " 200", 4) != 0) return fail(c, "status"), false;
  char *field = strcasestr(c->in, "\r\ncontent-length:");
  c->body_left = field && field < end ? atol(field + 17) : -1;
  char *closes = strcasestr(c->in, "\r\nconnection: close");
  c->closes = closes && closes < end;
  if ((c->body_left < 0) != streams) return fail(c, "framing"), false;
  int head = end - c->in + 4;
  memmove(c->in, c->in + head, c->length - head);
  c->length -= head;
  return c->head = true;
}

static void receive(struct client *c) {
  for (;;) {
    ssize_t n = recv(c->fd, c->in + c->length, BUFFER - c->length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return fail(c, "connection lost");
    bytes += n;
    c->length += n;
    c->in[c->length] = 0;
    if (!c->head && !take_head(c)) {
      if (c->fd < 0) return;
      continue;
    }
    if (streams) {
      if (!take_chunks(c)) return;
    } else if (c->length >= c->body_left) {
      if (c->length > c->body_left || c->in[c->length - 1] != '}') return fail(c, "body");
      c->length = 0;
      answered(c);
      if (c->fd < 0) return;
    }
  }
}

// Those whose pause is over ask again, or leave.
static void wake(struct client **all, int count, uint64_t now) {
  for (int i = 0; i < count; i++) {
    struct client *c = all[i];
    if (c->due == 0 || (c->due > now && !stopping)) continue;
    c->due = 0;
    if (!stopping) {
      ask(c);
      continue;
    }
    close(c->fd);
    c->fd = -1;
    running--;
  }
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

// null where nothing was timed: a gateway may leave the time of sending out of its chunks.
static const char *at(float *list, long count, double share) {
  static char texts[4][32];
  static int turn;
  char *text = texts[turn++ % 4];
  if (count == 0) return "null";
  snprintf(text, sizeof texts[0], "%.3f", list[(long)((count - 1) * share)]);
  return text;
}

int main(int argc, char **argv) {
  if (argc < 8) return fprintf(stderr, "load PORT CONNECTIONS SECONDS json|stream CHUNKS PACE PROMPT [KEY]\n"), 2;
  int connections = atoi(argv[2]);
  double seconds = atof(argv[3]);
  streams = strcmp(argv[4], "stream") == 0;
  chunks_wanted = atol(argv[5]);
  pause_ns = streams ? 0 : atoi(argv[6]) * 1000000ull;
  long prompt = atol(argv[7]);
  char *body = malloc(prompt + 200);
  int head = sprintf(body, "{\"model\":\"bench\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"",
    streams ? "true" : "false");
  for (long i = 0; i < prompt; i++) body[head + i] = i % 6 == 5 ? ' ' : 'a' + i % 26;
  strcpy(body + head + prompt, "\"}]}");
  size_t length = strlen(body);
  request = malloc(length + 600);
  char query[64] = "json";
  if (streams) sprintf(query, "chunks=%ld&pace=%s", chunks_wanted, argv[6]);
  request_length = sprintf(request, "POST /v1/chat/completions?%s HTTP/1.1\r\nhost: bench\r\n"
    "authorization: Bearer %.200s\r\ncontent-type: application/json\r\nuser-agent: bench\r\n"
    "accept: application/json\r\ncontent-length: %zu\r\n\r\n", query, argc > 8 ? argv[8] : "none", length);
  memcpy(request + request_length, body, length);
  request_length += length;

  epoll = epoll_create1(0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(atoi(argv[1]));
  uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
  struct client **all = calloc(connections, sizeof *all);
  for (int i = 0; i < connections; i++) {
    struct client *c = calloc(1, sizeof *c);
    if (!open_connection(c)) return 1;
    running++;
    all[i] = c;
  }
  // Their beginnings are spread, so that the first chunk is not that of a stampede.
  double spread_ns = streams && atoi(argv[6]) > 0 ? seconds * 1e9 / 4 : pause_ns;
  uint64_t start = now_ns();
  int asked = 0;
  struct epoll_event events[512];
  // Answers under way when the time is over end as they would have; a stream that hangs is wrong.
  while (running > 0) {
    int n = epoll_wait(epoll, events, 512, asked < connections || pause_ns > 0 ? 1 : 100);
    uint64_t now = now_ns();
    while (asked < connections && now - start >= spread_ns * asked / connections) ask(all[asked++]);
    if (now >= end) stopping = true;
    if (now >= end + 30000000000ull) {
      fprintf(stderr, "%ld answers never ended\n", running);
      wrong += running;
      break;
    }
    for (int i = 0; i < n; i++) {
      struct client *c = events[i].data.ptr;
      if (c->fd >= 0 && events[i].events & EPOLLOUT) send_more(c);
      if (c->fd >= 0 && events[i].events & ~EPOLLOUT) receive(c);
    }
    if (pause_ns > 0) wake(all, asked, now);
  }
  qsort(first_ms, firsts, sizeof *first_ms, ascending);
  qsort(delay_ms, delays, sizeof *delay_ms, ascending);
  struct rusage own;
  getrusage(RUSAGE_SELF, &own);
  double cpu = own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  printf("{\"requests\":%ld,\"chunks\":%ld,\"bytes\":%ld,\"wrong\":%ld,\"first_p50_ms\":%s,"
    "\"first_p99_ms\":%s,\"delay_p50_ms\":%s,\"delay_p99_ms\":%s,\"cpu_s\":%.3f}\n",
    requests, chunks, bytes, wrong, at(first_ms, firsts, 0.5), at(first_ms, firsts, 0.99),
    at(delay_ms, delays, 0.5), at(delay_ms, delays, 0.99), cpu);
  return wrong > 0;
}
