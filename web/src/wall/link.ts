// The teacher's line to the class: what the wall shows comes, what the teacher chooses goes.

import type { FromRoom, Steer, Table, ToRoom, Wall } from "../made/room";
import { classServer } from "../room/room";

const NAME = "evenbatch-wall";

// The secret stands in the address that the command opens; there everybody could read it off the
// projector, so it moves to where only this tab has it.
export function secretOf(place: Location, kept: Storage): string {
  const given = place.hash.slice(1);
  if (given) {
    kept.setItem(NAME, given);
    history.replaceState(null, "", place.pathname);
  }
  return given || (kept.getItem(NAME) ?? "");
}

export class Link {
  state: "connecting" | "in" | "lost" | "denied" = "connecting";
  wall: Wall | null = null;
  private socket: WebSocket | null = null;
  private wanted: ((table: Table) => void)[] = [];

  constructor(
    private readonly secret: string,
    private readonly changed: () => void,
  ) {}

  open(): void {
    const socket = new WebSocket(classServer());
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "teach", secret: this.secret }));
    socket.onmessage = (event) => this.read(JSON.parse(event.data as string) as FromRoom);
    socket.onclose = () => {
      if (this.state === "denied") return;
      this.state = "lost";
      this.changed();
      setTimeout(() => this.open(), 1000);
    };
  }

  steer(what: Partial<Steer>): void {
    this.send({ type: "steer", ...what } as Steer);
  }

  remove(pair: number, out: boolean): void {
    this.send({ type: "remove", pair, out });
  }

  table(): Promise<Table> {
    this.send({ type: "export" });
    return new Promise((resolve) => this.wanted.push(resolve));
  }

  private send(message: ToRoom): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private read(message: FromRoom): void {
    if (message.type === "wall") {
      this.wall = message;
      this.state = "in";
    }
    if (message.type === "refused" && this.state !== "in") this.state = "denied";
    if (message.type === "table") this.wanted.splice(0).forEach((take) => take(message));
    this.changed();
  }
}
