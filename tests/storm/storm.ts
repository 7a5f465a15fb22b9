// The storm: many streams at once through the gateway while its instances are killed, stopped and
// restarted and its config is rewritten. Every answer is compared with what an undisturbed instance
// says, and every record with the answer.

import { Random } from "../fuzz/random.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { difference, hear, type Heard } from "./heard.ts";
import { startInstances } from "./instances.ts";
import { linesIn } from "./lines.ts";
import { type Question, question } from "./questions.ts";
import { entry, makeTrouble, type Troubles } from "./trouble.ts";

export interface StormOptions {
  seconds: number;
  /** Clients at work at any time; each asks again when it has its answer. */
  streams: number;
  instances: number;
  workers: number;
  transport: "auto" | "fetch";
  seed: number;
  /** Of one answer. */
  tokensPerSecond: number;
  /** Called for each trouble as it is made. */
  onTrouble?(what: string): void;
}

export interface StormReport extends Troubles {
  answers: number;
  /** Attempts that failed before a token had come; another instance was asked. */
  failovers: number;
  /** Answers that went on elsewhere after they had begun, by the way in which they did. */
  resumes: Record<string, number>;
  /** No answer at all, or another status than 200. */
  failed: number;
  truncated: number;
  /** With something twice. */
  doubled: number;
  wrong: number;
  /** Answers without a record that says the same. */
  lostRecords: number;
  doubledRecords: number;
  /** Lines in data/incomplete. */
  incompleteRecords: number;
  /** Requests that the gateway held when all clients had their answers. */
  leases: number;
  /** Exit code of the gateway after SIGTERM. */
  exitCode: number;
  /** What was wrong, one line each, up to 20. */
  complaints: string[];
}

/** What must be zero. */
export const VIOLATIONS = [
  ...["failed", "truncated", "doubled", "wrong", "lostRecords", "doubledRecords"] as const,
  ...["incompleteRecords", "leases", "exitCode"] as const,
] satisfies (keyof StormReport)[];

