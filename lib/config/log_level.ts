// The levels of log messages.

/** From everything to almost nothing: a level shows its own messages and those after it. */
export const LOG_LEVELS = ["trace", "debug", "info", "warning", "error", "fatal"] as const;

export type LogLevel = typeof LOG_LEVELS[number];
