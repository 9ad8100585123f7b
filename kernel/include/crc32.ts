export { ether_crc } from '../lib/crc32.ts';
