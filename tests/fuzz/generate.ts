// Valid messages and streams, mutations of them, noise, and random cuts. Text has one character a byte.

import type { Random } from "./random.ts";

const PATHS = ["/", "/v1/chat/completions", "/v1/x?a=b", "/health", "http://a/b?c", "HTTPS://a?b"];
const FIELDS = [
  "accept: */*",
  "x-a:b",
  "X-Long-Name: \tvalue with spaces \t",
  "x:",
  "upgrade: h2c",
  "a: \xe4\xbd\xa0",
];
const WORDS = [
  "a",
  "hello",
  "0\r\n\r\n",
  "\r\n",
  "data: x\n\n",
  "\0\xff",
  "0123456789abcdef",
  "{}",
];

/** What mutations put in: the pieces that parsers disagree about. */
const SPICE = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "-",
  "0x",
  "\x80",
  "\x7f",
  "content-length: 3\r\n",
  "Content-Length: 5\r\n",
  "transfer-encoding: chunked\r\n",
  "transfer-encoding: gzip\r\n",
  "connection: close\r\n",
  "host: b\r\n",
  " folded: x\r\n",
  "HTTP/1.1 200 OK\r\n",
  "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "\n\n",
  "data: ",
  "data: [DONE]\n\n",
  '"finish_reason":"stop"',
  '"error":{}',
  '"model":"b",',
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
];

function text(random: Random): string {
  let all = "";
  for (let left = random.below(6); left > 0; left--) all += random.pick(WORDS);
  return all;
}

function fields(random: Random): string {
  let all = "";
  for (let left = random.below(4); left > 0; left--) all += random.pick(FIELDS) + "\r\n";
  return all;
}

/** A body in the chunked coding. */
export function chunked(random: Random, data = text(random)): string {
  let all = "";
  for (let at = 0; at < data.length;) {
    const size = 1 + random.below(Math.min(data.length - at, 40));
    let digits = size.toString(16);
    if (random.once(4)) digits = digits.toUpperCase();
    if (random.once(8)) digits = "0" + digits;
    const extension = random.once(6) ? ";a=b" : "";
    all += `${digits}${extension}\r\n${data.slice(at, at + size)}\r\n`;
    at += size;
  }
  const trailers = random.once(6) ? "x: y\r\n" : "";
  return `${all}0\r\n${trailers}\r\n`;
}

/** One to four requests on one connection. */
export function requests(random: Random): string {
  let all = "";
  for (let left = 1 + random.below(3); left >= 0; left--) {
    if (random.once(8)) all += "\r\n";
    const minor = random.once(10) ? 0 : 1;
    const close = random.once(10) ? "connection: close\r\n" : "";
    const head = `${random.pick(PATHS)} HTTP/1.${minor}\r\nhost: a\r\n${close}${fields(random)}`;
    const kind = random.below(3);
    if (kind === 0) all += `GET ${head}\r\n`;
    else if (kind === 1 || minor === 0) {
      const body = text(random);
      all += `POST ${head}content-length: ${body.length}\r\n\r\n${body}`;
    } else all += `POST ${head}Transfer-Encoding: chunked\r\n\r\n${chunked(random)}`;
  }
  return all;
}

/** An instance's answer, interim ones first now and then. */
export function response(random: Random): string {
  let all = "";
  while (random.once(8)) all += `HTTP/1.1 ${random.pick(["100 Continue", "103"])}\r\n\r\n`;
  const status = random.pick(["200 OK", "200", "404 Not Found", "204 No Content", "304 x", "500 "]);
  const close = random.once(6) ? "connection: close\r\n" : "";
  const head = `HTTP/1.${random.once(10) ? 0 : 1} ${status}\r\n${close}${fields(random)}`;
  const body = text(random);
  const kind = random.below(4);
  if (kind === 0) return `${all}${head}\r\n${body}`;
  if (kind === 1) return `${all}${head}content-length: ${body.length}\r\n\r\n${body}`;
  return `${all}${head}transfer-encoding: chunked\r\n\r\n${chunked(random, body)}`;
}

const CONTENTS = [
  "a",
  " the",
  "",
  '"',
  "\\n",
  '{"error":"x"}',
  '"finish_reason":"stop"',
  "\n\n",
  "x".repeat(20),
];

