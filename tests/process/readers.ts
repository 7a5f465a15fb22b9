// All readers of finished requests as a process has them, and what each has told in the end, in the same
// words, so that they can be compared.

import { type Span, trace, type TracerProvider } from "@opentelemetry/api";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { LineWriter } from "../../lib/observe/line_writer.ts";
import { Logs } from "../../lib/observe/log.ts";
import { Metrics } from "../../lib/observe/metrics.ts";
import type { Report } from "../../lib/observe/report.ts";
import { Tally } from "../../lib/observe/tally.ts";
import { Tracing } from "../../lib/observe/trace.ts";
import { Fleet } from "../../lib/pool/fleet.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { Bulletin } from "../../lib/process/alerts/bulletin.ts";
import { FinishedRequests } from "../../lib/process/finished_requests.ts";
import { Recording } from "../../lib/process/disk/recording.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import type { Content } from "../../lib/record/capture.ts";
import { parseMetrics, type Scrape } from "../support/prometheus.ts";

/** What one reader says of a request; null where it says nothing about that. */
export interface Told {
  outcome: string | null;
  status: number | null;
  model: string;
  /** "" where none answered. */
  instance: string;
  attempts: number | null;
  resumes: number | null;
  promptTokens: number | null;
  completionTokens: number | null;
  firstByteMs: number | null;
  durationMs: number | null;
}

/** What became of one report in every room. */
export interface Heard {
  log: Told;
  metrics: Told;
  trace: Told;
  /** null where nothing was recorded. */
  record: Told | null;
  /** Of data, where the record is. */
  folder: string | null;
  /** Kinds and subjects of the lines in data/errors, and of the events of the feed. */
  alerts: string[];
  events: string[];
  failovers: number;
  truncated: number;
}

/** Shows `report` to the readers of a fresh process; `tell` hands it over as it would come. */
export async function heardOf(
  report: Report,
  content: Content | null,
  tell: (finished: FinishedRequests, report: Report, content: Content | null) => void,
): Promise<Heard> {
  const dataDir = await Deno.makeTempDir();
  try {
    const readers = new Readers(dataDir);
    tell(readers.finished, report, content);
    return { ...await readers.close(), trace: toldByTrace(report) };
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

class Readers {
  readonly finished: FinishedRequests;
  readonly #text: string[] = [];
  readonly #tally = new Tally(0);
  readonly #logs: Logs;
  readonly #bulletin: Bulletin;
  readonly #recording: Recording;
  readonly #fleet: Fleet;

  constructor(private readonly dataDir: string) {
    const loaded = loadConfig(
      "test",
      JSON.stringify({
        instances: [
          { url: "http://127.0.0.1:8001", model_name: "m", name: "a" },
          { url: "http://127.0.0.1:8002", model_name: "m", name: "b" },
        ],
        fallback_instances: [{ url: "http://127.0.0.1:8003", model_name: "m", name: "paid" }],
        data_dir: dataDir,
        log: { format: "json" },
      }),
      () => undefined,
    );
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const { config } = loaded;
    const shared = SharedState.create();
    const snapshots = new Snapshots(config, new SlotTable(shared), () => false);
    this.#fleet = new Fleet(shared, () => performance.now(), () => {});
    this.#fleet.apply(config, snapshots.current.slots);
    const decoder = new TextDecoder();
    this.#logs = new Logs(
      new LineWriter({
        writeSync: (bytes) => {
          this.#text.push(decoder.decode(bytes));
          return bytes.length;
        },
      }),
    );
    this.#logs.configure(config.log);
    this.#tally.configure(config);
    this.#bulletin = new Bulletin(snapshots, this.#tally, () => this.#fleet);
    this.#recording = new Recording(snapshots, this.#bulletin);
    this.finished = new FinishedRequests([
      this.#logs,
      this.#tally,
      this.#recording,
      this.#bulletin,
    ]);
  }

  async close(): Promise<Omit<Heard, "trace">> {
    await this.#recording.close();
    await this.#bulletin.close();
    this.#fleet.close();
    this.#logs.flush();
    const scrape = parseMetrics(
      await new Metrics().text({
        tally: this.#tally,
        instances: [],
        models: [],
        records: { ...this.#recording.stats(), diskFreeBytes: null },
        usage: null,
        sharedState: null,
        discovery: [],
        routing: null,
        peers: null,
        process: { residentBytes: 0, cpuSeconds: 0, openFiles: null },
        version: "test",
        workers: 1,
        saturatedWorkers: 0,
        turnedAway: { open_files: 0, per_address: 0 },
        bodies: { heldBytes: 0, refused: 0 },
      }),
    );
    const { line, folder } = await this.#recorded();
    return {
      log: toldByLog(this.#text.join("")),
      metrics: toldByMetrics(scrape),
      record: line === null ? null : toldByRecord(line),
      folder,
      alerts: await this.#alerts(),
      events: this.#bulletin.feed.events.map(({ kind, subject }) => `${kind} ${subject}`),
      failovers: scrape.sum("gateway_failovers_total"),
      truncated: scrape.sum("gateway_truncated_total"),
    };
  }

  async #recorded() {
    for (const folder of ["requests_responses", "incomplete"]) {
      const [text] = await textsIn(join(this.dataDir, folder));
      if (text !== undefined) return { folder, line: JSON.parse(text) };
    }
    return { folder: null, line: null };
  }

  async #alerts(): Promise<string[]> {
    const texts = await textsIn(join(this.dataDir, "errors"));
    return texts.join("").trim().split("\n").filter((line) => line !== "").map((line) => {
      const [, kind, subject] = /^\S+ (\S+) instance=(\S*)/.exec(line)!;
      return `${kind} ${subject}`;
    });
  }
}

async function textsIn(folder: string): Promise<string[]> {
  const texts: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      texts.push(await Deno.readTextFile(join(folder, name)));
    }
  } catch (error) {
    // Made with the first file.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return texts;
}

