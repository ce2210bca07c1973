// Under a verdict in a class without a server: what the pair found, as a code for the teacher.

import { useEffect, useState } from "preact/hooks";

import type { Run } from "../live/run";
import { useMemory } from "../memory";
import { t } from "../words";
import { classHere } from "./room";

export function Give({ name, run }: { name: string; run: Run }) {
  const pair = useMemory().get("pair");
  const [code, set] = useState("");
  useEffect(() => {
    let here = true;
    set("");
    if (pair && !classHere()) void import("./code").then(({ codeOf }) => codeOf(name, run, pair)).then((made) => here && set(made));
    return () => void (here = false);
  }, [run, run.result, pair]);
  if (!code) return null;
  return <p class="give" role="status">{t("give.code")} <strong class="code">{code}</strong></p>;
}
