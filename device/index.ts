/** What an embedder needs: the two cards, the ports they are plugged into, and the wire. docs/embedding.md shows how. */
export { EEPROM_WORDS, MacEeprom } from './eeprom.ts';
export { Ne2000, type Ne2000Options } from './ne2000.ts';
export { Nic, type NicOptions, type NicTiming } from './nic.ts';
export { type BarSpec, type CardIdentity, ConfigSpace, type MessageSpec, type PciTarget } from './pci.ts';
export { CopperPhy, PHY_ADDRESS } from './phy.ts';
export {
  type Dma,
  type Eeprom,
  FCS_GOOD,
  type FrameSink,
  type IrqLine,
  type PacketMemory,
  type Phy,
  type Station,
  type Timed,
  type ViolationSink,
  type Wire,
} from './ports.ts';
export { NE2000 } from './regs/ne2000.ts';
export { NE2000_RULES, type Ne2000Rule } from './regs/ne2000-rules.ts';
export { NIC } from './regs/nic.ts';
export { RULES, type Rule, type RuleText } from './regs/rules.ts';
export { ERROR_DRIBBLE } from './rx.ts';
export type { NicTrace, RxDropReason, TxDropReason } from './trace.ts';
export { Link, type LinkOptions } from './wire/link.ts';
export { FrameSource, type SourceOptions } from './wire/source.ts';
