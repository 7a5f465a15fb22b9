// A catalogue of failures that public crash tests of gateways put to them, sixteen in number, against one
// primary and one fallback for each: once tuned as a careful operator would, once as it comes.

import assert from "node:assert/strict";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { startGateway } from "../support/processes.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";

const WORDS = Array.from({ length: 60 }, (_, at) => `word${at}`);
const TEXT = WORDS.join(" ");
const OUTAGE_MS = 60_000;
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/** What the wall was asked as `model`, and when. */
interface Seen {
  model: string;
  atMs: number;
  /** It has done what it does when its own long time is over. */
  isOver: boolean;
}

/** Does something when the primary's own long time is over. */
type Late = (ms: number, work: () => void) => void;

/** One more attempt of a scenario's primary; `number` counts from 1. */
type Primary = (
  call: OddCall,
  model: string,
  number: number,
  given: string,
  late: Late,
) => void;

interface Outcome {
  answer: SseAnswer;
  /** Attempts at the primary that had come to their late end when the answer was whole. */
  late: number;
  /** Times of the attempts at the primary and at the fallback. */
  primary: number[];
  fallback: number[];
}

interface Scenario {
  name: string;
  primary: Primary;
  /** Model of the fallback. */
  fallback?: string;
  /** Of the primary alone. */
  idleS?: number;
  /** Throws where it is not a pass. */
  judge(outcome: Outcome): void;
}

function event(model: string, more: Record<string, unknown>): string {
  return `data: ${
    JSON.stringify({ id: "wall", object: "chat.completion.chunk", created: 1, model, ...more })
  }\n\n`;
}

function word(model: string, content: string): string {
  return event(model, { choices: [{ index: 0, delta: { content }, finish_reason: null }] });
}

/** Text behind `given`, and `count` words of the whole at most. */
function say(call: OddCall, model: string, given = "", count = WORDS.length): void {
  call.write(HEAD);
  const begun = given === "" ? 0 : given.trim().split(" ").length;
  for (let at = begun; at < Math.min(WORDS.length, count); at++) {
    call.write(word(model, `${at === 0 ? "" : " "}${WORDS[at]}`));
  }
}

