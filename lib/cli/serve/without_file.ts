// A configuration of addresses alone, for `serve --instance`: each instance is asked what it serves.

import { loadConfig, type Loaded } from "../../config/load.ts";
import { formatProblem } from "../../config/parse.ts";
import { inWords, probe } from "../probe.ts";

export interface Addresses {
  instances: readonly string[];
  /** Model of the instances that cannot be asked. */
  model: string | undefined;
  /** Key of the instances, and the environment variable that holds it. */
  key: string | undefined;
  keyVariable: string | undefined;
}

/** What such a start says where others name their file. */
export const NO_FILE = "--instance";

/** Null after it was said what is missing. */
export async function configurationOf(
  wanted: Addresses,
): Promise<Extract<Loaded, { ok: true }> | null> {
  const urls = [...new Set(wanted.instances)];
  const found = await Promise.all(urls.map((url) => probe(url, wanted.key)));
  // One that is still loading its model is most likely the next of the same kind.
  const others = found.find(({ problem }) => problem === null)?.models.map(({ name }) => name);
  const spare = wanted.model === undefined ? others : [wanted.model];
  for (const one of found) {
    const taken = one.problem === null || spare === undefined
      ? ""
      : `; taken to serve ${spare.join(", ")}`;
    console.error(`  ${inWords(one)}${taken}`);
  }
  if (spare === undefined && found.some(({ problem }) => problem !== null)) {
    console.error("no instance could say what it serves: name its model by --model");
    return null;
  }
  const instances = found.map(({ url, models, problem }) => ({
    url,
    model_name: problem === null ? models.map(({ name }) => name) : spare,
    ...(wanted.keyVariable === undefined ? {} : { api_key: `\${${wanted.keyVariable}}` }),
  }));
  const text = JSON.stringify({ instances }, null, 2);
  const loaded = loadConfig(NO_FILE, text, (name) => Deno.env.get(name));
  if (loaded.ok) return loaded;
  for (const problem of loaded.problems) console.error(formatProblem(problem));
  return null;
}
