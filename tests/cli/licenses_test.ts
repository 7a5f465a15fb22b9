// The licences of what the program contains are in it, and are those of the packages as they are pinned.

import assert from "node:assert/strict";
import { join } from "node:path";
import { FILE, packages, thirdParty } from "../../tools/licenses.ts";
import { ROOT, startProcess } from "../support/processes.ts";

Deno.test("the licence texts are those of the pinned packages (deno task licenses)", async () => {
  assert.equal(await Deno.readTextFile(join(ROOT, FILE)), await thirdParty());
});

Deno.test("licenses names every package that is bundled, with the text of its licence", async () => {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "licenses"],
  });
  const { code } = await child.status;
  assert.equal(code, 0, child.stderr());
  const bundled = await packages();
  for (const { name, version } of bundled) {
    assert.ok(child.stdout().includes(`\n${name} ${version} (`), `${name} ${version}`);
  }
  for (const name of ["zod", "preact", "uplot", "opencc-js", "iovalkey"]) {
    assert.ok(bundled.some((one) => one.name === name), name);
  }
  assert.match(child.stdout(), /Permission is hereby granted/);
  assert.match(child.stdout(), /TERMS AND CONDITIONS FOR USE/);
  assert.match(child.stdout(), /Fabrice Bellard/, "the engine inside the package of plugins");
});
