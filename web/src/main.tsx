import { render } from "preact";

import { App } from "./app";
import { server, trainers } from "./live/files";
import { live } from "./live/live";
import { memory } from "./memory";
import "./made/looks.css";
import "./styles.css";
import { setLanguage, type Language } from "./words";

// For those who open the console, and for the tests.
Object.assign(window, { evenbatch: { live } });

if (trainers() === "device") {
  live.train();
  // Without one (a file, a private window) the page is only not there without a network.
  if (location.protocol !== "file:") void navigator.serviceWorker?.register("sw.js").catch(() => {});
} else live.open(server());

const wanted = memory.get("language") || (navigator.language.startsWith("de") ? "de" : "en");
void setLanguage(wanted as Language).then(() => render(<App />, document.getElementById("app")!));
