// The program with a clock that a test sets: the time of day is as many milliseconds off as the file says
// that CLOCK_FILE names. What counts by a clock that nobody sets is left as it is.

const path = Deno.env.get("CLOCK_FILE")!;
const RealDate = Date;
let offMs = Number(Deno.readTextFileSync(path));
setInterval(() => offMs = Number(Deno.readTextFileSync(path)), 10);

class SetDate extends RealDate {
  constructor(...args: unknown[]) {
    // deno-lint-ignore no-explicit-any -- it has many forms
    super(...(args.length === 0 ? [SetDate.now()] : args) as [any]);
  }

  static override now(): number {
    return RealDate.now() + offMs;
  }
}

globalThis.Date = SetDate as DateConstructor;
await import("../../main.ts");
