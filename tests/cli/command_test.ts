// A command as it is declared: what its arguments become, what is said of wrong ones, and its help.

import assert from "node:assert/strict";
import { type Call, command } from "../../lib/cli/command/command.ts";
import { optional, repeated, toggle, withDefault } from "../../lib/cli/command/flag.ts";
import { decimal, oneOf, path, text, whole } from "../../lib/cli/command/kind.ts";
import { UsageError } from "../../lib/cli/command/read.ts";

const FLAGS = {
  config: withDefault(path("FILE"), "config.jsonc", "what to read", { short: "c" }),
  port: optional(whole("N", 0, 65_535), "where to listen"),
  "log-level": optional(oneOf("LEVEL", ["debug", "info"]), "the least that is said"),
  speed: withDefault(decimal("N"), "0.5", "how fast"),
  model: repeated(text("NAME"), "only this one"),
  think: optional(whole("N"), "for how long", { alone: "16" }),
  force: toggle("even if"),
};

/** Runs a command with these flags and returns what it was called with, and what it said. */
async function called(args: string[], operands = false) {
  let call: Call<typeof FLAGS> | null = null;
  const said: string[] = [];
  const { error, log } = console;
  console.error = console.log = (line: string) => said.push(line);
  try {
    const declared = {
      name: "try",
      summary: "tries",
      flags: FLAGS,
      examples: ["simple-ai-gateway try"],
      operands: operands ? { placeholder: "[FILE...]" } : undefined,
    };
    const code = await command(declared, (given) => {
      call = given;
      return Promise.resolve(0);
    }).run(args);
    const { values, operands: rest } = (call ?? {}) as Partial<Call<typeof FLAGS>>;
    return { code, values, rest, said: said.join("\n") };
  } finally {
    console.error = error;
    console.log = log;
  }
}

Deno.test("flags are read in every usual form, and missing ones have their default", async () => {
  const { values } = await called([]);
  assert.deepEqual(values, {
    config: "config.jsonc",
    port: undefined,
    "log-level": undefined,
    speed: 0.5,
    model: [],
    think: undefined,
    force: false,
  });
  for (
    const args of [["-c", "a"], ["-ca"], ["--config", "a"], ["--config=a"], ["-c", "b", "-c", "a"]]
  ) {
    assert.equal((await called(args)).values?.config, "a", args.join(" "));
  }
  const all = await called([
    "--model",
    "a",
    "--force",
    "--model=b",
    "--port",
    "0",
    "--speed",
    "1.5",
  ]);
  assert.deepEqual(all.values?.model, ["a", "b"]);
  assert.deepEqual([all.values?.force, all.values?.port, all.values?.speed], [true, 0, 1.5]);
});

Deno.test("a flag that may stand alone takes the value that follows only if it is one", async () => {
  assert.equal((await called(["--think"])).values?.think, 16);
  assert.equal((await called(["--think", "8"])).values?.think, 8);
  assert.equal((await called(["--think=8"])).values?.think, 8);
  const before = await called(["--think", "--force"]);
  assert.deepEqual([before.values?.think, before.values?.force], [16, true]);
  const operand = await called(["--think", "file"], true);
  assert.deepEqual([operand.values?.think, operand.rest], [16, ["file"]]);
});

Deno.test("what is wrong is named with what was expected, and where to read on", async () => {
  for (
    const [args, message] of [
      [["--confg", "a"], "unknown flag `--confg`; did you mean `--config`?"],
      [["--log-lvel=info"], "unknown flag `--log-lvel`; did you mean `--log-level`?"],
      [["--hepl"], "unknown flag `--hepl`; did you mean `--help`?"],
      [["--zzzzzzzz"], "unknown flag `--zzzzzzzz`"],
      [["-x"], "unknown flag `-x`"],
      [["--constructor"], "unknown flag `--constructor`"],
      [["--port"], "--port: expected N after it"],
      [["--port", "x"], "--port: expected 0 to 65535, got `x`"],
      [["--port=1e3"], "--port: expected 0 to 65535, got `1e3`"],
      [["--port", "65536"], "--port: expected 0 to 65535, got `65536`"],
      [
        ["--speed", "-1"],
        "--speed: expected N after it, got the flag `-1`; if that is the value, " +
        "write --speed=-1",
      ],
      [["--speed="], "--speed: expected a number, got ``"],
      [["--log-level", "loud"], "--log-level: expected debug or info, got `loud`"],
      [["--force=1"], "--force: expected no value, got `1`"],
      [
        ["--model", "--force"],
        "--model: expected NAME after it, got the flag `--force`; if that is " +
        "the value, write --model=--force",
      ],
      [["file"], "unexpected `file`: try takes flags only"],
    ] as const
  ) {
    const { code, said, values } = await called([...args]);
    assert.equal(said, `${message}\nSee simple-ai-gateway try --help.`);
    assert.equal(code, 2);
    assert.equal(values, undefined, "nothing was done");
  }
});

Deno.test("what follows -- is no flag, and - alone is a value", async () => {
  assert.deepEqual((await called(["a", "--", "--force"], true)).rest, ["a", "--force"]);
  assert.equal((await called(["-c", "-"])).values?.config, "-");
});

Deno.test("what a command finds wrong itself is said in the same way", async () => {
  const declared = { name: "try", summary: "", flags: {}, examples: [] };
  const said: string[] = [];
  const { error } = console;
  console.error = (line: string) => said.push(line);
  try {
    const refusing = command(declared, () => Promise.reject(new UsageError("no such thing")));
    assert.equal(await refusing.run([]), 2);
    const broken = command(declared, () => Promise.reject(new RangeError("a bug")));
    await assert.rejects(() => broken.run([]), /a bug/);
  } finally {
    console.error = error;
  }
  assert.deepEqual(said, ["no such thing\nSee simple-ai-gateway try --help."]);
});

Deno.test("the help has every flag with its value, its default and its explanation", async () => {
  const { code, said } = await called(["--port", "x", "--help"]);
  assert.equal(code, 0);
  assert.equal(
    said,
    `Usage: simple-ai-gateway try [options]

Options:
  -c, --config FILE  what to read (default config.jsonc)
  --port N           where to listen
  --log-level LEVEL  the least that is said
  --speed N          how fast (default 0.5)
  --model NAME       only this one; may be repeated
  --think [N]        for how long (16 without a value)
  --force            even if

Examples:
  simple-ai-gateway try`,
  );
  assert.equal((await called(["-h"])).said, said);
});
