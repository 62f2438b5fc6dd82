// Package egress is the way out: the one HTTP client that calls systems, and
// the guard that keeps it from calling addresses it has no business with,
// whatever a URL, a name server or a rebound name says.
package egress

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// Refused says why an address is not called and which key of the configuration
// allows it. A connection that ends with it never sent a byte.
type Refused struct {
	Addr netip.Addr
	Kind string // what the address is: "a loopback address"
}

// Error names the address, what it is and what to do.
func (r *Refused) Error() string {
	bits := r.Addr.WithZone("").Unmap()
	return fmt.Sprintf("%s is %s, which is not called unasked; if the system really is there, add %s to egress.allow in the configuration",
		r.Addr, r.Kind, netip.PrefixFrom(bits, bits.BitLen()))
}

// Guard judges the addresses of connections before they are made. The zero
// value allows public addresses alone.
type Guard struct {
	allow []netip.Prefix
}

// NewGuard allows public addresses and those that allow names (the
// configuration's egress.allow).
func NewGuard(allow []netip.Prefix) *Guard { return &Guard{allow: allow} }

// kinds lists what is not called unasked, narrow before wide. The source is
// the IANA registries of special-purpose addresses (RFC 6890 and its heirs)
// and the published metadata addresses of clouds.
var kinds = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("169.254.170.2/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("100.100.100.200/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("192.0.0.192/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "a cloud's metadata address"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "a cloud's metadata address"},

	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared address (CGNAT)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a protocol's own address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a tunnel's address (6to4)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},

	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("::/96"), "an IPv4 address in disguise (IPv4-compatible)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "an IPv4 address in disguise (NAT64)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an IPv4 address in disguise (NAT64)"},
	{netip.MustParsePrefix("2001::/32"), "an IPv4 address in disguise (Teredo)"},
	{netip.MustParsePrefix("2001::/23"), "a protocol's own address"},
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address in disguise (6to4)"},
	{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
	{netip.MustParsePrefix("fc00::/7"), "a private address (ULA)"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), "a private address (site-local)"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

// globalUnicast is all of IPv6 that is handed out to be reached (RFC 4291).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// Check returns a *Refused for an address that is neither public nor allowed.
// A zone does not help past it. An IPv4-mapped IPv6 address is refused even
// where its IPv4 address is public: nothing honest is spelled that way.
func (g *Guard) Check(addr netip.Addr) error {
	bare := addr.WithZone("")
	for _, p := range g.allow {
		if p.Contains(bare) || p.Contains(bare.Unmap()) {
			return nil
		}
	}
	if !bare.IsValid() {
		return &Refused{Addr: addr, Kind: "no address"}
	}
	if bare.Is4In6() {
		return &Refused{Addr: addr, Kind: "an IPv4 address in disguise (IPv4-mapped)"}
	}
	for _, k := range kinds {
		if k.prefix.Contains(bare) {
			return &Refused{Addr: addr, Kind: k.kind}
		}
	}
	if bare.Is6() && !globalUnicast.Contains(bare) {
		return &Refused{Addr: addr, Kind: "a reserved address"}
	}
	return nil
}

// Control is a [net.Dialer]'s Control: it judges the address that was
// resolved, at each dial, after every name server has had its say. There is no
// moment between the judgement and the connection.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("call %s over %s: systems are called over TCP alone", address, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("call %q: no resolved address to judge: %w", address, err)
	}
	return g.Check(ap.Addr())
}
