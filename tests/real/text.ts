// Generated tokens to text as vLLM hands it out: unfinished UTF-8 and what may become a stop string
// are held back until they are certain. Choosing tokens is left to model.ts.

/** Text that became certain with one token. */
export interface Step {
  text: string;
  /** The stop string that ended the answer, or null. */
  stoppedBy: string | null;
}

const replacement = "\uFFFD";

/** Follows one answer. `prompt` gives the context in which its first tokens are read. */
export class TextOfTokens {
  readonly #detokenize: (tokens: readonly number[]) => string;
  readonly #stops: readonly string[];
  readonly #window: number[];
  #windowText: string;
  #held = "";

  constructor(
    detokenize: (tokens: readonly number[]) => string,
    prompt: readonly number[],
    stops: readonly string[],
  ) {
    this.#detokenize = detokenize;
    this.#stops = stops;
    this.#window = prompt.slice(-6);
    this.#windowText = complete(detokenize(this.#window));
  }

  push(token: number): Step {
    this.#window.push(token);
    const text = complete(this.#detokenize(this.#window));
    this.#held += text.slice(this.#windowText.length);
    this.#windowText = text;
    const stop = this.#firstStop();
    if (stop !== null) {
      const before = this.#held.slice(0, stop.at);
      this.#held = "";
      return { text: before, stoppedBy: stop.text };
    }
    const certain = this.#held.length - this.#possibleStop();
    const out = this.#held.slice(0, certain);
    this.#held = this.#held.slice(certain);
    return { text: out, stoppedBy: null };
  }

  /** What was held back when the answer ended otherwise than by a stop string. */
  rest(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #firstStop(): { at: number; text: string } | null {
    let first: { at: number; text: string } | null = null;
    for (const text of this.#stops) {
      const at = this.#held.indexOf(text);
      if (at >= 0 && (first === null || at < first.at)) first = { at, text };
    }
    return first;
  }

  /** Length of the longest end of the held text that a stop string could begin with. */
  #possibleStop(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > longest; length--) {
        if (stop.startsWith(this.#held.slice(-length))) longest = length;
      }
    }
    return longest;
  }
}

function complete(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === replacement) end--;
  return text.slice(0, end);
}
