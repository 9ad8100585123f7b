/** ether_crc: the CRC-32 register over bytes, most significant bit first, as multicast filters want it (linux/crc32.h). */
export function ether_crc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    let data = byte;
    for (let bit = 0; bit < 8; bit++) {
      const feedback = ((crc >>> 31) ^ data) & 1;
      crc = (crc << 1) ^ (feedback !== 0 ? 0x04c11db7 : 0);
      data >>= 1;
    }
  }
  return crc >>> 0;
}
