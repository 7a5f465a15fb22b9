import assert from "node:assert/strict";
import type { IsolateEvents } from "../../lib/process/workers/isolate.ts";
import { Warden } from "../../lib/process/workers/warden.ts";
import { SAID } from "./talkative_worker.ts";

const at = (file: string) => new URL(file, import.meta.url).href;

/** What is heard of a worker until it has failed. */
function heard(make: (events: IsolateEvents) => void): Promise<{ said: number; message: string }> {
  let said = 0;
  return new Promise((resolve) =>
    make({
      said: (message) => {
        assert.deepEqual(message, { kind: "error", message: `${said}` });
        said++;
      },
      failed: (message) => resolve({ said, message }),
    })
  );
}

Deno.test("what a worker said before it died is heard first, though the news of its death may be faster", async () => {
  const module = at("talkative_worker.ts");
  const warden = new Warden(module);
  try {
    for (let round = 0; round < 5; round++) {
      const { said, message } = await heard((events) => warden.make(module, "worker-1", events));
      assert.match(message, /it dies on purpose/);
      assert.equal(said, SAID);
    }
  } finally {
    warden.close();
  }
});

Deno.test("a warden that cannot be had is told to all who wait for its workers, and made anew", async () => {
  const module = at("no_such_module.ts");
  const warden = new Warden(module);
  for (let round = 0; round < 2; round++) {
    const all = await Promise.all(
      ["worker-1", "worker-2"].map((name) => heard((events) => warden.make(module, name, events))),
    );
    for (const { message } of all) assert.match(message, /^its warden: /);
    assert.ok(!warden.isOpen);
  }
});

Deno.test("a worker that cannot be made costs none of those that are there", async () => {
  const module = at("talkative_worker.ts");
  const warden = new Warden(module);
  try {
    // The constructor of a worker throws, as it does where no thread is left.
    const { message } = await heard((events) => warden.make("::", "worker-1", events));
    assert.match(message, /URL/);
    assert.ok(warden.isOpen);
    const { said } = await heard((events) => warden.make(module, "worker-2", events));
    assert.equal(said, SAID);
  } finally {
    warden.close();
  }
});

Deno.test("one that was ended is not heard any more", async () => {
  const module = at("talkative_worker.ts");
  const warden = new Warden(module);
  try {
    let said = 0;
    const ended = warden.make(module, "worker-1", {
      said: () => said++,
      failed: () => assert.fail("it was ended before"),
    });
    ended.terminate();
    ended.terminate();
    await heard((events) => warden.make(module, "worker-2", events));
    assert.equal(said, 0);
  } finally {
    warden.close();
  }
});
