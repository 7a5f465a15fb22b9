// One report, many readers: log line, metrics, trace, record and alerts say the same of a request,
// whether it was served by the main isolate or told by a worker.

import assert from "node:assert/strict";
import type { Report } from "../../lib/observe/report.ts";
import type { FinishedRequests } from "../../lib/process/finished_requests.ts";
import { ReportBatches, type SentReport, unpacked } from "../../lib/process/workers/reports.ts";
import { Content, isRecorded } from "../../lib/record/capture.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { REPORT } from "../observe/sample_report.ts";
import { type Heard, heardOf, type Told } from "./readers.ts";

const failed = { instance: "a", outcome: "failed", status: 502, error: "answered 502" } as const;
const broken = { instance: "b", outcome: "broken", status: 200, error: "reset" } as const;
const fallback = { instance: "paid", outcome: "answered", status: 200 } as const;

/** Ways in which a request can end, with what people are to be told of it. */
const ENDS: Record<string, { report: Report; alerts: string[]; events: string[] }> = {
  "the usual answer": { report: REPORT, alerts: [], events: [] },
  "an answer that failed over, broke off and went on at a fallback": {
    report: {
      ...REPORT,
      instance: "paid",
      attempts: [failed, broken, fallback],
      resumes: [{ from: "b", to: "paid", way: "continue", atChars: 12 }],
    },
    alerts: ["fallback_in_use paid"],
    events: ["failover a", "resume b", "fallback_in_use paid"],
  },
  "an answer that broke off": {
    report: {
      ...REPORT,
      outcome: "truncated",
      error: "b: reset",
      instance: "b",
      attempts: [broken],
      promptTokens: null,
      completionTokens: null,
    },
    alerts: ["answer_truncated b"],
    events: ["answer_truncated b"],
  },
  "a request that nobody answered": {
    report: {
      ...REPORT,
      outcome: "failed",
      status: 502,
      error: "a: answered 502",
      instance: "",
      attempts: [failed],
      streamed: false,
      firstByteMs: null,
      promptTokens: null,
      completionTokens: null,
      pieces: 0,
    },
    alerts: ["no_instance m"],
    events: ["no_instance m"],
  },
  "a client that left": {
    report: {
      ...REPORT,
      outcome: "aborted",
      error: "the client left",
      attempts: [{ instance: "a", outcome: "aborted", status: 200 }],
      promptTokens: null,
      completionTokens: null,
    },
    alerts: [],
    events: [],
  },
  "a request that was refused": {
    report: {
      ...REPORT,
      outcome: "rejected",
      status: 404,
      error: "Not Found",
      api: null,
      model: "",
      instance: "",
      attempts: [],
      streamed: false,
      firstByteMs: null,
      promptTokens: null,
      completionTokens: null,
      pieces: 0,
    },
    alerts: [],
    events: [],
  },
};

type Tell = (finished: FinishedRequests, report: Report, content: Content | null) => void;

/** The two ways by which a report comes to its readers. */
const WAYS: Record<string, Tell> = {
  "served by the main isolate": (finished, report, content) => finished.tell(report, content),
  "told by a worker": (finished, report, content) => {
    for (const sent of throughAWorker(report, content)) {
      finished.tell(sent.report, unpacked(sent.content));
    }
  },
};

function throughAWorker(report: Report, content: Content | null): SentReport[] {
  const received: SentReport[] = [];
  const batches = new ReportBatches((batch, transfer) =>
    received.push(...structuredClone(batch, { transfer }))
  );
  batches.add(report, content);
  batches.flush();
  return received;
}

