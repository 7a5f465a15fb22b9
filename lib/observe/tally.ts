// The one place of counts since the start, in the main isolate: fed by each finished request and by
// what happens to the fleet, read by /metrics, the dashboard and `status`, which therefore agree. Plain
// numbers and no I/O; how they look to a reader is left to the readers.

import { CallerCounts } from "./caller_counts.ts";
import { PolicyCounts } from "./policy_counts.ts";
import { Histogram } from "./histogram.ts";
import {
  isFailover,
  OUTCOMES,
  type Report,
  type ReportedAttempt,
  type RequestOutcome,
  RESUME_WAYS,
  TRY_OUTCOMES,
} from "./report.ts";

export type { TryOutcome } from "./report.ts";

/** Upper bounds in seconds: from a cached prompt on a small model to a queue at its limit. */
const FIRST_TOKEN_BOUNDS: readonly number[] = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
];
/** Upper bounds in seconds: from an embedding to a long chain of thought. */
const DURATION_BOUNDS: readonly number[] = [
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
];
/** Upper bounds in seconds; people read about 10 tokens a second. */
const INTER_TOKEN_BOUNDS: readonly number[] = [
  ...[0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5],
];
/** Upper bounds in tokens a second. */
const TOKENS_PER_SECOND_BOUNDS: readonly number[] = [
  ...[5, 10, 20, 30, 50, 75, 100, 200],
];

/** Label of models and instances that the configuration does not name (any more). */
const OTHER = "other";
/** Label of requests that named no model, or that no instance answered. */
export const NONE = "none";

/** What is counted of all requests, and of those of one instance or model. */
export class Counts {
  /** Requests by outcome, in the order of OUTCOMES. */
  readonly outcomes: number[] = OUTCOMES.map(() => 0);
  promptTokens = 0;
  completionTokens = 0;
  /** Events with content of streams whose usage nobody told: about a token each. */
  untoldTokens = 0;
  /** Clients that left before the first byte of an answer, and after it. */
  abortsBefore = 0;
  abortsDuring = 0;
  /** Seconds to the first token of streamed answers. */
  readonly firstToken = new Histogram(FIRST_TOKEN_BOUNDS);
  /** Seconds from request to last byte, rejected requests left out. */
  readonly duration = new Histogram(DURATION_BOUNDS);
  /** Seconds between two tokens, the mean of each streamed and complete answer. */
  readonly interToken = new Histogram(INTER_TOKEN_BOUNDS);
  /** Completion tokens over the whole duration, of each complete answer. */
  readonly tokensPerSecond = new Histogram(TOKENS_PER_SECOND_BOUNDS);

  count(outcome: RequestOutcome): number {
    return this.outcomes[OUTCOMES.indexOf(outcome)];
  }

  /** Requests that were not the client's own mistake. */
  get requests(): number {
    const [complete, truncated, aborted, failed] = this.outcomes;
    return complete + truncated + aborted + failed;
  }

  /** Requests that got no whole answer though their client waited for it. */
  get errors(): number {
    return this.count("failed") + this.count("truncated");
  }
}

/** What is counted of one instance, beside the requests that it answered. */
export class InstanceCounts extends Counts {
  /** Attempts by how they ended, in the order of TRY_OUTCOMES. */
  readonly attempts: number[] = TRY_OUTCOMES.map(() => 0);
  /** Its attempts that failed, in requests that were answered by a later attempt. */
  failovers = 0;
  ejections = 0;
  /** Times that active checks took it out, and times that it came back. */
  downs = 0;
  recoveries = 0;
  checksPassed = 0;
  checksFailed = 0;
}

/** Requests of one model that one instance answered. */
class PairCounts {
  /** By route, then by status, then by outcome in the order of OUTCOMES. */
  readonly routes = new Map<string, Map<string, number[]>>();
  promptTokens = 0;
  completionTokens = 0;
}

/** What is counted of one model. */
class ModelCounts extends Counts {
  readonly pairs = new Map<string, PairCounts>();
}

/** Names that may become labels. */
export interface KnownNames {
  instances: readonly { readonly name: string; readonly models: readonly string[] }[];
}

/** What the pool tells of an instance. */
export type PoolEventKind =
  | "instance_ejected"
  | "instance_down"
  | "instance_hung"
  | "instance_asleep"
  | "instance_misconfigured"
  | "instance_recovered";

export class Tally {
  readonly total = new Counts();
  readonly instances = new Map<string, InstanceCounts>();
  readonly models = new Map<string, ModelCounts>();
  /** Streams that broke and went on, by the way in which they did. */
  readonly resumes = new Map<string, number>(RESUME_WAYS.map((way) => [way, 0]));
  /** What is counted of callers, where they are known. */
  readonly callers = new CallerCounts();
  /** What is counted of policies, where some are in force. */
  readonly policies = new PolicyCounts();
  /** Alerts by kind, those that a cooldown kept back included. */
  readonly alerts = new Map<string, number>();
  reloadsDone = 0;
  reloadsFailed = 0;
  /** When the configuration in force was read, in milliseconds since 1970. */
  configReadAtMs: number;
  /** Whether the file, as it was last read, is in force. */
  configIsCurrent = true;

  constructor(readonly startedAtMs: number) {
    this.configReadAtMs = startedAtMs;
  }

