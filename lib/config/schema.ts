// Every option: its name, form, default and meaning. The one source of the checks, of the JSON Schema
// for editors and of the documentation. Durations are seconds.

import { z } from "zod";
import {
  accessOptions,
  groupsOptions,
  keyOptions,
  limitsOptions,
  sharedStateOptions,
  tlsOptions,
} from "./access_options.ts";
import { alertChannel, alertRules } from "./alert_channels.ts";
import { recordKeepOptions, requestsOptions } from "./keep_options.ts";
import { discoveryEntry } from "./discovery_options.ts";
import { LOG_LEVELS } from "./log_level.ts";
import { peersOptions } from "./peers.ts";
import {
  dataParallel,
  modelDiscoveryOptions,
  routingOptions,
  scrapeOptions,
} from "./routing_options.ts";
import { policyOptions } from "./policies.ts";
import { readUrl } from "./url.ts";

/** 24 days: a timer cannot be set to more than 2^31 ms. */
const LONGEST_S = 86_400 * 24;
const seconds = z.number().nonnegative().max(LONGEST_S);
const positiveSeconds = z.number().positive().max(LONGEST_S);
const count = z.int().nonnegative();

const firstByte = z.union([positiveSeconds, z.literal("auto")]);

/** Of one instance: what it leaves out is as for all. */
const AS_FOR_ALL = "In place of the one for all instances.";
const timeouts = z.strictObject({
  connect: positiveSeconds.optional().describe(AS_FOR_ALL),
  first_byte: firstByte.optional().describe(AS_FOR_ALL),
  idle: positiveSeconds.optional().describe(AS_FOR_ALL),
  answer: positiveSeconds.optional().describe(AS_FOR_ALL),
  total: positiveSeconds.nullable().optional().describe(AS_FOR_ALL),
});

const resumeMode = z.enum(["off", "continue", "exact", "auto"]);
/** Seconds that a broken stream waits for an instance, unless the file says otherwise. */
export const RESUME_PATIENCE_S = 30;
const mark = z.string().min(1);

const instance = z.strictObject({
  url: z.string().superRefine((text, context) => {
    const place = readUrl(text);
    if (typeof place === "string") context.addIssue({ code: "custom", message: place });
  }).describe("Address of the server, with or without /v1."),
  model_name: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe("Name that clients use: one or a list; * for all that the instance lists itself."),
  upstream_model: z.union([z.string().min(1), z.record(z.string(), z.string().min(1))]).optional()
    .describe(
      "Name by which this instance knows the model, or a map from client names to its own.",
    ),
  api_key: z.string().regex(
    /^[\x21-\x7e]*$/,
    "expected printable ASCII without spaces or line ends, as a header can carry",
  ).nullable().optional().describe(
    "Replaces every credential of the client's, and is lent for inference only; without it, or with null or an empty one, the client's pass.",
  ),
  passthrough: z.array(
    z.string().regex(/^\/v[12]\/[\x21-\x7e]*[^/]$/, "expected a path such as /v1/files"),
  ).default([]).describe(
    "Paths beyond inference that go to an instance with an api_key, with all below them: /v1/files.",
  ),
  weight: z.number().nonnegative().max(1_000_000).default(1)
    .describe("Share of the requests; 0 drains the instance."),
  name: z.string().regex(/^[\w.:@/+\-[\]]{1,100}$/, "letters, digits and . _ : @ / + - only")
    .optional()
    .describe("Name in logs, metrics and x-gateway-instance; default host:port."),
  max_concurrency: z.int().positive().optional()
    .describe("Requests at once; above it requests go elsewhere or wait."),
  max_context: z.int().positive().optional()
    .describe("Longest context in tokens; else read from the instance's /v1/models."),
  kv_tokens: z.int().positive().optional()
    .describe("Tokens that its KV cache holds; else as in routing."),
  data_parallel: dataParallel.optional()
    .describe("What its data-parallel ranks are; else as in routing."),
  timeouts: timeouts.optional().describe("Differing limits for this instance."),
});

