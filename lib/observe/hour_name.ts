// The hour that a file of records or errors is named after.

/** `YYYYMMDD_HH` in local time. */
export function hourName(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}_${
    two(time.getHours())
  }`;
}
