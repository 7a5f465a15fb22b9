// What went wrong and left no record: requests that were refused, or that another instance answered. They
// are told by their number, with the command that shows them.

import { ANY, type RequestFilter } from "../../requests/filter.ts";
import { requestsFound } from "../requests/show.ts";
import { amount } from "../amount.ts";

/** More are not counted. */
const MANY = 1000;

const KINDS: readonly [words: string, filter: Partial<RequestFilter>, flags: string][] = [
  ["refused (4xx)", { status: "4xx" }, "--status 4xx"],
  ["answered after a failover", { outcome: "failed_over" }, "--outcome failed_over"],
];

/** One sentence each, for those that there are. `model` and `instance`: "" for any. */
export async function besideRecords(
  dataDir: string,
  since: number,
  { model, instance }: Pick<RequestFilter, "model" | "instance">,
): Promise<string[]> {
  const told: string[] = [];
  for (const [words, filter, flags] of KINDS) {
    const wanted = { ...ANY, since, model, instance, ...filter };
    const { length } = await requestsFound(dataDir, wanted, MANY);
    if (length === 0) continue;
    const count = length === MANY ? `${MANY} or more requests` : amount(length, "request");
    told.push(
      `${count} ${length === 1 ? "was" : "were"} ${words}: simple-ai-gateway requests ${flags}`,
    );
  }
  return told;
}
