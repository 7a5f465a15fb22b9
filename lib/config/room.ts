// How much one gateway serves: each instance and each model has a place in the memory that its workers share.

import type { InstanceConfig } from "./config.ts";

/** Places for instances and models that are configured, or still drain. */
export const MAX_PLACES = 1024;

/** What is wrong with so many instances and models; null where there is room for them. */
export function roomProblem(instances: readonly Pick<InstanceConfig, "models">[]): string | null {
  const models = new Set(instances.flatMap((instance) => instance.models)).size;
  if (instances.length + models <= MAX_PLACES) return null;
  return `${instances.length} instances and ${models} model${models === 1 ? "" : "s"}; ` +
    `expected at most ${MAX_PLACES} together`;
}
