// Discovery by a file that is written, replaced and broken as files are.

import assert from "node:assert/strict";
import { join } from "node:path";
import { temporaryFolder } from "../support/processes.ts";
import { Heard } from "./heard.ts";

const listed = (...targets: string[]) => JSON.stringify([{ targets }]);

Deno.test("case 38: a file that is half written, empty or gone changes nothing; one that replaces it by rename counts", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "targets.json");
  await Deno.writeTextFile(path, listed("10.0.0.1:8000", "10.0.0.2:8000"));
  await using heard = new Heard({ type: "file", path: "targets.json" }, folder.path);
  await heard.counts("10.0.0.1:8000", "10.0.0.2:8000");
  await Deno.writeTextFile(path, listed("10.0.0.3:8000", "10.0.0.4:8000").slice(0, 30));
  await heard.fails(/no JSON in the form of file_sd/);
  await Deno.writeTextFile(path, "");
  await heard.fails(/the file is empty/);
  await Deno.remove(path);
  await heard.fails(/does not exist/);
  assert.equal(heard.sets.length, 1);
  await Deno.writeTextFile(`${path}.new`, listed("10.0.0.2:8000", "10.0.0.3:8000"));
  await Deno.rename(`${path}.new`, path);
  await heard.counts("10.0.0.2:8000", "10.0.0.3:8000");
  assert.equal(heard.state.error, null);
  assert.equal(heard.sets.length, 2);
});

Deno.test("labels of a group tell scheme, models, weight and name; others are for Prometheus", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(
    join(folder.path, "targets.json"),
    JSON.stringify([
      {
        targets: ["[fd00::1]:8000"],
        labels: {
          ...{ __scheme__: "https", model_name: "a, b", weight: "2", name: "gpu-1" },
          __meta_rack: "7",
        },
      },
      { targets: ["gpu-2:8000"] },
    ]),
  );
  await using heard = new Heard({ type: "file", path: "targets.json" }, folder.path);
  await heard.counts("fd00::1:8000", "gpu-2:8000");
  assert.deepEqual(heard.targets[0], [
    {
      ...{ host: "fd00::1", port: 8000, scheme: "https", models: ["a", "b"], share: 2 },
      name: "gpu-1",
    },
    { host: "gpu-2", port: 8000 },
  ]);
});

Deno.test("what is no list of targets is named, and a list without any is believed after its time", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "targets.json");
  await Deno.writeTextFile(path, `[{"targets": ["10.0.0.1"]}]`);
  await using heard = new Heard({ type: "file", path, keep_empty: 0.2 });
  await heard.fails(/`10\.0\.0\.1` is no host:port/);
  await Deno.writeTextFile(path, `{"targets": []}`);
  await heard.fails(/no list in the form of file_sd/);
  await Deno.writeTextFile(path, "- targets: ['10.0.0.1:8000']");
  await heard.fails(/YAML is not read/);
  await Deno.writeTextFile(path, listed("10.0.0.1:8000"));
  await heard.counts("10.0.0.1:8000");
  await Deno.writeTextFile(path, "[]");
  await heard.counts();
});

Deno.test("a list without any that cannot be read any more is not believed by time alone", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "targets.json");
  const other = join(folder.path, "other.json");
  await Deno.writeTextFile(path, listed("10.0.0.1:8000"));
  await Deno.writeTextFile(other, listed("10.0.0.2:8000"));
  await using heard = new Heard({ type: "file", path, keep_empty: 1 });
  await using later = new Heard({ type: "file", path: other, keep_empty: 1 });
  await heard.counts("10.0.0.1:8000");
  await later.counts("10.0.0.2:8000");
  await Deno.writeTextFile(path, "[]");
  await heard.fails(/the 1 of before stay/);
  await Deno.remove(path);
  await heard.fails(/does not exist/);
  // Its time is over behind that of the first.
  await Deno.writeTextFile(other, "[]");
  await later.fails(/the 1 of before stay/);
  await later.counts();
  assert.equal(heard.state.found, 1);
});
