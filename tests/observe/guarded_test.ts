// What goes wrong in the background is said, and ends nothing else.

import assert from "node:assert/strict";
import { LineWriter } from "../../lib/observe/line_writer.ts";
import { guarded } from "../../lib/observe/guarded.ts";
import { Logs } from "../../lib/observe/log.ts";

Deno.test("work that throws or rejects is logged by its name, and what comes next is done", async () => {
  let text = "";
  const logs = new Logs(
    new LineWriter({
      writeSync(bytes) {
        text += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    }),
  );
  logs.configure({ level: "info", format: "text" });
  const done: string[] = [];
  await guarded("one", () => {
    throw new Error("no");
  });
  await guarded("two", () => Promise.reject(new Error("never")));
  await guarded("three", () => done.push("three"));
  logs.flush();
  assert.match(text, /internal error in "?one.*no/);
  assert.match(text, /internal error in "?two.*never/);
  assert.deepEqual(done, ["three"]);
});
