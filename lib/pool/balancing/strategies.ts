// The list of strategies: a new one is a file beside this one and a line here.

import { leastConnections } from "./least_connections.ts";
import { roundRobin } from "./round_robin.ts";
import type { Strategy } from "./strategy.ts";

export const strategies: Readonly<Record<string, Strategy>> = {
  round_robin: roundRobin,
  least_connections: leastConnections,
};