/** A chat stream as vLLM sends it: some end well, some do not. */
export function stream(random: Random): string {
  const end = random.once(6) ? "\r\n" : "\n";
  let all = "";
  const event = (value: object) => all += `data: ${JSON.stringify(value)}${end}${end}`;
  const choice = (delta: object, finish: string | null) => ({
    id: "x",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  if (random.once(8)) all += `: comment${end}${end}`;
  if (!random.once(8)) event(choice({ role: "assistant", content: "" }, null));
  for (let left = random.below(8); left > 0; left--) {
    event(choice({ content: random.pick(CONTENTS) }, null));
    if (random.once(12)) all += `: ping${end}${end}`;
    if (random.once(12)) all += end;
  }
  const ending = random.below(8);
  if (ending === 0) event({ error: { message: "boom", type: "X", param: null, code: 500 } });
  else if (ending === 1) event(choice({}, "abort"));
  else if (ending > 2) {
    event(choice({ content: "" }, random.pick(["stop", "length", "tool_calls"])));
  }
  if (random.once(3)) {
    event({ id: "x", choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } });
  }
  if (!random.once(4)) all += `data: [DONE]${end}${end}`;
  return all;
}

/** Values that stand where a finish reason would, and are none. */
const NO_REASON = [null, "", "null"];
/** Values of `error` that are no errors. */
const NO_ERROR = [null, "", false, {}, { message: "", code: null }];
const DELTAS = [
  { content: "a" },
  { content: "" },
  { content: null },
  {},
  { role: "assistant", content: "" },
  { role: "assistant", content: "hi" },
  { reasoning: "so" },
  { reasoning_content: "so", content: null },
  { tool_calls: [] },
  { tool_calls: [{ index: 0, id: "", type: "function", function: { arguments: "" } }] },
  { tool_calls: [{ index: 0, function: { arguments: "{" } }] },
  { content: '"finish_reason":"stop","error":{"a":1}' },
  { content: "\u4f60\r\n\r\ndata: [DONE]" },
];

/** One event of a chat stream, its JSON in one of the spellings that a reader must take. */
function oddData(random: Random): string {
  const kind = random.below(20);
  if (kind === 0) return random.pick(["null", "false", "[]", "{}"]);
  if (kind === 1) return random.pick(["[DONE]", " [DONE]", "[DONE]  "]);
  if (kind === 2) {
    return JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
  }
  if (kind === 3 && random.once(4)) {
    return JSON.stringify({ error: random.pick(["x", { code: 1 }]) });
  }
  const ends = random.once(6);
  const reason = random.pick(["stop", "length", "repetition", "abort"]);
  const choice: Record<string, unknown> = {
    index: 0,
    delta: random.pick(DELTAS),
    finish_reason: ends ? reason : random.pick(NO_REASON),
  };
  if (random.once(4)) choice.token_ids = random.pick([null, [], [7]]);
  const value: Record<string, unknown> = { id: "x", choices: [choice] };
  if (random.once(6)) value.error = random.pick(NO_ERROR);
  if (random.once(6)) value.usage = random.pick([null, { completion_tokens: 3 }]);
  if (random.once(12)) value.choices = [];
  return JSON.stringify(value, null, random.once(6) ? 1 : undefined);
}

/** A chat stream in every form that the rules allow, its last event perhaps without a blank line. */
export function oddStream(random: Random): string {
  const ends = random.pick([["\n"], ["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]);
  // An LF behind a CR would be the second half of one line end.
  const end = () => all.endsWith("\r") && ends.length > 1 ? "\r" : random.pick(ends);
  const isPlain = random.once(3);
  let all = random.once(6) ? "\xef\xbb\xbf" : "";
  for (let left = random.below(8); left > 0; left--) {
    const gap = random.once(5) ? "" : " ";
    const data = oddData(random).split("\n").map((line) => `data:${gap}${line}`);
    const lines = [data];
    for (const [odds, line] of [[4, ": ping"], [4, "id: 7"], [8, "event: message"], [8, "retry"]]) {
      if (isPlain || !random.once(odds as number)) continue;
      lines.splice(random.below(lines.length + 1), 0, [line as string]);
    }
    for (const line of lines.flat()) all += line + end();
    if (random.once(20)) all += `: alone${end()}${end()}`;
    if (left > 1) all += end();
  }
  return random.once(2) ? all + end() : all.replace(/[\r\n]+$/, "");
}

const KEYS = ["model", "stream", "n", "messages", "x", "mod\\u0065l", "a\\\\", "\xc3\xa9"];
const VALUES = [
  "1",
  "-0.5e+3",
  "true",
  "null",
  '""',
  '"m"',
  '"\\\\"',
  '"\\""',
  '"\\u0065"',
  '"}"',
  "[]",
  "{}",
];

/** A JSON value, nested now and then; blanks where they may stand. */
function value(random: Random, depth: number): string {
  const kind = random.below(depth > 3 ? 4 : 8);
  if (kind < 5) return random.pick(VALUES);
  if (kind === 5) return object(random, depth + 1);
  const items: string[] = [];
  for (let left = random.below(4); left > 0; left--) items.push(value(random, depth + 1));
  return `[${items.join(random.once(2) ? "," : " ,\n")}]`;
}

/** A JSON object with the keys that routing looks for, some of them twice or in other spellings. */
export function object(random: Random, depth = 0): string {
  const blank = random.once(3) ? random.pick([" ", "\n", "\t\r\n"]) : "";
  const items: string[] = [];
  for (let left = random.below(5); left > 0; left--) {
    items.push(`${blank}"${random.pick(KEYS)}"${blank}:${blank}${value(random, depth)}`);
  }
  return `${blank}{${items.join(",")}${blank}}${depth === 0 ? blank : ""}`;
}

/** One to three changes of the kind that transport and attackers make. */
export function mutated(random: Random, valid: string): string {
  let all = valid;
  for (let left = random.below(3); left >= 0; left--) {
    const at = random.below(all.length + 1);
    const count = random.below(8);
    switch (random.below(5)) {
      case 0:
        all = all.slice(0, at) + String.fromCharCode(random.below(256)) + all.slice(at + 1);
        break;
      case 1:
        all = all.slice(0, at) + all.slice(at + count);
        break;
      case 2:
        all = all.slice(0, at) + random.pick(SPICE) + all.slice(at);
        break;
      case 3:
        all = all.slice(0, at) + all.slice(Math.max(0, at - count));
        break;
      case 4:
        all = all.slice(0, at);
    }
  }
  return all;
}

/** Anything at all. */
export function noise(random: Random): string {
  let all = "";
  for (let left = random.below(30); left > 0; left--) {
    all += random.once(2) ? random.pick(SPICE) : String.fromCharCode(random.below(256));
  }
  return all;
}

/** Offsets at which to cut `length` bytes: few, many, or all. */
export function cuts(random: Random, length: number): number[] {
  if (random.once(20)) return Array.from({ length }, (_, at) => at);
  const wanted = 1 + random.below(random.once(3) ? 20 : 3);
  const offsets: number[] = [];
  for (let left = wanted; left > 0; left--) offsets.push(random.below(length + 1));
  return offsets.sort((a, b) => a - b);
}
