// What `drain` and `undrain` do: ask the gateway, and wait until nothing runs there where that is wanted.

import type { FleetSnapshot } from "../../dashboard/source.ts";
import { askGateway, type GatewayPlace } from "../ask_gateway.ts";
import { having, isNumber, isText, optional, type Shape } from "../../json/shape.ts";
import { Interrupt } from "../interrupt.ts";
import { printable } from "../printable.ts";
import { isFleet } from "../status/read.ts";
import { amount } from "../amount.ts";

const LOOK_MS = 250;

/** What the gateway says of a drain. */
interface Drained {
  /** Requests that go on elsewhere, and those that finish where they are. */
  readonly moved?: number;
  readonly staying?: number;
  readonly note?: string;
}

const isTrue: Shape = (value) => value === true;
const isDrained = having({
  ...{ ok: isTrue, note: optional(isText) },
  // Where it was to move what runs there.
  ...{ moved: optional(isNumber), staying: optional(isNumber) },
});
const isUndrained = having({ ok: isTrue, note: optional(isText) });

/** Resolves to the exit code. */
export async function drainInstance(
  gateway: GatewayPlace,
  name: string,
  { wait, move }: { wait: boolean; move: boolean },
): Promise<number> {
  try {
    const { moved, staying, note } = await askGateway<Drained>(gateway, "drain", isDrained, {
      instance: name,
      move,
    });
    console.error(`${name} gets no new requests until it is undrained`);
    if (note !== undefined) console.error(printable(note));
    if (moved !== undefined) {
      const finish = staying === 1 ? "finishes" : "finish";
      const stay = staying === 0 ? "" : `; ${staying} cannot be moved and ${finish} there`;
      const go = moved === 1 ? "goes" : "go";
      console.error(`${amount(moved, "request")} under way ${go} on elsewhere${stay}`);
    }
    return wait ? await waitUntilFree(gateway, name) : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

/** Resolves to the exit code. */
export async function undrainInstance(gateway: GatewayPlace, name: string): Promise<number> {
  try {
    const { note } = await askGateway<Pick<Drained, "note">>(gateway, "undrain", isUndrained, {
      instance: name,
    });
    console.error(
      note === undefined ? `${name} gets requests again` : `${name}: ${printable(note)}`,
    );
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

async function waitUntilFree(gateway: GatewayPlace, name: string): Promise<number> {
  using interrupt = new Interrupt();
  let shown = -1;
  while (!interrupt.came) {
    const { instances }: FleetSnapshot = await askGateway(gateway, "fleet", isFleet);
    const running = instances.find((one) => one.name === name)?.in_flight ?? 0;
    if (running === 0) {
      console.error(`nothing runs at ${name} any more`);
      return 0;
    }
    if (running !== shown) console.error(`${running} still run at ${name}`);
    shown = running;
    await interrupt.pause(LOOK_MS);
  }
  return 130;
}
