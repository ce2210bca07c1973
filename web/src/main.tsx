import { render } from "preact";

import { App } from "./app";
import { live } from "./live/live";
import { memory } from "./memory";
import "./made/looks.css";
import "./styles.css";
import { setLanguage, type Language } from "./words";

// For those who open the console, and for the tests.
Object.assign(window, { evenbatch: { live } });

live.open(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);

const wanted = memory.get("language") || (navigator.language.startsWith("de") ? "de" : "en");
void setLanguage(wanted as Language).then(() => render(<App />, document.getElementById("app")!));
