/** Text that was sent and must come again, and how far it has. */
export class Expected {
  #at = 0;
  constructor(private readonly text: string) {}

  get left(): number {
    return this.text.length - this.#at;
  }

  /** What of `text` is new; null when it is not what was sent. */
  meet(text: string): string | null {
    const length = Math.min(this.left, text.length);
    if (this.text.slice(this.#at, this.#at + length) !== text.slice(0, length)) return null;
    this.#at += length;
    return text.slice(length);
  }
}
