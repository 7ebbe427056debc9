import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { ImageBuildError } from '../image-build-error.ts';

const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/**
 * The kernel inside a bzImage, as the ELF file that Firecracker wants and that QEMU starts faster.
 * Offsets are those of the kernel's x86 boot protocol.
 */
export function vmlinuxOf(bzImage: Buffer): Buffer {
  if (bzImage.subarray(0, 4).equals(ELF)) return bzImage;
  if (bzImage.toString('latin1', 0x202, 0x206) !== 'HdrS') throw damaged('it is no bzImage');
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c));
  const kernel = unpacked(payload);
  if (!kernel.subarray(0, 4).equals(ELF)) throw damaged('what it holds is no kernel');
  return kernel;
}

function unpacked(payload: Buffer): Buffer {
  if (payload.length < 8) throw damaged('it ends too early');
  // The build writes the unpacked size behind the compressed kernel.
  const compressed = payload.subarray(0, -4);
  switch (payload.readUInt32LE(0)) {
    case 0x184c2102:
      return unpackLz4(compressed, payload.readUInt32LE(payload.length - 4));
    case 0xfd2fb528:
      return zstdDecompressSync(compressed);
  }
  if (payload.readUInt16LE(0) === 0x8b1f) return gunzipSync(compressed);
  throw damaged('it is compressed in a way that is not known here (known: lz4, zstd, gzip)');
}

/** LZ4's legacy frame: blocks, each after its length. */
function unpackLz4(frame: Buffer, size: number): Buffer {
  const out = Buffer.alloc(size);
  let at = 0;
  let place = 4;
  while (place + 4 <= frame.length && at < size) {
    const end = place + 4 + frame.readUInt32LE(place);
    place += 4;
    if (end > frame.length) throw damaged('it ends too early');
    while (place < end) {
      const token = frame.readUInt8(place++);
      let literals = token >> 4;
      if (literals === 15) {
        let more: number;
        do {
          more = frame.readUInt8(place++);
          literals += more;
        } while (more === 255);
      }
      frame.copy(out, at, place, place + literals);
      at += literals;
      place += literals;
      if (place >= end) break;
      const distance = frame.readUInt16LE(place);
      place += 2;
      let length = (token & 15) + 4;
      if (length === 19) {
        let more: number;
        do {
          more = frame.readUInt8(place++);
          length += more;
        } while (more === 255);
      }
      if (distance === 0 || distance > at || at + length > size)
        throw damaged('its compressed data is broken');
      // Byte by byte where they overlap: a match may repeat what it is just writing.
      if (distance >= length) out.copy(out, at, at - distance, at - distance + length);
      else for (let n = 0; n < length; n += 1) out[at + n] = out[at + n - distance] as number;
      at += length;
    }
  }
  if (at !== size) throw damaged('it ends too early');
  return out;
}

function damaged(why: string): ImageBuildError {
  return new ImageBuildError(`The kernel cannot be used: ${why}. Run \`clarateach microvm setup\` again.`);
}
