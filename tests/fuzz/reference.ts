// HTTP/1.1 and event streams read in the simplest way there is: the whole text at once, by regular
// expressions. Slow, and independent of the code that it is compared with.

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
// deno-lint-ignore no-control-regex -- control bytes are what must not stand in a line
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!"$-~]+) HTTP/1\\.([01])$`);
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)( .*)?$/s;
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*(.*?)[ \\t]*$`, "s");
const SIZE_LINE = /^([0-9a-fA-F]{1,16})(;[^]*?)?\r\n/;

type Fields = [name: string, value: string][];

/** null where they are malformed. */
function fieldsOf(lines: readonly string[]): Fields | null {
  const fields: Fields = [];
  for (const line of lines) {
    const match = FIELD.exec(line);
    if (match === null || CONTROL.test(match[2])) return null;
    fields.push([match[1].toLowerCase(), match[2]]);
  }
  return fields.length > 128 ? null : fields;
}

const all = (fields: Fields, name: string) => fields.filter((f) => f[0] === name).map((f) => f[1]);

/** A length, "chunked", null for neither, or "malformed". */
function lengthOf(fields: Fields, minor: string): number | "chunked" | null | "malformed" {
  const lengths = all(fields, "content-length");
  const codings = all(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) return "malformed";
  if (codings.length === 1) {
    return codings[0].toLowerCase() === "chunked" && minor === "1" ? "chunked" : "malformed";
  }
  if (lengths.length === 0) return null;
  return /^\d{1,15}$/.test(lengths[0]) ? Number(lengths[0]) : "malformed";
}

function closes(fields: Fields, minor: string): boolean {
  const options = all(fields, "connection").join(",").toLowerCase().split(",").map((o) => o.trim());
  return options.includes("close") || (minor === "0" && !options.includes("keep-alive"));
}

export interface Body {
  state: "whole" | "short" | "malformed";
  data: string;
  rest: string;
}

/** Reads a body in the chunked coding. */
export function chunkedBody(text: string): Body {
  let rest = text;
  let data = "";
  for (;;) {
    const line = SIZE_LINE.exec(rest);
    if (line === null) {
      const good = /^([0-9a-fA-F]{1,16}(;[^]*)?\r?)?$/.test(rest) && !badUnfinished(rest) &&
        (parseInt(rest, 16) || 0) <= 2 ** 40;
      return { state: good ? "short" : "malformed", data, rest: "" };
    }
    const size = parseInt(line[1], 16);
    if (size > 2 ** 40 || CONTROL.test(line[2] ?? "")) {
      return { state: "malformed", data, rest: "" };
    }
    rest = rest.slice(line[0].length);
    if (size === 0) break;
    data += rest.slice(0, size);
    const after = rest.slice(size, size + 2);
    if (after !== "\r\n".slice(0, after.length)) return { state: "malformed", data, rest: "" };
    if (after.length < 2) return { state: "short", data, rest: "" };
    rest = rest.slice(size + 2);
  }
  for (;;) {
    const end = rest.indexOf("\r\n");
    if (end < 0) return { state: badUnfinished(rest) ? "malformed" : "short", data, rest: "" };
    const line = rest.slice(0, end);
    if (CONTROL.test(line)) return { state: "malformed", data, rest: "" };
    rest = rest.slice(end + 2);
    if (line === "") return { state: "whole", data, rest };
  }
}

/** A line without its end, a CR at the very end apart. */
function badUnfinished(line: string): boolean {
  return CONTROL.test(line.endsWith("\r") ? line.slice(0, -1) : line);
}

/** A head that nothing can complete. */
function badHeadStart(text: string): boolean {
  return /(^|[^\r])\n/.test(text);
}

/** Path and query of a target, which may be a whole URL. */
function originForm(target: string): string | null {
  if (target.startsWith("/")) return target;
  const [scheme, ...rest] = target.split("://");
  if (!/^https?$/i.test(scheme) || rest.length === 0) return null;
  const place = rest.join("://");
  const end = place.search(/[/?]/);
  const authority = end < 0 ? place : place.slice(0, end);
  if (authority === "" || authority.includes("@")) return null;
  const path = end < 0 ? "" : place.slice(end);
  return path.startsWith("/") ? path : `/${path}`;
}

/** What a server makes of a client's bytes, as in tests/http/scripted.ts; a refusal is "refused". */
export function served(text: string, limitBytes: number): string[] {
  const seen: string[] = [];
  for (let rest = text;;) {
    while (rest.startsWith("\r\n")) rest = rest.slice(2);
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) {
      return badHeadStart(rest) || rest.startsWith("\x16\x03") ? [...seen, "refused"] : seen;
    }
    const lines = rest.slice(0, end).split("\r\n");
    rest = rest.slice(end + 4);
    const line = REQUEST_LINE.exec(lines[0]);
    const fields = fieldsOf(lines.slice(1));
    if (line === null || fields === null) return [...seen, "refused"];
    const [, method, written, minor] = line;
    const target = originForm(written);
    if (target === null) return [...seen, "refused"];
    const hosts = all(fields, "host").length;
    const length = lengthOf(fields, minor);
    if (
      method === "CONNECT" || method === "TRACE" || hosts > 1 || (hosts === 0 && minor === "1") ||
      length === "malformed"
    ) return [...seen, "refused"];
    const name = `${method} ${target}`;
    let body: Body;
    if (length === "chunked") body = chunkedBody(rest);
    else if ((length ?? 0) > limitBytes || rest.length < (length ?? 0)) {
      body = { state: "short", data: "", rest: "" };
    } else {
      const count = length ?? 0;
      body = { state: "whole", data: rest.slice(0, count), rest: rest.slice(count) };
    }
    if (body.state !== "whole") return [...seen, name, "refused"];
    seen.push(body.data === "" ? name : `${name} ${body.data}`);
    if (minor === "0" || closes(fields, minor)) return seen;
    rest = body.rest;
  }
}

export interface Answer {
  /** What the client finds, "reset" being an end before the message's own. */
  state: "whole" | "reset" | "malformed";
  status: number | null;
  /** All data that may be given on before a fault. */
  data: string;
}

/** What a client makes of a server's bytes. */
export function received(text: string, method: string): Answer {
  for (let rest = text;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) {
      const start = rest.slice(0, 7);
      const bad = start !== "HTTP/1.".slice(0, start.length) || badHeadStart(rest);
      return { state: bad ? "malformed" : "reset", status: null, data: "" };
    }
    const lines = rest.slice(0, end).split("\r\n");
    rest = rest.slice(end + 4);
    const line = STATUS_LINE.exec(lines[0]);
    const fields = fieldsOf(lines.slice(1));
    const malformed: Answer = { state: "malformed", status: null, data: "" };
    if (line === null || CONTROL.test(line[3] ?? "") || fields === null) return malformed;
    const status = Number(line[2]);
    if (status === 101) return malformed;
    if (status < 200) continue;
    const length = lengthOf(fields, line[1]);
    if (length === "malformed") return malformed;
    if (method === "HEAD" || status === 204 || status === 304) {
      return { state: "whole", status, data: "" };
    }
    if (length === null) return { state: "whole", status, data: rest };
    if (length === "chunked") {
      const body = chunkedBody(rest);
      return { state: body.state === "short" ? "reset" : body.state, status, data: body.data };
    }
    const state = rest.length < length ? "reset" : "whole";
    return { state, status, data: rest.slice(0, length) };
  }
}

/** An event as a client reads it. */
export interface Event {
  name: string;
  data: string;
}

/** The events in the text of a stream, the last one also without its blank line. */
export function events(text: string): Event[] {
  const found: Event[] = [];
  const blocks = text.replace(/\r\n|\r/g, "\n").split(/\n(?=\n)|(?<=^)(?=\n)/);
  for (const block of blocks) {
    const lines = block.replace(/^\n*\uFEFF/, "").split("\n");
    const values = (field: string) =>
      lines.filter((line) => line === field || line.startsWith(`${field}:`))
        .map((line) => line.slice(field.length + 1).replace(/^ /, ""));
    const data = values("data");
    if (data.length > 0) found.push({ name: values("event").at(-1) ?? "", data: data.join("\n") });
  }
  return found;
}

/** What an observer of a chat stream with one choice must have seen when the body has ended. */
export interface Seen {
  fault: boolean;
  finishes: number;
  done: boolean;
  progress: number;
  pieces: number;
}

/** The same told from well-formed events by their JSON alone. */
export function seen(all: readonly Event[]): Seen {
  const seen: Seen = { fault: false, finishes: 0, done: false, progress: 0, pieces: 0 };
  let told = 0;
  for (const { data } of all) {
    if (data.trim() === "[DONE]") {
      if (seen.finishes === 0) return { ...seen, fault: true };
      return { ...seen, done: true, progress: seen.progress + 1 };
    }
    const chunk = JSON.parse(data);
    if (!chunk || Array.isArray(chunk)) continue;
    if (chunk.error === "x" || chunk.error?.code === 1) return { ...seen, fault: true };
    const [choice] = chunk.choices ?? [];
    const reason = choice?.finish_reason;
    if (reason === "abort") return { ...seen, fault: true };
    if (reason && reason !== "null") {
      seen.finishes = 1;
      seen.progress++;
    } else if (says(choice)) {
      seen.progress++;
      seen.pieces++;
    } else if (chunk.choices?.length === 0 && chunk.usage?.completion_tokens > told) {
      // Figures alone are progress where they grow.
      seen.progress++;
    }
    told = chunk.usage?.completion_tokens ?? told;
  }
  return seen;
}

// deno-lint-ignore no-explicit-any -- whatever JSON.parse gave
function says(choice: any): boolean {
  const { content, reasoning, reasoning_content, tool_calls } = choice?.delta ?? {};
  return Boolean(
    content || reasoning || reasoning_content || tool_calls?.[0]?.function.arguments ||
      choice?.token_ids?.length > 0,
  );
}

/** What of a well-formed chat stream passes, and how it ends. */
export function observed(text: string): { passed: string; finishes: number; fault: boolean } {
  let passed = "";
  let finishes = 0;
  for (const [event] of text.matchAll(/[^]*?\n(?:\r\n|\n)/g)) {
    const data = event.match(/^data: (.*?)\r?$/m)?.[1];
    if (data === "[DONE]" && finishes === 0) return { passed, finishes, fault: true };
    if (data !== undefined && data !== "[DONE]") {
      const chunk = JSON.parse(data);
      const reason = chunk.choices?.[0]?.finish_reason;
      if (chunk.error !== undefined || reason === "abort") return { passed, finishes, fault: true };
      if (typeof reason === "string") finishes++;
    }
    passed += event;
  }
  return { passed, finishes, fault: false };
}