function finish(call: OddCall, model: string): void {
  call.write(event(model, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
  const usage = { prompt_tokens: 21, completion_tokens: 60, total_tokens: 81 };
  call.write(event(model, { choices: [], usage }));
}

function sayAll(call: OddCall, model: string, given = ""): void {
  say(call, model, given);
  finish(call, model);
  call.write("data: [DONE]\n\n");
  call.end();
}

function refuse(call: OddCall, status: number, message: string, more = ""): void {
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", code: status } });
  call.write(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\n${more}` +
      `content-length: ${body.length}\r\n\r\n${body}`,
  );
}

function isWhole({ answer }: Outcome): void {
  const { content, finishReason } = chatText(answer);
  assert.equal(content, TEXT);
  assert.equal(finishReason, "stop");
  assert.ok(answer.done && answer.error === null);
}

function usageOf({ answer }: Outcome): Record<string, number> | undefined {
  return answer.json.findLast(({ usage }) => usage)?.usage;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "S01 429 with Retry-After, then well",
    primary: (call, model, number) =>
      number === 1 ? refuse(call, 429, "slow down", "retry-after: 2\r\n") : sayAll(call, model),
    judge(outcome) {
      isWhole(outcome);
      const [first, second] = outcome.primary;
      if (second !== undefined) {
        assert.ok(second - first >= 1800, "after the time that it asked for");
      }
    },
  },
  {
    name: "S02 429 for good",
    primary: (call) => refuse(call, 429, "slow down"),
    judge(outcome) {
      isWhole(outcome);
      const { primary } = outcome;
      assert.ok(primary.length <= 6 && primary.filter((at) => at < primary[0] + 3000).length <= 4);
    },
  },
  {
    name: "S03 503, then well",
    primary: (call, model, number) =>
      number === 1 ? refuse(call, 503, "starting") : sayAll(call, model),
    judge(outcome) {
      isWhole(outcome);
      assert.equal(outcome.primary.length, 2, "asked again");
    },
  },
  {
    name: "S04 500 for good",
    primary: (call) => refuse(call, 500, "broken"),
    judge(outcome) {
      isWhole(outcome);
      assert.ok(outcome.primary.length <= 6);
    },
  },
  {
    name: "S05 a connection that is reset, then well",
    primary: (call, model, number) => number === 1 ? call.reset() : sayAll(call, model),
    judge: isWhole,
  },
  {
    name: "S06 no response at all",
    primary: (call, _model, _number, _given, late) => late(100_000, () => call.reset()),
    judge(outcome) {
      isWhole(outcome);
      assert.equal(outcome.late, 0, "before the silent one lets go");
      assert.equal(outcome.primary.length, 1, "the silent one is not asked again");
    },
  },
  {
    name: "S07 the first token after 20 s",
    primary: (call, model, _number, _given, late) => late(20_000, () => sayAll(call, model)),
    judge(outcome) {
      isWhole(outcome);
      assert.equal(outcome.late, 0, "before the first token comes");
    },
  },
  {
    name: "S08 cut after 20 words",
    primary(call, model, number, given) {
      if (number > 1) return sayAll(call, model, given);
      say(call, model, "", 20);
      setTimeout(() => call.reset(), 50);
    },
    judge: isWhole,
  },
  {
    name: "S09 stalls after 20 words, and closes after 30 s",
    primary(call, model, _number, given, late) {
      const begun = given === "" ? 0 : given.trim().split(" ").length;
      say(call, model, given, begun + 20);
      late(30_000, () => call.end());
    },
    judge(outcome) {
      isWhole(outcome);
      assert.ok(outcome.late <= 1, "one of them at most is waited for to its close");
    },
  },
  {
    name: "S10 an event that cannot be read",
    primary(call, model, number, given) {
      if (number > 1) return sayAll(call, model, given);
      say(call, model, "", 20);
      call.write("data: {not json\n\n");
      for (const one of WORDS.slice(20)) call.write(word(model, ` ${one}`));
      finish(call, model);
      call.write("data: [DONE]\n\n");
      call.end();
    },
    judge(outcome) {
      const isHonest = !outcome.answer.done;
      if (!isHonest) isWhole(outcome);
      assert.ok(outcome.primary.length <= 3, "for one odd event one more request");
    },
  },
  {
    name: "S11 finish and usage, no [DONE], the connection stays open",
    // What ends it is not that limit.
    idleS: 600,
    primary(call, model, _number, _given, late) {
      say(call, model);
      finish(call, model);
      late(100_000, () => call.reset());
    },
    judge(outcome) {
      assert.equal(chatText(outcome.answer).content, TEXT);
      assert.equal(outcome.late, 0, "before the connection is let go");
      assert.equal(usageOf(outcome)?.completion_tokens, 60);
      assert.equal(outcome.primary.length, 1);
    },
  },
  {
    name: "S12 the prompt is too long for the primary",
    primary: (call) =>
      refuse(
        call,
        400,
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
      ),
    judge(outcome) {
      isWhole(outcome);
      assert.equal(outcome.primary.length, 1, "not resent");
    },
  },
  {
    name: "S13 a content policy refuses",
    primary: (call) => refuse(call, 400, "refused by the content policy"),
    judge({ answer, primary, fallback }) {
      assert.equal(answer.status, 400);
      assert.deepEqual([primary.length, fallback.length], [1, 0]);
    },
  },
  {
    name: "S14 cut after 20 words, the fallback takes no open answer",
    fallback: "ok-noprefill",
    primary(call, model, _number, given) {
      if (given !== "") return call.reset();
      say(call, model, "", 20);
      setTimeout(() => call.reset(), 50);
    },
    judge: isWhole,
  },
  {
    name: "S16 the answer of a fallback names it",
    primary: (call) => refuse(call, 500, "broken"),
    judge(outcome) {
      isWhole(outcome);
      assert.equal(outcome.answer.json[0].model, "ok");
      assert.equal(usageOf(outcome)?.prompt_tokens, 21);
    },
  },
];

/** Needs a time of its own: every four seconds a request, for a minute of 503 and half a minute more. */
const OUTAGE = "S15 503 for a minute, /health well: the primary is used within 30 s of recovering";
/** These take their time, and have a gateway of their own. */
const SLOW = ["S06", "S07", "S09"];

const nameOf = (scenario: Scenario) => scenario.name.slice(0, 3);

async function startWall() {
  const seen: Seen[] = [];
  const numbers = new Map<string, number>();
  const primaries = new Map(SCENARIOS.map((one) => [nameOf(one), one.primary]));
  let outageFrom: number | null = null;
  primaries.set("S15", (call, model) => {
    outageFrom ??= performance.now();
    if (performance.now() - outageFrom < OUTAGE_MS) refuse(call, 503, "down");
    else sayAll(call, model);
  });
  const wall = await startOddServer((call) => {
    if (!call.path.endsWith("/chat/completions")) {
      return refuse(call, call.path.endsWith("/health") ? 200 : 404, "nothing");
    }
    const body = JSON.parse(call.text.slice(call.text.indexOf("\r\n\r\n") + 4));
    const { model } = body;
    const last = body.messages.at(-1);
    const given = last.role === "assistant" ? last.content : "";
    const one: Seen = { model, atMs: performance.now(), isOver: false };
    seen.push(one);
    const primary = primaries.get(model);
    if (primary === undefined) {
      if (model.endsWith("noprefill") && given !== "") {
        return refuse(call, 400, "the last message must be from the user");
      }
      return sayAll(call, "ok", given);
    }
    const number = (numbers.get(model) ?? 0) + 1;
    numbers.set(model, number);
    primary(call, model, number, given, (ms, work) => {
      setTimeout(() => {
        one.isOver = true;
        work();
      }, ms);
    });
  });
  return { wall, seen };
}

/** Puts scenarios to one gateway, one after the other; the names of those that pass. */
async function put(
  names: readonly string[],
  config: Record<string, unknown>,
  says: Map<string, string>,
): Promise<void> {
  const { wall, seen } = await startWall();
  await using _wall = wall;
  const scenarioOf = (name: string) => SCENARIOS.find((one) => nameOf(one) === name);
  const fallbackOf = (name: string) => scenarioOf(name)?.fallback ?? "ok";
  const primaryOf = (name: string) => {
    const idle = scenarioOf(name)?.idleS;
    return {
      ...{ url: wall.url, model_name: name, name: `${name}-primary` },
      ...idle === undefined ? {} : { timeouts: { idle } },
    };
  };
  await using gateway = await startGateway({
    config: {
      instances: [
        ...names.map(primaryOf),
        { url: wall.url, model_name: "ok", name: "ok" },
      ],
      fallback_instances: names.map((name) => ({
        url: wall.url,
        model_name: name,
        upstream_model: fallbackOf(name),
        name: `${name}-fallback`,
      })),
      ...config,
    },
  });
  const ask = async (name: string): Promise<Outcome> => {
    const before = seen.length;
    const answer = await readSse(
      await gateway.post("/v1/chat/completions", {
        model: name,
        messages: [{ role: "user", content: "say your words" }],
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
    const asked = seen.slice(before);
    const of = (model: string) => asked.filter((one) => one.model === model);
    const times = (model: string) => of(model).map(({ atMs }) => atMs);
    return {
      answer,
      late: of(name).filter(({ isOver }) => isOver).length,
      primary: times(name),
      fallback: times(fallbackOf(name)),
    };
  };
  const outage = async () => {
    const from = performance.now();
    const usedAgain = () =>
      seen.some(({ model, atMs }) => model === "S15" && atMs > from + OUTAGE_MS);
    while (!usedAgain()) {
      assert.ok(performance.now() - from < OUTAGE_MS + 30_000, "used within 30 s of recovering");
      isWhole(await ask("S15"));
      const next = performance.now() + 4000;
      await waitFor(() => performance.now() > next || usedAgain(), "the next request");
    }
  };
  for (const name of names) {
    const scenario = scenarioOf(name);
    try {
      if (scenario === undefined) await outage();
      else scenario.judge(await ask(name));
      isWhole(await ask("ok"));
    } catch (error) {
      says.set(name, error instanceof Error ? error.message : String(error));
    }
  }
}

/** What was said of each scenario that is no pass. */
async function run(config: Record<string, unknown>): Promise<Map<string, string>> {
  const says = new Map<string, string>();
  const quick = SCENARIOS.map(nameOf).filter((name) => !SLOW.includes(name));
  await Promise.all([
    put(quick, config, says),
    ...[...SLOW, OUTAGE.slice(0, 3)].map((name) => put([name], config, says)),
  ]);
  return says;
}

Deno.test("catalogue: sixteen of sixteen with first_byte 10 and idle 10", async () => {
  const failed = await run({ timeouts: { first_byte: 10, idle: 10 } });
  assert.deepEqual([...failed], []);
});

Deno.test("catalogue: fourteen at least as it comes", async () => {
  const failed = await run({});
  // Who waits five minutes for a first token waits for these as well.
  const expected = ["S06", "S07"];
  assert.deepEqual([...failed].filter(([name]) => !expected.includes(name)), []);
});
