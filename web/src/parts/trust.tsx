// The trust corner: checks made now, in front of the learner.

import { useState } from "preact/hooks";

import { live, type Checked } from "../live/live";
import { t, tt } from "../words";

export function Trust() {
  const [checked, setChecked] = useState<Checked | null>(null);
  const [waiting, setWaiting] = useState(false);
  const ask = async () => {
    setWaiting(true);
    setChecked(await live.trust());
    setWaiting(false);
  };
  return (
    <details class="trust">
      <summary>{t("trust.title")}</summary>
      <p>{t("trust.words")}</p>
      <button type="button" onClick={() => void ask()} disabled={waiting}>{t("trust.check")}</button>
      <div aria-live="polite">
        {checked?.failed && <p>{checked.failed}</p>}
        {checked?.gradient && (
          <>
            <table>
              <caption>{t("trust.gradient", { seed: checked.seed ?? 0 })}</caption>
              <thead>
                <tr><th scope="col">{t("trust.layer")}</th><th scope="col">{t("trust.error")}</th></tr>
              </thead>
              <tbody>
                {Object.entries(checked.gradient).map(([norm, error]) => (
                  <tr key={norm}>
                    <th scope="row">{tt(`arm.${norm}`)}</th>
                    <td>{error.toExponential(1)} {error < 1e-4 ? "✓" : "✗"}</td>
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
