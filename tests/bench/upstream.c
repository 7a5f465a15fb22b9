// The instance behind every contender of the benchmark: answers chat completions over HTTP/1.1
// keep-alive, in one thread with epoll. What it answers is told by the request's path:
//   POST …?json                 a JSON answer of about 600 bytes
//   POST …?chunks=N&pace=MS     an event stream of N chunks, one each MS milliseconds; 0 for as
//                               fast as it is taken
// Without either it is a stream of CHUNKS and PACE_MS where the body says "stream": true, for gateways that
// do not pass the query on.
// A body that begins with "return_token_ids" gets a token id with each chunk, as from vLLM.
// Each chunk carries its number in its text and, in "sent_ns", when it was sent (CLOCK_MONOTONIC).
// Usage: upstream PORT [CHUNKS PACE_MS]
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

enum { IN_BYTES = 16384, OUT_BYTES = 65536 };

struct connection {
  int fd;
  char in[IN_BYTES + 1];
  int in_length;
  long body_left;      // of a request whose head has been read
  char path[256];
  char out[OUT_BYTES]; // what the socket has not taken yet
  int out_start, out_end;
  long chunk, chunks;  // of the stream under way; chunks is 0 when there is none
  bool ids;            // the request asked for token ids
  bool asks_stream;    // its body says "stream": true
  int pace_ms;
  uint64_t due;        // when its next chunk is
  struct connection *next, *before;  // list of paced streams
  bool listed;
};

static int epoll;
static struct connection *paced;
static long usual_chunks;  // of a stream whose path does not tell; 0 where the body is not looked at
static int usual_pace_ms;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void unlist(struct connection *c) {
  if (!c->listed) return;
  if (c->before) c->before->next = c->next; else paced = c->next;
  if (c->next) c->next->before = c->before;
  c->listed = false;
}

static void list(struct connection *c) {
  c->before = NULL;
  c->next = paced;
  if (paced) paced->before = c;
  paced = c;
  c->listed = true;
}

static void drop(struct connection *c) {
  unlist(c);
  close(c->fd);
  free(c);
}

// Sends what waits; false when the connection is gone.
static bool flush(struct connection *c) {
  while (c->out_start < c->out_end) {
    ssize_t n = send(c->fd, c->out + c->out_start, c->out_end - c->out_start, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) return false;
      struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
      epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
      return true;
    }
    c->out_start += n;
  }
  c->out_start = c->out_end = 0;
  return true;
}

static void put(struct connection *c, const char *text, int length) {
  memcpy(c->out + c->out_end, text, length);
  c->out_end += length;
}

// One event as a chunk of the transfer coding.
static void put_event(struct connection *c, const char *data) {
  char text[512], head[16];
  int length = snprintf(text, sizeof text, "data: %s\n\n", data);
  put(c, head, sprintf(head, "%x\r\n", length));
  put(c, text, length);
  put(c, "\r\n", 2);
}

#define CHUNK_HEAD \
  "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
  "\"model\":\"bench\",\"choices\":[{\"index\":0,"

