// A client's connection as the HTTP/1.1 listener uses it: TCP, or TLS over it.

export interface ClientConn {
  readonly remoteAddr: { readonly hostname: string };
  /** Only TCP has it to do; Deno and Node send what is encrypted at once. */
  setNoDelay?(noDelay?: boolean): void;
  /** Only TLS has one. Rejects where the two sides do not agree. */
  handshake?(): Promise<unknown>;
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Nothing more is written. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** Where connections come in. */
export interface Door {
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Rejects once it is closed. */
  accept(): Promise<ClientConn>;
  close(): void;
}
