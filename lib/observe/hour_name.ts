// The hour that a file of records or errors is named after.

/** `YYYYMMDD_HH` in local time. */
export function hourName(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}_${
    two(time.getHours())
  }`;
}

/** When the hour of this name begins. */
export function hourBegin(name: string): Date {
  const [, year, month, day, hour] = /^(\d{4})(\d{2})(\d{2})_(\d{2})$/.exec(name)!.map(Number);
  return new Date(year, month - 1, day, hour);
}
