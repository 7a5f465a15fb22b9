// Discovery by a file in the form of Prometheus' file_sd: `[{"targets": ["10.0.0.1:8000"], "labels": {…}}]`.
// It is read when it has changed; a poll is the safety net.

import { resolve } from "node:path";
import { z } from "zod";
import { ChangeWatch } from "../files/change_watch.ts";
import { mustBeFile } from "../files/regular.ts";
import { Loop } from "./loop.ts";
import { type Hearer, messageOf, type Source, Unusable } from "./source.ts";
import type { Target } from "./target.ts";

const POLL_MS = 5000;
const MAX_BYTES = 4 * 1024 * 1024;

const group = z.object({
  targets: z.array(z.string()),
  labels: z.record(z.string(), z.string()).default({}),
});

/** `path` is absolute. */
export function openFile(path: string, hearer: Hearer): Source {
  return new FileSource(path, hearer);
}

class FileSource implements Source {
  readonly #loop: Loop;
  readonly #changes: ChangeWatch;
  #text: string | null = null;

  constructor(private readonly path: string, private readonly hearer: Hearer) {
    this.#loop = new Loop(() => this.#look(), (error) => this.#fail(error), POLL_MS);
    this.#changes = new ChangeWatch(() => [path], () => this.#loop.wake());
  }

  async close(): Promise<void> {
    await this.#changes.close();
    await this.#loop.close();
  }

  async #look(): Promise<number> {
    const text = await read(this.path);
    if (text !== this.#text) {
      const targets = targetsIn(text);
      this.#text = text;
      this.hearer.found(targets);
    }
    return POLL_MS;
  }

  #fail(error: unknown): void {
    // When it is as it was before, that is news.
    this.#text = null;
    this.hearer.failed(messageOf(error));
  }
}

/** Where the file is that a configuration in `folder` names. */
export function pathOf(folder: string, path: string): string {
  return resolve(folder, path);
}

async function read(path: string): Promise<string> {
  try {
    const found = await Deno.stat(path);
    mustBeFile(found);
    const { size } = found;
    if (size > MAX_BYTES) throw new Unusable(`the file has ${size} bytes; at most ${MAX_BYTES}`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Unusable("the file does not exist");
    throw error;
  }
}

/** What a text lists. Throws Unusable: one that is half written is no list. */
function targetsIn(text: string): Target[] {
  if (text.trim() === "") throw new Unusable("the file is empty; no instances would be []");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new Unusable(`the file is no JSON in the form of file_sd (YAML is not read): ${why}`);
  }
  const list = z.array(group).safeParse(value);
  if (!list.success) {
    const [{ path, message }] = list.error.issues;
    throw new Unusable(`the file is no list in the form of file_sd: ${path.join(".")} ${message}`);
  }
  return list.data.flatMap(({ targets, labels }) =>
    targets.map((target) => ({ ...hostAndPort(target), ...saidBy(labels, targets.length) }))
  );
}

function hostAndPort(text: string): { host: string; port: number } {
  const [, bracketed, host, port] = /^(?:\[([\da-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) throw new Unusable(`\`${text.slice(0, 100)}\` is no host:port`);
  return { host: bracketed ?? host, port: Number(port) };
}

/** Labels that mean something here; the others are for Prometheus. A name is for one target alone. */
function saidBy(labels: Readonly<Record<string, string>>, targets: number): Partial<Target> {
  const { __scheme__: scheme, model_name: models, weight, name } = labels;
  const share = weight === undefined ? undefined : Number(weight);
  if (share !== undefined && !(share >= 0 && share <= 1_000_000)) {
    throw new Unusable(`\`${weight}\` is no weight`);
  }
  return {
    ...(scheme === "http" || scheme === "https" ? { scheme } : {}),
    ...(models ? { models: models.split(",").map((model) => model.trim()).filter(Boolean) } : {}),
    ...(share === undefined ? {} : { share }),
    ...(name && targets === 1 && isName(name) ? { name } : {}),
  };
}

/** As the schema has it for instances. */
export function isName(text: string): boolean {
  return /^[\w.:@/+\-[\]]{1,100}$/.test(text);
}
