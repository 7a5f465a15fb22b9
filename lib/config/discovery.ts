// Places where instances are looked for, as the program sees them. What is asked, and when an answer is
// believed, is left to lib/discover/.

/** Addresses of a name, or with `srv` its SRV records. */
export interface DnsPlace {
  readonly type: "dns";
  readonly name: string;
  readonly srv: boolean;
  readonly family: "auto" | "ipv4" | "ipv6" | "both";
  /** null for the system's. */
  readonly server: { readonly host: string; readonly port: number } | null;
}

/** A file in the form of Prometheus' file_sd. */
export interface FilePlace {
  readonly type: "file";
  /** As the configuration names it, relative to its own folder. */
  readonly path: string;
}

/** The EndpointSlices of a Service. */
export interface KubernetesPlace {
  readonly type: "kubernetes";
  /** null for the gateway's own. */
  readonly namespace: string | null;
  readonly service: string;
  /** null for the one that the environment of a pod names. */
  readonly url: string | null;
  readonly tokenFile: string;
  readonly caFile: string;
}

/** The passing instances of a service. */
export interface ConsulPlace {
  readonly type: "consul";
  readonly url: string;
  readonly service: string;
  readonly datacenter: string | null;
  readonly tag: string | null;
  readonly token: string | null;
}

export type Place = DnsPlace | FilePlace | KubernetesPlace | ConsulPlace;