const { url: _, name: __, ...found } = instance.shape;
const discovery = discoveryEntry({
  ...found,
  model_name: found.model_name.default("*")
    .describe("Name that clients use: one or a list; * for all that each lists itself."),
});

export const configSchema = z.strictObject({
  $schema: z.string().optional().describe("Lets editors complete and check this file."),
  host: z.string().min(1).default("0.0.0.0").describe("Address to listen on. Needs a restart."),
  port: z.int().min(0).max(65535).default(9999).describe("Port to listen on. Needs a restart."),
  instances: z.array(instance).default([]).describe("Private instances, balanced by model."),
  fallback_instances: z.array(instance).default([])
    .describe("Used in this order when no private instance can answer."),
  discovery: z.array(discovery).default([])
    .describe("Where to look for more private instances, all the time."),
  data_dir: z.string().min(1).default("./data").describe("Folder of records and error logs."),
  load_balancing_strategy: z.enum([
    "round_robin",
    "least_connections",
    "prefix_aware",
    "bounded_hash",
  ]).default("round_robin").describe(
    "round_robin (smooth, weighted), least_connections (in flight by weight), prefix_aware (where the " +
      "prompt's beginning is cached, by cost) or bounded_hash (the same without memory, for several gateways).",
  ),
  routing: routingOptions.prefault({})
    .describe("How prefix_aware and bounded_hash choose."),
  scrape: scrapeOptions.describe(
    "What instances' metrics say of their load, for prefix_aware and bounded_hash; false for the " +
      "gateway's own traffic only.",
  ),
  model_discovery: modelDiscoveryOptions.describe(
    "What the /v1/models of instances with model_name * says of names and adapters, and with prefix_aware " +
      "and bounded_hash that of all says of contexts; false for no regular look.",
  ),
  error_threshold: z.int().positive().default(10)
    .describe("Failures within error_window that eject an instance."),
  error_window: positiveSeconds.default(300).describe("Window in which failures are counted."),
  ejection_time: positiveSeconds.default(5)
    .describe("How long an ejected instance stays out; then one request is the probe."),
  max_ejection_time: positiveSeconds.default(60)
    .describe("Each probe that fails doubles the time out, up to this."),
  hung_after: seconds.default(30).describe(
    "An instance that has swallowed a request for so long, while others answered, is out; 0 for never.",
  ),
  alert_cooldown: seconds.default(300)
    .describe("At most one alert of a kind and instance in this time."),
  timeouts: z.strictObject({
    connect: positiveSeconds.default(2).describe("Until a connection stands."),
    first_byte: firstByte.default("auto").describe(
      "Until a stream's headers and its first meaningful event. auto: 300, and where an instance is silent " +
        "for far longer than usual another one is asked beside it, for whole answers too.",
    ),
    idle: positiveSeconds.default(60).describe(
      "Without progress within an answer; 300 at least where the request has tools or a schema, whose " +
        "output a server may hold back until it is whole.",
    ),
    answer: positiveSeconds.default(600)
      .describe("Until the headers of an answer that is not streamed: it comes whole."),
    total: positiveSeconds.nullable().default(null)
      .describe("For the whole answer; null for any length."),
  }).prefault({}).describe("Limits for the phases of a request; also per instance."),
  health_check: z.union([
    z.literal(false),
    z.strictObject({
      interval: seconds.default(5).describe("Between two checks; 0 switches them off."),
      path: z.string().regex(/^\/[\x21-\x7e]*$/, "expected a path that starts with /")
        .default("/health").describe("Path on the instance's server."),
      timeout: positiveSeconds.default(2).describe("For one check."),
    }),
  ]).default({ interval: 5, path: "/health", timeout: 2 })
    .describe("Active checks of private instances; false switches them off."),
  slow_start: seconds.default(10).describe(
    "A recovered instance gets its full share after this time.",
  ),
  retry: z.strictObject({
    max_wait: seconds.default(3)
      .describe(
        "Longest wait before a passing failure is tried once more on the pool. For as long since the last one died a request whose instances died over it looks for one that is there.",
      ),
    max_retry_after: seconds.default(60)
      .describe("An instance's Retry-After counts for no longer than this."),
  }).default({ max_wait: 3, max_retry_after: 60 })
    .describe("What is done where every instance of a model has failed or is busy."),
  resume: z.union([
    resumeMode,
    z.strictObject({
      default: resumeMode.default("auto").describe("For models without a mode of their own."),
      models: z.record(z.string(), resumeMode).default({}).describe("By model."),
      patience: seconds.default(RESUME_PATIENCE_S)
        .describe("How long a broken stream waits for an instance that can go on with it."),
      thinking: z.record(z.string(), z.tuple([mark, mark])).default({}).describe(
        "By model: marks before and behind its thoughts, where they are not the usual ones.",
      ),
    }),
  ]).default("auto").describe(
    "What to do when an instance dies in the middle of a stream. auto: go on by token ids where the " +
      "instance gives them, else by the text, else by asking again and leaving out what is known.",
  ),
  queue: z.strictObject({
    max: count.default(1000).describe("Requests that may wait, for each model."),
    deadline: positiveSeconds.default(30).describe("How long one may wait."),
  }).default({ max: 1000, deadline: 30 }).describe("For requests above max_concurrency."),
  keepalive: seconds.default(15)
    .describe("SSE comments to a client that waits for a stream, every so often; 0 for none."),
  workers: z.union([z.int().min(1).max(63), z.literal("auto")]).default(1)
    .describe(
      "Isolates that serve on the one port. auto: one, and more while they are busy (Linux, and " +
        "`listener` http1; else one). Needs a restart.",
    ),
  auto_workers: z.strictObject({
    max: z.int().min(1).max(63).nullable().default(null)
      .describe("Isolates at most; null for as many as there are cores."),
    busy: z.number().min(0).max(1).default(0.7)
      .describe(
        "Share of their time for which they are at work or late for it, on average, from which on " +
          "one is added.",
      ),
    after: seconds.default(3).describe("How long they have to be so busy."),
    calm: seconds.default(60)
      .describe("How long they have to be calm, until one is taken away when its answers are out."),
  }).default({ max: null, busy: 0.7, after: 3, calm: 60 }).describe("For `workers` auto."),
  listener: z.enum(["http1", "deno_serve"]).default("http1")
    .describe("http1 is fast and strict; deno_serve adds HTTP/2. Needs a restart."),
  transport: z.enum(["auto", "fetch"]).default("auto")
    .describe("auto: the own HTTP/1.1 client for http:// instances, fetch for https://."),
  drain_timeout: seconds.default(30).describe("How long running answers may take at the end."),
  max_body_bytes: z.int().positive().default(67_108_864).describe("Longest request body."),
  max_held_body_bytes: z.int().positive().nullable().default(null).describe(
    "All request bodies in memory at once, in all workers; where they would be more, a body waits, " +
      "or is refused with 503. A quarter of it is never for bodies above 1 MiB. null: a quarter of " +
      "the machine's or the container's memory. One body may take three quarters of it.",
  ),
  head_timeout: positiveSeconds.default(10).describe("For a request's head to come in whole."),
  body_timeout: positiveSeconds.default(30).describe("Between two pieces of a request's body."),
  idle_timeout: positiveSeconds.default(75).describe("A client's connection between two requests."),
  max_connections_per_address: count.default(0)
    .describe("Connections one client address may hold; 0 for any number."),
  record: z.strictObject({
    enabled: z.boolean().default(true).describe("false keeps nothing of what clients say."),
    format: z.enum(["sharegpt", "openai"]).default("sharegpt")
      .describe("sharegpt for training as it is; openai keeps the messages as they were sent."),
    queue_max: z.int().positive().default(10_000)
      .describe("Answers that may wait to be written; more are dropped, counted and alerted."),
    queue_max_bytes: z.int().positive().default(268_435_456)
      .describe("Memory for answers that wait to be written, in bytes."),
    max_bytes: z.int().positive().default(33_554_432)
      .describe("Memory for one recorded stream; beyond it the record is marked."),
    originals: z.boolean().default(false).describe(
      "Keeps in data/flagged, for the gateway's own user alone, what policies found something in as it was asked and generated.",
    ),
    ...recordKeepOptions,
  }).prefault({})
    .describe("Requests and answers as training data."),
  requests: requestsOptions.prefault({})
    .describe("A line of each request, answered or not, in data_dir/requests."),
  log: z.strictObject({
    level: z.enum(LOG_LEVELS).default("info")
      .describe("The least that is said: each request at info, failed ones at warning."),
    format: z.enum(["text", "json"]).default("text").describe("json: one object a line."),
  }).default({ level: "info", format: "text" }).describe("What goes to standard error."),
  alerts: z.array(alertChannel).default([])
    .describe("Where alerts go, beside data/errors/ and the log."),
  alert_rules: alertRules.describe("From when on there is reason for an alert."),
  cors: z.union([
    z.literal(false),
    z.strictObject({
      origins: z.array(
        z.string().regex(
          /^(\*|[a-z][a-z0-9+.-]*:\/\/[^/\s]+|null)$/,
          "expected * or an origin such as https://app.example.com",
        ),
      ).default(["*"]).describe("Origins as browsers write them; * for any."),
    }),
  ]).default({ origins: ["*"] }).describe(
    "Which web pages may call the API (never the dashboard), without cookies; false for none.",
  ),
  admin: z.strictObject({
    enabled: z.boolean().default(true)
      .describe(
        "The dashboard, at /dashboard: without a token for this host only, without records.",
      ),
    token: z.string().regex(/^[\x21-\x7e]*$/, "expected printable ASCII without spaces")
      .nullable().default(null)
      .describe("Opens the dashboard from elsewhere, and its actions from anywhere."),
    public_metrics: z.boolean().default(true)
      .describe("Whether /metrics is for anyone; otherwise as the dashboard."),
    local: z.boolean().default(false).describe(
      "Whether users of this host see everything without the token, records included. A proxy on this host may pass for them.",
    ),
  }).default({ enabled: true, token: null, public_metrics: true, local: false })
    .describe("Dashboard and metrics."),
  keys: z.array(keyOptions).default([])
    .describe("Who may ask. With one or more, a key is needed; `keys create` makes one."),
  keys_file: z.string().min(1).nullable().default(null)
    .describe("More keys, as a list; watched, and written by the `keys` commands."),
  groups: groupsOptions.default([])
    .describe("Groups of keys, with limits of their own beside the keys'."),
  limits: limitsOptions.prefault({})
    .describe("What each key may use, unless it says otherwise; models; prices."),
  access: accessOptions.prefault({}).describe("Who may come in, beside keys."),
  tls: tlsOptions.nullable().default(null)
    .describe(
      "Certificate of the listener; without one it speaks plain HTTP. Its presence needs a restart.",
    ),
  shared_state: sharedStateOptions.nullable().default(null)
    .describe("Where several gateways keep their common limits and budgets."),
  peers: peersOptions.describe(
    "Other gateways in front of the same instances: each hears what the others sent where. With neither urls " +
      "nor dns by way of shared_state, where there is one; false for never.",
  ),
  policies: z.array(policyOptions).default([])
    .describe("What may be asked and what may be said, in this order."),
});

export type RawConfig = z.output<typeof configSchema>;
export type RawInstance = z.output<typeof instance>;
export type RawDiscovery = z.output<typeof discovery>;
