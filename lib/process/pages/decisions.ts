// Where the last requests went, and why: a ring that finished requests write into. What of it is shown to
// whom, is left to choices_page.ts.

import type { Report, RequestOutcome } from "../../observe/report.ts";
import type { ReportReader } from "../finished_requests.ts";

const KEPT = 1024;

/** Where one request went. */
export interface DecisionTaken {
  /** When it came, ISO 8601. */
  readonly time: string;
  readonly id: string;
  readonly model: string;
  readonly instance: string;
  /** As in x-gateway-route; "" where the strategy does not look at prompts. */
  readonly route: string;
  readonly outcome: RequestOutcome;
  readonly status: number;
  /** Instances that were asked. */
  readonly attempts: number;
  readonly prompt_tokens: number | null;
  readonly first_byte_ms: number | null;
}

class Kept {
  startedAtMs = 0;
  id = "";
  model = "";
  instance = "";
  route = "";
  outcome: RequestOutcome = "complete";
  status = 0;
  attempts = 0;
  prompt_tokens: number | null = null;
  first_byte_ms: number | null = null;
}

export class Decisions implements ReportReader {
  readonly #kept: Kept[] = [];
  #next = 0;

  request(report: Report): void {
    // Refused before anybody was chosen.
    if (report.attempts.length === 0) return;
    const { id, model, instance, receipt, outcome, status, startedAtMs } = report;
    // Written over in place: new ones would all outlive a young collection.
    const kept = this.#kept[this.#next] ??= new Kept();
    kept.startedAtMs = startedAtMs;
    kept.id = id;
    kept.model = model;
    kept.instance = instance;
    kept.route = receipt;
    kept.outcome = outcome;
    kept.status = status;
    kept.attempts = report.attempts.length;
    kept.prompt_tokens = report.promptTokens;
    kept.first_byte_ms = report.firstByteMs;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** At most so many, the newest last. */
  last(count: number): DecisionTaken[] {
    const inOrder = this.#kept.length < KEPT
      ? this.#kept
      : [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
    return inOrder.slice(-count).map(({ startedAtMs, ...taken }) => ({
      time: new Date(startedAtMs).toISOString(),
      ...taken,
    }));
  }
}
