// Finds where a JSON value ends that comes in pieces, such as the arguments of a tool call.

const BLANK = /\s/;

export class ValueEnd {
  #begun = false;
  #depth = 0;
  #inString = false;
  #escaped = false;

  /**
   * Looks at more of the value. `from` and `to` bound what of `text` belongs to it, blanks before it left
   * out; `isOver` once nothing more belongs to it.
   */
  take(text: string): { from: number; to: number; isOver: boolean } {
    let at = 0;
    if (!this.#begun) { while (at < text.length && BLANK.test(text[at])) at++; }
    const from = at;
    for (; at < text.length; at++) {
      const end = this.#see(text[at]);
      if (end !== "inside") {
        const to = end === "last" ? at + 1 : at;
        return { from, to, isOver: true };
      }
    }
    return { from, to: at, isOver: false };
  }

  /** last: the value's last character. behind: it ended before this one, as numbers and words do. */
  #see(char: string): "inside" | "last" | "behind" {
    const isFirst = !this.#begun;
    this.#begun = true;
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (char === "\\") this.#escaped = true;
      else if (char === '"') {
        this.#inString = false;
        return this.#depth === 0 ? "last" : "inside";
      }
      return "inside";
    }
    if (char === '"') this.#inString = true;
    else if (char === "{" || char === "[") this.#depth++;
    else if (char === "}" || char === "]") {
      // The bracket of whatever is around it.
      if (this.#depth === 0) return "behind";
      return --this.#depth === 0 ? "last" : "inside";
    } else if (this.#depth === 0 && !isFirst && (char === "," || BLANK.test(char))) return "behind";
    return "inside";
  }
}
