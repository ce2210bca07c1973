// What a device shows of its class: the way in, which pair it is, and that the teacher speaks.

import { useEffect, useReducer, useState } from "preact/hooks";

import { memory, useMemory } from "../memory";
import { t, tt } from "../words";
import { classHere, room, type Room } from "./room";

export function useRoom(): Room {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => room.listen(again as () => void), []);
  return room;
}

// The code in the address that the picture on the wall leads to.
function codeInAddress(): string {
  return /^#\/join\?(\w{1,12})$/.exec(location.hash)?.[1] ?? "";
}

export function Join() {
  const { state, why, member } = useRoom();
  useMemory();
  const [code, setCode] = useState(codeInAddress);
  const others = Object.keys(memory.get("predictions")).length > 0;
  if (!classHere()) return null;
  if (member) return <p class="card joined" role="status">{t("room.in", { pair: memory.get("pair") })}</p>;
  return (
    <form class="card join" onSubmit={(event) => { event.preventDefault(); if (code.trim()) room.join(code); }}>
      <h2>{t("room.join")}</h2>
      <label>
        {t("room.code")}
        <input name="code" value={code} maxLength={12} autocomplete="off" autocapitalize="characters" spellcheck={false} onInput={(event) => setCode(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary" aria-disabled={state === "joining"}>{t("room.enter")}</button>
      <p role="status" class={why ? "failed" : "quiet"}>{why ? tt(`room.why.${why}`) : state === "out" ? t("room.sends") : tt(`room.${state}`)}</p>
      {others && <p class="quiet">{t("room.fresh")}</p>}
    </form>
  );
}

// Above every chapter: which pair this is.
export function Place() {
  const { state, member } = useRoom();
  const pair = useMemory().get("pair");
  if (!member || !pair) return null;
  return <p class="place quiet" role="status">{t("room.pair", { pair })}{state !== "in" && ` · ${t("room.lost")}`}</p>;
}

// The teacher speaks: nothing else is to be seen or done.
export function usePaused(): boolean {
  const { lead, member } = useRoom();
  return member && lead.paused;
}

export function Paused() {
  return (
    <div class="paused" role="alert">
      <p>{t("room.paused")}</p>
    </div>
  );
}
