// The trust corner: checks made now, in front of the learner.

import { useState } from "preact/hooks";

import { live } from "../live/live";
import { useConnection } from "../live/use";
import type { Trusted } from "../made/messages";
import { t, tt } from "../words";

export function Trust() {
  useConnection();
  const [found, setFound] = useState<Trusted | null>(null);
  const [waiting, setWaiting] = useState(false);
  const checked = found?.checked;
  const ask = async () => {
    if (waiting) return;
    setWaiting(true);
    setFound(await live.trust());
    setWaiting(false);
  };
  return (
    <details class="trust">
      <summary>{t("trust.title")}</summary>
      {live.where === "device" ? (
        <p>{t("trust.device")}</p>
      ) : (
        <>
          <p>{t("trust.words")}</p>
          <button type="button" onClick={() => void ask()} aria-disabled={waiting}>{t("trust.check")}</button>
        </>
      )}
      <div aria-live="polite">
        {found?.failed && <p class="failed">{found.failed}</p>}
        {checked && (
          <>
            <table>
              <caption>{t("trust.gradient", { seed: checked.seed })}</caption>
              <thead>
                <tr><th scope="col">{t("trust.layer")}</th><th scope="col">{t("trust.error")}</th></tr>
              </thead>
              <tbody>
                {Object.entries(checked.gradient).map(([norm, error]) => (
                  <tr key={norm}>
                    <th scope="row">{tt(`arm.${norm}`)}</th>
                    <td>{error === null ? "–" : error.toExponential(1)} {error !== null && error < 1e-4 ? "✓" : "✗"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
            <p>{t("trust.toggle", { percent: Math.round(100 * (checked.toggle ?? 0)) })}</p>
          </>
        )}
      </div>
    </details>
  );
}
