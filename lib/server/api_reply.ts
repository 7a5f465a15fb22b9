// The answer to a request of the API, whichever part of the gateway or instance writes it: pages of other
// origins may read it where the gateway says so, and no proxy on the way holds a stream back.

import type { Visit } from "../caller/visit.ts";
import type { ClientReply } from "../http/client.ts";
import type { CrossOrigin } from "../http/cors.ts";
import { header, type HeaderList } from "../http/message.ts";

export class ApiReply implements ClientReply {
  /** Of a known caller, whose limits the head tells. */
  visit: Visit | null = null;
  /** What policies did so far and clients are told; null where none is in force. */
  policies: (() => string) | null = null;

  constructor(
    private readonly reply: ClientReply,
    /** null where no page asks. */
    private readonly crossOrigin: CrossOrigin | null,
  ) {}

  get begun(): boolean {
    return this.reply.begun;
  }

  send(status: number, headers: HeaderList, body: Uint8Array): Promise<void> {
    return this.reply.send(status, this.#fields(headers), body);
  }

  begin(status: number, headers: HeaderList, contentLength: number | null): void {
    const all = this.#fields(headers);
    this.reply.begin(status, contentLength === null ? unbuffered(all) : all, contentLength);
  }

  write(bytes: Uint8Array): Promise<void> | null {
    return this.reply.write(bytes);
  }

  end(): Promise<void> {
    return this.reply.end();
  }

  cut(): void {
    this.reply.cut();
  }

  /** An instance allows what it likes; who may call the gateway is the gateway's to say. */
  #fields(headers: HeaderList): HeaderList {
    const plain = headers.some(isCors) ? headers.filter((field) => !isCors(field)) : headers;
    const kept = this.visit === null ? plain : this.visit.withLimits(plain);
    const policy = this.policies === null ? "" : this.policies();
    const told: HeaderList = policy === "" ? kept : [...kept, ["x-gateway-policy", policy]];
    return this.crossOrigin === null ? told : [...told, ...this.crossOrigin.fields(told)];
  }
}

function isCors(field: readonly [string, string]): boolean {
  return field[0].startsWith("access-control-");
}

/** nginx holds a stream back in its buffers unless it is told; what the instance says goes before. */
function unbuffered(headers: HeaderList): HeaderList {
  const more: [string, string][] = [];
  if (header(headers, "x-accel-buffering") === undefined) more.push(["x-accel-buffering", "no"]);
  const isEvents = header(headers, "content-type")?.toLowerCase().startsWith("text/event-stream");
  if (isEvents && header(headers, "cache-control") === undefined) {
    more.push(["cache-control", "no-cache"]);
  }
  return [...headers, ...more];
}