/** Runs a storm. Nothing it meets makes it reject, except a process that does not start. */
export async function storm(options: StormOptions): Promise<StormReport> {
  const simulate = ["--ttft", "0.05"];
  await using instances = await startInstances(options.instances, [
    ...simulate,
    ...["--tokens-per-second", String(options.tokensPerSecond)],
  ]);
  await using references = await startInstances(1, ["--ttft", "0", "--tokens-per-second", "0"]);
  const [reference] = references;
  const config = {
    workers: options.workers,
    transport: options.transport,
    // A stopped instance keeps its connections: nothing but its silence tells.
    timeouts: { idle: 2 },
    // Half a minute of trouble is not to cost an instance the rest of the storm.
    error_window: 3,
    ejection_time: 3,
    log: { level: "error" },
  };
  await using gateway = await startGateway({
    config: { ...config, instances: instances.map(entry) },
  });
  const tally = new Tally();
  const random = new Random(options.seed, 0);
  const over = new AbortController();
  const troubles = makeTrouble({
    gateway,
    instances,
    config,
    random: new Random(options.seed, 1),
    signal: over.signal,
    onTrouble: options.onTrouble ?? (() => {}),
  });
  let number = 0;
  const client = async (at: number) => {
    // Begun over one second, so that the streams are not in step.
    await new Promise((resolve) => setTimeout(resolve, at * 1000 / options.streams));
    while (!over.signal.aborted) {
      const asked = question(number++, random, "demo");
      const right = hear(asked.api, asked.stream, await ask(reference.origin, asked));
      tally.answer(asked, right, await attempt(gateway, asked, right));
    }
  };
  const clients = Array.from({ length: options.streams }, (_, at) => client(at));
  const timer = setTimeout(() => over.abort(), options.seconds * 1000);
  try {
    const made = await Promise.race([troubles, Promise.all(clients).then(() => troubles)]);
    await Promise.all(clients);
    const leases = await leasesLeft(gateway);
    const { code } = await gateway.stop(30_000);
    await tally.readRecords(gateway.dataDir);
    return tally.report(made, leases, code);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

type Outcome = { kind: "right" } | {
  kind: "failed" | "truncated" | "doubled" | "wrong";
  what: string;
};

/** One answer of the gateway, judged. */
async function attempt(gateway: GatewayProcess, asked: Question, right: Heard): Promise<Outcome> {
  let response: Response;
  try {
    response = await post(gateway.url, asked);
  } catch (error) {
    return { kind: "failed", what: String(error) };
  }
  let body: string;
  try {
    body = await response.text();
  } catch (error) {
    return { kind: "truncated", what: String(error) };
  }
  if (response.status !== 200) {
    return { kind: "failed", what: `${response.status} ${body.slice(0, 500)}` };
  }
  try {
    return difference(hear(asked.api, asked.stream, body), right) ?? { kind: "right" };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { kind: "wrong", what: `${error.message}: ${body.slice(-200)}` };
  }
}

async function ask(origin: string, asked: Question): Promise<string> {
  return await (await post(origin, asked)).text();
}

function post(origin: string, { path, id, body }: Question): Promise<Response> {
  return fetch(origin + path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": id },
    body,
  });
}

async function leasesLeft(gateway: GatewayProcess): Promise<number> {
  let held = NaN;
  const look = async () => {
    const health = await (await fetch(`${gateway.url}/health`)).json();
    held = health.waiting + health.instances.reduce(
      (sum: number, one: { in_flight: number }) => sum + one.in_flight,
      0,
    );
    return held === 0;
  };
  await waitFor(look, "all leases to be released", 30_000).catch(() => {
    // Those that are left are counted in the report.
  });
  return held;
}

/** A line of a record file, as far as it is read here. */
interface RecordLine {
  conversations: { from: string; value: string }[];
  meta: {
    request_id: string;
    instance: string;
    attempts?: { instance: string; outcome: string }[];
    resumed?: { way: string }[];
  };
}

function recordIn(line: string): RecordLine {
  const record = JSON.parse(line);
  return { ...record, meta: JSON.parse(record.meta) };
}

/** Counts answers and records. */
class Tally {
  readonly #rights = new Map<string, Heard>();
  readonly #counts = {
    ...{ answers: 0, failovers: 0, failed: 0, truncated: 0, doubled: 0, wrong: 0 },
    ...{ lostRecords: 0, doubledRecords: 0, incompleteRecords: 0 },
  };
  readonly #resumes: Record<string, number> = {};
  readonly #complaints: string[] = [];

  answer(asked: Question, right: Heard, outcome: Outcome): void {
    this.#counts.answers++;
    this.#rights.set(asked.id, right);
    if (outcome.kind === "right") return;
    this.#counts[outcome.kind]++;
    const kind = `${asked.stream ? "streamed" : "whole"} ${asked.api}`;
    this.#complain(`${asked.id} (${kind}) ${outcome.kind}: ${outcome.what}`);
  }

  /** Looks at each line of the records that the gateway left. */
  async readRecords(dataDir: string): Promise<void> {
    const seen = new Set<string>();
    for await (const line of linesIn(`${dataDir}/requests_responses`)) {
      const { conversations, meta } = recordIn(line);
      this.#countTries(meta);
      if (seen.has(meta.request_id)) {
        this.#counts.doubledRecords++;
        this.#complain(`${meta.request_id} is recorded twice`);
        continue;
      }
      seen.add(meta.request_id);
      const right = this.#rights.get(meta.request_id);
      const said = conversations.at(-1)?.value;
      if (right !== undefined && said === recordedText(right)) continue;
      this.#counts.lostRecords++;
      this.#complain(`${meta.request_id} is recorded as ${JSON.stringify(said)}`);
    }
    for (const id of this.#rights.keys()) {
      if (seen.has(id)) continue;
      this.#counts.lostRecords++;
      this.#complain(`${id} is not recorded`);
    }
    for await (const line of linesIn(`${dataDir}/incomplete`)) {
      const { meta } = recordIn(line);
      this.#countTries(meta);
      this.#counts.incompleteRecords++;
      this.#complain(`${meta.request_id} is recorded as incomplete: ${JSON.stringify(meta)}`);
    }
  }

  report(troubles: Troubles, leases: number, exitCode: number): StormReport {
    return {
      ...this.#counts,
      ...troubles,
      resumes: this.#resumes,
      leases,
      exitCode,
      complaints: this.#complaints,
    };
  }

  #countTries({ attempts, resumed }: RecordLine["meta"]): void {
    this.#counts.failovers += attempts?.filter(({ outcome }) => outcome === "failed").length ?? 0;
    for (const { way } of resumed ?? []) this.#resumes[way] = (this.#resumes[way] ?? 0) + 1;
  }

  #complain(what: string): void {
    if (this.#complaints.length < 20) this.#complaints.push(what);
  }
}

/** The model's last turn in a record of the answer (docs/guides/training.md). */
function recordedText({ tokens, calls }: Heard): string {
  if (calls.length === 0) return tokens.join("");
  const texts = calls.map((call) => {
    let given = call.arguments;
    try {
      JSON.parse(given);
    } catch {
      // Cut off by max_tokens: it is kept as text.
      given = given === "" ? "{}" : JSON.stringify(given);
    }
    return `{"name": ${JSON.stringify(call.name)}, "arguments": ${given}}`;
  });
  return texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
}
