/** What iptables says when it will not, and its exit status. */
export class IptablesProblem extends Error {
  readonly status: number;
  /** False: the message is printed as it is, without the program's name and version. */
  readonly named: boolean;

  constructor(message: string, status: number, named = true) {
    super(message);
    this.status = status;
    this.named = named;
  }
}

/** Used wrongly: PARAMETER_PROBLEM, with the hint. */
export function misuse(message: string): IptablesProblem {
  return new IptablesProblem(`${message}\nTry \`iptables -h' or 'iptables --help' for more information.`, 2);
}

/** The kernel, or the table's content, is against it: `iptables: …`. */
export function refused(message: string, status = 1): IptablesProblem {
  return new IptablesProblem(`iptables: ${message}`, status, false);
}
