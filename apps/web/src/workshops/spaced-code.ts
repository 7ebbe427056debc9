/** A code in groups that people can read aloud: `ABCDEF` as `ABC DEF`, `ABCDEFGH` as `ABCD EFGH`. */
export function spacedCode(code: string): string {
  if (code.length <= 5) return code;
  const group = code.length % 3 === 0 && code.length < 12 ? 3 : 4;
  return code.match(new RegExp(`.{1,${group}}`, 'g'))?.join(' ') ?? code;
}
