import assert from "node:assert/strict";
import { join } from "node:path";
import { readTask } from "../../tools/ci_tests.ts";

const TOOL = join(import.meta.dirname!, "../../tools/ci_tests.ts");

/** What the tool says of a project with these test files, and how it ends. */
async function runTool(files: Record<string, string>): Promise<{ last: string[]; code: number }> {
  const dir = await Deno.makeTempDir();
  try {
    const tasks = { all: { command: "MOOD=odd deno test -A --no-check --parallel ." } };
    await Deno.writeTextFile(join(dir, "deno.json"), JSON.stringify({ tasks }));
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(dir, name), text);
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", TOOL, "all"],
      cwd: dir,
    }).output();
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    return { last: lines.slice(lines.findLastIndex((line) => line === "") + 1), code };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const FINE = `Deno.test("fine", () => { if (Deno.env.get("MOOD") !== "odd") throw 1; });\n`;
/** Fails the first time, of all that run in one folder. */
const ONCE = `Deno.test("once", async (t) => { await t.step("a => b", () => {
  try { Deno.statSync("seen"); } catch { Deno.writeTextFileSync("seen", ""); throw new Error("x"); }
}); });\n`;

Deno.test("what holds passes, with the variables of its task", async () => {
  const { last, code } = await runTool({ "a_test.ts": FINE });
  assert.deepEqual([last.at(-1), code], ["all: 1 passed, 0 failed, 0 shaken", 0]);
});

Deno.test("a test that fails once and then holds is told by name", async () => {
  const { last, code } = await runTool({ "a_test.ts": FINE + ONCE });
  assert.deepEqual(last.slice(-2), [
    "shaken: once => ./a_test.ts",
    "all: 2 passed, 0 failed, 1 shaken",
  ]);
  assert.equal(code, 0);
});

Deno.test("a test that fails again has failed, and so has a file that cannot be run", async () => {
  const broken = `Deno.test("broken", () => { throw new Error("x"); });\n`;
  const failed = await runTool({ "a_test.ts": FINE, "b_test.ts": broken });
  assert.deepEqual([failed.last.at(-1), failed.code], ["all: 1 passed, 1 failed, 0 shaken", 1]);
  const odd = await runTool({ "a_test.ts": FINE, "b_test.ts": "throw new Error('at load');" });
  assert.deepEqual([odd.last.at(-1), odd.code], ["all: 1 passed, 1 failed, 0 shaken", 1]);
});

Deno.test("a test that another file has written is run again where it was run", async () => {
  const shared = `export const test = (name, body) => Deno.test(name, body);\n`;
  const use = (text: string) => `import { test } from "./shared.js";\n${text}`;
  const broken = use(`test("broken", () => { throw new Error("x"); });\n`);
  const failed = await runTool({ "shared.js": shared, "a_test.ts": FINE, "b_test.ts": broken });
  assert.deepEqual([failed.last.at(-1), failed.code], ["all: 1 passed, 1 failed, 0 shaken", 1]);
  const once = use(ONCE.replace("Deno.test", "test"));
  const shaken = await runTool({ "shared.js": shared, "b_test.ts": once });
  assert.deepEqual(shaken.last.slice(-2), [
    "shaken: once => ./b_test.ts",
    "all: 1 passed, 0 failed, 1 shaken",
  ]);
});

Deno.test("many that fail at once are not tried again", async () => {
  const many = [1, 2, 3, 4].map((n) => ONCE.replaceAll("once", `${n}`).replace("seen", `s${n}`));
  const { last, code } = await runTool({ "a_test.ts": many.join("") });
  assert.deepEqual([last.at(-1), code], ["all: 0 passed, 4 failed, 0 shaken", 1]);
});

Deno.test("a task's variables and flags are those of its command, but for its files", () => {
  assert.deepEqual(
    readTask("A=1 deno test -A --frozen --lock=x --parallel --ignore=a,b tests/ more"),
    { env: { A: "1" }, flags: ["-A", "--frozen", "--lock=x"] },
  );
});
