/**
 * Names for numbers that filters use. Real tcpdump asks the system (/etc/services, /etc/protocols, DNS); a simulation
 * must be the same everywhere, so the common ones are listed here, and others are refused.
 */

const TCP = 1;
const UDP = 2;

/** [port, TCP | UDP], as in /etc/services. */
const SERVICES: Readonly<Record<string, readonly [port: number, over: number]>> = {
  echo: [7, TCP | UDP],
  discard: [9, TCP | UDP],
  daytime: [13, TCP | UDP],
  chargen: [19, TCP | UDP],
  'ftp-data': [20, TCP],
  ftp: [21, TCP],
  ssh: [22, TCP],
  telnet: [23, TCP],
  smtp: [25, TCP],
  time: [37, TCP | UDP],
  domain: [53, TCP | UDP],
  bootps: [67, UDP],
  bootpc: [68, UDP],
  tftp: [69, UDP],
  http: [80, TCP],
  kerberos: [88, TCP | UDP],
  pop3: [110, TCP],
  sunrpc: [111, TCP | UDP],
  ntp: [123, UDP],
  imap2: [143, TCP],
  snmp: [161, TCP | UDP],
  bgp: [179, TCP],
  ldap: [389, TCP | UDP],
  syslog: [514, UDP],
  https: [443, TCP | UDP],
  imaps: [993, TCP],
  pop3s: [995, TCP],
};

/** The port's number, and over which protocol: IPPROTO_TCP, IPPROTO_UDP, or -1 for either. */
export interface Service {
  readonly port: number;
  readonly protocol: number;
}

export function serviceByName(name: string): Service | undefined {
  // What the system's look-up also takes: a number.
  if (/^\d+$/.test(name)) return { port: Number(name), protocol: -1 };
  if (!Object.hasOwn(SERVICES, name)) return undefined;
  const [port, over] = SERVICES[name] as readonly [number, number];
  return { port, protocol: over === TCP ? 6 : over === UDP ? 17 : -1 };
}

/** As in /etc/protocols. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  ip: 0,
  icmp: 1,
  igmp: 2,
  ggp: 3,
  tcp: 6,
  egp: 8,
  igp: 9,
  udp: 17,
  ipv6: 41,
  'ipv6-route': 43,
  'ipv6-frag': 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  ospf: 89,
  pim: 103,
  vrrp: 112,
  l2tp: 115,
  sctp: 132,
  udplite: 136,
};

export function protocolByName(name: string): number | undefined {
  return Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
}

/** EtherTypes, and the service access points of 802.2 behind them. */
const LINK_PROTOCOLS: Readonly<Record<string, number>> = {
  aarp: 0x80f3,
  arp: 0x0806,
  atalk: 0x809b,
  decnet: 0x6003,
  ip: 0x0800,
  ip6: 0x86dd,
  lat: 0x6004,
  loopback: 0x9000,
  mopdl: 0x6001,
  moprc: 0x6002,
  rarp: 0x8035,
  sca: 0x6007,
  iso: 0xfe,
  stp: 0x42,
  ipx: 0xe0,
  netbeui: 0xf0,
};

export function linkProtocolByName(name: string): number | undefined {
  return Object.hasOwn(LINK_PROTOCOLS, name) ? LINK_PROTOCOLS[name] : undefined;
}
