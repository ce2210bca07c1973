import { beforeEach, expect, test, vi } from "vitest";

import { Run } from "../src/live/run";
import { memory } from "../src/memory";
import { estimates, Room } from "../src/room/room";

class Socket {
  static readonly OPEN = 1;
  static all: Socket[] = [];
  readyState = 0;
  sent: { [key: string]: unknown }[] = [];
  onopen = () => {};
  onmessage = (_event: { data: string }) => {};
  onclose = () => {};
  constructor(readonly address: string) {
    Socket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as { [key: string]: unknown });
  }
  close(): void {}
  open(): void {
    this.readyState = 1;
    this.onopen();
  }
  hear(message: object): void {
    this.onmessage({ data: JSON.stringify(message) });
  }
  drop(): void {
    this.readyState = 3;
    this.onclose();
  }
}

const here = () => Socket.all.at(-1)!;
const lead = { chapter: "", moved: 0, paused: false };

function joined(pair = 7): Room {
  const room = new Room(() => "class-a");
  room.join("KLMNP");
  here().open();
  here().hear({ type: "joined", pair, lead });
  return room;
}

function finished(seed: number, more: object = {}): Run {
  const run = new Run(1, "race", { data: "digits", seed, seeds: 5 });
  const result = { claim: "speed", statement: {}, verdict: { effects: [{ id: "steps/best", value: 9, bound: "" }, { id: "end/best", value: null, bound: "" }] } };
  return Object.assign(run, { status: "done", result, ...more });
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", Socket);
  vi.useFakeTimers();
  memory.set("room", { name: "", token: "", moved: 0 });
  memory.set("unsent", []);
  memory.forget();
  Socket.all = [];
  location.hash = "";
});

test("joining begins a fresh record, and gives the pair its number", () => {
  memory.put("predictions", "race", "ten"); // somebody else's, on a shared device
  joined();
  expect(memory.get("predictions")).toEqual({});
  expect(memory.get("pair")).toBe(7);
  expect(memory.get("room").token).toMatch(/^[0-9a-f]{32}$/);
  expect(here().sent[0]).toMatchObject({ type: "join", code: "KLMNP", token: memory.get("room").token });
});

test("what was not written down is sent again after the connection was lost, until it is", () => {
  const room = joined();
  room.vote("race", "ten");
  here().drop();
  room.found("race", finished(7000));
  expect(room.state).toBe("lost");
  vi.advanceTimersByTime(2000);
  expect(Socket.all).toHaveLength(2);
  here().open();
  here().hear({ type: "joined", pair: 7, lead });
  const [join, vote, found] = here().sent;
  expect(join).toMatchObject({ type: "join", token: memory.get("room").token });
  expect(vote).toMatchObject({ type: "vote", experiment: "race", option: "ten" });
  expect(found).toMatchObject({ type: "found", effects: [{ id: "steps/best", value: 9, bound: "" }], settings: { seed: 7000 } });
  here().hear({ type: "kept", ask: vote!.ask });
  expect(memory.get("unsent")).toHaveLength(1);
  here().hear({ type: "refused", ask: found!.ask, why: "message", text: "" });
  expect(memory.get("unsent")).toHaveLength(0);
});

test("results on nobody's or another's seeds, and recorded ones, are not sent; each run once", () => {
  const room = joined();
  for (const run of [finished(0), finished(6000), finished(7000, { origin: { of: "recorded" } }), finished(7000, { status: "running" })]) room.found("race", run);
  expect(memory.get("unsent")).toHaveLength(0);
  const run = finished(7005);
  room.found("race", run);
  room.found("race", run);
  expect(memory.get("unsent")).toHaveLength(1);
});

test("without a class nothing is kept or sent", () => {
  const room = new Room(() => "");
  room.vote("race", "ten");
  room.resume();
  expect(memory.get("unsent")).toHaveLength(0);
  expect(Socket.all).toHaveLength(0);
});

test("the class is followed once, and not back after a reload", () => {
  joined();
  here().hear({ type: "led", lead: { chapter: "race", moved: 3, paused: true } });
  expect(location.hash).toBe("#/race");
  location.hash = "#/layer";
  const again = new Room(() => "class-a");
  again.resume();
  here().open();
  here().hear({ type: "joined", pair: 7, lead: { chapter: "race", moved: 3, paused: false } });
  expect(location.hash).toBe("#/layer");
  expect(again.member).toBe(true);
});

test("a device of another class is nobody here", () => {
  joined();
  const other = new Room(() => "class-b");
  const before = Socket.all.length;
  other.resume();
  expect(other.member).toBe(false);
  expect(Socket.all).toHaveLength(before);
});

test("turned away, a device says why and does not try by itself", () => {
  const room = new Room(() => "class-a");
  room.join("WRONG");
  here().open();
  here().hear({ type: "refused", ask: null, why: "code", text: "" });
  here().drop();
  vi.advanceTimersByTime(60_000);
  expect([room.state, room.why, Socket.all.length]).toEqual(["out", "code", 1]);
});

test("effects without a number are left out", () => {
  expect(estimates([{ id: "a", value: NaN, bound: "" }, { id: "", value: 1, bound: "" }, { id: "b", value: 2, bound: "at least" }])).toEqual([{ id: "b", value: 2, bound: "at least" }]);
});
