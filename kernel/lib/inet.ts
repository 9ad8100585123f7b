/** IPv4 addresses in text (net/core/utils.c, inet_aton(3), inet_ntoa(3)). In the kernel they are int32, host order. */

export const INADDR_ANY = 0;
export const INADDR_LOOPBACK = 0x7f000001;
export const INADDR_BROADCAST = -1;

/** in_aton: '10.0.0.1' as an int32 in host order; null when it is no dotted quad. */
export function in_aton(text: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let address = 0;
  for (let i = 1; i <= 4; i++) {
    const part = Number(match[i]);
    if (part > 255) return null;
    address = (address << 8) | part;
  }
  return address;
}

/** inet_ntoa: the dotted quad. */
export function inet_ntoa(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** ipv4_is_multicast: 224.0.0.0/4 */
export function ipv4_is_multicast(address: number): boolean {
  return (address & 0xf0000000) === (0xe0000000 | 0);
}

/** ipv4_is_lbcast: 255.255.255.255 */
export function ipv4_is_lbcast(address: number): boolean {
  return address === INADDR_BROADCAST;
}

/** ipv4_is_loopback: 127.0.0.0/8 */
export function ipv4_is_loopback(address: number): boolean {
  return (address & 0xff000000) === 0x7f000000;
}
