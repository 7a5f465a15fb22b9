// The storm: many streams at once over several instances, which are killed, stopped and restarted at
// random, one at a time, while the config file is rewritten. Every answer is compared word for word.

import { startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { sleep, StormInstance } from "./instance.ts";
import { question, readOutcome } from "./questions.ts";

export interface StormOptions {
  seconds: number;
  streams: number;
  instances: number;
  /** Of each answer, and how many a second. */
  tokens: number;
  tokensPerSecond: number;
  seed: number;
  workers: number;
  transport: "auto" | "fetch";
  onEvent(line: string): void;
}

export interface StormReport {
  answers: number;
  wrong: number;
  failed: number;
  truncated: number;
  kills: number;
  stops: number;
  reloads: number;
  /** Requests with more than one attempt, and resumes by their way, by the records. */
  failovers: number;
  resumes: Record<string, number>;
  /** Answers without a record, records without an answer or twice, and lines in data/incomplete. */
  recordsWrong: number;
  inFlight: number;
  /** Why the first few answers were not as they must be. */
  complaints: string[];
}

/** Repeatable numbers from 0 to below 1 (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export async function storm(options: StormOptions): Promise<StormReport> {
  const report: StormReport = {
    answers: 0,
    wrong: 0,
    failed: 0,
    truncated: 0,
    kills: 0,
    stops: 0,
    reloads: 0,
    failovers: 0,
    resumes: {},
    recordsWrong: 0,
    inFlight: 0,
    complaints: [],
  };
  const expected = await expectedAnswers(options.tokens);
  const pace = ["--ttft", "0.02", "--tokens-per-second", String(options.tokensPerSecond)];
  await using stack = new AsyncDisposableStack();
  const instances: StormInstance[] = [];
  for (let i = 0; i < options.instances; i++) {
    instances.push(stack.use(await StormInstance.start(pace)));
  }
  const config = (weights: readonly number[]) => ({
    instances: instances.map((instance, i) => ({
      url: instance.url,
      model_name: "demo",
      name: `sim-${i}`,
      weight: weights[i],
    })).filter((_, i) => weights[i] >= 0),
    timeouts: { connect: 1, first_byte: 3, idle: 2 },
    health_check: { interval: 0.5, timeout: 1 },
    slow_start: 1,
    error_threshold: 5,
    error_window: 3,
    workers: options.workers,
    transport: options.transport,
    log: { level: "warning" },
  });
  const even = instances.map(() => 1);
  const gateway = stack.use(await startGateway({ config: config(even) }));

  let ended = false;
  const next = random(options.seed);
  const asked = new Set<string>();
  let number = 0;
  const client = async () => {
    // They come one after the other and not all in one moment.
    await sleep(next() * 1000 * Math.min(2, options.seconds / 4));
    while (!ended) {
      const mine = number++;
      const id = `storm-${mine}`;
      const ask = question(mine, options.tokens);
      const key = `${mine % 40} ${mine % 20}`;
      asked.add(id);
      let outcome;
      try {
        const response = await gateway.post(ask.path, ask.body, {
          headers: { "x-request-id": id },
        });
        outcome = await readOutcome(ask, response);
      } catch (error) {
        outcome = { kind: "failed" as const, why: String(error) };
      }
      report.answers++;
      let complaint = "";
      if (outcome.kind !== "answer") {
        report[outcome.kind]++;
        complaint = outcome.why;
      } else if (outcome.text !== expected.get(key)) {
        report.wrong++;
        complaint = `${outcome.text}\n    expected ${expected.get(key)}`;
      }
      if (complaint !== "" && report.complaints.length < 10) {
        report.complaints.push(`${id} ${ask.path}: ${complaint}`);
      }
    }
  };
  const trouble = async () => {
    while (!ended) {
      await sleep(300 + next() * 900);
      const index = Math.floor(next() * instances.length);
      const kind = next();
      const awayMs = 300 + next() * 1500;
      if (kind < 0.3) {
        options.onEvent(`SIGKILL sim-${index}`);
        report.kills++;
        await instances[index].restart("SIGKILL", awayMs);
      } else if (kind < 0.45) {
        options.onEvent(`SIGTERM sim-${index}`);
        report.kills++;
        await instances[index].restart("SIGTERM", awayMs);
      } else if (kind < 0.7) {
        options.onEvent(`SIGSTOP sim-${index}`);
        report.stops++;
        await instances[index].freeze(awayMs * 2.5);
      } else {
        // Weights, sometimes one instance drained or left out; -1 leaves it out.
        const weights = instances.map(() => 1 + Math.floor(next() * 3));
        if (kind > 0.85) weights[index] = kind > 0.93 ? -1 : 0;
        options.onEvent(`weights ${weights}`);
        report.reloads++;
        await gateway.writeConfig(config(weights));
      }
    }
  };
  const clients = Array.from({ length: options.streams }, client);
  const troubling = trouble();
  await sleep(options.seconds * 1000);
  ended = true;
  await Promise.all([...clients, troubling]);

  await waitFor(
    async () => {
      const health = await (await fetch(`${gateway.url}/health`)).json();
      report.inFlight = health.instances.reduce(
        (sum: number, one: { in_flight: number }) => sum + one.in_flight,
        0,
      );
      return report.inFlight === 0 && health.waiting === 0;
    },
    "all leases to be released",
    10_000,
  );
  await gateway.stop();
  await readRecords(gateway.dataDir, asked, report);
  return report;
}

/** What each question's answer must be, from an instance that nobody troubles. */
async function expectedAnswers(tokens: number): Promise<Map<string, string>> {
  await using reference = await startSimulators();
  const expected = new Map<string, string>();
  for (let number = 0; number < 40; number++) {
    const ask = question(number, tokens);
    const response = await fetch(reference.origins[0] + ask.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(ask.body),
    });
    const outcome = await readOutcome(ask, response);
    if (outcome.kind !== "answer") throw new Error(`the reference ${outcome.kind}: ${outcome.why}`);
    expected.set(`${number % 40} ${number % 20}`, outcome.text);
  }
  return expected;
}

async function readRecords(dataDir: string, asked: Set<string>, report: StormReport) {
  const left = new Set(asked);
  for (const folder of ["requests_responses", "incomplete"]) {
    let names: string[] = [];
    try {
      names = (await Array.fromAsync(Deno.readDir(`${dataDir}/${folder}`))).map(({ name }) => name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    for (const name of names) {
      const text = await Deno.readTextFile(`${dataDir}/${folder}/${name}`);
      for (const line of text.split("\n").filter((line) => line !== "")) {
        const { meta } = JSON.parse(line);
        if (folder === "incomplete" || !left.delete(meta.request_id)) report.recordsWrong++;
        if ((meta.attempts?.length ?? 1) > 1) report.failovers++;
        for (const { way } of meta.resumed ?? []) {
          report.resumes[way] = (report.resumes[way] ?? 0) + 1;
        }
      }
    }
  }
  report.recordsWrong += left.size;
}
