// What a client gets over a break is what it gets of an answer that does not break. `BREAKS_CASES` is how
// many cases are asked, `BREAKS_FROM` the first of them.

import assert from "node:assert/strict";
import { startSimulated } from "../../../lib/simulate/instance.ts";
import { byteOf } from "../../../lib/simulate/tokenizer.ts";
import { type GatewayProcess, startGateway } from "../../support/processes.ts";
import { type RecordLine, records } from "../../support/records.ts";
import { waitFor } from "../../support/wait.ts";
import { type Case, draw, KINDS } from "./draw.ts";
import { Breaks, startFront } from "./front.ts";
import { type Any, heard } from "./heard.ts";

const CASES = Number(Deno.env.get("BREAKS_CASES") ?? 300);
const FROM = Number(Deno.env.get("BREAKS_FROM") ?? 0);

Deno.test("an answer over a break is the one that comes without it", async () => {
  await using stack = new AsyncDisposableStack();
  const breaks = new Breaks();
  const instances: Any[] = [];
  for (const [kind, { options }] of KINDS.entries()) {
    for (let index = 0; index < 2; index++) {
      const simulated = await startSimulated({
        ...{ ttftS: 0, tokensPerSecond: 0, cacheBlocks: 0, models: [`kind-${kind}`] },
        ...options,
      });
      stack.defer(() => simulated.close());
      const front = stack.use(await startFront(new URL(simulated.url).origin, breaks));
      instances.push({ url: front.url, model_name: `kind-${kind}`, name: `${kind}-${index}` });
    }
  }
  const gateway = stack.use(
    await startGateway({
      config: {
        instances,
        health_check: false,
        error_threshold: 1_000_000,
        retry: { max_wait: 0.2 },
        resume: {
          default: "auto",
          models: Object.fromEntries(KINDS.map(({ resume }, kind) => [`kind-${kind}`, resume])),
        },
      },
    }),
  );
  const differing: string[] = [];
  const compared: number[] = [];
  for (let seed = FROM; seed < FROM + CASES; seed++) {
    const one = draw(seed);
    const difference = await compare(gateway, one, breaks);
    if (difference === "refused") continue;
    // Several choices have a record each.
    if (!isMade(one) && one.body.n === undefined) compared.push(seed);
    if (difference !== null) differing.push(difference);
  }
  assert.equal(differing.join("\n\n"), "");
  await compareRecords(gateway, compared);
});

async function compare(gateway: GatewayProcess, one: Case, breaks: Breaks): Promise<string | null> {
  const body = { ...one.body, model: `kind-${one.kind}` };
  Object.assign(body, await stopsFor(gateway, one, body));
  breaks.cuts = [];
  const response = await gateway.post(one.path, body);
  const whole = await heard(response);
  if (response.status !== 200) return "refused";
  breaks.cuts = [...one.cuts];
  breaks.log = [];
  const broken = await heard(await gateway.post(one.path, body));
  breaks.cuts = [];
  try {
    assert.deepEqual(...comparable(one, broken, whole, breaks.log));
    return null;
  } catch (error) {
    return `seed ${one.seed}, ${one.path}: ${JSON.stringify(body)}\n${breaks.log.join("\n")}\n` +
      (error as Error).message;
  }
}

/**
 * Whether words are made tokens of where it goes on: another answer of the model, whose figures nobody tells.
 * Greedy answers are asked for once more instead.
 */
function isMade({ kind, path, body }: Case): boolean {
  if (KINDS[kind].resume === "continue") return true;
  return body.temperature !== 0 && /messages|responses/.test(path);
}

