// What `keys usage` tells, from the files alone.

import assert from "node:assert/strict";
import { join } from "node:path";
import { Amount } from "../../../lib/caller/usage/amount.ts";
import { type Dimension, reportUsage } from "../../../lib/caller/usage/report.ts";
import { type Row, writeLine } from "../../../lib/caller/usage/row.ts";
import { writeReport } from "../../../lib/cli/keys/usage_formats.ts";

function line(row: Partial<Row>, requests: number, cost: number): string {
  const amount = new Amount().pay(cost);
  amount.requests = requests;
  amount.prompt = 10 * requests;
  amount.completion = requests;
  const usual = {
    day: "2026-11-26",
    key: "web",
    group: "",
    client: "",
    model: "m",
    outcome: "complete",
  };
  return writeLine({ kind: "used", row: { ...usual, ...row }, amount });
}

const NOVEMBER = [
  line({}, 1, 0.1),
  line({ group: "search", key: "ci", model: "big" }, 2, 3),
  line({ day: "2026-11-25" }, 4, 0.2),
  // A budget that was forgiven is no usage.
  writeLine({
    kind: "corrected",
    counter: { scope: "key", name: "web", period: "2026-11" },
    amount: new Amount().subtract(new Amount().pay(0.3)),
  }),
  line({}, 8, 0.1),
  '{"day":"2026-11-26","key":"we',
].join("");

async function report(
  by: Dimension[],
  bounds: { from?: string; to?: string } = {},
  where: (row: Row) => boolean = () => true,
) {
  const dataDir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(dataDir, "usage"));
    await Deno.writeTextFile(join(dataDir, "usage", "202611.jsonl"), NOVEMBER);
    await Deno.writeTextFile(
      join(dataDir, "usage", "202610.jsonl"),
      line({ day: "2026-10-31" }, 16, 1),
    );
    await Deno.writeTextFile(join(dataDir, "usage", "202611.jsonl.1.new"), line({}, 99, 99));
    return await reportUsage({ dataDir, by, ...bounds, where });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function requestsBy(...asked: Parameters<typeof report>) {
  const { rows } = await report(...asked);
  return rows.map(({ values, amount }) => [...values, amount.requests]);
}

Deno.test("usage is told by key, group, model or day, and by several of them", async () => {
  assert.deepEqual(await requestsBy(["key"]), [["ci", 2], ["web", 29]]);
  assert.deepEqual(await requestsBy(["group"]), [["search", 2], ["", 29]]);
  assert.deepEqual(await requestsBy(["day"]), [
    ["2026-10-31", 16],
    ["2026-11-25", 4],
    ["2026-11-26", 11],
  ]);
  assert.deepEqual(await requestsBy(["model", "day"], { from: "2026-11-26" }), [
    ["big", "2026-11-26", 2],
    ["m", "2026-11-26", 9],
  ]);
});

Deno.test("days before and after what is asked for are left out, the bounds are not", async () => {
  assert.deepEqual(await requestsBy(["key"], { from: "2026-11-01", to: "2026-11-25" }), [
    ["web", 4],
  ]);
  assert.deepEqual(await requestsBy(["key"], { to: "2026-10-31" }), [["web", 16]]);
  assert.deepEqual(await requestsBy(["key"], {}, ({ model }) => model === "big"), [["ci", 2]]);
  const none = await report(["key"], { from: "2027-01-01" });
  assert.deepEqual([none.rows, none.total.isNothing], [[], true]);
});

Deno.test("money adds up exactly, and half a line at the end of a file is nobody's fault", async () => {
  const { total, odd } = await report(["key"]);
  assert.equal(total.cost, 4.4);
  assert.equal(odd, 0);
});

Deno.test("a line whose figures cannot be true is left out, and told with its place", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const path = join(dataDir, "usage", "202611.jsonl");
    await Deno.mkdir(join(dataDir, "usage"));
    const true_ = line({}, 1, 0.1);
    const figures = [
      '"requests":1e400',
      '"requests":-1',
      '"requests":"1"',
      '"requests":"NaN"',
      '"requests":null',
      '"requests":10000000000000000000000',
    ].map((one) => true_.replace('"requests":1', one));
    const odd = [
      ...figures,
      true_.replace('"cost":0.1', '"cost":-1e400'),
      true_.replace('"cost":0.1', '"cost":-0.1'),
      true_.replace("2026-11-26", "2026-13-26"),
      '{"scope":"key","name":"web","period":"total","requests":0,"prompt":-1e400,"cached":0,' +
      '"completion":0,"estimated":0,"cost":0}\n',
    ];
    await Deno.writeTextFile(path, true_ + odd.join("") + true_);
    const { rows, total, ...found } = await reportUsage({
      dataDir,
      by: ["key"],
      where: () => true,
    });
    assert.deepEqual(found, { odd: odd.length, oddAt: [`${path}:2`] });
    assert.deepEqual([rows.length, total.requests, total.prompt, total.cost], [1, 2, 20, 0.2]);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a folder that is named like a month's file is told with its path", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const path = join(dataDir, "usage", "202611.jsonl");
    await Deno.mkdir(path, { recursive: true });
    await assert.rejects(
      reportUsage({ dataDir, by: ["key"], where: () => true }),
      ({ message }: Error) => message.startsWith(`${path}: `),
    );
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a folder in which nothing was ever used gives an empty report", async () => {
  const dataDir = await Deno.makeTempDir();
  const { rows } = await reportUsage({ dataDir, by: ["key"], where: () => true });
  assert.deepEqual(rows, []);
  await Deno.remove(dataDir);
});

Deno.test("a table has a line for each sum and one for all, CSV and JSON say the same", async () => {
  const found = await report(["key"], { from: "2026-11-01" });
  assert.equal(
    writeReport(found, ["key"], "table"),
    [
      "KEY  REQUESTS  PROMPT  CACHED  COMPLETION  TOKENS  ESTIMATED  COST",
      "ci          2      20       0           2      22          0     3",
      "web        13     130       0          13     143          0   0.4",
      "all        15     150       0          15     165          0   3.4",
    ].join("\n"),
  );
  assert.equal(
    writeReport(found, ["key"], "csv"),
    "key,requests,prompt,cached,completion,tokens,estimated,cost\r\n" +
      "ci,2,20,0,2,22,0,3\r\nweb,13,130,0,13,143,0,0.4",
  );
  const { usage, total } = JSON.parse(writeReport(found, ["key"], "json"));
  assert.deepEqual(usage[1], {
    key: "web",
    requests: 13,
    prompt: 130,
    cached: 0,
    completion: 13,
    tokens: 143,
    estimated: 0,
    cost: 0.4,
  });
  assert.equal(total.cost, 3.4);
});

Deno.test("a model's name neither steers a terminal nor calculates in a spreadsheet", () => {
  const rows = [{ values: ['=1+1,"x"\x1b[2J'], amount: new Amount() }];
  const found = { rows, total: new Amount(), odd: 0, oddAt: [] };
  assert.ok(!writeReport(found, ["model"], "table").includes("\x1b"));
  assert.match(writeReport(found, ["model"], "csv").split("\r\n")[1], /^"'=1\+1,""x""/);
  const cell = (name: string) => {
    const one = [{ values: [name], amount: new Amount().pay(-0.5) }];
    return writeReport({ ...found, rows: one }, ["model"], "csv").split("\r\n")[1];
  };
  assert.equal(cell("-2+3+cmd|' /C calc'!A0"), "'-2+3+cmd|' /C calc'!A0,0,0,0,0,0,0,-0.5");
  assert.equal(cell("-7"), "-7,0,0,0,0,0,0,-0.5");
});
