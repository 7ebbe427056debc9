/** "2 days 3 h", "1 h 20 min", "5 min", "40 s"; nothing below zero. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  const dayText = days === 1 ? '1 day' : `${days} days`;
  return hours % 24 === 0 ? dayText : `${dayText} ${hours % 24} h`;
}
