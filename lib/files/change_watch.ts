// Notices that files have changed, however they are saved: in place, by rename, through the symlinks of a Kubernetes
// ConfigMap. They are looked at again and again. Deno.watchFs would open whatever appears beside them: a named pipe
// there stops its thread, and then everybody who begins or ends a watch.

const LOOK_MS = 500;
/** A save is several changes: it is told of when there was none for so long, … */
const SETTLE_MS = 100;
/** … but not later than this, however long they go on. */
const SETTLE_AT_MOST_MS = 400;

export class ChangeWatch {
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> = Promise.resolve();
  /** None before the first look: what was saved between the reading of the files and that look is a change. */
  #stamps = "";
  #changingSince: number | null = null;

  /** `paths` are asked for at each look. */
  constructor(
    private readonly paths: () => readonly string[],
    private readonly onChange: () => void,
  ) {
    this.#lookIn(0);
  }

  /** Resolves when nothing is looked at any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #lookIn(ms: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#looking = this.#look(), ms);
    Deno.unrefTimer(Number(this.#timer));
  }

  async #look(): Promise<void> {
    const stamps = (await Promise.all(this.paths().map(stampOf))).join("\n");
    if (this.#closed) return;
    const isNew = stamps !== this.#stamps;
    this.#stamps = stamps;
    const now = performance.now();
    if (isNew) this.#changingSince ??= now;
    const since = this.#changingSince;
    if (since !== null && (!isNew || now - since >= SETTLE_AT_MOST_MS)) {
      this.#changingSince = null;
      this.onChange();
    }
    this.#lookIn(this.#changingSince === null ? LOOK_MS : SETTLE_MS);
  }
}

/** Another one for another file in its place, and for another text, unless that came within the same tick of the clock. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtime, ctime } = await Deno.stat(path);
    return [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join(" ");
  } catch (error) {
    // None at this moment, or none to be looked at: that is what is to be noticed.
    return error instanceof Error ? error.name : String(error);
  }
}
