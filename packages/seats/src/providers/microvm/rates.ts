/** What one seat may take of a disk or a line: so much a second, after a burst. */
export interface Rate {
  readonly perSecond: number;
  /** Taken at once, before the rate holds. */
  readonly burst: number;
}

export interface SeatRates {
  /** For each disk. */
  readonly disk: { readonly bytes: Rate; readonly requests: Rate };
  /** For each direction. */
  readonly network: { readonly bytes: Rate };
}

const MIB = 1024 * 1024;

/** Enough for a seat alone, and so that no seat takes disk and network from the others. */
export const SEAT_RATES: SeatRates = {
  disk: {
    bytes: { perSecond: 128 * MIB, burst: 512 * MIB },
    requests: { perSecond: 8_000, burst: 32_000 },
  },
  network: { bytes: { perSecond: 64 * MIB, burst: 256 * MIB } },
};
