// Usage on disk, kept by the main isolate: what the workers have booked is written every half second, what
// other processes write to the same files is taken over into the counters, and all is read at the start.
//
// A counter is always: what the files say, as far as they were read, and what this process has booked and
// not written yet. So it does not matter who has written what, and nothing counts twice.

import { within } from "../../http/within.ts";
import { Amount } from "./amount.ts";
import { counterName } from "./counter_name.ts";
import { usageMonths } from "./files.ts";
import { type FileEvents, Months, type MonthsOptions } from "./months.ts";
import { monthOf, TOTAL } from "./period.ts";
import { type Counter, counterText, lineOf, type Row, textOf } from "./row.ts";
import type { Booked } from "./usage_memory.ts";

const NOTHING = new Amount();

/** What is told to people. */
export interface BookEvents extends FileEvents {
  /** Usage cannot be written, or read; it is kept in memory, and tried again. */
  failed(reason: string): void;
  /** It was written again. */
  written(): void;
}

export interface BookOptions extends MonthsOptions {
  readonly events: BookEvents;
  /** Rows that were taken from the workers, each once. */
  onBooked(booked: readonly Booked[]): void;
}

export class Book {
  readonly #months: Months;
  /** Booked or corrected, and not written, by the text of row or counter. */
  #pending = new Map<string, Amount>();
  readonly #restored = new Set<string>();
  /** The first of the months that could not be read; null where all were. */
  #restoreFrom: string | null = null;
  #flushing: Promise<void> | null = null;
  #summing: Promise<void> | null = null;
  #failing = false;

  constructor(private readonly options: BookOptions) {
    this.#months = new Months(options);
  }

  /** Takes what this month and the one before say into the counters; cuts off what a crash has left. */
  restore(): Promise<void> {
    return this.#restore(monthBefore(this.#thisMonth));
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
    this.#months.leave();
    return this.#pending;
  }

  /** Takes what another book had not written. */
  takeOver(pending: ReadonlyMap<string, Amount>): void {
    for (const [row, amount] of pending) this.#keep(row, amount);
  }

  /** Never rejects: a month that cannot be read is told, holds up no other, and is tried again with the next write. */
  async #restore(oldest: string): Promise<void> {
    let failed: unknown = null;
    try {
      for (const month of await usageMonths(this.options.dataDir)) {
        if (month < oldest || this.#restored.has(month)) continue;
        failed = await this.#read(month) ?? failed;
      }
    } catch (error) {
      failed = error;
    }
    this.#restoreFrom = failed === null ? null : oldest;
    if (failed !== null) this.#tell(failed);
  }

  /** Returns why it could not be read. */
  async #read(month: string): Promise<unknown> {
    try {
      await this.#months.read(month);
      this.#restored.add(month);
      return null;
    } catch (error) {
      return error;
    }
  }

  async #flush(): Promise<void> {
    this.gather();
    this.#months.forgetOld();
    if (this.#restoreFrom !== null) await this.#restore(this.#restoreFrom);
    const pending = this.#pending;
    this.#pending = new Map();
    const byMonth = new Map<string, Map<string, Amount>>();
    const current = this.#thisMonth;
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
    try {
      const isLong = await this.#months.append(month, added);
      if (isLong) this.#summing ??= this.#sumUp(month).finally(() => this.#summing = null);
      return null;
    } catch (error) {
      for (const [name, amount] of added) this.#keep(name, amount);
      return error;
    }
  }

  async #sumUp(month: string): Promise<void> {
    try {
      await this.#months.sumUp(month);
    } catch (error) {
      // It stays as long as it is, and is tried again with the next lines.
      this.#tell(error);
    }
  }

  #keep(text: string, amount: Amount): void {
    const kept = this.#pending.get(text);
    if (kept === undefined) this.#pending.set(text, amount);
    else kept.add(amount);
  }

  get #thisMonth(): string {
    const { periods, now } = this.options;
    return monthOf(periods().dayAt(now()).name);
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
