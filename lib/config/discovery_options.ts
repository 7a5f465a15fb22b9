// Options of discovery, in the file's words: where to ask for instances. What may be said of those that are
// found is the same as of an instance, and comes from schema.ts.

import { z } from "zod";

const seconds = z.number().positive().max(86_400 * 24);
const port = z.int().min(1).max(65535);
const hostName = z.string().regex(
  /^[\w-]+(\.[\w-]+)*\.?$/,
  "expected a name such as vllm.internal",
);

const scheme = z.enum(["http", "https"]).default("http").describe("Of the instances found.");
const keepEmpty = z.number().nonnegative().max(86_400 * 24).default(300).describe(
  "An answer without any instance is believed after this time; until then the last ones found stay.",
);

const dns = {
  type: z.literal("dns"),
  name: hostName.describe("All its addresses are instances."),
  port: port.optional().describe("Their port; needed without srv."),
  srv: z.boolean().default(false)
    .describe("Ask for SRV records, which tell ports and weights; of the first priority."),
  family: z.enum(["auto", "ipv4", "ipv6", "both"]).default("auto")
    .describe("auto: IPv6 only where there is no IPv4, so that a server with both counts once."),
  server: z.string().regex(
    /^([\d.]+|\[[\da-fA-F:]+\])(:\d{1,5})?$/,
    "expected an address such as 10.0.0.2:53",
  ).nullable().default(null).describe("Name server; null for the system's."),
  interval: seconds.default(10).describe("Between two questions, whatever the TTL."),
  scheme,
  keep_empty: keepEmpty,
};

const file = {
  type: z.literal("file"),
  path: z.string().min(1)
    .describe("JSON in the form of Prometheus' file_sd, watched; relative to this file."),
  scheme,
  keep_empty: keepEmpty,
};

const kubernetes = {
  type: z.literal("kubernetes"),
  service: z.string().regex(
    /^([a-z0-9-]+\/)?[a-z0-9-]+$/,
    "expected namespace/service, or a service of the gateway's own namespace",
  ).describe("namespace/service: the ready endpoints of its EndpointSlices, watched."),
  port: z.union([port, z.string().min(1)]).optional()
    .describe("Name or number of the port; else the first of the slice."),
  url: z.url({ protocol: /^https?$/ }).nullable().default(null)
    .describe("Address of the API server; null for that of the cluster in which the gateway runs."),
  token_file: z.string().min(1).default("/var/run/secrets/kubernetes.io/serviceaccount/token")
    .describe("Token of the service account; read again for each request."),
  ca_file: z.string().min(1).default("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
    .describe("What the API server's certificate is signed by."),
  scheme,
  keep_empty: keepEmpty,
};

const consul = {
  type: z.literal("consul"),
  url: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:8500")
    .describe("Address of a Consul agent."),
  service: z.string().min(1).describe("Those of it that pass their checks, by a blocking query."),
  datacenter: z.string().min(1).nullable().default(null).describe("null for the agent's own."),
  tag: z.string().min(1).nullable().default(null).describe("Only those with this tag."),
  token: z.string().regex(/^[\x21-\x7e]+$/).nullable().default(null).describe("ACL token."),
  scheme,
  keep_empty: keepEmpty,
};

/** An entry of `discovery`; `found` are the options of the instances that it finds. */
export function discoveryEntry<Found extends z.core.$ZodLooseShape>(found: Found) {
  return z.discriminatedUnion("type", [
    z.strictObject({ ...dns, ...found }),
    z.strictObject({ ...file, ...found }),
    z.strictObject({ ...kubernetes, ...found }),
    z.strictObject({ ...consul, ...found }),
  ]);
}
