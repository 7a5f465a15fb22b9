// The gateway on a host whose clock is an hour ahead.

const now = Date.now;
Date.now = () => now() + 3_600_000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: unknown[]) {
    super(...(given.length === 0 ? [RealDate.now()] : given) as [number]);
  }
} as DateConstructor;

await import("../../main.ts");
