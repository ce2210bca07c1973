// Numbers as Python writes them: correctly rounded, and half to even where a number lies exactly
// between two, which JavaScript rounds away from zero.

const SEEN = 40; // digits behind the last: a double that is no tie differs from one long before

// Whether digits that follow mean exactly one half.
const half = (digits: string) => /^50*$/.test(digits);

function named(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

// As Python's f"{value:.{places}f}".
export function fixed(value: number, places: number): string {
  if (!Number.isFinite(value)) return named(value);
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (size >= 1e21) return `${sign}${BigInt(size)}${places ? `.${"0".repeat(places)}` : ""}`;
  const [whole, rest] = size.toFixed(places + SEEN).split(".") as [string, string];
  const cut = places ? `${whole}.${rest.slice(0, places)}` : whole;
  return sign + (half(rest.slice(places)) && Number(cut.at(-1)) % 2 === 0 ? cut : size.toFixed(places));
}

// As Python's f"{value:.{count}g}".
export function general(value: number, count = 6): string {
  if (!Number.isFinite(value)) return named(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  const [long, tail] = size.toExponential(count - 1 + SEEN).split("e") as [string, string];
  const found = long.replace(".", "");
  const even = half(found.slice(count)) && Number(found[count - 1]) % 2 === 0;
  const [short, power] = even ? [found.slice(0, count), tail] : size.toExponential(count - 1).replace(".", "").split("e") as [string, string];
  const exponent = Number(power);
  const trimmed = short.replace(/0+$/, "");
  if (exponent < -4 || exponent >= count) {
    const mantissa = trimmed.length > 1 ? `${trimmed[0]}.${trimmed.slice(1)}` : trimmed;
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${`${Math.abs(exponent)}`.padStart(2, "0")}`;
  }
  if (!trimmed) return `${sign}0`;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${trimmed}`;
  const whole = trimmed.padEnd(exponent + 1, "0").slice(0, exponent + 1);
  return sign + whole + (trimmed.length > exponent + 1 ? `.${trimmed.slice(exponent + 1)}` : "");
}

// 10 to the power of `decades`, in three digits, as one would write it down.
export function rateAt(decades: number): number {
  return Number(general(10 ** decades, 3));
}
