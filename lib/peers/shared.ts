// Notes by way of the server that gateways share for their limits: all publish in one channel and hear all
// others. With a token each note is signed, since others may write there, too.

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Redis } from "iovalkey";
import type { SharedStateConfig } from "../config/access.ts";
import { isReadOnly, openRedis } from "../redis/open.ts";
import { encodeNote, joined, type Note } from "./note.ts";
import type { Way, WayEvents } from "./way.ts";

const TIMEOUT_MS = 1000;
const LAST_MS = 300;
const SIGNATURE = 64;

export interface SharedWayEvents extends WayEvents {
  /** Somebody has written there; null for what is not signed as it should be. */
  onNote(text: string | null): void;
}

/** Only that of a server that is no master any more tells of the publication beside it. Throws it. */
function refusalOf(error: Error): void {
  if (isReadOnly(error)) throw error;
}

export class SharedWay implements Way {
  readonly expected = 0;
  readonly #channel: string;
  #writer: Redis | null = null;
  #reader: Redis | null = null;
  #next: Note | null = null;
  #publishing = false;
  #wasOpen: boolean | null = null;
  #isClosed = false;
  readonly #opening: Promise<void>;

  constructor(
    private readonly config: SharedStateConfig,
    private readonly token: string | null,
    private readonly events: SharedWayEvents,
  ) {
    this.#channel = `{${config.prefix}}:peers`;
    this.#opening = this.#open();
  }

  get isOpen(): boolean {
    return this.#writer?.status === "ready" && this.#reader?.status === "ready";
  }

  send(note: Note): void {
    this.#next = this.#next === null ? note : joined(this.#next, note);
    this.#tellOfChange();
    if (!this.#publishing && this.#writer?.status === "ready") void this.#publish(TIMEOUT_MS);
  }

  async close(last: Note): Promise<void> {
    this.#isClosed = true;
    await this.#opening;
    this.#next = last;
    if (this.#writer?.status === "ready") await this.#publish(LAST_MS);
    this.#writer?.disconnect();
    this.#reader?.disconnect();
  }

  async #open(): Promise<void> {
    const { config } = this;
    const [writer, reader] = await Promise.all([
      openRedis(config),
      openRedis(config, { enableOfflineQueue: true, maxRetriesPerRequest: null }),
    ]);
    [this.#writer, this.#reader] = [writer, reader];
    // What is wrong is seen by whether they are ready; without these the first fault would end the process.
    writer.on("error", () => {});
    reader.on("error", () => {});
    // `close` waits for these.
    if (this.#isClosed) return;
    reader.on("message", (_: string, text: string) => this.events.onNote(this.#verified(text)));
    reader.subscribe(this.#channel).catch(() => this.events.onFailure());
  }

  async #publish(timeoutMs: number): Promise<void> {
    this.#publishing = true;
    const text = encodeNote(this.#next!);
    this.#next = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("late")), timeoutMs);
    });
    const published = Promise.all([
      // A server that was the master once takes a publication without a word, and nobody at the new one hears it.
      // Nothing is kept by this name: to take it away is a write, which needs no memory.
      this.#writer!.del(this.#channel).catch(refusalOf),
      this.#writer!.publish(this.#channel, this.#signature(text) + text),
    ]);
    // Whoever answers late answers nobody.
    published.catch(() => {});
    try {
      await Promise.race([published, late]);
    } catch (error) {
      // Who reads follows who writes, which has come anew by itself.
      if (error instanceof Error && isReadOnly(error)) this.#reader?.disconnect(true);
      // What the next note says is newer; that they do not get through is counted.
      this.events.onFailure();
    } finally {
      clearTimeout(timer);
      this.#publishing = false;
    }
  }

  #signature(text: string): string {
    return this.token === null ? "" : createHmac("sha256", this.token).update(text).digest("hex");
  }

  #verified(message: string): string | null {
    if (this.token === null) return message;
    const text = message.slice(SIGNATURE);
    const given = Buffer.from(message.slice(0, SIGNATURE));
    const wanted = Buffer.from(this.#signature(text));
    return given.length === wanted.length && timingSafeEqual(given, wanted) ? text : null;
  }

  #tellOfChange(): void {
    if (this.isOpen === this.#wasOpen) return;
    const { isOpen } = this;
    // The first connection takes its time.
    if (!isOpen && this.#wasOpen === null) return;
    this.#wasOpen = isOpen;
    if (isOpen) this.events.onWord("info", "notes of other gateways come by way of shared_state");
    else this.events.onWord("warning", "the server of shared_state does not answer: no notes");
  }
}
