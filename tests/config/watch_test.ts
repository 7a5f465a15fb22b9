// A config file saved in every way that editors and orchestrators know.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Config } from "../../lib/config/config.ts";
import { watchConfig } from "../../lib/config/watch.ts";
import { waitFor } from "../support/wait.ts";

const text = (weight: number) =>
  `{"instances":[{"url":"http://10.0.0.1:80/v1","model_name":"m","weight":${weight}}]}\n`;

async function watched(
  test: (stand: {
    folder: string;
    path: string;
    seen: Config[];
    bad: number;
    errors: unknown[];
    /** Called with each new configuration. */
    onConfig(): void;
    reloadNow(): void;
    until(weight: number): Promise<void>;
  }) => Promise<void>,
  prepare: (folder: string) => Promise<string> = async (folder) => {
    await Deno.writeTextFile(join(folder, "config.jsonc"), text(1));
    return join(folder, "config.jsonc");
  },
  patienceMs?: number,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = await prepare(folder);
  const seen: Config[] = [];
  const stand = {
    folder,
    path,
    seen,
    bad: 0,
    errors: [] as unknown[],
    onConfig: () => {},
    reloadNow: () => watcher.reloadNow(),
    until: (weight: number) =>
      waitFor(() => seen.at(-1)?.instances[0].weight === weight, `weight ${weight}`),
  };
  const watcher = watchConfig({
    path,
    env: () => undefined,
    initialText: text(1),
    // What is noticed is noticed by the watch.
    pollMs: 600_000,
    patienceMs,
    onConfig: (config) => {
      seen.push(config);
      stand.onConfig();
    },
    onProblems: () => stand.bad++,
    onError: (error) => stand.errors.push(error),
  });
  try {
    await test(stand);
  } finally {
    await watcher.close();
    await Deno.remove(folder, { recursive: true });
  }
}

async function shell(command: string, cwd: string): Promise<void> {
  const { success } = await new Deno.Command("sh", { args: ["-c", command], cwd }).output();
  assert.ok(success, command);
}

Deno.test("a file written in place is reloaded", () =>
  watched(async ({ path, until }) => {
    await Deno.writeTextFile(path, text(2));
    await until(2);
    await Deno.writeTextFile(path, text(3));
    await until(3);
  }));

Deno.test("a file replaced by rename is reloaded, each time", () =>
  watched(async ({ path, until }) => {
    for (const weight of [2, 3, 4]) {
      await Deno.writeTextFile(`${path}.new`, text(weight));
      await Deno.rename(`${path}.new`, path);
      await until(weight);
    }
  }));

Deno.test("sed -i is seen, each time", () =>
  watched(async ({ folder, until }) => {
    for (const weight of [2, 3, 4]) {
      await shell(`sed -i 's/"weight":[0-9]*/"weight":${weight}/' config.jsonc`, folder);
      await until(weight);
    }
  }));

Deno.test("a file that was deleted and written again is reloaded", () =>
  watched(async ({ path, until }) => {
    await Deno.remove(path);
    await Deno.writeTextFile(path, text(2));
    await until(2);
  }));

Deno.test("the symlink swaps of a Kubernetes ConfigMap are seen, each time", () =>
  watched(async ({ folder, until }) => {
    for (const weight of [2, 3, 4]) {
      await shell(
        `mkdir v${weight} && printf '%s' '${text(weight)}' > v${weight}/config.jsonc && ` +
          `ln -s v${weight} ..data_tmp && mv -T ..data_tmp ..data`,
        folder,
      );
      await until(weight);
    }
  }, async (folder) => {
    await Deno.mkdir(join(folder, "v1"));
    await Deno.writeTextFile(join(folder, "v1", "config.jsonc"), text(1));
    await Deno.symlink("v1", join(folder, "..data"));
    await Deno.symlink(join("..data", "config.jsonc"), join(folder, "config.jsonc"));
    return join(folder, "config.jsonc");
  }));

Deno.test("a file that is empty for a moment is not taken for a new one", () =>
  watched(async (stand) => {
    await Deno.writeTextFile(stand.path, "");
    await Deno.writeTextFile(`${stand.path}.other`, "wakes the watcher");
    await Deno.writeTextFile(stand.path, text(5));
    await stand.until(5);
    assert.equal(stand.bad, 0);
    assert.equal(stand.seen.length, 1);
  }));

