// What instances are known by: their identity over reloads, and names that are theirs alone.

import { inOnePiece } from "../json/one_piece.ts";
import type { InstanceConfig } from "./config.ts";

/** Stands for all models that an instance lists. */
const EVERY_MODEL = "*";

/** What names of models mean: those that stand there, and whether the instance's own list counts as well. */
export function modelsNamed(
  names: readonly string[],
): Pick<InstanceConfig, "models" | "listsModels"> {
  const models = [...new Set(names)].filter((model) => model !== EVERY_MODEL);
  return { models, listsModels: names.includes(EVERY_MODEL) };
}

/** The same url and models are the same instance. */
export function instanceId(
  { origin, pathPrefix }: Pick<InstanceConfig, "origin" | "pathPrefix">,
  { models, listsModels, fallback }: Pick<InstanceConfig, "models" | "listsModels" | "fallback">,
): string {
  const named = listsModels ? [...models, EVERY_MODEL] : [...models];
  return `${fallback ? "fallback " : ""}${origin}${pathPrefix} ${named.sort().join(",")}`;
}

/** The name itself the first time, then name#2, name#3. */
export function unique(name: string, taken: Map<string, number>): string {
  const count = (taken.get(name) ?? 0) + 1;
  taken.set(name, count);
  return count === 1 ? inOnePiece(name) : unique(`${name}#${count}`, taken);
}
