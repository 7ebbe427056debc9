/** What each terminal of the crowd says: ten frames a second that make 40 KB/s. */
export const FRAME_BYTES = 4_000;
export const FRAMES_PER_SECOND = 10;
