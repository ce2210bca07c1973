import { render } from "preact";

import { App } from "./app";
import { memory } from "./memory";
import "./styles.css";
import { setLanguage, type Language } from "./words";

const wanted = memory.get("language") || (navigator.language.startsWith("de") ? "de" : "en");
void setLanguage(wanted as Language).then(() => render(<App />, document.getElementById("app")!));
