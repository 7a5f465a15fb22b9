// The pages' libraries are checked in; they must be what the pinned packages give, and every file of
// the pages must be embedded.

import assert from "node:assert/strict";
import { join } from "node:path";
import { Assets } from "../../lib/dashboard/assets.ts";
import { ROOT } from "../support/processes.ts";
import { vendorFiles } from "../../tools/vendor.ts";

Deno.test("the libraries are those of the pinned packages (deno task vendor)", async () => {
  for (const { path, text } of await vendorFiles()) {
    assert.equal(await Deno.readTextFile(join(ROOT, path)), text, path);
  }
});

Deno.test("every file of the pages is embedded, and names only files that are", async () => {
  const folder = join(ROOT, "lib/dashboard/pages");
  const assets = new Assets();
  const scripts = new Set<string>();
  const preloaded = new Set<string>();
  for (const sub of ["", "vendor/"]) {
    for await (const { name, isFile } of Deno.readDir(join(folder, sub))) {
      if (!isFile) continue;
      const path = name === "index.html" ? "" : sub + name;
      const reply = await assets.reply(path, []);
      assert.equal(reply?.status, 200, path);
      const text = new TextDecoder().decode(reply!.body as Uint8Array)
        .replaceAll(/ *<link rel="modulepreload" href="([^"]+)">\n/g, (_, file) => {
          preloaded.add(file);
          return "";
        });
      if (name.endsWith(".js")) scripts.add(path);
      assert.equal(text, await Deno.readTextFile(join(folder, sub + name)), path);
      if (sub !== "") continue;
      const named = text.matchAll(/(?:from |src=|rel="stylesheet" href=)"(?:\.\/)?([^"]+)"/g);
      for (const [, file] of named) {
        assert.ok(await assets.reply(file, []), `${path} names ${file}`);
      }
    }
  }
  assert.deepEqual(preloaded, scripts, "the page has the browser fetch all modules at once");
});
