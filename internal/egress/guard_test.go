package egress_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/waybillhq/waybill/internal/egress"
)

// addresses are refused unless allowed, each with a word of what it is.
var addresses = map[string]string{
	"127.0.0.1": "loopback", "127.1.2.3": "loopback", "127.255.255.254": "loopback", "::1": "loopback",
	"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "::": "unspecified",
	"10.0.0.1": "private", "10.255.255.255": "private", "172.16.0.1": "private", "172.31.255.255": "private",
	"192.168.0.1": "private", "192.168.255.255": "private", "fc00::1": "ULA", "fd12:3456:789a::1": "ULA", "fdff:ffff::": "ULA", "fec0::1": "site-local",
	"100.64.0.1": "CGNAT", "100.127.255.255": "CGNAT",
	"169.254.0.1": "link-local", "169.254.255.255": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local",
	"169.254.169.254": "metadata", "169.254.170.2": "metadata", "168.63.129.16": "metadata", "100.100.100.200": "metadata", "192.0.0.192": "metadata",
	"fd00:ec2::254": "metadata", "fd00:ec2::254%1": "metadata", "fd20:ce::254": "metadata",
	"224.0.0.1": "multicast", "239.255.255.255": "multicast", "ff02::1": "multicast", "ff0e::1": "multicast", "ff02::1%eth0": "multicast",
	"240.0.0.1": "reserved", "254.1.1.1": "reserved", "255.255.255.255": "broadcast",
	"192.0.0.1": "protocol", "192.0.2.1": "documentation", "198.51.100.7": "documentation", "203.0.113.9": "documentation", "2001:db8::1": "documentation", "3fff::1": "documentation",
	"198.18.0.1": "benchmarks", "198.19.255.255": "benchmarks", "192.88.99.1": "6to4",
	"::ffff:127.0.0.1": "IPv4-mapped", "::ffff:7f00:1": "IPv4-mapped", "::ffff:10.0.0.1": "IPv4-mapped", "::ffff:169.254.169.254": "IPv4-mapped", "::ffff:8.8.8.8": "IPv4-mapped",
	"::127.0.0.1": "IPv4-compatible", "::7f00:1": "IPv4-compatible", "64:ff9b::7f00:1": "NAT64", "64:ff9b:1::a00:1": "NAT64", "2002:7f00:1::": "6to4", "2001::7f00:1": "Teredo",
	"2001:2::1": "protocol", "100::1": "reserved", "4000::1": "reserved", "5f00::1": "reserved",
}

func TestGuard_Refuses(t *testing.T) {
	if len(addresses) < 60 {
		t.Errorf("only %d addresses", len(addresses))
	}
	guard := egress.NewGuard(nil)
	for text, kind := range addresses {
		addr := netip.MustParseAddr(text)
		err := guard.Check(addr)
		var refused *egress.Refused
		if !errors.As(err, &refused) || refused.Addr != addr || !contains(refused.Kind, kind) || !contains(err.Error(), "egress.allow") {
			t.Errorf("%s, %s: %v", text, kind, err)
			continue
		}
		bare := addr.WithZone("")
		if err := egress.NewGuard([]netip.Prefix{netip.PrefixFrom(bare, bare.BitLen())}).Check(addr); err != nil {
			t.Errorf("%s is refused although allowed: %v", text, err)
		}
		if err := egress.NewGuard([]netip.Prefix{netip.MustParsePrefix("8.8.4.0/24"), netip.MustParsePrefix("2001:4860::/32")}).Check(addr); err == nil {
			t.Errorf("%s is let through where others are allowed", text)
		}
	}
	if err := guard.Check(netip.Addr{}); err == nil {
		t.Error("no address at all is let through")
	}
}

func TestGuard_LetsThrough(t *testing.T) {
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.1",
		"172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888"} {
		if err := egress.NewGuard(nil).Check(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for text, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::ffff:127.0.0.1": true, "::1": false, "10.0.0.1": false, "128.0.0.1": true} {
		if err := egress.NewGuard(allow).Check(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s where 127.0.0.0/8 is allowed: %v", text, err)
		}
	}
}

func TestGuard_Control(t *testing.T) {
	guard := egress.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	for _, c := range []struct {
		network, address string
		ok               bool
	}{
		{"tcp4", "127.0.0.1:80", true}, {"tcp6", "[2606:4700::1111]:443", true}, {"tcp6", "[::1]:80", false}, {"tcp6", "[fe80::1%1]:80", false},
		{"udp4", "127.0.0.1:53", false}, {"unix", "/run/x.sock", false}, {"tcp4", "localhost:80", false}, {"tcp4", "", false},
	} {
		if err := guard.Control(c.network, c.address, nil); (err == nil) != c.ok {
			t.Errorf("%s %s: %v", c.network, c.address, err)
		}
	}
	var refused *egress.Refused
	err := guard.Control("tcp4", "10.1.2.3:80", nil)
	if want := "10.1.2.3 is a private address, which is not called unasked; if the system really is there, add 10.1.2.3/32 to egress.allow in the configuration"; !errors.As(err, &refused) || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
