import { render } from "preact";

import { App } from "./app";
import { server, trainers } from "./live/files";
import { live } from "./live/live";
import { memory } from "./memory";
import { classHere, room } from "./room/room";
import "./made/looks.css";
import "./styles.css";
import { setLanguage, type Language } from "./words";

// For those who open the console, and for the tests.
Object.assign(window, { evenbatch: { live } });

const wall = classHere() !== "" && location.pathname.endsWith("/wall");

if (wall) {
  // It trains nothing.
} else if (trainers() === "device") {
  live.train();
  room.resume();
  // Without one (a file, a private window) the page is only not there without a network.
  if (location.protocol !== "file:" && !classHere()) void navigator.serviceWorker?.register("sw.js").catch(() => {});
} else live.open(server());

const wanted = memory.get("language") || (navigator.language.startsWith("de") ? "de" : "en");
void setLanguage(wanted as Language).then(async () => {
  const Page = wall ? (await import("./wall/wall")).Wall : App;
  render(<Page />, document.getElementById("app")!);
});
