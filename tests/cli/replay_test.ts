// What strategies would have brought for recorded traffic.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type Replayed, replayRecords, replayTable } from "../../lib/cli/explain/replay/run.ts";
import { openaiRecord } from "../../lib/record/openai.ts";
import { sharegptRecord } from "../../lib/record/sharegpt.ts";
import { ROOT, startProcess } from "../support/processes.ts";

const NAMES = ["gpu-1", "gpu-2", "gpu-3"];
const START = Date.parse("2026-03-01T10:00:00Z");

interface Shape {
  record: typeof sharegptRecord | typeof openaiRecord;
  /** Bytes of the first question. */
  bytes: number;
  usage?: (turn: number) => object;
}

/** Chats of five turns, four at a time, that took turns at three instances, thoughts among the answers. */
function chats(count: number, { record, bytes, usage }: Shape): string {
  const lines: string[] = [];
  for (let chat = 0; chat < count; chat++) {
    const messages: { role: string; content: string; reasoning_content?: string }[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const content = `chat ${chat} turn ${turn} says `.repeat(turn === 0 ? bytes / 20 : 2);
      messages.push({ role: "user", content });
      const answer = { role: "assistant", content: `answer ${chat}.${turn}` };
      const prompt = JSON.stringify(messages);
      const at = START + (Math.floor(chat / 4) * 5 + turn) * 2000 + (chat % 4) * 100;
      const line = record({
        id: `chatcmpl-${chat}-${turn}`,
        messages: [...messages, { ...answer, reasoning_content: "hm" }],
        tools: [],
        model: "m",
        created: Math.floor(at / 1000),
        meta: {
          instance: NAMES[lines.length % 3],
          request_id: `r-${chat}-${turn}`,
          started_at: new Date(at).toISOString(),
          first_byte_ms: 50,
          duration_ms: 550,
          usage: {
            prompt_tokens: Math.ceil(prompt.length / 4),
            completion_tokens: 10,
            ...usage?.(turn),
          },
        },
      });
      lines.push(JSON.stringify(line));
      // Clients send back what was said, not what was thought.
      messages.push(answer);
    }
  }
  return `${lines.join("\n")}\n`;
}

async function recordsIn(text: string) {
  const folder = await Deno.makeTempDir({ prefix: "replay-" });
  const file = join(folder, "20260301_10.jsonl");
  await Deno.writeTextFile(file, text);
  return {
    folder,
    file,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

const asked = (paths: string[]) => ({
  paths,
  strategies: [],
  instances: undefined,
  kvTokens: 1_000_000,
  tokensPerSecond: 8000,
});

function rowsOf({ rows }: Replayed) {
  return Object.fromEntries(rows.map((row) => [row.strategy, row]));
}

for (const [form, record] of Object.entries({ sharegptRecord, openaiRecord })) {
  for (const bytes of [200, 20_000]) {
    Deno.test(`conversations stay together by prefix_aware and move by round_robin (${form}, ${bytes} bytes)`, async () => {
      await using kept = await recordsIn(chats(12, { record, bytes }));
      const { models: [one], passedOver } = await replayRecords(asked([kept.file]));
      assert.equal(passedOver, 0);
      assert.deepEqual([one.model, one.instances, one.rows[0].requests], ["m", 3, 60]);
      const rows = rowsOf(one);
      for (const row of one.rows) assert.equal(row.turns, 48, row.strategy);
      assert.equal(rows["as recorded"].hits, null, "no instance said it");
      // Every record was made at another one than the turn before.
      assert.equal(rows["as recorded"].moved, 48);
      assert.equal(rows["as recorded"].spread, 1);
      assert.ok(rows.round_robin.moved > 20, String(rows.round_robin.moved));
      // What no chunk tells apart is left to chance.
      if (bytes > 512) {
        assert.equal(rows.prefix_aware.moved, 0);
        assert.ok(rows.prefix_aware.hits! > 0.75, String(rows.prefix_aware.hits));
        assert.ok(rows.prefix_aware.hits! > rows.round_robin.hits! + 0.1);
        assert.ok(rows.prefix_aware.p90! <= rows.round_robin.p90!);
      }
      assert.ok(rows.prefix_aware.spread < 1.6, String(rows.prefix_aware.spread));
    });
  }
}

Deno.test("a cache that is too small loses what came long ago", async () => {
  await using kept = await recordsIn(chats(12, { record: sharegptRecord, bytes: 20_000 }));
  const small = { ...asked([kept.file]), kvTokens: 3000 };
  const [large, little] = await Promise.all([
    replayRecords(asked([kept.file])),
    replayRecords(small),
  ]);
  const hits = ({ models }: typeof large) => rowsOf(models[0]).prefix_aware.hits!;
  assert.ok(hits(little) < hits(large) - 0.3, `${hits(little)} and ${hits(large)}`);
});

Deno.test("what instances said to be cached is told; other lines, further answers and torn ones are not requests", async () => {
  const usage = (turn: number) => ({
    prompt_tokens_details: { cached_tokens: turn === 0 ? 0 : 40 },
  });
  const text = chats(4, { record: sharegptRecord, bytes: 200, usage });
  const [first] = text.split("\n");
  const odd = ["", '{"id": 1}', '{"conversations": [', "[]", first, '{"messages": "x"}'];
  await using kept = await recordsIn(`${text}${odd.join("\n")}\n`);
  const { models: [one], passedOver } = await replayRecords(asked([kept.folder]));
  assert.equal(one.rows[0].requests, 20);
  assert.equal(passedOver, 4);
  assert.ok(one.rows[0].hits! > 0.15);
  assert.match(replayTable([one]), /^model m: 20 requests, 3 instances\n {2}strategy +cached/);
});

async function explain(...args: string[]) {
  const command = ["run", "-A", join(ROOT, "main.ts"), "explain", ...args];
  await using child = startProcess(Deno.execPath(), { args: command });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

Deno.test("explain --replay prints a line for each strategy, and says what is wrong", async () => {
  await using kept = await recordsIn(chats(3, { record: sharegptRecord, bytes: 2000 }));
  const told = await explain("--replay", kept.file, "--strategy", "round_robin,prefix_aware");
  assert.equal(told.code, 0, told.err);
  const names = told.out.trim().split("\n").slice(2).map((line) => line.trim().split(/ {2,}/)[0]);
  assert.deepEqual(names, ["as recorded", "round_robin", "prefix_aware"]);
  const wrong = await explain("--replay", kept.file, "--strategy", "fastest");
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.err, /round_robin, .*prefix_aware.*"fastest"/);
  assert.match((await explain("--replay", join(kept.folder, "none"))).err, /none|No such file/);
  assert.match((await explain("--replay", kept.file, "--trace", "5")).err, /expected one of/);
});
