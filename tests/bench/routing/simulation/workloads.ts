// Traffic of the simulation: who asks for what, when. Rates are chosen so that eight engines can just serve them
// where prompts stay together.

import { around, branch, exponential, logNormal, type Random } from "./random.ts";
import { type Fleet, SECONDS } from "./fleet.ts";

type Range = readonly [mean: number, spread: number];

export interface Workload {
  readonly about: string;
  /** Of each engine, where they differ. */
  readonly speeds?: readonly number[];
  run(fleet: Fleet, random: Random): void;
}

interface Tenants {
  count?: number;
  /** Tokens that all prompts of a tenant begin with. */
  prefix?: number;
  /** Requests a second. */
  rate?: number | ((time: number) => number);
  suffix?: Range;
  /** How much some tenants ask more than others. */
  zipf?: number;
}

function tenants(
  fleet: Fleet,
  parent: Random,
  { count = 150, prefix = 6000, rate = 24, suffix = [600, 400], zipf = 0 }: Tenants,
): void {
  const random = branch(parent);
  const prefixes = Array.from({ length: count }, () => fleet.segments.add(prefix));
  let sum = 0;
  const shares = prefixes.map((_, k) => sum += 1 / (k + 1) ** zipf);
  const next = (before: number) => {
    const time = before + exponential(random, 1 / (typeof rate === "number" ? rate : rate(before)));
    if (time > SECONDS) return;
    fleet.agenda.at(time, () => {
      const chosen = random() * sum;
      const tenant = shares.findIndex((share) => share >= chosen);
      const own = fleet.segments.add(around(random, suffix));
      fleet.arrive({ segments: [prefixes[tenant], own], out: around(random, [200, 120]) });
      next(time);
    });
  };
  next(0);
}

/** Chats of 4 to 12 turns that begin with one system prompt, a third of them about a document. */
function chats(fleet: Fleet, parent: Random, rate = 4.5): void {
  const random = branch(parent);
  const { segments, agenda } = fleet;
  const system = segments.add(400);
  const begin = () => {
    const own = branch(random);
    const said = [system];
    if (own() < 0.3) said.push(segments.add(around(own, [1500, 800])));
    let left = Math.max(2, Math.min(14, around(own, [8, 4])));
    const turn = () => {
      said.push(segments.add(around(own, [150, 100])));
      const out = around(own, [250, 150]);
      const answer = segments.add(out);
      const then = () => {
        said.push(answer);
        if (--left > 0 && agenda.now < SECONDS) agenda.at(agenda.now + exponential(own, 8), turn);
      };
      fleet.arrive({ segments: [...said], out, answer, then });
    };
    turn();
  };
  const next = (before: number) => {
    const time = before + exponential(random, 1 / rate);
    if (time > SECONDS) return;
    agenda.at(time, () => {
      begin();
      next(time);
    });
  };
  next(0);
}

/** Prompts that have nothing in common. */
function unique(fleet: Fleet, parent: Random, rate = 30, median = 1400, sigma = 0.9): void {
  const random = branch(parent);
  const next = (before: number) => {
    const time = before + exponential(random, 1 / rate);
    if (time > SECONDS) return;
    fleet.agenda.at(time, () => {
      const own = fleet.segments.add(logNormal(random, median, sigma, 24_000));
      fleet.arrive({ segments: [own], out: around(random, [200, 150]) });
      // Whose it is.
      random();
      next(time);
    });
  };
  next(0);
}

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  a: {
    about: "150 tenants, 6,000 shared tokens each",
    run: (fleet, random) => tenants(fleet, random, {}),
  },
  a60: {
    about: "the same at 2.2 times the rate",
    run: (fleet, random) => tenants(fleet, random, { rate: 52 }),
  },
  az: {
    about: "the same with hot tenants (Zipf 1.1)",
    run: (fleet, random) => tenants(fleet, random, { zipf: 1.1, rate: 36 }),
  },
  b: {
    about: "chats that grow, more of them than fit into the caches",
    run: (fleet, random) => chats(fleet, random),
  },
  c: {
    about: "nothing shared, 16 to 24,000 tokens",
    run: (fleet, random) => unique(fleet, random),
  },
  d: {
    about: "one hot prompt of 3,000 tokens for all",
    run: (fleet, random) =>
      tenants(fleet, random, { count: 1, prefix: 3000, rate: 44, suffix: [500, 300] }),
  },
  e: {
    about: "bursts, 60 tenants, one engine at 0.4 of the speed",
    speeds: [1, 1, 1, 0.4, 1, 1, 1, 1],
    run: (fleet, random) =>
      tenants(fleet, random, { count: 60, rate: (time) => time % 12 < 4 ? 60 : 8 }),
  },
  f: {
    about: "two leave at 45 s, two empty ones come at 70 s, one is started anew at 90 s",
    run(fleet, random) {
      tenants(fleet, random, { rate: 12 });
      chats(fleet, random, 2);
      fleet.agenda.at(45, () => [0, 1].forEach((engine) => fleet.leave(engine)));
      fleet.agenda.at(70, () => [0, 1].forEach((engine) => fleet.comeBack(engine)));
      fleet.agenda.at(90, () => fleet.crash(5, 6));
    },
  },
  g: {
    about: "tenants, chats and long documents together",
    run(fleet, random) {
      tenants(fleet, random, { rate: 9, zipf: 0.8 });
      chats(fleet, random, 2);
      unique(fleet, random, 4, 5000, 0.8);
    },
  },
  j: {
    about: "as a at 0.6 of the rate, prefix caching is off at two engines",
    run(fleet, random) {
      for (const engine of [1, 4]) fleet.engines[engine].cachesPrefixes = false;
      tenants(fleet, random, { rate: 15 });
    },
  },
};
