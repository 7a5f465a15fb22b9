// Answers of /v1/responses that are made in the background: the request is kept until somebody fetches
// the answer whole, since only then is there a conversation to record.

import type { Capture } from "./capture.ts";

const MAX_ANSWERS = 1000;
const MAX_BYTES = 32 * 1024 * 1024;

/** Whether the capture is of a GET that fetched an answer: it has no request of its own. */
export function isFetch({ api, requestBody }: Capture): boolean {
  return api === "responses" && requestBody.length === 0;
}

export class BackgroundAnswers {
  readonly #asked = new Map<string, Capture>();
  #bytes = 0;

  /** Keeps what was asked; returns what had to give way. */
  keep(id: string, capture: Capture): Capture[] {
    // What it says by then is not what it will say, and an object takes many times as much as its bytes.
    this.#asked.set(id, { ...capture, parsed: null });
    this.#bytes += capture.requestBody.length;
    const given: Capture[] = [];
    for (const [oldest, asked] of this.#asked) {
      if (this.#asked.size <= MAX_ANSWERS && this.#bytes <= MAX_BYTES) break;
      this.#forget(oldest, asked);
      given.push(unfetched(asked));
    }
    return given;
  }

  /** The capture of an answer that was fetched, with what was asked; null where that is not known. */
  join(id: string, fetched: Capture): Capture | null {
    const asked = this.#asked.get(id);
    // Who left while fetching it may come again.
    if (asked === undefined || fetched.outcome !== "complete") return null;
    this.#forget(id, asked);
    const { outcome, error, response, parsed, status, instance } = fetched;
    const durationMs = fetched.startedAtMs + fetched.durationMs - asked.startedAtMs;
    return { ...asked, outcome, error, response, parsed, status, instance, durationMs };
  }

  /** All that is left. */
  close(): Capture[] {
    const left = [...this.#asked.values()].map(unfetched);
    this.#asked.clear();
    this.#bytes = 0;
    return left;
  }

  #forget(id: string, { requestBody }: Capture): void {
    this.#asked.delete(id);
    this.#bytes -= requestBody.length;
  }
}

function unfetched(capture: Capture): Capture {
  const error = "the answer was made in the background, and nobody fetched it";
  return { ...capture, outcome: "aborted", error };
}