for (
  const [what, command] of [
    ["missing", "rm config.jsonc"],
    ["empty", ": > config.jsonc"],
    ["a folder", "rm config.jsonc && mkdir config.jsonc"],
  ]
) {
  Deno.test(`a file that stays ${what} is reported once, and counts again as it was`, () =>
    watched(
      async (stand) => {
        await shell(command, stand.folder);
        await waitFor(() => stand.bad === 1, "the report");
        await Deno.writeTextFile(`${stand.path}.other`, "wakes the watcher");
        await shell("rm -rf config.jsonc", stand.folder);
        // Longer than it takes to see that, and to have patience once more.
        await new Promise((resolve) => setTimeout(resolve, 1000));
        assert.equal(stand.bad, 1);
        assert.equal(stand.seen.length, 0);
        await Deno.writeTextFile(stand.path, text(1));
        await stand.until(1);
      },
      undefined,
      100,
    ));
}

Deno.test("a bad file is reported and changes nothing, and the next good one counts", () =>
  watched(async (stand) => {
    await Deno.writeTextFile(stand.path, "{");
    await waitFor(() => stand.bad === 1, "the report");
    assert.equal(stand.seen.length, 0);
    await Deno.writeTextFile(stand.path, text(2));
    await stand.until(2);
  }));

Deno.test("reloadNow reads the file even when it is the same", () =>
  watched(async (stand) => {
    stand.reloadNow();
    await stand.until(1);
  }));

Deno.test("fifty bad files in a row change nothing", () =>
  watched(async (stand) => {
    for (let index = 1; index <= 50; index++) {
      const bad = text(7).slice(0, index) + "\\".repeat(index % 3);
      await Deno.writeTextFile(`${stand.path}.new`, bad);
      await Deno.rename(`${stand.path}.new`, stand.path);
      stand.reloadNow();
      await waitFor(() => stand.bad >= index, `report ${index}`);
    }
    assert.equal(stand.seen.length, 0);
    await Deno.writeTextFile(stand.path, text(2));
    await stand.until(2);
  }));

Deno.test("a file that grows piece by piece ends as its whole text", () =>
  watched(async (stand) => {
    const whole = text(6);
    const file = await Deno.open(stand.path, { write: true, truncate: true });
    for (const character of whole) await file.write(new TextEncoder().encode(character));
    file.close();
    await stand.until(6);
    assert.equal(stand.seen.length, 1);
  }));

Deno.test("a change in the folder that a symlink leads to is seen", () =>
  watched(async ({ folder, until }) => {
    for (const weight of [2, 3]) {
      await Deno.writeTextFile(join(folder, "elsewhere", "real.jsonc"), text(weight));
      await until(weight);
    }
  }, async (folder) => {
    await Deno.mkdir(join(folder, "elsewhere"));
    await Deno.writeTextFile(join(folder, "elsewhere", "real.jsonc"), text(1));
    await Deno.mkdir(join(folder, "here"));
    await Deno.symlink(join("..", "elsewhere", "real.jsonc"), join(folder, "here", "config.jsonc"));
    return join(folder, "here", "config.jsonc");
  }));

Deno.test("a folder that was removed and made anew is watched again", () =>
  watched(async (stand) => {
    await Deno.remove(join(stand.folder, "etc"), { recursive: true });
    await Deno.mkdir(join(stand.folder, "etc"));
    await Deno.writeTextFile(stand.path, text(2));
    stand.reloadNow();
    await stand.until(2);
    await Deno.writeTextFile(stand.path, text(3));
    await stand.until(3);
  }, async (folder) => {
    await Deno.mkdir(join(folder, "etc"));
    await Deno.writeTextFile(join(folder, "etc", "config.jsonc"), text(1));
    return join(folder, "etc", "config.jsonc");
  }));

Deno.test("a reload that fails is told, and the next file counts", () =>
  watched(async (stand) => {
    stand.onConfig = () => {
      throw new Error("no room");
    };
    await Deno.writeTextFile(stand.path, text(2));
    await waitFor(() => stand.errors.length === 1, "the error");
    stand.onConfig = () => {};
    await Deno.writeTextFile(stand.path, text(3));
    await stand.until(3);
  }));

Deno.test("after close nothing is read any more", () =>
  watched(async (stand) => {
    const closed: Config[] = [];
    const watcher = watchConfig({
      path: stand.path,
      env: () => undefined,
      initialText: text(1),
      // What is noticed is noticed by the watch.
      pollMs: 600_000,
      onConfig: (config) => closed.push(config),
      onProblems: () => {},
    });
    await watcher.close();
    watcher.reloadNow();
    await Deno.writeTextFile(stand.path, text(2));
    await stand.until(2);
    assert.equal(closed.length, 0);
  }));
