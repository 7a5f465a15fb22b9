// Discovery by the API of Kubernetes: list and watch, the token and the authority, what breaks in between.

import assert from "node:assert/strict";
import { KubernetesApi, type Slice } from "../support/kubernetes_api.ts";
import { waitFor } from "../support/wait.ts";
import { Heard } from "./heard.ts";

function slice(
  name: string,
  pods: Record<string, string | null>,
  more: Partial<Slice> = {},
): Slice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, labels: { "kubernetes.io/service-name": "vllm" } },
    addressType: "IPv4",
    endpoints: Object.entries(pods).map(([pod, address]) => ({
      addresses: [address ?? "10.9.9.9"],
      conditions: { ready: address !== null, terminating: address === null },
      targetRef: { kind: "Pod", name: pod, uid: `uid of ${pod}` },
    })),
    ports: [
      { name: "metrics", port: 9090, protocol: "TCP" },
      { name: "http", port: 8000, protocol: "TCP" },
    ],
    ...more,
  };
}

const asked = { type: "kubernetes", service: "ai/vllm", port: "http" };

Deno.test("ready endpoints count by the name of their port, pods that come and go at once", async () => {
  await using api = await KubernetesApi.start();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1", "vllm-b": null }));
  await using heard = new Heard({ ...asked, ...api.options });
  await heard.counts("10.0.0.1:8000");
  assert.equal(heard.targets[0][0].name, "vllm-a");
  await waitFor(() => api.watches === 1, "the watch");
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1", "vllm-b": "10.0.0.2" }));
  await heard.counts("10.0.0.1:8000", "10.0.0.2:8000");
  api.bookmark();
  api.set(slice("vllm-2", { "vllm-c": "10.0.0.3" }));
  await heard.counts("10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000");
  api.delete("vllm-1");
  await heard.counts("10.0.0.3:8000");
  assert.equal(api.asked.filter((url) => !url.includes("watch=")).length, 1, "one list");
});

Deno.test("a pod with an IPv4 and an IPv6 address is one instance", async () => {
  await using api = await KubernetesApi.start();
  api.set(slice("vllm-6", { "vllm-a": "fd00::1", "vllm-b": "fd00::2" }, { addressType: "IPv6" }));
  api.set(slice("vllm-4", { "vllm-a": "10.0.0.1" }));
  await using heard = new Heard({ ...asked, ...api.options });
  await heard.counts("10.0.0.1:8000", "fd00::2:8000");
});

Deno.test("a watch that is cut goes on where it was, one that is too old with a list", async () => {
  await using api = await KubernetesApi.start();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1" }));
  await using heard = new Heard({ ...asked, ...api.options });
  await heard.counts("10.0.0.1:8000");
  await waitFor(() => api.watches === 1, "the watch");
  api.cut();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1", "vllm-b": "10.0.0.2" }));
  await heard.counts("10.0.0.1:8000", "10.0.0.2:8000");
  const lists = () => api.asked.filter((url) => !url.includes("watch=")).length;
  assert.equal(lists(), 1);
  await waitFor(() => api.watches === 1, "the watch");
  api.expire();
  api.set(slice("vllm-1", { "vllm-b": "10.0.0.2" }));
  await heard.counts("10.0.0.2:8000");
  assert.equal(lists(), 2);
  assert.deepEqual(
    heard.words.filter((word) => !/^\d+ instance/.test(word)),
    [],
    "no fault of anybody",
  );
});

Deno.test("a token that is refused is named, keeps what was found, and is read again", async () => {
  await using api = await KubernetesApi.start();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1" }));
  await using heard = new Heard({ ...asked, ...api.options });
  await heard.counts("10.0.0.1:8000");
  await waitFor(() => api.watches === 1, "the watch");
  api.token = "token-2";
  api.cut();
  await heard.fails(/it answers 401: Unauthorized/);
  assert.equal(heard.state.found, 1);
  await api.writeToken("token-2");
  api.set(slice("vllm-1", { "vllm-b": "10.0.0.2" }));
  await heard.counts("10.0.0.2:8000");
  assert.equal(heard.state.error, null);
});

Deno.test("a server whose certificate another authority has signed is not believed", async () => {
  await using api = await KubernetesApi.start();
  await using other = await KubernetesApi.start();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1" }));
  await using heard = new Heard({ ...asked, ...api.options, ca_file: other.options.ca_file });
  await heard.fails(/certificate/i);
  assert.deepEqual(api.asked, []);
});

Deno.test("what is missing is named: a right, a file, the cluster", async () => {
  await using api = await KubernetesApi.start();
  await using forbidden = new Heard({ ...asked, ...api.options, service: "other/vllm" });
  await using fileless = new Heard({ ...asked, ...api.options, token_file: "/nowhere/token" });
  const { url: _, ...inPod } = api.options;
  await using outside = new Heard({ ...asked, ...inPod });
  await forbidden.fails(/it answers 403: endpointslices\.discovery\.k8s\.io is forbidden/);
  await fileless.fails(/the token of the service account cannot be read/);
  await outside.fails(/not in a pod \(no KUBERNETES_SERVICE_HOST\)/);
});

Deno.test("in a pod the environment names the API server", async () => {
  await using api = await KubernetesApi.start();
  api.set(slice("vllm-1", { "vllm-a": "10.0.0.1" }));
  const { url: _, ...inPod } = api.options;
  await using heard = new Heard({ ...asked, ...inPod, port: 8001 }, ".", {
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    KUBERNETES_SERVICE_PORT: String(api.port),
  });
  await heard.counts("10.0.0.1:8001");
});
