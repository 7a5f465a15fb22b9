// Usage on disk, kept by the main isolate: what the workers have booked is written every half second, what
// other processes write to the same files is taken over into the counters, and all is read at the start.
//
// A counter is always: what the files say, as far as they were read, and what this process has booked and
// not written yet. So it does not matter who has written what, and nothing counts twice.

import { within } from "../../http/within.ts";
import { Amount } from "./amount.ts";
import { counterName, DAYS_KEPT, MONTHS_KEPT } from "./counter_name.ts";
import { removeLeftOvers, usageMonths, usagePath } from "./files.ts";
import { monthOf, type Periods, TOTAL } from "./period.ts";
import {
  type Counter,
  counterOf,
  counterText,
  type Line,
  lineOf,
  type Row,
  textOf,
  writeLine,
} from "./row.ts";
import { CounterSums, type Since } from "./sums.ts";
import { type News, UsageFile } from "./usage_file.ts";
import type { Booked, UsageMemory } from "./usage_memory.ts";

const NOTHING = new Amount();
const DAY_MS = 86_400_000;
/** What an interrupted process has left of summing up is removed when it is so old. */
const LEFT_OVER_MS = 3_600_000;

/** What is told to people. */
export interface BookEvents {
  /** A crash had cut off the last line of a file: it is gone. */
  torn(path: string, bytes: number): void;
  /** Lines of a file say nothing. */
  odd(path: string, lines: number): void;
  /** Usage cannot be written, or read; it is kept in memory, and tried again. */
  failed(reason: string): void;
  /** It was written again. */
  written(): void;
}

export interface BookOptions {
  readonly dataDir: string;
  readonly memory: UsageMemory;
  readonly events: BookEvents;
  /** In force. */
  periods(): Periods;
  /** The wall clock, in milliseconds. */
  now(): number;
  /** Rows that were taken from the workers, each once. */
  onBooked(booked: readonly Booked[]): void;
  /** What a file has of a row. */
  onRead(row: Row, amount: Amount): void;
}

/** The file of one month, and what of it is in the counters. */
interface Month {
  readonly file: UsageFile;
  known: CounterSums;
}

export class Book {
  readonly #months = new Map<string, Month>();
  /** Booked or corrected, and not written, by the text of row or counter. */
  #pending = new Map<string, Amount>();
  readonly #restored = new Set<string>();
  /** The first of the months that could not be read; null where all were. */
  #restoreFrom: string | null = null;
  #flushing: Promise<void> | null = null;
  #summing: Promise<void> | null = null;
  #failing = false;
  /** Since when the counters of months were needed when that was looked at last. */
  #neededSince = "";

  constructor(private readonly options: BookOptions) {}

  /** Takes what this month and the one before say into the counters; cuts off what a crash has left. */
  restore(): Promise<void> {
    const { periods, now } = this.options;
    const oldest = monthBefore(monthOf(periods().dayAt(now()).name));
    return this.#restore(oldest);
  }

  /** Takes what all months say; they matter for budgets without a period alone. */
  restoreAll(): Promise<void> {
    return this.#restore("");
  }

  /** Takes what the workers have booked. */
  gather(): void {
    const booked = this.options.memory.takeRows();
    if (booked.length === 0) return;
    this.options.onBooked(booked);
    for (const { row, amount } of booked) this.#keep(row, amount);
  }

  /** Whether there is something to write. */
  get hasNews(): boolean {
    return this.#pending.size > 0;
  }

  /** Books what no budget counts; it is written with the next flush. */
  add(row: Row, amount: Amount): void {
    this.#keep(textOf(row), amount);
  }

  /** Adds `amount` to one counter and to nothing else; it is written with the next flush. */
  correct(counter: Counter, amount: Amount): void {
    const { memory, now } = this.options;
    memory.count([[counterName(counter, now()), amount]], now());
    this.#keep(counterText(counter), amount);
  }

  /** Writes what was booked, and reads what others have written; one at a time. */
  flush(): Promise<void> {
    return this.#flushing ??= this.#flush().finally(() => this.#flushing = null);
  }

  /** Resolves once all that was booked by now was written, or could not be: one under way may be without it. */
  async written(): Promise<void> {
    await this.#flushing;
    await this.flush();
  }

  /** Writes the rest. Does not wait for a disk that hangs for longer than `ms`. */
  async close(ms: number): Promise<void> {
    const rest = async () => {
      await this.written();
      await this.#summing;
    };
    await within(ms, rest(), null);
  }

  /** Forgets what the files say: another book is read. What was not written is kept. */
  leave(): ReadonlyMap<string, Amount> {
    for (const { known } of this.#months.values()) {
      this.#change(new CounterSums(this.#since).without(known));
    }
    this.#months.clear();
    return this.#pending;
  }