  /** Takes over the names of a configuration; counts of others are forgotten. */
  configure({ instances }: KnownNames): void {
    keep(this.instances, new Set(instances.map(({ name }) => name)), () => new InstanceCounts());
    keep(
      this.models,
      new Set(instances.flatMap(({ models }) => models)),
      () => new ModelCounts(),
    );
    for (const { pairs } of this.models.values()) {
      for (const name of pairs.keys()) if (!this.instances.has(name)) pairs.delete(name);
    }
  }

  /** Counts of an instance; zeros for a name that was never counted. */
  instance(name: string): Counts {
    return this.instances.get(name) ?? new Counts();
  }

  /** Counts of a model; zeros for a name that was never counted. */
  model(name: string): Counts {
    return this.models.get(name) ?? new Counts();
  }

  /** Counts a finished request. */
  request(report: Report): void {
    const outcome = OUTCOMES.indexOf(report.outcome);
    const modelName = this.#modelName(report.model);
    const model = cell(this.models, modelName, () => new ModelCounts());
    const instanceName = this.#instanceName(report.instance);
    const instance = instanceName === NONE
      ? null
      : cell(this.instances, instanceName, () => new InstanceCounts());
    add(this.total, report, outcome);
    add(model, report, outcome);
    if (instance !== null) add(instance, report, outcome);
    const pair = cell(model.pairs, instanceName, () => new PairCounts());
    pair.promptTokens += report.promptTokens ?? 0;
    pair.completionTokens += report.completionTokens ?? 0;
    const statuses = cell(pair.routes, report.route, () => new Map<string, number[]>());
    cell(statuses, statusLabel(report.status), () => OUTCOMES.map(() => 0))[outcome]++;
    this.callers.request(report);
    if (report.policies.length > 0 || report.policyFaults !== undefined) {
      this.policies.request(report);
    }
    for (const attempt of report.attempts) this.#attempt(report, attempt);
    for (const { way } of report.resumes) {
      this.resumes.set(way, (this.resumes.get(way) ?? 0) + 1);
    }
  }

  /** Counts what the pool told of an instance. */
  poolEvent(
    kind: PoolEventKind,
    instance: string,
  ): void {
    const counts = this.#instance(instance);
    if (kind === "instance_recovered") counts.recoveries++;
    else if (kind === "instance_down" || kind === "instance_asleep") counts.downs++;
    else counts.ejections++;
  }

  healthCheck(instance: string, passed: boolean): void {
    const counts = this.#instance(instance);
    if (passed) counts.checksPassed++;
    else counts.checksFailed++;
  }

  reload(done: boolean, atMs: number): void {
    this.configIsCurrent = done;
    if (done) {
      this.reloadsDone++;
      this.configReadAtMs = atMs;
    } else this.reloadsFailed++;
  }

  alert(kind: string, times = 1): void {
    this.alerts.set(kind, (this.alerts.get(kind) ?? 0) + times);
  }

  #attempt(report: Report, attempt: ReportedAttempt): void {
    const instance = this.#instance(attempt.instance);
    instance.attempts[TRY_OUTCOMES.indexOf(attempt.outcome)]++;
    if (isFailover(report, attempt)) instance.failovers++;
  }

  #instance(name: string): InstanceCounts {
    return cell(this.instances, this.#instanceName(name), () => new InstanceCounts());
  }

  #instanceName(name: string): string {
    return name === "" ? NONE : this.instances.has(name) ? name : OTHER;
  }

  #modelName(name: string): string {
    return name === "" ? NONE : this.models.has(name) ? name : OTHER;
  }
}

/** Statuses that have a label of their own; others go by their hundred, so that labels are few. */
const USUAL_STATUSES: ReadonlyMap<number, string> = new Map(
  [200, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 499, 500, 501, 502, 503, 504]
    .map((status) => [status, String(status)]),
);

function statusLabel(status: number): string {
  return USUAL_STATUSES.get(status) ?? (status < 100 ? NONE : `${Math.floor(status / 100)}xx`);
}

/** The part of counting that is the same for all, an instance and a model. */
function add(counts: Counts, report: Report, outcome: number): void {
  counts.outcomes[outcome]++;
  counts.promptTokens += report.promptTokens ?? 0;
  counts.completionTokens += report.completionTokens ?? 0;
  if (report.completionTokens === null) counts.untoldTokens += report.pieces;
  if (report.outcome === "rejected") return;
  const durationS = report.durationMs / 1000;
  counts.duration.observe(durationS);
  if (report.outcome === "aborted") {
    if (report.firstByteMs === null) counts.abortsBefore++;
    else counts.abortsDuring++;
  }
  if (report.streamed && report.firstByteMs !== null) {
    counts.firstToken.observe(report.firstByteMs / 1000);
  }
  if (report.outcome !== "complete") return;
  if (report.streamed) {
    const tokens = report.completionTokens ?? report.pieces;
    const spanMs = report.durationMs - report.firstByteMs!;
    if (tokens > 1 && spanMs > 0) counts.interToken.observe(spanMs / 1000 / (tokens - 1));
  }
  if (report.completionTokens !== null && report.completionTokens > 0 && durationS > 0) {
    counts.tokensPerSecond.observe(report.completionTokens / durationS);
  }
}

function cell<T>(map: Map<string, T>, key: string, fresh: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = fresh());
  return value;
}

/** Leaves exactly one entry for each name. */
function keep<T>(map: Map<string, T>, names: ReadonlySet<string>, fresh: () => T): void {
  for (const name of map.keys()) if (!names.has(name)) map.delete(name);
  for (const name of names) if (!map.has(name)) map.set(name, fresh());
}
