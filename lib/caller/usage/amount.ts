// What was used: tokens and money, summed up exactly. Money is kept in whole units and billionths, both
// integers: a million times 0.1 are 100,000, and a token for 0.05 per million is no rounding error.

/** Parts of a unit of money that are told apart. */
const NANOS = 1_000_000_000;

/** How many numbers an amount is; the order in which `into` and `from` have them. */
export const NUMBERS = 7;

export class Amount {
  requests = 0;
  /** Tokens of prompts, cached ones among them. */
  prompt = 0;
  cached = 0;
  completion = 0;
  /** Requests among `requests` whose usage nobody told. */
  estimated = 0;
  /** Money is `units` and `nanos` billionths; `nanos` is never negative, and below NANOS. */
  units = 0;
  nanos = 0;

  /** Tokens as budgets count them. */
  get tokens(): number {
    return this.prompt + this.completion;
  }

  /** In units of money; exact to the billionth below nine million units. */
  get cost(): number {
    return this.units + this.nanos / NANOS;
  }

  get isNothing(): boolean {
    return this.requests === 0 && this.prompt === 0 && this.cached === 0 &&
      this.completion === 0 && this.estimated === 0 && this.units === 0 && this.nanos === 0;
  }

  /** Adds money, rounded to the billionth. */
  pay(cost: number): this {
    const units = Math.trunc(cost);
    return this.#money(units, Math.round((cost - units) * NANOS));
  }

  add(other: Amount): this {
    this.requests += other.requests;
    this.prompt += other.prompt;
    this.cached += other.cached;
    this.completion += other.completion;
    this.estimated += other.estimated;
    return this.#money(other.units, other.nanos);
  }

  subtract(other: Amount): this {
    this.requests -= other.requests;
    this.prompt -= other.prompt;
    this.cached -= other.cached;
    this.completion -= other.completion;
    this.estimated -= other.estimated;
    return this.#money(-other.units, -other.nanos);
  }

  copy(): Amount {
    return new Amount().add(this);
  }

  /** Whether the money reaches `cost`. */
  reaches(cost: number): boolean {
    const limit = new Amount().pay(cost);
    return this.units !== limit.units ? this.units > limit.units : this.nanos >= limit.nanos;
  }

  /** Adds it to the numbers at `at`, which another amount was kept in. */
  into(numbers: Float64Array, at: number): void {
    const nanos = numbers[at + 6] + this.nanos;
    const carry = Math.floor(nanos / NANOS);
    numbers[at] += this.requests;
    numbers[at + 1] += this.prompt;
    numbers[at + 2] += this.cached;
    numbers[at + 3] += this.completion;
    numbers[at + 4] += this.estimated;
    numbers[at + 5] += this.units + carry;
    numbers[at + 6] = nanos - carry * NANOS;
  }

  /** Tokens of the amount that is kept at `at`. */
  static tokensAt(numbers: Float64Array, at: number): number {
    return numbers[at + 1] + numbers[at + 3];
  }

  static from(numbers: Float64Array, at: number): Amount {
    const amount = new Amount();
    amount.requests = numbers[at];
    amount.prompt = numbers[at + 1];
    amount.cached = numbers[at + 2];
    amount.completion = numbers[at + 3];
    amount.estimated = numbers[at + 4];
    amount.units = numbers[at + 5];
    amount.nanos = numbers[at + 6];
    return amount;
  }

  #money(units: number, nanos: number): this {
    const sum = this.nanos + nanos;
    const carry = Math.floor(sum / NANOS);
    this.units += units + carry;
    this.nanos = sum - carry * NANOS;
    return this;
  }
}
