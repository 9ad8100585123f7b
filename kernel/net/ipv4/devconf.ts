/** net.ipv4.conf.<device>.*: IPv4's settings of one device (struct ipv4_devconf). Names as sysctl(8) shows them. */
export class ipv4_devconf {
  forwarding = 0;
  accept_redirects = 1;
  secure_redirects = 1;
  send_redirects = 1;
  shared_media = 1;
  accept_source_route = 0;
  accept_local = 0;
  route_localnet = 0;
  rp_filter = 0;
  log_martians = 0;
  src_valid_mark = 0;
  proxy_arp = 0;
  arp_filter = 0;
  arp_announce = 0;
  arp_ignore = 0;
  arp_accept = 0;
  arp_notify = 0;
  arp_evict_nocarrier = 1;
  drop_gratuitous_arp = 0;
  drop_unicast_in_l2_multicast = 0;
  promote_secondaries = 0;
  ignore_routes_with_linkdown = 0;
  /** 1, 2 or 3; 0: as the queriers do. */
  force_igmp_version = 0;
  /** ms */
  igmpv2_unsolicited_report_interval = 10000;
  igmpv3_unsolicited_report_interval = 1000;

  /** A device starts with what conf.default says. */
  assign(from: ipv4_devconf): void {
    Object.assign(this, from);
  }
}
