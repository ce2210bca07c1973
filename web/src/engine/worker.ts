// A worker that trains: see session.ts.

import { Session, type ToWorker } from "./session";

const session = new Session(self);
addEventListener("message", (event: MessageEvent<ToWorker>) => void session.take(event.data));