  /** Takes what another book had not written. */
  takeOver(pending: ReadonlyMap<string, Amount>): void {
    for (const [row, amount] of pending) this.#keep(row, amount);
  }

  /** Never rejects: what cannot be read is told, and tried again with the next write. */
  async #restore(oldest: string): Promise<void> {
    try {
      for (const month of await usageMonths(this.options.dataDir)) {
        if (month >= oldest && !this.#restored.has(month)) await this.#read(month);
      }
      await removeLeftOvers(this.options.dataDir, LEFT_OVER_MS);
      this.#restoreFrom = null;
    } catch (error) {
      this.#restoreFrom = oldest;
      this.#tell(error);
    }
  }

  async #flush(): Promise<void> {
    this.gather();
    this.#forgetOld();
    if (this.#restoreFrom !== null) await this.#restore(this.#restoreFrom);
    const pending = this.#pending;
    this.#pending = new Map();
    const byMonth = new Map<string, Map<string, Amount>>();
    const current = monthOf(this.options.periods().dayAt(this.options.now()).name);
    byMonth.set(current, new Map());
    for (const [text, amount] of pending) {
      const month = monthOfText(text) ?? current;
      if (!byMonth.has(month)) byMonth.set(month, new Map());
      byMonth.get(month)!.set(text, amount);
    }
    let failed: unknown = null;
    for (const [month, added] of byMonth) failed = await this.#write(month, added) ?? failed;
    if (failed !== null || this.#restoreFrom === null) this.#tell(failed);
  }

  /** Returns why it could not be written; it is pending again then. */
  async #write(month: string, added: ReadonlyMap<string, Amount>): Promise<unknown> {
    const own = new CounterSums(this.#since);
    let text = "";
    for (const [name, amount] of added) {
      const line = lineOf(name, amount);
      own.add(line);
      text += writeLine(line);
    }
    try {
      const { file } = this.#month(month);
      const { failed } = await this.#takeNews(month, (onLine) => file.exchange(text, onLine));
      if (failed !== null) throw failed;
      // In the counters since they were booked.
      this.#month(month).known.addAll(own);
      if (file.isLong) this.#summing ??= this.#sumUp(month).finally(() => this.#summing = null);
      return null;
    } catch (error) {
      for (const [name, amount] of added) this.#keep(name, amount);
      return error;
    }
  }

  async #sumUp(month: string): Promise<void> {
    try {
      const { file } = this.#month(month);
      await this.#takeNews(month, (onLine) => file.sumUp(onLine));
    } catch (error) {
      // It stays as long as it is, and is tried again with the next lines.
      this.#tell(error);
    }
  }

  async #read(month: string): Promise<void> {
    const { file } = this.#month(month);
    await this.#takeNews(month, (onLine) => file.exchange("", onLine));
    this.#restored.add(month);
  }

  /** Brings what others have written into the counters. */
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
    if (news.odd > 0) this.options.events.odd(path, news.odd);
    if (news.anew) {
      this.#change(found.without(month.known));
      month.known = found;
    } else if (!found.isEmpty) {
      this.#change(found);
      month.known.addAll(found);
    }
    return news;
  }

  #change(sums: CounterSums): void {
    const { memory, now } = this.options;
    memory.count(
      [...sums].filter(([, amount]) => !amount.isNothing).map(([text, amount]) => [
        counterName(counterOf(text), now()),
        amount,
      ]),
      now(),
    );
  }

  #keep(text: string, amount: Amount): void {
    const kept = this.#pending.get(text);
    if (kept === undefined) this.#pending.set(text, amount);
    else kept.add(amount);
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

  /** Once a day. The months themselves stay: what they add to budgets without a period must not count twice. */
  #forgetOld(): void {
    const since = this.#since;
    if (since.day === this.#neededSince) return;
    this.#neededSince = since.day;
    for (const { known } of this.#months.values()) known.forgetBefore(since);
  }

  #tell(failed: unknown): void {
    const { events } = this.options;
    if (failed === null && this.#failing) events.written();
    else if (failed !== null && !this.#failing) events.failed(reasonOf(failed));
    this.#failing = failed !== null;
  }
}

/** The file that a line belongs into; null for that of now. */
function monthOfText(text: string): string | null {
  const line = lineOf(text, NOTHING);
  if (line.kind === "used") return monthOf(line.row.day);
  return line.counter.period === TOTAL ? null : monthOf(line.counter.period);
}

function reasonOf(failed: unknown): string {
  return failed instanceof Error ? failed.message : String(failed);
}

function monthBefore(month: string): string {
  const [year, number] = month.split("-").map(Number);
  return number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, "0")}`;
}
