/** IPv4 addresses in text (net/core/utils.c, inet_ntoa(3)). In the kernel they are int32, host order. */

/** in_aton: "10.1.0.2" to its integer; NaN when it is no dotted quad (inet_pton's form: four decimal numbers). */
export function in_aton(text: string): number {
  const parts = text.split('.');
  if (parts.length !== 4) return NaN;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return NaN;
    address = (address << 8) | Number(part);
  }
  return address;
}

/** inet_ntoa, %pI4: the dotted quad. */
export function inet_ntoa(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}
