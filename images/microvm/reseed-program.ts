const ADDRESS = 0x400000n;
const HEADERS = 64 + 56;

/**
 * A static x86-64 program that has the kernel draw a new key for its random numbers, from all that was
 * written to /dev/urandom, its standard input; busybox has no applet that does. It ends with 0, or
 * with the number of the error: 61 (ENODATA) when the generator is too young to be asked.
 */
export function reseedProgram(): Buffer {
  const code = Buffer.from([
    ...[0xb8, 0x10, 0x00, 0x00, 0x00], // mov eax, 16: ioctl
    ...[0x31, 0xff], // xor edi, edi: standard input
    ...[0xbe, 0x07, 0x52, 0x00, 0x00], // mov esi, 0x5207: RNDRESEEDCRNG of <linux/random.h>
    ...[0x31, 0xd2], // xor edx, edx
    ...[0x0f, 0x05], // syscall
    ...[0x89, 0xc7, 0xf7, 0xdf], // mov edi, eax; neg edi
    ...[0xb8, 0x3c, 0x00, 0x00, 0x00], // mov eax, 60: exit
    ...[0x0f, 0x05], // syscall
  ]);
  const size = BigInt(HEADERS + code.length);
  const headers = Buffer.alloc(HEADERS);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(headers);
  headers.writeUInt16LE(2, 16); // ET_EXEC
  headers.writeUInt16LE(62, 18); // EM_X86_64
  headers.writeUInt32LE(1, 20);
  headers.writeBigUInt64LE(ADDRESS + BigInt(HEADERS), 24); // entry
  headers.writeBigUInt64LE(64n, 32); // program headers
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(1, 56);
  headers.writeUInt32LE(1, 64); // PT_LOAD
  headers.writeUInt32LE(5, 68); // readable, executable
  headers.writeBigUInt64LE(ADDRESS, 80);
  headers.writeBigUInt64LE(ADDRESS, 88);
  headers.writeBigUInt64LE(size, 96);
  headers.writeBigUInt64LE(size, 104);
  headers.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([headers, code]);
}
