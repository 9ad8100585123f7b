/** User space: the wrappers and programs that scenarios run on hosts. */
export { check, SysError } from './error.ts';
export { IPERF3_PORT, type Iperf3Test, iperf3Server } from './iperf3.ts';
export { type Output, type PingOptions, ping, type UdpSendOptions, udpEcho, udpSend } from './programs.ts';
export {
  accept,
  connect,
  httpServer,
  listen,
  type ServeOptions,
  Stream,
  tcpDiscard,
  tcpEcho,
  tcpSend,
  tcpServe,
} from './tcp.ts';
export { address, type Call, type Datagram, type Endpoint, User } from './user.ts';
