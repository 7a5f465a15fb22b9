// Whether a client has left, and who wants to hear of it. Listeners build their requests on it; how a
// departure is noticed is left to them.

/** The half of a ClientRequest (client.ts) that is about leaving. */
export class Departure {
  gone = false;
  #waiting: { callback: () => void }[] | null = null;

  /** See ClientRequest.onGone. */
  onGone(callback: () => void): () => void {
    if (this.gone) {
      callback();
      return nothing;
    }
    // An object for each call: the same function may be given twice, and is taken back once at a time.
    const entry = { callback };
    // Nearly always the only one: a list that grows has room for many.
    if (this.#waiting === null) this.#waiting = [entry];
    else this.#waiting.push(entry);
    return () => {
      const at = this.#waiting?.indexOf(entry) ?? -1;
      if (at >= 0) this.#waiting!.splice(at, 1);
    };
  }

  /** The client has left. Only the first call does something. */
  leave(): void {
    if (this.gone) return;
    this.gone = true;
    // One at a time off the list, since a callback may take others back.
    for (let next = this.#waiting?.shift(); next !== undefined; next = this.#waiting?.shift()) {
      next.callback();
    }
  }

  /** The answer is over: nobody is told any more. */
  forgetAll(): void {
    this.#waiting = null;
  }
}

function nothing(): void {}