/** What is promised to be the same of both. */
function comparable(one: Case, broken: Any, whole: Any, log: readonly string[]): [Any, Any] {
  const { stream, logprobs, echo, n } = one.body;
  if (!stream) return [broken, whole];
  if (isMade(one) && broken.errors.length === 0) {
    if (JSON.stringify(textsOf(broken)) !== JSON.stringify(textsOf(whole))) return [null, null];
    for (const answer of [broken, whole]) {
      for (const name of ["usage", "end"]) delete answer[name];
      for (const choice of Object.values<Any>(answer.choices)) {
        for (const name of ["soFar", "ends"]) delete choice[name];
      }
    }
  }
  // Nobody has told the figures of an answer without ids when it breaks right before them.
  const isReplayed = Boolean(logprobs || echo || n) ||
    log.filter((asked) => asked.startsWith(`${one.path} `)).length > 1;
  if (isReplayed && broken.usage?.length === 0 && log.at(-1)!.includes('"at"')) {
    return [{ ...broken, usage: null }, { ...whole, usage: null }];
  }
  return [broken, whole];
}

function textsOf({ choices }: Any): unknown {
  return Object.values(choices).map((one: Any) =>
    typeof one === "string" ? one : [one.text, one.reasoning, one.calls.length]
  );
}

/** Stop strings and tokens that the answer has. */
async function stopsFor(gateway: GatewayProcess, one: Case, body: Any): Promise<Any> {
  if (asksOf(one) === 2) return {};
  const asked = { ...body, stream: false, messages: body.messages, n: 1, logprobs: undefined };
  for (const name of ["stream_options", "top_logprobs", "echo"]) delete asked[name];
  if (one.path !== "/v1/messages") asked.return_token_ids = true;
  const answer = await (await gateway.post(one.path, asked)).json();
  const [choice] = answer.choices ?? [];
  const text: string = choice?.message?.content ?? choice?.text ??
    answer.content?.find((block: Any) => block.type === "text")?.text ?? "";
  const more: Any = {};
  const chars = [...text];
  const stops = one.stops.map(({ from, length }) => {
    const at = Math.floor(chars.length * from / 1000);
    return chars.slice(at, at + length).join("");
  }).filter((stop) => stop !== "" && !stop.includes("\uFFFD"));
  if (stops.length > 0) more[one.path === "/v1/messages" ? "stop_sequences" : "stop"] = stops;
  const ids: number[] = (choice?.token_ids ?? []).filter((id: number) => byteOf(id) === null);
  if (one.stopTokens.length > 0 && ids.length > 0) {
    more.stop_token_ids = one.stopTokens.map((share) => ids[Math.floor(ids.length * share / 1000)]);
  }
  return more;
}

/** How often the gateway is asked for a case: the stops are looked for first. */
function asksOf({ stops, stopTokens }: Case): number {
  return stops.length + stopTokens.length > 0 ? 3 : 2;
}

/** The records of each case tell the same of both answers. */
async function compareRecords(gateway: GatewayProcess, seeds: readonly number[]): Promise<void> {
  const of = (lines: readonly RecordLine[], seed: number) =>
    lines.filter((line) => JSON.stringify(line.conversations).includes(`#${seed}#`))
      .sort((a, b) => String(a.meta.started_at) < String(b.meta.started_at) ? -1 : 1);
  let lines: RecordLine[] = [];
  await waitFor(async () => {
    lines = await records(gateway);
    return seeds.every((seed) => of(lines, seed).length === asksOf(draw(seed)));
  }, "the records");
  for (const seed of seeds) {
    const [whole, broken] = of(lines, seed).slice(-2);
    // A call that has a name and nothing else: when it opens is left to the server.
    if (JSON.stringify(broken.conversations).includes(String.raw`\"arguments\": {}`)) continue;
    assert.deepEqual(broken.conversations, whole.conversations, `the record of seed ${seed}`);
    // Figures that nobody told are in no record either.
    const names = broken.meta.usage === undefined ? ["finish_reason"] : ["usage", "finish_reason"];
    for (const name of names) {
      assert.deepEqual(
        figuresOf(broken.meta[name]),
        figuresOf(whole.meta[name]),
        `${name} of seed ${seed}`,
      );
    }
  }
}

function figuresOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, figure]) => typeof figure === "number"),
  );
}
