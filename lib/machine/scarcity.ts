// What this process, and nobody else, lacks when the system refuses it a connection: file descriptors,
// ports, memory for sockets. Told by an error's code, or by its text where the runtime gives no code.

/** files: too many are open; ports: none is left for one more connection; buffers: the kernel's memory. */
export type Scarce = "files" | "ports" | "buffers";

/** Codes of POSIX, and of Winsock where they differ. */
const CODES: Readonly<Record<string, Scarce>> = {
  EMFILE: "files",
  ENFILE: "files",
  EADDRNOTAVAIL: "ports",
  ENOBUFS: "buffers",
  ENOMEM: "buffers",
};

/** As the system says it, for errors of fetch, which are texts. */
const TEXTS: readonly (readonly [RegExp, Scarce])[] = [
  [/too many open files|\(os error 10024\)/i, "files"],
  [/(cannot|can't) assign requested address|\(os error 10049\)/i, "ports"],
  [/no buffer space available|cannot allocate memory|\(os error 10055\)/i, "buffers"],
];

/** null where the error tells of the other side. */
export function scarceIn(error: unknown): Scarce | null {
  if (!(error instanceof Error)) return null;
  const code = "code" in error && typeof error.code === "string" ? CODES[error.code] : undefined;
  return code ?? scarceInText(error.message);
}

export function scarceInText(text: string): Scarce | null {
  return TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

/** Fit for a client. */
export const SCARCE_WORDS: Readonly<Record<Scarce, string>> = {
  files: "the gateway has no file descriptor left for a connection",
  ports: "the gateway has no port left for a connection",
  buffers: "the gateway's system has no memory left for a connection",
};
