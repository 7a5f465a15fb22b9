// Heads, framing and routes of HTTP/1.1 by a table of cases (RFC 9112): each case whole, cut in two at
// every byte, and byte by byte.

import assert from "node:assert/strict";
import { latin1Text } from "../../lib/http/latin1.ts";
import { routeOf } from "../../lib/server/routes.ts";
import { bytesOf, cutAt, receive, serve, type Served } from "./scripted.ts";

/** Splits to try: every one of a short message, evenly spread ones of a long message. */
function splits(length: number): number[][] {
  const all = Array.from({ length }, (_, at) => at);
  if (length > 2000) {
    const step = Math.ceil(length / 40);
    return [
      [],
      all.filter((at) => at % 1000 === 0),
      ...all.filter((at) => at % step === 1)
        .map((at) => [at]),
    ];
  }
  return [[], all, ...all.map((at) => [at])];
}

async function holds<T>(bytes: string, expected: T, read: (pieces: Uint8Array[]) => Promise<T>) {
  const whole = bytesOf(bytes);
  for (const offsets of splits(whole.length)) {
    const got = await read(cutAt(whole, offsets));
    const where = offsets.length > 1 ? "in many pieces" : `cut at ${offsets}`;
    assert.deepEqual(got, expected, where);
  }
}

const H = "host: a\r\n";
const post = (fields: string, body: string) =>
  `POST /v1/x HTTP/1.1\r\n${H}${fields}\r\n\r\n${body}`;
const get = (rest = "") => `GET /v1/x HTTP/1.1\r\n${H}${rest}\r\n`;

