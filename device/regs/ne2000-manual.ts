/**
 * The prose of docs/ne2000.md. `{{name}}` is where the generator (harness/docs) puts a table made from the declarations.
 * Sections have numbers with an N, because rules, comments and messages cite them; a test checks that they exist.
 */
export const NE2000_MANUAL = `# The NE2000 interface

## N1 Overview

The same packet memory, address filter and FCS logic as in the native card (docs/datasheet.md), behind the registers of a
National Semiconductor DP8390D and the ports of Novell's NE2000 board, with the PCI identity of a Realtek RTL8029.
Drivers for any NE2000 clone work with it. The DP8390D's data sheet is the reference; this manual says what is there,
what happens where that sheet is silent or leaves a choice, and what a misuse does.

{{identity}}

Packet memory is 8 to 64 KiB, 16 KiB by default, at remote addresses from 4000h on (pages 40h–7Fh); boards of more than
48 KiB begin as much lower as they need. The wire is full duplex: nothing ever collides or defers. A frame takes its time
on the wire, and CR.TXP is 1 meanwhile.

## N2 Registers and resets

### N2.1 Access

The controller answers to byte accesses at ports 0–Fh, on the page that CR.PS selects. A place without a register reads 0
and takes nothing. Wider accesses to these ports read all-ones and take nothing. Unused bits of RCR, TCR, DCR and IMR read
0 on page 2. The data port answers at 10h–17h and the reset port at 18h–1Fh, with 8, 16 and 32 bits.

### N2.2 Start and stop

After a reset the controller is stopped: it receives nothing, and neither a transmission nor a remote DMA begins. CR.STA with STP
clear starts it; STP clear alone does not. STP stops it: a transmission under way is finished first, then ISR.RST is set.
Registers keep their values, and pending causes stay. CR reads as it was written.

### N2.3 Reset port

A read of the reset port resets the controller as its reset pin does: CR becomes 21h (stopped, remote DMA aborted, page 0), IMR
and TCR.LB 0, DCR.LAS 1, ISR 80h, so that the interrupt line falls. A transmission under way is lost. Pointers, addresses
and packet memory keep their contents. A write ends the reset, and does nothing more. PCI function reset does the same.

## N3 Packet memory

### N3.1 The receive ring

The ring is the pages from PSTART up to, not including, PSTOP. A packet starts at page CURR with four bytes (status as
in RSR, next page, byte count low and high: packet and FCS), then the packet, then its FCS; it takes
⌈(length + 8) / 256⌉ pages. After each page comes the next one, PSTART after PSTOP − 1. All four pointers take any
value. What falls outside packet memory is lost.

### N3.2 Full and empty

Before each page after the first, its number is compared with BNRY. When they are equal the packet is given up: its header is
not written, CURR stays, ISR gets OVW, RXE and RST, RSR gets MPA, CNTR2 counts. The pages up to BNRY may have been written.
When a packet ends on the page before BNRY, CURR becomes equal to BNRY: the ring is full, and the next packet is given up
before its first byte. A write of BNRY or CURR ends this state: with equal pointers the ring is empty again. After an overflow the
controller receives on as soon as there is room; drivers should go through the recovery that the data sheet prescribes
all the same. A start (every write of CR with STA, so a page select too) or pages given back clear ISR.RST.

### N3.3 Remote DMA and the data port

RSAR and RBCR are the address and byte counters themselves. CR.RD = 1 (read) or 2 (write) lets the data port move: a byte
with each access, with DCR.WTS a word (at an even address: bit 0 is ignored), which a byte access consumes too; a 32-bit
access moves two words, or four bytes. At the end of a page that is the last before PSTOP the address goes on at PSTART,
in both directions. When the count is used up ISR.RDC is set and the port stops moving; a command with count 0 sets RDC at
once. CR.RD = 4–7 stops the port; the counters stay. RD = 0 is not allowed and changes nothing. In byte mode a 16-bit read
gives one byte, the upper half 0; in word mode a byte write writes 0 above it.

Addresses without memory read FFh and take nothing; so do all accesses while the port does not move.

### N3.4 Send packet

With DCR.AR, CR.RD = 3 loads the address from BNRY and the count from the header there, and reads that many bytes. When
they have been read, BNRY becomes the header's next page, and RDC is set. RBCR1 need not be loaded first.

### N3.5 PROM

Remote addresses 0–1Fh are the board's PROM, read-only: the six bytes of the station address, eight zeros and two times
57h, each twice. It hides memory that lies there.

## N4 Frames

### N4.1 Transmission

CR.TXP sends TBCR bytes from page TPSR on, without wrap and without padding, and the FCS unless TCR.CRC says that the last four
bytes are it. TSR is 0 until the frame has left; then PTX is set in TSR and ISR. With the link down the frame is lost,
and TSR.CRS tells.

### N4.2 Reception

A packet of fewer than 60 bytes is a runt: ignored, or with RCR.AR stored as it is (6 bytes at least). Then the
address is judged: PAR; AB for broadcasts; AM and the hash table MAR for multicasts, whose index is the upper six bits of
the CRC of the address; PRO lets every unicast pass. A wrong FCS sets RSR.CRC (and FAE when the packet did not end on a
byte boundary) and ISR.RXE, counts in CNTR1 (CNTR0), and the packet is dropped, or stored with RCR.SEP. In monitor mode
nothing is stored: RSR gets MPA, and CNTR2 counts. A stored good packet sets RSR and ISR PRX. There is no upper limit to
a packet's length but the ring.

TCR.ATD: while it is set, a multicast that passes the filter with hash index 62 holds the transmitter (TXP stays 1, the frame
waits), index 63 releases it.

### N4.3 Loopback

While TCR.LB is not 0 nothing is received from the wire and nothing is stored; DCR.LS makes no difference. A transmission is
heard by the receiver. Mode 3 also goes to the wire.

| mode | TSR | on the wire |
| --- | --- | --- |
| 1 controller | 51h | no |
| 2 encoder/decoder | 41h | no |
| 3 transceiver | 01h | yes |

The receiver cannot check a CRC that the transmitter makes: for a packet to us it reports RSR.CRC, ISR.RXE and
CNTR1 then. With TCR.CRC it checks the one in the packet. A packet to somebody else gives RSR.PRX, whatever its CRC.
ISR.PRX is never set. The FIFO then holds the last bytes of the packet, FCS included, each at its number modulo 8,
and behind them the byte count: low, high, high. It is read from location 0 on. In word mode too the whole packet is looped.

## N5 Register reference

{{registers}}

## N6 Misuse

Nothing a driver does makes the card fail. What follows is defined, and each occurrence is recorded with register,
value and time.

{{rules}}
`;