function toldByLog(text: string): Told {
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  const [line, ...more] = lines.filter(({ message }) => message === "request");
  if (more.length > 0) throw new Error(`one line for one request: ${text}`);
  return {
    outcome: line.outcome,
    status: line.status,
    model: line.model,
    instance: line.instance === "-" ? "" : line.instance,
    attempts: line.attempts,
    resumes: null,
    promptTokens: line.prompt_tokens,
    completionTokens: line.completion_tokens,
    firstByteMs: line.first_byte_ms,
    durationMs: line.duration_ms,
  };
}

/** Counts that stand at zero are nothing that was told. */
function toldByMetrics(scrape: Scrape): Told {
  const requests = scrape.lines("gateway_requests_total");
  if (requests.length !== 1) throw new Error(`one count for one request: ${requests.length}`);
  const { outcome, model, instance } = requests[0].labels;
  const tokens = (type: string) => scrape.sum("gateway_tokens_total", { type }) || null;
  const ms = (name: string) => {
    const count = scrape.sum(`${name}_count`);
    return count === 0 ? null : Math.round(scrape.sum(`${name}_sum`) * 10_000) / 10;
  };
  return {
    outcome,
    status: null,
    model: model === "none" ? "" : model,
    instance: instance === "none" ? "" : instance,
    attempts: scrape.sum("gateway_attempts_total"),
    resumes: scrape.sum("gateway_resumes_total"),
    promptTokens: tokens("prompt"),
    completionTokens: tokens("completion"),
    firstByteMs: ms("gateway_time_to_first_token_seconds"),
    durationMs: ms("gateway_request_duration_seconds"),
  };
}

function toldByRecord(line: Record<string, unknown>): Told {
  // JSON text in one form of records, an object in the other.
  const meta = typeof line.meta === "string" ? JSON.parse(line.meta) : line.meta;
  return {
    outcome: meta.outcome ?? "complete",
    status: meta.status ?? null,
    model: line.model as string,
    instance: meta.instance,
    attempts: meta.attempts?.length ?? 1,
    resumes: meta.resumed?.length ?? 0,
    promptTokens: meta.usage?.prompt_tokens ?? null,
    completionTokens: meta.usage?.completion_tokens ?? null,
    firstByteMs: meta.first_byte_ms,
    durationMs: meta.duration_ms,
  };
}

/** The span that `report` has ended. */
function toldByTrace(report: Report): Told {
  const attributes: Record<string, unknown> = {};
  const span = {
    setAttribute: (name: string, value: unknown) => void (attributes[name] = value),
    setAttributes: (more: object) => void Object.assign(attributes, more),
    setStatus: () => {},
    end: () => {},
  } as unknown as Span;
  const provider = { getTracer: () => ({ startSpan: () => span }) } as unknown as TracerProvider;
  trace.setGlobalTracerProvider(provider);
  try {
    const { id, method, route, client: remoteAddress } = report;
    new Tracing().request({ id, method, route, remoteAddress, headers: [] }).end(report);
  } finally {
    trace.disable();
  }
  const number = (name: string) => attributes[name] as number | undefined ?? null;
  const firstByteS = number("gateway.time_to_first_byte");
  return {
    outcome: attributes["gateway.outcome"] as string,
    status: number("http.response.status_code"),
    model: attributes["gen_ai.request.model"] as string ?? "",
    instance: attributes["gateway.instance"] as string ?? "",
    attempts: number("gateway.attempts"),
    resumes: number("gateway.resumes"),
    promptTokens: number("gen_ai.usage.input_tokens"),
    completionTokens: number("gen_ai.usage.output_tokens"),
    firstByteMs: firstByteS === null ? null : Math.round(firstByteS * 10_000) / 10,
    durationMs: null,
  };
}
