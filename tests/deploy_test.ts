// What is shipped in deploy/ does what it says, as far as it can be tried without a cluster: the unit is
// hardened, the manifests hold valid configurations, the installer refuses what was tampered with.

import assert from "node:assert/strict";
import { join } from "node:path";
import { parse, parseAllDocuments } from "npm:yaml@2.9.1";
import { loadConfig } from "../lib/config/load.ts";
import { CATALOG } from "../lib/observe/metrics/catalog.ts";

const ROOT = join(import.meta.dirname!, "..");
const read = (path: string) => Deno.readTextFile(join(ROOT, path));

async function run(command: string, args: string[]): Promise<{ code: number; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const text = new TextDecoder();
  return { code, said: text.decode(stdout) + text.decode(stderr) };
}

async function has(command: string): Promise<boolean> {
  try {
    return (await run(command, ["--version"])).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const analyzes = await has("systemd-analyze");

Deno.test({
  name: "the systemd unit is hardened (needs systemd-analyze)",
  // Only Debian and its like have it.
  ignore: !analyzes,
  async fn() {
    const unit = "deploy/systemd/simple-ai-gateway.service";
    const { said } = await run("systemd-analyze", ["security", "--offline=true", unit]);
    const exposure = Number(said.match(/Overall exposure level.*: ([\d.]+)/)?.[1]);
    assert.ok(exposure <= 2, said);
  },
});

Deno.test("the systemd unit waits longer than the gateway drains", async () => {
  const unit = await read("deploy/systemd/simple-ai-gateway.service");
  const wait = Number(unit.match(/^TimeoutStopSec=(\d+)$/m)?.[1]);
  assert.ok(wait > 30, "drain_timeout is 30 s by default");
  assert.match(unit, /^DynamicUser=yes$/m);
});

Deno.test("the Kubernetes manifests belong together, and their configuration is valid", async () => {
  const documents = parseAllDocuments(await read("deploy/kubernetes/gateway.yaml"));
  const byKind = new Map(documents.map((document) => {
    assert.deepEqual(document.errors, []);
    const value = document.toJS();
    return [value.kind as string, value];
  }));
  const text = byKind.get("ConfigMap").data["config.jsonc"];
  const loaded = loadConfig(
    "config.jsonc",
    text,
    (name) => name === "ADMIN_TOKEN" ? "x" : undefined,
  );
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const pod = byKind.get("Deployment").spec.template.spec;
  assert.ok(pod.terminationGracePeriodSeconds > loaded.config.drainTimeoutS);
  const [container] = pod.containers;
  assert.equal(container.ports[0].containerPort, loaded.config.port);
  assert.ok(container.securityContext.readOnlyRootFilesystem);
  const mounts = container.volumeMounts.map((mount: { mountPath: string }) => mount.mountPath);
  assert.ok(mounts.includes(loaded.config.dataDir));
  const { selector } = byKind.get("Service").spec;
  assert.deepEqual(byKind.get("Deployment").spec.template.metadata.labels, selector);
});

Deno.test("the manifests of the guide to Kubernetes belong together, and their configurations load", async () => {
  const guide = await read("docs/guides/kubernetes.md");
  const blocks = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  const documents = blocks.flatMap((text) => parseAllDocuments(text)).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS();
  });
  const [account, role, binding, map, peers] = documents;
  assert.deepEqual(documents.map(({ kind }) => kind), [
    ...["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Service"],
  ]);
  assert.equal(new Set(documents.map(({ metadata }) => metadata.namespace)).size, 1);
  assert.equal(binding.roleRef.name, role.metadata.name);
  assert.deepEqual(binding.subjects, [{
    kind: "ServiceAccount",
    name: account.metadata.name,
    namespace: account.metadata.namespace,
  }]);
  const loaded = loadConfig("config.jsonc", map.data["config.jsonc"], () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { service } = JSON.parse(map.data["config.jsonc"]).discovery[0];
  assert.equal(service.split("/")[0], role.metadata.namespace);
  // The Service of the gateways is found by the Deployment's labels, at the name that `peers` has.
  const manifests = parseAllDocuments(await read("deploy/kubernetes/gateway.yaml"));
  const deployment = manifests.map((one) => one.toJS()).find(({ kind }) => kind === "Deployment");
  assert.deepEqual(peers.spec.selector, deployment.spec.template.metadata.labels);
  assert.ok(guide.includes(`"dns": "${peers.metadata.name}.${peers.metadata.namespace}.svc:9999"`));
});

Deno.test("the settings of clients in their guide can be read", async () => {
  const guide = await read("docs/guides/clients.md");
  const blocks = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  assert.equal(blocks.length, 2);
  for (const text of blocks) {
    const document = parse(text);
    assert.match(JSON.stringify(document), /"(apiBase|baseURL)":"http:\/\/\w+:9999\/v1"/);
  }
});

Deno.test("the examples for autoscalers ask for metrics that the gateway has, of the labels that it gives them", async () => {
  const gauges = new Map(
    CATALOG.filter(({ type }) => type === "gauge").map(({ name, labels }) => [name, labels]),
  );
  const asked = (query: string) => {
    const [, name, label] = /(gateway_\w+)\{(\w+)=/.exec(query)!;
    assert.deepEqual(gauges.get(name), [label], query);
  };
  const keda = parse(await read("deploy/kubernetes/autoscaling-keda.yaml"));
  assert.equal(keda.kind, "ScaledObject");
  const [trigger] = keda.spec.triggers;
  assert.equal(trigger.type, "prometheus");
  asked(trigger.metadata.query);
  // So many instances as the query says.
  assert.deepEqual([trigger.metricType, trigger.metadata.threshold], ["AverageValue", "1"]);
  const [adapter, hpa] = parseAllDocuments(await read("deploy/kubernetes/autoscaling-hpa.yaml"))
    .map((document) => {
      assert.deepEqual(document.errors, []);
      return document.toJS();
    });
  const [rule] = parse(adapter.data["config.yaml"]).externalRules;
  asked(rule.seriesQuery.replace("!=", "="));
  assert.match(rule.metricsQuery, /^max\(gateway_model_saturation\{/);
  assert.equal(hpa.kind, "HorizontalPodAutoscaler");
  const { metric, target } = hpa.spec.metrics[0].external;
  assert.equal(metric.name, rule.name.as);
  assert.deepEqual(Object.keys(metric.selector.matchLabels), gauges.get(metric.name));
  assert.match(target.value, /^[1-9]\d{0,2}m$/, "a share of one");
});

Deno.test("the compose file runs commands that exist, on a valid configuration", async () => {
  const { services } = parse(await read("deploy/docker/compose.yaml"));
  const text = await read("deploy/docker/config/config.jsonc");
  const loaded = loadConfig("config.jsonc", text, () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const [, port] = services.gateway.ports[0].split(":");
  assert.equal(Number(port), loaded.config.port);
  const [command, ...flags] = services.instances.command;
  const { said } = await run(Deno.execPath(), ["run", "-A", "main.ts", command, "--help"]);
  for (const flag of flags.filter((flag: string) => flag.startsWith("--"))) {
    assert.ok(said.includes(flag), flag);
  }
});

const hadolint = join(
  Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "", ".cache"),
  "simple-ai-gateway-tests/hadolint-2.15.1/bin/hadolint",
);

Deno.test({
  name: "the Dockerfile is as hadolint wants it (needs tests/support/hadolint.sh)",
  // It comes from PyPI; CI installs it.
  ignore: !await has(hadolint),
  async fn() {
    const { code, said } = await run(hadolint, ["--no-color", "deploy/docker/Dockerfile"]);
    assert.equal(code, 0, said);
  },
});

Deno.test("the image is built by a task that exists, from files that exist", async () => {
  const text = await read("deploy/docker/Dockerfile");
  const sources = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names]) =>
    names.split(" ")
  );
  assert.ok(sources.length > 5);
  for (const name of sources) await Deno.stat(join(ROOT, name));
  assert.match(text, /^USER 65532:65532$/m);
});

/** A folder of release files, served as a release is. */
function serveRelease(files: Record<string, string>) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const text = files[new URL(request.url).pathname.slice(1)];
    return text === undefined ? new Response("", { status: 404 }) : new Response(text);
  });
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

