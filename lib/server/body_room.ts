// How much memory the bodies of all requests may take at once. A body is counted as its bytes come and as
// it is decoded, until its request is over. Large ones may take a part of the room only, so that there is
// always some for the others; where it is taken, a body is read on when there is room again, and refused
// where that takes too long or never comes.

import { type BodyHold, RequestError } from "../http/client.ts";
import type { BodyMemory } from "../pool/memory/body_memory.ts";

/** A body beyond this is a large one. */
const LARGE_BYTES = 1024 * 1024;
/** Of all room, what large bodies may take. */
const LARGE_SHARE = 0.75;
/** How long a body waits for room. */
const PATIENCE_MS = 10_000;
/** Other workers do not tell that they have given room back. */
const LOOK_MS = 50;
/** When a refused client may come again. */
const COME_AGAIN_MS = 5000;

interface Waiter {
  readonly body: HeldBody;
  readonly bytes: number;
  readonly until: number;
  resolve(): void;
  reject(error: Error): void;
}

/** One for each isolate; what they hold is counted together. */
export class BodyRoom {
  #limitBytes = Infinity;
  #begun = 0;
  /** The body that was begun first comes first. */
  readonly #waiting: Waiter[] = [];
  #isSettling = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly memory: BodyMemory, private readonly now: () => number) {}

  /** From now on; what is held already stays. */
  set limitBytes(bytes: number) {
    this.#limitBytes = bytes;
    if (this.#waiting.length > 0) this.#settle();
  }

  /** The account of one request's body, which whoever asks for it is to release. */
  account(): HeldBody {
    return new HeldBody(this, this.#begun++);
  }

  /** Whoever waits is refused. */
  close(): void {
    for (const { body } of [...this.#waiting]) body.release();
  }

  /** Of HeldBody. */
  take(body: HeldBody, bytes: number): Promise<void> | null {
    const size = body.bytes + bytes;
    if (size > this.#limitBytes * LARGE_SHARE) throw neverFits(this.#limitBytes * LARGE_SHARE);
    if (this.#fits(body, bytes) && !this.#isBehind(body, size)) {
      this.#count(body, bytes);
      return null;
    }
    return this.#wait(body, bytes);
  }

  /** Of HeldBody: nothing of it is held any more. */
  forget(body: HeldBody): void {
    const { kib, isLarge } = body;
    const at = this.#waiting.findIndex((waiter) => waiter.body === body);
    if (at >= 0) this.#leave(at).reject(new NoRoom());
    this.memory.addHeld(-kib);
    if (isLarge) this.memory.addLarge(-kib);
    if (this.#waiting.length > 0) this.#settle();
  }

  #fits(body: HeldBody, bytes: number): boolean {
    const more = kibOf(body.bytes + bytes) - body.kib;
    const limit = this.#limitBytes / 1024;
    return this.memory.heldKib + more <= limit && this.#fitsShare(body, bytes);
  }

  #fitsShare(body: HeldBody, bytes: number): boolean {
    if (body.bytes + bytes <= LARGE_BYTES) return true;
    const more = kibOf(body.bytes + bytes) - (body.isLarge ? body.kib : 0);
    return this.memory.largeKib + more <= this.#limitBytes * LARGE_SHARE / 1024;
  }

  /** A large body that was begun before one of this size waits: it is to be whole first. */
  #isBehind(body: HeldBody, size: number): boolean {
    return this.#waiting.length > 0 && size > LARGE_BYTES &&
      this.#waiting.some((other) => isForLarge(other) && other.body.number < body.number);
  }

  #count(body: HeldBody, bytes: number): void {
    const size = body.bytes + bytes;
    const more = kibOf(size) - body.kib;
    const largeMore = body.isLarge ? more : size > LARGE_BYTES ? body.kib + more : 0;
    body.counted(size, kibOf(size), size > LARGE_BYTES);
    this.memory.addHeld(more);
    if (largeMore > 0) this.memory.addLarge(largeMore);
  }

  #wait(body: HeldBody, bytes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const until = this.now() + PATIENCE_MS;
    const before = this.#waiting.findIndex((other) => other.body.number > body.number);
    const at = before < 0 ? this.#waiting.length : before;
    this.#waiting.splice(at, 0, { body, bytes, until, resolve, reject });
    if (body.isLarge) this.memory.addPaused(body.kib);
    this.#timer ??= setInterval(() => this.#settle(), LOOK_MS);
    this.#settle();
    return promise;
  }

  /** Takes one out of the line. */
  #leave(at: number): Waiter {
    const [waiter] = this.#waiting.splice(at, 1);
    const { kib, isLarge } = waiter.body;
    if (isLarge) this.memory.addPaused(-kib);
    if (this.#waiting.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return waiter;
  }

  /** Lets go on who can; refuses who has waited long enough, or for nothing. */
  #settle(): void {
    // What one that is refused gives back is looked at when it is.
    if (this.#isSettling) return;
    this.#isSettling = true;
    while (this.#look());
    this.#isSettling = false;
  }

  /** Whether one was refused: what it held is free for those behind it and before it, which are looked at anew. */
  #look(): boolean {
    const now = this.now();
    let isHead = true;
    for (let at = 0; at < this.#waiting.length;) {
      const waiter = this.#waiting[at];
      const mayGoOn = isHead || !isForLarge(waiter);
      if (mayGoOn && this.#fits(waiter.body, waiter.bytes)) {
        this.#leave(at);
        this.#count(waiter.body, waiter.bytes);
        waiter.resolve();
        continue;
      }
      if (now >= waiter.until) {
        this.#refuse(waiter);
        return true;
      }
      if (isForLarge(waiter)) isHead = false;
      at++;
    }
    const stuck = this.#stuck();
    if (stuck !== null) this.#refuse(stuck);
    return stuck !== null;
  }

  /**
   * Where all that large bodies hold belongs to such as wait, nothing would ever be given back: the one that
   * was begun last, for the others. null where one of them can go on.
   */
  #stuck(): Waiter | null {
    const first = this.#waiting.find(isForLarge);
    if (first === undefined || this.#fitsShare(first.body, first.bytes)) return null;
    if (this.memory.pausedKib < this.memory.largeKib) return null;
    return this.#waiting.findLast(({ body }) => body.isLarge) ?? null;
  }

  #refuse({ body }: Waiter): void {
    this.memory.addRefused();
    body.release();
  }
}

