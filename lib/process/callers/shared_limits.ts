// What the main isolate does for limits that several gateways share: it says and hears what budgets have
// used, tells people while the server is out, and shows metrics how it answers. Requests ask for themselves,
// in the isolates that serve (lib/caller/shared).

import { join } from "node:path";
import { KeptSums } from "../../caller/shared/kept_sums.ts";
import { SharedBudgets } from "../../caller/shared/shared_budgets.ts";
import { SharedStore } from "../../caller/shared/store.ts";
import { Amount } from "../../caller/usage/amount.ts";
import type { UsageMemory } from "../../caller/usage/usage_memory.ts";
import { logger } from "../../observe/log.ts";
import { Histogram } from "../../observe/histogram.ts";
import type { SharedStateLook } from "../../observe/metrics/shared_state_look.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";
import type { Accounts } from "./accounts.ts";
import { fileWords } from "../../observe/file_words.ts";

const SUBJECT = "shared_state";
/** Seconds of one call. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];

interface Connection {
  readonly store: SharedStore;
  readonly budgets: SharedBudgets;
  /** What it was made by. */
  readonly rules: string;
}

export class SharedLimits implements Reloadable {
  #connection: Connection | null = null;
  /** What other gateways have booked, as far as it is in memory. */
  readonly #others = new KeptSums();
  #dataDir: string | null = null;
  readonly #durations = new Histogram(BOUNDS);
  #errors = 0;

  constructor(
    private readonly usage: UsageMemory,
    snapshots: Snapshots,
    private readonly bulletin: Bulletin,
    private readonly accounts: Pick<Accounts, "areOf">,
  ) {
    this.apply(snapshots.current);
    snapshots.join(this);
  }

  apply({ config: { sharedState, callers, dataDir } }: Snapshot): void {
    const rules = sharedState === null ? "" : JSON.stringify([sharedState, dataDir]);
    if (rules !== (this.#connection?.rules ?? "")) {
      const before = this.#connection;
      this.#connection = null;
      if (before !== null) void closed(before);
      if (sharedState !== null) {
        const store = new SharedStore(sharedState, {
          onChange: (isUp, why) => this.#tell(isUp, why, sharedState.whenDown),
          onCall: (ms, failed) => {
            this.#durations.observe(ms / 1000);
            if (failed) this.#errors++;
          },
        });
        const budgets = new SharedBudgets({
          store,
          memory: this.usage,
          others: this.#others,
          host: hostOf(dataDir),
          isOfHost: () => this.accounts.areOf(dataDir),
          now: Date.now,
        });
        this.#connection = { store, budgets, rules };
      }
    }
    if (dataDir !== this.#dataDir) this.#forgetOthers();
    this.#dataDir = dataDir;
    this.#connection?.budgets.apply(callers);
  }

  /** What metrics show; null where nothing is shared. */
  look(): SharedStateLook | null {
    const connection = this.#connection;
    if (connection === null) return null;
    return { isUp: connection.store.isUp, errors: this.#errors, durations: this.#durations };
  }

  async close(): Promise<void> {
    if (this.#connection !== null) await closed(this.#connection);
  }

  /** Who the others are depends on the folder: of two of this gateway's, each is another to the other. */
  #forgetOthers(): void {
    const changes = this.#others.takeAll();
    this.usage.count(
      changes.map(([counter, amount]) => [counter, new Amount().subtract(amount)]),
      Date.now(),
    );
  }

  #tell(isUp: boolean, why: string, whenDown: string): void {
    if (isUp) {
      logger.info("shared_state: the server answers, limits hold over all gateways");
      this.bulletin.end("shared_state_down", SUBJECT, "the server answers again");
      return;
    }
    const message = `${why}; until it answers limits are ${WORDS[whenDown]}`;
    logger.error("shared_state: {message}", { message });
    this.bulletin.raise("shared_state_down", SUBJECT, message);
  }
}

/** What `when_down` means, for people. */
const WORDS: Readonly<Record<string, string>> = {
  local: "this gateway's share of them",
  open: "not held",
  closed: "not held, and requests are refused with 503",
};

async function closed({ store, budgets }: Connection): Promise<void> {
  await budgets.close();
  await store.close();
}

/**
 * Whose sums they are: of the folder of data, wherever it is mounted, since the sums come from its files. A
 * folder that cannot be written has a name for this process alone.
 */
function hostOf(dataDir: string): string {
  const folder = join(dataDir, "usage");
  const path = join(folder, "host");
  try {
    return Deno.readTextFileSync(path).trim() || crypto.randomUUID();
  } catch {
    // There is none yet.
  }
  const name = crypto.randomUUID();
  try {
    Deno.mkdirSync(folder, { recursive: true });
    Deno.writeTextFileSync(path, `${name}\n`, { createNew: true, mode: 0o600 });
    return name;
  } catch (error) {
    // A second process of this folder was faster.
    if (error instanceof Deno.errors.AlreadyExists) return Deno.readTextFileSync(path).trim();
    logger.warning("{path} cannot be written: {error}", { path, error: fileWords(error) });
    return name;
  }
}