Deno.test({
  name: "the installer installs what its checksum names, and nothing else",
  ignore: Deno.build.os === "windows",
  async fn() {
    const program = '#!/bin/sh\necho "1.2.3"\n';
    const arch = Deno.build.arch;
    const os = Deno.build.os === "darwin" ? "apple-darwin" : "unknown-linux-gnu";
    const name = `simple-ai-gateway-${arch}-${os}`;
    const files: Record<string, string> = {
      [name]: program,
      SHA256SUMS: `${await sha256(program)}  ${name}\n`,
    };
    await using release = serveRelease(files);
    const from = `http://127.0.0.1:${(release.addr as Deno.NetAddr).port}`;
    const dir = await Deno.makeTempDir();
    try {
      const install = () => run("sh", ["deploy/install.sh", "--from", from, "--dir", dir]);
      const good = await install();
      assert.equal(good.code, 0, good.said);
      assert.match(good.said, /1\.2\.3/);
      assert.equal(await Deno.readTextFile(join(dir, "simple-ai-gateway")), program);

      files[name] = program + "echo tampered\n";
      const bad = await install();
      assert.notEqual(bad.code, 0);
      assert.match(bad.said, /SHA-256.*nothing was installed/);
      assert.equal(await Deno.readTextFile(join(dir, "simple-ai-gateway")), program);

      delete files.SHA256SUMS;
      assert.notEqual((await install()).code, 0);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("the workflows call tasks and files that exist", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  for (const name of ["ci.yml", "release.yml"]) {
    const text = await read(`.github/workflows/${name}`);
    assert.ok(parse(text).jobs);
    for (const [, task] of text.matchAll(/deno@[\d.]+ task (\S+)/g)) assert.ok(tasks[task], task);
    for (const [, file] of text.matchAll(/(?:run: |\.\.\/)(\.ci\/run|deploy\/[\w.]+)/g)) {
      await Deno.stat(join(ROOT, file));
    }
  }
});
