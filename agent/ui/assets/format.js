// Numbers and times as people read them.

const UNITS = ["", "k", "M", "G", "T"];

export function count(value) {
  if (value === null || value === undefined) return "–";
  let unit = 0;
  let rest = Math.abs(value);
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    ++unit;
  }
  const digits = (unit === 0 && Number.isInteger(rest)) || rest >= 9.95 ? 0 : rest >= 0.995 ? 1 : 2;
  return (value < 0 ? "-" : "") + rest.toFixed(digits) + UNITS[unit];
}

export function rate(value) {
  return value === null || value === undefined ? "–" : count(value) + "/s";
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return value.toFixed(unit === 0 || value >= 100 ? 0 : 1) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit];
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 1) return Math.max(0, Math.round(seconds * 1000)) + " ms";
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 129600) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " d";
}

export function ago(unixSeconds) {
  if (!unixSeconds) return "never";
  const age = Date.now() / 1000 - unixSeconds;
  return age < 1 ? "now" : duration(age) + " ago";
}

export function time(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleString(undefined, { hour12: false });
}
