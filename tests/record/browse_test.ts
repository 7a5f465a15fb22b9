// Looking into records: pages from the newest on, search within bounds, lines of every length.

import assert from "node:assert/strict";
import { join } from "node:path";
import { browse, type BrowseQuery, readRecord } from "../../lib/record/browse.ts";
import { temporaryFolder } from "../support/processes.ts";

const ALL: BrowseQuery = { text: "", model: "", hour: "", incomplete: false, cursor: "" };

function record(id: string, question: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    id,
    conversations: [
      { from: "human", value: question },
      { from: "gpt", value: `<think>hm</think>answer of ${id}` },
    ],
    model: "demo",
    created: 1_767_225_600,
    tools: "",
    meta: JSON.stringify({
      instance: "gpu-1",
      finish_reason: "stop",
      usage: { completion_tokens: 5 },
    }),
    ...more,
  });
}

async function write(folder: string, hour: string, lines: string[], rest = ""): Promise<void> {
  await Deno.mkdir(join(folder, "requests_responses"), { recursive: true });
  const text = lines.map((line) => `${line}\n`).join("") + rest;
  await Deno.writeTextFile(join(folder, "requests_responses", `${hour}.jsonl`), text);
}

Deno.test("a folder that is not there has no records", async () => {
  await using folder = await temporaryFolder();
  const page = await browse(folder.path, ALL);
  assert.deepEqual(page, { records: [], cursor: null, hours: [], scanned_bytes: 0 });
});

Deno.test("pages go from the newest record to the oldest over all hours, each once", async () => {
  await using folder = await temporaryFolder();
  const ids = Array.from({ length: 170 }, (_, i) => `r${i}`);
  await write(folder.path, "20260101_10", ids.slice(0, 60).map((id) => record(id, "early")));
  await write(folder.path, "20260101_11", ids.slice(60).map((id) => record(id, "late")));
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const page = await browse(folder.path, { ...ALL, cursor });
    assert.ok(page.records.length <= 50);
    assert.deepEqual(page.hours, ["20260101_11", "20260101_10"]);
    seen.push(...page.records.map(({ id }) => id));
    cursor = page.cursor;
  }
  assert.deepEqual(seen, ids.toReversed());
});

Deno.test("lines of any length around the pieces that are read come whole", async () => {
  await using folder = await temporaryFolder();
  const lengths = [2, 1, 65_400, 65_535, 65_536, 65_537, 131_072, 300_000, 3];
  const lines = lengths.map((length, i) => record(`r${i}`, "岁".repeat(Math.ceil(length / 3))));
  await write(folder.path, "20260101_10", lines);
  const page = await browse(folder.path, ALL);
  assert.deepEqual(page.records.map(({ id }) => id), lengths.map((_, i) => `r${i}`).reverse());
  for (const { place, id } of page.records) {
    const detail = await readRecord(folder.path, place);
    assert.equal(detail?.id, id);
    const { content } = detail!.messages[0] as { content: string };
    assert.match(content, /^岁*$/);
  }
});

Deno.test("half a line at the end is left out, and so is a line that is no record", async () => {
  await using folder = await temporaryFolder();
  const lines = [record("a", "one"), "not json", "", record("b", "two")];
  await write(folder.path, "20260101_10", lines, record("c", "three").slice(0, 40));
  const page = await browse(folder.path, ALL);
  assert.deepEqual(page.records.map(({ id }) => id), ["b", "a"]);
});

Deno.test("a record too long to show is named, and costs no memory", async () => {
  await using folder = await temporaryFolder();
  const long = record("long", "x".repeat(5_000_000));
  await write(folder.path, "20260101_10", [record("a", "one"), long, record("b", "two")]);
  const page = await browse(folder.path, ALL);
  assert.deepEqual(page.records.map(({ id }) => id), ["b", "", "a"]);
  assert.match(page.records[1].error ?? "", /too many to show/);
  assert.equal(await readRecord(folder.path, page.records[1].place), null);
});

