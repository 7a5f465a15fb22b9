// The months of a book: the file of each, and what of it is in the counters. What others have written to a file
// comes into the counters with every look at it; when one is looked at is left to the book.

import { Amount } from "./amount.ts";
import { counterName, DAYS_KEPT, MONTHS_KEPT } from "./counter_name.ts";
import { usagePath } from "./files.ts";
import { monthOf, type Periods } from "./period.ts";
import { counterOf, type Line, lineOf, type Row, writeLine } from "./row.ts";
import { CounterSums, type Since } from "./sums.ts";
import { type News, UsageFile } from "./usage_file.ts";
import type { UsageMemory } from "./usage_memory.ts";

const DAY_MS = 86_400_000;
const ALWAYS: Since = { day: "", month: "" };

/** What is told to people of a file. */
export interface FileEvents {
  /** A crash had cut off the last line of a file: it is gone. */
  torn(path: string, bytes: number): void;
  /** Lines of a file say nothing, the first of them being the one of this number. */
  odd(path: string, lines: number, first: number): void;
}

export interface MonthsOptions {
  readonly dataDir: string;
  readonly memory: UsageMemory;
  readonly events: FileEvents;
  /** In force. */
  periods(): Periods;
  /** The wall clock, in milliseconds. */
  now(): number;
  /** What a file has of a row. */
  onRead(row: Row, amount: Amount): void;
}

/** The file of one month, and what of it is in the counters. */
interface Month {
  readonly file: UsageFile;
  known: CounterSums;
}

export class Months {
  readonly #months = new Map<string, Month>();
  #isLeft = false;

  constructor(private readonly options: MonthsOptions) {}

  /** Takes what others have written. Throws where the file cannot be read. */
  async read(name: string): Promise<void> {
    const { file } = this.#month(name);
    await this.#takeNews(name, (onLine) => file.exchange("", onLine));
  }

  /**
   * The same, and appends `added`, by the text of row or counter, which is in the counters since it was booked.
   * Throws where it cannot be written; nothing of it is in the file then. Resolves to whether the file is long
   * enough to be summed up.
   */
  async append(name: string, added: ReadonlyMap<string, Amount>): Promise<boolean> {
    const own = new CounterSums(ALWAYS);
    let text = "";
    for (const [of, amount] of added) {
      const line = lineOf(of, amount);
      own.add(line);
      text += writeLine(line);
    }
    const { file } = this.#month(name);
    const { failed } = await this.#takeNews(name, (onLine) => file.exchange(text, onLine));
    if (failed !== null) throw failed;
    this.#month(name).known.addAll(own);
    return file.isLong;
  }

  /** Makes the file shorter. Throws where it cannot; it stays as it is then. */
  async sumUp(name: string): Promise<void> {
    const { file } = this.#month(name);
    await this.#takeNews(name, (onLine) => file.sumUp(onLine));
  }

  /** Takes back what the files have brought into the counters. */
  leave(): void {
    for (const { known } of this.#months.values()) {
      this.#count(new CounterSums(this.#since).without(known));
    }
    this.#months.clear();
    this.#isLeft = true;
  }

  /**
   * Follows the clock: counters that are too old go, here and in memory, and with a clock that was set back files are
   * read again for those that were left out. The months themselves stay: what they add to budgets without a period
   * must not count twice.
   */
  forgetOld(): void {
    const since = this.#since;
    const now = this.options.now();
    for (const { file, known } of this.#months.values()) {
      const { day } = known.begin;
      if (day === since.day) continue;
      if (since.day < day) file.readAnew();
      const forgotten = known.forgetBefore(since).map(([text, amount]) =>
        [
          // Nobody asks for it: it may give way at once.
          { ...counterName(counterOf(text), now), keptUntil: now },
          new Amount().subtract(amount),
        ] as const
      );
      if (forgotten.length > 0) this.options.memory.count(forgotten, now);
    }
  }

  async #takeNews(
    name: string,
    ask: (onLine: (line: Line) => void) => Promise<News>,
  ): Promise<News> {
    const month = this.#month(name);
    const found = new CounterSums(this.#since);
    const news = await ask((line) => {
      found.add(line);
      if (line.kind === "used") this.options.onRead(line.row, line.amount);
    });
    const { path } = month.file;
    if (news.torn > 0) this.options.events.torn(path, news.torn);
    if (news.firstOdd !== null) this.options.events.odd(path, news.odd, news.firstOdd);
    if (news.anew) {
      this.#count(found.without(month.known));
      month.known = found;
    } else if (!found.isEmpty) {
      this.#count(found);
      month.known.addAll(found);
    }
    return news;
  }

  #count(sums: CounterSums): void {
    // What is still being read when it is left would stay.
    if (this.#isLeft) return;
    const { memory, now } = this.options;
    memory.count(
      [...sums].filter(([, amount]) => !amount.isNothing).map(([text, amount]) => [
        counterName(counterOf(text), now()),
        amount,
      ]),
      now(),
    );
  }

  #month(name: string): Month {
    let month = this.#months.get(name);
    if (month === undefined) {
      const path = usagePath(this.options.dataDir, name);
      month = { file: new UsageFile(path), known: new CounterSums(this.#since) };
      this.#months.set(name, month);
    }
    return month;
  }

  /** Counters of what was before are not needed. */
  get #since(): Since {
    const { periods, now } = this.options;
    return {
      day: periods().dayAt(now() - DAYS_KEPT * DAY_MS).name,
      month: monthOf(periods().dayAt(now() - MONTHS_KEPT * DAY_MS).name),
    };
  }
}