/** Name, bytes of the client, what the server makes of them. */
const REQUESTS: [name: string, bytes: string, expected: Served][] = [
  // Request line, section 3
  ["a plain request", get(), ["GET /v1/x"]],
  ["a query", `GET /v1/x?a=b&c=/ HTTP/1.1\r\n${H}\r\n`, ["GET /v1/x?a=b&c=/"]],
  ["OPTIONS on a path", `OPTIONS /v1/x HTTP/1.1\r\n${H}\r\n`, ["OPTIONS /v1/x"]],
  ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`, [400]],
  ["CONNECT", `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`, [501]],
  ["TRACE", `TRACE / HTTP/1.1\r\n${H}\r\n`, [501]],
  ["an absolute-form target", `GET http://a/v1/x HTTP/1.1\r\n${H}\r\n`, ["GET /v1/x"]],
  ["an absolute-form target with a query only", `GET HTTP://a:80?b=/c HTTP/1.1\r\n${H}\r\n`, [
    "GET /?b=/c",
  ]],
  ["an absolute-form target without a path", `GET https://a HTTP/1.1\r\n${H}\r\n`, ["GET /"]],
  ["an absolute-form target with a user", `GET http://u:p@a/ HTTP/1.1\r\n${H}\r\n`, [400]],
  ["an absolute-form target without a host", `GET http:///x HTTP/1.1\r\n${H}\r\n`, [400]],
  ["an absolute-form target of another scheme", `GET ftp://a/x HTTP/1.1\r\n${H}\r\n`, [400]],
  ["an authority-form target", `GET a:80 HTTP/1.1\r\n${H}\r\n`, [400]],
  ["no target", `GET HTTP/1.1\r\n${H}\r\n`, [400]],
  ["an empty target", `GET  HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a space in the target", `GET /a b HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a tab in the request line", `GET\t/a HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a fragment in the target", `GET /a#b HTTP/1.1\r\n${H}\r\n`, [400]],
  ["NUL in the target", `GET /a\0b HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a control byte in the target", `GET /a\x1fb HTTP/1.1\r\n${H}\r\n`, [400]],
  ["DEL in the target", `GET /a\x7f HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a byte above ASCII in the target", `GET /\xe4 HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a bare CR in the request line", `GET /a\rb HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a method that is no token", `G(T / HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a method of bytes above ASCII", `G\x80T / HTTP/1.1\r\n${H}\r\n`, [400]],
  ["a space before the method", ` GET / HTTP/1.1\r\n${H}\r\n`, [400]],
  ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", ["GET /"]],
  ["HTTP/1.0 keeps no connection", `GET /1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n${get()}`, [
    "GET /1",
  ]],
  ["HTTP/0.9", "GET /\r\n\r\n", [400]],
  ["HTTP/2.0 in words", `GET / HTTP/2.0\r\n${H}\r\n`, [505]],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]],
  ["HTTP/1.2", `GET / HTTP/1.2\r\n${H}\r\n`, [505]],
  ["HTTP/1.10", `GET / HTTP/1.10\r\n${H}\r\n`, [400]],
  ["http in lower case", `GET / http/1.1\r\n${H}\r\n`, [400]],
  ["an empty line before the request", `\r\n${get()}`, ["GET /v1/x"]],
  ["empty lines before requests", `\r\n\r\n${get()}\r\n\r\n\r\n${get()}`, [
    "GET /v1/x",
    "GET /v1/x",
  ]],
  ["only an empty line", "\r\n", []],
  ["nothing", "", []],
  ["half a head", "GET / HTTP/1.1\r\nhost: a\r\n", []],
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00", [400]],
  // Lines, section 2.2
  ["bare LF after the request line", `GET / HTTP/1.1\n${H}\r\n`, [400]],
  ["bare LF after a field", "GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", [400]],
  ["bare LF only", "GET / HTTP/1.1\nhost: a\n\n", [400]],
  ["bare LF at the end of the head", `GET / HTTP/1.1\r\n${H}\n`, [400]],
  ["LF before the request", `\n${get()}`, [400]],
  ["CR CR LF", `GET / HTTP/1.1\r\r\n${H}\r\n`, [400]],
  // Fields, section 5
  ["a field of every allowed kind", get("X-!#$%&'*+.^_`|~9:  v\t w \t\r\n"), ["GET /v1/x"]],
  ["an empty value", get("x:\r\n"), ["GET /v1/x"]],
  ["bytes of UTF-8 in a value", get("x: \xe4\xbd\xa0\xe2\x80\x99\r\n"), ["GET /v1/x"]],
  ["a folded line", get("x: a\r\n b\r\n"), [400]],
  ["a folded first line", `GET / HTTP/1.1\r\n ${H}\r\n`, [400]],
  ["a space before the colon", get("x : a\r\n"), [400]],
  ["a tab before the colon", get("x\t: a\r\n"), [400]],
  ["an empty name", get(": a\r\n"), [400]],
  ["no colon", get("abc\r\n"), [400]],
  ["a name that is no token", get("a(b: c\r\n"), [400]],
  ["a name with a byte above ASCII", get("a\x80b: c\r\n"), [400]],
  ["NUL in a value", get("x: a\0b\r\n"), [400]],
  ["a control byte in a value", get("x: a\x01b\r\n"), [400]],
  ["DEL in a value", get("x: a\x7f\r\n"), [400]],
  ["a bare CR in a value", get("x: a\rb\r\n"), [400]],
  ["128 fields", get("x: y\r\n".repeat(127)), ["GET /v1/x"]],
  ["129 fields", get("x: y\r\n".repeat(128)), [431]],
  ["a head just within the limit", get(`x: ${"y".repeat(65_495)}\r\n`), ["GET /v1/x"]],
  ["a head just beyond the limit", get(`x: ${"y".repeat(65_550)}\r\n`), [431]],
  ["a head far beyond the limit", get(`x: ${"y".repeat(150_000)}\r\n`), [431]],
  ["a request line beyond the limit", `GET /${"a".repeat(70_000)}`, [414]],
  // Host, section 3.2
  ["no Host", "GET / HTTP/1.1\r\nx: y\r\n\r\n", [400]],
  ["two Host fields", `GET / HTTP/1.1\r\n${H}${H}\r\n`, [400]],
  // Body length, section 6
  ["a length", post("content-length: 5", "hello"), ["POST /v1/x hello"]],
  ["a length of 0", post("content-length: 0", ""), ["POST /v1/x"]],
  ["no body", post("x: y", ""), ["POST /v1/x"]],
  ["two lengths that differ", post("content-length: 5\r\ncontent-length: 6", "hello!"), [400]],
  ["two lengths that agree", post("content-length: 5\r\ncontent-length: 5", "hello"), [400]],
  ["lengths in one field", post("content-length: 5, 5", "hello"), [400]],
  ["a negative length", post("content-length: -5", "hello"), [400]],
  ["a length with a sign", post("content-length: +5", "hello"), [400]],
  ["a length in hexadecimal", post("content-length: 0x5", "hello"), [400]],
  ["a length with a space inside", post("content-length: 1 0", "hello"), [400]],
  ["an empty length", post("content-length:", ""), [400]],
  ["a length beyond counting", post("content-length: 99999999999999999999", ""), [400]],
  ["a length beyond the limit", post("content-length: 2000000", "x"), ["POST /v1/x", 413]],
  ["a body cut short", post("content-length: 9", "hello"), ["POST /v1/x", 400]],
  ["chunked", post("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), [
    "POST /v1/x hello",
  ]],
  ["chunked in capitals", post("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), ["POST /v1/x"]],
  [
    "chunked beyond the limit",
    post("transfer-encoding: chunked", `200000\r\n${"x".repeat(0x200000)}`),
    ["POST /v1/x", 413],
  ],
  ["chunked cut short", post("transfer-encoding: chunked", "5\r\nhel"), ["POST /v1/x", 400]],
  ["a bad chunk size", post("transfer-encoding: chunked", "5x\r\nhello\r\n0\r\n\r\n"), [
    "POST /v1/x",
    400,
  ]],
  [
    "length and chunked",
    post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
    [400],
  ],
  [
    "chunked and length",
    post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"),
    [400],
  ],
  ["an unknown coding", post("transfer-encoding: xchunked", "0\r\n\r\n"), [501]],
  ["chunked not last", post("transfer-encoding: chunked, gzip", "0\r\n\r\n"), [501]],
  ["a coding before chunked", post("transfer-encoding: gzip, chunked", "0\r\n\r\n"), [501]],
  ["chunked twice", post("transfer-encoding: chunked, chunked", "0\r\n\r\n"), [501]],
  [
    "chunked in two fields",
    post("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
    [400],
  ],
  ["identity", post("transfer-encoding: identity", ""), [501]],
  ["chunked with a vertical tab", post("transfer-encoding: \x0bchunked", "0\r\n\r\n"), [400]],
  [
    "chunked in HTTP/1.0",
    "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    [400],
  ],
  // Connections, section 9
  [
    "requests one after the other",
    post("content-length: 3", "one") + post("transfer-encoding: chunked", "3\r\ntwo\r\n0\r\n\r\n") +
    get(),
    ["POST /v1/x one", "POST /v1/x two", "GET /v1/x"],
  ],
  ["nothing after close", get("connection: close\r\n") + get(), ["GET /v1/x"]],
  [
    "nothing after close, in whichever field it stands",
    get("connection: keep-alive\r\nconnection: x, Close\r\n") + get(),
    ["GET /v1/x"],
  ],
  ["nothing after a malformed request", `GET / HTTP/1.1\r\n\r\n${get()}`, [400]],
  [
    "nothing after a malformed body",
    post("transfer-encoding: chunked", "zz\r\n") + get(),
    ["POST /v1/x", 400],
  ],
  ["garbage after a body", post("content-length: 5", "hello\x01\x02\x03\x04\r\n\r\n"), [
    "POST /v1/x hello",
    400,
  ]],
  ["a WebSocket handshake", get("connection: upgrade\r\nupgrade: websocket\r\n"), [501]],
  ["a WebSocket among others", get("connection: upgrade\r\nupgrade: h2c, WebSocket\r\n"), [501]],
  ["an offer to go on in HTTP/2", get("connection: Upgrade\r\nupgrade: h2c\r\n") + get(), [
    "GET /v1/x",
    "GET /v1/x",
  ]],
  [
    "an offer to go on in HTTP/2, with a body",
    post("connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\ncontent-length: 5", "hello"),
    ["POST /v1/x hello"],
  ],
  ["Expect: 100-continue", post("expect: 100-continue\r\ncontent-length: 5", "hello"), [
    "POST /v1/x hello",
  ]],
];

for (const [name, bytes, expected] of REQUESTS) {
  Deno.test(`request, for any split: ${name}`, () =>
    holds(bytes, expected, (pieces) => serve(pieces)));
}

/** "200 body", with "+" where the connection may be used again; a fault where it is none. */
async function outcome(pieces: Uint8Array[], method: string): Promise<string> {
  const got = await receive(pieces, method);
  if ("fault" in got) return got.status === null ? got.fault : `${got.status} ${got.fault}`;
  return `${got.status}${got.kept ? "+" : ""}${got.body === "" ? "" : ` ${got.body}`}`;
}

const ok = (fields: string, body = "") => `HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${body}`;

/** Name, bytes of the instance, outcome, and the method where it is not POST. */
const RESPONSES: [name: string, bytes: string, expected: string, method?: string][] = [
  // Status line, section 4
  ["a length", ok("content-length: 5", "hello"), "200+ hello"],
  ["no reason phrase", "HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\nx", "200+ x"],
  ["not even the space of it", "HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", "200+ x"],
  ["a reason phrase above ASCII", "HTTP/1.1 200 \xe4\xbd\r\ncontent-length: 0\r\n\r\n", "200+"],
  ["a control byte in the reason", "HTTP/1.1 200 O\0K\r\ncontent-length: 0\r\n\r\n", "malformed"],
  ["two digits", "HTTP/1.1 20 OK\r\n\r\n", "malformed"],
  ["four digits", "HTTP/1.1 2000\r\n\r\n", "malformed"],
  ["status 099", "HTTP/1.1 099 x\r\n\r\n", "malformed"],
  ["status 600", "HTTP/1.1 600 x\r\n\r\n", "malformed"],
  ["HTTP/2", "HTTP/2 200\r\n\r\n", "malformed"],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n", "malformed"],
  ["another protocol, without its end", "SSH-2.0-OpenSSH_9.9\r\n", "malformed"],
  ["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "malformed"],
  ["nothing", "", "reset"],
  ["half a status line", "HTTP/1.1 20", "reset"],
  ["half a head", "HTTP/1.1 200 OK\r\ncontent-le", "reset"],
  // Lines and fields, sections 2.2 and 5
  ["bare LF", "HTTP/1.1 200 OK\ncontent-length: 0\n\n", "malformed"],
  ["bare LF in a later line", "HTTP/1.1 200 OK\r\nx: y\ncontent-length: 0\r\n\r\n", "malformed"],
  ["a bare CR", ok("x: a\rb\r\ncontent-length: 0"), "malformed"],
  ["a folded line", ok("x: a\r\n b\r\ncontent-length: 0"), "malformed"],
  ["a space before the colon", ok("content-length : 0"), "malformed"],
  ["an empty name", ok(": a\r\ncontent-length: 0"), "malformed"],
  ["a name with a byte above ASCII", ok("a\x80: b\r\ncontent-length: 0"), "malformed"],
  ["NUL in a value", ok("x: \0\r\ncontent-length: 0"), "malformed"],
  ["no fields", "HTTP/1.1 200 OK\r\n\r\nrest", "200 rest"],
  ["too many fields", ok("x: y\r\n".repeat(128) + "content-length: 0"), "malformed"],
  ["a head beyond the limit", ok(`x: ${"y".repeat(66_000)}\r\ncontent-length: 0`), "malformed"],
  ["a head that does not end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(150_000)}`, "malformed"],
  // Body length, section 6
  ["a length of 0", ok("content-length: 0"), "200+"],
  ["cut before its length", ok("content-length: 9", "hello"), "200 reset"],
  ["more than its length", ok("content-length: 5", "hello!"), "200 hello"],
  [
    "a second answer nobody asked for",
    ok("content-length: 2", "ab") + ok("content-length: 0"),
    "200 ab",
  ],
  ["two lengths that differ", ok("content-length: 5\r\ncontent-length: 6", "hello!"), "malformed"],
  ["two lengths that agree", ok("content-length: 5\r\ncontent-length: 5", "hello"), "malformed"],
  ["lengths in one field", ok("content-length: 5, 5", "hello"), "malformed"],
  ["a negative length", ok("content-length: -1", ""), "malformed"],
  ["a length in words", ok("content-length: five", "hello"), "malformed"],
  ["chunked", ok("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), "200+ hello"],
  [
    "chunks, extensions and trailers",
    ok("transfer-encoding: chunked", "2;a=b\r\nhe\r\n03\r\nllo\r\n0;c\r\nx: y\r\n\r\n"),
    "200+ hello",
  ],
  ["chunked without its end", ok("transfer-encoding: chunked", "5\r\nhello\r\n"), "200 reset"],
  ["chunked cut in its trailers", ok("transfer-encoding: chunked", "0\r\nx: y\r\n"), "200 reset"],
  [
    "chunked cut in its last line",
    ok("transfer-encoding: chunked", "1\r\nx\r\n0\r\n\r"),
    "200 reset",
  ],
  [
    "a bad chunk size",
    ok("transfer-encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
    "200 malformed",
  ],
  ["more after the last chunk", ok("transfer-encoding: chunked", "0\r\n\r\nx"), "200"],
  ["length and chunked", ok("content-length: 5\r\ntransfer-encoding: chunked"), "malformed"],
  ["chunked not last", ok("transfer-encoding: chunked, gzip"), "malformed"],
  ["an unknown coding", ok("transfer-encoding: gzip"), "malformed"],
  ["chunked twice", ok("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), "malformed"],
  ["chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "malformed"],
  ["until close", ok("x: y", "hello"), "200 hello"],
  ["until close, HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", "200 hello"],
  ["HEAD with a length", ok("content-length: 5"), "200+", "HEAD"],
  ["HEAD, chunked", ok("transfer-encoding: chunked"), "200+", "HEAD"],
  ["HEAD with a body all the same", ok("content-length: 5", "hello"), "200", "HEAD"],
  ["204", "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", "204+"],
  ["204 with a length", "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", "204+"],
  ["304 with a length", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "304+"],
  ["304, chunked", "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", "304+"],
  // Interim answers, RFC 9110 section 15.2
  ["100 first", `HTTP/1.1 100 Continue\r\n\r\n${ok("content-length: 1", "x")}`, "200+ x"],
  [
    "several interim answers",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${
      ok("content-length: 1", "x")
    }`,
    "200+ x",
  ],
  ["an interim answer only", "HTTP/1.1 100 Continue\r\n\r\n", "reset"],
  ["101", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "malformed"],
  // Connections, section 9
  ["close", ok("connection: close\r\ncontent-length: 1", "x"), "200 x"],
  ["close beside keep-alive", ok("connection: keep-alive, CLOSE\r\ncontent-length: 0"), "200"],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", "200 x"],
  [
    "HTTP/1.0 with keep-alive",
    "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 1\r\n\r\nx",
    "200+ x",
  ],
  ["no idle time left", ok("keep-alive: timeout=1\r\ncontent-length: 1", "x"), "200 x"],
  ["some idle time left", ok("keep-alive: timeout=3\r\ncontent-length: 1", "x"), "200+ x"],
];

for (const [name, bytes, expected, method = "POST"] of RESPONSES) {
  Deno.test(`response, for any split: ${name}`, () =>
    holds(bytes, expected, (pieces) => outcome(pieces, method)));
}

Deno.test("header values keep their bytes, those of UTF-8 too", async () => {
  const value = "\xe4\xbd\xa0\xe2\x80\x99 \x80\x8d\x9f\xff";
  const got = await receive([bytesOf(ok(`x-note: ${value}\r\ncontent-length: 0`))]);
  assert.ok("headers" in got);
  assert.deepEqual(got.headers, [`x-note: ${value}`, "content-length: 0"]);
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.equal(latin1Text(every, 0, 256), String.fromCharCode(...every));
});

/** Paths that servers read in different ways, and what is refused of them. */
const PATHS: [target: string, kind: string][] = [
  ["/v1/chat/completions", "proxy"],
  ["/v1/chat/completions?x=/../y", "proxy"],
  ["/v1/../health", "bad_path"],
  ["/v1/..", "bad_path"],
  ["/./v1/models", "bad_path"],
  ["/v1/.../x", "proxy"],
  ["/v1/%2e%2e/sleep", "bad_path"],
  ["/v1/.%2E/sleep", "bad_path"],
  ["/v1/a%2fb", "bad_path"],
  ["/v1/a%5Cb", "bad_path"],
  ["/v1/a\\b", "bad_path"],
  ["/v1/a%00b", "bad_path"],
  ["/v1/a%0d%0ab", "bad_path"],
  ["/v1/a%7f", "bad_path"],
  ["/v1/a%252fb", "bad_path"],
  ["/v1/a%zz", "bad_path"],
  ["/v1/a%c3%28", "bad_path"],
  ["//v1/models", "bad_path"],
  ["/v1//models", "bad_path"],
  ["/v1/load_lora_adapter", "not_found"],
  ["/v1/load%5flora_adapter", "bad_path"],
  ["/v1/LOAD_LORA_ADAPTER/", "not_found"],
  ["/sleep", "not_found"],
  ["/", "admin"],
];

for (const [target, kind] of PATHS) {
  Deno.test(`path ${target} is ${kind}`, () => assert.equal(routeOf(target).kind, kind));
}
