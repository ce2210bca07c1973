import { render } from "preact";

import { App } from "./app";
import { live } from "./live/live";
import { evening, eveningWithinRows } from "./machine";
import { memory } from "./memory";
import { factsOf, happened } from "./parts/happened";
import "./styles.css";
import { setLanguage, type Language } from "./words";

// For those who open the console, and for the tests.
Object.assign(window, { evenbatch: { evening, eveningWithinRows, factsOf, happened, live } });

const wanted = memory.get("language") || (navigator.language.startsWith("de") ? "de" : "en");
void setLanguage(wanted as Language).then(() => render(<App />, document.getElementById("app")!));