/** There is no room for the body of a request now. */
export class NoRoom extends RequestError {
  /** When there may be. */
  readonly waitMs = COME_AGAIN_MS;

  constructor() {
    super(503, "The gateway holds as many bytes of request bodies as it may (max_held_body_bytes)");
  }
}

/** What is held of one request's body. */
export class HeldBody implements BodyHold {
  #bytes = 0;
  #kib = 0;
  #isLarge = false;
  #isOver = false;

  /** `number`: which of its isolate's requests it is. */
  constructor(private readonly room: BodyRoom, readonly number: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** As it is counted: rounded up. */
  get kib(): number {
    return this.#kib;
  }

  get isLarge(): boolean {
    return this.#isLarge;
  }

  take(bytes: number): Promise<void> | null {
    // Refused, or given up by its client: nobody reads on.
    if (this.#isOver) throw new RequestError(400, "The request body was cut short");
    return this.room.take(this, bytes);
  }

  /** Of BodyRoom: what it is counted for from now on. */
  counted(bytes: number, kib: number, isLarge: boolean): void {
    this.#bytes = bytes;
    this.#kib = kib;
    this.#isLarge = isLarge;
  }

  /** Nobody holds it any more. Only the first call does something. */
  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.room.forget(this);
    this.counted(0, 0, false);
  }
}

/** Whether what it waits for makes it a large one. */
function isForLarge({ body, bytes }: Waiter): boolean {
  return body.bytes + bytes > LARGE_BYTES;
}

function kibOf(bytes: number): number {
  return Math.ceil(bytes / 1024);
}

function neverFits(most: number): RequestError {
  return new RequestError(
    413,
    `The request body is larger than ${Math.floor(most)} bytes, coded and plain form together, ` +
      "which is what one body may take of max_held_body_bytes",
  );
}