Deno.test("a search finds words in any letter case, quotes and line ends too", async () => {
  await using folder = await temporaryFolder();
  await write(folder.path, "20260101_10", [
    record("a", 'say "Hello"\nplease'),
    record("b", "什么是注意力机制？"),
    record("c", "other", { model: "second" }),
  ]);
  const find = async (more: Partial<BrowseQuery>) =>
    (await browse(folder.path, { ...ALL, ...more })).records.map(({ id }) => id);
  assert.deepEqual(await find({ text: '"hello"\nPLEASE' }), ["a"]);
  assert.deepEqual(await find({ text: "注意力" }), ["b"]);
  assert.deepEqual(await find({ model: "second" }), ["c"]);
  assert.deepEqual(await find({ text: "hello", model: "second" }), []);
  assert.deepEqual(await find({ hour: "20260101_09" }), []);
});

Deno.test("a search reads so much and goes on from there", async () => {
  await using folder = await temporaryFolder();
  const filler = "y".repeat(1_000_000);
  const lines = Array.from({ length: 40 }, (_, i) => record(`r${i}`, i === 0 ? "needle" : filler));
  await write(folder.path, "20260101_10", lines);
  const first = await browse(folder.path, { ...ALL, text: "needle" });
  assert.deepEqual(first.records, []);
  assert.ok(first.scanned_bytes < 20_000_000, `${first.scanned_bytes} bytes`);
  let { cursor } = first;
  let found: string[] = [];
  for (let pages = 0; cursor !== null && pages < 5; pages++) {
    const page = await browse(folder.path, { ...ALL, text: "needle", cursor });
    found = [...found, ...page.records.map(({ id }) => id)];
    cursor = page.cursor;
  }
  assert.deepEqual(found, ["r0"]);
});

Deno.test("a place leads to record files only", async () => {
  await using folder = await temporaryFolder();
  await write(folder.path, "20260101_10", [record("a", "one")]);
  for (
    const place of [
      "",
      "../secret:20260101_10:0",
      "errors:20260101_10:0",
      "requests_responses:../../etc/passwd:0",
      "requests_responses:20260101_10:999999",
      "requests_responses:20260101_11:0",
    ]
  ) assert.equal(await readRecord(folder.path, place), null, place);
});

Deno.test("reasoning, tools and calls of a record are told apart", async () => {
  await using folder = await temporaryFolder();
  const tools = [{ type: "function", function: { name: "add", parameters: {} } }];
  const turns = [
    { from: "human", value: "1+1" },
    {
      from: "function_call",
      value: '<think>\nadd\n</think>\n\n{"name": "add", "arguments": {"a": 1}}',
    },
    { from: "observation", value: "2" },
    { from: "gpt", value: "<think>easy</think>two" },
  ];
  await write(folder.path, "20260101_10", [
    record("a", "", { conversations: turns, tools: JSON.stringify(tools) }),
  ]);
  const [{ place, answer }] = (await browse(folder.path, ALL)).records;
  assert.equal(answer, "two");
  const detail = await readRecord(folder.path, place);
  assert.deepEqual(detail?.messages.map(({ role }) => role), [
    "user",
    "assistant",
    "tool",
    "assistant",
  ]);
  assert.equal(detail?.messages[3].reasoning_content, "easy");
  assert.deepEqual(detail?.tools, tools);
});

Deno.test("lines of an earlier version, with meta as an object, are shown alike", async () => {
  await using folder = await temporaryFolder();
  const meta = { instance: "old-1", finish_reason: "length", usage: { completion_tokens: 7 } };
  const images = ["https://x/a.png"];
  const conversations = [{ from: "human", value: "<image>" }, { from: "gpt", value: "a cat" }];
  const old = record("old", "", { meta, tools: undefined, images, conversations });
  await write(folder.path, "20260101_00", [old, record("new", "hi")]);
  const { records } = await browse(folder.path, ALL);
  assert.deepEqual(
    records.map(({ id, instance, finish_reason, completion_tokens }) => [
      id,
      instance,
      finish_reason,
      completion_tokens,
    ]),
    [["new", "gpu-1", "stop", 5], ["old", "old-1", "length", 7]],
  );
  const detail = await readRecord(folder.path, records[1].place);
  assert.deepEqual(detail?.meta, meta);
  assert.deepEqual(detail?.messages[0].content, [
    { type: "image_url", image_url: { url: "https://x/a.png" } },
  ]);
});

Deno.test("a client that left is told apart from a failure", async () => {
  await using folder = await temporaryFolder();
  const meta = JSON.stringify({ outcome: "aborted", error: "the client left" });
  await write(folder.path, "20260101_00", [record("a", "hi", { meta })]);
  const { records: [shown] } = await browse(folder.path, ALL);
  assert.equal(shown.outcome, "aborted");
});
