// Usage as a process keeps it: the memory of all its workers, the book on disk beside it, and the clock
// that writes what was booked. Belongs to the main isolate.

import type { Period } from "../../config/access.ts";
import { Amount } from "./amount.ts";
import { Book, type BookEvents } from "./book.ts";
import { ClientNames } from "./clients.ts";
import { Ledger } from "./ledger.ts";
import { amountOf, type BudgetScope, type Spent } from "./charge.ts";
import { counterText, type Row, rowOf } from "./row.ts";
import { Seen } from "./seen.ts";
import type { UsageMemory } from "./usage_memory.ts";

/** A process that is killed loses no more than this and the time of a write: less than a second. */
const FLUSH_MS = 500;
/** How long the last write may take at the end. */
const CLOSE_MS = 3000;

/** What is told to people, and to whoever watches budgets. */
export interface KeeperEvents extends BookEvents {
  /** These were booked since the last time. */
  booked(rows: readonly Row[]): void;
}

/** What of the configuration matters here. */
export interface KeeperRules {
  readonly dataDir: string;
  readonly timeZone: string;
  /** Whether some budget is prepaid: what was used before this month matters at once. */
  readonly hasTotals: boolean;
  /** Whether some key may have a budget: what other processes have used matters then, and what was before. */
  readonly hasKeys: boolean;
}

/** A request that nobody's key is charged for. */
export interface KeylessUse {
  /** Address of the client; "" where it is not to be kept. */
  readonly client: string;
  readonly model: string;
  readonly outcome: string;
  readonly spent: Spent;
  /** When it ended, milliseconds since 1970. */
  readonly at: number;
}

export class UsageKeeper {
  readonly ledger: Ledger;
  readonly seen = new Seen();
  readonly #clients = new ClientNames();
  #book: Book | null = null;
  #rules: KeeperRules | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  /** Books of earlier folders that still write, and how many they are. */
  #leaving: Promise<void> = Promise.resolve();
  #leavingBooks = 0;
  /** The folder whose sums are in memory; "" while it is none's. */
  #folder = "";

  constructor(
    private readonly memory: UsageMemory,
    private readonly events: KeeperEvents,
    private readonly now: () => number = Date.now,
  ) {
    this.ledger = new Ledger(memory, "UTC", now);
  }

  /** Follows the configuration. */
  apply(rules: KeeperRules): void {
    const before = this.#rules;
    this.#rules = rules;
    this.ledger.apply(rules.timeZone);
    if (this.#book !== null && before?.dataDir === rules.dataDir) return;
    this.#stop();
    if (before === null) this.#folder = rules.dataDir;
    this.#open(rules);
  }

  /**
   * Takes over what the files say. Resolves when all is known that budgets need; the rest is read
   * meanwhile. Never rejects: what cannot be read is told, and tried again.
   */
  async restore(): Promise<void> {
    const [book, rules] = [this.#book, this.#rules];
    if (book === null || rules === null) return;
    await this.#leaving;
    if (this.#book !== book) return;
    if (rules.hasKeys) {
      await book.restore();
      const all = book.restoreAll();
      if (rules.hasTotals) await all;
    }
    if (this.#book !== book || this.#timer !== null) return;
    this.#timer = setInterval(() => {
      // Told where it fails.
      if (this.#rules?.hasKeys || book.hasNews) void book.flush();
    }, FLUSH_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Books a request that no key is charged for, by its client. */
  book({ client, model, outcome, spent, at }: KeylessUse): void {
    const day = this.ledger.periods.dayAt(at).name;
    const row: Row = {
      day,
      key: "",
      group: "",
      client: this.#clients.nameOf(day, client, spent.prompt + spent.completion),
      // What was refused was asked of nobody: its name may be anything.
      model: outcome === "rejected" ? "" : model,
      outcome,
    };
    this.#book?.add(row, amountOf({ ...spent, cost: 0 }));
  }

  /** Writes the rest. */
  async close(): Promise<void> {
    this.ledger.close();
    this.#stopTimer();
    await this.#leaving;
    await this.#book?.close(CLOSE_MS);
  }

  /**
   * What a budget counts begins at nothing, in the period that it is now; what was used is still reported.
   * Resolves once it was written, or could not be.
   */
  async forgive(scope: BudgetScope, name: string, kind: Period): Promise<void> {
    if (this.#book === null) return;
    const period = this.ledger.periods.nameOf(kind, this.now());
    const counter = { scope, name, period };
    const amount = new Amount().subtract(this.memory.read(counterText(counter)));
    // Budgets do not count them.
    amount.requests = 0;
    amount.estimated = 0;
    this.#book.correct(counter, amount);
    await this.#book.written();
  }

  /** Whether the sums in memory are those of this folder, as far as they were read. */
  areOf(dataDir: string): boolean {
    return this.#folder === dataDir;
  }

  /** Takes what was booked by now, so that `seen` has it. */
  gather(): void {
    this.#book?.gather();
  }

  #open({ dataDir }: KeeperRules): void {
    this.#book = new Book({
      dataDir,
      memory: this.memory,
      events: this.events,
      periods: () => this.ledger.periods,
      now: this.now,
      onBooked: (booked) => {
        const rows = booked.map((one) => ({ ...one, row: rowOf(one.row) }));
        for (const { row, amount } of rows) this.seen.add(row, amount);
        this.events.booked(rows.map(({ row }) => row));
      },
      onRead: ({ day, client }, amount) => this.#clients.know(day, client, amount),
    });
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What is written belongs to the folder before; what it says counts no more. */
  #stop(): void {
    this.#stopTimer();
    const book = this.#book;
    this.#book = null;
    if (book === null) return;
    if (this.#leavingBooks++ > 0) this.#folder = "";
    this.#leaving = this.#leaving.then(() => book.close(CLOSE_MS)).then(() => {
      const pending = book.leave();
      this.#book?.takeOver(pending);
      this.#folder = --this.#leavingBooks === 0 ? this.#rules!.dataDir : "";
    });
  }
}
