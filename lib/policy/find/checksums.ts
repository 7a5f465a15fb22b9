// Check digits: what tells a number of a kind from any other digits.

/** ISO/IEC 7812, annex B: cards of banks. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = digit * 2;
    sum += i % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

const ID_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const ID_CHECKS = "10X98765432";
/** First two digits of the places of the People's Republic. */
const PLACES = new Set(
  "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91"
    .split(" "),
);

/** GB 11643-1999: an identity number of 18 characters, its place, date and check character. */
export function isChineseId(text: string): boolean {
  if (!/^\d{17}[\dXx]$/.test(text) || !PLACES.has(text.slice(0, 2))) return false;
  const [year, month, day] = [text.slice(6, 10), text.slice(10, 12), text.slice(12, 14)];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  const isDate = !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
  if (!isDate || Number(year) < 1850 || Number(year) > 2200) return false;
  const sum = ID_WEIGHTS.reduce((all, weight, at) => all + weight * Number(text[at]), 0);
  return ID_CHECKS[sum % 11] === text[17].toUpperCase();
}

/** Four groups of 0 to 255, none written as 010. */
export function isIpv4(text: string): boolean {
  const groups = text.split(".");
  return groups.length === 4 &&
    groups.every((group) => /^(0|[1-9]\d{0,2})$/.test(group) && Number(group) < 256);
}
