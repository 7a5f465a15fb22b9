// Tests what a plugin can do in its sandbox, and what ends it there.

import assert from "node:assert/strict";
import { loadEngine } from "../../lib/policy/plugin/quickjs.ts";
import { Sandbox, SandboxFault } from "../../lib/policy/plugin/sandbox.ts";
import { plainScript } from "../../lib/config/plugin_script.ts";
import { cpuMsOf } from "../support/cpu.ts";

const engine = await loadEngine();

function sandbox(text: string): Sandbox {
  return new Sandbox(engine, plainScript(text, "own.ts"), "own.ts");
}

function withPrompt(body: string, before = ""): Sandbox {
  return sandbox(`${before}; export default { prompt(input) { ${body} } };`);
}

function faultOf(work: () => unknown): SandboxFault {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof SandboxFault, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

Deno.test("a plugin in TypeScript gets its texts and answers", () => {
  const own = sandbox(`
    interface Input { texts: { text: string }[] }
    const isBad = (text: string): boolean => /4\\s*2/u.test(text);
    export default {
      name: "own",
      prompt({ texts }: Input) { return texts.some((t) => isBad(t.text)) ? { action: "reject" } : "pass"; },
    } satisfies { name: string; prompt(input: Input): unknown };
  `);
  assert.deepEqual(own.calls, ["prompt"]);
  const ask = (text: string) => own.call("prompt", JSON.stringify({ texts: [{ text }] }), 1000);
  assert.equal(ask("4 2 中\ud83d\ude00"), `{"action":"reject"}`);
  assert.equal(ask("no"), `"pass"`);
});

Deno.test("58: an endless loop, also in a regular expression, ends at its time and the plugin goes on", () => {
  const own = withPrompt(
    `if (input === 1) for (;;); if (input === 2) /(a+)+$/.test("a".repeat(40) + "b"); return "pass"`,
  );
  for (const given of ["1", "2"]) {
    const ms = cpuMsOf(() => {
      assert.equal(faultOf(() => own.call("prompt", given, 50)).kind, "timeout");
    });
    assert.ok(ms < 2000, `${ms} ms`);
    assert.equal(own.call("prompt", "0", 1000), `"pass"`);
  }
});

Deno.test("58: what allocates without end gets 32 MB, and no gigabytes within its time", async () => {
  for (
    const body of [
      "for (;;) all.push(new Array(10000).fill(all.length))",
      "for (;;) all.push(new Uint8Array(1e6))",
      "for (;;) all.push('x'.repeat(100000) + all.length)",
    ]
  ) {
    const script = `export default { prompt() { const all = []; ${body} } }`;
    const engine = await loadEngine();
    const hungry = new Sandbox(engine, script, "own.ts");
    assert.equal(faultOf(() => hungry.call("prompt", "0", 20_000)).kind, "memory", body);
    assert.ok(engine.getWasmMemory().buffer.byteLength <= 48 * 1024 * 1024);
  }
  const deep = withPrompt(`const f = () => f() + 1; return f();`);
  assert.equal(faultOf(() => deep.call("prompt", "0", 1000)).kind, "error");
});

Deno.test("58: an error, a promise and an endless answer are told apart", () => {
  const thrown = faultOf(() => withPrompt(`throw new Error("no")`).call("prompt", "0", 1000));
  assert.deepEqual([thrown.kind, thrown.message], ["error", "Error no"]);
  const odd = withPrompt(`throw { get name() { for (;;); } }`);
  assert.ok(faultOf(() => odd.call("prompt", "0", 1000)));
  const promise = withPrompt(`return Promise.resolve("pass")`);
  assert.equal(faultOf(() => promise.call("prompt", "0", 1000)).kind, "nonsense");
  const long = withPrompt(`return "x".repeat(10_000_000)`);
  assert.match(faultOf(() => long.call("prompt", "0", 5000)).kind, /^(too_large|timeout|memory)$/);
  assert.equal(withPrompt(`return undefined`).call("prompt", "0", 1000), "null");
});

Deno.test("58: what a plugin does to its input or to JSON stays with it", () => {
  const own = withPrompt(
    `input.texts.length = 0; Object.freeze = null; return "pass"`,
    `JSON.stringify = () => "broken"; JSON.parse = () => { throw 1 }; Array.prototype.filter = null`,
  );
  assert.equal(own.call("prompt", `{"texts":[1]}`, 1000), `"pass"`);
});

Deno.test("there is nothing of the host in the sandbox", () => {
  const names = [
    "Deno",
    "fetch",
    "process",
    "WebAssembly",
    "setTimeout",
    "require",
    "console",
    "Worker",
  ];
  const own = withPrompt(
    `return ${JSON.stringify(names)}.filter((n) => typeof globalThis[n] !== "undefined")`,
  );
  assert.equal(own.call("prompt", "0", 1000), "[]");
  for (
    const text of [
      `import "node:fs"; export default { prompt() {} }`,
      `export default { prompt() { return import("node:fs") } }`,
    ]
  ) {
    assert.ok(faultOf(() => sandbox(text).call("prompt", "0", 1000)));
  }
});

Deno.test("a file that is no plugin says what was expected", () => {
  assert.match(faultOf(() => sandbox(`export default 1`)).message, /export default/);
  assert.match(faultOf(() => sandbox(`export default {}`)).message, /neither/);
  assert.match(faultOf(() => sandbox(`export const a = 1`)).message, /export default/);
  assert.match(
    faultOf(() => sandbox(`export default { prompt() {} }; new.target`)).message,
    /Syntax/,
  );
  assert.match(faultOf(() => sandbox(`await 1; export default { prompt() {} }`)).message, /wait/);
  assert.equal(faultOf(() => sandbox(`for (;;); export default { prompt() {} }`)).kind, "timeout");
  for (const text of ["enum A { b }", "export default {"]) {
    assert.throws(() => plainScript(text, "own.ts"), /own\.ts/);
  }
});
