// The `check` command in a process of its own.

import assert from "node:assert/strict";
import { join } from "node:path";

const settings = join(import.meta.dirname!, "..", "..", "deno.json");
const command = new URL("../../lib/cli/check.ts", import.meta.url).href;
const program = `import { check } from "${command}"; Deno.exit(await check.run(Deno.args));`;

async function check(text: string, ...flags: string[]) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "config.jsonc"), text);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--config", settings, program, "--", ...flags],
      cwd: folder,
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("check exits with 1 and every problem, one a line", async () => {
  const { code, stderr } = await check('{\n"instances": [{"url": "http://a:8000"}],\n"prot": 1}');
  assert.equal(code, 1);
  assert.deepEqual(stderr.trim().split("\n").map((line) => line.split(": ").slice(0, 2)), [
    ["config.jsonc:2:15", "instances[0].model_name"],
    ["config.jsonc:3:1", "prot"],
  ]);
});

Deno.test("check --print shows the effective configuration without its keys", async () => {
  const { code, stdout, stderr } = await check(
    '{instances: [{url: "http://a:8000/v1", model_name: "m", api_key: "s3cret"}]}',
    "--print",
  );
  assert.equal(code, 0, stderr);
  assert.ok(!stdout.includes("s3cret"));
  const shown = JSON.parse(stdout);
  assert.equal(shown.port, 9999);
  assert.deepEqual(shown.timeouts, {
    connect: 2,
    first_byte: "auto",
    idle: 60,
    answer: 600,
    total: null,
  });
  assert.equal(shown.instances[0].url, "http://a:8000/v1");
  assert.equal(shown.instances[0].api_key, "********");
});

Deno.test("check says that more instances and models are named than there is room for", async () => {
  const instances = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      url: `http://10.0.${n >> 8}.${n & 255}:8000`,
      model_name: "m",
    }));
  const fits = await check(JSON.stringify({ instances: instances(1023) }));
  assert.equal(fits.code, 0, fits.stderr);
  const text = JSON.stringify({
    instances: instances(1000),
    fallback_instances: [{ url: "http://10.1.0.1", model_name: models(24) }],
  });
  const { code, stderr } = await check(text);
  assert.equal(code, 1);
  const words =
    "config.jsonc:1:14: instances: 1001 instances and 25 models; expected at most 1024 together";
  assert.equal(stderr.split("\n")[0], words);
});

const models = (count: number) => ["m", ...Array.from({ length: count }, (_, n) => `m${n}`)];
