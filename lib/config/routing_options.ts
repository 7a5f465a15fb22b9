// Options of routing, in the file's words: what weighs how much, what instances are asked about themselves.

import { z } from "zod";

/** 24 days: a timer cannot be set to more than 2^31 ms. */
const seconds = z.number().positive().max(86_400 * 24);
const weight = z.number().nonnegative().max(1000);
const bound = z.number().min(1).max(1000);
const slack = z.int().min(1).max(1_000_000);
const path = z.string().regex(/^\/[\x21-\x7e]*$/, "expected a path that starts with /");

/** A request's own id, and a trace's, are other ones each time. */
const OF_ONE_REQUEST = /^(x-)?(request|correlation|trace)[-_]?id$|^traceparent$|^b3$/;
const sessionName = z.string().min(1).max(100).refine(
  (name) => !OF_ONE_REQUEST.test(name.toLowerCase()),
  "names a single request, not a session",
);

const sessionOptions = z.strictObject({
  headers: z.array(sessionName.regex(/^[\w!#$%&'*+.^`|~-]+$/, "expected the name of a header")).max(
    16,
  )
    .default(["x-session-id", "x-claude-code-session-id"])
    .describe(
      "Headers that name the conversation which a request belongs to; the first that is there.",
    ),
  body: z.array(sessionName).max(16).default(["session_id", "prompt_cache_key"])
    .describe("And top-level fields of the body. `user` only where that is not one for all."),
  mode: z.enum(["off", "prefer", "pin"]).default("prefer").describe(
    "prefer: the instance that had the session last is taken to have what it was sent. pin: it gets the " +
      "request, unless it has more than its share.",
  ),
});

/** Of one model: what it leaves out is as for all. */
const modelRouting = z.strictObject({
  recompute_weight: weight.optional(),
  crowd_weight: weight.optional(),
  company_weight: weight.optional(),
  load_bound: bound.optional(),
  load_slack: slack.optional(),
});

export const dataParallel = z.enum(["auto", "client", "off"]);

export const routingOptions = z.strictObject({
  recompute_weight: weight.default(2)
    .describe("How much dearer than waiting it is to compute again what is cached elsewhere."),
  crowd_weight: weight.default(2)
    .describe("And how much more for each request that waits there for its first token."),
  company_weight: weight.default(0.5)
    .describe("A request under way counts as this share of the work of a usual one."),
  load_bound: bound.default(2).describe(
    "No instance has more than this times its fair share of the requests …",
  ),
  load_slack: slack.default(4).describe(
    "… unless it has fewer than this. 1 where the speed of a single stream matters most.",
  ),
  kv_tokens: z.union([z.int().positive(), z.literal("auto")]).default("auto").describe(
    "Tokens that an instance's KV cache holds. auto: as its metrics say, else 1,000,000. Rather too many.",
  ),
  data_parallel: dataParallel.default("auto").describe(
    "Of a server whose metrics show several data-parallel ranks each is a place of its own, which the gateway " +
      "names in x-data-parallel-rank. client: unless the client names one. off: the server is one place.",
  ),
  keep_index: z.boolean().default(true).describe(
    "What instances hold is written into data_dir at a graceful end, and read at the next start within ten " +
      "minutes.",
  ),
  session: sessionOptions.prefault({}),
  explain_header: z.enum(["off", "short", "full"]).default("short").describe(
    "x-gateway-route, which says why an instance was chosen, where prompts are looked at. full: all " +
      "candidates, for those who may see the dashboard.",
  ),
  models: z.record(z.string(), modelRouting).default({}).describe(
    "Weights, bound and slack that differ for a model.",
  ),
});

export const scrapeOptions = z.union([
  z.literal(false),
  z.strictObject({
    interval: seconds.default(2).describe("Between two looks at an instance."),
    path: path.default("/metrics").describe("Path on the instance's server."),
    timeout: seconds.default(1).describe("For one look."),
    stale_after: seconds.default(10).describe("What is older counts nothing."),
    with_answers: z.boolean().default(false).describe(
      "Between two looks, whole answers are asked to bring it along (vLLM's endpoint-load-metrics). vLLM " +
        "logs a line for each.",
    ),
  }),
]).default({
  interval: 2,
  path: "/metrics",
  timeout: 1,
  stale_after: 10,
  with_answers: false,
});

export const modelDiscoveryOptions = z.union([
  z.literal(false),
  z.strictObject({
    interval: seconds.default(10).describe("Between two questions to an instance."),
  }),
]).default({ interval: 10 });