static void begin_stream(struct connection *c) {
  static const char head[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    "transfer-encoding: chunked\r\n\r\n";
  put(c, head, sizeof head - 1);
  put_event(c, CHUNK_HEAD "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
    "\"finish_reason\":null}]}");
}

// The next chunk, or the end of the stream.
static void put_chunk(struct connection *c) {
  char data[400];
  if (c->chunk < c->chunks) {
    char ids[32] = "null";
    if (c->ids) sprintf(ids, "[%ld]", 400 + c->chunk % 100);
    sprintf(data, CHUNK_HEAD "\"delta\":{\"content\":\" w%ld\"},\"logprobs\":null,"
      "\"finish_reason\":null,\"token_ids\":%s}],\"sent_ns\":%llu}",
      c->chunk, ids, (unsigned long long)now_ns());
    c->chunk++;
    return put_event(c, data);
  }
  put_event(c, CHUNK_HEAD "\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\","
    "\"stop_reason\":null}]}");
  put(c, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", 24);
  c->chunks = 0;
}

// Fills the buffer of an unpaced stream; one chunk each write, as vLLM sends them.
static bool pump(struct connection *c) {
  while (c->chunks && c->out_end == 0) {
    put_chunk(c);
    if (!flush(c)) return false;
  }
  return true;
}

static bool answer(struct connection *c) {
  char *chunks = strstr(c->path, "chunks=");
  bool told = chunks || strstr(c->path, "json");
  if (!chunks && (told || !c->asks_stream)) {
    char body[1024], text[1536];
    int length = sprintf(body,
      "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
      "\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
      "\"content\":\"%0300d\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":100,\"total_tokens\":164}}", 7);
    put(c, text, sprintf(text, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
      "content-length: %d\r\n\r\n%s", length, body));
    return flush(c);
  }
  char *pace = strstr(c->path, "pace=");
  c->chunks = chunks ? atol(chunks + 7) : usual_chunks;
  c->chunk = 0;
  c->pace_ms = pace ? atoi(pace + 5) : chunks ? 0 : usual_pace_ms;
  begin_stream(c);
  if (!flush(c)) return false;
  if (c->pace_ms == 0) return pump(c);
  c->due = now_ns() + c->pace_ms * 1000000ull;
  list(c);
  return true;
}

// Whether these bytes of a body ask for a stream.
static bool streamed(const char *bytes, ssize_t length) {
  return usual_chunks && (memmem(bytes, length, "\"stream\":true", 13) || memmem(bytes, length, "\"stream\": true", 14));
}

// Reads requests; false when the connection is gone.
static bool take(struct connection *c) {
  for (;;) {
    if (c->body_left > 0) {
      static char waste[65536];
      ssize_t n = recv(c->fd, waste, c->body_left < (long)sizeof waste ? c->body_left : (long)sizeof waste, 0);
      if (n <= 0) return n < 0 && errno == EAGAIN;
      c->asks_stream |= streamed(waste, n);
      c->body_left -= n;
      if (c->body_left == 0 && !answer(c)) return false;
      continue;
    }
    ssize_t n = recv(c->fd, c->in + c->in_length, IN_BYTES - c->in_length, 0);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    c->in_length += n;
    c->in[c->in_length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) {
      if (c->in_length == IN_BYTES) return false;
      continue;
    }
    if (sscanf(c->in, "%*s %255s", c->path) != 1) return false;
    char *field = strcasestr(c->in, "\r\ncontent-length:");
    long length = field && field < end ? atol(field + 17) : 0;
    c->ids = strncmp(end + 4, "{\"return_token_ids\":true", 24) == 0;
    c->asks_stream = streamed(end + 4, c->in + c->in_length - end - 4);
    c->body_left = length - (c->in + c->in_length - end - 4);
    c->in_length = 0;
    if (c->body_left < 0) return false;  // pipelining is not for a benchmark
    if (c->body_left == 0 && !answer(c)) return false;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
  if (argc > 3) usual_chunks = atol(argv[2]), usual_pace_ms = atoi(argv[3]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) return perror("listen"), 1;
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  epoll = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
  for (;;) {
    int n = epoll_wait(epoll, events, 512, paced ? 1 : -1);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (c == NULL) {
        int fd;
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          c = calloc(1, sizeof *c);
          c->fd = fd;
          struct epoll_event one = {.events = EPOLLIN, .data.ptr = c};
          epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &one);
        }
        continue;
      }
      if (events[i].events & EPOLLOUT) {
        struct epoll_event one = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &one);
        if (!flush(c) || (c->pace_ms == 0 && !pump(c))) { drop(c); continue; }
      }
      if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !take(c)) drop(c);
    }
    uint64_t now = paced ? now_ns() : 0;
    for (struct connection *c = paced, *next; c; c = next) {
      next = c->next;
      if (c->due > now) continue;
      c->due += c->pace_ms * 1000000ull;
      if (c->out_end + 1024 > OUT_BYTES) continue;  // the reader is far behind
      put_chunk(c);
      if (!flush(c)) { drop(c); continue; }
      if (c->chunks == 0) unlist(c);
    }
  }
}