for (const [end, { report, alerts, events }] of Object.entries(ENDS)) {
  for (const [way, tell] of Object.entries(WAYS)) {
    Deno.test(`every reader says the same of ${end}, ${way}`, async () => {
      const content = isRecorded(report) ? contentOf(report) : null;
      const heard = await heardOf(report, content, tell);
      for (const [reader, told] of Object.entries(tellers(heard))) {
        for (const fact of Object.keys(told) as (keyof Told)[]) {
          assert.equal(told[fact], factsOf(report)[fact], `${reader}: ${fact}`);
        }
      }
      assert.equal(heard.record !== null, isRecorded(report));
      if (heard.record !== null) {
        assert.equal(
          heard.folder,
          report.outcome === "complete" ? "requests_responses" : "incomplete",
        );
      }
      assert.deepEqual(heard.alerts, alerts);
      assert.deepEqual(heard.events, events);
      assert.equal(heard.failovers, events.filter((event) => event.startsWith("failover")).length);
      assert.equal(heard.truncated, report.outcome === "truncated" ? 1 : 0);
    });
  }
}

Deno.test("a report comes out of a message as it went in, every fact of it", () => {
  for (const { report } of Object.values(ENDS)) {
    assert.deepEqual(structuredClone(report), report);
    const [sent] = throughAWorker(report, null);
    assert.deepEqual(sent, { report, content: null });
  }
});

Deno.test("a conversation changes hands with its report, a stream as well as a whole body", () => {
  const piece = new Uint8Array(100).subarray(10, 13);
  piece.set([1, 2, 3]);
  const [whole] = throughAWorker(REPORT, new Content(piece, piece));
  const { requestBody, response } = unpacked(whole.content)!;
  assert.deepEqual(requestBody, new Uint8Array([1, 2, 3]));
  assert.equal(requestBody.buffer.byteLength, 3, "without the slab that it was a piece of");
  assert.deepEqual(response, new Uint8Array([1, 2, 3]));
  assert.deepEqual([...piece], [1, 2, 3], "the serving isolate keeps its own");

  const store = streamOf("Hello");
  const [stream] = throughAWorker(REPORT, new Content(piece, store));
  const events = unpacked(stream.content)!.response;
  assert.ok(events instanceof EventStore);
  assert.deepEqual([...events.events()], [...store.events()]);
});

/** Facts that a reader leaves out by its nature are not asked of it. */
function tellers({ log, metrics, trace, record }: Heard): Record<string, Partial<Told>> {
  const { resumes: _, ...line } = log;
  const { status: __, ...counts } = metrics;
  const { durationMs: ___, ...span } = trace;
  // The duration of what was refused says nothing of the service.
  if (counts.outcome === "rejected") delete (counts as Partial<Told>).durationMs;
  const told: Record<string, Partial<Told>> = { log: line, metrics: counts, trace: span };
  if (record === null) return told;
  // A record of a complete answer has no status, which could only be 200.
  const { status, ...kept } = record;
  return { ...told, record: record.outcome === "complete" ? kept : { ...kept, status } };
}

function factsOf(report: Report): Told {
  const { outcome, status, model, instance, promptTokens, completionTokens } = report;
  return {
    outcome,
    status,
    model,
    instance,
    attempts: report.attempts.length,
    resumes: report.resumes.length,
    promptTokens,
    completionTokens,
    firstByteMs: report.firstByteMs,
    durationMs: report.durationMs,
  };
}

/** A conversation in bytes that goes with the report. */
function contentOf(report: Report): Content {
  const asked = new TextEncoder().encode(
    JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "hi" }] }),
  );
  return new Content(asked, report.firstByteMs === null ? null : streamOf("Hello", report));
}

function streamOf(text: string, report: Partial<Report> = {}): EventStore {
  const store = new EventStore(10_000);
  const { promptTokens: prompt_tokens, completionTokens: completion_tokens } = report;
  const push = (chunk: object) => {
    const bytes = new TextEncoder().encode(
      `data: ${JSON.stringify({ id: "c", model: "m", created: 1_700_000_000, ...chunk })}\n\n`,
    );
    store.push(bytes, 0, bytes.length);
  };
  push({ choices: [{ index: 0, delta: { role: "assistant", content: text } }] });
  if (report.outcome !== "complete") return store;
  push({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  push({ choices: [], usage: { prompt_tokens, completion_tokens } });
  return store;
}
