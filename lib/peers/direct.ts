// Notes to other gateways without anything between: each gets them by POST over a connection of its own that
// is kept, one at a time. One that is slow, gone or refuses costs the others nothing.

import type { PeersConfig } from "../config/peers.ts";
import { PEERS } from "../http/admin.ts";
import { encodeNote, joined, type Note } from "./note.ts";
import type { Way, WayEvents } from "./way.ts";

/** One that does not answer within this time gets what the note says with the next one. */
const TIMEOUT_MS = 1000;
const LEAST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 5000;
/** What turned out to be this gateway itself is asked again after this time. */
const SELF_PAUSE_MS = 60_000;
const RESOLVE_MS = 10_000;
const LAST_MS = 300;
const MAX_PEERS = 16;

export class DirectWay implements Way {
  readonly isOpen = true;
  readonly #peers = new Map<string, Peer>();
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: 1, http2: false });
  #resolving: ReturnType<typeof setInterval> | null = null;
  #isClosed = false;

  constructor(private readonly config: PeersConfig, private readonly events: WayEvents) {
    this.#set(config.urls);
    if (config.dns === null) return;
    this.#resolve();
    this.#resolving = setInterval(() => this.#resolve(), RESOLVE_MS);
    Deno.unrefTimer(Number(this.#resolving));
  }

  get expected(): number {
    return [...this.#peers.values()].filter(({ isSelf }) => !isSelf).length;
  }

  send(note: Note): void {
    for (const peer of this.#peers.values()) peer.send(note);
  }

  async close(last: Note): Promise<void> {
    this.#isClosed = true;
    if (this.#resolving !== null) clearInterval(this.#resolving);
    await Promise.all([...this.#peers.values()].map((peer) => peer.close(last)));
    this.#client.close();
  }

  #set(urls: readonly string[]): void {
    const wanted = new Set(urls.slice(0, MAX_PEERS));
    for (const url of this.#peers.keys()) if (!wanted.has(url)) this.#peers.delete(url);
    for (const url of wanted) {
      if (this.#peers.has(url)) continue;
      this.#peers.set(url, new Peer(url, this.config.token!, this.#client, this.events));
    }
  }

  /** Those of the last answer stay while there is none. */
  async #resolve(): Promise<void> {
    const { name, port } = this.config.dns!;
    const asked = await Promise.allSettled([
      Deno.resolveDns(name, "A"),
      Deno.resolveDns(name, "AAAA"),
    ]);
    const [v4, v6] = asked.map((one) => one.status === "fulfilled" ? one.value as string[] : []);
    const hosts = v4.length > 0 ? v4 : v6.map((address) => `[${address}]`);
    if (this.#isClosed || hosts.length === 0) return;
    this.#set([...this.config.urls, ...hosts.sort().map((host) => `http://${host}:${port}`)]);
  }
}

/** One other gateway. */
class Peer {
  /** It is this gateway, as its address has turned out. */
  isSelf = false;
  #next: Note | null = null;
  #sending: Promise<void> | null = null;
  #notBefore = 0;
  #failures = 0;

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly client: Deno.HttpClient,
    private readonly events: WayEvents,
  ) {}

  send(note: Note): void {
    this.#next = this.#next === null ? note : joined(this.#next, note);
    if (this.#sending !== null || performance.now() < this.#notBefore) return;
    this.#sending = this.#post().finally(() => {
      this.#sending = null;
    });
  }

  async close(last: Note): Promise<void> {
    await this.#sending;
    if (this.#failures > 0 || this.isSelf) return;
    this.#next = last;
    await this.#post(LAST_MS);
  }

  async #post(timeoutMs = TIMEOUT_MS): Promise<void> {
    const note = this.#next!;
    this.#next = null;
    const body = encodeNote(note);
    try {
      const response = await fetch(this.url + PEERS, {
        method: "POST",
        headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
        body,
        client: this.client,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.body?.cancel();
      this.#answered(response.status);
    } catch (error) {
      this.#next = this.#next === null ? note : joined(note, this.#next);
      const isLate = error instanceof DOMException && error.name === "TimeoutError";
      this.#failed(isLate ? "it does not answer" : "it cannot be reached");
    }
  }

  #answered(status: number): void {
    this.isSelf = status === 409;
    if (this.isSelf) {
      this.#notBefore = performance.now() + SELF_PAUSE_MS;
      this.#failures = 0;
    } else if (status === 200) {
      if (this.#failures > 0) this.events.onWord("info", `${this.url} takes notes again`);
      this.#failures = 0;
    } else this.#failed(WORDS[status] ?? `it answers ${status}`);
  }

  #failed(why: string): void {
    if (this.#failures === 0) this.events.onWord("warning", `${this.url} gets no notes: ${why}`);
    const pauseMs = Math.min(MOST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10));
    this.#notBefore = performance.now() + pauseMs;
    this.events.onFailure();
  }
}

const WORDS: Readonly<Record<number, string>> = {
  403: "it refuses the token (peers.token)",
  404: "it is no gateway that knows peers",
  426: "it is of another version",
};
