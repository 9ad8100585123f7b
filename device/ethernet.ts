/** What Ethernet puts around every frame (IEEE 802.3), in bytes. */

/** Clause 3.1: preamble and start delimiter, FCS. */
export const PREAMBLE_BYTES = 8;
export const FCS_BYTES = 4;
/** Clause 4.4.2: the gap between frames, 96 bit times. */
export const GAP_BYTES = 12;
/** Clause 3.2.8: the shortest frame, without FCS; what is shorter is a collision fragment. */
export const MIN_FRAME = 60;
