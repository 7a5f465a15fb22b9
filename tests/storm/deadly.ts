// How workers of mortal_main.ts are told to die.

/** Seconds of `keepalive`; this and its number end a worker. */
export const DEADLY_S = 10_000;
