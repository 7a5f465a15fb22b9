// Metrics of other gateways in front of the same instances.

import type { Metric } from "./metric.ts";

export const peersMetrics: readonly Metric[] = [
  {
    name: "gateway_peers",
    type: "gauge",
    help: "Other gateways that are heard of now",
    labels: [],
    *read({ peers }) {
      if (peers !== null) yield { labels: {}, value: peers.others.length };
    },
  },
  {
    name: "gateway_peer_age_seconds",
    type: "gauge",
    help: "Time since the last note of this gateway",
    labels: ["peer"],
    *read({ peers }) {
      for (const { name, age } of peers?.others ?? []) yield { labels: { peer: name }, value: age };
    },
  },
  {
    name: "gateway_peers_late",
    type: "gauge",
    help:
      "Whether gateways that should be there are silent, so that unknown prompts go to their homes",
    labels: [],
    *read({ peers }) {
      if (peers !== null) yield { labels: {}, value: peers.isLate ? 1 : 0 };
    },
  },
  {
    name: "gateway_peer_notes_total",
    type: "counter",
    help: "Notes to other gateways and from them",
    labels: ["direction"],
    *read({ peers }) {
      if (peers === null) return;
      yield { labels: { direction: "sent" }, value: peers.sent };
      yield { labels: { direction: "taken" }, value: peers.taken };
    },
  },
  {
    name: "gateway_peer_failures_total",
    type: "counter",
    help: "Notes of this gateway that did not get through",
    labels: [],
    *read({ peers }) {
      if (peers !== null) yield { labels: {}, value: peers.failures };
    },
  },
  {
    name: "gateway_peer_refused_total",
    type: "counter",
    help:
      "Notes that were not taken: a wrong token, another version, malformed, too long, too many gateways",
    labels: ["reason"],
    *read({ peers }) {
      for (const [reason, value] of peers?.refused ?? []) yield { labels: { reason }, value };
    },
  },
];
